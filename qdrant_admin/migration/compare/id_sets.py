"""Two sets of ids side by side, whatever their size: the source's are sorted on the disk, the target's come sorted.

If several records of the source have the same id, the target must hold the last of them.
"""

import heapq
import tempfile
from collections.abc import Iterator
from itertools import groupby
from typing import IO, Literal, NamedTuple

import numpy as np

from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import PointId

State = Literal["equal", "different", "missing", "unseen"]
"""The outcome of a record's comparison. unseen: its content was not compared."""
_STATES: tuple[State, ...] = ("equal", "different", "missing", "unseen")
_KEY_BYTES, _PLACE_BYTES = 17, 8
_RECORD_BYTES = _KEY_BYTES + _PLACE_BYTES + 1
_CHUNK_BYTES = 160_000 * _RECORD_BYTES
"""Sorted in memory, then written to the disk."""
_BLOCK_BYTES = 1000 * _RECORD_BYTES


class Id(NamedTuple):
    """One id of either side."""

    key: bytes
    state: State | None
    """Of the last record of the source with this id; None: there is no such record."""
    there: bool
    """Whether the target has it."""
    records: int
    """How many records of the source have it."""


def record(point_id: PointId, place: int, state: State) -> bytes:
    """One record as bytes: its id, its place in the source's order, and its state."""
    return id_key(point_id) + place.to_bytes(_PLACE_BYTES, "big") + bytes((_STATES.index(state),))


def key_of(kept: bytes) -> bytes:
    return kept[:_KEY_BYTES]


class IdSet:
    """The ids of a source. A context manager: it may hold a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="qdrant-admin-ids-")  # noqa: SIM115 # closed by `__exit__`
        self._sorted: list[tuple[int, int]] = []
        self._chunk = bytearray()

    def __enter__(self) -> "IdSet":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, records: bytes) -> None:
        self._chunk += records
        if len(self._chunk) >= _CHUNK_BYTES:
            start = self._file.seek(0, 2)
            self._file.write(_in_order(self._chunk))
            self._sorted.append((start, start + len(self._chunk)))
            self._chunk = bytearray()

    def against(self, target: Iterator[bytes]) -> Iterator[Id]:
        """Every id of either side, ascending; `target`: the keys of the target's ids, ascending."""
        pieces = [self._piece(start, end) for start, end in self._sorted]
        ours = heapq.merge(*pieces, _cut(_in_order(self._chunk)))
        there = next(target, None)
        for key, group in groupby(ours, key=key_of):
            while there is not None and there < key:
                yield Id(there, None, there=True, records=0)
                there = next(target, None)
            records = list(group)  # in their own order: the position follows the id
            yield Id(key, _STATES[records[-1][-1]], there == key, len(records))
            if there == key:
                there = next(target, None)
        while there is not None:
            yield Id(there, None, there=True, records=0)
            there = next(target, None)

    def _piece(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            self._file.seek(start)
            block = self._file.read(min(_BLOCK_BYTES, end - start))
            start += len(block)
            yield from _cut(block)


def _in_order(records: bytes | bytearray) -> bytes:
    # NumPy leaves out zeros at the end when it compares, which changes no order among records of one length.
    return bytes(np.sort(np.frombuffer(bytes(records), dtype=f"S{_RECORD_BYTES}")).tobytes())


def _cut(records: bytes) -> Iterator[bytes]:
    return (records[start : start + _RECORD_BYTES] for start in range(0, len(records), _RECORD_BYTES))
