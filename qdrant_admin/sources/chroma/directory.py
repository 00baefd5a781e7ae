"""Chroma's persistent directory, read without chromadb and without changing a byte of it.

A newer chromadb rewrites an older directory when it opens it, so it is not opened with it. `embeddings` and
`embedding_metadata` hold ids and metadata; vectors are in the HNSW files up to some operation of `embeddings_queue`,
and in that queue from there on. Formats of chromadb 0.4 to 1.5.

HNSW files (hnswlib as Chroma carries it): `header.bin` says where in each fixed-size element of `data_level0.bin` label
and vector lie; `length.bin` holds the length that a cosine vector had before it was normalised; `index_metadata.pickle`
maps ids to labels.

Payload is laid out as the program that wrote it reads it in Qdrant, else metadata flat and the text beside it. Nothing
is lost: where metadata has taken the name of the text's field, the text takes the name that Chroma reserves for it.
"""

import json
import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, Floats, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Columns, Cursor, Fields, Payload, Record, SourceCollection, Span, cut
from qdrant_admin.sources.detect import chroma_format, wrong_kind
from qdrant_admin.sources.ids import map_id
from qdrant_admin.sources.layouts import DOCUMENT, SAMPLE, Layout
from qdrant_admin.sources.read_only import (
    LAST_ROW,
    UNPICKLE_ERRORS,
    ReadOnlyDatabase,
    RestrictedUnpickler,
    StandIn,
    changed,
    marks,
    signature,
)
from qdrant_admin.sources.reader import FileReader, once

RESERVED_DOCUMENT = "chroma:document"
DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "ip": "Dot", "l2": "Euclid"}
"""Chroma's l2 is the square of Qdrant's Euclid: the order of the results is the same."""
_FIFTH_KIND = "????????-????-5???-????-????????????"
_HEADER = struct.Struct("<iQQQQQQiIQQQdQ")
_DATA, _LABELS = "data_level0.bin", "index_metadata.pickle"
_FILES = ("header.bin", _DATA, "length.bin", "link_lists.bin", _LABELS)
_PERSISTED = {("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData"): StandIn}
"""The one class that chromadb pickled up to 0.5."""


