"""Points as the bytes of a gRPC upsert (Qdrant's `points.proto`), made without message objects.

A protobuf message is its fields one after the other, so parts made separately are joined as bytes; a packed field of
floats is the little-endian float32 that an array holds already.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from qdrant_admin.database.models import Floats, PointId, Sparse, Vector
from qdrant_admin.database.protobuf import (
    DOUBLE,
    FALSE,
    FEW,
    FIRST,
    FOURTH,
    INTEGER,
    LENGTHS,
    LIST,
    NULL,
    OBJECT,
    SECOND,
    TEXT,
    THIRD,
    TRUE,
    field,
    id_bytes,
    sized,
    varint,
)
from qdrant_admin.database.rest import MAX_BATCH_BYTES

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 24
"""Nested lists and objects; protobuf stops at 100 messages, and each level takes up to three."""
_MIN_INTEGER = -(2**63)
_DENSE, _SPARSE, _MULTI = b"\xaa\x06", b"\xb2\x06", b"\xba\x06"
"""Fields 101 to 103 of a vector."""
_WAIT = b"\x10\x01"
_double = struct.Struct("<d").pack


class NotEncodable(ValueError):
    """A payload that gRPC would not carry as it is: a number would change, it is not JSON, or nested too deeply.

    Everything here that takes payloads raises it, and `UnicodeEncodeError` for half of a surrogate pair.
    """


def requests(collection: str, points: Iterable[bytes], *, wait: bool) -> Iterator[bytes]:
    """`UpsertPoints` requests with these points, in their order, cut to what a server takes well."""
    head = field(FIRST, collection.encode()) + (_WAIT if wait else b"")
    parts, octets = [head], 0
    for point in points:
        if octets and octets + len(point) > MAX_BATCH_BYTES:
            yield b"".join(parts)
            parts, octets = [head], 0
        parts.append(point)
        octets += len(point)
    if octets:
        yield b"".join(parts)


def point_bytes(identity: PointId, payload: Mapping[str, object], vectors: Mapping[str, Vector]) -> bytes:
    content = _id(identity) + payload_bytes(payload) + field(FOURTH, _vectors(vectors))
    return field(THIRD, content)


def matrix_bytes(
    ids: Iterable[PointId], payloads: Sequence[Mapping[str, object]], vectors: Floats, name: str
) -> list[bytes]:
    """Points of a request that have one dense vector of that name each, a row of `vectors`.

    The ids are as the server keeps them.
    """
    width = 4 * vectors.shape[1]
    head = field(FOURTH, _vectors({name: np.zeros(vectors.shape[1], dtype=np.float32)}))[:-width]
    rows, behind = memoryview(_floats(vectors)), len(head) + width
    made = []
    for start, identity, fields in zip(range(0, len(rows), width), ids, entries_of_all(payloads), strict=True):
        content = _id(identity) + _payload(fields)
        made.append(b"".join((THIRD, varint(len(content) + behind), content, head, rows[start : start + width])))
    return made


def ids_bytes(ids: Iterable[PointId]) -> bytes:
    """The field of a `GetPoints` request that holds the ids, which are as the server keeps them."""
    return b"".join([field(SECOND, id_bytes(one)) for one in ids])


def payload_bytes(payload: Mapping[str, object]) -> bytes:
    return _payload(entries(payload))


def entries(items: Mapping[str, object], depth: int = 1) -> list[bytes]:
    """The fields of a payload, or of an object in it, each by itself."""
    if depth > MAX_DEPTH:
        raise NotEncodable("nested too deeply")
    return [_key(key) + sized(_value(value, depth)) for key, value in items.items()]


def entries_of_all(payloads: Sequence[Mapping[str, object]]) -> list[list[bytes]]:
    """The fields of many payloads, those of each as `entries` makes them: quicker where all have the same keys."""
    keys = list(payloads[0]) if payloads else []
    if not keys or any(list(one) != keys for one in payloads):
        return [entries(one) for one in payloads]
    columns = [_column(_key(key), [one[key] for one in payloads]) for key in keys]
    return [list(fields) for fields in zip(*columns, strict=True)]


def _column(key: bytes, values: Sequence[Any]) -> list[bytes]:
    kinds = set(map(type, values))
    if kinds == {str}:
        texts = [value.encode() for value in values]
        if max(map(len, texts)) < FEW:
            return [key + _TEXTS[len(text)] + text for text in texts]
    if kinds == {float} and all(map(math.isfinite, values)):
        head = key + varint(len(DOUBLE) + 8) + DOUBLE
        return [head + _double(value) for value in values]
    return [key + sized(_value(value, 1)) for value in values]


def _payload(fields: Iterable[bytes]) -> bytes:
    return b"".join([THIRD + sized(field) for field in fields])


@lru_cache(maxsize=4096)
def _key(key: str) -> bytes:
    """The key of an entry, and how its value begins."""
    if not isinstance(key, str):
        raise NotEncodable("a key that is not text")
    return field(FIRST, key.encode()) + SECOND


def _value(value: object, depth: int) -> bytes:
    form = _FORMS.get(type(value)) or next((made for kind, made in _FORMS.items() if isinstance(value, kind)), None)
    if form is None:
        raise NotEncodable(f"a {type(value).__name__}")
    return form(value, depth)


def _integer(value: int, _depth: int) -> bytes:
    if not _MIN_INTEGER <= value <= MAX_INTEGER:
        raise NotEncodable("an integer beyond 64 bits")
    return INTEGER + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def _float(value: float, _depth: int) -> bytes:
    if not math.isfinite(value):
        raise NotEncodable("a number that is not finite")
    return DOUBLE + _double(value)


def _list(value: list[object], depth: int) -> bytes:
    if depth >= MAX_DEPTH:
        raise NotEncodable("nested too deeply")
    return field(LIST, b"".join([field(FIRST, _value(item, depth + 1)) for item in value]))


_FORMS: dict[type, Callable[[Any, int], bytes]] = {
    str: lambda value, _: field(TEXT, value.encode()),
    bool: lambda value, _: TRUE if value else FALSE,
    int: _integer,
    float: _float,
    type(None): lambda _value, _depth: NULL,
    dict: lambda value, depth: field(OBJECT, b"".join([field(FIRST, one) for one in entries(value, depth + 1)])),
    list: _list,
}
"""How a value of each type is written; bool stands before int, of which it is a subclass."""


def _id(identity: PointId) -> bytes:
    return field(FIRST, id_bytes(identity))


def _vectors(vectors: Mapping[str, Vector]) -> bytes:
    only = vectors.get("") if len(vectors) == 1 else None
    if only is not None and not isinstance(only, Sparse):
        return field(FIRST, _vector(only))
    named = (field(FIRST, field(FIRST, name.encode()) + field(SECOND, _vector(one))) for name, one in vectors.items())
    return field(SECOND, b"".join(named))


def _vector(vector: Vector) -> bytes:
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        indices = b"".join(map(varint, vector.indices[order].tolist()))
        return field(_SPARSE, field(FIRST, _floats(vector.values[order])) + field(SECOND, indices))
    if vector.ndim == 2:
        return field(_MULTI, b"".join(field(FIRST, field(FIRST, _floats(row))) for row in vector))
    return field(_DENSE, field(FIRST, _floats(vector)))


def _floats(vector: Floats) -> bytes:
    return bytes(np.ascontiguousarray(vector, dtype="<f4").tobytes())


_TEXTS = [varint(len(TEXT + length) + number) + TEXT + length for number, length in enumerate(LENGTHS)]
"""What stands between a key and a text of so many bytes."""
