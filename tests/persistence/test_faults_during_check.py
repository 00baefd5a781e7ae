"""Faults in the middle of a check: a clear message, no verdict, and a way to go on from there."""

import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Finished, StepFinished
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import finish, verify
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill, native_workspace
from tests.support.disk import Disk
from tests.support.real import Server

pytestmark = pytest.mark.server


def stopped(ws: Workspace) -> Iterator[VerifyReport | None]:
    """A check by recreate: yields once the server is down, and then its report."""
    for event in verify(ws, VerifyOptions(how="recreate"), cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "stop":
            yield None
        if isinstance(event, Finished):
            assert isinstance(event.report, VerifyReport)
            yield event.report


def finished(ws: Workspace) -> str:
    """The verdict of the second look, once the server is up again."""
    drain(up(ws, cancel=CancelToken()))
    *_, last = finish(ws, cancel=CancelToken())
    assert isinstance(last, Finished)
    return last.report.verdict_word


def test_a_port_that_is_stolen_during_the_restart_is_named(ws: Workspace) -> None:
    fill(ws)
    check = stopped(ws)
    assert next(check) is None
    with socket.create_server(("127.0.0.1", ws.settings.profile.port)):
        (report,) = check
    assert report is not None
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert str(ws.settings.profile.port) in report.reason
    command = shlex.split(report.fix)
    assert command[:3] == ["qdrant-admin", "up", "--port"]
    assert command[-2:] == ["--profile", ws.settings.name]
    assert str(ws.settings.profile.port) not in command, "another port than the one that is taken"
    assert finished(ws) == "persisted"


def test_another_qdrant_at_the_address_is_not_taken_for_ours(ws: Workspace, tmp_path: Path) -> None:
    """It would be read as if everything were lost."""
    fill(ws)
    profile = ws.settings.profile
    events = verify(ws, VerifyOptions(how="graceful"), cancel=CancelToken())
    other = Server(tmp_path / "other", port=profile.port, grpc_port=profile.grpc_port)
    report = None
    try:
        for event in events:
            if isinstance(event, StepFinished) and event.step == "restart":
                drain(ws.runtime.stop(CancelToken()))
                other.start()
            if isinstance(event, Finished):
                report = event.report
    finally:
        other.kill()
    assert isinstance(report, VerifyReport)
    assert report.verdict == "inconclusive"
    assert "another Qdrant answers" in report.reason
    assert finished(ws) == "persisted"


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Workspace, Disk]]:
    """A server whose storage lies on a small disk of its own."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    disk = Disk(tmp_path, 400 << 20)
    made = native_workspace(disk.mount)
    drain(up(made, cancel=CancelToken()))
    yield made, disk
    drain(made.runtime.stop(CancelToken()))
    disk.detach()


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can mount a disk")
def test_a_full_disk_is_no_verdict_and_nothing_is_lost_by_it(small: tuple[Workspace, Disk]) -> None:
    ws, disk = small
    fill(ws)
    check = stopped(ws)
    assert next(check) is None
    filler = disk.mount / "filler"
    with filler.open("wb") as file:
        while True:
            try:
                file.write(bytes(1 << 20))
                file.flush()
            except OSError:
                break
    (report,) = check
    assert report is not None
    came_up = report.ready_seconds is not None
    assert report.verdict == ("persisted" if came_up else "inconclusive"), "a full disk takes nothing away"
    filler.unlink()
    if not came_up:
        assert finished(ws) == "persisted"
