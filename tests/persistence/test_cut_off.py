"""A check whose program is killed between its two looks can still be finished."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled, NotFound, Refused
from qdrant_admin.core.events import Finished, StepFinished, StepStarted
from qdrant_admin.core.serialization import to_json
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import restarts
from qdrant_admin.persistence.fingerprints import ServerScan
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import finish, verify
from qdrant_admin.state import resumable_runs
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill, prove

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
settings, state = Settings.model_validate_json(sys.argv[1]), Path(sys.argv[2])
for event in verify(Workspace(settings, StateStore(state)), VerifyOptions(how="kill"), cancel=CancelToken()):
    if event.kind == "step_finished" and event.step == "restart":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_in_the_middle(ws: Workspace) -> None:
    """A program of its own checks, and is killed behind the restart."""
    command = [sys.executable, "-c", KILLED, to_json(ws.settings), str(ws.store.path)]
    environment = os.environ | {"QDRANT_ADMIN_HOME": str(ws.store.path.parent / "home")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == -9, done.stderr
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
    with pytest.raises(NotFound):
        finished(ws)


def test_the_first_look_is_kept_until_there_is_a_verdict(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    assert prove(ws, "none").verdict == "unchanged", "a mere look, which is not the second one"
    with monkeypatch.context() as patch:
        patch.setattr(ServerScan, "writers", lambda _: ("upsert",))
        assert finished(ws).verdict == "inconclusive"
    assert finished(ws).verdict == "persisted"


def test_a_loss_behind_the_cut_is_found(ws: Workspace) -> None:
    fill(ws)
    killed_in_the_middle(ws)
    with ws.database() as database:
        database.delete_points("memories", [3, 4])
    report = finished(ws)
    assert report.verdict == "lost"
    assert "2 points fewer" in report.reason


def test_a_check_that_ended_or_was_cancelled_leaves_nothing_to_finish(ws: Workspace) -> None:
    fill(ws)
    prove(ws, "kill")
    assert resumable_runs.interrupted_check(ws.store, ws.settings.name) is None
    cancel = CancelToken()

    def run() -> None:
        for event in verify(ws, VerifyOptions(how="kill"), cancel=cancel):
            if isinstance(event, StepStarted) and event.step == "restart":
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
