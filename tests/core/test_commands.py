"""Commands that are offered name the profile they were found on, and can be pasted as they stand."""

import shlex
import sys

import pytest

from qdrant_admin.core.commands import Command, install_command, written


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (Command("up", apply=True, image=None), "qdrant-admin up --apply --profile work"),
        (Command("verify", how="kill", yes=False), "qdrant-admin verify --how kill --profile work"),
        (Command("logs", tail=0), "qdrant-admin logs --tail 0 --profile work"),
        (Command("export", "a b", to=("x", "y")), "qdrant-admin export 'a b' --to x --to y --profile work"),
        (Command("points", "list", "-odd"), "qdrant-admin points list --profile work -- -odd"),
        (Command("points", "show", "-odd", 7), "qdrant-admin points show --profile work -- -odd 7"),
        (Command("points", "show", "even", "-7"), "qdrant-admin points show even --profile work -- -7"),
        (Command("up", storage="-folder"), "qdrant-admin up --storage=-folder --profile work"),
    ],
)  # fmt: skip
def test_a_command_names_its_profile_and_is_one_for_a_shell(command: Command, text: str) -> None:
    assert str(command.on("work")) == text
    assert " --profile " not in str(command)


def test_what_to_do_is_put_on_the_profile_at_hand_unless_it_names_one() -> None:
    assert written(Command("up"), "work") == "qdrant-admin up --profile work"
    assert written(Command("up").on("other"), "work") == "qdrant-admin up --profile other"
    assert written(Command("up"), None) == "qdrant-admin up"
    assert written("docker stop qdrant-admin-up", "work") == "docker stop qdrant-admin-up"


def test_a_name_cannot_become_a_command_of_its_own() -> None:
    assert str(Command("up").on("x; rm -rf")) == "qdrant-admin up --profile 'x; rm -rf'"


def test_what_is_to_be_installed_lands_in_this_python() -> None:
    assert shlex.split(install_command("qdrant-admin[files]")) == [
        *(sys.executable, "-m", "pip", "install"),
        "qdrant-admin[files]",
    ]


def test_without_pip_uv_installs_into_this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert shlex.split(install_command("a", "b>=2")) == [
        *("uv", "pip", "install", "--python"),
        *(sys.executable, "a", "b>=2"),
    ]
