"""What can be said of single collections on the command line."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.migration.support import local_store, numbered
from tests.support.real import Server


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--rename", "one"), "OLD=NEW"),
        (("--rename", "=x"), "OLD=NEW"),
        (("--on-conflict-of", "one"), "NAME=POLICY"),
        (("--on-conflict-of", "one=perhaps"), "fail, skip, overwrite, rename"),
    ],
)
def test_half_a_choice_is_a_wrong_command_line(run: Run, given: tuple[str, ...], told: str) -> None:
    ran = run("migrate", "chroma:nowhere", *given)
    assert ran.code == 2
    assert told in ran.err


@pytest.mark.server
def test_names_policies_and_what_stays_behind(
    run: Run, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", server.url)
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'a=b': numbered(3), 'two': numbered(3)})}"
    chosen = ("--rename", "a=b=first", "--exclude", "two")
    report = run("migrate", source, *chosen, "--json").json
    assert [(one["target"], one["verdict"]) for one in report["collections"]] == [
        ("first", "verified"),
        ("two", "skipped"),
    ]
    again = run("migrate", source, *chosen, "--on-conflict-of", "a=b=overwrite", "--json")
    assert again.code == 4
    fix = again.json["error"]["fix"]
    assert "--rename a=b=first --exclude two --on-conflict-of a=b=overwrite --yes" in fix
    assert run("migrate", source, *chosen, "--on-conflict-of", "a=b=overwrite", "--yes").code == 0
    assert run("migrate", source, "--exclude", "tow").code == 1
