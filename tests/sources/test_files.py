"""Every kind of file through the same questions: what is in it, in parts, again, and when it is not what it was."""

import contextlib
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.migration.rows import KINDS, look, read, rows, write
from tests.migration.support import hashes, moved, workspace
from tests.sources.support import detect_scheme
from tests.support.real import Server

FOLDERS = ("parquet", "arrow", "jsonl", "csv", "npz")


@pytest.mark.parametrize("kind", KINDS)
def test_every_row_comes_once_and_the_file_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    uri = write(tmp_path / f"notes.{kind}", kind, rows(45))
    before = hashes(tmp_path)
    found = look(uri)
    assert (found.name, found.count) == ("notes", 45)
    assert found.spec is not None
    ((slot),) = found.spec.vectors
    assert (slot.name, slot.kind, slot.size, slot.distance) == ("", "dense", 4, "Cosine")
    records = read(uri)
    assert [record.id for record in records] == [f"r{n}" for n in range(45)]
    assert records[44].payload == {"text": "row 44"}
    assert np.array_equal(np.asarray(records[44].vectors[""]), [44, 1, 0.5, -2])
    assert hashes(tmp_path) == before


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_behind_any_batch(tmp_path: Path, kind: str) -> None:
    uri = write(tmp_path / f"notes.{kind}", kind, rows(45))
    with contextlib.closing(open_source(parse(uri))) as source:
        name = source.collections()[0].name
        for size in (1, 10, 13, 100):
            batches = list(source.batches(name, size=size))
            assert all(len(batch.records) <= size for batch in batches)
            for number, batch in enumerate(batches):
                later = [record.id for rest in batches[number + 1 :] for record in rest.records]
                assert [record.id for record in read(uri, size=4, after=batch.cursor)] == later


@pytest.mark.parametrize("kind", KINDS)
def test_its_parts_are_the_whole(tmp_path: Path, kind: str) -> None:
    uri = write(tmp_path / f"notes.{kind}", kind, rows(1200))
    with contextlib.closing(open_source(parse(uri))) as source:
        name = source.collections()[0].name
        for parts in (1, 2, 3, 8, 5000):
            spans = source.spans(name, parts)
            assert 1 <= len(spans) <= parts
            assert all(left.until == right.after for left, right in pairwise(spans))
            assert (spans[0].after, spans[-1].until) == (None, None)
            found = [
                record.id
                for span in spans
                for batch in source.batches(name, size=50, after=span.after, until=span.until)
                for record in batch.records
            ]
            assert found == [f"r{n}" for n in range(1200)]
    if kind in {"parquet", "arrow", "jsonl", "csv"}:
        assert len(spans) > 3


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_is_one_collection_of_all_its_files(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    everything = rows(60)
    for part in range(3):
        uri = write(folder / f"part-{part}.{kind}", kind, everything[part * 20 : part * 20 + 20])
    (folder / "_SUCCESS").touch()
    (folder / "README.md").write_text("not a row")
    uri = f"{uri.partition(':')[0]}:{folder}"
    found = look(uri)
    assert (found.name, found.count) == ("many", 60)
    assert [record.id for record in read(uri)] == [row["id"] for row in everything]
    with contextlib.closing(open_source(parse(uri))) as source:
        assert len(source.spans("many", 3)) == 3
    (folder / "README.md").unlink()
    assert detect_scheme(folder) == uri.partition(":")[0]


def test_folders_of_a_partition_are_fields(tmp_path: Path) -> None:
    for year in (2023, 2024):
        (tmp_path / "d" / f"year={year}" / "lang=d%20e").mkdir(parents=True)
        write(tmp_path / "d" / f"year={year}" / "lang=d%20e" / "a.parquet", "parquet", rows(2))
    found = read(f"parquet:{tmp_path / 'd'}")
    assert [record.payload for record in found] == [
        {"text": f"row {n}", "year": "2024", "lang": "d e"} for n in range(2)
    ]  # the ids of 2023 come again in 2024, and the last ones hold
    assert detect_scheme(tmp_path / "d") == "parquet"


@pytest.mark.parametrize("kind", KINDS)
def test_of_rows_with_one_id_the_last_holds_and_they_are_counted(tmp_path: Path, kind: str) -> None:
    content = rows(30)
    for n in (3, 7, 29):
        content[n] = content[n] | {"id": "same"}
    uri = write(tmp_path / f"a.{kind}", kind, content)
    found = look(uri)
    assert found.count == 28
    again = "2 rows with an id that is repeated further down: the last one is taken, ?id=none makes ids of file and row"
    assert again in found.warnings
    records = read(uri)
    assert len(records) == 28
    assert records[-1].payload["text"] == "row 29"
    kept = read(f"{uri}?id=none")
    assert len({record.id for record in kept}) == 30
    assert [record.payload["id"] for record in kept] == [row["id"] for row in content]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("column", ["doc_id", "key"])
def test_an_id_that_may_be_that_of_a_whole_document_is_not_guessed(tmp_path: Path, kind: str, column: str) -> None:
    content = [{column: f"d{n // 3}", "page": n, "vector": [n + 0.5, 1.0]} for n in range(9)]
    uri = f"{kind}:{tmp_path / f'a.{kind}'}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(content), tmp_path / "a.parquet")
    else:
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
    with pytest.raises(SourceUnreadable, match="not known what the id of a row") as caught:
        look(uri)
    assert f"{column} comes again in 6 rows" in caught.value.why
    assert "id=none" in caught.value.fix
    assert look(f"{uri}?id=none").count == 9
    assert (found := look(f"{uri}?id={column}")).count == 3
    assert found.folded == 6


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_an_id_get_one_that_stays(tmp_path: Path, kind: str) -> None:
    content = [{key: value for key, value in row.items() if key != "id"} for row in rows(20)]
    uri = write(tmp_path / f"a.{kind}", kind, content)
    assert "20 rows without an id: it is made of file and row number (UUIDv5)" in look(uri).warnings
    records = read(uri)
    assert len({record.id for record in records}) == 20
    assert [record.id for record in read(uri, size=3)] == [record.id for record in records]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_changed_leads_nowhere(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    uri = write(path, kind, rows(30))
    with contextlib.closing(open_source(parse(uri))) as source:
        batches = source.batches("a", size=5)
        cursor = next(batches).cursor
        os.utime(path, (1, 1))
        with pytest.raises(SourceUnreadable, match="changed"):
            next(batches)
    with pytest.raises(SourceUnreadable, match="has changed since"):
        read(uri, after=cursor)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "csv"])
