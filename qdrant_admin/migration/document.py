"""The report of a migration as a document: for an issue, a wiki, or whoever asks whether everything came over."""

from datetime import datetime

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Block, Code, Facts, Heading, Items, Paragraph, Table, Words
from qdrant_admin.core.document import Document
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import CollectionResult, MigrationReport

_FIGURES = ("read", "written", "skipped", "rejected", "verified", "extra")


def document(report: MigrationReport, *, when: datetime | None = None) -> Document:
    """The whole report, the verdict first.

    Args:
        report: what a migration left behind.
        when: its beginning, where it is known.
    """
    blocks: list[Block] = [Paragraph(messages.sentence(report)), _facts(report, when)]
    blocks += [_table(report)] if report.collections else []
    for one in report.collections:
        blocks += _details(one)
    blocks += _rejects(report) + _next(report)
    subject = f"migration into {report.target}"
    return Document(subject=subject, state=report.verdict, blocks=tuple(blocks))


def _facts(report: MigrationReport, when: datetime | None) -> Facts:
    facts: dict[str, Words] = {
        "from": (Code(report.source), f" ({report.source_kind})"),
        "to": Code(report.target),
        "when": when.astimezone().strftime("%Y-%m-%d %H:%M %Z") if when else "",
        "took": formatting.duration(report.seconds) + (", in more than one run" if report.resumed else ""),
        "checked": report.checks,
        "run": Code(report.run),
    }
    return Facts(tuple((label, value) for label, value in facts.items() if value))


def _table(report: MigrationReport) -> Table:
    rows = []
    for one in report.collections:
        name = one.target if one.source == one.target else f"{one.source} → {one.target}"
        numbers = [formatting.number(getattr(one, figure)) for figure in _FIGURES]
        rows.append((name, *numbers, formatting.state(one.verdict).text()))
    return Table(("collection", *_FIGURES, "verdict"), tuple(rows), frozenset(_FIGURES))


def _details(one: CollectionResult) -> list[Block]:
    rows: list[Words] = list(messages.asides(one))
    for label, ids in (("missing", one.missing), ("different", one.different), ("extra", one.extra_ids)):
        rows += [(f"{label}: ", Code(record)) for record in ids]
    return [Heading(one.target), Items(tuple(rows))] if rows else []


def _rejects(report: MigrationReport) -> list[Block]:
    if not report.rejects:
        return []
    rows = tuple((one.collection, Code(one.id), one.reason) for one in report.rejects)
    blocks: list[Block] = [Heading("Rejected"), Table(("collection", "id", "why"), rows)]
    return (
        [*blocks, Paragraph(("All of them are in ", Code(report.reject_file), "."))] if report.reject_file else blocks
    )


def _next(report: MigrationReport) -> list[Block]:
    steps: list[Words] = [
        (f"{step.says}: ", Code(step.command)) if step.command else step.says for step in messages.next_steps(report)
    ]
    return [Heading("What to do next"), Items(tuple(steps))] if steps else []
