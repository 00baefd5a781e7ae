"""A native server under our own runtime, of one test alone: what is broken here is not mended for the next one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Finished, StepFinished
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, native_workspace


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """Not started yet. The watch for writers is cut short: a test knows who writes."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    ws = native_workspace(tmp_path)
    yield ws
    drain(ws.runtime.stop(CancelToken()))


def start(ws: Workspace) -> None:
    drain(up(ws, cancel=CancelToken()))


def checked(ws: Workspace, harm: Callable[[], None]) -> VerifyReport:
    """A check by recreate, with something done to the storage while the server is down."""
    report = None
    for event in verify(ws, VerifyOptions(how="recreate"), cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "stop":
            harm()
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, VerifyReport)
    return report
