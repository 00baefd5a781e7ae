"""From points to gRPC requests, with as little Python as it takes.

A protobuf message is its fields one behind the other, so parts that are made apart are joined as bytes; a packed field
of floats is the little-endian float32 that an array holds already.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from qdrant_client import grpc as wire

from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import Point, PointId, Sparse, Vector
from qdrant_admin.database.rest_points import MAX_BATCH_BYTES

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 24
"""Nested lists and objects; protobuf stops at 100 messages, and each level takes up to three."""
_DATA = b"\x0a"
"""Field 1 with a length: the floats of a dense vector, and whatever else is the first of its message."""
_DENSE, _SPARSE, _MULTI = b"\xaa\x06", b"\xb2\x06", b"\xba\x06"
"""Fields 101 to 103 of a vector."""
_SECOND, _POINTS, _VECTORS = b"\x12", b"\x1a", b"\x22"
"""Field 2; the points of a request (3); the vectors of a point (4)."""


def carries(payload: dict[str, Any]) -> bool:
    """Whether gRPC can carry this payload."""
    stack: list[tuple[Any, int]] = [(payload, 1)]
    while stack:
        item, depth = stack.pop()
        children: Any = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else None
        if children is None:
            if isinstance(item, int) and item > MAX_INTEGER:
                return False
        elif depth > MAX_DEPTH:
            return False
        else:
            stack += [(child, depth + 1) for child in children if isinstance(child, int | dict | list | tuple)]
    return True


def requests(name: str, points: Sequence[Point], *, wait: bool) -> Iterator[bytes]:
    """`UpsertPoints` requests with these points, in their order, cut to what a server takes well."""
    head = bytes(wire.UpsertPoints(collection_name=name, wait=wait).SerializeToString())
    parts, octets = [head], 0
    for point in points:
        raw = _field(_POINTS, _point(point))
        if octets and octets + len(raw) > MAX_BATCH_BYTES:
            yield b"".join(parts)
            parts, octets = [head], 0
        parts.append(raw)
        octets += len(raw)
    if octets:
        yield b"".join(parts)


def id_out(value: PointId) -> Any:
    """An id as gRPC has it."""
    one = point_id(value)
    return wire.PointId(num=one) if isinstance(one, int) else wire.PointId(uuid=one)


def _point(point: Point) -> bytes:
    raw = wire.PointStruct(id=id_out(point.id))
    for key, value in point.payload.items():
        _fill(raw.payload[key], value)
    return bytes(raw.SerializeToString()) + _field(_VECTORS, _vectors(point.vectors))


def _vectors(vectors: dict[str, Vector]) -> bytes:
    only = vectors.get("") if len(vectors) == 1 else None
    if only is not None and not isinstance(only, Sparse):
        return _field(_DATA, _vector(only))
    named = (
        _field(_DATA, _field(_DATA, name.encode()) + _field(_SECOND, _vector(one))) for name, one in vectors.items()
    )
    return _field(_SECOND, b"".join(named))


def _vector(vector: Vector) -> bytes:
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        indices = wire.SparseVector(indices=vector.indices[order].tolist()).SerializeToString()
        return _field(_SPARSE, _field(_DATA, _floats(vector.values[order])) + indices)
    if vector.ndim == 2:
        return _field(_MULTI, b"".join(_field(_DATA, _field(_DATA, _floats(row))) for row in vector))
    return _field(_DENSE, _field(_DATA, _floats(vector)))


def _floats(vector: Any) -> bytes:
    return bytes(np.ascontiguousarray(vector, dtype="<f4").tobytes())


def _field(tag: bytes, content: bytes) -> bytes:
    """A field whose content has a length."""
    length, octets = len(content), tag
    while length > 0x7F:
        octets += bytes((length & 0x7F | 0x80,))
        length >>= 7
    return octets + bytes((length,)) + content


def _fill(raw: Any, value: Any) -> None:
    if value is None:
        raw.null_value = 0
    elif isinstance(value, bool):
        raw.bool_value = value
    elif isinstance(value, str):
        raw.string_value = value
    elif isinstance(value, int):
        raw.integer_value = value
    elif isinstance(value, float):
        raw.double_value = value if math.isfinite(value) else math.nan
    elif isinstance(value, dict):
        raw.struct_value.SetInParent()
        for key, child in value.items():
            _fill(raw.struct_value.fields[key], child)
    else:
        raw.list_value.SetInParent()
        for child in value:
            _fill(raw.list_value.values.add(), child)
