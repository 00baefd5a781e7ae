"""Data is lost behind the server's back, and every look says so until it is accepted; put back, all is well again."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from grpc import RpcError
from qdrant_client import QdrantClient, models

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import StorageUnusable
from qdrant_admin.core.events import Finished
from qdrant_admin.lifecycle.accept import AcceptReport, accept
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.reports import DoctorReport, StatusReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.server.native.record import find_server
from qdrant_admin.server.native.runtime import NativeRuntime
from qdrant_admin.server.native.supervisor import cycle
from qdrant_admin.state import inventory
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill, native_workspace, point, prove

Loses = Callable[[Path, Path], None]
COUNT = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A native server with two collections, and beside its storage a copy of a day before, with fewer points."""
    folder = tmp_path_factory.mktemp("known")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDRANT_ADMIN_HOME", str(folder / "home"))
        ws = native_workspace(folder)
        drain(up(ws, cancel=CancelToken()))
        fill(ws, "memories", COUNT - 5)
        fill(ws, "notes", 3)
        with_server_down(ws, lambda storage: shutil.copytree(storage, storage.with_name("older")))
        with ws.database() as database:
            database.upsert("memories", [point(number) for number in range(COUNT - 5, COUNT)])
        with_server_down(ws, lambda storage: shutil.copytree(storage, storage.with_name("whole")))
        yield ws
        drain(ws.runtime.stop(CancelToken()))


