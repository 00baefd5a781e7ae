"""The engine by its parts: plans that survive being written down, spans, what cannot pass as bytes, order."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.bulk import Bulk
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.copy.stream import MAX_OCTETS
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.reports import CollectionPlan, PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import Batch, Record, Span, cut
from qdrant_admin.sources.qdrant.server import QdrantServer
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.sources.support import server_uri
from tests.support.real import Server

server_needed = pytest.mark.server
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CURSORS = st.none() | st.integers(0, 2**64 - 1) | TEXT
PLANS = st.builds(
    CollectionPlan,
    source=TEXT,
    target=TEXT,
    count=st.integers(0, 2**62),
    vectors=st.just((VectorSpec(size=4, distance="Dot"),)),
    spec=st.just(CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),))),
    spans=st.lists(st.builds(Span, after=CURSORS, until=CURSORS), min_size=1).map(tuple),
    aliases=st.lists(TEXT).map(tuple),
    source_mark=TEXT,
    in_order=st.booleans(),
)


@given(plans=st.lists(PLANS, max_size=4), workers=st.integers(1, 32))
def test_a_plan_is_the_same_after_it_was_written_down(plans: list[CollectionPlan], workers: int) -> None:
    plan = PlanReport(
        run="r",
        source="chroma:/x",
        source_kind="Chroma",
        target="http://127.0.0.1:6333",
        workers=workers,
        collections=tuple(plans),
        created_at=datetime.now(UTC),
    )
    assert PlanReport.model_validate_json(to_json(plan)) == plan


@given(cursors=st.lists(st.integers(), unique=True).map(sorted), parts=st.integers(1, 40))
def test_spans_are_the_whole_once_and_of_about_one_size(cursors: list[int], parts: int) -> None:
    spans = cut(cursors, parts)
    assert len(spans) == max(1, min(parts, len(cursors)))
    held = [
        [one for one in cursors if (span.after is None or one > int(span.after))
         and (span.until is None or one <= int(span.until))]
        for span in spans
    ]  # fmt: skip
    assert [one for some in held for one in some] == cursors
    assert max(map(len, held)) - min(map(len, held)) <= 1


def test_a_checkpoint_never_overtakes_a_batch_that_is_not_acknowledged() -> None:
    first_may_go = threading.Event()
    written: list[int] = []

    def read(span: int) -> Iterator[Batch]:
        return (Batch([Record(number)], number) for number in range(4))

    def write(batch: Batch) -> int:
        if batch.cursor == 0:
            first_may_go.wait(20)
        written.append(int(batch.cursor or 0))
        if len(written) == 3:
            first_may_go.set()
        return len(batch.records)

    told: list[Any] = []
    with Pipeline([0], read=read, write=write, writers=4) as pipeline:
        told += [one for one in pipeline.news() if one]
    assert sorted(written[:3]) == [1, 2, 3]
    assert [one.cursor for one in told if isinstance(one, Settled)] == [0, 1, 2, 3]
    assert isinstance(told[-1], Ended)


def test_a_batch_that_fails_leaves_what_lies_before_it_settled() -> None:
    def read(span: int) -> Iterator[Batch]:
        return (Batch([Record(number)], number) for number in range(50))

    def write(batch: Batch) -> int:
        if batch.cursor == 7:
            raise OSError("gone")
        return 1

    settled: list[Any] = []
    with Pipeline([0], read=read, write=write, writers=3) as pipeline:
        with pytest.raises(OSError, match="gone"):
            settled.extend(one for one in pipeline.news() if one)
        pipeline.stop()
        settled += pipeline.rest()
    assert [one.cursor for one in settled] == [*range(7)]


@server_needed
def test_spans_of_a_server_cover_integers_and_uuids(server: Server) -> None:
    ids = [*range(700), *(f"{number:08x}-ceea-467e-8d5e-2f7c1b0f4a11" for number in range(500))]
    with Database(server.endpoint) as database:
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
        database.upsert("c", [Point(one, {}, {"": np.ones(4, dtype=np.float32)}) for one in ids])
    source = QdrantServer(server_uri(f"qdrant+{server.url}?grpc_port={server.grpc_port}"))
    try:
        spans = source.spans("c", 6)
        assert len(spans) == 6
        for read in (source.batches, source.wire_batches):
            parts: list[list[Any]] = [list(read("c", size=64, after=span.after, until=span.until)) for span in spans]
            found = [one.id for part in parts for batch in part for one in records(batch)]
            assert found == ids
            assert all(part[-1].cursor == span.until for part, span in zip(parts[:-1], spans, strict=False))
    finally:
        source.close()


def records(batch: Any) -> list[Record]:
    return list(batch.records if isinstance(batch, Batch) else batch.records())


@server_needed
def test_what_cannot_pass_as_bytes_arrives_all_the_same_or_is_rejected(server: Server, other: Server) -> None:
    deep: Any = "bottom"
    for _ in range(45):
        deep = {"in": deep}
    points = [Point(n, {"n": n}, {"": np.array([n, 1, 2, 3], dtype=np.float32)}) for n in range(40)]
    points[7].payload["deep"] = deep
    points[11].payload["large"] = 2**63 + 5
    points[13].payload["big"] = 1e300
    with Database(other.endpoint) as database:
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
        database.upsert("c", points)
    source = f"qdrant+{other.url}?grpc_port={other.grpc_port}"
    report = moved(workspace(server), source, method="stream")
    (result,) = report.collections
    assert (result.read, result.written, result.rejected, result.verified) == (40, 39, 1, 39)
    assert [(one.id, "digits" in one.reason) for one in report.rejects] == [("11", True)]
    with Database(server.endpoint) as database:
        assert database.point("c", 7).payload == points[7].payload
        assert database.point("c", 13).payload == points[13].payload


@server_needed
def test_a_source_that_changed_since_its_plan_is_refused_before_the_first_write(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    store = local_store(tmp_path / "s", {"c": numbered(5)})
    plan = planned(ws, f"qdrant-local:{store}")
    file = store / "collection" / "c" / "storage.sqlite"
    file.unlink()
    local_store(tmp_path / "t", {"c": numbered(6)})
    (tmp_path / "t" / "collection" / "c" / "storage.sqlite").rename(file)
    with pytest.raises(Refused, match="changed since"):
        last(migrate(ws, plan, cancel=CancelToken()))
    with Database(server.endpoint) as database:
        assert database.names() == []


def test_no_more_write_at_the_same_time_than_are_allowed_and_more_as_soon_as_they_are() -> None:
    allowed, writing, most = 1, 0, [0, 0]
    lock, together = threading.Lock(), threading.Barrier(3)

    def write(batch: Batch) -> int:
        nonlocal allowed, writing
        number = int(batch.cursor or 0)
        with lock:
            writing += 1
            most[number >= 10] = max(most[number >= 10], writing)
            if number == 9:
                allowed = 3
        if number >= 10:
            together.wait(20)  # breaks unless three of them come
        with lock:
            writing -= 1
        return 1

    def read(span: int) -> Iterator[Batch]:
        return (Batch([Record(number)], number) for number in range(10 + 3 * 4))

    with Pipeline([0], read=read, write=write, writers=3, allowed=lambda: allowed) as pipeline:
        settled = [one.cursor for one in pipeline.news() if isinstance(one, Settled)]
    assert settled == list(range(22))
    assert most == [1, 3]


@server_needed
def test_batches_are_cut_by_bytes_as_well(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(real: Any) -> Any:
        def upsert(self: Bulk, name: str, points: Any, **options: Any) -> None:
            sizes.append(len(points))
            real(self, name, points, **options)

        return upsert

    for way in ("upsert", "upsert_encoded"):
        monkeypatch.setattr(Bulk, way, counted(getattr(Bulk, way)))
    points = numbered(300)
    for point in points:
        point["payload"]["text"] = "x" * 200_000
    report = moved(
        workspace(server), f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}", workers=1, batch_size=64
    )
    assert report.verdict == "verified"
    assert sizes[0] == 64
    assert max(sizes[3:]) * 200_000 <= MAX_OCTETS + 200_000
