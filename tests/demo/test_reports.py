"""A demonstration that an earlier version has stored is still shown."""

import json

from qdrant_admin.demo.reports import DemoReport
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.state import records
from tests.state.test_records import ROWS
from tests.tui.canned import STATUS
from tests.tui.canned_data import PERSISTED


def test_the_check_within_is_brought_up_to_date() -> None:
    migration = records.load(MigrationReport, (ROWS / "0" / "migrate.json").read_text("utf-8"))
    assert isinstance(migration, MigrationReport)
    up = UpReport.model_validate({**STATUS.model_dump(), "started": True, "seconds": 1.0})
    report = DemoReport(profile="demo-1a2b3c", up=up, migration=migration, verify=PERSISTED, kept=False, seconds=3)
    stored = json.loads(records.dump(report))
    assert stored.pop("schema") == 2
    stored["verify"] = json.loads((ROWS / "0" / "verify.json").read_text("utf-8"))
    found = records.load(DemoReport, json.dumps(stored))
    assert isinstance(found, DemoReport)
    assert [alias.words for alias in found.verify.aliases] == stored["verify"]["aliases"]
    assert found.verify.collections[1].points[3].detail == stored["verify"]["collections"][1]["points"][3]["detail"]