class HnswSegment:
    """The vectors of a segment that Chroma has synced, from its HNSW files; empty when it never has."""

    def __init__(self, folder: Path, *, dimension: int | None, cosine: bool) -> None:
        self.folder = folder
        self.labels: dict[str, int] = {}
        self.max_seq_id: int | None = None
        """Up to which operation of the queue these files hold; None when only the database knows."""
        self._rows: dict[int, int] = {}
        pickled = folder / _LABELS
        self.synced = pickled.exists()
        if self.synced:
            self._read_metadata(pickled, dimension)
            self._map(dimension or 0, cosine=cosine)

    def signature(self) -> tuple[tuple[int, int] | None, ...]:
        return signature([self.folder / name for name in _FILES])

    def vector(self, record: str) -> Floats | None:
        label = self.labels.get(record)
        if label is None:
            return None
        row = self._rows.get(label)
        if row is None:
            raise self._damaged(f"no element has the label {label} of the id {plain(record)}")
        vector: Floats = np.array(self._vectors[row], dtype=np.float32)
        return vector if self._lengths is None else vector * self._lengths[row]

    def matrix(self, records: Sequence[str]) -> Floats | None:
        """The vectors of these ids, a row each; None when these files do not hold all of them."""
        labels = [self.labels.get(record) for record in records]
        rows = [self._rows.get(label) for label in labels if label is not None]
        wanted = [row for row in rows if row is not None]
        if not wanted or len(wanted) < len(records):
            return None
        vectors: Floats = np.asarray(self._vectors[wanted], dtype=np.float32)
        return vectors if self._lengths is None else vectors * self._lengths[wanted][:, np.newaxis]

    def _read_metadata(self, path: Path, dimension: int | None) -> None:
        try:
            content = RestrictedUnpickler(path.read_bytes(), _PERSISTED).load()
            fields = content if isinstance(content, dict) else content.fields
            labels, size, seq = fields["id_to_label"], fields.get("dimensionality"), fields.get("max_seq_id")
            self.labels = {str(record): int(label) for record, label in labels.items()}
            self.max_seq_id = None if seq is None else _as_seq_id(seq)
        except UNPICKLE_ERRORS as error:
            raise self._damaged(f"index_metadata.pickle cannot be read: {error}") from error
        if size is not None and dimension is not None and size != dimension:
            raise self._damaged(f"its vectors have {size} components, the collection says {dimension}")

    def _map(self, dimension: int, *, cosine: bool) -> None:
        try:
            header = _HEADER.unpack((self.folder / "header.bin").read_bytes()[: _HEADER.size])
            data = self.folder / _DATA
            count, element, label_at, vector_at = header[3], header[4], header[5], header[6]
            octets = data.stat().st_size
            if octets < count * element or vector_at + 4 * dimension > element or label_at + 8 > element:
                why = f"data_level0.bin holds {octets} bytes where {count} elements of {element} should be"
                raise self._damaged(why)
            fields = {"names": ["label", "vector"], "formats": ["<u8", ("<f4", (dimension,))]}
            layout = np.dtype(cast("Any", {**fields, "offsets": [label_at, vector_at], "itemsize": element}))
            elements: npt.NDArray[np.void] = (
                np.memmap(data, dtype=layout, mode="r", shape=(count,)) if count else np.empty(0, dtype=layout)
            )
            self._vectors = elements["vector"].view(np.ndarray)  # still the file; a memmap is slow to take rows of
            self._rows = {int(label): row for row, label in enumerate(elements["label"].tolist())}
            self._lengths: Floats | None = np.fromfile(self.folder / "length.bin", dtype="<f4") if cosine else None
        except (OSError, struct.error, ValueError, TypeError) as error:
            raise self._damaged(str(error)) from error
        if self._lengths is not None and len(self._lengths) < count:
            raise self._damaged(f"length.bin holds {len(self._lengths)} lengths for {count} vectors")

    def _damaged(self, why: str) -> SourceUnreadable:
        what = f"the vector index in {plain(self.folder)} is damaged"
        return SourceUnreadable(what, why=why, fix="restore the Chroma directory from a copy, and migrate that")


