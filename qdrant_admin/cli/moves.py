"""Pictures of a migration: its plan, its result, and what was left unfinished."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from qdrant_admin.cli.drawing import advice, cell, fit, listing, remark, state, vectors
from qdrant_admin.core import formatting

if TYPE_CHECKING:
    from qdrant_admin.migration.reports import CollectionResult, MigrationReport, PlanReport, RunReport, RunsReport

REJECTS_SHOWN = 10


def plan_picture(report: "PlanReport", ascii_only: bool) -> RenderableType:
    """What would be made, and what stands in the way."""
    from qdrant_admin.migration import messages

    head = state(report.verdict_word, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {report.summary()}", ascii_only))
    about = cell(f"  {report.source_kind} → {report.target}", ascii_only, "dim")
    table = listing("source", "target", "points", "vectors", "what", right=("points",))
    for one in report.collections:
        count = formatting.number(one.count)
        table.add_row(
            cell(one.source, ascii_only, "bold"),
            cell(messages.name(one), ascii_only),
            count,
            cell(vectors(one.vectors), ascii_only),
            cell(messages.action(one), ascii_only),
        )
    notes = [cell(f"  {label}: {value}", ascii_only, "dim") for label, value in messages.how(report)]
    problems = [
        remark(
            "warn" if problem.level == "warning" else "fail",
            f"{problem.collection}: {problem.text}" if problem.collection else problem.text,
            problem.fix,
            ascii_only,
        )
        for problem in sorted(report.problems, key=lambda one: one.level)
    ]
    return Group(head, about, Text(), table, Text(), *notes, *([Text(), *problems] if problems else []))


def migration_picture(report: "MigrationReport", ascii_only: bool) -> RenderableType:
    """What became of it: verdict first."""
    from qdrant_admin.migration import messages

    head = state(report.verdict, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {report.summary()}", ascii_only))
    figures = ("read", "written", "skipped", "rejected", "verified")
    table = listing("collection", *figures, "verdict", right=figures)
    for one in report.collections:
        name = one.target if one.source == one.target else f"{one.source} → {one.target}"
        numbers = [formatting.number(getattr(one, figure)) for figure in figures]
        table.add_row(cell(name, ascii_only, "bold"), *numbers, state(one.verdict, ascii_only=ascii_only))
    parts: list[RenderableType] = [head, cell(f"  {messages.sentence(report)}", ascii_only), Text(), table]
    for one in report.collections:
        parts += _details(one, ascii_only)
    parts += [
        remark("fail", f"{one.collection} {one.id}: {one.reason}", "", ascii_only)
        for one in report.rejects[:REJECTS_SHOWN]
    ]
    if report.reject_file:
        parts.append(cell(f"  all rejected records: {report.reject_file}", ascii_only))
    if report.checks:
        parts.append(cell(f"  {report.checks}", ascii_only, "dim"))
    for step in messages.next_steps(report)[
        1:
    ]:  # the first is offered behind the picture, on the profile that was named
        told = (
            advice(step.says, str(step.command), ascii_only=ascii_only)
            if step.command
            else cell(f"  {step.says}", ascii_only)
        )
        parts.append(told)
    return Group(*parts)


def _details(one: "CollectionResult", ascii_only: bool) -> list[RenderableType]:
    from qdrant_admin.migration import messages

    parts: list[RenderableType] = [
        cell(f"  {one.target}: {aside}", ascii_only, "dim") for aside in messages.asides(one)
    ]
    for label, ids in (("missing", one.missing), ("different", one.different), ("extra", one.extra_ids)):
        if ids:
            parts.append(
                remark("fail", f"{one.target}: {label}: {formatting.shorten(', '.join(ids), 300)}", "", ascii_only)
            )
    return parts


def runs(report: "RunsReport", ascii_only: bool) -> RenderableType:
    """Unfinished migrations."""
    if not report.runs:
        return Text("no unfinished migrations")
    table = listing("run", "source", "state", "handled", "of", "last", right=("handled", "of"))
    for one in report.runs:
        table.add_row(
            cell(one.run, ascii_only, "bold"),
            cell(one.source, ascii_only),
            cell(f"{one.state}: {one.trouble}" if one.trouble else one.state, ascii_only),
            formatting.number(one.done),
            "unknown" if one.total is None else formatting.number(one.total),
            f"{formatting.duration(one.age)} ago",
        )
    return table


def run(report: "RunReport", ascii_only: bool) -> RenderableType:
    """One migration run, collection by collection."""
    table = listing("collection", "target", "handled", "of", "written", "rejected", right=("handled", "of", "written"))
    for one in report.collections:
        numbers = (one.done, one.total, one.written, one.rejected)
        table.add_row(
            cell(one.source, ascii_only, "bold"),
            cell("left out" if one.left_out else one.target, ascii_only),
            *map(formatting.number, numbers),
        )
    words = [f"{report.run}  {report.state}  {report.source}"]
    words += [f"  {report.trouble}"] if report.trouble else []
    words += [f"  rejected records: {report.reject_file}"] if report.reject_file else []
    return Group(*(cell(one, ascii_only) for one in words), table)
