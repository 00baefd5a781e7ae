"""A collection whose strict mode refuses exact searches and counts is read all the same; what is left out is said."""

import httpx
import pytest

from qdrant_admin.lifecycle.status import status
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, prove

pytestmark = pytest.mark.server


def test_what_strict_mode_refuses_is_left_out_and_said(ws: Workspace) -> None:
    fill(ws)
    fill(ws, "open")
    body = {"strict_mode_config": {"enabled": True, "search_allow_exact": False}}
    httpx.patch(f"{ws.runtime.endpoint.url}/collections/memories", json=body, timeout=30).raise_for_status()
    report = prove(ws, "kill")
    assert report.verdict == "persisted", report.reason
    assert [(check.name, check.verdict) for check in report.collections] == [("memories", "same"), ("open", "same")]
    (left_out,) = [told for told in report.checks if told.startswith("but not")]
    assert left_out == "but not exact counts and exact searches of memories: its strict mode refuses them"
    lost = prove(ws, "kill", lambda database: database.delete_points("memories", [3]))
    assert (lost.verdict, lost.collections[0].missing) == ("lost", 1), "its points are compared one by one"
    assert "collection_unreadable" not in {one.code for one in status(ws).findings}
