"""A check whose program is killed between its two looks can still be finished."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, BadInput, Cancelled, Refused
from qdrant_admin.core.events import Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import restarts
from qdrant_admin.persistence.fingerprints import ServerScan
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import finish, verify
from qdrant_admin.persistence.writers import UNSEEN_PROCESS
from qdrant_admin.state import canaries, resumable_runs
from qdrant_admin.state import store as store_module
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill, point, prove

pytestmark = pytest.mark.server

KILLED = """
import os, signal, sys
from pathlib import Path
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.state.store import StateStore
from qdrant_admin.persistence.reports import VerifyOptions
from qdrant_admin.persistence.verify import verify
from qdrant_admin.workspace import Workspace
options = VerifyOptions.model_validate_json(sys.argv[3])
settings, state = Settings.model_validate_json(sys.argv[1]), Path(sys.argv[2])
for event in verify(Workspace(settings, StateStore(state)), options, cancel=CancelToken()):
    if event.kind == sys.argv[4] and event.step == sys.argv[5]:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def frozen(ws: Workspace) -> None:
    """Freeze the server; a signal takes a moment to reach every thread."""
    pid = ws.runtime.inspect().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + 20
    while ws.runtime.inspect().state != "paused":
        assert time.monotonic() < until, "it goes on"
        time.sleep(0.01)