def test_a_file_that_was_cut_is_never_read_to_an_end(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    uri = write(path, kind, rows(200))
    whole = path.read_bytes()
    for share in (0.3, 0.9, 0.999):
        path.write_bytes(whole[: int(len(whole) * share)])
        try:
            troubles = [record.trouble for record in read(uri) if record.trouble]
        except AdminError:
            continue
        assert kind == "jsonl"
        assert len(troubles) == 1
        assert "ends in the middle" in troubles[0]


def test_a_stream_that_was_cut_between_two_batches_is_told(tmp_path: Path) -> None:
    uri = write(tmp_path / "a.arrow", "stream", rows(30))
    whole = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(whole[:-8])
    with pytest.raises(SourceUnreadable, match="no mark at its end"):
        look(uri)


def test_columns_can_be_named(tmp_path: Path) -> None:
    content = [{"n": n, "left": [1.0, 2.0], "right": [3.0, 4.0, float(n)], "nr": f"x{n}"} for n in range(4)]
    uri = write(tmp_path / "a.jsonl", "jsonl", content)
    with pytest.raises(BadInput, match="several columns could be the vector"):
        look(uri)
    assert [slot.size for slot in look(f"{uri}?vector=right").spec.vectors] == [3]  # type: ignore[union-attr]
    both = look(f"{uri}?vector=left,right&distance=dot&datatype=float16&id=nr").spec
    assert both is not None
    assert [(slot.name, slot.size, slot.distance, slot.datatype) for slot in both.vectors] == [
        ("left", 2, "Dot", "float16"),
        ("right", 3, "Dot", "float16"),
    ]
    records = read(f"{uri}?vector=left&id=nr")
    assert records[0].id == "x0"
    assert records[0].payload == {"n": 0, "right": [3.0, 4.0, 0.0]}
    for bad in (
        "vector=nope",
        "id=nope",
        "vector=n",
        "vector=left&distance=far",
        "vector=left&datatype=int4",
        "bytes=x&vector=left",
    ):
        with pytest.raises(BadInput) as refused:
            look(f"{uri}?{bad}")
        assert refused.value.fix
    uri = write(tmp_path / "b.jsonl", "jsonl", [{"id": 1, "text": "no vector"}])
    with pytest.raises(SourceUnreadable, match="holds no vectors"):
        look(uri)


def test_vectors_of_every_shape_in_json(tmp_path: Path) -> None:
    content: list[dict[str, Any]] = [
        {"id": 1, "payload": {"a": 1}, "vector": {"": [1, 2], "s": {"indices": [9, 3], "values": [1, 0.5]},
                                                  "m": [[1.5], [2]]}},
        {"id": 2, "payload": None, "vector": {"": [1, 2]}},
        {"id": 3, "payload": {}, "vector": [1.0, 2.0]},
    ]  # fmt: skip
    content += [{"id": n, "vector": {"": [1, 2]}} for n in range(4, 1001)]
    content.append({"id": 1001, "payload": [], "vector": {"": [1, 2], "new": [1]}})
    uri = write(tmp_path / "a.jsonl", "jsonl", content)
    spec = look(uri).spec
    assert spec is not None
    assert {(slot.name, slot.kind, slot.size) for slot in spec.vectors} == {
        ("", "dense", 2), ("s", "sparse", None), ("m", "multi", 1),
    }  # fmt: skip
    one, two, three, *_, late = read(uri)
    assert (one.payload, two.payload, one.trouble, two.trouble) == ({"a": 1}, {}, "", "")
    assert one.vectors["s"].indices.tolist() == [3, 9]  # type: ignore[union-attr]
    assert "object of vectors" in three.trouble
    assert "does not occur in the first rows" in late.trouble


def test_a_saved_data_set_and_its_splits(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for split in ("train", "test"):
        folder = root / split
        folder.mkdir(parents=True)
        for shard in (0, 1):
            write(folder / f"data-{shard}.arrow", "stream", rows(40)[shard * 20 : shard * 20 + 20])
        names = [{"filename": f"data-{shard}.arrow"} for shard in (0, 1)]
        (folder / "state.json").write_text(json.dumps({"_data_files": names, "_split": split}))
        (folder / "dataset_info.json").write_text("{}")
        (folder / "cache-1.arrow").write_bytes(b"left over")
    assert look(f"arrow:{root / 'train'}").count == 40
    (root / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    with contextlib.closing(open_source(parse(f"arrow:{root}"))) as source:
        assert [(one.name, one.count) for one in source.collections()] == [("set_train", 40), ("set_test", 40)]
    assert detect_scheme(root) == detect_scheme(root / "train") == "arrow"
    (root / "train" / "data-1.arrow").unlink()
    with pytest.raises(SourceUnreadable, match="not whole"):
        look(f"arrow:{root / 'train'}")
    (root / "test" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../train/data-0.arrow"}]}))
    with pytest.raises(SourceUnreadable, match="not whole"):
        look(f"arrow:{root / 'test'}")


@pytest.mark.server
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "npz"])
def test_it_arrives_whole_in_parts(server: Server, tmp_path: Path, kind: str) -> None:
    content = rows(3000)
    content[10] = content[10] | {"id": "r2999"}
    report = moved(workspace(server), write(tmp_path / f"a.{kind}", kind, content), workers=3, batch_size=100)
    assert (report.verdict, report.collections[0].verified) == ("verified", 2999)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_vectors_of_another_declared_dimension_are_counted_row_by_row(tmp_path: Path, kind: str) -> None:
    for name, size, count in (("a", 4, 5), ("b", 3, 7), ("c", 4, 4)):
        vectors = pa.array([[1.0] * size] * count, type=pa.list_(pa.float32(), size))
        table = pa.table({"id": [f"{name}{number}" for number in range(count)], "vector": vectors})
        path = tmp_path / f"{name}.{kind}"
        if kind == "parquet":
            pq.write_table(table, path)
        else:
            with pa.ipc.new_file(path, table.schema) as writer:
                writer.write_table(table)
    (found,) = open_source(parse(f"{kind}:{tmp_path}")).collections()
    assert found.spec is not None
    assert found.spec.vectors[0].size == 4
    assert any(warning.startswith("7 vectors of another dimension than 4") for warning in found.warnings)
