"""Finding the engine, and saying why there is none."""

import http.server
import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import EngineUnavailable
from qdrant_admin.server.docker.engine import discovery as module
from qdrant_admin.server.docker.engine.discovery import Engine, asked_for, find_engine, product


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker configuration of this test alone."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "known_places", list)


@pytest.mark.docker
def test_says_which_engine_and_why(engine: Engine) -> None:
    assert engine.product.split()[-1][0].isdigit()
    assert engine.why
    assert engine.words == f"{engine.product} ({engine.why})"


@pytest.mark.docker
def test_docker_host_wins(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    assert find_engine().why == "DOCKER_HOST"
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert find_engine(engine.address).why == "the profile's docker_host"


def test_an_explicit_engine_is_never_exchanged_for_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket_path = tmp_path / "none.sock"
    with pytest.raises(EngineUnavailable) as absent:
        find_engine(f"unix://{socket_path}")
    assert str(socket_path) in absent.value.why
    assert "no such socket" in absent.value.why
    monkeypatch.setenv("DOCKER_HOST", f"unix://{socket_path}")
    with pytest.raises(EngineUnavailable, match="no container engine"):
        find_engine()


def test_a_dead_socket_says_so(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(EngineUnavailable) as absent:
        find_engine(f"unix://{path}")
    assert "connection refused" in absent.value.why


def test_an_engine_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PING_SECONDS", 1)
    path = tmp_path / "hung.sock"
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen()
        with pytest.raises(EngineUnavailable) as absent:
            find_engine(f"unix://{path}")
    assert "hung" in absent.value.why or "no answer in time" in absent.value.why


def test_what_is_no_engine_is_no_engine() -> None:
    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(EngineUnavailable):
            find_engine(f"tcp://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_ssh_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineUnavailable) as absent:
        find_engine("ssh://somebody@127.0.0.1")
    assert absent.value.fix == install_command("qdrant-admin[ssh]")


@pytest.mark.docker
def test_a_context_that_does_not_exist_is_said(engine: Engine, docker_config: Path) -> None:
    (docker_config / "config.json").write_text(json.dumps({"currentContext": "gone"}))
    assert find_engine().address
    assert asked_for(None).trouble == "docker's configuration (currentContext) names context gone, which does not exist"


def test_a_context_by_variable_is_final(docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    with pytest.raises(EngineUnavailable) as absent:
        find_engine()
    assert "DOCKER_CONTEXT names context gone" in absent.value.why


@pytest.mark.docker
def test_the_current_context_is_followed(engine: Engine, docker_config: Path) -> None:
    from docker.context import ContextAPI

    # First the file: docker-py puts its contexts beside it, wherever that is.
    (docker_config / "config.json").write_text(json.dumps({"currentContext": "mine"}))
    ContextAPI.create_context("mine", host=engine.address)
    assert find_engine().why == "context mine"


def test_no_engine_lists_where_it_looked(docker_config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        module, "known_places", lambda: [module._Place(f"unix://{tmp_path}/a.sock", "OrbStack's socket")]
    )
    with pytest.raises(EngineUnavailable) as absent:
        find_engine()
    assert "OrbStack's socket" in absent.value.why
    assert absent.value.fix


@pytest.mark.parametrize(("platform", "wanted"), [("win32", "npipe:////./pipe/docker_engine"), ("darwin", ".orbstack")])
def test_known_places_of_other_systems(monkeypatch: pytest.MonkeyPatch, platform: str, wanted: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert any(wanted in place.address for place in module.known_places())


@pytest.mark.parametrize(
    ("version", "info", "words"),
    [
        ({"Version": "28.1.1", "Platform": {"Name": "Docker Desktop 4.43.1 (198352)"}}, {}, "Docker Desktop 4.43.1"),
        ({"Version": "5.2.0", "Components": [{"Name": "Podman Engine"}]}, {}, "Podman 5.2.0"),
        ({"Version": "27.1"}, {"OperatingSystem": "OrbStack"}, "OrbStack (Docker Engine 27.1)"),
        ({"Version": "27.1"}, {"OperatingSystem": "Ubuntu", "Name": "colima"}, "Colima (Docker Engine 27.1)"),
        ({"Version": "20.10.24+dfsg1", "Platform": {"Name": ""}}, {"Name": "host"}, "Docker Engine 20.10.24"),
    ],
)
def test_products(version: dict[str, object], info: dict[str, object], words: str) -> None:
    assert product(version, info) == words
