import contextlib
import json
import pickle
from pathlib import Path
from typing import Any

import faiss as library
import numpy as np
import pytest

from qdrant_admin.core.errors import AdminError, BadInput, Refused, SourceUnreadable
from qdrant_admin.sources.base import Record, SourceCollection
from qdrant_admin.sources.faiss import FaissIndex
from tests.migration.support import hashes, moved, unpacked, workspace
from tests.sources.support import detect_scheme, folder_uri
from tests.support.real import Server

faiss: Any = library
COUNT, SIZE = 300, 8
VECTORS = np.random.default_rng(7).normal(size=(COUNT, SIZE)).astype(np.float32)


def written(folder: Path, factory: str, *, ids: Any = None, metric: int = faiss.METRIC_L2) -> Path:
    """An index of VECTORS, as FAISS writes it."""
    index = faiss.index_factory(SIZE, factory, metric)
    index.train(VECTORS)
    if ids is None:
        index.add(VECTORS)
    else:
        index.add_with_ids(VECTORS, np.asarray(ids, dtype=np.int64))
    folder.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(folder / "memories.faiss"))
    return folder / "memories.faiss"


def opened(index: Path, query: str = "") -> Any:
    return contextlib.closing(FaissIndex(folder_uri(f"faiss:{index}{query}")))


def read(index: Path, query: str = "", *, size: int = 7) -> tuple[SourceCollection, list[Record]]:
    with opened(index, query) as source:
        (found,) = source.collections()
        return found, [record for batch in source.batches(found.name, size=size) for record in batch.records]


@pytest.mark.parametrize(
    ("factory", "ids"),
    [
        ("Flat", None),
        ("IDMap,Flat", range(5, 5 + COUNT)),
        ("IDMap2,HNSW8", range(1000, 1000 + COUNT)),
        ("HNSW8", None),
        ("IVF16,Flat", None),
        ("IVF16,Flat", range(0, COUNT * 3, 3)),
        ("IDMap,IVF16,Flat", range(COUNT, 2 * COUNT)),
        ("PQ4x4,RFlat", None),
    ],
)
def test_vectors_come_back_bit_for_bit_under_their_ids(tmp_path: Path, factory: str, ids: Any) -> None:
    index = written(tmp_path, factory, ids=ids)
    before = hashes(tmp_path)
    found, records = read(index)
    assert found.count == len(records) == COUNT
    assert not [words for words in found.warnings if "put in" in words]
    by_id = {record.id: record.vectors[""] for record in records}
    for row, expected in enumerate(ids if ids is not None else range(COUNT)):
        assert np.array_equal(np.asarray(by_id[expected]), VECTORS[row])
    assert hashes(tmp_path) == before


def test_parts_together_are_the_whole_and_a_cursor_goes_on(tmp_path: Path) -> None:
    with opened(written(tmp_path, "IVF16,Flat")) as source:
        whole = [record.id for batch in source.batches("memories", size=50) for record in batch.records]
        parts = [
            record.id
            for span in source.spans("memories", 4)
            for batch in source.batches("memories", size=9, after=span.after, until=span.until)
            for record in batch.records
        ]
        assert len(source.spans("memories", 4)) == 4
        first = next(iter(source.batches("memories", size=11)))
        rest = [
            record.id for batch in source.batches("memories", size=50, after=first.cursor) for record in batch.records
        ]
    assert whole == parts == [record.id for record in first.records] + rest


def test_the_metric_becomes_the_distance(tmp_path: Path) -> None:
    for metric, distance in ((0, "Dot"), (1, "Euclid"), (2, "Manhattan")):
        found, _ = read(written(tmp_path, "Flat", metric=metric))
        assert found.spec is not None
        assert found.spec.vectors[0].distance == distance
    index = written(tmp_path, "Flat", metric=faiss.METRIC_Canberra)
    with pytest.raises(SourceUnreadable, match="does not know"):
        read(index)
    found, _ = read(index, "?distance=Cosine")
    assert found.spec is not None
    assert found.spec.vectors[0].distance == "Cosine"


@pytest.mark.parametrize("factory", ["SQ8", "IVF4,SQ8", "HNSW8_SQ8"])
def test_rounded_vectors_are_told_with_their_error(tmp_path: Path, factory: str) -> None:
    found, records = read(written(tmp_path, factory))
    (words,) = (words for words in found.warnings if "put in" in words)
    told = float(words.rpartition(" ")[2])
    off = max(float(np.abs(np.asarray(record.vectors[""]) - VECTORS[int(record.id)]).max()) for record in records)
    assert 0 < off <= told * 1.05


