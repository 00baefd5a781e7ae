"""Which command restarts which engine, and what happens when it does not work."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AccessDenied, EngineUnavailable, Unsupported
from qdrant_admin.server.docker.engine import restart as engine_restart
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.restart import commands_for, run


def engine(product: str, address: str = "unix:///var/run/docker.sock") -> Engine:
    return Engine(address=address, product=product, why="a test", api_version="1.41")


def settings(*engine_restart: str) -> Settings:
    return Settings(name="work", profile=Profile(engine_restart=engine_restart or None))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux on which systemd runs."""
    monkeypatch.setattr(engine_restart, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path


@pytest.mark.parametrize(
    ("product", "address", "command"),
    [
        ("Docker Desktop 4.43.1", "unix:///home/a/.docker/desktop/docker.sock", "docker desktop restart"),
        ("Colima (Docker Engine 27.1)", "unix:///u/a/.colima/default/docker.sock", "colima restart --profile default"),
        ("Colima (Docker Engine 27.1)", "unix:///u/a/.colima/big/docker.sock", "colima restart --profile big"),
        ("Docker Engine 28.2.2", "unix:///run/user/1000/docker.sock", "systemctl --user restart docker"),
        ("Podman 5.2.0", "unix:///u/a/.local/share/containers/podman/machine/podman.sock", "podman machine stop"),
    ],
)
def test_every_engine_has_its_own_way(systemd: Path, product: str, address: str, command: str) -> None:
    assert " ".join(commands_for(engine(product, address), settings())[0]) == command


def test_the_service_of_the_system_is_root_s_and_nobody_is_asked_for_a_password(
    systemd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user, command in ((0, "systemctl restart docker"), (1000, "sudo -n systemctl restart docker")):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert " ".join(commands_for(engine("Docker Engine 28.2.2"), settings())[0]) == command


@pytest.mark.parametrize(
    ("product", "address", "why"),
    [
        ("Docker Engine 28.2.2", "tcp://10.0.0.5:2375", "another machine"),
        ("Docker Engine 28.2.2", "unix:///srv/other.sock", "/srv/other.sock"),
        ("Podman 5.2.0", "unix:///run/podman/podman.sock", "no daemon"),
        ("Rancher Desktop (Docker Engine 26)", "unix:///u/a/.rd/docker.sock", "no command is known"),
    ],
)
def test_what_cannot_be_restarted_from_here_says_why_and_how_to_name_the_command(
    systemd: Path, product: str, address: str, why: str
) -> None:
    with pytest.raises(Unsupported, match=why) as error:
        commands_for(engine(product, address), settings())
    assert error.value.fix == "qdrant-admin profiles set work 'engine_restart=sudo -n systemctl restart docker'"
    assert commands_for(engine(product, address), settings("my", "way")) == (("my", "way"),)


def test_an_engine_that_nobody_looks_after_is_not_ended(systemd: Path) -> None:
    systemd.rmdir()
    with pytest.raises(Unsupported, match="not a service of systemd"):
        commands_for(engine("Docker Engine 28.2.2"), settings())


def test_the_profile_names_the_command_in_one_text_or_as_words() -> None:
    words = ("sudo", "-n", "service", "my docker", "restart")
    assert Profile.model_validate({"engine_restart": "sudo -n service 'my docker' restart"}).engine_restart == words
    write_profile("local", {"engine_restart": words})
    assert read_profiles()["local"].engine_restart == words
    write_profile("local", {"engine_restart": None})
    assert read_profiles()["local"].engine_restart is None


def test_a_command_that_fails_tells_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match="no program absent-program"):
        run((("absent-program", "restart"),))
    with pytest.raises(EngineUnavailable, match="no such unit"):
        run((("sh", "-c", "echo no such unit >&2; exit 5"),))
    (tmp_path / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(AccessDenied, match="rights of root") as error:
        run((("sudo", "-n", "systemctl", "restart", "docker"),))
    assert error.value.fix == "sudo systemctl restart docker"
