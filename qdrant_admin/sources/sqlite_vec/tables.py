"""What the declaration of a `vec0` table says: which shadow table holds what. It is read as text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance, Floats
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Payload
from qdrant_admin.sources.files.values import said
from qdrant_admin.sources.read_only import ReadOnlyDatabase, marks, quoted

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


@dataclass(frozen=True, slots=True)
class VectorColumn:
    name: str
    kind: Kind
    size: int
    distance: Distance

    @property
    def octets(self) -> int:
        """Bytes of one vector."""
        return {"float32": 4 * self.size, "int8": self.size, "bit": self.size // 8}[self.kind]


@dataclass(frozen=True, slots=True)
class Vec0:
    """One `vec0` table. Its columns in the order of their shadow tables."""

    name: str
    vectors: tuple[VectorColumn, ...]
    partitions: tuple[str, ...] = ()
    metadata: tuple[tuple[str, Stored], ...] = ()
    auxiliary: tuple[str, ...] = ()
    text_ids: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that go into the payload."""
        return (*self.partitions, *(name for name, _ in self.metadata), *self.auxiliary)

    def shadow(self, what: str) -> str:
        return quoted(f"{self.name}_{what}")


def vec0_tables(database: ReadOnlyDatabase) -> list[Vec0]:
    """Every `vec0` table, by name. `SourceUnreadable`: one is of a version with another layout."""
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'")
    found = []
    for name, sql in sorted(rows):
        declared = _DECLARED.search(str(sql))
        if declared:
            found.append(_table(str(name), _COMMENT.sub(" ", declared[1]), database.path))
            _check_shadows(found[-1], database)
    return found


def _table(name: str, declaration: str, path: Path) -> Vec0:
    vectors: list[VectorColumn] = []
    partitions: list[str] = []
    metadata: list[tuple[str, Stored]] = []
    auxiliary: list[str] = []
    text_ids = False
    for part in _parts(declaration):
        if part.startswith("+"):
            auxiliary.append(part[1:].split()[0])
        elif key := _KEY.fullmatch(part):
            if key[3].lower() == "partition":
                partitions.append(key[1])
            else:
                text_ids = key[2].lower() == "text"
        elif vector := _VECTOR.fullmatch(part):
            vectors.append(_declared_vector(vector, name, path))
        elif column := _METADATA.fullmatch(part):
            metadata.append((column[1], _STORED[column[2][0].lower()]))
        elif not _OPTION.fullmatch(part):
            raise _strange(name, path, part)
    if not vectors:
        raise _strange(name, path, "no vector")
    return Vec0(name, tuple(vectors), tuple(partitions), tuple(metadata), tuple(auxiliary), text_ids)


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


def _declared_vector(match: re.Match[str], name: str, path: Path) -> VectorColumn:
    kind = _KINDS[match[2][0].lower()]
    metrics = _METRIC.findall(match[4])
    if _METRIC.sub("", match[4]).strip() or any(metric.lower() not in _DISTANCES for metric in metrics):
        raise _strange(name, path, match[0])
    distance = _DISTANCES[metrics[-1].lower()] if metrics else "Euclid"
    # The number of bits that differ is the distance of Manhattan between zeros and ones.
    return VectorColumn(match[1], kind, int(match[3]), "Manhattan" if kind == "bit" else distance)


