"""Every row of a source is written, folded, skipped, rejected or left out; else nothing is called verified."""

import base64
import contextlib
import itertools
import json
import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Finished, StepStarted
from qdrant_admin.database.bulk import Bulk
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.messages import next_steps, sentence
from qdrant_admin.migration.reports import CollectionResult, MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import Batch
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.qdrant.server import QdrantServer
from tests.migration.support import local_store, moved, numbered, planned, workspace
from tests.support.answering import Answered, Asked, in_front_of
from tests.support.real import Server

pytestmark = pytest.mark.server
FIGURES = ("seen", "read", "written", "folded", "skipped", "rejected", "left_out", "verified")


def figures(result: CollectionResult) -> dict[str, int]:
    """Those that are not 0."""
    assert result.seen == result.accounted, result
    return {figure: value for figure in FIGURES if (value := getattr(result, figure))}


def of(**figures: int) -> dict[str, int]:
    return figures


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"jsonl:{path}"


def row(number: int, **more: object) -> dict[str, Any]:
    return {"id": number, "vector": [number + 0.5, 1.0, 2.0, 3.0], **more}


def several_rows_a_point(folder: Path) -> str:
    """A folder of an older embedded mode, which has appended a point instead of replacing it."""
    from qdrant_client import models

    store = local_store(folder, {"c": numbered(3)})
    with contextlib.closing(sqlite3.connect(store / "collection" / "c" / "storage.sqlite")) as database:
        database.execute("CREATE TABLE again AS SELECT * FROM points")
        database.execute("DROP TABLE points")
        database.execute("ALTER TABLE again RENAME TO points")
        newer = models.PointStruct(id=1, vector=[9.0, 9.0, 9.0, 9.0], payload={"n": "newer"})
        key = base64.b64encode(pickle.dumps(1)).decode()
        database.execute("INSERT INTO points VALUES (?, ?)", (key, pickle.dumps(newer)))
        database.commit()
    return f"qdrant-local:{store}"


def repeating_shards(folder: Path) -> str:
    """Three files that number their rows from 0 each."""
    folder.mkdir()
    for shard in range(3):
        lines(folder / f"{shard}.jsonl", [row(number, shard=shard) for number in range(4)])
    return f"jsonl:{folder}"


def repeating_index(folder: Path) -> str:
    """A FAISS index with ids of its own, one of them three times: every row is given, the last one wins."""
    import faiss

    folder.mkdir()
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(4))
    index.add_with_ids(np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]] + 1, np.array([7, 8, 7, 9, 7]))
    faiss.write_index(index, str(folder / "c.faiss"))
    return f"faiss:{folder / 'c.faiss'}"


@pytest.mark.parametrize(
    ("make", "seen", "written"), [(repeating_shards, 12, 4), (repeating_index, 5, 3), (several_rows_a_point, 4, 3)]
)
def test_rows_whose_id_comes_again_are_counted_and_said(
    server: Server, tmp_path: Path, make: Any, seen: int, written: int
) -> None:
    ws = workspace(server)
    source = make(tmp_path / "a")
    report = moved(ws, source)
    (result,) = report.collections
    folded = seen - written
    assert figures(result) == of(seen=seen, read=seen, written=written, folded=folded, verified=written)
    assert report.verdict == "verified"
    with Database(server.endpoint) as database:
        assert database.count(result.target) == written
    assert sentence(report).startswith(f"Of {seen} rows, {written} points arrived")
    assert f"{folded} folded" in sentence(report)
    assert f"{written} of {written} points verified" in report.summary()
    assert {"seen", "folded"} <= set(next(block.head for block in report.blocks() if hasattr(block, "head")))


def test_rows_that_are_rejected_left_out_or_skipped_are_counted_apart(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    strange = row(2) | {"vector": [1.0, 2.0]}
    report = moved(ws, lines(tmp_path / "r.jsonl", [row(0), row(1), strange, row(1, again=True), row(3)]))
    assert figures(report.collections[0]) == of(seen=5, read=5, written=3, folded=1, rejected=1, verified=3)
    assert report.verdict == "differs"
    assert sentence(report).startswith("The target differs from the source: 1 rejected. Of 5 rows, 3 were written.")
    assert "1 folded" in sentence(report)
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(5), 'two': numbered(6)})}"
    report = moved(ws, source, skip_collections=("two",))
    assert [figures(one) for one in report.collections] == [
        of(seen=5, read=5, written=5, verified=5),
        of(seen=6, left_out=6),
    ]
    assert sentence(report).startswith("Of 11 rows, 5 points arrived")
    assert "6 left out" in sentence(report)
    assert not any("remove it yourself" in step.says for step in next_steps(report))
    report = moved(ws, source, on_conflict="skip", skip_collections=("two",))
    assert [figures(one) for one in report.collections] == [of(seen=5, skipped=5), of(seen=6, left_out=6)]
    assert report.verdict == "skipped"