@pytest.mark.parametrize("factory", ["PQ4x4", "IVF4,PQ4x4", "LSH", "PCA4,Flat"])
def test_approximations_are_migrated_only_when_asked_for(tmp_path: Path, factory: str) -> None:
    index = written(tmp_path, factory)
    with pytest.raises(Refused, match="no longer has"):
        read(index)
    found, records = read(index, "?lossy=yes")
    assert len(records) == COUNT
    assert any("approximations" in words for words in found.warnings)


def test_json_lines_go_by_row_or_by_id(tmp_path: Path) -> None:
    index = written(tmp_path, "IDMap,Flat", ids=range(100, 100 + COUNT))
    beside = tmp_path / "memories.jsonl"
    beside.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(COUNT)))
    assert [record.payload for record in read(index)[1]] == [{"n": n} for n in range(COUNT)]
    backwards = (json.dumps({"id": n, "text": f"text {n}"}) for n in reversed(range(100, 100 + COUNT - 1)))
    beside.write_text("\n".join(backwards))
    found, records = read(index)
    assert all(record.payload.get("text") == f"text {record.id}" for record in records[:-1])
    assert records[-1].payload == {}
    assert [words for words in found.warnings if "1 vector without line" in words]


def test_lines_that_are_no_objects_reject_their_record_alone(tmp_path: Path) -> None:
    index = written(tmp_path, "Flat")
    lines = [json.dumps({"n": n}) for n in range(COUNT)]
    lines[17] = "{"
    (tmp_path / "other.jsonl").write_text("\n".join(lines))
    _, records = read(index, "?payload=other.jsonl")
    assert [record.id for record in records if record.trouble] == [17]


def test_json_by_id_and_as_a_list(tmp_path: Path) -> None:
    index = written(tmp_path, "IDMap2,Flat", ids=range(7, 7 + COUNT))
    (tmp_path / "docstore.json").write_text(json.dumps({str(7 + n): {"n": n} for n in range(COUNT)}))
    assert [record.payload["n"] for record in read(index)[1]] == list(range(COUNT))
    (tmp_path / "list.json").write_text(json.dumps([{"m": n} for n in range(COUNT)]))
    assert read(index, "?payload=list.json")[1][3].payload == {"m": 3}
    assert read(index, "?payload=none")[1][3].payload == {}


