"""A target that runs full in the middle."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import DiskFull
from qdrant_admin.core.events import Progress
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from qdrant_admin.workspace import Workspace
from tests.migration.support import last, local_store, numbered, planned, workspace
from tests.support.disk import Disk
from tests.support.real import Server

pytestmark = [pytest.mark.server, pytest.mark.root, pytest.mark.slow]
FILLER = "filler"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server whose storage lies on a small disk of its own."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a disk")
    disk = Disk(tmp_path, 400 << 20)
    server = Server(disk.mount / "qdrant").start()
    yield server, disk.mount
    server.kill()
    disk.detach()


def test_a_disk_that_runs_full_stops_it_clean_and_room_lets_it_go_on(
    small: tuple[Server, Path], tmp_path: Path
) -> None:
    server, mount = small
    ws = workspace(server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(2500)})}", batch_size=1, workers=1)
    with pytest.raises(DiskFull) as caught:
        run_until_full(ws, plan, mount)
    assert "the rest needs about" in caught.value.why
    assert "--resume" in caught.value.fix
    (mount / FILLER).unlink()
    (run,) = unfinished(ws.store)
    assert 100 <= run.done < 2500
    assert last(resume(ws, run, cancel=CancelToken())).verdict == "verified"


def run_until_full(ws: Workspace, plan: PlanReport, mount: Path) -> None:
    """A migration during which somebody else takes all the room."""
    for event in migrate(ws, plan, cancel=CancelToken()):
        if isinstance(event, Progress) and event.done >= 100 and not (mount / FILLER).exists():
            fill(mount)


def fill(folder: Path) -> None:
    """Until nothing fits any more; what is mapped by the server has its place already."""
    with (folder / FILLER).open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 20)):
                pass
        except OSError:
            return
