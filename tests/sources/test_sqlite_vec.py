"""A database that sqlite-vec itself has written, and what sqlite-vec says of it."""

import base64
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.detect import look
from qdrant_admin.sources.sqlite_vec import SqliteVec, vec0_tables
from tests.migration.support import hashes, moved, unpacked, workspace
from tests.sources.support import detect_scheme, folder_uri
from tests.support.real import Server


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The database."""
    return unpacked("sqlite-vec", tmp_path) / "vectors.db"


@pytest.fixture
def expected(store: Path) -> Any:
    """What sqlite-vec reads in it: table to id to row."""
    return json.loads((store.parent.parent / "sqlite-vec.expected.json").read_text())


def opened(path: Path, query: str = "") -> contextlib.closing[SqliteVec]:
    return contextlib.closing(SqliteVec(folder_uri(f"sqlite-vec:{path}{query}")))


def records(source: SqliteVec, name: str, **arguments: Any) -> dict[Any, Record]:
    found = [record for batch in source.batches(name, **{"size": 3, **arguments}) for record in batch.records]
    assert len({record.id for record in found}) == len(found)
    return {record.id: record for record in found}


def floats(text: str) -> Any:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def test_every_kind_of_column_is_read_as_sqlite_vec_reads_it(store: Path, expected: Any) -> None:
    before = hashes(store.parent)
    with opened(store) as source:
        assert source.kind == "SQLite database of sqlite-vec 0.1.9"
        found = {one.name: one for one in source.collections()}
        counts = {"everything": 45, "memories": 30, "notes_vec": 5, "plain": 6, "empty": 0}
        assert {name: one.count for name, one in found.items()} == counts
        spec = found["everything"].spec
        assert spec
        assert [(slot.name, slot.size, slot.distance, slot.datatype) for slot in spec.vectors] == [
            ("emb", 4, "Manhattan", "float32"),
            ("tiny", 4, "Cosine", "float32"),
            ("bits", 16, "Manhattan", "uint8"),
        ]
        assert "bits" in " ".join(found["everything"].warnings)
        rows, memories = records(source, "everything"), records(source, "memories")
    assert hashes(store.parent) == before
    wanted = expected["everything"]
    assert {str(identity) for identity in rows} == wanted.keys()
    for identity, row in rows.items():
        told = wanted[str(identity)]
        assert row.payload == told["payload"]
        assert np.array_equal(np.asarray(row.vectors["emb"]), floats(told["emb"]))
        assert np.asarray(row.vectors["tiny"]).tolist() == told["tiny"]
        assert np.asarray(row.vectors["bits"]).tolist() == told["bits"]
    assert {identity: row.payload for identity, row in memories.items()} == {
        identity: row["payload"] for identity, row in expected["memories"].items()
    }
    assert all(
        np.array_equal(np.asarray(row.vectors[""]), floats(expected["memories"][identity]["vector"]))
        for identity, row in memories.items()
    )


def test_parts_are_the_whole_and_a_cursor_goes_on_behind_its_batch(store: Path) -> None:
    with opened(store) as source:
        whole = list(records(source, "everything", size=1000))
        for parts in (2, 3, 5, 100):
            spans = source.spans("everything", parts)
            assert len(spans) <= parts
            read = [
                identity
                for span in spans
                for identity in records(source, "everything", after=span.after, until=span.until)
            ]
            assert read == whole
        assert len(source.spans("everything", 3)) == 3
        assert len(source.spans("empty", 3)) == 1
        for batch in source.batches("everything", size=4):
            rest = list(records(source, "everything", after=batch.cursor))
            assert rest == whole[whole.index(batch.records[-1].id) + 1 :]


def test_it_arrives_verified_with_the_payload_of_another_table(store: Path, server: Server) -> None:
    report = moved(workspace(server), f"sqlite-vec:{store}", batch_size=7)
    assert {one.source: (one.verdict, one.verified) for one in report.collections} == {
        "everything": ("verified", 45),
        "memories": ("verified", 30),
        "notes_vec": ("verified", 5),
        "plain": ("verified", 6),
        "empty": ("verified", 0),
    }
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.execute("INSERT INTO articles (article) VALUES (99)")
        database.commit()
    with opened(store, "?table=plain&payload=articles") as source:
        (found,) = source.collections()
        assert "1 record without a row in articles" in " ".join(found.warnings)
        assert "1 row of articles without a vector: not copied" in " ".join(found.warnings)
        rows = records(source, "plain")
    assert rows[10].payload == {"title": "Title 0", "picture": "/wA=", "slug": "same"}
    assert rows[15].payload == {}
    with opened(store, "?table=plain&payload=articles&on=article") as source:
        assert records(source, "plain")[10].payload == rows[10].payload


def test_langchain_finds_its_text_beside_its_vectors(store: Path, expected: Any) -> None:
    with opened(store, "?collection=notes_vec") as source:
        (found,) = source.collections()
        assert "LangChain" in found.payload
        rows = records(source, "notes_vec")
    assert rows[3].payload == {"page_content": "Note 2", "metadata": {"page": 2}}
    assert np.array_equal(np.asarray(rows[3].vectors[""]), floats(expected["notes_vec"]["3"]))


@pytest.mark.parametrize(
    ("query", "kind", "words"),
    [
        ("?table=plan", BadInput, "plan"),
        ("?payload=articles", BadInput, "several tables"),
        ("?table=plain&payload=nix", BadInput, "no ordinary table"),
        ("?table=plain&payload=memories", BadInput, "no ordinary table"),
        ("?table=plain&payload=articles&on=nix", BadInput, "no column"),
        ("?table=plain&payload=articles&on=slug", BadInput, "not an id"),
    ],
)
def test_what_does_not_fit_is_told(store: Path, query: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        SqliteVec(folder_uri(f"sqlite-vec:{store}{query}"))


def test_other_files_are_named(store: Path, tmp_path: Path) -> None:
    (tmp_path / "other.db").touch()
    with contextlib.closing(sqlite3.connect(tmp_path / "plain.db")) as connection:
        connection.execute("CREATE TABLE t (n)")
    for name, words in (("absent.db", "nothing at"), ("other.db", "empty file"), ("plain.db", "a SQLite database")):
        with pytest.raises(SourceUnreadable) as caught:
            SqliteVec(folder_uri(f"sqlite-vec:{tmp_path / name}"))
        assert words in str(caught.value)
    assert (detect_scheme(store), "sqlite-vec" in look(store).words) == ("sqlite-vec", True)


def changed(store: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE everything_vector_chunks00 SET vectors = x'00' WHERE _rowid_ = 3", "cut short"),
        ("DELETE FROM everything_metadatachunks02 WHERE _rowid_ = 2", "missing"),
        ("DELETE FROM everything_rowids WHERE rowid = 0", "lists 44 rows"),
        ("UPDATE everything_rowids SET chunk_offset = 7 - chunk_offset", "not in the list"),
        ("DELETE FROM everything_metadatatext03 WHERE rowid = 0", "text name of row 0 is missing"),
        ("DROP TABLE everything_vector_chunks02", "is not there"),
        ("UPDATE sqlite_master SET sql = replace(sql, 'tiny int8', 'tiny int3') WHERE name = 'everything'", "newer"),
        ("UPDATE sqlite_master SET sql = replace(sql, 'bits bit[16]', 'bits bit[16] indexed by x()')", "newer"),
    ],
)
def test_damage_is_no_finished_source(store: Path, damage: str, words: str) -> None:
    changed(store, damage)
    with pytest.raises(SourceUnreadable, match=words):
        read_all(store)


def test_a_cut_file_is_no_finished_source(store: Path) -> None:
    store.write_bytes(store.read_bytes()[:200_000])
    with pytest.raises(SourceUnreadable):
        read_all(store)


def read_all(store: Path) -> None:
    with opened(store) as source:
        for found in source.collections():
            records(source, found.name)


def test_a_file_that_changes_meanwhile_is_told(store: Path) -> None:
    with opened(store) as source:
        batches = source.batches("everything", size=5)
        next(batches)
        changed(store, "UPDATE notes SET text = 'longer than it was before' WHERE rowid = 1")
        with pytest.raises(SourceUnreadable, match="changed"):
            list(batches)
        mark = source.mark("everything")
    with opened(store) as source:
        assert source.mark("everything") != mark


def test_text_that_is_none_is_handed_on_to_be_rejected(store: Path) -> None:
    changed(store, "UPDATE memories_metadatachunks00 SET data = CAST(x'04000000ff617a61' || substr(data, 9) AS BLOB)")
    with opened(store) as source:
        found = [row.payload["section"] for row in records(source, "memories").values()]
    assert found[0] == "\udcffaza"


def test_declarations_as_people_write_them(tmp_path: Path) -> None:
    declared = {
        "g 1": "CREATE VIRTUAL TABLE 'g 1' using \"vec0\"( /* c, */ e FLOAT [2] DISTANCE_METRIC = L1, chunk_size = 16)",
        "g2": "CREATE VIRTUAL TABLE [g2] USING vec0(e f32[2],\n -- a, note\n b i8[8], n int)",
        "g3": "CREATE VIRTUAL TABLE g3 USING vec0(id text  primary  key, e float[2], +x text,"
        " x2 double, p bool partition key)",
    }
    path = tmp_path / "declared.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for name, sql in declared.items():
            for shadow in ("chunks", "rowids", "auxiliary", "vector_chunks00", "vector_chunks01", "metadatachunks00"):
                connection.execute(f'CREATE TABLE "{name}_{shadow}" (rowid)')
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(
                "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', ?, ?, 0, ?)",
                (name, name, sql),
            )
        connection.commit()
    with opened_database(path) as database:
        found = {table.name: table for table in vec0_tables(database)}
    assert [(one.name, one.kind, one.size, one.distance) for one in found["g 1"].vectors] == [
        ("e", "float32", 2, "Manhattan")
    ]
    assert [(one.name, one.kind) for one in found["g2"].vectors] == [("e", "float32"), ("b", "int8")]
    assert found["g2"].metadata == [("n", "integer")]
    assert (found["g3"].text_ids, found["g3"].columns) == (True, ("p", "x2", "x"))


def opened_database(path: Path) -> Any:
    from qdrant_admin.sources.read_only import ReadOnlyDatabase

    return contextlib.closing(ReadOnlyDatabase(path))
