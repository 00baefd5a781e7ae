"""Points over REST: JSON to `Point` and back, pages, batches cut to size."""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import (
    Fields,
    Floats,
    Kinds,
    Point,
    PointId,
    PointPage,
    ShardKey,
    Sparse,
    Vector,
    VectorKind,
)
from qdrant_admin.database.names import quoted
from qdrant_admin.database.rest import MAX_BATCH_BYTES, Rest, as_expected, encode

_BEYOND_JSON = (-(2**63), 2**64)


def vector_from_json(value: Any, kind: VectorKind) -> Vector:
    """A vector as REST writes it. `null` components, REST's word for NaN and infinity, become NaN."""
    if isinstance(value, dict):
        indices = np.asarray(value["indices"], dtype=np.uint32)
        values = _floats(value["values"])
        order = np.argsort(indices, kind="stable")
        return Sparse(indices[order], values[order])
    if kind == "multi":
        rows = [_floats(row) for row in value]
        return np.stack(rows) if rows else np.empty((0, 0), dtype=np.float32)
    return _floats(value)


def _floats(values: Sequence[float | None]) -> Floats:
    try:
        return np.frombuffer(struct.pack(f"<{len(values)}f", *values), "<f4")  # twice as fast as an array of a list
    except struct.error:
        return np.array([math.nan if value is None else value for value in values], dtype=np.float32)


def vector_to_json(vector: Vector) -> object:
    """A vector as REST takes it; sparse indices ascending."""
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        return {"indices": vector.indices[order].tolist(), "values": vector.values[order].tolist()}
    return np.asarray(vector, dtype=np.float32).tolist()


def point_from_json(raw: Fields, kinds: Kinds) -> Point:
    vectors = raw.get("vector")
    if vectors is None:
        vectors = {}
    elif not isinstance(vectors, dict):
        vectors = {"": vectors}
    found = {name: vector_from_json(value, kinds.get(name, "dense")) for name, value in vectors.items()}
    return Point(id=raw["id"], payload=raw.get("payload") or {}, vectors=found)


def point_to_json(point: Point) -> dict[str, object]:
    made = {name: vector_to_json(vector) for name, vector in point.vectors.items()}
    alone = made.keys() == {""} and not isinstance(point.vectors[""], Sparse)
    return {"id": point_id(point.id), "vector": made[""] if alone else made, "payload": point.payload}


def check_payload(value: object, where: str = "payload") -> None:
    """Raise `BadInput` for what the server would change in silence or not take.

    That is an integer that 64 bits cannot hold (the server would keep a float), NaN, infinity, a lone surrogate, a key
    that is not text, or a value that is not JSON.
    """
    stack: list[tuple[str, object]] = [(where, value)]
    while stack:
        path, item = stack.pop()
        reason = _unfit(item)
        if reason:
            raise BadInput(f"{plain(path[:200])} cannot be stored unchanged", why=reason, fix="store it as text")
        if isinstance(item, dict):
            stack += [(f"{path}.{key}", child) for key, child in item.items()]
            keys = [key if isinstance(key, str) else b"" for key in item]
            stack += [(f"a key of {path}", key) for key in keys]
        elif isinstance(item, list | tuple):
            stack += [(f"{path}[{index}]", child) for index, child in enumerate(item)]


def _unfit(item: object) -> str:
    if item is None or isinstance(item, bool | dict | list | tuple):
        return ""
    if isinstance(item, str):
        return "" if item.isascii() or _encodable(item) else "it is not valid Unicode text (a lone surrogate)"
    if isinstance(item, int):
        return "" if _BEYOND_JSON[0] <= item < _BEYOND_JSON[1] else "an integer beyond 64 bits would become a float"
    if isinstance(item, float):
        return "" if math.isfinite(item) else "JSON has no NaN and no infinity"
    return f"{type(item).__name__} is not JSON"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_point(point: Point) -> None:
    """Raise `BadInput` for a point that a server would refuse or change in silence, before its batch is sent.

    gRPC stores NaN and infinity in a vector without an error, and REST then reads them as `null`.
    """
    where = f"point {point_id(point.id)}"
    check_payload(point.payload, where)
    for name, vector in point.vectors.items():
        numbers = vector.values if isinstance(vector, Sparse) else vector
        if not np.isfinite(numbers).all():
            slot = f"vector “{plain(name)}”" if name else "the vector"
            raise BadInput(f"{slot} of {where} holds NaN or infinity", why="no distance to it can be told")


def in_shard(key: ShardKey | None) -> dict[str, object]:
    """The field of a request that asks the shards of this key alone; nothing for all of them."""
    return {} if key is None else {"shard_key": key}


class RestPoints:
    """Bulk reads and writes over REST."""

    def __init__(self, rest: Rest, timeout: float) -> None:
        self._rest, self._timeout = rest, timeout

    @as_expected
    def page(
        self,
        name: str,
        kinds: Kinds,
        *,
        limit: int,
        offset: PointId | None,
        payload: bool,
        vectors: bool,
        only: Mapping[str, object] | None = None,
    ) -> PointPage:
        """One page in the server's order, from `offset` on; `only` are fields of the request: `filter`, `shard_key`."""
        body: dict[str, object] = {"limit": limit, "with_payload": payload, "with_vector": vectors} | dict(only or {})
        if offset is not None:
            body["offset"] = point_id(offset)
        result = self._rest.call("POST", f"/collections/{quoted(name)}/points/scroll", body, timeout=self._timeout)
        points = [point_from_json(raw, kinds) for raw in result["points"]]
        return PointPage(points, result.get("next_page_offset"))

    @as_expected
    def retrieve(
        self, name: str, ids: Sequence[PointId], kinds: Kinds, *, vectors: bool, shard: ShardKey | None = None
    ) -> list[Point]:
        """The points of these ids that exist, in no order."""
        body = {"ids": list(ids), "with_payload": True, "with_vector": vectors} | in_shard(shard)
        result = self._rest.call("POST", f"/collections/{quoted(name)}/points", body, timeout=self._timeout)
        return [point_from_json(raw, kinds) for raw in result]

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool) -> None:
        """Write the points, in as many requests as their size asks for."""
        params = {"wait": "true" if wait else "false"}
        for batch in _batches(points):
            body = b'{"points":[' + b",".join(batch) + b"]}"
            path = f"/collections/{quoted(name)}/points"
            self._rest.call("PUT", path, body, timeout=self._timeout, params=params)


def _batches(points: Sequence[Point]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for point in points:
        text = encode(point_to_json(point))
        if batch and size + len(text) > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield batch
