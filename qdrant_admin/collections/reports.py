"""Reports about collections and points, as both faces show them."""

from typing import Any

from qdrant_admin.collections import blocks
from qdrant_admin.core.blocks import Blocks, Step
from qdrant_admin.core.commands import Command
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionInfo, PointId


class CollectionsReport(Report):
    """Every collection of a server, sorted by name."""

    collections: tuple[CollectionInfo, ...]

    def summary(self) -> str:
        return counted(len(self.collections), "collection")

    def blocks(self) -> Blocks:
        return blocks.collections(self)

    def next_step(self) -> Step | None:
        return None if self.collections else Step("next", Command("migrate", "chroma:./chroma", dry_run=True))


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
    score: float | None = None
    """How near it is; only in the answer to a search."""


class CollectionReport(Report):
    """One collection whole."""

    collection: CollectionInfo

    def summary(self) -> str:
        points = self.collection.points
        return f"{plain(self.collection.name)}: {'not counted' if points is None else counted(points, 'point')}"

    def blocks(self) -> Blocks:
        return blocks.collection(self)


class PointReport(Report):
    """One point whole, with its vectors."""

    collection: str
    point: ShownPoint

    def summary(self) -> str:
        return f"point {self.point.id} of {plain(self.collection)}"

    def blocks(self) -> Blocks:
        return blocks.point(self)


class PointsReport(Report):
    """One page of points."""

    collection: str
    points: tuple[ShownPoint, ...]
    next_offset: PointId | None = None

    def summary(self) -> str:
        return f"{counted(len(self.points), 'point')} of {plain(self.collection)}"

    def blocks(self) -> Blocks:
        return blocks.points(self)

    def next_step(self) -> Step | None:
        return blocks.next_page(self)


class DeleteReport(Report):
    """What was deleted, or would be."""

    collection: str
    points: int | None
    """Exact; None where they could not be counted."""
    disk_bytes: int | None = None
    aliases: tuple[str, ...] = ()
    """Aliases that are deleted with it."""
    dry_run: bool = False
    deleted: bool = False
    """Whether it was deleted; the server no longer lists it."""
    snapshot: str = ""
    """The file that holds it; for a dry run the folder that it would be put in. Empty: none is kept."""
    snapshot_bytes: int = 0
    checksum: str = ""
    """SHA-256 of that file, the server's own and ours."""
    restore: str = ""
    """The command that restores the collection from it."""

    @property
    def verdict_word(self) -> str:
        return "planned" if self.dry_run else "done"

    def summary(self) -> str:
        held = "points not counted" if self.points is None else counted(self.points, "point")
        kept = f", a snapshot is kept in {self.snapshot}" if self.snapshot else ", and no snapshot is kept"
        return f"{plain(self.collection)} {'would be' if self.dry_run else 'is'} deleted: {held}{kept}"

    def blocks(self) -> Blocks:
        return blocks.deleted(self)
