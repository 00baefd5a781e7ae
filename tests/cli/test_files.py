"""Files on the command line: what is rejected and replayed."""

from pathlib import Path

import pytest

from qdrant_admin.migration.reports import MigrationReport
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
    mended = mend(MigrationReport.model_validate(ran.json), tmp_path / "m.jsonl", short={"vectors": {"": [1, 1, 1, 1]}})
    ran = run("migrate", "--replay-rejects", str(mended), "--json")
    assert (ran.code, ran.json["verdict"], ran.json["collections"][0]["verified"]) == (0, "verified", 1)
    assert run("migrate", f"jsonl:{source}", "--replay-rejects", str(mended)).code == 2