def _as_seq_id(value: object) -> int:
    """A position in Chroma's queue: an integer, or big-endian bytes up to 0.4."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(str(value))


_UPDATE, _DELETE = 1, 3
"""Operations of the queue; 0 adds and 2 upserts."""
_ENCODINGS = {"FLOAT32": "<f4", "INT32": "<i4"}


class ChromaVectors:
    """The vectors of one collection as they are now: HNSW files, with the newer operations of the queue over them."""

    def __init__(self, database: ReadOnlyDatabase, collection: str, segment: HnswSegment, start: int) -> None:
        self._database = database
        self._segment = segment
        self.signature = segment.signature()
        self._queued: dict[str, int | None] = {}
        """Id to the operation that holds its vector; None where it was deleted."""
        self.newest = 0
        self._replay(collection, start)

    def segment_changed(self) -> bool:
        return self._segment.signature() != self.signature

    @property
    def synced(self) -> bool:
        return self._segment.synced

    @property
    def count(self) -> int:
        """How many records have a vector."""
        labels, queued = self._segment.labels, self._queued
        return sum(map(self.holds, labels)) + sum(map(self.holds, queued.keys() - labels.keys()))

    def holds(self, record: str) -> bool:
        return self._queued[record] is not None if record in self._queued else record in self._segment.labels

    def read(self, ids: list[str]) -> dict[str, Floats | str]:
        """The vectors of these ids, or why there is none."""
        queued = {self._queued[record]: record for record in ids if self._queued.get(record) is not None}
        found: dict[str, Floats | str] = {}
        if queued:
            query = f"SELECT seq_id, vector, encoding FROM embeddings_queue WHERE seq_id IN ({marks(queued)})"  # noqa: S608 # marks only
            for seq, blob, encoding in self._database.rows(query, tuple(queued)):
                found[queued[seq]] = _decode(blob, encoding)
        for record in ids:
            if record not in self._queued:
                vector = self._segment.vector(record)
                if vector is not None:
                    found[record] = vector
        return found

    def matrix(self, ids: list[str]) -> Floats | None:
        """The vectors of these ids, a row each; None when they have to be looked at one by one."""
        if self._queued.keys().isdisjoint(ids):
            return self._segment.matrix(ids)
        found = self.read(ids)
        rows = [row for row in map(found.get, ids) if isinstance(row, np.ndarray)]
        return np.stack(rows) if len(rows) == len(ids) and len({row.shape for row in rows}) == 1 else None

    def _replay(self, collection: str, start: int) -> None:
        query = "SELECT seq_id, operation, id, vector IS NOT NULL FROM embeddings_queue"
        query += " WHERE topic = ? AND seq_id > ? ORDER BY seq_id"
        for (topic,) in self._database.rows("SELECT DISTINCT topic FROM embeddings_queue"):
            rows = self._database.rows(query, (topic, start)) if topic.endswith(collection) else []
            for seq, operation, record, has_vector in rows:
                self.newest = max(self.newest, seq)
                self._apply(seq, operation, record, has_vector=bool(has_vector))

    def _apply(self, seq: int, operation: int, record: str, *, has_vector: bool) -> None:
        there = self.holds(record)
        if operation == _DELETE:
            self._queued[record] = None
        elif not has_vector or (operation == 0 and there) or (operation == _UPDATE and not there):
            return  # adding what is there, and updating what is not, change nothing in Chroma
        else:
            self._queued[record] = seq


def _decode(blob: bytes, encoding: str | None) -> Floats | str:
    kind = _ENCODINGS.get(encoding or "FLOAT32")
    if kind is None:
        return f"its vector is stored as {plain(encoding)}, which is not known here"
    if len(blob) % 4:
        return f"its vector is cut short: {len(blob)} bytes"
    vector: Floats = np.frombuffer(blob, dtype=kind).astype(np.float32)
    return vector


@dataclass(frozen=True)
class Sample:
    metadatas: Sequence[Fields] = ()
    documents: Sequence[str | None] = ()
    vectors: Sequence[Floats] = ()


@dataclass(frozen=True)
class Shape:
    layout: Layout
    words: str
    spec: CollectionSpec | None
    warnings: tuple[str, ...] = ()

    def payload(self, metadata: Fields, document: str | None) -> Payload:
        text_field = RESERVED_DOCUMENT if DOCUMENT in metadata else DOCUMENT
        return layouts.lay_out(self.layout, metadata, document, field=text_field)


@dataclass(frozen=True)
class _Collection:
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
            payloads = [shape.payload(metadata[row], metadata[row].pop(RESERVED_DOCUMENT, None)) for row, _ in rows]
            ids = [record for _, record in rows]
            matrix = vectors.matrix(ids)
            found = _records(ids, payloads, vectors.read(ids)) if matrix is None else Columns(ids, payloads, matrix)
            self._check_unchanged(vectors)
            yield Batch(found, last)
        self._check_unchanged(vectors)

    def mark(self, name: str) -> str:
        return f"{self.signature} {self._vectors(name).signature}"

    def _check_unchanged(self, vectors: ChromaVectors) -> None:
        self.check_unchanged()
        if vectors.segment_changed():
            raise changed(self.path)

    def _list(self) -> Iterator[_Collection]:
        columns = self._database.columns("collections")
        optional = [name if name in columns else "NULL" for name in ("schema_str", "config_json_str", "database_id")]
        rows = self._database.rows(f"SELECT id, name, dimension, {', '.join(optional)} FROM collections")  # noqa: S608 # names from a constant
        places = self._places()
        wanted = [row for row in rows if self._in_scope(places.get(str(row[5]), ("", "")))]
        names = Counter(str(row[1]) for row in wanted)
        for identity, name, dimension, *configurations, database in wanted:
            title = str(name) if names[str(name)] == 1 else f"{places[str(database)][1]}/{name}"
            vectors, metadata = self._segment(str(identity), "VECTOR"), self._segment(str(identity), "METADATA")
            said = self._said(str(identity), vectors)
            space = space_of(*map(_json, configurations), metadata=said)
            yield _Collection(str(identity), title, dimension, space, said, vectors, metadata or "")

    def _places(self) -> dict[str, tuple[str, str]]:
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
        query = """SELECT str_value, 1 AS place FROM segment_metadata WHERE segment_id = ? AND key = 'hnsw:space'
                   UNION ALL SELECT str_value, 2 FROM collection_metadata WHERE collection_id = ? AND key = 'hnsw:space'
                   ORDER BY place"""
        rows = self._database.rows(query, (segment, collection))
        return next((str(row[0]) for row in rows if row[0]), None)

    def describe(self, name: str) -> SourceCollection:
        """Counted exactly; the vector files are opened, so damage shows here."""
        collection, shape = self._known[name], self._shape(name)
        query = "SELECT count(*) FROM embeddings WHERE segment_id = ?"
        count = int(self._database.rows(query, (collection.metadata,))[0][0])
        warnings = (*self._warnings(collection), *shape.warnings)
        return SourceCollection(
            name=name,
            count=count,
            spec=shape.spec,
            payload=shape.words,
            warnings=warnings,
            colliding_ids=self._colliding(collection),
            absent=self._absent(collection, self._vectors(name), count),
        )

    def strays(self) -> Iterator[str]:
        """Vector indexes of no collection: of deleted ones, or put aside."""
        query = "SELECT segments.id FROM segments JOIN collections ON collections.id = segments.collection"
        known = {str(segment) for (segment,) in self._database.rows(query)}
        found = sorted(path.parent.name for path in self.path.glob(f"*/{_DATA}") if path.parent.name not in known)
        if found:
            folders = counted(len(found), "folder")
            yield f"{folders} with vectors of no collection, not copied: {', '.join(map(plain, found[:5]))}"

    def _absent(self, collection: _Collection, vectors: ChromaVectors, count: int) -> str:
        """Operations that are only in the queue; records without their vectors, or vectors without their records."""
        applied = self._max_seq_id(collection.metadata)
        if applied is not None and vectors.newest > applied:
            ahead = f"Chroma's queue is ahead of its metadata ({vectors.newest} against {applied})"
            return f"{ahead}: open and close the directory with the program that wrote it, which applies the rest"
        if not count:
            there = vectors.count
            return f"its vector index holds {counted(there, 'vector')}, and the table of records none" if there else ""
        if vectors.synced or vectors.count >= count:
            return ""
        lacking = sum(not vectors.holds(record) for _, record in self._rows(collection, 0, None, -1))
        place = self.path / (collection.vectors or "no-segment")
        what = f"{plain(place)} is missing" if not place.is_dir() else f"{plain(place)} has no {_LABELS}"
        return f"{lacking} of its {counted(count, 'record')} have no vector: {what}" if lacking else ""

    def _colliding(self, collection: _Collection) -> tuple[str, ...]:
        """Ids that other ids become as well. Only a UUID of version 5 can be one, and hardly any collection has one."""
        query = "SELECT embedding_id FROM embeddings WHERE segment_id = ? AND embedding_id GLOB ?"
        kept = {str(record) for (record,) in self._database.rows(query, (collection.metadata, _FIFTH_KIND))}
        if not kept:
            return ()
        every = (record for _, record in self._rows(collection, 0, None, -1))
        folded = {other: mapped for other in every if other not in kept and (mapped := _mapped(other)) in kept}
        return tuple(sorted({*folded, *folded.values()}))

    @once
    def _shape(self, name: str) -> Shape:
        collection = self._known[name]
        rows = self._rows(collection, 0, None, SAMPLE)
        payloads = self._payloads([row for row, _ in rows])
        found = self._vectors(name).read([record for _, record in rows])
        documents = [payload.pop(RESERVED_DOCUMENT, None) for payload in payloads.values()]
        vectors = [vector for vector in found.values() if not isinstance(vector, str)]
        sample = Sample(list(payloads.values()), documents, vectors)
        space, said, dimension = collection.space, collection.said, collection.dimension
        return shape_of(name, space=space, said=said, dimension=dimension, sample=sample, options=self.uri.options)

    def _rows(self, collection: _Collection, last: int, until: Cursor, size: int) -> list[tuple[int, str]]:
        """Row and id of the next records; all of them for a size of -1."""
        # The plus sign lets SQLite walk along the rows: by the index of the segment it would sort them all every time.
        rows = self._database.rows(
            "SELECT id, embedding_id FROM embeddings WHERE +segment_id = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (collection.metadata, last, LAST_ROW if until is None else until, size),
        )
        return [(int(row), str(record)) for row, record in rows]

    def _warnings(self, collection: _Collection) -> Iterator[str]:
        bools = "AND bool_value IS NULL" if self._has_bools else ""
        nothing = f"string_value IS NULL AND int_value IS NULL AND float_value IS NULL {bools}"
        query = f"SELECT count(*) FROM embedding_metadata JOIN embeddings USING (id) WHERE segment_id = ? AND {nothing}"  # noqa: S608 # constants
        empty = self._database.rows(query, (collection.metadata,))[0][0]
        if empty:
            values = counted(int(empty), "metadata value")
            yield f"{values} are lost: Chroma stored NaN as nothing; they become null"

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
        return _as_seq_id(rows[0][0]) if rows and rows[0][0] is not None else None

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


def _records(ids: list[str], payloads: list[Payload], found: dict[str, Floats | str]) -> list[Record]:
    records = []
    for record, one in zip(ids, payloads, strict=True):
        vector = found.get(record)
        trouble = vector if isinstance(vector, str) else ""
        records.append(Record(record, one, {} if vector is None or isinstance(vector, str) else {"": vector}, trouble))
    return records


def _json(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def shape_of(
    name: str, *, space: str, said: str | None, dimension: int | None, sample: Sample, options: Mapping[str, str]
) -> Shape:
    """What a collection becomes, by what it holds and its URI's options. `said`: the distance in its metadata."""
    if space not in DISTANCES:
        what = f"collection {plain(name)} uses the distance {plain(space)}"
        raise SourceUnreadable(what, why=f"known are {', '.join(DISTANCES)}")
    asked = layouts.layout_option(options)
    layout, by = asked or layouts.recognised(sample.metadatas), "" if asked else "what its records hold"
    if layout == "plain" and not asked and name == layouts.LANGCHAIN_COLLECTION and None not in sample.documents:
        layout, by = "langchain", "its name"
    distance = layouts.distance_option(options)
    unit = layouts.unit_length(sample.vectors)
    notes = list(layouts.distance_notes(DISTANCES[space], distance, unit=unit, layout=layout))
    if said in DISTANCES and said != space and distance is None:
        words = f"Chroma compares by {space}, though its metadata says {said}"
        notes.append(f"{words}: ?distance={DISTANCES[said]} asks for that")
    spec = None
    if dimension:
        spec = CollectionSpec(vectors=(VectorSpec(size=dimension, distance=DISTANCES[space]),))
        spec = layouts.fitted(spec, layout, distance)
    return Shape(layout, layouts.words(layout, by=by), spec, tuple(notes))


def space_of(*configurations: object, metadata: str | None) -> str:
    """The distance of a collection: by its configurations, in any form that Chroma has used, or by its metadata."""
    # chromadb 0.5 wrote a configuration that says l2 whatever the collection was made with, and went by the metadata.
    found = (_at(configuration, path) for path in _CONFIGURED for configuration in configurations)
    legacy = (_at(configuration, ("hnsw_configuration", "space")) for configuration in configurations)
    return next((space for space in (*found, metadata, *legacy) if space), "l2")


_TYPED = ("keys", "#embedding", "float_list", "vector_index", "config", "space")
_CONFIGURED = (_TYPED, ("hnsw", "space"), ("spann", "space"))
"""Where Chroma 1.x keeps a collection's distance."""


def _at(value: object, path: Sequence[str]) -> str | None:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
