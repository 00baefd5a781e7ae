"""What was in every point of a collection, in a few bytes each, so that a difference has a name.

Records stand in the server's own order of ids in one temporary file, which stays in memory while it is small. Two
ledgers are compared by reading both from front to back, so memory does not grow with the collection.
"""

import functools
import struct
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

from qdrant_admin.database.canonical import PointHash, field_digest, id_key
from qdrant_admin.database.models import PointId

MEMORY_BYTES = 32 * 1024 * 1024
"""Beyond this a ledger lies on the disk (some 700,000 points)."""
MAX_FIELDS = 64
MAX_SHAPES = 4096
"""Different sets of names told apart. Past either bound a change is told without the name of its field."""
_LAYOUT = "<17s16sHHI"
_HEAD = struct.Struct(_LAYOUT)
_NO_NAMES = 0xFFFF
"""Stands for a set of names that is not kept."""


class Record(NamedTuple):
    """One point in a ledger."""

    key: bytes
    whole: bytes
    payload: int
    vectors: dict[str, int]
    fields: dict[str, int] | None
    """None when the fields were too many to be kept apart."""


@dataclass
class Ledger:
    """Written once by a scan, then read any number of times. Close it: it may hold a temporary file."""

    file: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(MEMORY_BYTES))  # noqa: SIM115 # closed by `close`
    shapes: list[tuple[str, ...]] = field(default_factory=list)
    _numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    _last: bytes = b""
    _sorted: bool = True

    def add(self, point_id: PointId, payload: Mapping[str, Any], hashed: PointHash) -> None:
        """Append one point."""
        key = id_key(point_id)
        self._sorted = self._sorted and key > self._last
        self._last = key
        vectors = self._shape(tuple([name for name, _ in hashed.vectors]))
        digests = [] if vectors == _NO_NAMES else [digest for _, digest in hashed.vectors]
        parts = len(digests)
        names = sorted(payload)
        fields = self._shape(tuple(names)) if len(names) <= MAX_FIELDS else _NO_NAMES
        if fields != _NO_NAMES:
            digests += [field_digest(payload[name]) for name in names]
        record = _record(parts, len(digests) - parts)
        self.file.write(record.pack(key, hashed.whole[:16], vectors, fields, hashed.payload, *digests))

    def finish(self) -> None:
        """Bring the records into order, should the server have given them in another one."""
        if self._sorted:
            return
        records = sorted(self._raw(), key=lambda record: record[0])
        self.file.seek(0)
        self.file.writelines(raw for _, raw in records)
        self._sorted = True

    def __iter__(self) -> Iterator[Record]:
        for _, raw in self._raw():
            yield self._decode(raw)

    def close(self) -> None:
        """Give the temporary file back."""
        self.file.close()

    def _shape(self, names: tuple[str, ...]) -> int:
        number = self._numbers.get(names)
        if number is None:
            if len(self.shapes) >= MAX_SHAPES:
                return _NO_NAMES
            number = self._numbers[names] = len(self.shapes)
            self.shapes.append(names)
        return number

    def _names(self, number: int) -> tuple[str, ...]:
        return () if number == _NO_NAMES else self.shapes[number]

    def _raw(self) -> Iterator[tuple[bytes, bytes]]:
        self.file.seek(0)
        while head := self.file.read(_HEAD.size):
            _, _, vectors, fields, _ = _HEAD.unpack(head)
            rest = self.file.read(4 * len(self._names(vectors)) + 2 * len(self._names(fields)))
            yield head[:17], head + rest

    def _decode(self, raw: bytes) -> Record:
        _, _, vectors, fields, _ = _HEAD.unpack_from(raw)
        vector_names, field_names = self._names(vectors), self._names(fields)
        key, whole, _, _, payload, *digests = _record(len(vector_names), len(field_names)).unpack(raw)
        cut = len(vector_names)
        kept = None if fields == _NO_NAMES else dict(zip(field_names, digests[cut:], strict=True))
        return Record(key, whole, payload, dict(zip(vector_names, digests[:cut], strict=True)), kept)


@functools.cache
def _record(vectors: int, fields: int) -> struct.Struct:
    return struct.Struct(f"{_LAYOUT}{vectors}I{fields}H")


def what_changed(before: Record, after: Record) -> tuple[str, ...]:
    """The parts in which two records of one point differ, in words: `vector ""`, `payload field title`."""
    words: list[str] = []
    for name in sorted(before.vectors.keys() | after.vectors.keys()):
        if name not in after.vectors:
            words.append(f'vector "{name}" is gone')
        elif name not in before.vectors:
            words.append(f'vector "{name}" is new')
        elif before.vectors[name] != after.vectors[name]:
            words.append(f'vector "{name}"')
    words += _fields_changed(before, after)
    return tuple(words) or ("content",)


def _fields_changed(before: Record, after: Record) -> list[str]:
    if before.fields is None or after.fields is None:
        return ["payload"] if before.payload != after.payload else []
    words = []
    for name in sorted(before.fields.keys() | after.fields.keys()):
        if name not in after.fields:
            words.append(f"payload field {name} is gone")
        elif name not in before.fields:
            words.append(f"payload field {name} is new")
        elif before.fields[name] != after.fields[name]:
            words.append(f"payload field {name}")
    return words or (["payload"] if before.payload != after.payload else [])
