"""Pages of points: a `WirePage` keeps the bytes that gRPC brought, a `MadePage` the points that REST was read into.

A point that is found and a point that is sent differ in the numbers of two fields only. So points on their way from one
server to another are taken apart no further than that, and hashes are taken of the bytes that came. The same points
have the same hashes in both kinds of page.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from typing import Literal, Self

from qdrant_admin.database.canonical import PointHash, VectorPart, hash_parts, hash_point, payload_entries
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import Floats, Kinds, Point, PointId, VectorSpec
from qdrant_admin.database.protobuf import KEY, field, id_of, messages
from qdrant_admin.database.wire_fields import (
    canonical_entries,
    dense_rows,
    may_be_rounded,
    needs_order,
    payload_of,
    vector_columns,
    vectors_of,
)

_AT_ONCE = 128
"""Points whose vectors are one array: they should stay near the processor."""


class MadePage:
    """Points that were read over REST."""

    octets = 0

    def __init__(self, points: Sequence[Point], next_offset: PointId | None = None) -> None:
        self.next_offset = next_offset
        self._points = list(points)

    def __len__(self) -> int:
        return len(self._points)

    def ids(self) -> list[PointId]:
        return [point.id for point in self._points]

    def points(self, kinds: Kinds) -> list[Point]:  # noqa: ARG002 # they were made with them
        return self._points

    def doubtful(self) -> dict[int, PointId]:
        return {}

    def hashes(self, kinds: Kinds) -> list[PointHash]:
        return [hash_point(point, kinds) for point in self._points]

    def entries(self, key: str) -> list[bytes]:
        having = (point.payload for point in self._points if key in point.payload)
        return [entry for payload in having for entry in payload_entries({key: payload[key]})]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a page has shown."""

    doubtful: bool = False
    """Whether its points have to be checked one by one: a vector is not finite or fits no slot, or a payload may have
    been rounded over gRPC."""
    zero_vectors: int = 0
    """Vectors of zeros in slots with the distance Cosine."""


