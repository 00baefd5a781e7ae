"""What the reports of migrations, exports and inspections say to people, on a screen and in a written report."""

from datetime import datetime
from typing import TYPE_CHECKING

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import (
    Block,
    Blocks,
    Code,
    Commands,
    Digest,
    Facts,
    Heading,
    Headline,
    Items,
    Paragraph,
    Remark,
    Soft,
    StateWord,
    Step,
    Table,
    Words,
)
from qdrant_admin.core.commands import Command
from qdrant_admin.core.document import Document
from qdrant_admin.core.formatting import plain
from qdrant_admin.migration import messages

if TYPE_CHECKING:
    from qdrant_admin.migration.export import ExportReport
    from qdrant_admin.migration.inspect import InspectReport
    from qdrant_admin.migration.reports import (
        CollectionResult,
        DiscardReport,
        MigrationReport,
        PlanReport,
        Problem,
        RunReport,
        RunsReport,
    )

_SHOWN = 20
_REJECTS_SHOWN = 10
_FIGURES = ("read", "written", "skipped", "rejected", "verified")
_EXPORTED = {
    "verified": "The file holds exactly what the collection holds.",
    "changed": "The file is whole, and the collection is no longer what it was.",
}


def plan(report: "PlanReport") -> Blocks:
    rows = tuple(
        (
            one.source,
            messages.name(one),
            formatting.number(one.count),
            ", ".join(spec.words for spec in one.vectors),
            messages.action(one),
        )
        for one in report.collections
    )
    head = ("source", "target", "points", "vectors", "what")
    problems = sorted(report.problems, key=lambda one: one.level)
    return (
        Headline(report.verdict_word, report.summary()),
        Paragraph(f"{report.source_kind} → {report.target}", "soft"),
        Table(head, rows, right=frozenset({"points"})),
        *(Paragraph(f"{label}: {value}", "soft") for label, value in messages.how(report)),
        *(_problem(problem) for problem in problems),
    )


def _problem(problem: "Problem") -> Remark:
    text = f"{problem.collection}: {problem.text}" if problem.collection else problem.text
    return Remark("warn" if problem.level == "warning" else "fail", text, problem.fix)


def migration(report: "MigrationReport") -> Blocks:
    blocks: list[Block] = [
        Headline(report.verdict, report.summary()),
        Paragraph(messages.sentence(report)),
        _results(report, _FIGURES),
    ]
    for one in report.collections:
        blocks += _details(one)
    blocks += _rejects(report)
    blocks += [Paragraph(report.checks, "soft")] if report.checks else []
    return *blocks, Commands(tuple(messages.next_steps(report)[1:]))


def document(report: "MigrationReport", when: datetime | None = None) -> Document:
    """All of it as a written report: for an issue, a wiki, or whoever asks whether everything was transferred.

    Args:
        report: what a migration left behind.
        when: its beginning, where it is known.
    """
    facts: dict[str, Words] = {
        "from": (Code(report.source), f" ({report.source_kind})"),
        "to": Code(report.target),
        "when": when.astimezone().strftime("%Y-%m-%d %H:%M %Z") if when else "",
        "took": formatting.duration(report.seconds) + (", in more than one run" if report.resumed else ""),
        "checked": report.checks,
        "run": Code(report.run),
    }
    blocks: list[Block] = [Paragraph(messages.sentence(report)), Facts.of(facts)]
    blocks += [_results(report, (*_FIGURES, "extra"))] if report.collections else []
    for one in report.collections:
        blocks += _details(one)
    blocks += _rejects(report)
    steps = tuple(messages.next_steps(report))
    blocks += [Heading("What to do next"), Commands(steps)] if steps else []
    return Document(f"migration into {report.target}", report.verdict, tuple(blocks))


def discarded(report: "DiscardReport") -> Blocks:
    blocks: list[Block] = [Headline(report.verdict_word, report.summary())]
    blocks += [Paragraph(f"it created {', '.join(report.kept)}")] if report.kept else []
    given = report.indexing_given_back
    return *blocks, *([Paragraph(f"indexing resumed: {', '.join(given)}")] if given else [])


def exported(report: "ExportReport") -> Blocks:
    rows: dict[str, Words] = {
        "collection": report.collection,
        "file": report.file,
        "holds": f"{formatting.counted(report.points, 'point')} in {formatting.size(report.bytes)}",
        "content": Digest(report.digest),
        "took": formatting.duration(report.seconds),
    }
    note = [Paragraph(report.note, "warn")] if report.note else []
    return Headline(report.verdict, _EXPORTED[report.verdict]), Facts.of(rows), *note


