import contextlib
import itertools
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.base import Record, SourceCollection
from qdrant_admin.sources.milvus import lite as milvus_file
from qdrant_admin.sources.milvus.lite import open_milvus_lite, row_of, schema_of
from tests.migration.support import hashes, moved, unpacked, workspace
from tests.sources.support import detect_scheme, folder_uri
from tests.support.real import Server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that Milvus Lite 2 has written: deleted from, upserted, one key twice."""
    return unpacked("milvus-lite-2", tmp_path) / "everything.db"


def opened(path: Path, query: str = "") -> Any:
    return contextlib.closing(open_milvus_lite(folder_uri(f"milvus-lite:{path}{query}")))


def read(path: Path, name: str, query: str = "") -> tuple[SourceCollection, list[Record]]:
    with opened(path, query) as source:
        found = {collection.name: collection for collection in source.collections()}
        return found[name], [record for batch in source.batches(name, size=3) for record in batch.records]


def test_what_milvus_lite_2_answers_is_what_is_read(file: Path) -> None:
    before = hashes(file.parent)
    found, records = read(file, "all")
    answered = {row["id"]: row for row in json.loads((file.parent / "all.expected.json").read_bytes())}
    assert found.count == len(records)
    assert {record.id for record in records} == answered.keys()
    for record in records:
        wanted = answered[record.id]
        assert np.array_equal(np.asarray(record.vectors["dense"]), wanted.pop("dense"))
        half = np.frombuffer(bytes.fromhex(wanted.pop("half")[0]), dtype="<f2")
        assert np.array_equal(np.asarray(record.vectors["half"]), half.astype(np.float32))
        brain = np.frombuffer(bytes.fromhex(wanted.pop("brain")[0]), dtype="<u2").astype(np.uint32) << 16
        assert np.array_equal(np.asarray(record.vectors["brain"]), brain.view(np.float32))
        sparse = record.vectors["sparse"]
        assert isinstance(sparse, Sparse)
        pairs = zip(sparse.indices.tolist(), sparse.values.tolist(), strict=True)
        assert {str(index): value for index, value in pairs} == wanted.pop("sparse")
        assert record.payload == {name: value for name, value in wanted.items() if name != "id"}
    assert hashes(file.parent) == before


def test_slots_distances_and_computed_fields(file: Path) -> None:
    with opened(file) as source:
        found = {collection.name: collection for collection in source.collections()}
    slots = {name: [(s.name, s.distance) for s in one.spec.vectors] for name, one in found.items() if one.spec}
    assert slots == {
        "Text_ed": [("bm", None), ("v", "Dot")],
        "all": [("dense", "Euclid"), ("half", "Dot"), ("brain", "Cosine"), ("sparse", None)],
        "plain": [("", "Cosine")],
    }
    assert any("function of Milvus" in words for words in found["Text_ed"].warnings)
    assert [record.payload for record in read(file, "plain")[1]] == [{"n": n} for n in range(5)]


def test_parts_together_are_the_whole_and_a_cursor_goes_on(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_file, "_EVERY", 2)
    with opened(file) as source:
        whole = [record.id for batch in source.batches("all", size=4) for record in batch.records]
        for parts, size in itertools.product((1, 2, 4), (1, 100)):
            spans = source.spans("all", parts)
            assert len(spans) == parts
            assert whole == [
                record.id
                for span in spans
                for batch in source.batches("all", size=size, after=span.after, until=span.until)
                for record in batch.records
            ]
        first = next(iter(source.batches("all", size=4)))
        rest = [r.id for batch in source.batches("all", size=9, after=first.cursor) for r in batch.records]
    assert [record.id for record in first.records] + rest == whole


def test_damage_and_change_are_told(file: Path) -> None:
    with opened(file) as source:
        batches = iter(source.batches("all", size=2))
        next(batches)
        with contextlib.closing(sqlite3.connect(file)) as writer:
            writer.execute("UPDATE \"all\" SET data = substr(CAST(data AS BLOB), 1, 40) WHERE milvus_id = 'k1'")
            writer.commit()
        with pytest.raises(AdminError, match="changed"):
            list(batches)
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        read(file, "all")
    with contextlib.closing(sqlite3.connect(file)) as writer:
        writer.execute("UPDATE collection_meta SET blob_field = x'0aff' WHERE collection_name = 'plain'")
        writer.commit()
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        read(file, "plain", "?collection=plain")
    with pytest.raises(BadInput):
        read(file, "plain", "?collection=plane")
    assert detect_scheme(file) == "milvus-lite"
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(SourceUnreadable):
        read(file, "all")


def test_other_files_are_told(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as writer:
        writer.execute("CREATE TABLE t (a)")
    (tmp_path / "text.db").write_text("hello")
    (tmp_path / "empty.db").touch()
    for name in ("other.db", "text.db", "empty.db"):
        with pytest.raises(SourceUnreadable, match="is not a Milvus Lite"):
            read(tmp_path / name, "all")


@given(st.binary(max_size=200))
def test_whatever_bytes_there_are_the_decoder_ends_in_a_value_or_an_error_that_is_expected(octets: bytes) -> None:
    for decode in (row_of, lambda message: schema_of(message, [message])):
        with contextlib.suppress(ValueError):
            decode(octets)


@pytest.mark.server
def test_a_file_arrives_and_is_verified(server: Server, file: Path) -> None:
    report = moved(workspace(server), f"milvus-lite:{file}?collection=all", to="from-milvus-2")
    assert report.verdict == "verified"