class WirePage:
    """Points of one collection as they came.

    Args:
        answer: a `ScrollResponse`, whose points stand in the server's order, or a `GetResponse`, which has no order.
        form: which of the two, as a message of `protobuf.SCHEMA`.
    """

    def __init__(self, answer: bytes, form: Literal["Page", "Points"] = "Page") -> None:
        page = messages()[form].FromString(answer)
        self._points = page.points
        self.octets = len(answer)
        self.next_offset: PointId | None = id_of(page.next) if form == "Page" and page.next else None
        """Id of the first point of the next page; None after the last."""

    def __len__(self) -> int:
        return len(self._points)

    def ids(self) -> list[PointId]:
        return [id_of(point.id) for point in self._points]

    def first(self) -> PointId:
        return id_of(self._points[0].id)

    def last(self) -> PointId:
        return id_of(self._points[-1].id)

    def drop(self, *, first: int = 0, last: int = 0) -> None:
        """Leave out points at its beginning and at its end. To be called before anything else."""
        del self._points[len(self._points) - last :]
        del self._points[:first]

    @cached_property
    def _payloads(self) -> list[list[bytes]]:
        """The entries of each payload, sorted; objects nested in them are as they came."""
        return [sorted(point.payload) for point in self._points]

    @cached_property
    def _together(self) -> bytes:
        return b"".join(chain.from_iterable(self._payloads))

    @property
    def _vectors(self) -> list[bytes]:
        return [point.vectors for point in self._points]

    def points(self, kinds: Kinds) -> list[Point]:
        """Its points. The payloads of the `doubtful` ones have to be read again over REST."""
        vectors = vectors_of(self._vectors, kinds)
        return [
            Point(id_of(raw.id), payload_of(raw.payload), own) for raw, own in zip(self._points, vectors, strict=True)
        ]

    def doubtful(self) -> dict[int, PointId]:
        """Places and ids of the points whose payload may have been rounded over gRPC."""
        if not may_be_rounded(self._together):
            return {}
        places = [place for place, entries in enumerate(self._payloads) if may_be_rounded(b"".join(entries))]
        return {place: id_of(self._points[place].id) for place in places}

    # -- hashing --------------------------------------------------------------------------------------------------

    def hashes(self, kinds: Kinds) -> list[PointHash]:
        anyway = needs_order(self._together)
        parts = (slice(start, start + _AT_ONCE) for start in range(0, len(self._points), _AT_ONCE))
        return [hashed for part in parts for hashed in self._hashes(part, kinds, anyway=anyway)]

    def _hashes(self, part: slice, kinds: Kinds, *, anyway: bool) -> Iterator[PointHash]:
        """Of some of the points; `anyway`: their payloads have to be brought into their canonical form."""
        points = self._points[part]
        # An empty key is left out on the wire, and its entry comes last then.
        payloads = [
            canonical_entries(entries) if anyway or (entries and not entries[-1].startswith(KEY)) else entries
            for entries in self._payloads[part]
        ]
        columns = vector_columns([point.vectors for point in points], kinds)
        names = tuple([column.name for column in columns])
        odd = frozenset(place for column in columns for place in column.odd)
        vectors = zip(*(column.parts for column in columns), strict=True) if columns else repeat(())
        keys = [id_key(id_of(point.id)) for point in points]
        fields: tuple[bytes, ...] = ()
        for place, (key, entries, parts) in enumerate(zip(keys, payloads, vectors, strict=False)):
            held, present = (names, parts) if None not in parts else _present(names, parts)
            hashed = hash_parts(key, entries, held, present, like=fields, non_finite=place in odd)
            fields = hashed.fields
            yield hashed

    def entries(self, key: str) -> list[bytes]:
        """What its points have in this field of their payload, as canonical entries."""
        head = field(KEY, key.encode("utf-8", "surrogatepass"))
        return [entry for entries in self._payloads for entry in entries if entry.startswith(head)]

    # -- copying --------------------------------------------------------------------------------------------------

    def request(self, collection: str, *, wait: bool) -> bytes:
        """An `UpsertPoints` that stores these points."""
        made = messages()["Upsert"](collection=collection, wait=wait)
        add = made.points.add
        for point in self._points:
            sent = add(id=point.id, payload=point.payload)
            if point.vectors:
                sent.vectors.MergeFromString(point.vectors)
            else:
                sent.vectors.vectors.SetInParent()
        return bytes(made.SerializeToString())

    def look(self, slots: Mapping[str, VectorSpec]) -> Look:
        """Whether these points can be written as they are to a target with these slots."""
        columns = vector_columns(self._vectors, {name: slot.kind for name, slot in slots.items()})
        if any(column.odd or column.name not in slots for column in columns) or may_be_rounded(self._together):
            return Look(doubtful=True)
        cosine = (column for column in columns if slots[column.name].distance == "Cosine")
        return Look(zero_vectors=sum(part is not None and _zero(part[1]) for column in cosine for part in column.parts))

    def unlike(self, other: Self, places: Iterable[tuple[int, int]]) -> list[int]:
        """Of pairs of a place here and one in `other`, the places here whose point does not hold the same bytes there.

        Only the order of the fields of a payload and of named vectors does not matter: it differs from read to read.
        """
        return [own for own, theirs in places if not self._same(own, other, theirs)]

    def _same(self, own: int, other: Self, theirs: int) -> bool:
        vectors_same = self._points[own].vectors == other._points[theirs].vectors
        if vectors_same and self._payloads[own] == other._payloads[theirs]:
            return True
        return self._content(own) == other._content(theirs)

    def _content(self, place: int) -> tuple[list[bytes], list[bytes]]:
        """Payload and vectors of a point in one order, and with floats packed in one way."""
        payload, found = self._payloads[place], messages()["Vectors"].FromString(self._points[place].vectors)
        if needs_order(b"".join(payload)) or (payload and not payload[-1].startswith(KEY)):
            payload = canonical_entries(payload)
        # As bytes: the messages themselves take 0.0 and -0.0 for the same.
        named = sorted(one.SerializeToString() for one in found.vectors.vectors)
        return payload, named or [found.vector.SerializeToString()]

    # -- comparing with points by id --------------------------------------------------------------------------------

    @cached_property
    def places(self) -> dict[PointId, int]:
        return {id_of(point.id): place for place, point in enumerate(self._points)}

    def holding(self, payloads: Sequence[Sequence[bytes]], places: Sequence[int | None]) -> list[bool]:
        """Which payloads, as `encoding.entries` makes them, are surely those of the points at these places.

        A place is None for a point that was not found.
        """
        doubt = may_be_rounded(b"".join(chain.from_iterable(payloads)))  # of all at once: nearly always none
        return [
            place is not None
            and self._payloads[place] == sorted(entries)
            and not (doubt and may_be_rounded(b"".join(entries)))
            for place, entries in zip(places, payloads, strict=True)
        ]

    def vectors(self, name: str) -> Floats | None:
        """The dense vectors of that name, a row per point; see `dense_rows`."""
        return dense_rows(self._vectors, name)


Page = MadePage | WirePage


def _present(
    names: tuple[str, ...], parts: Sequence[VectorPart | None]
) -> tuple[tuple[str, ...], tuple[VectorPart, ...]]:
    there = [(name, part) for name, part in zip(names, parts, strict=True) if part is not None]
    return tuple([name for name, _ in there]), tuple([part for _, part in there])


def _zero(floats: bytes | memoryview) -> bool:
    """Whether all are zero. Looks at the first components, and further only where those are."""
    return not bytes(floats[:8]).strip(b"\0") and not bytes(floats).strip(b"\0")
