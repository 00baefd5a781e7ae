"""What was in every point of a collection, in a few bytes each, so that a difference has a name.

Records stand in the server's own order of ids in one temporary file, which stays in memory while it is small. Two
stores are compared by reading both from front to back, so memory does not grow with the collection.

A record is an id (8 bytes, 16 of a UUID), the number of its shape (2), 4 bytes of the digest of the whole and 2 for
every vector and every field of the payload. So it takes 32 bytes for a number with one vector and 8 fields, and 40 for
such a UUID; every field more takes 2. A change shows in the digest of the whole and in that of its part: it goes
unnamed in one case of 2^48. (Whether anything changed at all is not decided here but by the collection's own digest.)

Past `MAX_FIELDS` fields in a point, or past `MAX_SHAPES` different sets of names in a collection, a record has one
digest of its whole payload in place of one for each field, and a change is told as `payload` without the name of a
field; vectors are named all the same, unless it is their names that are too many.
"""

import functools
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from qdrant_admin.database.canonical import PointHash, field_name
from qdrant_admin.database.differences import PartDifference, changed_keys

MEMORY_BYTES = 32 * 1024 * 1024
"""Beyond this a store lies on the disk (some 900,000 points)."""
MAX_FIELDS = 64
MAX_SHAPES = 4096
_NUMBER = struct.Struct("<H")
_WHOLE_BYTES = 4


class PointDigests(NamedTuple):
    """One point in a store."""

    key: bytes
    whole: bytes
    vectors: dict[str, int] | None
    """None when their names were too many to be kept apart."""
    fields: dict[str, int] | None
    """None when they were too many to be kept apart."""
    payload: int
    """Of all fields."""
    shard: str | None = ""
    """The key of its shard, as `PointHash` has it; None when there were too many to be kept apart."""


class _Shape(NamedTuple):
    """What records of the same kind of id and the same names have in common."""

    kind: int
    """Of its id, as the first byte of `id_key`."""
    vectors: tuple[str, ...] | None
    fields: tuple[bytes, ...] | None
    """The beginnings of the entries of the payload."""
    shard: str | None


@dataclass
class DigestStore:
    """Written once by a scan, then read any number of times. Close it: it may hold a temporary file."""

    file: IO[bytes] = field(default_factory=lambda: tempfile.SpooledTemporaryFile(MEMORY_BYTES))  # noqa: SIM115 # closed by `close`
    _shapes: list[_Shape] = field(default_factory=list)
    _numbers: dict[_Shape, int] = field(default_factory=dict)
    _last: bytes = b""
    _sorted: bool = True

    def add(self, hashes: Iterable[PointHash]) -> None:
        rows, last, known = [], self._last, None
        for hashed in hashes:
            key, whole, vectors, fields, digests, _, shard = hashed
            self._sorted = self._sorted and key > last
            last, shape = key, (key[0], vectors, fields, shard)
            if shape != known:  # most points are like the one before
                known, number = shape, self._numbers.get(shape)  # type: ignore[call-overload] # equal to a `_Shape`
                if number is None:
                    known, (number, digests) = None, self._new(hashed)
                pack, at = _record(key[0], len(digests)).pack, _id_at(key[0])
            rows.append(pack(number, key[at:], whole[:_WHOLE_BYTES], *digests))
        self._last = last
        self.file.write(b"".join(rows))

    def finish(self) -> None:
        """Sort the records, where the server has given them in another order."""
        if self._sorted:
            return
        records = sorted(self._raw(), key=lambda record: record[0])
        self.file.seek(0)
        self.file.writelines(raw for _, raw in records)
        self._sorted = True

    def __iter__(self) -> Iterator[PointDigests]:
        for key, raw in self._raw():
            yield self._decode(key, raw)

    def close(self) -> None:
        self.file.close()

    def _new(self, hashed: PointHash) -> tuple[int, list[int]]:
        """The number of a new shape, or of one that keeps fewer names, and the digests that go with it."""
        kind, vectors, fields, digests = hashed.key[0], hashed.vectors, hashed.fields, hashed.digests
        if len(fields) <= MAX_FIELDS and len(self._shapes) < MAX_SHAPES:
            return self._number(_Shape(kind, vectors, fields, hashed.shard)), digests
        cut = len(vectors)
        payload = _payload(fields, digests[cut:])
        shape = _Shape(kind, vectors, None, hashed.shard)
        if shape in self._numbers or len(self._shapes) < 2 * MAX_SHAPES:
            return self._number(shape), [*digests[:cut], payload]
        return self._number(_Shape(kind, None, None, None)), [payload]

    def _number(self, shape: _Shape) -> int:
        number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return number

    def _raw(self) -> Iterator[tuple[bytes, bytes]]:
        self.file.seek(0)
        while head := self.file.read(_NUMBER.size):
            shape = self._shapes[_NUMBER.unpack(head)[0]]
            raw = head + self.file.read(_record(shape.kind, _parts(shape)).size - len(head))
            at = _id_at(shape.kind)
            yield bytes((shape.kind,)).ljust(at, b"\0") + raw[len(head) : len(head) + 17 - at], raw

    def _decode(self, key: bytes, raw: bytes) -> PointDigests:
        shape = self._shapes[_NUMBER.unpack_from(raw)[0]]
        _, _, whole, *digests = _record(shape.kind, _parts(shape)).unpack(raw)
        vectors = None if shape.vectors is None else dict(zip(shape.vectors, digests, strict=False))
        rest = digests[len(shape.vectors or ()) :]
        if shape.fields is None:
            return PointDigests(key, whole, vectors, None, rest[0], shape.shard)
        fields = dict(zip(map(field_name, shape.fields), rest, strict=True))
        return PointDigests(key, whole, vectors, fields, _payload(shape.fields, rest), shape.shard)


def _payload(fields: Iterable[bytes], digests: Iterable[int]) -> int:
    return zlib.crc32(b"".join([*fields, *map(_NUMBER.pack, digests)])) & 0xFFFF


def _parts(shape: _Shape) -> int:
    return len(shape.vectors or ()) + (1 if shape.fields is None else len(shape.fields))


def _id_at(kind: int) -> int:
    """Where the stored bytes of an id begin in its key: 8 of a number, 16 of a UUID."""
    return 1 if kind else 9


@functools.cache
def _record(kind: int, parts: int) -> struct.Struct:
    return struct.Struct(f"<H{17 - _id_at(kind)}s{_WHOLE_BYTES}s{parts}H")


def same(before: PointDigests, after: PointDigests) -> bool:
    """Whether two records of one point stand for the same content."""
    known = before.vectors is not None and after.vectors is not None
    vectors_same = before.vectors == after.vectors or not known
    return before.whole == after.whole and before.payload == after.payload and vectors_same


def what_changed(before: PointDigests, after: PointDigests) -> tuple[PartDifference, ...]:
    parts: list[PartDifference] = []
    if before.shard is not None and after.shard is not None and before.shard != after.shard:
        parts.append(PartDifference(kind="shard_key", name=after.shard, was=before.shard))
    if before.vectors is not None and after.vectors is not None:
        for name, change in changed_keys(before.vectors, after.vectors):
            parts.append(PartDifference(kind="vector", name=name, change=change))
    if before.fields is not None and after.fields is not None:
        for name, change in changed_keys(before.fields, after.fields):
            parts.append(PartDifference(kind="field", name=name, change=change))
    elif before.payload != after.payload:
        parts.append(PartDifference(kind="payload"))
    return tuple(parts) or (PartDifference(kind="content"),)