def _check_shadows(table: Vec0, database: ReadOnlyDatabase) -> None:
    """Compare the shadow tables with what the declaration asks for."""
    wanted = {"chunks", "rowids"} | ({"auxiliary"} if table.auxiliary else set())
    wanted |= {f"vector_chunks{number:02}" for number in range(len(table.vectors))}
    wanted |= {f"metadatachunks{number:02}" for number in range(len(table.metadata))}
    there = {str(row[0]) for row in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = sorted(what for what in wanted if f"{table.name}_{what}" not in there)
    if missing:
        why = f"{plain(table.name)}_{missing[0]} is not there: it is damaged, or of a version that is not known here"
        raise _unknown(table.name, database.path, why)


def _strange(name: str, path: Path, part: str) -> SourceUnreadable:
    why = f"its declaration says {plain(part.strip())}, which is not known here: a newer sqlite-vec made it"
    return _unknown(name, path, why)


def _unknown(name: str, path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(f"the table {plain(name)} of {plain(path)} cannot be read", why=why, fix=HELP)


_TEXT_OCTETS = 16
"""A text lies in 16 bytes: its length, and its first twelve bytes; a longer one has a row of its own."""
_TEXT_HERE = 12


@dataclass(frozen=True, slots=True)
class Row:
    id: int | str
    payload: Payload
    vectors: list[Floats]


def chunk_sizes(database: ReadOnlyDatabase, table: Vec0) -> dict[int, int]:
    """Every chunk, in order, to how many rows it holds."""
    rows = database.rows(f"SELECT chunk_id, validity FROM {table.shadow('chunks')} ORDER BY chunk_id")  # noqa: S608 # quoted
    return {int(chunk): int.from_bytes(validity, "little").bit_count() for chunk, validity in rows}


def read_chunk(database: ReadOnlyDatabase, table: Vec0, number: int) -> "Chunk":
    """The blobs of one chunk. `SourceUnreadable`: one is missing or cut short."""
    partitions = "".join(f", partition{place:02}" for place in range(len(table.partitions)))
    query = f"SELECT size, validity, rowids{partitions} FROM {table.shadow('chunks')} WHERE chunk_id = ?"  # noqa: S608 # quoted
    size, validity, rowids, *values = database.rows(query, (number,))[0]
    vectors = [
        _blob(database, table, number, f"vector_chunks{place:02}", "vectors", size * column.octets)
        for place, column in enumerate(table.vectors)
    ]
    octets = {"boolean": (size + 7) // 8, "text": size * _TEXT_OCTETS, "integer": size * 8, "float": size * 8}
    metadata = [
        _blob(database, table, number, f"metadatachunks{place:02}", "data", octets[stored])
        for place, (_, stored) in enumerate(table.metadata)
    ]
    if len(rowids) != 8 * size or len(validity) != (size + 7) // 8:
        raise damaged(database, table, f"the list of rows in chunk {number} is cut short")
    bits = np.unpackbits(np.frombuffer(validity, dtype=np.uint8), bitorder="little")
    partition = dict(zip(table.partitions, map(said, values), strict=True))
    return Chunk(number, bits.nonzero()[0].tolist(), np.frombuffer(rowids, dtype="<i8"), partition, vectors, metadata)


@dataclass(frozen=True, slots=True)
class Chunk:
    number: int
    places: list[int]
    """Those that hold a row, ascending."""
    rowids: npt.NDArray[np.int64]
    partition: Payload
    vectors: list[bytes]
    metadata: list[bytes]

    def rows(self, database: ReadOnlyDatabase, table: Vec0, places: list[int]) -> list[Row]:
        rowids = [int(self.rowids[place]) for place in places]
        ids = self._ids(database, table, dict(zip(rowids, places, strict=True)))
        auxiliary = _auxiliary(database, table, rowids)
        texts = _long_texts(database, table, rowids)
        return [
            Row(
                ids[rowid],
                self.partition | dict(self._metadata(database, table, place, rowid, texts)) | auxiliary.get(rowid, {}),
                [_vector(column, blob, place) for column, blob in zip(table.vectors, self.vectors, strict=True)],
            )
            for place, rowid in zip(places, rowids, strict=True)
        ]

    def _ids(self, database: ReadOnlyDatabase, table: Vec0, places: dict[int, int]) -> dict[int, int | str]:
        """Ids by row. Both lists of rows must agree on where a row lies."""
        query = (
            f"SELECT rowid, id, chunk_id, chunk_offset FROM {table.shadow('rowids')} WHERE rowid IN ({marks(places)})"  # noqa: S608 # quoted
        )
        found: dict[int, int | str] = {}
        for rowid, identity, chunk, place in database.rows(query, tuple(places)):
            if (chunk, place) == (self.number, places[rowid]):
                found[rowid] = str(identity) if table.text_ids else int(rowid)
        for rowid in places:
            if rowid not in found:
                raise damaged(database, table, f"row {rowid} of chunk {self.number} is not in the list of rows")
        return found

    def _metadata(
        self, database: ReadOnlyDatabase, table: Vec0, place: int, rowid: int, texts: dict[str, dict[int, str]]
    ) -> Iterator[tuple[str, object]]:
        for (name, stored), blob in zip(table.metadata, self.metadata, strict=True):
            if stored == "text" and _length(blob, place) > _TEXT_HERE:
                if rowid not in texts[name]:
                    raise damaged(database, table, f"the text {plain(name)} of row {rowid} is missing")
                yield name, texts[name][rowid]
            else:
                yield name, _value(stored, blob, place)


def damaged(database: ReadOnlyDatabase, table: Vec0, why: str) -> SourceUnreadable:
    what = f"the table {plain(table.name)} of {plain(database.path)} is damaged"
    return SourceUnreadable(what, why=why, fix=f'sqlite3 "{database.path}" "PRAGMA integrity_check"')


def _blob(database: ReadOnlyDatabase, table: Vec0, number: int, shadow: str, column: str, octets: int) -> bytes:
    rows = database.rows(f"SELECT {column} FROM {table.shadow(shadow)} WHERE rowid = ?", (number,))  # noqa: S608 # quoted
    if not rows or not isinstance(rows[0][0], bytes) or len(rows[0][0]) != octets:
        raise damaged(database, table, f"chunk {number} of {plain(table.name)}_{shadow} is missing or cut short")
    return rows[0][0]


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


def _long_texts(database: ReadOnlyDatabase, table: Vec0, rowids: list[int]) -> dict[str, dict[int, str]]:
    """Column to row to text, for texts that are too long for their chunk."""
    found: dict[str, dict[int, str]] = {}
    for place, (name, stored) in enumerate(table.metadata):
        if stored == "text":
            texts = table.shadow(f"metadatatext{place:02}")
            query = f"SELECT rowid, data FROM {texts} WHERE rowid IN ({marks(rowids)})"  # noqa: S608 # quoted
            found[name] = dict(database.rows(query, tuple(rowids)))
    return found


def _auxiliary(database: ReadOnlyDatabase, table: Vec0, rowids: list[int]) -> dict[int, Payload]:
    if not table.auxiliary:
        return {}
    columns = ", ".join(f"value{place:02}" for place in range(len(table.auxiliary)))
    query = f"SELECT rowid, {columns} FROM {table.shadow('auxiliary')} WHERE rowid IN ({marks(rowids)})"  # noqa: S608 # quoted
    return {
        rowid: dict(zip(table.auxiliary, map(said, values), strict=True))
        for rowid, *values in database.rows(query, tuple(rowids))
    }
