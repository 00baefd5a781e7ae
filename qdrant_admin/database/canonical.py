"""One form of a point, whatever transport, key order or segment it came from, and its digest.

Two readings of a stored point give the same bytes, and any difference in it gives other ones. The form is that of
Qdrant's own messages (`points.proto`) where there is one, so that most of what comes over gRPC is hashed as it came:

- a payload value is a `Value`: null, double, integer, string, bool, struct or list, so 1, 1.0, "1" and true differ. An
  integer that 64 signed bits do not hold, for which it has no word, is field 15 with its digits;
- an entry of a payload or of a nested object is its key (field 1) and its value (field 2), and entries are sorted as
  bytes at every level: over gRPC their order differs from read to read;
- a vector is the little-endian float32 that the server stores, bit by bit, sparse ones by ascending index, several by
  name, each with its kind and shape;
- an id is `id_key`.

Digests are kept in certificates: what is written here changes under another `SCHEME` only.
"""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import Floats, Kinds, Point, Sparse, Vector, VectorKind
from qdrant_admin.database.protobuf import (
    DOUBLE,
    FALSE,
    INTEGER,
    KEY,
    LIST,
    NULL,
    OBJECT,
    TEXT,
    TRUE,
    VALUE,
    field,
    number_at,
    varint,
)

SCHEME = "P2"
"""The name of this form, in every digest and report. Digests of different schemes cannot be compared."""
SUM_MODULUS = 1 << 256
KEYED_SCHEME = "P2K"
"""The same, with the key of the point's shard: the form where a collection has custom sharding."""
_SCHEME = SCHEME.encode()
_BEYOND = b"\x7a"
_INT64 = 1 << 63
_FLOAT = np.dtype("<f4")
_NAN = np.float32(np.nan)
_SHORT = 0x80
"""Lengths below are one byte."""
_double = struct.Struct("<d").pack
_length = struct.Struct("<Q").pack
VectorPart = tuple[bytes, bytes | memoryview]
"""One vector in its canonical form: name, kind and shape; and its floats."""


class PointHash(NamedTuple):
    """The digest of a point, and short ones of its parts that can say what of it changed."""

    key: bytes
    """`id_key` of its id."""
    whole: bytes
    """SHA-256, which processors of today have built in; decides."""
    vectors: tuple[str, ...]
    """Names, in their order."""
    fields: tuple[bytes, ...]
    """Keys of the payload as its entries begin, see `field_name`."""
    digests: list[int]
    """16 bits of every vector, then of every field, in the same order."""
    non_finite: bool
    """Whether a vector holds NaN or an infinity."""
    shard: str = ""
    """The key of its shard as JSON, where the collection has custom sharding."""


def hash_point(point: Point, kinds: Kinds) -> PointHash:
    """The digest of everything that a point holds; `TypeError` for a payload that is not JSON."""
    parts, finite = [], True
    names = tuple(sorted(point.vectors))
    for name in names:
        part, is_finite = vector_part(name, point.vectors[name], kinds.get(name))
        parts.append(part)
        finite = finite and is_finite
    return hash_parts(id_key(point.id), payload_entries(point.payload), names, parts, non_finite=not finite)


def hash_parts(
    key: bytes,
    entries: Sequence[bytes] = (),
    names: tuple[str, ...] = (),
    vectors: Sequence[VectorPart] = (),
    *,
    like: tuple[bytes, ...] = (),
    non_finite: bool = False,
) -> PointHash:
    """The digest of a point in its canonical form: sorted entries of its payload, vectors sorted by name.

    `like` are the fields of the point before: most points have the same ones, which are then not worked out again.
    """
    payload = b"".join(entries)
    digests = [crc32(part[1], crc32(part[0])) & 0xFFFF for part in vectors]
    digests += [crc32(entry) & 0xFFFF for entry in entries]
    content = b"".join((_SCHEME, key, _length(len(payload)), payload, *chain.from_iterable(vectors)))
    if len(like) == len(entries) and all(map(bytes.startswith, entries, like)):
        fields = like
    else:
        fields = tuple([entry[: entry[1] + 2] if entry[1] < _SHORT else _long_key(entry) for entry in entries])
    whole = sha256(content).digest()
    return PointHash(key, whole, names, fields, digests, non_finite)


def in_shard(hashed: PointHash, shard: str) -> PointHash:
    """The digest of a point that lies in the shard of this key: there it answers other questions."""
    return hashed._replace(whole=sha256(hashed.whole + shard.encode()).digest(), shard=shard)


def payload_entries(payload: Mapping[str, object]) -> list[bytes]:
    """The entries of a payload, or of an object in it; `TypeError` for a value that is not JSON."""
    return sorted(entry_bytes(key.encode("utf-8", "surrogatepass"), _value(value)) for key, value in payload.items())