def test_a_sidecar_of_another_index_is_refused(tmp_path: Path) -> None:
    index = written(tmp_path, "Flat")
    for name, content in (
        ("few.jsonl", '{"n": 1}\n'),
        ("few.json", "[{}]"),
        ("ids.json", '{"100000": {}}'),
        ("mem0.json", '{"docstore": {"a": {}}, "index_to_id": {"999": "a"}}'),
        ("lost.json", '{"docstore": {}, "index_to_id": {"0": "a"}}'),
        ("broken.json", "{"),
        ("deep.json", "[" * 100_000),
        ("number.json", "17"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(SourceUnreadable):
            read(index, f"?payload={name}")
    with pytest.raises(BadInput, match="no file"):
        read(index, "?payload=nowhere.json")


def test_ids_that_come_again_are_counted(tmp_path: Path) -> None:
    found, _ = read(written(tmp_path, "IDMap,Flat", ids=[n // 2 for n in range(COUNT)]))
    assert (found.count, found.duplicate_ids) == (COUNT, COUNT // 2)


def test_langchain_is_read_and_laid_out_for_langchain(tmp_path: Path) -> None:
    store = unpacked("faiss-frameworks", tmp_path)
    before = hashes(store)
    found, records = read(store / "langchain" / "index.faiss")
    assert [record.payload["page_content"] for record in records] == ["text 0", "text 2", "text 3", "text 4", "more"]
    assert records[0].payload["metadata"] == {"n": 0, "tags": ["a", None]}
    assert all(isinstance(record.id, str) and len(record.id) == 36 for record in records)
    assert "LangChain" in found.payload
    assert hashes(store) == before


def test_a_docstore_of_langchain_that_is_older_than_its_index(tmp_path: Path) -> None:
    """It is written after the index, and what is deleted leaves both."""
    file = unpacked("faiss-frameworks", tmp_path) / "langchain" / "index.faiss"
    index = faiss.read_index(str(file))
    index.add(np.ones((2, index.d), dtype=np.float32))
    faiss.write_index(index, str(file))
    with pytest.raises(SourceUnreadable, match="does not belong to this index") as caught:
        read(file)
    assert caught.value.why == "it has 5 entries, the index 7 vectors"


def test_mem0_and_llamaindex_are_kept(tmp_path: Path) -> None:
    store = unpacked("faiss-frameworks", tmp_path)
    found, records = read(store / "mem0" / "memories.faiss")
    assert {record.payload["data"]: record.payload["user_id"] for record in records} == {
        "likes 0": "bob",
        "likes 2": "bob",
        "likes 3": "alice",
    }
    assert found.spec is not None
    assert "user_id" in found.spec.payload_indexes
    _, nodes = read(store / "llamaindex" / "default__vector_store.json")
    assert [json.loads(node.payload["_node_content"])["text"] for node in nodes] == ["t 0", "t 1", "t 2"]
    assert nodes[2].payload["n"] == 2


def test_a_folder_is_named_as_well_as_the_index_in_it(tmp_path: Path) -> None:
    store = unpacked("faiss-frameworks", tmp_path)
    for name, records in (("langchain", 5), ("mem0", 3), ("llamaindex", 3)):
        found, _ = read(store / name)
        assert (found.name, found.count) == (name, records)
    assert detect_scheme(store / "langchain") == "faiss"
    faiss.write_index(faiss.IndexFlatL2(4), str(store / "mem0" / "other.faiss"))
    with pytest.raises(BadInput, match="several"):
        read(store / "mem0")


def test_what_mem0_deleted_stays_deleted(tmp_path: Path) -> None:
    store = unpacked("faiss-frameworks", tmp_path) / "mem0"
    content = json.loads((store / "memories.json").read_bytes())
    del content["docstore"][content["index_to_id"].pop("1")]
    for name, octets in (("memories.json", json.dumps(content).encode()), ("memories.pkl", b"")):
        (store / name).write_bytes(octets)
    found, records = read(store / "memories.faiss")
    assert (found.count, [record.payload["data"] for record in records]) == (2, ["likes 0", "likes 3"])
    older = (content["docstore"], {int(row): key for row, key in content["index_to_id"].items()})
    (store / "memories.json").unlink()
    (store / "memories.pkl").write_bytes(pickle.dumps(older))
    assert read(store / "memories.faiss")[1] is not None


def test_a_hostile_pickle_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "it-ran",)

    index = written(tmp_path / "store", "Flat")
    hostile: list[Any] = [Hostile(), (Hostile(), {}), ({}, {0: Hostile()})]
    for content in hostile:
        index.with_suffix(".pkl").write_bytes(pickle.dumps(content))
        with pytest.raises(SourceUnreadable, match="Nothing in it was run"):
            read(index)
    assert not (tmp_path / "it-ran").exists()


def test_damaged_foreign_and_binary_files_are_told(tmp_path: Path) -> None:
    index = tmp_path / "memories.faiss"
    for factory in ("IVF16,Flat", "Flat", "IDMap,Flat", "HNSW8"):
        ids = range(1 << 60, (1 << 60) + COUNT) if "IDMap" in factory else None
        octets = written(tmp_path, factory, ids=ids).read_bytes()
        for cut in (0, 3, 20, len(octets) // 2, len(octets) - 1):
            index.write_bytes(octets[:cut])
            with pytest.raises(SourceUnreadable):
                read(index)
    index.write_bytes(b"Ix\xff\xff" + octets[4:])
    with pytest.raises(SourceUnreadable):
        read(index)
    octets = written(tmp_path, "IDMap,Flat", ids=range(COUNT)).read_bytes()
    index.write_bytes(octets[:4] + (64 * SIZE).to_bytes(4, "little") + octets[8:])  # the wrapper says other dimensions
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        read(index)
    binary = faiss.IndexBinaryFlat(64)
    faiss.write_index_binary(binary, str(index))
    with pytest.raises(SourceUnreadable, match="binary"):
        read(index)
    for path in (tmp_path / "nothing.faiss", tmp_path):
        with pytest.raises(SourceUnreadable):
            read(path)


def test_a_change_while_it_is_read_is_told(tmp_path: Path) -> None:
    index = written(tmp_path, "IVF16,Flat")
    with opened(index) as source:
        batches = iter(source.batches("memories", size=100))
        next(batches)
        (tmp_path / "new").mkdir()
        written(tmp_path / "new", "Flat").replace(index)
        with pytest.raises(AdminError, match="changed"):
            list(batches)


@pytest.mark.server
def test_an_index_arrives_and_is_verified(server: Server, tmp_path: Path) -> None:
    index = written(tmp_path, "IDMap2,HNSW8", ids=range(10, 10 + COUNT))
    (tmp_path / "memories.jsonl").write_text("".join(json.dumps({"n": n}) + "\n" for n in range(COUNT)))
    report = moved(workspace(server), f"faiss:{index}")
    assert report.verdict == "verified"
