"""Everything acknowledged is there after a crash; and a test that could not see a loss would prove nothing."""

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled, DiskFull, RequestRejected, ServerNotReady, ServerUnreachable
from qdrant_admin.core.events import Events, Finished, Progress
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.persistence import crash as crash_module
from qdrant_admin.persistence.crash import crash_test
from qdrant_admin.persistence.reports import CrashOptions, CrashReport
from qdrant_admin.persistence.workload import NameWriter, PointWriter
from qdrant_admin.server.runtime import RuntimeState, ServerRuntime
from qdrant_admin.state import canaries
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill, prove

pytestmark = pytest.mark.server


def run(ws: Workspace, **options: int | bool) -> CrashReport:
    chosen = CrashOptions.model_validate(options)
    *_, last = crash_test(ws, chosen, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, CrashReport)
    return last.report


def names(ws: Workspace) -> list[str]:
    with ws.database() as database:
        return database.names()


@pytest.mark.slow
@pytest.mark.parametrize("wait", [True, False])
def test_nothing_acknowledged_is_lost_and_nothing_is_left(ws: Workspace, wait: bool) -> None:
    fill(ws)
    report = run(ws, cycles=4, wait=wait, seed=7)
    assert (report.verdict, report.lost, report.exit_code) == ("persisted", 0, 0), report.losses
    assert [one.how for one in report.cycles] == ["kill"] * 4 + ["graceful"]
    assert report.acknowledged == sum(one.acknowledged for one in report.cycles) > 20
    assert report.unanswered > 0, "it was killed in the middle of a write"
    assert names(ws) == ["memories"]
    assert prove(ws).verdict == "unchanged"


def test_a_loss_is_named(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that a real server does not have: three points and a collection go away behind its back."""
    look = PointWriter.losses
    taken: list[int] = []

    def lose(self: PointWriter, database: Database) -> object:
        if not taken:
            there = [one for one, slot in self.slots.items() if slot.acknowledged and slot.asked == "nothing"]
            taken.extend(there[:3])
            database.delete_points(self._collection, taken)
        return look(self, database)

    monkeypatch.setattr(PointWriter, "losses", lose)
    report = run(ws, cycles=1, writers=1)
    assert (report.verdict, report.lost, report.exit_code) == ("lost", 3, 1)
    assert {one.what for one in report.losses} == {f"point {one}" for one in taken}
    assert {one.found for one in report.losses} == {"absent"}


def test_writers_that_fail_at_once_prove_nothing(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: PointWriter | NameWriter, database: Database) -> None:
        raise RequestRejected("the collection takes no points")

    monkeypatch.setattr(PointWriter, "step", refused)
    monkeypatch.setattr(NameWriter, "step", refused)
    report = run(ws, cycles=1, writers=1)
    assert (report.verdict, report.exit_code, report.acknowledged) == ("inconclusive", 1, 0)
    assert set(report.failed_writers) == {"the collection takes no points"}
    assert "the collection takes no points" in report.reason
    assert report.fix == "qdrant-admin logs --tail 200 --profile proof"


def test_a_cancel_is_heard_with_the_server_up_and_the_canaries_gone(ws: Workspace) -> None:
    cancel = CancelToken()

    def go() -> None:
        for event in crash_test(ws, CrashOptions(cycles=50), cancel=cancel):
            if isinstance(event, Progress):
                cancel.cancel()

    with pytest.raises(Cancelled):
        go()
    assert ws.runtime.inspect().state == "running"
    assert names(ws) == []


def test_what_a_killed_test_left_is_removed_by_the_next_and_nothing_else(ws: Workspace) -> None:
    fill(ws, "qdrant-admin-canary-of-somebody")
    fill(ws, "left", 1)
    canaries.remember(ws.store, ws.runtime.endpoint.url, ("left", "never-made"))
    run(ws, cycles=1, writers=1)
    assert names(ws) == ["qdrant-admin-canary-of-somebody"]


def test_canaries_of_another_server_are_left_alone(ws: Workspace) -> None:
    fill(ws, "mine", 1)
    canaries.remember(ws.store, "http://127.0.0.1:1", ("mine",))
    with ws.database() as database:
        assert canaries.remove(ws.store, database.delete_collection, ws.runtime.endpoint.url) == []
    assert names(ws) == ["mine"]


def test_a_server_that_does_not_come_back_is_no_verdict(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0

    def unready(of: Workspace, *, cancel: CancelToken) -> Events:
        nonlocal seen
        seen += 1
        if seen == 2:
            raise ServerNotReady("it did not come up", fix="qdrant-admin logs")
        return wait_ready(of, cancel=cancel)

    monkeypatch.setattr(crash_module, "wait_ready", unready)
    report = run(ws, cycles=3, writers=1)
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert "did not come up" in report.reason
    drain(wait_ready(ws, cancel=CancelToken()))


def test_names_alone_are_no_proof_for_points(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a proxy that takes no points: only collections and aliases were acknowledged."""
    monkeypatch.setattr(PointWriter, "step", lambda *_: CancelToken().wait(0.05))
    report = run(ws, cycles=1, writers=1)
    assert (report.verdict, report.exit_code, report.acknowledged > 0) == ("inconclusive", 1, True)
    assert "no change of a point" in report.reason


def test_a_full_disk_is_named_and_the_server_is_not_left_stopped(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = type(ws.runtime).inspect

    def full(runtime: ServerRuntime) -> RuntimeState:
        state = look(runtime)
        return state.model_copy(update={"storage": state.storage.model_copy(update={"free_bytes": 2 << 20})})

    def dying(*_: object) -> int:
        drain(ws.runtime.stop(CancelToken()))
        raise ServerUnreachable("no answer")

    monkeypatch.setattr(type(ws.runtime), "inspect", full)
    monkeypatch.setattr(crash_module._Test, "_look", dying)
    with pytest.raises(DiskFull) as caught:
        run(ws, cycles=1, writers=1)
    assert "2.0 MiB are free" in caught.value.why
    assert ws.runtime.inspect().state == "running"
    assert names(ws) == []
