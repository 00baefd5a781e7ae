"""Faults below the server, made while it is down between the two fingerprints: never a false word, each one named."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Finished, StepFinished
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, ServerInfo, Vector, VectorSpec
from qdrant_admin.lifecycle import ready
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import SIZE, drain, fill, native_workspace, point, prove, vector

pytestmark = pytest.mark.server


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A server of its own: what is broken here is not mended for others."""
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    ws = native_workspace(tmp_path)
    drain(up(ws, cancel=CancelToken()))
    yield ws
    drain(ws.runtime.stop(CancelToken()))


def prove_over(ws: Workspace, damage: Callable[[], None]) -> VerifyReport:
    """A check by recreate, with something done to the storage while the server is down."""
    report = None
    for event in verify(ws, VerifyOptions(how="recreate"), cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "stop":
            damage()
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, VerifyReport)
    return report


def storage(ws: Workspace) -> Path:
    return Path(ws.runtime.inspect().storage.source)


def content(ws: Workspace, name: str) -> dict[object, object] | None:
    """Everything a collection holds, read without the fingerprint; None when it cannot be read."""
    try:
        with ws.database() as database:
            return {
                one.id: (repr(sorted(one.payload.items())), np.asarray(one.vectors[""]).tobytes())
                for page in database.scan(name)
                for one in page
            }
    except Exception:  # noqa: BLE001 # a damaged server fails in every way there is
        return None


VECTORS = "collections/memories/0/segments/*/vector_storage/vectors/chunk_0.mmap"
PAYLOADS = "collections/memories/0/segments/*/payload_storage/page_0.dat"
IDS = "collections/memories/0/segments/*/mutable_id_tracker.mappings"


FLUSHED = CollectionSpec(
    vectors=(VectorSpec(size=SIZE, distance="Dot"),), params={"optimizers_config": {"flush_interval_sec": 1}}
)
"""Written to its segments soon, so that the log does not bring back what is damaged in them."""


def until(reached: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    used = [index for index in range(min(len(data), 600)) if data[index]]
    data[random.Random(3).choice(used)] ^= 0x10  # noqa: S311 # which byte, no secret
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.slow
@pytest.mark.parametrize("damage", [zeroed, one_bit, cut_short])
@pytest.mark.parametrize("files", [VECTORS, PAYLOADS, IDS], ids=["vectors", "payloads", "ids"])
def test_a_damaged_segment_is_never_called_persisted(
    own: Workspace, files: str, damage: Callable[[Path], None]
) -> None:
    place = storage(own)
    with own.database() as database:
        database.create_collection("memories", FLUSHED)
        database.upsert("memories", [point(number) for number in range(60)])
    before = content(own, "memories")
    until(lambda: any(path.stat().st_size for path in place.glob(IDS)), "nothing was flushed to the segments")

    def break_it() -> None:
        for path in place.glob(files):
            if any(path.read_bytes()):
                damage(path)

    report = prove_over(own, break_it)
    same = content(own, "memories") == before
    assert same or report.verdict != "persisted"
    if (
        same
    ):  # a damaged id may hide behind its twin in another segment: every point reads well, and a search meets both
        found = report.collections[0].settings
        assert (report.verdict == "persisted") == (not found)
        assert all(one.code.startswith("search_") for one in found)
    if files == VECTORS and damage is zeroed:
        assert {one.detail for one in report.collections[0].points} == {'vector "", all zeros now'}
    if damage is zeroed:
        assert not same, "the rig is broken: the log alone has brought everything back"


def test_storage_swapped_for_an_older_copy_is_a_loss_of_what_came_since(own: Workspace, tmp_path: Path) -> None:
    fill(own)
    place, copy = storage(own), tmp_path / "copy"
    drain(own.runtime.stop(CancelToken()))
    shutil.copytree(place, copy)
    drain(up(own, cancel=CancelToken()))
    with own.database() as database:
        database.upsert("memories", [point(number) for number in range(20, 25)])

    def swap() -> None:
        shutil.rmtree(place)
        shutil.copytree(copy, place)

    report = prove_over(own, swap)
    (check,) = report.collections
    assert (report.verdict, check.missing) == ("lost", 5)
    assert {one.id for one in check.points} == {"20", "21", "22", "23", "24"}


def test_a_collection_under_another_name_is_lost_and_the_other_is_new(ws: Workspace) -> None:
    fill(ws, "memories", 5)

    def rename(database: Database) -> None:
        points = [one for page in database.scan("memories") for one in page]
        database.create_collection("memory", CollectionSpec(vectors=(VectorSpec(size=SIZE, distance="Dot"),)))
        database.upsert("memory", points)
        database.delete_collection("memories")

    report = prove(ws, mutate=rename)
    assert {check.name: check.verdict for check in report.collections} == {"memories": "lost", "memory": "extra"}
    assert report.verdict == "lost"


def test_a_named_vector_that_is_gone_is_named(ws: Workspace) -> None:
    slots = (VectorSpec(name="a", size=SIZE, distance="Dot"), VectorSpec(name="b", size=SIZE, distance="Dot"))
    both: dict[str, Vector] = {"a": vector(1), "b": vector(2)}
    with ws.database() as database:
        database.create_collection("two", CollectionSpec(vectors=slots))
        database.upsert("two", [Point(1, {}, both), Point(2, {}, both)])
    report = prove(ws, mutate=lambda database: database.upsert("two", [Point(2, {}, {"a": vector(1)})]))
    (check,) = report.collections
    assert [(one.id, one.what) for one in check.points] == [("2", "changed")]
    assert 'vector "b"' in check.points[0].detail


def test_another_version_behind_the_restart_is_told(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in answer: only one version of the server can be had here."""
    fill(ws)
    real = Database.server
    newer = False

    def server(self: Database) -> ServerInfo:
        found = real(self)
        return ServerInfo(title=found.title, version="1.17.0", commit=found.commit) if newer else found

    def upgrade(_: Database) -> None:
        nonlocal newer
        newer = True

    monkeypatch.setattr(Database, "server", server)
    report = prove(ws, mutate=upgrade)
    assert report.verdict == "changed"
    assert "1.17.0" in report.reason
    assert "1.16.3" in report.reason


def cut_segments(ws: Workspace) -> None:
    for path in storage(ws).glob("collections/memories/0/segments/*/segment.json"):
        path.write_bytes(path.read_bytes()[:-10])


def test_a_server_that_ends_while_it_loads_names_the_collection(own: Workspace) -> None:
    fill(own)
    fill(own, "other")
    report = prove_over(own, lambda: cut_segments(own))
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert "collection memories cannot be loaded" in report.reason
    assert {check.verdict for check in report.collections} == {"inconclusive"}


def test_a_collection_that_cannot_be_read_any_more_is_called_neither_lost_nor_there(
    own: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "UNREADABLE_FOR", 0.5)
    fill(own)
    fill(own, "other")

    def break_it() -> None:
        cut_segments(own)
        settings = own.settings.native_folder / "config/config.yaml"
        settings.parent.mkdir()
        settings.write_text("storage: {handle_collection_load_errors: true}")  # the server starts all the same

    report = prove_over(own, break_it)
    by_name = {check.name: check for check in report.collections}
    damaged = by_name["memories"]
    assert (damaged.verdict, damaged.missing, damaged.after) == ("inconclusive", 0, None)
    assert by_name["other"].verdict == "same"
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert report.reason.startswith("memories can no longer be read: ")
    assert report.reason.endswith("it is unknown whether its 20 points are still there")
    assert report.fix == f"qdrant-admin logs --tail 200 --profile {own.settings.name}"
