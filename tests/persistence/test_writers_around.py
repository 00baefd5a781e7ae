"""Who writes around a restart is told by the server's own counters, and is part of every verdict."""

from collections.abc import Callable

import pytest

from qdrant_admin.core.errors import AccessDenied
from qdrant_admin.core.events import Event
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.reports import VerifyMethod
from qdrant_admin.persistence.writers import BLIND
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import begins, checked, ends, fill, point, prove

pytestmark = pytest.mark.server

DELETE, UPSERT = "POST /collections/{name}/points/delete", "gRPC /qdrant.Points/Upsert"


def delete(database: Database) -> None:
    database.delete_points("memories", [1, 2, 3])


@pytest.mark.parametrize("when", [begins("fresh"), ends("fresh")])
def test_a_delete_just_before_the_stop_is_no_loss_and_nothing_is_stopped(
    ws: Workspace, when: Callable[[Event], bool]
) -> None:
    fill(ws)
    pid = ws.runtime.inspect().pid
    report = checked(ws, "kill", when, delete)
    assert report.verdict == "inconclusive"
    assert f"{DELETE}: 1 request" in report.reason
    assert report.writers == {DELETE: 1}
    assert ws.runtime.inspect().pid == pid
    with ws.database() as database:
        assert database.names() == ["memories"], "its own collections are gone"
    assert prove(ws, "kill").verdict == "persisted", "nothing is left to finish"


@pytest.mark.parametrize("how", ["kill", "graceful"])
def test_a_delete_at_the_last_moment_is_no_loss(ws: Workspace, how: VerifyMethod) -> None:
    fill(ws)
    report = checked(ws, how, begins("restart"), delete)
    assert report.verdict == "inconclusive"
    assert "3 points missing" in report.reason
    assert f"{DELETE}: 1 request" in report.reason


def test_what_was_lost_and_is_written_again_is_not_persisted(ws: Workspace) -> None:
    fill(ws)
    write_again = lambda database: database.upsert("memories", [point(number) for number in range(20)])  # noqa: E731
    report = checked(ws, "kill", begins("fingerprint_after"), write_again)
    assert (report.verdict, report.writers) == ("inconclusive", {UPSERT: 1})
    assert f"{UPSERT}: 1 request" in report.reason


@pytest.mark.parametrize(("lost", "verdict"), [(False, "persisted"), (True, "inconclusive")])
def test_writers_that_cannot_be_watched_are_said_and_excuse_a_loss(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, lost: bool, verdict: str
) -> None:
    fill(ws)

    def refused(_: Database) -> dict[str, int]:
        raise AccessDenied("this key may not see it")

    monkeypatch.setattr(Database, "write_counters", refused)
    when = begins("fingerprint_after")
    report = checked(ws, "kill", when, delete if lost else lambda _: None)
    assert report.verdict == verdict
    assert f"but {BLIND}" in report.checks
    assert (BLIND in report.reason) == lost


def test_a_snapshot_meanwhile_explains_nothing(ws: Workspace) -> None:
    fill(ws)
    report = checked(ws, "kill", begins("fingerprint_after"), _snapshot)
    assert report.verdict == "persisted"


def _snapshot(database: Database) -> None:
    database._rest.call("POST", "/collections/memories/snapshots", timeout=30)
