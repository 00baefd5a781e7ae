"""Verified is what was looked at: every difference is found and named, whichever way a source is read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, ServerUnreachable, SourceUnreadable
from qdrant_admin.core.events import Finished, Notice, Progress, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.compare import comparer
from qdrant_admin.migration.compare.comparer import Comparer
from qdrant_admin.migration.compare.equality import sample_of
from qdrant_admin.migration.reports import CollectionResult, MigrationReport
from qdrant_admin.migration.run import migrate
from tests.migration.support import local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
COUNT = 60
SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),))


def point(number: int, *vector: float, **payload: Any) -> Point:
    floats = np.array(vector or [number, 1, 2, 3], dtype=np.float32)
    return Point(number, {"n": number} | payload, {"": floats})


@pytest.fixture(params=["server", "folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Points 0 to 59 in a Qdrant server, read side by side with the target, or in a folder, looked for by id."""
    if request.param == "folder":
        return f"qdrant-local:{local_store(tmp_path / 'store', {'c': numbered(COUNT)})}"
    origin: Server = request.getfixturevalue("own_server")
    with Database(origin.endpoint) as database:
        database.create_collection("c", SPEC)
        database.upsert("c", [point(number) for number in range(COUNT)])
    return f"qdrant+{origin.url}?grpc_port={origin.grpc_port}"


def disturbed(
    server: Server, source: str, disturb: Callable[[Database], None], **options: Any
) -> tuple[MigrationReport, CollectionResult]:
    """A migration into which somebody writes between copy and verification."""
    ws = workspace(server)
    report = None
    for event in migrate(ws, planned(ws, source, method="stream", **options), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "verify":
            with Database(server.endpoint) as database:
                disturb(database)
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, MigrationReport)
    return report, report.collections[0]


def test_nothing_is_found_where_nothing_is_wrong(server: Server, source: str) -> None:
    report, result = disturbed(server, source, lambda _: None)
    assert (report.verdict, result.verified, result.extra, result.extra_ids, result.note) == (
        "verified",
        COUNT,
        0,
        (),
        "",
    )
    assert (result.search_quality, result.sampled) == (1.0, None)
    assert "every id, vector and payload" in report.checks


def test_what_is_missing_extra_or_different_is_named(server: Server, source: str) -> None:
    def disturb(database: Database) -> None:
        database.upsert("c", [point(4, 4, 1, 2, np.nextafter(np.float32(3), np.float32(9)))])
        database.upsert("c", [Point(5, {"n": 5.0}, point(5).vectors), point(6, more=None)])
        database.upsert("c", [point(99), point(2**63), Point("5c56c793-69f3-4fbf-87e6-c4bf54c28c26", {}, {})])
        database.delete_points("c", [0, 7, 59])

    report, result = disturbed(server, source, disturb)
    assert (result.verdict, report.exit_code) == ("differs", 1)
    assert sorted(result.missing, key=int) == ["0", "7", "59"]
    assert sorted(result.different) == ["4", "5", "6"]
    assert result.extra_ids == ("99", str(2**63), "5c56c793-69f3-4fbf-87e6-c4bf54c28c26")
    assert (result.extra, result.verified, result.search_quality) == (3, COUNT - 6, None)


def test_as_many_points_as_there_should_be_are_not_enough(server: Server, source: str) -> None:
    def disturb(database: Database) -> None:
        database.delete_points("c", [30])
        database.upsert("c", [point(1000)])

    _, result = disturbed(server, source, disturb)
    assert (result.verdict, result.missing, result.extra_ids) == ("differs", ("30",), ("1000",))


def test_of_very_many_the_first_hundred_are_named_and_all_are_counted(server: Server, source: str) -> None:
    _, result = disturbed(server, source, lambda database: database.upsert("c", [point(n) for n in range(100, 1400)]))
    assert (result.extra, len(result.extra_ids), result.extra_ids[0]) == (1300, 100, "100")


def test_points_that_were_there_before_are_named_and_do_no_harm(server: Server, source: str) -> None:
    with Database(server.endpoint) as database:
        database.create_collection("c", SPEC)
        database.upsert("c", [point(5, 9, 9, 9, 9), point(500), point(501)])
    report = moved(workspace(server), source, on_conflict="overwrite", method="stream")
    (result,) = report.collections
    assert (report.verdict, result.verified, result.extra_ids) == ("verified", COUNT, ("500", "501"))
    assert result.note == "2 points were in the target before"


@pytest.fixture
def between_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], None]]]:
    """What happens, each once, behind a chunk that was compared."""
    monkeypatch.setattr(comparer, "PAGE", 10)
    waiting: list[Callable[[], None]] = []
    look = Comparer.look

    def looked(self: Comparer, chunk: comparer.Chunk) -> comparer.ComparisonResult:
        seen = look(self, chunk)
        if waiting and chunk.place >= 30:
            waiting.pop(0)()
        return seen

    monkeypatch.setattr(Comparer, "look", looked)
    yield waiting
    assert not waiting


@pytest.mark.parametrize("what", ["changed", "deleted", "added"])
def test_a_target_that_is_written_to_behind_the_comparison_is_never_verified(
    server: Server, source: str, what: str, between_chunks: list[Callable[[], None]]
) -> None:
    def write() -> None:
        with Database(server.endpoint) as database:
            if what == "changed":
                database.upsert("c", [point(0, 1, 1, 1, 1)])
            elif what == "deleted":
                database.delete_points("c", [0])
            else:
                database.upsert("c", [point(700)])

    between_chunks.append(write)
    report, result = disturbed(server, source, lambda _: None)
    assert report.verdict == "differs"
    named = {"changed": result.different, "deleted": result.missing, "added": result.extra_ids}[what]
    assert named == ("700" if what == "added" else "0",)


