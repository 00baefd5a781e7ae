"""Points asked for by their ids, left as the bytes that they came as: to be laid beside what they should be."""

from collections.abc import Sequence
from itertools import chain

from qdrant_admin.database.models import Floats, PointId
from qdrant_admin.database.wire_messages import id_of, messages
from qdrant_admin.database.wire_payload import may_be_rounded
from qdrant_admin.database.wire_vectors import dense_rows


class FoundPoints:
    """Some points, in no order.

    Args:
        answer: a `GetResponse` as it came.
    """

    def __init__(self, answer: bytes) -> None:
        self._points = messages()["SeenPoints"].FromString(answer).points
        self.places: dict[PointId, int] = {id_of(point.id): place for place, point in enumerate(self._points)}
        """Where the point of an id is."""

    def holding(self, payloads: Sequence[Sequence[bytes]], places: Sequence[int | None]) -> list[bool]:
        """Which payloads are surely those of the points at their places.

        Args:
            payloads: of some points, as `encoding.entries` makes them.
            places: of the same points, out of `places`; None for one that was not found.
        """
        doubt = may_be_rounded(b"".join(chain.from_iterable(payloads)))  # of all at once: nearly always none
        return [
            place is not None
            and sorted(self._points[place].payload) == sorted(entries)
            and not (doubt and may_be_rounded(b"".join(entries)))
            for place, entries in zip(places, payloads, strict=True)
        ]

    def vectors(self, name: str) -> Floats | None:
        """The vectors of all of them, a row each; None unless each has this dense one and no other, all of a size."""
        return dense_rows([point.vectors for point in self._points], name)
