"""Reports about collections and points, as both faces show them."""

from typing import Any

from qdrant_admin.core.reports import Frozen, Report
from qdrant_admin.core.words import counted
from qdrant_admin.database.models import CollectionInfo, PointId


class CollectionsReport(Report):
    """Every collection of a server, sorted by name."""

    collections: tuple[CollectionInfo, ...]

    def summary(self) -> str:
        return counted(len(self.collections), "collection")


class ShownVector(Frozen):
    """A vector as JSON: a list of floats, a list of rows, or indices and values."""

    name: str
    kind: str
    size: int
    values: Any
    zero: bool = False
    """Whether every component is 0.0, which real embeddings never are."""


class ShownPoint(Frozen):
    """One point as JSON."""

    id: PointId
    payload: dict[str, Any]
    vectors: tuple[ShownVector, ...] = ()


class PointsReport(Report):
    """One page of points."""

    collection: str
    points: tuple[ShownPoint, ...]
    next_offset: PointId | None = None

    def summary(self) -> str:
        return f"{counted(len(self.points), 'point')} of {self.collection}"
