import contextlib
import datetime as dt
import decimal
import itertools
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.index import IvfPq

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import Record, SourceCollection, strays_of
from qdrant_admin.sources.ids import map_id
from qdrant_admin.sources.lance import LanceFolder
from tests.migration.support import hashes, last, planned, workspace
from tests.sources.support import detect_scheme, folder_uri
from tests.support.real import Server

COUNT, SIZE = 300, 8
VECTORS = np.random.default_rng(5).normal(size=(COUNT, SIZE)).astype(np.float32)


def vectors(numbers: Any) -> pa.Array:
    """A column of lists of one length."""
    array = np.asarray(numbers)
    return pa.FixedSizeListArray.from_arrays(pa.array(array.ravel()), array.shape[1])


def rows(**columns: Any) -> pa.Table:
    """A table of VECTORS and of what else is given."""
    return pa.table({"vector": vectors(VECTORS)} | columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A database with one table, `notes`, that was written to, deleted from and written to again."""
    database = lancedb.connect(str(tmp_path / "db"))
    table = database.create_table("notes", rows(id=[f"n{n}" for n in range(COUNT)], n=list(range(COUNT))))
    table.delete("n >= 100 AND n < 120")
    table.add(rows(id=[f"m{n}" for n in range(COUNT)], n=list(range(1000, 1000 + COUNT))).slice(0, 50))
    table.delete("n = 7")
    return tmp_path / "db"


LIVE = [n for n in range(COUNT) if not 100 <= n < 120 and n != 7] + list(range(1000, 1050))


def opened(path: Path, query: str = "") -> Any:
    return contextlib.closing(LanceFolder(folder_uri(f"lancedb:{path}{query}")))


def read(path: Path, name: str, query: str = "", *, size: int = 16) -> tuple[SourceCollection, list[Record]]:
    with opened(path, query) as source:
        found = {collection.name: collection for collection in source.collections()}
        return found[name], [record for batch in source.batches(name, size=size) for record in batch.records]


def test_what_is_there_is_read_bit_for_bit_and_nothing_changes(folder: Path) -> None:
    before = hashes(folder)
    found, records = read(folder, "notes")
    assert [record.payload for record in records] == [{"n": n} for n in LIVE]
    assert found.count == len(LIVE)
    for record in records:
        assert np.array_equal(np.asarray(record.vectors[""]), VECTORS[record.payload["n"] % 1000])
        assert record.id == ("m" if record.payload["n"] >= 1000 else "n") + str(record.payload["n"] % 1000)
    assert read(folder / "notes.lance", "notes")[0].count == len(LIVE)
    assert detect_scheme(folder) == detect_scheme(folder / "notes.lance") == "lancedb"
    assert hashes(folder) == before


def test_parts_together_are_the_whole_and_a_cursor_goes_on(folder: Path) -> None:
    with opened(folder) as source:
        whole = [record.id for batch in source.batches("notes", size=50) for record in batch.records]
        for parts, size in itertools.product((1, 2, 7), (9, 1000)):
            spans = source.spans("notes", parts)
            assert len(spans) == parts
            assert whole == [
                record.id
                for span in spans
                for batch in source.batches("notes", size=size, after=span.after, until=span.until)
                for record in batch.records
            ]
        for batch in list(source.batches("notes", size=90)):
            rest = [r.id for later in source.batches("notes", size=50, after=batch.cursor) for r in later.records]
            assert whole[whole.index(batch.records[-1].id) + 1 :] == rest


def test_a_writer_meanwhile_makes_no_difference(folder: Path) -> None:
    table = lancedb.connect(str(folder)).open_table("notes")
    with opened(folder) as source:
        planned = source.collections()[0].count
        spans = source.spans("notes", 2)
        first = next(iter(source.batches("notes", size=10, after=spans[0].after, until=spans[0].until)))
    table.delete("n < 50")
    table.add(rows(id=["new"] * COUNT, n=[-1] * COUNT))
    table.update(where="n = 60", values={"n": 60_000})
    with opened(folder) as source:  # a run, or one that was resumed
        rest = [
            record.payload["n"]
            for after, until in ((first.cursor, spans[0].until), (spans[1].after, spans[1].until))
            for batch in source.batches("notes", size=33, after=after, until=until)
            for record in batch.records
        ]
        # What reads the whole after that, as verification does, reads the same version.
        again = [record.payload["n"] for batch in source.batches("notes", size=99) for record in batch.records]
    assert [record.payload["n"] for record in first.records] + rest == again == LIVE
    assert len(again) == planned
    assert read(folder, "notes")[0].count != planned


def test_a_version_that_is_gone_or_another_is_told(folder: Path) -> None:
    with opened(folder) as source:
        (span,) = source.spans("notes", 1)
    shutil.copytree(folder, folder.with_name("other"))
    table = lancedb.connect(str(folder)).open_table("notes")
    table.add(rows(id=["new"] * COUNT, n=[-1] * COUNT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lancedb warns of just what this is about
        table.optimize(cleanup_older_than=dt.timedelta(0), delete_unverified=True)
    with opened(folder) as source, pytest.raises(SourceUnreadable, match="no longer exists"):
        list(source.batches("notes", size=9, after=span.after, until=span.until))
    database = lancedb.connect(str(folder.with_name("other")))
    database.drop_table("notes")
    database.create_table("notes", rows(id=["a"] * COUNT, n=[0] * COUNT))
    for n in range(3):
        database.open_table("notes").delete(f"n = {n + 1}")
    with opened(folder.with_name("other")) as source, pytest.raises(AdminError, match=r"changed|no longer exists"):
        list(source.batches("notes", size=9, after=span.after, until=span.until))


def test_of_one_id_the_last_row_holds_and_this_is_told(tmp_path: Path) -> None:
    table = lancedb.connect(str(tmp_path / "db")).create_table(
        "t", rows(id=[n % 290 for n in range(COUNT)], n=list(range(COUNT)))
    )
    table.add(rows(id=[0] * COUNT, n=[n + COUNT for n in range(COUNT)]).slice(0, 3))
    found, records = read(tmp_path / "db", "t")
    by_id = {record.id: record.payload["n"] for record in records}
    assert found.count == len(records) == len(by_id) == 290
    assert by_id[0] == COUNT + 2
    assert (by_id[9], by_id[10]) == (299, 10)
    assert any("13 rows whose id is repeated" in words for words in found.warnings)


def test_without_ids_lances_own_are_used_and_stay_the_same(tmp_path: Path) -> None:
    table = lancedb.connect(str(tmp_path / "db")).create_table("t", rows(n=list(range(COUNT))))
    found, records = read(tmp_path / "db", "t")
    assert "row id" in found.payload
    before = {record.payload["n"]: map_id(record.id, folds_uuids=False) for record in records}
    assert len(set(before.values())) == COUNT
    table.delete("n < 10")
    after = {record.payload["n"]: map_id(record.id, folds_uuids=False) for record in read(tmp_path / "db", "t")[1]}
    assert after == {n: point for n, point in before.items() if n >= 10}
    assert read(tmp_path / "db", "t", "?id=n")[1][3].id == 13


def test_every_kind_of_value_and_nulls(tmp_path: Path) -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=dt.UTC)
    table = pa.table(
        {
            "id": pa.array(["a", "b", None]),
            "vector": pa.array([[1.0, 2.0], None, [5.0, 6.0]], type=pa.list_(pa.float32(), 2)),
            "struct": pa.array([{"x": {"y": [1, None]}}, None, {"x": None}]),
            "at": pa.array([moment, None, moment], type=pa.timestamp("us", tz="UTC")),
            "day": pa.array([dt.date(2026, 1, 2), None, None]),
            "price": pa.array([decimal.Decimal("1.50"), None, None], type=pa.decimal128(5, 2)),
            "raw": pa.array([b"\x00\xff", None, b""]),
            "flag": pa.array([True, None, False]),
            "tags": pa.array([["x", "y"], None, []], type=pa.list_(pa.string())),
        }
    )
    lancedb.connect(str(tmp_path / "db")).create_table("t", table, on_bad_vectors="null")
    found, (first, second, third) = read(tmp_path / "db", "t")
    assert first.payload == {
        "struct": {"x": {"y": [1, None]}},
        "at": "2026-01-02T03:04:05.6Z",
        "day": "2026-01-02",
        "price": "1.50",
        "raw": "AP8=",
        "flag": True,
        "tags": ["x", "y"],
    }
    assert set(second.payload.values()) == {None}
    assert second.vectors == {}
    assert "no id" in third.trouble
    assert found.count == 3


def test_several_vectors_and_many_in_one_record(tmp_path: Path) -> None:
    halves = VECTORS[:, :4].astype(np.float16)
    doubles = VECTORS[:, 4:].astype(np.float64)
    many = [[[1.0, 2.0], [3.0, 4.0]], *[[[float(n), 0.0]] for n in range(1, COUNT)]]
    table = pa.table(
        {
            "id": list(range(COUNT)),
            "half": vectors(halves),
            "double": vectors(doubles),
            "many": pa.array(many, type=pa.list_(pa.list_(pa.float32(), 2))),
            "scores": pa.array([[0.5] * (n % 3) for n in range(COUNT)], type=pa.list_(pa.float64())),
        }
    )
    lancedb.connect(str(tmp_path / "db")).create_table("t", table)
    found, records = read(tmp_path / "db", "t")
    assert found.spec is not None
    assert [(slot.name, slot.kind, slot.size) for slot in found.spec.vectors] == [
        ("half", "dense", 4),
        ("double", "dense", 4),
        ("many", "multi", 2),
    ]
    assert np.array_equal(np.asarray(records[9].vectors["half"]), halves[9].astype(np.float32))
    assert np.array_equal(np.asarray(records[9].vectors["double"]), doubles[9].astype(np.float32))
    assert np.asarray(records[0].vectors["many"]).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert records[2].payload == {"scores": [0.5, 0.5]}
    found, records = read(tmp_path / "db", "t", "?vector=half")
    assert found.spec is not None
    assert [slot.name for slot in found.spec.vectors] == [""]


@pytest.mark.parametrize(("metric", "distance"), [("cosine", "Cosine"), ("dot", "Dot"), ("l2", "Euclid")])
def test_the_metric_of_the_index_becomes_the_distance(folder: Path, metric: Any, distance: str) -> None:
    table = lancedb.connect(str(folder)).open_table("notes")
    table.create_index("vector", config=IvfPq(distance_type=metric, num_partitions=1, num_sub_vectors=2))
    before = hashes(folder)
    found, records = read(folder, "notes")
    assert found.spec is not None
    assert found.spec.vectors[0].distance == distance
    assert not [words for words in found.warnings if "no index" in words]
    assert len(records) == found.count
    assert hashes(folder) == before


def test_without_an_index_the_default_is_told_and_another_can_be_asked_for(folder: Path) -> None:
    found, _ = read(folder, "notes")
    assert found.spec is not None
    assert found.spec.vectors[0].distance == "Euclid"
    assert any("no index" in words for words in found.warnings)
    found, _ = read(folder, "notes", "?distance=cosine")
    assert found.spec is not None
    assert found.spec.vectors[0].distance == "Cosine"


def test_tables_without_vectors_are_named_and_left_out(folder: Path) -> None:
    lancedb.connect(str(folder)).create_table("aaa", pa.table({"id": [1], "text": ["x"]}))
    found, _ = read(folder, "notes")
    assert any("aaa" in words for words in found.warnings)
    with opened(folder, "?collection=aaa") as source, pytest.raises(SourceUnreadable, match="no vectors"):
        source.collections()


def test_frameworks_find_their_records_again(tmp_path: Path) -> None:
    database = lancedb.connect(str(tmp_path / "db"))
    one = vectors([[1.0, 0.0]])
    database.create_table(
        "langchain", pa.table({"vector": one, "id": ["1"], "text": ["a text"], "metadata": [{"source": "a.txt"}]})
    )
    node = {"_node_content": '{"id_": "n1", "text": ""}', "_node_type": "TextNode", "doc_id": "d1", "page": 3}
    database.create_table(
        "llama", pa.table({"id": ["n1"], "doc_id": ["d1"], "vector": one, "text": ["a text"], "metadata": [node]})
    )
    found, records = read(tmp_path / "db", "langchain")
    assert records[0].payload == {"page_content": "a text", "metadata": {"source": "a.txt"}}
    assert "LangChain" in found.payload
    _, nodes = read(tmp_path / "db", "llama")
    assert json.loads(nodes[0].payload["_node_content"])["text"] == "a text"
    assert (nodes[0].payload["doc_id"], nodes[0].payload["page"]) == ("d1", 3)
    _, plainly = read(tmp_path / "db", "langchain", "?layout=plain")
    assert plainly[0].payload == {"text": "a text", "metadata": {"source": "a.txt"}}


def test_damage_is_told(folder: Path, tmp_path: Path) -> None:
    table = folder / "notes.lance"
    newest = min((table / "_versions").glob("*.manifest"))
    data = sorted((table / "data").glob("*.lance"))
    for number, (path, keep) in enumerate(
        [(data[0], 0.5), (data[1], 0.0), (data[1], None), (newest, 0.5), (newest, None)]
    ):
        broken = Path(shutil.copytree(folder, tmp_path / f"broken{number}"))
        place = broken / path.relative_to(folder)
        octets = place.read_bytes()
        place.unlink()
        if keep is not None:
            place.write_bytes(octets[: int(len(octets) * keep)])
        with pytest.raises(SourceUnreadable, match="cannot be read"):
            read(broken, "notes")


def test_missing_and_foreign_folders_are_told_and_nothing_is_made(folder: Path, tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path / "nothing.lance", tmp_path):
        with pytest.raises(SourceUnreadable):
            read(path, "notes")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(BadInput):
        read(folder, "notes", "?collection=note")
    with pytest.raises(BadInput):
        read(folder, "notes", "?id=nope")
    empty = pa.schema({"id": pa.string(), "vector": pa.list_(pa.float32(), 4)})
    lancedb.connect(str(tmp_path / "e")).create_table("empty", schema=empty)
    found, records = read(tmp_path / "e", "empty")
    assert (found.count, records) == (0, [])


@pytest.mark.server
def test_a_table_arrives_as_it_was_planned_whatever_is_written_meanwhile(server: Server, folder: Path) -> None:
    ws = workspace(server)
    report = planned(ws, f"lancedb:{folder}", to="from-lance")
    lancedb.connect(str(folder)).open_table("notes").delete("n < 50")
    moved_one: MigrationReport = last(migrate(ws, report, cancel=CancelToken()))
    assert moved_one.verdict == "verified"
    assert moved_one.collections[0].verified == len(LIVE)


def test_a_table_that_has_lost_its_versions_is_told(tmp_path: Path) -> None:
    database = lancedb.connect(str(tmp_path))
    for name in ("kept", "lost"):
        database.create_table(name, [{"id": number, "vector": [number + 0.5, 1.0]} for number in range(3)])
    shutil.rmtree(tmp_path / "lost.lance" / "_versions")
    (tmp_path / "made.lance").mkdir()
    with contextlib.closing(LanceFolder(folder_uri(f"lancedb:{tmp_path}"))) as source:
        assert [one.name for one in source.collections()] == ["kept"]
        assert strays_of(source) == (
            "the folder lost.lance holds records, and has no _versions: not copied",
            "the folder made.lance is a table of LanceDB by its name, and has no _versions: not copied",
        )
