import contextlib
import json
import math
import pickle
import sqlite3
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.chroma.directory import ChromaDirectory
from tests.migration.support import hashes, unpacked
from tests.sources.support import folder_uri


def opened(folder: Path) -> contextlib.closing[ChromaDirectory]:
    return contextlib.closing(ChromaDirectory(folder_uri(f"chroma:{folder}")))


def records(source: ChromaDirectory, name: str, size: int = 7) -> dict[Any, Record]:
    found = [record for batch in source.batches(name, size=size) for record in batch.records]
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


@pytest.mark.parametrize(("store", "version"), [("chroma-1.5", "1.x"), ("chroma-0.5", "0.5"), ("chroma-0.4", "0.4")])
def test_reads_what_chroma_itself_reads_and_changes_nothing(store: str, version: str, tmp_path: Path) -> None:
    folder = unpacked(store, tmp_path)
    expected = json.loads((tmp_path / f"{store}.expected.json").read_text())
    before = hashes(folder)
    with opened(folder) as source:
        assert source.kind == f"Chroma directory, format of chromadb {version}"
        found = {collection.name: collection for collection in source.collections()}
        assert {name: one.count for name, one in found.items()} == {name: len(one) for name, one in expected.items()}
        distances = {name: one.spec.vectors[0].distance for name, one in found.items() if one.spec}
        assert distances == {"debian_memories": "Cosine", "typed": "Euclid", "dotted.name-1": "Dot"}
        for name, wanted in expected.items():
            own = records(source, name)
            assert own.keys() == wanted.keys()
            for identity, record in own.items():
                _same(record, wanted[identity], exact=distances.get(name) != "Cosine")
    assert hashes(folder) == before


def _same(record: Record, wanted: dict[str, Any], *, exact: bool) -> None:
    payload = dict(wanted["metadata"] or {})
    if wanted["document"] is not None:
        payload["chroma:document" if "document" in payload else "document"] = wanted["document"]
    assert json.dumps(record.payload, sort_keys=True) == json.dumps(payload, sort_keys=True)
    vector, own = np.array(wanted["embedding"], dtype=np.float32), np.asarray(record.vectors[""])[:8]
    assert np.array_equal(own, vector) if exact else np.abs(own - vector).max() <= 1e-6


def test_a_cursor_goes_on_exactly_behind_its_batch(chroma: Path) -> None:
    with opened(chroma) as source:
        whole = list(records(source, "debian_memories", 1000))
        first = next(iter(source.batches("debian_memories", size=40)))
        rest = [r.id for batch in source.batches("debian_memories", size=13, after=first.cursor) for r in batch.records]
        assert [record.id for record in first.records] + rest == whole


def test_one_collection_can_be_asked_for_and_a_wrong_name_is_told(chroma: Path) -> None:
    with contextlib.closing(ChromaDirectory(folder_uri(f"chroma:{chroma}?collection=typed"))) as source:
        assert [collection.name for collection in source.collections()] == ["typed"]
    with pytest.raises(BadInput) as caught:
        ChromaDirectory(folder_uri(f"chroma:{chroma}?collection=tped"))
    assert "typed" in caught.value.why


def test_a_write_ahead_log_is_read_from_a_private_copy(chroma: Path) -> None:
    with contextlib.closing(sqlite3.connect(chroma / "chroma.sqlite3", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("UPDATE embedding_metadata SET string_value = 'fresh' WHERE key = 'text'")
        before = hashes(chroma)
        assert any(name.endswith("-wal") for name in before)
        with opened(chroma) as source:
            assert records(source, "typed")["plain"].payload["text"] == "fresh"
        assert hashes(chroma) == before


def test_a_locked_database_is_told(chroma: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdrant_admin.sources.read_only.LOCK_SECONDS", 0.05)
    with contextlib.closing(sqlite3.connect(chroma / "chroma.sqlite3", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceUnreadable, match="locked") as caught:
            ChromaDirectory(folder_uri(f"chroma:{chroma}"))
    assert caught.value.fix


def test_a_source_that_changes_meanwhile_is_told(chroma: Path) -> None:
    with opened(chroma) as source:
        batches = source.batches("debian_memories", size=40)
        next(batches)
        with contextlib.closing(sqlite3.connect(chroma / "chroma.sqlite3")) as writer:
            writer.execute("DELETE FROM embeddings WHERE embedding_id = 'new'")
            writer.commit()
        with pytest.raises(SourceUnreadable, match="changed"):
            list(batches)


def test_missing_and_other_things_are_named(tmp_path: Path, local: Path) -> None:
    for path, words in ((tmp_path / "absent", "nothing at"), (local, "embedded mode"), (tmp_path, "a folder with")):
        with pytest.raises(SourceUnreadable) as caught:
            ChromaDirectory(folder_uri(f"chroma:{path}"))
        assert words in str(caught.value)
        assert caught.value.fix


@pytest.mark.parametrize(
    ("file", "keep"),
    [
        ("chroma.sqlite3", 50_000),
        ("chroma.sqlite3", 10),
        ("data_level0.bin", 5000),
        ("header.bin", 40),
        ("length.bin", 8),
        ("index_metadata.pickle", 100),
    ],
)
def test_cut_files_are_no_finished_source(chroma: Path, file: str, keep: int) -> None:
    segment = next(path.parent for path in chroma.rglob("index_metadata.pickle"))
    path = chroma / file if file == "chroma.sqlite3" else segment / file
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(SourceUnreadable) as caught:
        _read_all(chroma)
    assert caught.value.why


def _read_all(folder: Path) -> None:
    with opened(folder) as source:
        source.collections()
        records(source, "debian_memories")


def test_a_hostile_pickle_runs_nothing(chroma: Path, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "it-ran",)

    next(chroma.rglob("index_metadata.pickle")).write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(SourceUnreadable, match="damaged"), opened(chroma) as source:
        source.collections()
    assert not (tmp_path / "it-ran").exists()


def test_not_a_number_in_the_queue_is_handed_on_to_be_rejected(chroma: Path) -> None:
    with contextlib.closing(sqlite3.connect(chroma / "chroma.sqlite3")) as writer:
        blob = struct.pack("<4f", 1, math.nan, 3, 4)
        writer.execute("UPDATE embeddings_queue SET vector = ? WHERE id = 'plain'", (blob,))
        writer.execute("UPDATE embeddings_queue SET vector = ? WHERE id LIKE '%oops%'", (b"123",))
        writer.commit()
    with opened(chroma) as source:
        found = records(source, "typed")
    assert np.isnan(np.asarray(found["plain"].vectors[""])).any()
    assert "cut short" in found["[/oops]\n\x1b[31m"].trouble