def test_a_server_that_fails_in_the_middle_is_waited_for_and_nothing_is_counted_twice(
    server: Server, source: str, between_chunks: list[Callable[[], None]]
) -> None:
    def fail() -> None:
        raise ServerUnreachable("nothing answers")

    between_chunks += [fail, fail]
    ws = workspace(server)
    told = list(migrate(ws, planned(ws, source, method="stream"), cancel=CancelToken()))
    assert any(isinstance(event, Notice) and "answers again" in event.text for event in told)
    report = told[-1].report  # type: ignore[union-attr]  # the last event is always Finished
    assert isinstance(report, MigrationReport)
    (result,) = report.collections
    assert (report.verdict, result.note, result.read, result.verified) == ("verified", "", COUNT, COUNT)


@pytest.mark.parametrize("error", [SourceUnreadable("the file is cut short"), ValueError("something else")])
def test_no_verdict_is_given_when_reading_fails(
    server: Server, source: str, error: Exception, between_chunks: list[Callable[[], None]]
) -> None:
    def fail() -> None:
        raise error

    between_chunks.append(fail)
    with pytest.raises(type(error)):
        disturbed(server, source, lambda _: None)


def test_cancelled_in_the_middle_it_gives_no_verdict(server: Server, source: str) -> None:
    ws, cancel = workspace(server), CancelToken()
    report = None
    for event in migrate(ws, planned(ws, source, method="stream"), cancel=cancel):
        if isinstance(event, Progress) and event.step == "verify":
            cancel.cancel()
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, MigrationReport)
    assert (report.verdict, report.collections[0].verified) == ("cancelled", 0)


def test_a_sample_is_said_to_be_one_and_still_finds_every_missing_and_extra_id(server: Server, source: str) -> None:
    def disturb(database: Database) -> None:
        database.delete_points("c", [41])
        database.upsert("c", [point(77)])

    report, result = disturbed(server, source, disturb, verify="sample:10")
    assert (result.verdict, result.missing, result.extra_ids) == ("differs", ("41",), ("77",))
    assert result.sampled == 10
    assert "a sample of 10 points" in report.checks


def test_a_sample_compares_so_many_and_no_more(server: Server, source: str) -> None:
    everything = [point(number, 8, 8, 8, 8) for number in range(COUNT)]
    report, result = disturbed(server, source, lambda database: database.upsert("c", everything), verify="sample:10")
    assert (report.verdict, len(result.different), result.verified) == ("differs", 10, 0)
    again = moved(workspace(server), source, verify="sample:1000", on_conflict="overwrite", method="stream")
    assert (again.verdict, again.collections[0].sampled, again.collections[0].verified) == ("verified", COUNT, COUNT)


@pytest.mark.parametrize("words", ["", "sample", "sample:", "sample:0", "sample:-1", "sample:x", "half"])
def test_another_way_of_verifying_is_refused(words: str) -> None:
    assert (sample_of("full"), sample_of("sample:7")) == (None, 7)
    with pytest.raises(BadInput):
        sample_of(words)


def test_a_target_whose_search_finds_nothing_of_the_source_is_not_verified(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: Database, name: str, vectors: list[Any], **__: Any) -> list[list[tuple[int, float]]]:
        return [[(59, -1e9)] for _ in vectors]

    monkeypatch.setattr(Database, "nearest", lost)
    source = f"qdrant-local:{local_store(tmp_path / 'store', {'c': numbered(COUNT)})}"
    _, result = disturbed(server, source, lambda _: None)
    assert (result.verdict, result.verified) == ("differs", COUNT)
    assert result.search_quality is not None
    assert result.search_quality < 0.2
    assert "the target does not find what the source holds" in result.note


def test_side_by_side_it_is_compared_as_strictly_as_one_by_one(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {
        "n": 1,
        "real": -0.0,
        "large": 2.0**63,
        "deep": {"b": [1, None], "a": "x"},
        "long": 0.1234567890123456789,
    }
    matrix = np.arange(COUNT * 4, dtype=np.float32).reshape(COUNT, 4) + 1
    columns = {"id": list(range(COUNT)), "vector": pa.FixedSizeListArray.from_arrays(matrix.ravel(), 4)}
    pq.write_table(pa.table(columns | {key: [value] * COUNT for key, value in payload.items()}), tmp_path / "c.parquet")

    def changed(number: int, vector: Any = None, **fields: Any) -> Point:
        return Point(number, payload | fields, {"": matrix[number] if vector is None else vector})

    def disturb(database: Database) -> None:
        nearly = matrix[4].copy()
        nearly[1] = np.nextafter(nearly[1], np.float32(100))
        database.upsert("c", [changed(1, n=1.0), changed(2, real=0.0), changed(3, more=None), changed(4, nearly)])
        database.upsert(
            "c", [changed(5, deep={"b": [1, False], "a": "x"}), changed(6, deep={"a": "x", "b": [1, None]})]
        )
        database.upsert(
            "c", [changed(7, large=2**63), changed(8, n="1"), changed(9, -matrix[9]), changed(100, matrix[0])]
        )
        database.delete_points("c", [0, 59])

    uri, found = f"parquet:{tmp_path / 'c.parquet'}?distance=Dot", []
    for other_way in ("_records", "_columns"):
        with monkeypatch.context() as patch:
            patch.setattr(Comparer, other_way, (lambda *_: None) if other_way == "_columns" else None)
            _, result = disturbed(server, uri, disturb, on_conflict="overwrite")
        found.append((result.missing, sorted(result.different), result.extra_ids, result.verified))
    assert found[0] == found[1] == (("0", "59"), ["1", "2", "3", "4", "5", "7", "8", "9"], ("100",), COUNT - 10)
