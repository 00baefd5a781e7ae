"""The storage of a running native server is removed below it: that is told while its data can still be had."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ConfirmationMissing, Refused, ServerUnreachable
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.lifecycle.accept import accept
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.reports import DoctorReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.migration.export import ExportOptions, export
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.real import binary, free_port

SPEC = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Workspace]:
    """A native server with a collection of ten points."""
    profile = Profile(runtime="native", port=free_port(), grpc_port=free_port(), binary=binary())
    ws = Workspace(Settings(name="gone", profile=profile), StateStore(tmp_path / "state.sqlite3"))
    list(up(ws, cancel=CancelToken()))
    with ws.database() as database:
        database.create_collection("memories", SPEC)
        database.upsert(
            "memories", [Point(number, {}, {"": np.array([1, number], np.float32)}) for number in range(10)]
        )
    yield ws
    list(down(ws, confirmed=True, cancel=CancelToken()))


def told(ws: Workspace) -> list[str]:
    return [text(one) for one in status(ws).findings if one.code == "storage_deleted"]


def storage(ws: Workspace) -> Path:
    return ws.settings.native_storage


def replaced(ws: Workspace) -> None:
    shutil.rmtree(storage(ws))
    (storage(ws) / "collections" / "memories").mkdir(parents=True)


def emptied(ws: Workspace) -> None:
    shutil.rmtree(storage(ws) / "collections" / "memories")


def moved(ws: Workspace) -> None:
    storage(ws).rename(storage(ws).with_name("elsewhere"))


REMOVALS: tuple[Callable[[Workspace], None], ...] = (lambda ws: shutil.rmtree(storage(ws)), replaced, emptied, moved)


@pytest.mark.parametrize("remove", REMOVALS, ids=["deleted", "replaced", "emptied", "moved"])
def test_it_is_a_fault_and_no_restart_is_made_of_it(
    running: Workspace, remove: Callable[[Workspace], None], tmp_path: Path
) -> None:
    assert told(running) == []
    pid = running.runtime.inspect().pid
    remove(running)
    (sentence,) = told(running)
    assert "under the running server" in sentence
    assert "memories" in sentence
    report = list(doctor(running, cancel=CancelToken()))[-1].report  # type: ignore[union-attr] # the last event is its report
    assert isinstance(report, DoctorReport)
    (check,) = (one for one in report.checks if one.code == "storage_deleted")
    assert check.status == "fail"
    assert check.fix.startswith("mv " if remove is moved else "qdrant-admin export memories --to memories.parquet")
    *_, ended = verify(running, VerifyOptions(how="none"), cancel=CancelToken())
    assert isinstance(ended, Finished)
    assert isinstance(ended.report, VerifyReport)
    assert (ended.report.verdict, ended.report.exit_code, ended.report.fix) == ("inconclusive", 1, check.fix)
    assert "under the running server" in ended.report.reason
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: verify(running, VerifyOptions(how="kill"), cancel=CancelToken()),
        lambda: restart(running, cancel=CancelToken()),
        lambda: restart(running, "recreate", cancel=CancelToken()),
        lambda: down(running, cancel=CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            list(attempt())
        assert refused.value.exit_code == 4
        assert refused.value.fix_on("gone") == check.fix
    assert running.runtime.inspect().pid == pid
    list(export(running, "memories", ExportOptions(to=tmp_path / "m.parquet"), cancel=CancelToken()))
    assert (tmp_path / "m.parquet").exists(), "what the fix says can be done"


def test_of_an_empty_server_nothing_is_lost(running: Workspace) -> None:
    with running.database() as database:
        database.delete_collection("memories")
    moved(running)
    (fault,) = running.runtime.inspect().storage.faults
    assert (fault.code, fault.fix) == ("storage_missing", "qdrant-admin restart --how recreate --profile gone")
    list(restart(running, "recreate", cancel=CancelToken()))
    assert running.runtime.inspect().storage.faults == ()


def test_put_back_it_is_sound_again(running: Workspace) -> None:
    moved(running)
    storage(running).with_name("elsewhere").rename(storage(running))
    assert told(running) == []
    list(restart(running, cancel=CancelToken()))
    assert status(running).points == 10


def test_stopping_it_all_the_same_takes_a_yes(running: Workspace) -> None:
    shutil.rmtree(storage(running))
    with pytest.raises(ConfirmationMissing, match="deleted") as missing:
        list(down(running, cancel=CancelToken()))
    assert "down --yes" in missing.value.why
    with pytest.raises(ServerUnreachable, match="cannot be seen as a whole") as unseen:
        list(accept(running, cancel=CancelToken()))
    assert "was deleted under the running server" in unseen.value.why
    (report,) = [one.report for one in down(running, confirmed=True, cancel=CancelToken()) if isinstance(one, Finished)]
    said = repr(report.blocks())
    assert "was deleted under the running server" in said
    assert "is kept" not in said + report.summary()
    assert running.runtime.inspect().state == "stopped"


def test_an_application_that_drops_what_it_made_is_no_fault(running: Workspace) -> None:
    with running.database() as database:
        for number in range(20):
            database.create_collection(f"c{number}", SPEC)
            database.delete_collection(f"c{number}")
            assert running.runtime.inspect().storage.faults == ()
    (storage(running) / "aside").mkdir()
    assert told(running) == []


def test_a_storage_behind_a_link_is_where_it_is(running: Workspace) -> None:
    list(down(running, cancel=CancelToken()))
    real = storage(running).with_name("real")
    storage(running).rename(real)
    storage(running).symlink_to(real)
    list(up(running, accept=True, cancel=CancelToken()))
    assert told(running) == []
