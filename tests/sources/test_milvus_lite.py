import contextlib
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.base import Record, SourceCollection
from qdrant_admin.sources.ids import superseded
from qdrant_admin.sources.milvus.lite import open_milvus_lite
from tests.migration.support import hashes, moved, workspace
from tests.sources.support import folder_uri
from tests.support.milvus import fill, row, served
from tests.support.real import Server


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[int]]:
    """A folder with a log that nobody has flushed, and the ids in its collection `all`."""
    folder = tmp_path_factory.mktemp("milvus")
    with served(folder / "live.db") as (_, client):
        ids = fill(client)
        shutil.copytree(folder / "live.db", folder / "copy.db")
    return folder / "copy.db", ids


@pytest.fixture
def store(written: tuple[Path, set[int]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(written[0], tmp_path / "m.db"))


def opened(folder: Path, query: str = "") -> Any:
    return contextlib.closing(open_milvus_lite(folder_uri(f"milvus-lite:{folder}{query}")))


def read(folder: Path, name: str, query: str = "", *, size: int = 3) -> tuple[SourceCollection, list[Record]]:
    with opened(folder, query) as source:
        found = {collection.name: collection for collection in source.collections()}
        return found[name], [record for batch in source.batches(name, size=size) for record in batch.records]


def test_what_milvus_would_answer_is_what_is_read(store: Path, written: tuple[Path, set[int]]) -> None:
    before = hashes(store)
    found, records = read(store, "all")
    by_id = {record.id: record for record in records}
    assert set(by_id) == written[1]
    assert found.count == len(records) == len(by_id)
    for number, record in by_id.items():
        wanted = row(int(number)) | {"extra": {3: "new", 21: "newest"}.get(int(number), number)}
        wanted["partition"] = "mine" if 10 <= int(number) < 15 else "_default"
        assert np.array_equal(np.asarray(record.vectors["dense"]), wanted.pop("dense"))
        assert np.array_equal(np.asarray(record.vectors["other"]), wanted.pop("other"))
        sparse = record.vectors["sparse"]
        assert isinstance(sparse, Sparse)
        assert dict(zip(sparse.indices.tolist(), sparse.values.tolist(), strict=True)) == wanted.pop("sparse")
        assert record.payload == {name: value for name, value in wanted.items() if name != "id"}
    assert found.aliases == ("everything",)
    assert hashes(store) == before


def test_slots_and_distances_are_those_of_the_indexes(store: Path) -> None:
    with opened(store) as source:
        found = {collection.name: collection.spec for collection in source.collections()}
    slots = {name: [(s.name, s.kind, s.size, s.distance) for s in spec.vectors] for name, spec in found.items() if spec}
    assert slots == {
        "all": [
            ("dense", "dense", 4, "Euclid"),
            ("other", "dense", 3, "Dot"),
            ("sparse", "sparse", None, None),
        ],
        "plain": [("", "dense", 4, "Cosine")],
        "empty": [("", "dense", 4, "Dot")],
    }
    assert read(store, "empty", "?collection=empty")[1] == []


def test_parts_together_are_the_whole_and_a_cursor_goes_on(store: Path) -> None:
    with opened(store) as source:
        whole = [record.id for batch in source.batches("all", size=4) for record in batch.records]
        for parts, size in itertools.product((1, 2, 3, 7), (1, 2, 100)):
            spans = source.spans("all", parts)
            assert len(spans) == parts
            assert whole == [
                record.id
                for span in spans
                for batch in source.batches("all", size=size, after=span.after, until=span.until)
                for record in batch.records
            ]
        batches = list(source.batches("all", size=4))
        rest = [
            record.id for batch in source.batches("all", size=9, after=batches[1].cursor) for record in batch.records
        ]
        assert [record.id for batch in batches[:2] for record in batch.records] + rest == whole


def test_a_log_that_breaks_off_counts_up_to_there(store: Path) -> None:
    log = next((store / "collections" / "all" / "wal").glob("wal_data_*"))
    log.write_bytes(log.read_bytes()[:-20])
    found, records = read(store, "all")
    assert {record.payload["extra"] for record in records if record.id == 21} == {21}
    assert found.count == len(records)
    assert any("cut off" in words for words in found.warnings)


def test_damage_is_told(store: Path, tmp_path: Path) -> None:
    folder = store / "collections" / "plain"
    data = next(folder.glob("partitions/*/data/*.parquet"))
    manifest = json.loads((folder / "manifest.json").read_bytes())
    for path, content in (
        (data, data.read_bytes()[:-30]),
        (data, data.read_bytes()[: len(data.read_bytes()) // 2]),
        (data, None),
        (folder / "manifest.json", b"{"),
        (folder / "manifest.json", b"[]"),
        (folder / "manifest.json", b'{"partitions": {"../../all/partitions/_default": {"data_files": ["../x"]}}}'),
        (folder / "manifest.json", json.dumps(manifest | {"manifest_format_version": 99}).encode()),
        (folder / "schema.json", b'{"collection_name": "plain", "fields": []}'),
        (folder / "manifest.json", None),
    ):
        broken = Path(shutil.copytree(store, tmp_path / "broken"))
        place = broken / path.relative_to(store)
        place.unlink()
        if content is not None:
            place.write_bytes(content)
        with pytest.raises(SourceUnreadable):
            read(broken, "plain")
        shutil.rmtree(broken)


def test_a_folder_in_use_and_foreign_ones_are_told(store: Path, tmp_path: Path) -> None:
    with served(store), pytest.raises(SourceUnreadable, match="in use"):
        read(store, "all")
    for path in (tmp_path / "nothing.db", tmp_path):
        with pytest.raises(SourceUnreadable):
            read(path, "all")
    with pytest.raises(BadInput):
        read(store, "all", "?collection=al")


def test_a_change_while_it_is_read_is_told(store: Path) -> None:
    with opened(store) as source:
        mark = source.mark("all")
        batches = iter(source.batches("all", size=2))
        next(batches)
        log = next((store / "collections" / "all" / "wal").glob("wal_data_*"))
        log.write_bytes(log.read_bytes() + bytes(8))
        with pytest.raises(AdminError, match="changed"):
            list(batches)
        assert source.mark("all") != mark


def test_a_sparse_vector_that_is_none_rejects_its_record_alone(store: Path) -> None:
    log = next((store / "collections" / "all" / "wal").glob("wal_data_*"))
    with pa.ipc.open_stream(log.read_bytes()) as stream:
        schema, (first, *others) = stream.schema, list(stream)
    column = first.schema.get_field_index("sparse")
    values = [b"\x01\x02\x03", *first.column(column).to_pylist()[1:]]
    bad = first.set_column(column, schema.field(column), pa.array(values, type=pa.binary()))
    with log.open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for batch in (bad, *others):
            writer.write_batch(batch)
    troubled = [record for record in read(store, "all")[1] if record.trouble]
    assert [record.id for record in troubled] == [20]
    assert "not a whole number of pairs" in troubled[0].trouble


def test_frameworks_find_their_records_again(tmp_path: Path) -> None:
    with served(tmp_path / "f.db") as (_, client):
        _langchain(client)
        _llamaindex(client)
        _mem0(client)
    found, records = read(tmp_path / "f.db", "LangChainCollection")
    assert records[0].payload == {"page_content": "a text", "metadata": {"source": "a.txt"}}
    assert "LangChain" in found.payload
    _, nodes = read(tmp_path / "f.db", "llamacollection")
    assert json.loads(nodes[0].payload["_node_content"])["text"] == "a text"
    assert nodes[0].payload["doc_id"] == "d1"
    found, memories = read(tmp_path / "f.db", "mem0")
    assert (memories[0].payload["data"], memories[0].payload["user_id"]) == ("likes tea", "alice")
    assert found.spec is not None
    assert "user_id" in found.spec.payload_indexes


def _langchain(client: Any) -> None:
    from pymilvus import DataType

    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("pk", DataType.VARCHAR, max_length=65535, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=65535)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("LangChainCollection", schema=schema)
    client.insert("LangChainCollection", [{"pk": "1", "text": "a text", "vector": [1.0, 0.0], "source": "a.txt"}])


def _llamaindex(client: Any) -> None:
    client.create_collection("llamacollection", dimension=2, primary_field_name="id", id_type="string", max_length=99)
    node = {"_node_content": '{"id_": "n1", "text": ""}', "_node_type": "TextNode", "doc_id": "d1"}
    client.insert("llamacollection", [{"id": "n1", "vector": [1.0, 0.0], "text": "a text", **node}])


def _mem0(client: Any) -> None:
    from pymilvus import DataType

    schema = client.create_schema()
    schema.add_field("id", DataType.VARCHAR, max_length=512, is_primary=True)
    schema.add_field("vectors", DataType.FLOAT_VECTOR, dim=2)
    schema.add_field("metadata", DataType.JSON)
    client.create_collection("mem0", schema=schema)
    memory = {"data": "likes tea", "hash": "8a0908e41d4e736e59414aca6dc4bba7", "user_id": "alice"}
    client.insert("mem0", [{"id": "m1", "vectors": [1.0, 0.0], "metadata": memory}])


def test_the_newest_of_a_key_holds_and_of_equals_the_first() -> None:
    class Same(str):
        """Text whose hash is that of every other."""

        __slots__ = ()

        def __hash__(self) -> int:
            return 1

    keys = [["a", "b", "c"], ["a", "d"], ["b", "a"]]
    ranks = [np.array([1, 9, 1]), np.array([2, 1]), np.array([3, 2])]
    for kind in (str, Same):
        words = [[kind(key) for key in some] for some in keys]
        found = superseded(lambda words=words: zip(words, ranks, strict=True))  # type: ignore[misc]
        assert found.tolist() == [0, 5, 6]
    assert superseded(lambda: iter(())).tolist() == []


@pytest.mark.server
def test_a_folder_arrives_and_is_verified(server: Server, store: Path) -> None:
    report = moved(workspace(server), f"milvus-lite:{store}?collection=all", to="from-milvus")
    assert report.verdict == "verified"
