"""Points on their way from one server to another, as the bytes that they are on the wire.

A point that is found and a point that is sent differ in the numbers of two fields only. So points are taken apart no
further than that: ids, entries of the payload and components of vectors stay bytes, and nothing of them is turned into
Python and back. Vectors are looked at all the same, as one array a page.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qdrant_admin.database.models import PointId, VectorSpec
from qdrant_admin.database.packed import packed_floats
from qdrant_admin.database.wire_messages import id_of, messages
from qdrant_admin.database.wire_payload import may_be_rounded


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a page has shown."""

    doubtful: bool = False
    """Something in it needs a closer look, point by point: a vector that is not all finite or that no slot takes, or a
    payload that gRPC may have rounded."""
    zero_vectors: int = 0
    """Vectors without a direction where only the direction counts."""


class WirePage:
    """Some points of one collection, in the server's order, and where the next page begins.

    Args:
        answer: a `ScrollResponse` as it came.
    """

    def __init__(self, answer: bytes) -> None:
        page = messages()["Page"].FromString(answer)
        self._points = page.points
        self._ids: list[PointId] | None = None
        self.octets = len(answer)
        self.next_offset: PointId | None = id_of(page.next) if page.next else None

    def __len__(self) -> int:
        return len(self._points)

    def ids(self) -> list[PointId]:
        """Of its points, in their order."""
        if self._ids is None:
            self._ids = [id_of(point.id) for point in self._points]
        return self._ids

    def first(self) -> PointId:
        """The id of the first point."""
        return id_of(self._points[0].id)

    def last(self) -> PointId:
        """The id of the last point."""
        return id_of(self._points[-1].id)

    def drop(self, *, first: int = 0, last: int = 0) -> None:
        """Leave out so many points at its beginning and at its end."""
        del self._points[len(self._points) - last :]
        del self._points[:first]
        self._ids = None

    def request(self, collection: str, *, wait: bool) -> bytes:
        """An `UpsertPoints` that stores these points."""
        made = messages()["Upsert"](collection=collection, wait=wait)
        add = made.points.add
        for point in self._points:
            sent = add(id=point.id, payload=point.payload, vectors=point.vectors)
            if not point.HasField("vectors"):
                sent.vectors.vectors.SetInParent()
        return bytes(made.SerializeToString())

    def unlike(self, other: "WirePage", places: Iterable[tuple[int, int]]) -> list[int]:
        """Its own ones of those places at which it and another page do not hold the same, byte for byte.

        Only the order of the fields of a payload and of named vectors does not matter: it differs from read to read.
        """
        theirs = other._points  # noqa: SLF001 # of its own class
        return [place for place, there in places if not _same(self._points[place], theirs[there])]

    def look(self, slots: Mapping[str, VectorSpec]) -> Look:
        """What can be told of these points for a target with these slots."""
        floats: dict[str, list[bytes]] = {}
        for point in self._points:
            for name, vector in _named(point.vectors):
                floats.setdefault(name, []).append(_components(vector))
        if not all(name in slots and _finite(parts) for name, parts in floats.items()):
            return Look(doubtful=True)
        if any(may_be_rounded(b"".join(point.payload)) for point in self._points):
            return Look(doubtful=True)
        cosine = (parts for name, parts in floats.items() if slots[name].distance == "Cosine")
        return Look(zero_vectors=sum(_zeros(parts) for parts in cosine))


def _same(one: Any, two: Any) -> bool:
    # Not the messages themselves: they would take 0.0 and -0.0 for the same.
    if one.vectors.SerializeToString() == two.vectors.SerializeToString() and sorted(one.payload) == sorted(
        two.payload
    ):
        return True
    return _canonical(one) == _canonical(two)


def _canonical(point: Any) -> bytes:
    """The same bytes for the same point, in whatever order its fields and vectors came, at any depth."""
    from qdrant_client import grpc

    whole = grpc.RetrievedPoint.FromString(point.SerializeToString())
    return bytes(whole.SerializeToString(deterministic=True))


def _named(vectors: Any) -> Iterable[tuple[str, Any]]:
    if vectors.HasField("vector"):
        return (("", vectors.vector),)
    return [(one.name, one.vector) for one in vectors.vectors.vectors]


def _components(vector: Any) -> bytes:
    """The floats of a vector, in whichever of its forms it came."""
    if vector.HasField("multi"):
        return b"".join(_floats(row) for row in vector.multi.vectors)
    if vector.HasField("sparse"):
        return _floats(vector.sparse)
    return _floats(vector.dense if vector.HasField("dense") else vector)


def _floats(message: Any) -> bytes:
    packed: bytes = message.SerializeToString()
    start, octets = packed_floats(packed)
    return packed[start : start + octets]


def _finite(vectors: list[bytes]) -> bool:
    # A sum of squares is finite only when everything in it is; should it overflow, the closer look finds nothing.
    array = np.frombuffer(b"".join(vectors), dtype="<f4")
    return math.isfinite(np.vdot(array, array))


def _zeros(vectors: list[bytes]) -> int:
    """How many are all zero. Looks at the first components, and further only where those are."""
    return sum(not vector[:8].strip(b"\0") and not vector.strip(b"\0") for vector in vectors)
