"""One chunk of a `vec0` table: up to `chunk_size` rows side by side in a few blobs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Floats
from qdrant_admin.sources.files.paths import ReadOnlyDatabase
from qdrant_admin.sources.files.values import said
from qdrant_admin.sources.sqlite_vec.schema import Stored, Vec0, VectorColumn

_TEXT_OCTETS = 16
"""A text lies in 16 bytes: its length, and its first twelve bytes; a longer one has a row of its own."""
_TEXT_HERE = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One row whole."""

    id: int | str
    payload: dict[str, Any]
    vectors: list[Floats]


def chunk_sizes(database: ReadOnlyDatabase, table: Vec0) -> dict[int, int]:
    """Every chunk, in order, to how many rows it holds."""
    rows = database.rows(f"SELECT chunk_id, validity FROM {table.shadow('chunks')} ORDER BY chunk_id")  # noqa: S608 # quoted
    return {int(chunk): int.from_bytes(validity, "little").bit_count() for chunk, validity in rows}


def read_chunk(database: ReadOnlyDatabase, table: Vec0, number: int) -> "Chunk":
    """The blobs of one chunk.

    Raises:
        SourceUnreadable: one of them is missing, or not as long as it has to be.
    """
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
    """The blobs of one chunk."""

    number: int
    places: list[int]
    """Those that hold a row, ascending."""
    rowids: npt.NDArray[np.int64]
    partition: dict[str, Any]
    vectors: list[bytes]
    metadata: list[bytes]

    def rows(self, database: ReadOnlyDatabase, table: Vec0, places: list[int]) -> list[Row]:
        """The rows at these places."""
        rowids = [int(self.rowids[place]) for place in places]
        ids = self._ids(database, table, dict(zip(rowids, places, strict=True)))
        auxiliary = _auxiliary(database, table, rowids)
        texts = _long_texts(database, table, rowids)
        return [
            Row(
                ids[rowid],
                {
                    **self.partition,
                    **dict(self._metadata(database, table, place, rowid, texts)),
                    **auxiliary.get(rowid, {}),
                },
                [_vector(column, blob, place) for column, blob in zip(table.vectors, self.vectors, strict=True)],
            )
            for place, rowid in zip(places, rowids, strict=True)
        ]

    def _ids(self, database: ReadOnlyDatabase, table: Vec0, places: dict[int, int]) -> dict[int, int | str]:
        """Row to its id. Both lists of rows have to agree on where a row lies."""
        query = (
            f"SELECT rowid, id, chunk_id, chunk_offset FROM {table.shadow('rowids')} WHERE rowid IN ({_marks(places)})"  # noqa: S608 # quoted
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
    ) -> Iterator[tuple[str, Any]]:
        for (name, stored), blob in zip(table.metadata, self.metadata, strict=True):
            if stored == "text" and _length(blob, place) > _TEXT_HERE:
                if rowid not in texts[name]:
                    raise damaged(database, table, f"the text {plain(name)} of row {rowid} is missing")
                yield name, texts[name][rowid]
            else:
                yield name, _value(stored, blob, place)


def damaged(database: ReadOnlyDatabase, table: Vec0, why: str) -> SourceUnreadable:
    """The error for shadow tables that contradict each other."""
    return SourceUnreadable(
        f"the table {plain(table.name)} of {plain(database.path)} is damaged",
        why=why,
        fix=f'sqlite3 "{database.path}" "PRAGMA integrity_check"',
    )


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


def _value(stored: Stored, blob: bytes, place: int) -> Any:
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
    """Column to row to its text, of those that are too long for their chunk."""
    found: dict[str, dict[int, str]] = {}
    for place, (name, stored) in enumerate(table.metadata):
        if stored == "text":
            query = (
                f"SELECT rowid, data FROM {table.shadow(f'metadatatext{place:02}')} WHERE rowid IN ({_marks(rowids)})"  # noqa: S608 # quoted
            )
            found[name] = dict(database.rows(query, tuple(rowids)))
    return found


def _auxiliary(database: ReadOnlyDatabase, table: Vec0, rowids: list[int]) -> dict[int, dict[str, Any]]:
    if not table.auxiliary:
        return {}
    columns = ", ".join(f"value{place:02}" for place in range(len(table.auxiliary)))
    query = f"SELECT rowid, {columns} FROM {table.shadow('auxiliary')} WHERE rowid IN ({_marks(rowids)})"  # noqa: S608 # quoted
    return {
        rowid: dict(zip(table.auxiliary, map(said, values), strict=True))
        for rowid, *values in database.rows(query, tuple(rowids))
    }


def _marks(values: Any) -> str:
    return ",".join("?" * len(values))
