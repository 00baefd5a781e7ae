"""Pages of points to be hashed: as bytes from the wire, or made already where there are no such bytes.

Whichever it is, the same points have the same hashes.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain, repeat
from typing import Protocol

from qdrant_admin.database.canonical import (
    KEY,
    Kinds,
    PointHash,
    VectorPart,
    hash_parts,
    hash_point,
    id_key,
    payload_entries,
    with_length,
)
from qdrant_admin.database.models import Point, PointId
from qdrant_admin.database.wire_messages import id_of, messages
from qdrant_admin.database.wire_payload import canonical_entries, may_be_rounded, needs_order
from qdrant_admin.database.wire_vectors import vector_columns

_AT_ONCE = 128
"""Points whose vectors are one array: they should stay near the processor."""


class Page(Protocol):
    """Some points, and where the next page begins."""

    @property
    def next_offset(self) -> PointId | None:
        """Id of the first point of the next page; None behind the last."""
        ...

    @property
    def octets(self) -> int:
        """Bytes that it took on the way; 0 where that is not known."""
        ...

    def __len__(self) -> int: ...

    def hashes(self, kinds: Kinds) -> Iterator[PointHash]:
        """Of its points, in their order."""
        ...

    def doubtful(self) -> dict[int, PointId]:
        """Places and ids of the points whose payload may have been rounded on the way."""
        ...

    def entries(self, key: str) -> list[bytes]:
        """What its points have in this field of their payload, see `wire_payload.value_of`."""
        ...


class MadePage:
    """Points that are made already."""

    octets = 0

    def __init__(self, points: Sequence[Point], next_offset: PointId | None = None) -> None:
        self.next_offset = next_offset
        self._points = points

    def __len__(self) -> int:
        return len(self._points)

    def hashes(self, kinds: Kinds) -> Iterator[PointHash]:
        """Of its points, in their order."""
        return (hash_point(point, kinds) for point in self._points)

    def doubtful(self) -> dict[int, PointId]:
        """None: whoever made the points has looked."""
        return {}

    def entries(self, key: str) -> list[bytes]:
        """What its points have in this field of their payload."""
        having = (point.payload for point in self._points if key in point.payload)
        return [entry for payload in having for entry in payload_entries({key: payload[key]})]


class WirePoints:
    """Points as they came.

    Args:
        answer: a `ScrollResponse`, or a `GetResponse` with `message` `SeenPoints`.
        message: the name of the message that it is.
    """

    def __init__(self, answer: bytes, message: str = "SeenPage") -> None:
        page = messages()[message].FromString(answer)
        self._points = page.points
        self.octets = len(answer)
        self.next_offset = id_of(page.next) if message == "SeenPage" and page.next else None

    def __len__(self) -> int:
        return len(self._points)

    @cached_property
    def _payloads(self) -> list[list[bytes]]:
        """Their entries, canonical but for what is nested in them."""
        return [sorted(point.payload) for point in self._points]

    @cached_property
    def _together(self) -> bytes:
        return b"".join(chain.from_iterable(self._payloads))

    def hashes(self, kinds: Kinds) -> Iterator[PointHash]:
        """Of its points, in their order."""
        for start in range(0, len(self._points), _AT_ONCE):
            yield from self._hashes(slice(start, start + _AT_ONCE), kinds)

    def _hashes(self, part: slice, kinds: Kinds) -> Iterator[PointHash]:
        points, anyway = self._points[part], needs_order(self._together)
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

    def doubtful(self) -> dict[int, PointId]:
        """Places and ids of the points whose payload may have been rounded on the way."""
        if not may_be_rounded(self._together):
            return {}
        places = [place for place, entries in enumerate(self._payloads) if may_be_rounded(b"".join(entries))]
        return {place: id_of(self._points[place].id) for place in places}

    def entries(self, key: str) -> list[bytes]:
        """What its points have in this field of their payload."""
        head = with_length(KEY, key.encode("utf-8", "surrogatepass"))
        return [entry for entries in self._payloads for entry in entries if entry.startswith(head)]


def _present(
    names: tuple[str, ...], parts: Sequence[VectorPart | None]
) -> tuple[tuple[str, ...], tuple[VectorPart, ...]]:
    """What a point has, without what it has not."""
    there = [(name, part) for name, part in zip(names, parts, strict=True) if part is not None]
    return tuple([name for name, _ in there]), tuple([part for _, part in there])
