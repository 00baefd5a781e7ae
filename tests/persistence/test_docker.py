"""The same proof on a container: its volume carries everything through every kind of restart."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Finished, StepFinished
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.crash import crash_test
from qdrant_admin.persistence.reports import CrashOptions, CrashReport, VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import finish, verify
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, prove
from tests.support.real import IMAGE, free_port

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture
def contained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A running container of this test alone."""
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    profile = Profile(runtime="docker", image=IMAGE, port=free_port(), grpc_port=free_port(), restart_policy="no")
    settings = Settings(name=f"proof-{uuid.uuid4().hex[:8]}", profile=profile)
    try:
        ws = Workspace(settings, StateStore(tmp_path / "state.sqlite3"))
        list(up(ws, cancel=CancelToken()))
        yield ws
    finally:
        subprocess.run(["docker", "rm", "-f", settings.container_name], capture_output=True, check=False, timeout=60)
        names = [settings.volume_name, f"{settings.volume_name}_snapshots"]
        subprocess.run(["docker", "volume", "rm", "-f", *names], capture_output=True, check=False, timeout=60)


def test_nothing_is_lost_and_a_point_that_is_gone_is_named(contained: Workspace) -> None:
    fill(contained)
    with contained.database() as database:
        database.set_alias("mind", "memories")
    report = prove(contained, "all")
    assert (report.verdict, report.reason) == ("persisted", "every point, setting and alias is as it was")
    assert [one.how for one in report.rounds] == ["graceful", "kill", "pause", "recreate"], "the engine only when asked"
    assert report.storage_bytes
    lost = prove(contained, "recreate", lambda database: database.delete_points("memories", [7]))
    assert lost.verdict == "lost"
    assert [(one.id, one.what) for one in lost.collections[0].points] == [("7", "missing")]
    assert lost.storage == f"volume {contained.settings.volume_name}"


def docker(*command: str) -> None:
    subprocess.run(["docker", *command], capture_output=True, check=True, timeout=60)


def test_a_memory_limit_that_is_hit_during_the_restart_is_no_verdict_and_can_be_finished(contained: Workspace) -> None:
    fill(contained)
    name = contained.settings.container_name
    report = None
    for event in verify(contained, VerifyOptions(how="graceful"), cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "stop":
            docker("update", "--memory", "12m", "--memory-swap", "12m", name)
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, VerifyReport)
    assert report.verdict == "inconclusive"
    assert "memory" in f"{report.reason} {report.cause}"
    docker("update", "--memory", "1g", "--memory-swap", "1g", name)
    list(up(contained, cancel=CancelToken()))
    *_, last = finish(contained, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert last.report.verdict_word == "persisted"


def test_a_container_that_is_killed_under_load_keeps_what_it_acknowledged(contained: Workspace) -> None:
    *_, last = crash_test(contained, CrashOptions(cycles=3), cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, CrashReport)
    assert (last.report.verdict, last.report.lost) == ("persisted", 0), last.report.losses
    with contained.database() as database:
        assert database.names() == []
