"""Whole columns of records on the shortest way to a request: looked at together, and made into bytes at once.

Nothing is decided here that `checks.py` does not decide: where a look at all of them finds anything to look at more
closely, there is no way through here, and each of them goes the long way by itself.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from qdrant_admin.database import encoding
from qdrant_admin.database.models import PointId, VectorSpec
from qdrant_admin.migration.checks import sound
from qdrant_admin.sources.base import Columns
from qdrant_admin.sources.ids import keep_original, kept, map_id

_SURELY_SMALL = 1 << 20
"""Bytes of a point that hold no payload too large for a request, however it is counted."""


class Packer:
    """Makes points of columns for one collection.

    Args:
        slots: the vectors of the target.
        folds_uuids: see `ids.map_id`.
    """

    def __init__(self, slots: Mapping[str, VectorSpec], *, folds_uuids: bool) -> None:
        self._slots, self._folds = slots, folds_uuids

    def pack(self, columns: Columns) -> list[bytes] | None:
        """The points as they are sent; None where a record among them may have to be refused, or told of."""
        if not self._fit(columns):
            return None
        try:
            ids, payloads = self._mapped(columns)
            made = encoding.matrix_bytes(ids, payloads, columns.vectors, columns.slot)
        except (encoding.NotEncodable, UnicodeEncodeError):
            return None
        return made if max(map(len, made), default=0) < _SURELY_SMALL else None

    def entries(self, columns: Columns) -> tuple[list[PointId], list[list[bytes]]] | None:
        """Ids and payloads of the points that `pack` makes of the same columns; None where it makes none."""
        if not self._fit(columns):
            return None
        try:
            ids, payloads = self._mapped(columns)
            made = encoding.entries_of_all(payloads)
        except (encoding.NotEncodable, UnicodeEncodeError):
            return None
        if sum(map(len, chain.from_iterable(made))) < _SURELY_SMALL // 2:  # all of them together: nearly always
            return ids, made
        return (ids, made) if max(sum(map(len, one)) for one in made) < _SURELY_SMALL // 2 else None

    def _fit(self, columns: Columns) -> bool:
        slot = self._slots.get(columns.slot)
        if slot is None or slot.kind != "dense" or columns.vectors.shape[1] != slot.size:
            return False
        return sound(columns.vectors, slot)

    def _mapped(self, columns: Columns) -> tuple[list[PointId], list[dict[str, Any]]]:
        ids = [map_id(one, folds_uuids=self._folds) for one in columns.ids]
        return ids, [
            payload if kept(one, identity, folds_uuids=self._folds) else keep_original(payload, one)
            for one, identity, payload in zip(columns.ids, ids, columns.payloads, strict=True)
        ]