def test_a_row_that_the_reader_loses_is_never_verified(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copy and comparison read through the same code, so only the source's own count can tell."""
    batches = FileSource.batches

    def losing(self: FileSource, name: str, **where: Any) -> Iterator[Batch]:
        for batch in batches(self, name, **where):
            yield Batch([record for record in batch.records if record.id != 3], batch.cursor)

    monkeypatch.setattr(FileSource, "batches", losing)
    report = moved(workspace(server), lines(tmp_path / "c.jsonl", [row(number) for number in range(9)]))
    (result,) = report.collections
    assert (report.verdict, report.exit_code) == ("differs", 1)
    assert (result.seen, result.accounted, result.written) == (9, 8, 8)
    assert "the source has 9 rows, and what became of 8 is known" in result.note
    assert "1 not accounted for" in sentence(report)


@pytest.mark.parametrize("wire", [True, False], ids=["as bytes", "as records"])
def test_a_page_that_a_server_hides_is_never_verified(
    server: Server, other: Server, monkeypatch: pytest.MonkeyPatch, wire: bool
) -> None:
    with Database(other.endpoint) as database:
        database.create_collection("c", CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
        database.upsert("c", [Point(n, {}, {"": np.array([n, 1], dtype=np.float32)}) for n in range(1, 41)])
    part = f"?grpc_port={other.grpc_port}" if wire else ""
    method = "wire_batches" if wire else "batches"
    give = getattr(QdrantServer, method)

    def hiding(self: QdrantServer, name: str, **where: Any) -> Iterator[Any]:
        yield from itertools.islice(give(self, name, **where), 1)

    monkeypatch.setattr(QdrantServer, method, hiding)
    report = moved(workspace(server), f"qdrant+{other.url}{part}", method="stream", batch_size=10)
    (result,) = report.collections
    assert (report.verdict, result.seen, result.written) == ("differs", 40, 10)
    assert "30 not accounted for" in sentence(report)


@pytest.mark.parametrize(("path", "status"), [("", 500), ("", 404), ("/points/count", 403)])
def test_a_collection_of_a_server_that_cannot_be_read_is_refused_by_name(
    server: Server, other: Server, path: str, status: int
) -> None:
    with Database(other.endpoint) as database:
        for name in ("sound", "torn"):
            database.create_collection(name, CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
            database.upsert(name, [Point(1, {}, {"": np.ones(2, dtype=np.float32)})])

    def torn(asked: Asked, answered: Answered) -> Answered:
        return Answered({"status": {"error": "torn"}}, status) if asked.path == f"/collections/torn{path}" else answered

    ws = workspace(server)
    with in_front_of(other.url, torn) as place:
        plan = planned(ws, f"qdrant+http://{place}", method="stream")
        assert plan.exit_code == 4
        (refused,) = [problem for problem in plan.problems if problem.level == "refused"]
        assert (refused.collection, "--exclude torn" in refused.fix) == ("torn", True)
        report = moved(ws, f"qdrant+http://{place}", method="stream", skip_collections=("torn",))
    assert report.verdict == "verified"
    assert [figures(one) for one in report.collections] == [of(seen=1, read=1, written=1, verified=1), {}]


@pytest.mark.parametrize("verify", ["full", "sample:2"])
@pytest.mark.parametrize("odd", [{}, {"title": "\ud800"}], ids=["columns", "records"])
def test_a_row_that_the_writer_loses_is_never_verified(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: str, odd: dict[str, str]
) -> None:
    """`odd`: one record that cannot be stored has all of a batch looked at one by one."""
    encoded, upsert = Bulk.upsert_encoded, Bulk.upsert
    monkeypatch.setattr(Bulk, "upsert_encoded", lambda bulk, name, points: encoded(bulk, name, points[1:]))
    monkeypatch.setattr(Bulk, "upsert", lambda bulk, name, points, **how: upsert(bulk, name, points[1:], **how))
    rows = [row(number) for number in range(9)] + [row(9, **odd)]
    report = moved(workspace(server), lines(tmp_path / "c.jsonl", rows), verify=verify)
    (result,) = report.collections
    assert report.verdict == "differs"
    assert (result.missing, result.missing_count) == (("0",), 1)
    assert "1 missing" in sentence(report)


def test_the_sentence_has_the_true_number_of_what_is_missing(server: Server, tmp_path: Path) -> None:
    ws, source = workspace(server), lines(tmp_path / "c.jsonl", [row(number) for number in range(300)])
    for event in migrate(ws, planned(ws, source), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "verify":
            with Database(server.endpoint) as database:
                database.delete_points("c", range(250))
                database.set_payload("c", range(250, 280), {"title": "another"})
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, MigrationReport)
    assert sentence(report) == "The target differs from the source: 250 missing, 30 different."
    assert len(report.collections[0].missing) == 100


def test_a_run_that_follows_its_source_counts_each_point_once(server: Server, tmp_path: Path) -> None:
    ws, file = workspace(server), tmp_path / "c.jsonl"
    source = lines(file, [row(number) for number in range(6)])
    assert figures(moved(ws, source, catch_up=True).collections[0]) == of(seen=6, read=6, written=6, verified=6)
    lines(file, [row(number) if number != 2 else row(number, changed=True) for number in range(7)])
    report = moved(ws, source, catch_up=True)
    assert report.verdict == "verified"
    assert figures(report.collections[0]) == of(seen=7, read=7, written=2, skipped=5, verified=7)


def test_nothing_is_neither_ready_nor_verified(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    source = f"qdrant-local:{local_store(tmp_path / 'a', {'one': numbered(5), 'two': numbered(6)})}"
    plan = planned(ws, source, skip_collections=("one", "two"))
    assert (plan.verdict_word, plan.exit_code, plan.next_step()) == ("skipped", 0, None)
    assert any("every collection is left out" in problem.text for problem in plan.problems)
    empty = f"qdrant-local:{local_store(tmp_path / 'b', {'nothing': []})}"
    nowhere = f"qdrant-local:{local_store(tmp_path / 'c', {})}"
    for report in (moved(ws, source, skip_collections=("one", "two")), moved(ws, empty), moved(ws, nowhere)):
        assert (report.verdict, report.exit_code) == ("skipped", 0)
        assert sentence(report).startswith("Nothing was copied")
        assert "verified" not in report.summary()
        assert next_steps(report) == []
    assert planned(ws, nowhere).verdict_word == "skipped"
