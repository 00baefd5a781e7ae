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
    assert "--exclude two --rename a=b=first --on-conflict-of a=b=overwrite --yes" in fix
    assert run("migrate", source, *chosen, "--on-conflict-of", "a=b=overwrite", "--yes").code == 0
    assert run("migrate", source, "--exclude", "tow").code == 2


@pytest.mark.server
def test_a_collection_is_deleted_with_a_clear_yes_alone(
    run: Run, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QDRANT_URL", server.url)
    assert run("migrate", f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(3)})}").code == 0
    assert run("collections", "delete", "one", "--dry-run", "--json").json["dry_run"] is True
    refused = run("collections", "delete", "one")
    assert refused.code == 4
    assert "one would be deleted: 3 points" in refused.err
    assert "qdrant-admin collections delete one --yes --profile local" in refused.err
    done = run("collections", "delete", "one", "--yes")
    assert (done.code, done.out.startswith("● done   one is deleted: 3 points")) == (0, True)
    assert run("collections", "list", "--json").json["collections"] == []