def killed_in_the_middle(ws: Workspace, kind: str = "step_finished", step: str = "restart", **options: object) -> None:
    """A program of its own checks, and is killed at an event: behind the restart, unless said otherwise."""
    chosen = to_json(VerifyOptions.model_validate({"how": "kill", **options}))
    command = [sys.executable, "-c", KILLED, to_json(ws.settings), str(ws.store.path), chosen, kind, step]
    environment = os.environ | {"QDRANT_ADMIN_HOME": str(ws.store.path.parent / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == -9, done.stderr
    if kind == "step_finished":
        drain(up(ws, cancel=CancelToken()))


def finished(ws: Workspace) -> VerifyReport:
    *_, last = finish(ws, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, VerifyReport)
    return last.report


def test_a_check_that_was_cut_off_is_told_and_can_be_finished(ws: Workspace) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    (found,) = [one for one in status(ws).findings if one.code == "check_interrupted"]
    assert found.command == "qdrant-admin verify --finish --profile proof"
    report = finished(ws)
    assert report.verdict == "persisted"
    assert report.baseline is not None
    assert "check_interrupted" not in {one.code for one in status(ws).findings}
    with pytest.raises(BadInput):
        finished(ws)


def test_the_first_look_is_kept_until_there_is_a_verdict(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    assert prove(ws, "none").verdict == "unchanged", "a mere look, which is not the second one"
    with monkeypatch.context() as patch:
        patch.setattr(ServerScan, "writes", lambda _: {"upsert": 1})
        assert finished(ws).verdict == "inconclusive"
    assert finished(ws).verdict == "persisted"


@pytest.mark.parametrize("seen", [True, False])
def test_a_loss_behind_the_cut_is_found_and_not_blamed_on_the_restart_when_somebody_deleted(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    with ws.database() as database:
        before = database.write_counters()
        database.delete_points("memories", [3, 4])
    if not seen:  # as if a disk had done it
        monkeypatch.setattr(Database, "write_counters", lambda _: before)
    report = finished(ws)
    assert report.verdict == ("inconclusive" if seen else "lost")
    assert "2 points fewer" in report.reason
    assert ("POST /collections/{name}/points/delete: 1 request" in report.reason) == seen
    assert report.fix.startswith("qdrant-admin verify --how kill" if seen else "qdrant-admin logs")
    assert resumable_runs.interrupted_check(ws.store, ws.settings.name) is None, "no further look would tell more"


def test_its_own_collections_that_a_check_deleted_before_it_was_cut_off_are_nobodys_writes(ws: Workspace) -> None:
    fill(ws)
    killed_in_the_middle(ws, "step_started", "answer")
    drain(up(ws, cancel=CancelToken()))
    with ws.database() as database:
        own = [name for name in database.names() if name.startswith(canaries.PREFIX)]
        assert own
        for name in own:
            database.delete_collection(name)
    assert finished(ws).verdict == "persisted"


@pytest.mark.parametrize("step", ["fresh", "restart"])
def test_what_was_deleted_before_another_restart_is_not_blamed_on_a_check_that_was_cut_off(
    ws: Workspace, step: str
) -> None:
    """Whose process ended with its counters: it was cut off before it restarted anything, or restarted since."""
    fill(ws)
    killed_in_the_middle(ws, "step_started" if step == "fresh" else "step_finished", step)
    with ws.database() as database:
        database.delete_points("memories", [3, 4])
    drain(restart(ws, "kill", cancel=CancelToken()))
    report = finished(ws)
    assert (report.verdict, report.code) == ("inconclusive", "writers_unseen")
    assert f"2 points fewer than then; {UNSEEN_PROCESS}" in report.reason


def test_a_write_after_the_cut_may_have_put_back_what_was_lost(ws: Workspace) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    with ws.database() as database:
        database.upsert("memories", [point(3)])
    report = finished(ws)
    assert report.verdict == "inconclusive"
    assert report.writers == {"gRPC /qdrant.Points/Upsert": 1}


def test_a_sampled_check_can_be_finished(ws: Workspace) -> None:
    fill(ws, count=40)
    killed_in_the_middle(ws, sample=10)
    report = finished(ws)
    assert (report.verdict, report.sample) == ("persisted", 10)


def test_the_next_check_finishes_the_interrupted_one_first(ws: Workspace) -> None:
    """Its own first scan would take what was lost for what has always been so."""
    fill(ws)
    killed_in_the_middle(ws)
    pid = ws.runtime.inspect().pid
    report = prove(ws, "kill", lambda database: database.delete_points("memories", [3]), step="check")
    assert (report.verdict, report.how) == ("lost", "none")
    assert ws.runtime.inspect().pid == pid, "it was not restarted"
    again = prove(ws, "kill")
    assert (again.verdict, again.how) == ("persisted", "kill"), "one verdict is enough"
    verdicts = [entry.verdict for entry in ws.store.history(2, "verify")]
    assert verdicts == ["persisted", "lost"]


def test_an_interrupted_check_that_comes_out_well_does_not_hold_up_the_next(ws: Workspace) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    report = prove(ws, "kill")
    assert (report.verdict, report.how) == ("persisted", "kill")
    assert [entry.verdict for entry in ws.store.history(2, "verify")] == ["persisted", "persisted"]


@pytest.mark.parametrize("step", ["restart", "fingerprint_after"])
def test_a_cancel_behind_the_restart_keeps_the_first_scan(ws: Workspace, step: str) -> None:
    fill(ws)
    cancel = CancelToken()

    def run() -> None:
        for event in verify(ws, VerifyOptions(how="kill"), cancel=cancel):
            if isinstance(event, StepStarted) and event.step == step:
                cancel.cancel()

    with pytest.raises(Cancelled):
        run()
    assert finished(ws).verdict == "persisted"


def test_a_check_that_ended_or_was_cancelled_leaves_nothing_to_finish(ws: Workspace) -> None:
    fill(ws)
    prove(ws, "kill")
    assert resumable_runs.interrupted_check(ws.store, ws.settings.name) is None
    cancel = CancelToken()

    def run() -> None:
        for event in verify(ws, VerifyOptions(how="kill"), cancel=cancel):
            if isinstance(event, StepFinished) and event.step == "fingerprint_before":
                cancel.cancel()

    with pytest.raises(Cancelled):
        run()
    assert resumable_runs.interrupted_check(ws.store, ws.settings.name) is None


def test_a_server_that_did_not_come_back_can_be_compared_later(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ws)

    def unready(*_: object, **__: object) -> object:
        raise AdminError("it did not come up")

    with monkeypatch.context() as patch:
        patch.setattr(restarts, "wait_ready", unready)
        assert prove(ws, "kill").verdict == "inconclusive"
    drain(up(ws, cancel=CancelToken()))
    assert finished(ws).verdict == "persisted"


def test_two_checks_of_one_server_do_not_meet(ws: Workspace, tmp_path: Path) -> None:
    fill(ws)
    refused = False
    for event in verify(ws, VerifyOptions(how="none"), cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "check":
            with pytest.raises(Refused, match="another check"):
                drain(verify(ws, VerifyOptions(how="kill"), cancel=CancelToken()))
            refused = True
            assert resumable_runs.interrupted_check(ws.store, ws.settings.name) is None, "it is at work, not cut off"
    assert refused


@pytest.mark.parametrize("way", [up, finish, prove])
def test_a_server_that_was_left_frozen_is_thawed(ws: Workspace, way: Callable[..., object]) -> None:
    fill(ws)
    killed_in_the_middle(ws, "step_started", how="pause")
    frozen(ws)
    if way is prove:
        assert prove(ws, "kill").verdict == "persisted"
    else:
        list(way(ws, cancel=CancelToken()))  # type: ignore[call-overload] # events
    assert ws.runtime.inspect().state == "running"
    if way is up:
        assert finished(ws).verdict == "unchanged", "no process has ended"


def test_a_locked_state_file_costs_a_remark_and_not_the_comparison(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ws)
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.05)
    told, report, locked = [], None, None
    for event in verify(ws, VerifyOptions(how="kill"), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "restart":
            locked = sqlite3.connect(ws.store.path, isolation_level=None)
            locked.execute("BEGIN IMMEDIATE")
        told += [event.text] if isinstance(event, Notice) else []
        if isinstance(event, Finished):
            report = event.report
    assert locked is not None
    locked.close()
    assert isinstance(report, VerifyReport)
    assert report.verdict == "persisted"
    assert any(remark.startswith("but not noted in the state") for remark in report.checks)
    assert any("not noted in the state" in text and "locked" in text for text in told)
    assert any("not kept in the history" in text for text in told)
