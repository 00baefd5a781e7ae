"""Commands that are offered name the profile they were found on."""

import shlex
import sys

import pytest

from qdrant_admin.core.commands import install_command, naming, on_profile
from qdrant_admin.core.events import Finished, Notice
from qdrant_admin.core.reports import Report


class Inner(Report):
    fix: str
    text: str = "qdrant-admin up"


class Outer(Report):
    parts: tuple[Inner, ...]
    fix: str = ""


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("qdrant-admin up --apply", "qdrant-admin up --apply --profile work"),
        ("then: qdrant-admin migrate --resume", "then: qdrant-admin --profile work migrate --resume"),
        ("unset KEY && qdrant-admin up", "unset KEY && qdrant-admin --profile work up"),
        ("qdrant-admin up --profile other", "qdrant-admin up --profile other"),
        ("qdrant-admin crash-test", "qdrant-admin crash-test --profile work"),
        ("qdrant-admin profiles list", "qdrant-admin profiles list"),
        ("docker stop qdrant-admin-up", "docker stop qdrant-admin-up"),
        ("", ""),
    ],
)
def test_a_command_names_its_profile_once(words: str, named: str) -> None:
    assert on_profile(words, "work") == named
    assert on_profile(words, None) == words


def test_a_name_cannot_become_a_command_of_its_own() -> None:
    assert on_profile("qdrant-admin up", "x; rm -rf") == "qdrant-admin up --profile 'x; rm -rf'"


def test_reports_within_events_are_reached_and_nothing_else_changes() -> None:
    event = Finished(report=Outer(parts=(Inner(fix="qdrant-admin status"),)))
    found = naming(event, "work").report
    assert isinstance(found, Outer)
    assert (found.parts[0].fix, found.parts[0].text) == ("qdrant-admin status --profile work", "qdrant-admin up")
    untouched = Notice(text="qdrant-admin up", fix="")
    assert naming(untouched, "work") is untouched


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
