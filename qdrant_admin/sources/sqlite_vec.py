"""A SQLite database with vectors of sqlite-vec, read from its shadow tables, and the payload in an ordinary one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, Floats, VectorSpec
from qdrant_admin.sources import HELP, layouts
from qdrant_admin.sources.base import Batch, Cursor, Payload, Record, SourceCollection, Span, between
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.values import said, with_json_opened
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.read_only import ReadOnlyDatabase, marks, quoted
from qdrant_admin.sources.reader import FileReader, no_such_collection

Kind = Literal["float32", "int8", "bit"]
Stored = Literal["text", "integer", "float", "boolean"]
_DECLARED = re.compile(r"\bUSING\s+[\"'`\[]?vec0[\"'`\]]?\s*\((.*)\)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_KEY = re.compile(r"(\w+)\s+(\w+)\s+(primary|partition)\s+key", re.IGNORECASE)
_VECTOR = re.compile(r"(\w+)\s+(float\w*|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\](.*)", re.IGNORECASE | re.DOTALL)
_METRIC = re.compile(r"\s*distance_metric\s*=\s*(\w+)", re.IGNORECASE)
_OPTION = re.compile(r"\w+\s*=\s*\S+")
_METADATA = re.compile(r"(\w+)\s+(text|int(?:eger)?(?:64)?|float(?:64)?|f64|double|bool(?:ean)?)\b.*", re.IGNORECASE)
_KINDS: dict[str, Kind] = {"f": "float32", "i": "int8", "b": "bit"}
_STORED: dict[str, Stored] = {"t": "text", "i": "integer", "f": "float", "d": "float", "b": "boolean"}
_DISTANCES: dict[str, Distance] = {"l2": "Euclid", "cosine": "Cosine", "l1": "Manhattan"}
_TEXT_OCTETS = 16
"""A text lies in 16 bytes: its length, and its first twelve bytes; a longer one has a row of its own."""
_TEXT_HERE = 12
_LANGCHAIN = {"text", "metadata", "text_embedding"}
"""Columns of the table beside LangChain's `NAME_vec`."""