def inspected(report: "InspectReport") -> Blocks:
    """What it is, how much is in it, and who has it open; the first suggestion is its next step."""
    octets = "" if report.bytes is None else formatting.size(report.bytes)
    files = "" if report.files is None else f" in {formatting.counted(report.files, 'file')}"
    facts = {
        "at": report.place,
        "size": f"{octets}{files}",
        "records": _known(report.records),
        "open in": _users(report),
        "URI options": ", ".join(report.options),
    }
    blocks: list[Block] = [Headline(report.verdict_word, word=plain(report.what)), Facts.of(facts)]
    if report.holds:
        rows = tuple(
            (one.name, _known(one.records), Soft(one.payload.partition(" (")[0]))  # the brackets give details
            for one in report.holds
        )
        blocks.append(Table(("collection", "records", "payload"), rows, right=frozenset({"records"}), shown=_SHOWN))
    notes = [*report.notes, *([] if report.commands else ["qdrant-admin cannot bring this into a server"])]
    return *blocks, *(Remark("warn", note) for note in notes), Commands(suggested(report)[1:])


def suggested(report: "InspectReport") -> tuple[Step, ...]:
    return tuple(Step(one.says, one.command) for one in report.commands)


def _users(report: "InspectReport") -> str:
    if report.bytes is None:  # a server: its clients are its own business
        return ""
    users = []
    for holder in report.held_by:
        ports = f" on port {', '.join(map(str, holder.ports))}" if holder.ports else ""
        users.append(f"{holder.program} (pid {holder.pid}){ports}")
    if users or report.in_use:
        return ", ".join(users) or "a program that holds its lock"
    if not report.unseen:
        return "no program"
    unseen = formatting.counted(report.unseen, "process", "processes")
    return f"no program that could be seen ({unseen} of other users could not be looked into)"


def _known(count: int | None) -> str:
    return "" if count is None else formatting.number(count)


def _results(report: "MigrationReport", figures: tuple[str, ...]) -> Table:
    rows: list[tuple[Words, ...]] = []
    for one in report.collections:
        name = one.target if one.source == one.target else f"{one.source} → {one.target}"
        numbers = [formatting.number(getattr(one, figure)) for figure in figures]
        rows.append((name, *numbers, StateWord(one.verdict)))
    return Table(("collection", *figures, "verdict"), tuple(rows), right=frozenset(figures))


def _details(one: "CollectionResult") -> list[Block]:
    rows: list[Words] = list(messages.asides(one))
    for label, ids in (("missing", one.missing), ("different", one.different), ("extra", one.extra_ids)):
        rows += [(f"{label}: ", Code(record)) for record in ids]
    return [Heading(one.target), Items(tuple(rows), shown=_SHOWN)] if rows else []


def _rejects(report: "MigrationReport") -> list[Block]:
    if not report.rejects:
        return []
    rows = tuple((one.collection, Code(one.id), one.reason) for one in report.rejects)
    blocks: list[Block] = [Heading("Rejected"), Table(("collection", "id", "why"), rows, shown=_REJECTS_SHOWN)]
    file = report.reject_file
    return [*blocks, Paragraph(("All of them are in ", Code(file), "."))] if file else blocks


def next_to_plan(report: "PlanReport") -> Step | None:
    return None if report.exit_code else Step("next", messages.command(report))


def next_to_export(report: "ExportReport") -> Step:
    return Step("to restore it", Command("migrate", report.source))


def runs(report: "RunsReport") -> Blocks:
    """Unfinished migrations, and how to go on with one."""
    if not report.runs:
        return (Paragraph("no unfinished migrations"),)
    rows = tuple(
        (
            one.run,
            one.source,
            f"{one.state}: {one.trouble}" if one.trouble else one.state,
            formatting.number(one.done),
            "unknown" if one.total is None else formatting.number(one.total),
            f"{formatting.duration(one.age)} ago",
        )
        for one in report.runs
    )
    steps = [Step("next", Command("migrate", resume=one.run)) for one in report.runs if one.state == "interrupted"][:1]
    steps.append(Step("to discard it", Command("migrations", "discard", report.runs[0].run)))
    head = ("run", "source", "state", "handled", "of", "last")
    return Table(head, rows, right=frozenset({"handled", "of"})), Commands(tuple(steps))


def run(report: "RunReport") -> Blocks:
    rows = tuple(
        (
            one.source,
            "left out" if one.left_out else one.target,
            *(formatting.number(figure) for figure in (one.done, one.total, one.written, one.rejected)),
        )
        for one in report.collections
    )
    figures = ("handled", "of", "written", "rejected")
    facts = {
        "run": f"{report.run}, {report.state}",
        "source": report.source,
        "trouble": report.trouble,
        "rejected records": report.reject_file or "",
    }
    return Facts.of(facts), Table(("collection", "target", *figures), rows, right=frozenset(figures))
