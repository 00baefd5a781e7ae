"""What a face is told while a migration runs."""

from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Notice
from qdrant_admin.migration.run import migrate
from tests.migration.support import local_store, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server


def test_the_first_hundred_records_that_are_not_stored_are_told_as_they_come(server: Server, tmp_path: Path) -> None:
    points = numbered(250)
    for one in points[::2]:
        one["vector"] = [1.0, 2.0]
    ws = workspace(server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}")
    told = [event for event in migrate(ws, plan, cancel=CancelToken()) if isinstance(event, Notice)]
    rejects = [notice.text for notice in told if notice.topic == "reject"]
    assert len(rejects) == 100
    assert rejects[0] == "c: 0 was not stored: its vector has 2 components, the collection takes 4"