@dataclass(frozen=True, slots=True)
class VectorColumn:
    name: str
    kind: Kind
    size: int
    distance: Distance

    @property
    def octets(self) -> int:
        return {"float32": 4 * self.size, "int8": self.size, "bit": self.size // 8}[self.kind]


@dataclass(slots=True)
class Vec0:
    """One `vec0` table. Its columns in the order of their shadow tables."""

    database: ReadOnlyDatabase
    name: str
    vectors: list[VectorColumn] = field(default_factory=list)
    partitions: list[str] = field(default_factory=list)
    metadata: list[tuple[str, Stored]] = field(default_factory=list)
    auxiliary: list[str] = field(default_factory=list)
    text_ids: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that go into the payload."""
        return (*self.partitions, *(name for name, _ in self.metadata), *self.auxiliary)

    def slot(self, column: VectorColumn) -> str:
        return "" if len(self.vectors) == 1 else column.name

    def shadow(self, what: str) -> str:
        return quoted(f"{self.name}_{what}")

    def select(self, columns: str, shadow: str, rest: str = "", *values: object) -> list[tuple[Any, ...]]:
        return self.database.rows(f"SELECT {columns} FROM {self.shadow(shadow)} {rest}", values)  # noqa: S608 # quoted

    def chunk_sizes(self) -> dict[int, int]:
        """Every chunk, in order, to how many rows it holds."""
        rows = self.select("chunk_id, validity", "chunks", "ORDER BY chunk_id")
        return {int(chunk): int.from_bytes(validity, "little").bit_count() for chunk, validity in rows}

    def damaged(self, why: str) -> SourceUnreadable:
        what = f"the table {plain(self.name)} of {plain(self.database.path)} is damaged"
        return SourceUnreadable(what, why=why, fix=f'sqlite3 "{self.database.path}" "PRAGMA integrity_check"')


def vec0_tables(database: ReadOnlyDatabase) -> list[Vec0]:
    """Every `vec0` table, by name. `SourceUnreadable`: one is of a version with another layout."""
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'")
    found = []
    for name, sql in sorted(rows):
        declared = _DECLARED.search(str(sql))
        if declared:
            found.append(_table(database, str(name), _COMMENT.sub(" ", declared[1])))
            _check_shadows(found[-1])
    return found


def _table(database: ReadOnlyDatabase, name: str, declaration: str) -> Vec0:
    table = Vec0(database, name)
    for part in _parts(declaration):
        if part.startswith("+"):
            table.auxiliary.append(part[1:].split()[0])
        elif key := _KEY.fullmatch(part):
            if key[3].lower() == "partition":
                table.partitions.append(key[1])
            else:
                table.text_ids = key[2].lower() == "text"
        elif vector := _VECTOR.fullmatch(part):
            table.vectors.append(_declared_vector(table, vector))
        elif column := _METADATA.fullmatch(part):
            table.metadata.append((column[1], _STORED[column[2][0].lower()]))
        elif not _OPTION.fullmatch(part):
            raise _strange(table, part)
    if not table.vectors:
        raise _strange(table, "no vector")
    return table


def _parts(declaration: str) -> Iterator[str]:
    """The declaration, split at commas outside of parentheses."""
    depth, start = 0, 0
    for at, letter in enumerate(declaration):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield declaration[start:at].strip()
            start = at + 1
    last = declaration[start:].strip()
    if last:
        yield last


def _declared_vector(table: Vec0, match: re.Match[str]) -> VectorColumn:
    kind = _KINDS[match[2][0].lower()]
    metrics = [metric.lower() for metric in _METRIC.findall(match[4])]
    if _METRIC.sub("", match[4]).strip() or not _DISTANCES.keys() >= set(metrics):
        raise _strange(table, match[0])
    distance = _DISTANCES[metrics[-1]] if metrics else "Euclid"
    # The number of bits that differ is the distance of Manhattan between zeros and ones.
    return VectorColumn(match[1], kind, int(match[3]), "Manhattan" if kind == "bit" else distance)


def _check_shadows(table: Vec0) -> None:
    """Compare the shadow tables with what the declaration asks for."""
    wanted = {"chunks", "rowids"} | ({"auxiliary"} if table.auxiliary else set())
    wanted |= {f"vector_chunks{number:02}" for number in range(len(table.vectors))}
    wanted |= {f"metadatachunks{number:02}" for number in range(len(table.metadata))}
    there = {str(row[0]) for row in table.database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = sorted(what for what in wanted if f"{table.name}_{what}" not in there)
    if missing:
        why = f"{plain(table.name)}_{missing[0]} is not there: it is damaged, or of a version that is not known here"
        raise _unknown(table, why)


def _strange(table: Vec0, part: str) -> SourceUnreadable:
    why = f"its declaration says {plain(part.strip())}, which is not known here: a newer sqlite-vec made it"
    return _unknown(table, why)


def _unknown(table: Vec0, why: str) -> SourceUnreadable:
    what = f"the table {plain(table.name)} of {plain(table.database.path)} cannot be read"
    return SourceUnreadable(what, why=why, fix=HELP)


class Chunk:
    """Some rows of a table, as they lie in its blobs. `SourceUnreadable`: one is missing or cut short."""

    def __init__(self, table: Vec0, number: int) -> None:
        self.table, self.number = table, number
        partitions = "".join(f", partition{place:02}" for place in range(len(table.partitions)))
        found = table.select(f"size, validity, rowids{partitions}", "chunks", "WHERE chunk_id = ?", number)
        size, validity, rowids, *values = found[0]
        self.vectors = [
            self._blob(f"vector_chunks{place:02}", "vectors", size * column.octets)
            for place, column in enumerate(table.vectors)
        ]
        octets = {"boolean": (size + 7) // 8, "text": size * _TEXT_OCTETS, "integer": size * 8, "float": size * 8}
        self.metadata = [
            self._blob(f"metadatachunks{place:02}", "data", octets[stored])
            for place, (_, stored) in enumerate(table.metadata)
        ]
        if len(rowids) != 8 * size or len(validity) != (size + 7) // 8:
            raise table.damaged(f"the list of rows in chunk {number} is cut short")
        bits = np.unpackbits(np.frombuffer(validity, dtype=np.uint8), bitorder="little")
        self.places: list[int] = bits.nonzero()[0].tolist()
        """Those that hold a row, ascending."""
        self.rowids = np.frombuffer(rowids, dtype="<i8")
        self.partition: Payload = dict(zip(table.partitions, map(said, values), strict=True))

    def records(self, places: list[int]) -> list[Record]:
        """What lies at these places, one field per column."""
        rowids = [int(self.rowids[place]) for place in places]
        ids = self._ids(dict(zip(rowids, places, strict=True)))
        auxiliary, texts = self._auxiliary(rowids), self._long_texts(rowids)
        columns = list(zip(self.table.vectors, self.vectors, strict=True))
        return [
            Record(
                ids[rowid],
                self.partition | dict(self._metadata(place, rowid, texts)) | auxiliary.get(rowid, {}),
                {self.table.slot(column): _vector(column, blob, place) for column, blob in columns},
            )
            for place, rowid in zip(places, rowids, strict=True)
        ]

    def _blob(self, shadow: str, column: str, octets: int) -> bytes:
        rows = self.table.select(column, shadow, "WHERE rowid = ?", self.number)
        if not rows or not isinstance(rows[0][0], bytes) or len(rows[0][0]) != octets:
            what = f"chunk {self.number} of {plain(self.table.name)}_{shadow}"
            raise self.table.damaged(f"{what} is missing or cut short")
        return rows[0][0]

    def _ids(self, places: dict[int, int]) -> dict[int, int | str]:
        """Ids by row. Both lists of rows must agree on where a row lies."""
        where = f"WHERE rowid IN ({marks(places)})"
        found: dict[int, int | str] = {}
        rows = self.table.select("rowid, id, chunk_id, chunk_offset", "rowids", where, *places)
        for rowid, identity, chunk, at in rows:
            if (chunk, at) == (self.number, places[rowid]):
                found[rowid] = str(identity) if self.table.text_ids else int(rowid)
        for rowid in places:
            if rowid not in found:
                raise self.table.damaged(f"row {rowid} of chunk {self.number} is not in the list of rows")
        return found

    def _metadata(self, place: int, rowid: int, texts: dict[str, dict[int, str]]) -> Iterator[tuple[str, object]]:
        for (name, stored), blob in zip(self.table.metadata, self.metadata, strict=True):
            if stored == "text" and _length(blob, place) > _TEXT_HERE:
                if rowid not in texts[name]:
                    raise self.table.damaged(f"the text {plain(name)} of row {rowid} is missing")
                yield name, texts[name][rowid]
            else:
                yield name, _value(stored, blob, place)

    def _long_texts(self, rowids: list[int]) -> dict[str, dict[int, str]]:
        """Column to row to text, for texts that are too long for their chunk."""
        where = f"WHERE rowid IN ({marks(rowids)})"
        return {
            name: dict(self.table.select("rowid, data", f"metadatatext{number:02}", where, *rowids))
            for number, (name, stored) in enumerate(self.table.metadata)
            if stored == "text"
        }

    def _auxiliary(self, rowids: list[int]) -> dict[int, Payload]:
        names = self.table.auxiliary
        if not names:
            return {}
        columns = ", ".join(f"value{number:02}" for number in range(len(names)))
        rows = self.table.select(f"rowid, {columns}", "auxiliary", f"WHERE rowid IN ({marks(rowids)})", *rowids)
        return {rowid: dict(zip(names, map(said, values), strict=True)) for rowid, *values in rows}


def _vector(column: VectorColumn, blob: bytes, place: int) -> Floats:
    at = place * column.octets
    if column.kind == "bit":
        bits = np.frombuffer(blob, dtype=np.uint8, count=column.octets, offset=at)
        return np.unpackbits(bits, bitorder="little").astype(np.float32)
    kind = "<f4" if column.kind == "float32" else np.int8
    return np.frombuffer(blob, dtype=kind, count=column.size, offset=at).astype(np.float32)


def _value(stored: Stored, blob: bytes, place: int) -> object:
    if stored == "boolean":
        return bool(blob[place // 8] >> (place % 8) & 1)
    if stored == "text":
        at = place * _TEXT_OCTETS + 4
        # What is no UTF-8 becomes halves of surrogate pairs, and the record is rejected for it.
        return blob[at : at + _length(blob, place)].decode("utf-8", "surrogateescape")
    return np.frombuffer(blob, dtype="<i8" if stored == "integer" else "<f8", count=1, offset=8 * place)[0].item()


def _length(blob: bytes, place: int) -> int:
    return int.from_bytes(blob[place * _TEXT_OCTETS : place * _TEXT_OCTETS + 4], "little")


@dataclass(frozen=True, slots=True)
class Joined:
    """An ordinary table that holds the payload of a `vec0` table, and the column of it that is the id."""

    table: str
    key: str
    columns: dict[str, str]
    """Column to the field it becomes."""
    layout: Layout = "plain"

    def fields(self, database: ReadOnlyDatabase, ids: list[int | str]) -> dict[int | str, Payload]:
        chosen = ", ".join(quoted(column) for column in self.columns) or "NULL"
        key = quoted(self.key)
        query = f"SELECT {key}, {chosen} FROM {quoted(self.table)} WHERE {key} IN ({marks(ids)})"  # noqa: S608 # quoted
        text = isinstance(ids[0], str)
        return {
            str(key) if text else int(key): dict(zip(self.columns.values(), map(said, values), strict=False))
            for key, *values in database.rows(query, tuple(ids))
        }

    def spare(self, table: Vec0) -> int:
        """How many of its rows have no vector."""
        vectors = f"SELECT {'id' if table.text_ids else 'rowid'} FROM {table.shadow('rowids')}"  # noqa: S608 # quoted
        query = f"SELECT count(*) FROM {quoted(self.table)} WHERE {quoted(self.key)} NOT IN ({vectors})"  # noqa: S608 # quoted
        return int(table.database.rows(query)[0][0])

    def missing(self, table: Vec0) -> int:
        """How many rows of the vectors have none here."""
        key = quoted(self.key)
        known = f"SELECT {key} FROM {quoted(self.table)} WHERE {key} IS NOT NULL"  # noqa: S608 # quoted
        where = f"WHERE {'id' if table.text_ids else 'rowid'} NOT IN ({known})"
        return int(table.select("count(*)", "rowids", where)[0][0])


def _joined_to(table: Vec0, options: Mapping[str, str]) -> Joined | None:
    """The table that a URI asks for with `?payload=TABLE&on=COLUMN`; otherwise LangChain's, when this is one of its."""
    wanted, database = options.get("payload"), table.database
    if wanted is None:
        beside = table.name.removesuffix("_vec")
        if beside == table.name or not database.columns(quoted(beside)) >= _LANGCHAIN:
            return None
        return Joined(beside, "rowid", {"text": "text", "metadata": "metadata"}, "langchain")
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    names = [str(name) for (name,) in database.rows(query)]
    if wanted not in names:
        why = f"there is {', '.join(plain(name) for name in names if not name.startswith(table.name)) or 'none'}"
        raise BadInput(f"there is no ordinary table {plain(wanted)} in {plain(database.path)}", why=why, fix=HELP)
    columns = database.rows(f"PRAGMA table_info({quoted(wanted)})")
    key = options.get("on") or _key(table, columns)
    others = [str(column[1]) for column in columns if column[1] != key]
    if key != "rowid" and len(others) == len(columns):
        raise BadInput(
            f"{plain(wanted)} has no column {plain(key)}" if key else f"nothing joins {plain(wanted)} to the vectors",
            why=f"it has {', '.join(plain(column[1]) for column in columns)}",
            fix=Command("migrate", f"sqlite-vec:{database.path}?table={table.name}&payload={wanted}&on=COLUMN"),
        )
    _check_unique(database, wanted, key)
    return Joined(wanted, key, {name: f"{wanted}_{name}" if name in table.columns else name for name in others})


def _check_unique(database: ReadOnlyDatabase, table: str, key: str) -> None:
    query = f"SELECT count({quoted(key)}) - count(DISTINCT {quoted(key)}) FROM {quoted(table)}"  # noqa: S608 # quoted
    doubles = int(database.rows(query)[0][0])
    if doubles:
        what = f"column {plain(key)} of {plain(table)} is not an id"
        raise BadInput(what, why=f"{counted(doubles, 'row')} with a value that another row has", fix=HELP)


def _key(table: Vec0, columns: list[tuple[object, ...]]) -> str:
    """The rowid, under its own name where it has one; for ids that are text, the primary key."""
    keys = [(str(name), str(kind).lower()) for _, name, kind, _, _, place in columns if place]
    if table.text_ids:
        return keys[0][0] if len(keys) == 1 else ""
    return keys[0][0] if len(keys) == 1 and keys[0][1] == "integer" else "rowid"


class SqliteVec(FileReader):
    def open(self) -> Iterable[str]:
        wanted = "a SQLite database with tables of sqlite-vec"
        if not self.path.is_file():
            raise wrong_kind(self.path, wanted)
        database = self.open_database(self.path)
        self._tables = {table.name: table for table in vec0_tables(database)}
        if not self._tables:
            raise wrong_kind(self.path, wanted)
        names = self._chosen()
        self._joined = {name: _joined_to(self._tables[name], self.uri.options) for name in names}
        self.kind = f"SQLite database of sqlite-vec {_version(self._tables[names[0]])}".strip()
        return names

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        sizes = self._tables[name].chunk_sizes()
        total, done = sum(sizes.values()), 0
        borders: list[Cursor] = []
        for chunk, rows in sizes.items():
            done += rows
            if total and len(borders) + 1 < parts and done * parts // total > len(borders) and done < total:
                borders.append(f"{chunk + 1}:-1")
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        table = self._tables[name]
        start, end = _place(after), _place(until) if until is not None else None
        for number in table.chunk_sizes():
            if number < start[0] or (end is not None and number >= end[0]):
                continue
            chunk = Chunk(table, number)
            places = [place for place in chunk.places if (number, place) > start]
            for at in range(0, len(places), size):
                part = places[at : at + size]
                records = self._laid_out(name, chunk.records(part))
                self.check_unchanged()
                yield Batch(records, f"{number}:{part[-1]}")
        self.check_unchanged()

    def describe(self, name: str) -> SourceCollection:
        """Rows are counted twice: by the list of them, and by the chunks that hold them."""
        table, joined, layout = self._tables[name], self._joined[name], self._layout(name)
        count = int(table.select("count(*)", "rowids")[0][0])
        held = sum(table.chunk_sizes().values())
        if count != held:
            raise table.damaged(f"it lists {counted(count, 'row')}, and its chunks hold {held}")
        slots = []
        for column in table.vectors:
            distance, datatype = self.distance_asked or column.distance, "uint8" if column.kind == "bit" else "float32"
            slots.append(VectorSpec(name=table.slot(column), size=column.size, distance=distance, datatype=datatype))
        spec, warnings = layouts.fitted(CollectionSpec(vectors=tuple(slots)), layout), tuple(_warnings(table, joined))
        beside = f", and of {plain(joined.table)}" if joined else ""
        words = f"one field per column{beside}; bytes as base64, JSON in metadata as what it says"
        words = self.layout_words(layout, "", words)
        return SourceCollection(name=name, count=count, spec=spec, payload=words, warnings=warnings)

    def _chosen(self) -> list[str]:
        named = {self.uri.collection, self.uri.options.get("table")} - {None}
        for name in named:
            if name not in self._tables:
                raise no_such_collection(str(name), self._tables)
        names = [name for name in self._tables if named <= {name}]
        if not names:
            raise BadInput("?table= and ?collection= name two tables", fix=HELP)
        if "payload" in self.uri.options and len(names) > 1:
            what = "one table of payload cannot belong to several tables of vectors"
            why = f"{plain(self.path)} has {', '.join(plain(name) for name in names)}"
            raise BadInput(what, why=why, fix=Command("migrate", self.uri.asking(table=names[0])))
        return names

    def _layout(self, name: str) -> Layout:
        joined = self._joined[name]
        return self.layout_asked or (joined.layout if joined else "plain")

    def _laid_out(self, name: str, records: list[Record]) -> list[Record]:
        """The records with what the table beside says of them."""
        joined, layout = self._joined[name], self._layout(name)
        beside = joined.fields(self._tables[name].database, [record.id for record in records]) if joined else {}
        for record in records:
            record.payload = _laid_out(layout, with_json_opened(record.payload | beside.get(record.id, {})))
        return records


def _warnings(table: Vec0, joined: Joined | None) -> Iterator[str]:
    words = "each becomes a component 0 or 1, compared by Manhattan, which is the number of bits that differ"
    yield from (f"{plain(column.name)} holds bits: {words}" for column in table.vectors if column.kind == "bit")
    missing = joined.missing(table) if joined else 0
    if joined and missing:
        yield f"{counted(missing, 'record')} without a row in {plain(joined.table)}: no payload but their own"
    if joined and (spare := joined.spare(table)):
        yield f"{counted(spare, 'row')} of {plain(joined.table)} without a vector: not copied"


def _version(table: Vec0) -> str:
    if not table.database.columns(table.shadow("info")):
        return ""
    rows = table.select("value", "info", "WHERE key = 'CREATE_VERSION'")
    return plain(rows[0][0]).removeprefix("v") if rows else ""


def _laid_out(layout: Layout, payload: Payload) -> Payload:
    if layout == "plain":
        return payload
    metadata = payload.pop("metadata", None)
    text = payload.pop("text", None)
    inner = metadata if isinstance(metadata, dict) else {} if metadata is None else {"metadata": metadata}
    return layouts.lay_out(layout, {**payload, **inner}, text if isinstance(text, str) else None)


def _place(cursor: Cursor) -> tuple[int, int]:
    chunk, _, place = str(cursor or "0:-1").partition(":")
    return int(chunk), int(place)
