"""From gRPC messages to points, with as little Python as it takes: most of a scan's own time is spent here.

Floats are never touched one by one: a packed field is the little-endian float32 that an array needs.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from qdrant_admin.database.models import Floats, Point, PointId, Sparse, Vector, VectorKind
from qdrant_admin.database.packed import packed_floats
from qdrant_admin.database.rest_points import Kinds

_FLOAT = np.dtype("<f4")
_AS_IT_IS = frozenset({"string_value", "integer_value", "bool_value"})
_BEYOND_INTEGERS = 2.0**63


def points_in(raw: Iterable[Any], kinds: Kinds) -> tuple[list[Point], list[PointId]]:
    """The points of an answer, and the ids of those whose payload may have been rounded on the way.

    gRPC makes an integer above 2^63-1 a float; so of a point with a float that large nobody knows what it holds.
    """
    points: list[Point] = []
    doubtful: list[PointId] = []
    large: list[float] = []
    for one in raw:
        vectors = vectors_in(one.vectors, kinds) if one.HasField("vectors") else {}
        point = Point(id_in(one.id), payload_in(one.payload, large), vectors)
        points.append(point)
        if large:
            doubtful.append(point.id)
            large.clear()
    return points, doubtful


def id_in(raw: Any) -> PointId:
    """An id."""
    return int(raw.num) if raw.WhichOneof("point_id_options") == "num" else str(raw.uuid)


def payload_in(fields: Any, large: list[float]) -> dict[str, Any]:
    """A payload; floats from 2^63 on are put into `large` as well."""
    return {key: value_in(value, large) for key, value in fields.items()}


def value_in(raw: Any, large: list[float]) -> Any:
    """A payload value; see `payload_in`."""
    kind = raw.WhichOneof("kind")
    if kind in _AS_IT_IS:
        return getattr(raw, kind)
    if kind == "double_value":
        number = raw.double_value
        if number >= _BEYOND_INTEGERS:
            large.append(number)
        return number
    if kind == "struct_value":
        return payload_in(raw.struct_value.fields, large)
    if kind == "list_value":
        return [value_in(value, large) for value in raw.list_value.values]
    return None


def vectors_in(raw: Any, kinds: Kinds) -> dict[str, Vector]:
    """The vectors of a point, by name."""
    if raw.WhichOneof("vectors_options") == "vector":
        return {"": vector_in(raw.vector, kinds.get("", "dense"))}
    return {name: vector_in(one, kinds.get(name, "dense")) for name, one in raw.vectors.vectors.items()}


def vector_in(raw: Any, kind: VectorKind) -> Vector:
    """One vector."""
    form = raw.WhichOneof("vector")
    if kind == "sparse":
        indices, values = (raw.sparse.indices, raw.sparse.values) if form == "sparse" else (raw.indices.data, raw.data)
        keys, floats = np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32)
        order = np.argsort(keys, kind="stable")
        return Sparse(keys[order], floats[order])
    if form == "multi_dense":
        return np.array([_floats_in(row) for row in raw.multi_dense.vectors], dtype=np.float32)
    dense = _floats_in(raw.dense if form == "dense" else raw)
    if kind == "multi":
        # A multivector of one row looks dense over gRPC; only the collection's config tells.
        return dense.reshape(max(1, raw.vectors_count) if form is None else 1, -1)
    return dense


def _floats_in(message: Any) -> Floats:
    """The floats of a message whose field 1 holds them; read-only."""
    packed = message.SerializeToString()
    start, octets = packed_floats(packed)
    return np.frombuffer(packed, _FLOAT, octets >> 2, start)
