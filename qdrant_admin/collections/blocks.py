"""What the reports about collections and points say to people."""

from typing import TYPE_CHECKING

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
    brief,
)
from qdrant_admin.core.commands import Command

if TYPE_CHECKING:
    from qdrant_admin.collections import reports

_PAYLOAD_SHOWN = 300
_VECTOR_SHOWN = 60


def collections(report: "reports.CollectionsReport") -> Blocks:
    """Every collection on a line."""
    if not report.collections:
        return (Paragraph("no collections yet"),)
    rows = tuple(
        (
            one.name,
            StateWord(one.status),
            "unknown" if one.points is None else formatting.number(one.points),
            formatting.number(one.indexed_vectors),
            ", ".join(spec.words for spec in one.vectors),
            ", ".join(one.aliases),
        )
        for one in report.collections
    )
    head = ("collection", "status", "points", "indexed", "vectors", "aliases")
    troubles = (Remark("fail", f"{one.name}: {one.trouble}") for one in report.collections if one.trouble)
    return Table(head, rows, right=frozenset({"points", "indexed"})), *troubles


def collection(report: "reports.CollectionReport") -> Blocks:
    """One collection whole."""
    one = report.collection
    indexes = (
        f"{field} {kind.get('data_type', kind.get('type', ''))}".strip() for field, kind in one.payload_schema.items()
    )
    estimate = formatting.number(one.points_approximate)
    exact = f"about {estimate}" if one.points is None else formatting.number(one.points)
    if one.points is not None and one.points != one.points_approximate:
        exact += f" exact, {estimate} by the server's estimate"
    blocks: list[Block] = [
        Headline(one.status, one.name),
        Facts.of(
            {
                "points": exact,
                "indexed": f"{formatting.counted(one.indexed_vectors, 'vector')} in "
                f"{formatting.counted(one.segments, 'segment')}",
                "vectors": ", ".join(spec.words for spec in one.vectors),
                "aliases": ", ".join(one.aliases),
                "on disk": formatting.size(one.disk_bytes) if one.disk_bytes is not None else "",
                "indexes": ", ".join(indexes),
                "metadata": brief(one.metadata) if one.metadata else "",
                "optimizer": one.optimizer_error,
            }
        ),
    ]
    if one.status == "grey":
        blocks.append(Paragraph("optimizations are possible and wait for the next write", "soft"))
    return *blocks, *([Remark("fail", one.trouble)] if one.trouble else [])


def points(report: "reports.PointsReport") -> Blocks:
    """Points as id and payload."""
    if not report.points:
        return (Paragraph(f"no points in {report.collection}"),)
    scored = any(point.score is not None for point in report.points)
    rows = []
    for point in report.points:
        score = ["" if point.score is None else f"{point.score:.4f}"] if scored else []
        rows.append((str(point.id), *score, formatting.shorten(brief(point.payload), _PAYLOAD_SHOWN)))
    return (Table(("id", *(["score"] if scored else []), "payload"), tuple(rows), right=frozenset({"score"})),)


def next_page(report: "reports.PointsReport") -> Step | None:
    """The command that shows the next page of points."""
    if report.next_offset is None:
        return None
    return Step("next page", Command("points", "list", report.collection, offset=str(report.next_offset)))


def point(report: "reports.PointReport") -> Blocks:
    """One point whole; of long vectors the first components."""
    one = report.point
    vectors = []
    for vector in one.vectors:
        name = " ".join(part for part in ("vector", vector.name) if part)
        zero = "   all zero" if vector.zero else ""
        shown = formatting.shorten(brief(vector.values), _VECTOR_SHOWN)
        vectors.append(Paragraph(f"{name}  {vector.kind} {vector.size}{zero}  {shown}", "soft"))
    payload = Facts(tuple((key, brief(value)) for key, value in one.payload.items()))
    return Paragraph((str(one.id), Soft(f"   {report.collection}")), "strong"), payload, *vectors


def deleted(report: "reports.DeleteReport") -> Blocks:
    """What is gone, or would be, and how to have it again."""
    blocks: list[Block] = [Headline(report.verdict_word, report.summary())]
    blocks += [Paragraph(f"with the aliases {', '.join(report.aliases)}")] if report.aliases else []
    return *blocks, *([Commands((Step("to restore it", report.restore),))] if report.restore else [])
