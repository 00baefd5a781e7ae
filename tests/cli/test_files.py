"""Files on the command line: what is rejected and replayed, and what is exported."""

from pathlib import Path

import pytest

from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.state.records import load
from tests.cli.conftest import Run
from tests.migration.test_rejects import ROWS, mend, written
from tests.support.real import Server


@pytest.mark.server
def test_from_the_command_line(run: Run, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", server.url)
    monkeypatch.setenv("QDRANT_GRPC_PORT", str(server.grpc_port))
    source = written(tmp_path / "notes.jsonl", ROWS[:2])
    ran = run("migrate", f"jsonl:{source}", "--json")
    assert (ran.code, ran.json["verdict"]) == (1, "differs")
    report = load(MigrationReport, ran.out)
    assert isinstance(report, MigrationReport), "what --json prints can be read again"
    mended = mend(report, tmp_path / "m.jsonl", short={"vectors": {"": [1, 1, 1, 1]}})
    ran = run("migrations", "replay", str(mended), "--json")
    assert (ran.code, ran.json["verdict"], ran.json["collections"][0]["verified"]) == (0, "verified", 1)


@pytest.mark.server
def test_an_export_and_the_way_back(run: Run, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", server.url)
    monkeypatch.setenv("QDRANT_GRPC_PORT", str(server.grpc_port))
    assert run("migrate", f"jsonl:{written(tmp_path / 'notes.jsonl', ROWS[:1])}?distance=Dot").code == 0
    file = tmp_path / "out.parquet"
    ran = run("export", "notes", "--to", str(file), "--json")
    assert (ran.code, ran.json["verdict"], ran.json["points"], ran.json["file"]) == (0, "verified", 1, str(file))
    shown = run("export", "notes", "--to", str(file))
    assert (shown.code, "already exists" in shown.err) == (4, True)
    shown = run("export", "notes", "--to", str(file), "--yes")
    assert (shown.code, "verified" in shown.out) == (0, True)
    ran = run("migrate", ran.json["source"], "--on-conflict", "overwrite", "--yes", "--json")
    assert (ran.code, ran.json["verdict"]) == (0, "verified")
    assert run("export", "none", "--to", str(tmp_path)).code == 2


def test_a_reject_file_that_is_not_there_is_3_and_says_what_to_do(run: Run, tmp_path: Path) -> None:
    ran = run("migrations", "replay", str(tmp_path / "gone.jsonl"), "--json")
    assert ran.code == 3
    assert ran.json["error"]["what"]
    assert ran.json["error"]["fix"]
