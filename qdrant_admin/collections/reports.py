"""Reports about collections and points, and what they say to people."""

from typing import Any

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import (
    Block,
    Blocks,
    Commands,
    Facts,
    Headline,
    Paragraph,
    Remark,
    Soft,
    StateWord,
    Step,
    Table,
    Words,
    brief,
)
from qdrant_admin.core.commands import Command
from qdrant_admin.core.formatting import counted, number, plain
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionInfo, PointId

_PAYLOAD_SHOWN = 300
_VECTOR_SHOWN = 60


class CollectionsReport(Report):
    """Every collection of a server, sorted by name."""

    collections: tuple[CollectionInfo, ...]

    def summary(self) -> str:
        return counted(len(self.collections), "collection")

    def blocks(self) -> Blocks:
        if not self.collections:
            return (Paragraph("no collections yet"),)
        rows = tuple(
            (
                one.name,
                StateWord(one.status),
                "unknown" if one.points is None else number(one.points),
                number(one.indexed_vectors),
                ", ".join(spec.words for spec in one.vectors),
                ", ".join(one.aliases),
            )
            for one in self.collections
        )
        head = ("collection", "status", "points", "indexed", "vectors", "aliases")
        troubles = (Remark("fail", f"{one.name}: {one.trouble}") for one in self.collections if one.trouble)
        return Table(head, rows, right=frozenset({"points", "indexed"})), *troubles

    def next_step(self) -> Step | None:
        return None if self.collections else Step("next", Command("migrate", "chroma:./chroma", dry_run=True))


class CollectionReport(Report):
    """One collection whole."""

    collection: CollectionInfo
    alias: str = ""
    """By which it was asked for; empty: by its own name."""

    def summary(self) -> str:
        points = self.collection.points
        return f"{plain(self.collection.name)}: {'not counted' if points is None else counted(points, 'point')}"

    def blocks(self) -> Blocks:
        one = self.collection
        indexes = (
            f"{field} {kind.get('data_type', kind.get('type', ''))}".strip()
            for field, kind in one.payload_schema.items()
        )
        facts: dict[str, Words] = {
            "points": self._exact(),
            "indexed": f"{counted(one.indexed_vectors, 'vector')} in {counted(one.segments, 'segment')}",
            "vectors": ", ".join(spec.words for spec in one.vectors),
            "aliases": ", ".join(one.aliases),
            "on disk": formatting.size(one.disk_bytes) if one.disk_bytes is not None else "",
            "indexes": ", ".join(indexes),
            "metadata": brief(one.metadata) if one.metadata else "",
            "optimizer": one.optimizer_error,
        }
        blocks: list[Block] = [Headline(one.status, one.name), *_asked_by(self.alias, one.name), Facts.of(facts)]
        if one.status == "grey":
            blocks.append(Paragraph("optimizations are possible and wait for the next write", "soft"))
        return *blocks, *([Remark("fail", one.trouble)] if one.trouble else [])

    def _exact(self) -> str:
        points, estimate = self.collection.points, self.collection.points_approximate
        if points is None:
            return f"about {number(estimate)}"
        return number(points) + ("" if points == estimate else f" exact, {number(estimate)} by the server's estimate")


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


class PointReport(Report):
    """One point whole, with its vectors."""

    collection: str
    alias: str = ""
    """By which it was asked for; empty: by its own name."""
    point: ShownPoint

    def summary(self) -> str:
        return f"point {self.point.id} of {plain(self.collection)}"

    def blocks(self) -> Blocks:
        """All of the payload; of long vectors the first components."""
        vectors = []
        for vector in self.point.vectors:
            name = " ".join(part for part in ("vector", vector.name) if part)
            zero = "   all zero" if vector.zero else ""
            shown = formatting.shorten(brief(vector.values), _VECTOR_SHOWN)
            vectors.append(Paragraph(f"{name}  {vector.kind} {vector.size}{zero}  {shown}", "soft"))
        payload = Facts(tuple((key, brief(value)) for key, value in self.point.payload.items()))
        head = Paragraph((str(self.point.id), Soft(f"   {self.collection}")), "strong")
        return head, *_asked_by(self.alias, self.collection), payload, *vectors


class PointsReport(Report):
    """One page of points."""

    collection: str
    alias: str = ""
    """By which it was asked for; empty: by its own name."""
    points: tuple[ShownPoint, ...]
    next_offset: PointId | None = None

    def summary(self) -> str:
        return f"{counted(len(self.points), 'point')} of {plain(self.collection)}"

    def blocks(self) -> Blocks:
        by = _asked_by(self.alias, self.collection)
        if not self.points:
            return *by, Paragraph(f"no points in {self.collection}")
        scored = any(point.score is not None for point in self.points)
        rows = []
        for point in self.points:
            score = ["" if point.score is None else f"{point.score:.4f}"] if scored else []
            rows.append((str(point.id), *score, formatting.shorten(brief(point.payload), _PAYLOAD_SHOWN)))
        head = ("id", *(["score"] if scored else []), "payload")
        return *by, Table(head, tuple(rows), right=frozenset({"score"}))

    def next_step(self) -> Step | None:
        if self.next_offset is None:
            return None
        return Step("next page", Command("points", "list", self.collection, offset=str(self.next_offset)))


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
        blocks: list[Block] = [Headline(self.verdict_word, self.summary())]
        blocks += [Paragraph(f"with the aliases {', '.join(self.aliases)}")] if self.aliases else []
        return *blocks, *([Commands((Step("to restore it", self.restore),))] if self.restore else [])


def _asked_by(alias: str, name: str) -> Blocks:
    """What is said of a collection that was asked for by an alias."""
    return (Paragraph(f"{alias} is an alias of collection {name}", "soft"),) if alias else ()
