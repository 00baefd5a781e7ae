"""Chroma's persistent directory, read without chromadb and without changing a byte of it.

A newer chromadb rewrites an older directory when it opens it, so it is not opened with it. `embeddings` and
`embedding_metadata` hold ids and metadata; vectors are in the HNSW files up to some operation of `embeddings_queue`,
and in that queue from there on. Formats of chromadb 0.4 to 1.5.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qdrant_admin.core.formatting import counted
from qdrant_admin.database.models import Floats
from qdrant_admin.sources.base import Batch, Columns, Cursor, Payload, Record, SourceCollection, Span, cut
from qdrant_admin.sources.chroma import payload
from qdrant_admin.sources.chroma.vectors import ChromaVectors, HnswSegment, as_seq_id
from qdrant_admin.sources.detect import chroma_format, wrong_kind
from qdrant_admin.sources.ids import map_id
from qdrant_admin.sources.layouts import SAMPLE
from qdrant_admin.sources.read_only import LAST_ROW, changed, marks
from qdrant_admin.sources.reader import FileReader, once

_FIFTH_KIND = "????????-????-5???-????-????????????"
_DOCUMENT_KEY = "chroma:document"


@dataclass(frozen=True)
class _Collection:
    """One row of `collections`, with its two segments."""

    id: str
    name: str
    dimension: int | None
    space: str
    said: str | None
    """The distance that its metadata speaks of."""
    vectors: str | None
    metadata: str


class ChromaDirectory(FileReader):
    def open(self) -> Iterable[str]:
        file = self.path / "chroma.sqlite3"
        if not file.is_file():
            raise wrong_kind(self.path, "a Chroma directory")
        self._database = self.open_database(file)
        self.kind = f"Chroma directory, format of chromadb {chroma_format(self._database.connection)}"
        if not {"id", "name", "dimension"} <= self._database.columns("collections"):
            raise wrong_kind(self.path, "a Chroma directory of version 0.4 or newer")
        self._has_arrays = bool(self._database.columns("embedding_metadata_array"))
        self._has_bools = "bool_value" in self._database.columns("embedding_metadata")
        self._known = {collection.name: collection for collection in self._list()}
        return sorted(self._known)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        return cut([row for row, _ in self._rows(self._known[name], 0, None, -1)], parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        collection = self._known[name]
        vectors, shape = self._vectors(name), self._shape(name)
        last = int(after or 0)
        while rows := self._rows(collection, last, until, size):
            last = rows[-1][0]
            metadata = self._payloads([row for row, _ in rows])
            payloads = [shape.payload(metadata[row], metadata[row].pop(_DOCUMENT_KEY, None)) for row, _ in rows]
            ids = [record for _, record in rows]
            matrix = vectors.matrix(ids)
            records = (
                list(_records(ids, payloads, vectors.read(ids))) if matrix is None else Columns(ids, payloads, matrix)
            )
            self._check_unchanged(vectors)
            yield Batch(records, last)
        self._check_unchanged(vectors)

    def mark(self, name: str) -> str:
        return f"{self.signature} {self._vectors(name).signature}"

    def _check_unchanged(self, vectors: ChromaVectors) -> None:
        self.check_unchanged()
        if vectors.segment_changed():
            raise changed(self.path)

    def _list(self) -> list[_Collection]:
        columns = self._database.columns("collections")
        optional = [name if name in columns else "NULL" for name in ("schema_str", "config_json_str", "database_id")]
        rows = self._database.rows(f"SELECT id, name, dimension, {', '.join(optional)} FROM collections")  # noqa: S608 # names from a constant
        places = self._places()
        wanted = [row for row in rows if self._in_scope(places.get(str(row[5]), ("", "")))]
        names = [str(row[1]) for row in wanted]
        return [
            self._look(row, str(row[1]) if names.count(str(row[1])) == 1 else f"{places[str(row[5])][1]}/{row[1]}")
            for row in wanted
        ]

    def _look(self, row: tuple[Any, ...], name: str) -> _Collection:
        identity = str(row[0])
        segment = self._segment(identity, "VECTOR")
        said = self._said(identity, segment)
        space = payload.space_of(*map(_json, row[3:5]), metadata=said)
        return _Collection(identity, name, row[2], space, said, segment, self._segment(identity, "METADATA") or "")

    def _places(self) -> dict[str, tuple[str, str]]:
        """Database id to tenant and name."""
        if not self._database.columns("databases"):
            return {}
        rows = self._database.rows("SELECT id, tenant_id, name FROM databases")
        return {str(identity): (str(tenant), str(name)) for identity, tenant, name in rows}

    def _in_scope(self, place: tuple[str, str]) -> bool:
        tenant, database = self.uri.options.get("tenant"), self.uri.options.get("database")
        return (tenant is None or place[0] == tenant) and (database is None or place[1] == database)

    def _segment(self, collection: str, scope: str) -> str | None:
        rows = self._database.rows("SELECT id FROM segments WHERE collection = ? AND scope = ?", (collection, scope))
        return str(rows[0][0]) if rows else None

    def _said(self, collection: str, segment: str | None) -> str | None:
        # The segment's own first: changing a collection's metadata replaces all of it, and the distance stays.
        rows = self._database.rows(
            "SELECT str_value FROM segment_metadata WHERE segment_id = ? AND key = 'hnsw:space'", (segment,)
        ) + self._database.rows(
            "SELECT str_value FROM collection_metadata WHERE collection_id = ? AND key = 'hnsw:space'", (collection,)
        )
        return next((str(row[0]) for row in rows if row[0]), None)

    def describe(self, name: str) -> SourceCollection:
        """Counted exactly; the vector files are opened, so damage shows here."""
        collection, shape = self._known[name], self._shape(name)
        rows = self._database.rows("SELECT count(*) FROM embeddings WHERE segment_id = ?", (collection.metadata,))
        warnings = (*self._warnings(collection, self._vectors(name)), *shape.warnings)
        colliding = self._colliding(collection)
        return SourceCollection(
            name=name,
            count=int(rows[0][0]),
            spec=shape.spec,
            payload=shape.words,
            warnings=warnings,
            colliding_ids=colliding,
        )

    def _colliding(self, collection: _Collection) -> tuple[str, ...]:
        """Ids that other ids become as well. Only a UUID of version 5 can be one, and hardly any collection has one."""
        rows = self._database.rows(
            "SELECT embedding_id FROM embeddings WHERE segment_id = ? AND embedding_id GLOB ?",
            (collection.metadata, _FIFTH_KIND),
        )
        kept = {str(record) for (record,) in rows}
        if not kept:
            return ()
        every = (record for _, record in self._rows(collection, 0, None, -1))
        folded = {other: mapped for other in every if other not in kept and (mapped := _mapped(other)) in kept}
        return tuple(sorted({*folded, *folded.values()}))

    @once
    def _shape(self, name: str) -> payload.Shape:
        collection = self._known[name]
        rows = self._rows(collection, 0, None, SAMPLE)
        payloads = self._payloads([row for row, _ in rows])
        found = self._vectors(name).read([record for _, record in rows])
        sample = payload.Sample(
            documents=[payload.pop(_DOCUMENT_KEY, None) for payload in payloads.values()],
            metadatas=list(payloads.values()),
            vectors=[vector for vector in found.values() if not isinstance(vector, str)],
        )
        return payload.shape(
            name,
            space=collection.space,
            said=collection.said,
            dimension=collection.dimension,
            sample=sample,
            options=self.uri.options,
        )

    def _rows(self, collection: _Collection, last: int, until: Cursor, size: int) -> list[tuple[int, str]]:
        """Row and id of the next records; all of them for a size of -1."""
        # The plus sign lets SQLite walk along the rows: by the index of the segment it would sort them all every time.
        rows = self._database.rows(
            "SELECT id, embedding_id FROM embeddings WHERE +segment_id = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (collection.metadata, last, LAST_ROW if until is None else until, size),
        )
        return [(int(row), str(record)) for row, record in rows]

    def _warnings(self, collection: _Collection, vectors: ChromaVectors) -> Iterator[str]:
        bools = "AND bool_value IS NULL" if self._has_bools else ""
        nothing = f"string_value IS NULL AND int_value IS NULL AND float_value IS NULL {bools}"
        query = f"SELECT count(*) FROM embedding_metadata JOIN embeddings USING (id) WHERE segment_id = ? AND {nothing}"  # noqa: S608 # constants
        empty = self._database.rows(query, (collection.metadata,))[0][0]
        if empty:
            values = counted(int(empty), "metadata value")
            yield f"{values} are lost: Chroma stored NaN as nothing; they become null"
        applied = self._max_seq_id(collection.metadata)
        if applied is not None and vectors.newest > applied:
            words = "what it has not applied is not migrated"
            ahead = f"Chroma's queue is ahead of its metadata ({vectors.newest} against {applied}): {words}"
            yield f"{ahead}; open and close the directory with the program that wrote it first"

    @once
    def _vectors(self, name: str) -> ChromaVectors:
        collection = self._known[name]
        folder = self.path / (collection.vectors or "no-segment")
        segment = HnswSegment(folder, dimension=collection.dimension, cosine=collection.space == "cosine")
        applied = [seq for seq in (segment.max_seq_id, self._max_seq_id(collection.vectors)) if seq is not None]
        # The smaller one: replaying an operation twice changes nothing, leaving one out does.
        start = min(applied) if applied and segment.synced else 0
        return ChromaVectors(self._database, collection.id, segment, start)

    def _max_seq_id(self, segment: str | None) -> int | None:
        rows = self._database.rows("SELECT seq_id FROM max_seq_id WHERE segment_id = ?", (segment,))
        return as_seq_id(rows[0][0]) if rows and rows[0][0] is not None else None

    def _payloads(self, rows: list[int]) -> dict[int, Payload]:
        bools = "bool_value" if self._has_bools else "NULL"
        columns = f"id, key, coalesce(string_value, int_value, float_value), {bools}"
        payloads: dict[int, Payload] = {row: {} for row in rows}
        query = f"SELECT {columns} FROM embedding_metadata WHERE id IN ({marks(rows)})"  # noqa: S608 # names and marks only
        for row, key, value, boolean in self._database.rows(query, tuple(rows)):
            payloads[row][key] = value if boolean is None else bool(boolean)
        if self._has_arrays:
            query = f"SELECT {columns} FROM embedding_metadata_array WHERE id IN ({marks(rows)}) ORDER BY rowid"  # noqa: S608 # names and marks only
            for row, key, value, boolean in self._database.rows(query, tuple(rows)):
                payloads[row].setdefault(key, []).append(value if boolean is None else bool(boolean))
        return payloads


def _mapped(record: str) -> str:
    try:
        return str(map_id(record, folds_uuids=False))
    except UnicodeEncodeError:
        return ""  # it is rejected when its turn comes


def _records(ids: list[str], payloads: list[Payload], found: dict[str, Floats | str]) -> Iterator[Record]:
    for record, one in zip(ids, payloads, strict=True):
        vector = found.get(record)
        trouble = vector if isinstance(vector, str) else ""
        yield Record(record, one, {} if vector is None or isinstance(vector, str) else {"": vector}, trouble)


def _json(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
