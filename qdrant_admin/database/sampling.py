"""Which points' content is looked at when a collection is too large to look at all of it."""

from hashlib import blake2b
from typing import NamedTuple

from qdrant_admin.database.canonical import id_key
from qdrant_admin.database.models import PointId

_ALL = 1 << 64


class Sample(NamedTuple):
    """A share of all points, chosen by their ids alone: two readings of a collection take the same ones."""

    below: int
    """A point is taken when the digest of its id, as a number of 64 bits, is below."""

    @classmethod
    def of(cls, wanted: int, points: int) -> "Sample":
        """About so many of so many points."""
        return cls(_ALL if wanted >= points else _ALL * wanted // points)

    def takes(self, point_id: PointId) -> bool:
        """Whether this point's content is looked at."""
        return int.from_bytes(blake2b(b"sample" + id_key(point_id), digest_size=8).digest(), "little") < self.below