def entry_bytes(key: bytes, value: bytes) -> bytes:
    return field(KEY, key) + field(VALUE, value)


def object_bytes(entries: Iterable[bytes]) -> bytes:
    return field(OBJECT, b"".join([field(KEY, entry) for entry in sorted(entries)]))


def list_bytes(values: Iterable[bytes]) -> bytes:
    return field(LIST, b"".join([field(KEY, value) for value in values]))


def field_name(head: bytes) -> str:
    """The key of the payload with which an entry begins."""
    return head[number_at(head, 1)[1] :].decode("utf-8", "replace")


def _value(value: object) -> bytes:
    if isinstance(value, Mapping):
        return object_bytes(payload_entries(value))
    if isinstance(value, list | tuple):
        return list_bytes([_value(item) for item in value])
    return _scalar(value)


def _scalar(value: object) -> bytes:
    if isinstance(value, str):
        return field(TEXT, value.encode("utf-8", "surrogatepass"))
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, int):
        within = -_INT64 <= value < _INT64
        return INTEGER + varint(value & (2 * _INT64 - 1)) if within else field(_BEYOND, b"%d" % value)
    if isinstance(value, float):
        return DOUBLE + _double(value)
    if value is None:
        return NULL
    raise TypeError(f"{type(value).__name__} is not JSON")


def _long_key(entry: bytes) -> bytes:
    octets, at = number_at(entry, 1)
    return entry[: at + octets]


def vector_part(name: str, vector: Vector, kind: VectorKind | None) -> tuple[VectorPart, bool]:
    """A vector in its canonical form, and whether all of it is finite."""
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        floats, finite = plain_floats(np.asarray(vector.values)[order])
        shape = b"S" + len(order).to_bytes(4, "little") + np.asarray(vector.indices)[order].astype("<u4").tobytes()
    else:
        floats, finite = plain_floats(vector)
        if kind == "multi" or (kind is None and vector.ndim == 2):
            rows, size = vector.shape if vector.ndim == 2 else (1, vector.shape[0])
            shape = b"M" + rows.to_bytes(4, "little") + size.to_bytes(4, "little")
        else:
            shape = dense_shape(vector.size)
    raw = floats.tobytes()
    return (vector_head(name, shape, len(raw)), raw), finite


def dense_shape(size: int) -> bytes:
    return b"D" + size.to_bytes(4, "little")


def vector_head(name: str, shape: bytes, octets: int) -> bytes:
    """What stands before the floats of a vector, which take this many bytes."""
    label = name.encode("utf-8", "surrogatepass")
    return len(label).to_bytes(4, "little") + label + (len(shape) + octets).to_bytes(8, "little") + shape


def plain_floats(values: Floats) -> tuple[Floats, bool]:
    """Little-endian float32, and whether all are finite. Every NaN gets the same bits: REST can only say `null`."""
    array = np.ascontiguousarray(values, _FLOAT)
    # A sum of squares is finite only when everything in it is; should it overflow, the slower way is right as well.
    if math.isfinite(np.vdot(array, array)):
        return array, True
    return np.where(np.isnan(array), _NAN, array).astype(_FLOAT), bool(np.isfinite(array).all())


def stored_float(number: float) -> float:
    """A finite float as it comes back from the server: itself, or a neighbour.

    The server keeps payloads as JSON text and reads them with serde_json's fast number parser, which misses many floats
    of 16 or 17 digits by one unit in the last place: of 3,000 random numbers up to a million, 301 came back changed
    from 1.16.3, over gRPC and REST alike, and stayed as they were through rewrites, kills and the optimizer. Nothing
    can be done about it when writing; whoever compares a source with what is stored applies this first.

    Mostly settled after one reading. A point written over REST is read twice (the request, then the stored text), and
    tiny or huge numbers can move by one more unit then: 5.960464477539063e-08 came back as ...065e-08.
    """
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    found = _serde_parsed(int("".join(map(str, digits))), int(exponent))
    return -found if sign else found


def stored_payload(value: Any) -> Any:
    """A payload, or any part of one, as it comes back from the server."""
    if isinstance(value, float):
        return stored_float(value)
    if isinstance(value, dict):
        return {key: stored_payload(child) for key, child in value.items()}
    return [stored_payload(child) for child in value] if isinstance(value, list | tuple) else value


def _serde_parsed(significand: int, exponent: int) -> float:
    """`significand * 10**exponent` as serde_json's `f64_from_parts` works it out."""
    number = float(significand)
    while exponent < -308 and number:
        number /= 1e308
        exponent += 308
    if not number:
        return number
    power = float(f"1e{abs(exponent)}")
    return number * power if exponent >= 0 else number / power
