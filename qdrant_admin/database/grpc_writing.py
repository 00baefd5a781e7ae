"""From points to gRPC requests."""

from collections.abc import Iterator, Sequence
from typing import Any

from qdrant_client import grpc as wire

from qdrant_admin.database import encoding
from qdrant_admin.database.encoding import MAX_DEPTH, MAX_INTEGER
from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import Point, PointId


def carries(payload: dict[str, Any]) -> bool:
    """Whether gRPC can carry this payload."""
    stack: list[tuple[Any, int]] = [(payload, 1)]
    while stack:
        item, depth = stack.pop()
        children: Any = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        if children is None:
            if isinstance(item, tuple) or (isinstance(item, int) and item > MAX_INTEGER):
                return False
        elif depth > MAX_DEPTH:
            return False
        else:
            stack += [(child, depth + 1) for child in children if isinstance(child, int | dict | list | tuple)]
    return True


def requests(name: str, points: Sequence[Point], *, wait: bool) -> Iterator[bytes]:
    """`UpsertPoints` requests with these points, in their order, cut to what a server takes well."""
    made = (encoding.point_bytes(point_id(point.id), point.payload, point.vectors) for point in points)
    return encoding.requests(name, made, wait=wait)


def id_out(value: PointId) -> Any:
    """An id as gRPC has it."""
    one = point_id(value)
    return wire.PointId(num=one) if isinstance(one, int) else wire.PointId(uuid=one)