@pytest.fixture
def ws(server: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Workspace:
    """The whole storage in its place, looked at and known."""
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    with_server_down(server, put_back)
    drain(accept(server, cancel=CancelToken()))
    assert seen(server) == (0, [])
    return server


def storage_of(ws: Workspace) -> Path:
    assert ws.settings.profile.storage is not None
    return ws.settings.profile.storage


def with_server_down(ws: Workspace, change: Callable[[Path], object]) -> None:
    """Change the storage while the server is halted, and kill it: its supervisor starts it again, on what it finds."""
    runtime = ws.runtime
    assert isinstance(runtime, NativeRuntime)
    record = runtime.files.read_record()
    assert record is not None
    server = find_server(record, runtime.files.folder)
    assert server is not None
    server.suspend()
    change(storage_of(ws))
    assert cycle(runtime.files, record, kill=True, cancel=CancelToken()) is not None
    drain(wait_ready(ws, cancel=CancelToken(), timeout=30))


def put_back(storage: Path) -> None:
    shutil.rmtree(storage)
    shutil.copytree(storage.with_name("whole"), storage)


def seen(ws: Workspace) -> tuple[int, list[str]]:
    found: StatusReport = status(ws)
    ours = [one.code for one in found.findings if one.code.startswith(("known_", "other_"))]
    return found.exit_code, ours


def diagnosed(ws: Workspace) -> DoctorReport:
    last = drain(doctor(ws, cancel=CancelToken()))[-1]
    assert isinstance(last, Finished)
    assert isinstance(last.report, DoctorReport)
    return last.report


def removed(storage: Path) -> None:
    shutil.rmtree(storage)


def moved_away(storage: Path) -> None:
    shutil.rmtree(storage.with_name("elsewhere"), ignore_errors=True)
    storage.rename(storage.with_name("elsewhere"))


def older(storage: Path) -> None:
    shutil.rmtree(storage)
    shutil.copytree(storage.with_name("older"), storage)


def one_folder(storage: Path) -> None:
    shutil.rmtree(storage / "collections" / "memories")


@pytest.mark.parametrize(
    ("loses", "code", "lost"),
    [
        (removed, "other_storage", ["memories", "notes"]),
        (moved_away, "other_storage", ["memories", "notes"]),
        (older, "other_storage", ["memories"]),
        (one_folder, "known_collection_missing", ["memories"]),
    ],
)
def test_every_look_says_that_it_is_lost_until_it_is_accepted(
    ws: Workspace, loses: Callable[[Path], None], code: str, lost: list[str]
) -> None:
    with_server_down(ws, loses)
    assert seen(ws) == (1, [code])
    assert seen(ws) == (1, [code])  # a look does not get used to it
    (check,) = [one for one in diagnosed(ws).checks if one.name == "memory"]
    assert (check.status, check.code) == ("fail", code)
    assert "memories" in check.detail
    report = prove(ws, "none")
    assert (report.verdict, report.exit_code) == ("lost", 1)
    assert [one.name for one in report.collections if one.verdict == "lost"] == lost
    assert "there were " in report.reason
    assert seen(ws)[1] == [code]
    last = drain(accept(ws, cancel=CancelToken()))[-1]
    assert isinstance(last, Finished)
    assert isinstance(last.report, AcceptReport)
    assert len(last.report.accepted) == 1
    assert seen(ws) == (0, [])
    assert prove(ws, "none").exit_code == 0


def test_what_is_put_back_needs_nobodys_word(ws: Workspace) -> None:
    with_server_down(ws, moved_away)
    assert seen(ws)[0] == 1
    with_server_down(ws, put_back)
    assert seen(ws) == (0, [])


def test_an_application_that_makes_what_it_misses_does_not_hide_the_loss(ws: Workspace) -> None:
    with_server_down(ws, one_folder)
    fill(ws, "memories", 2)
    assert seen(ws) == (1, ["known_collection_remade"])
    assert prove(ws, "none").verdict == "lost"


def test_a_day_of_an_application_that_makes_empties_and_drops_raises_nothing(ws: Workspace) -> None:
    settings, endpoint = ws.settings.profile, ws.runtime.endpoint
    for grpc in (False, True):
        client = QdrantClient(
            url=endpoint.url, grpc_port=settings.grpc_port, prefer_grpc=grpc, check_compatibility=False
        )
        with closing(client):
            for work in (emptied, dropped, made_again):
                work(client)
                assert seen(ws) == (0, [])
            emptied(client)
            drain(restart(ws, "kill", cancel=CancelToken()))  # nobody has looked in between
            assert seen(ws) == (0, [])
            dropped(client)
            assert prove(ws, "kill").verdict == "persisted"
            made_again(client)
            dropped(client)
            with_server_down(ws, lambda _: None)  # a crash, of which nobody was told
            assert seen(ws) == (0, [])
            made_again(client)
    assert diagnosed(ws).exit_code == 0


def test_a_state_that_cannot_be_written_hides_no_loss(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise StorageUnusable("the state cannot be written", why="the disk is full")

    monkeypatch.setattr(inventory, "note", fails)
    with_server_down(ws, one_folder)
    assert seen(ws) == (1, ["known_collection_missing"])
    assert prove(ws, "none").verdict == "lost"


def test_nothing_is_called_empty_when_nobody_can_read_what_was_known(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise StorageUnusable("the state cannot be read", why="it is of a later version")

    with ws.database() as database:
        for name in database.names():
            database.delete_collection(name)
    assert (seen(ws), prove(ws, "none").verdict) == ((0, []), "empty")
    monkeypatch.setattr(inventory, "known", fails)
    assert [one.level for one in status(ws).findings if one.code == "memory_unreadable"] == ["warn"]
    assert prove(ws, "none").verdict == "inconclusive"


def emptied(client: QdrantClient) -> None:
    everything = models.FilterSelector(filter=models.Filter())
    client.delete("notes", points_selector=everything)
    assert client.count("notes").count == 0


def dropped(client: QdrantClient, name: str = "notes") -> None:
    assert client.delete_collection(name)


def made_again(client: QdrantClient, name: str = "notes") -> None:
    client.create_collection(name, models.VectorParams(size=2, distance=models.Distance.DOT))
    client.upsert(name, [models.PointStruct(id=number, vector=[1.0, number]) for number in range(3)])


def test_what_was_said_first_holds_when_the_log_is_removed(ws: Workspace) -> None:
    """A loss stays one; and where nobody can tell, the next process' counters do not make one of it."""
    runtime = ws.runtime
    assert isinstance(runtime, NativeRuntime)
    fill(ws, "cache", 3)
    assert seen(ws) == (0, [])
    with_server_down(ws, one_folder)
    assert seen(ws) == (1, ["known_collection_missing"])
    with ws.database() as database:
        database.delete_collection("cache")
    runtime.files.log.unlink()
    with_server_down(ws, lambda _: None)
    for _ in range(2):
        found = [(one.subject, one.level) for one in status(ws).findings if one.code == "known_collection_missing"]
        assert found == [("memories", "fail"), ("cache", "warn")]


def test_an_application_that_is_refused_what_it_has_raises_nothing(ws: Workspace) -> None:
    """Over gRPC the log has nothing but that it was asked for."""
    endpoint, profile = ws.runtime.endpoint, ws.settings.profile
    client = QdrantClient(url=endpoint.url, grpc_port=profile.grpc_port, prefer_grpc=True, check_compatibility=False)
    with closing(client):
        client.delete("notes", points_selector=[0])
        with pytest.raises(RpcError):
            client.create_collection("notes", models.VectorParams(size=2, distance=models.Distance.DOT))
    assert seen(ws) == (0, [])


def test_what_another_server_deleted_here_is_not_called_a_loss(ws: Workspace) -> None:
    def deleted(storage: Path) -> None:
        one_folder(storage)
        (storage / ".deleted").mkdir(exist_ok=True)
        os.utime(storage / ".deleted")

    with_server_down(ws, deleted)
    assert seen(ws) == (0, ["known_collection_missing"])
    assert prove(ws, "none").verdict == "inconclusive"


def test_collections_of_odd_names_go_in_silence(ws: Workspace) -> None:
    names = ("x y ", "tab\t", "line\nbreak", "a%20b", "é")
    with closing(QdrantClient(url=ws.runtime.endpoint.url, check_compatibility=False)) as client:
        for name in names:
            made_again(client, name)
        assert set(names) < {one.name for one in client.get_collections().collections}
        assert seen(ws) == (0, [])
        for name in names:
            dropped(client, name)
    assert seen(ws) == (0, [])
