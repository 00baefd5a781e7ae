"""How a plan and a result are drawn: tables and the words below them."""

from collections.abc import Mapping

from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import words
from qdrant_admin.migration.reports import CollectionResult, MigrationReport, PlanReport
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.collections import vector_words
from qdrant_admin.tui.widgets.table import fill

NAME_WIDTH = 32
IDS_SHOWN = 20
ACTIONS = {"create": "is made", "append": "is written to", "replace": "is made anew", "skip": "is left out"}


def plan_table(table: DataTable[object], plan: PlanReport, variables: Mapping[str, str]) -> None:
    """One row a collection: from, how many, what vectors, to, and what happens there."""
    table.display = bool(plan.collections)
    titles = [("from", False), ("points", True), ("vectors", False), ("to", False), ("which", False)]
    rows = []
    for one in plan.collections:
        vectors = ", ".join(vector_words(spec) for spec in one.vectors) or "none"
        there = f", {words.number(one.target_points)} there" if one.target_exists else ""
        cells = [
            look.cell(words.shorten(one.source, NAME_WIDTH), "bold"),
            look.cell(words.number(one.count) if one.count_exact else f"about {words.number(one.count)}", right=True),
            look.cell(vectors, look.MUTED, variables),
            look.cell(words.shorten(one.target, NAME_WIDTH), "bold"),
            look.cell(f"{ACTIONS[one.action]}{there}", look.MUTED, variables),
        ]
        rows.append((one.source, cells))
    fill(table, titles, rows)


def plan_details(plan: PlanReport) -> Content:
    """Problems first, then how ids and payload are mapped, then the key that starts it."""
    problems = []
    for problem in sorted(plan.problems, key=lambda one: one.level):
        key = "refused" if problem.level == "refused" else "warning"
        where = look.muted(f"{problem.collection}  ") if problem.collection else Content("")
        problems.append(look.line(look.symbol(key), " ", where, problem.text))
        if problem.fix:
            problems.append(look.line(("  try  ", look.MUTED), (problem.fix, "$text-accent")))
    mapping = [
        look.line(("ids      ", look.MUTED), text)
        for text in dict.fromkeys(one.ids for one in plan.collections if one.ids)
    ]
    mapping += [
        look.line(("payload  ", look.MUTED), text)
        for text in dict.fromkeys(one.payload for one in plan.collections if one.payload)
    ]
    needed = sum(one.estimated_bytes for one in plan.collections)
    if needed:
        mapping.append(look.line(("space    ", look.MUTED), f"about {words.size(needed)}"))
    if plan.exit_code:
        end = [look.line(look.state("refused", "not started while this stands"))]
    else:
        end = [look.keys(("s", f"start: {plan.summary()}", "screen.start"), ("esc", "another source", "screen.leave"))]
    return Content("\n\n").join([look.lines(*group) for group in (problems, mapping, end) if group])


def result_sentence(report: MigrationReport) -> str:
    """What the verdict means, in one plain sentence."""
    read = sum(one.read for one in report.collections)
    rejected = sum(one.rejected for one in report.collections)
    match report.verdict:
        case "verified":
            return f"All {words.counted(read, 'point')} arrived, and every one is what it was at the source."
        case "differs":
            missing = sum(len(one.missing) for one in report.collections)
            different = sum(len(one.different) for one in report.collections)
            told = [
                f"{words.number(count)} {word}"
                for count, word in ((missing, "missing"), (different, "different"), (rejected, "rejected"))
                if count
            ]
            return f"The target is not what the source is: {', '.join(told) or 'see below'}."
        case "unverified":
            return "It was copied and could not be compared with its source, so nothing is claimed."
        case "skipped":
            return "Nothing was copied: every collection was left out."
        case "cancelled":
            return "Stopped. What was acknowledged stays; it can be taken up again where it was."
        case _:
            return "The migration could not be finished. What was acknowledged stays."


def result_table(table: DataTable[object], report: MigrationReport, variables: Mapping[str, str]) -> None:
    """One row a collection: figures and verdict."""
    figures = ("read", "written", "skipped", "rejected", "verified")
    rows = []
    for one in report.collections:
        cells = [look.cell(words.shorten(one.target, NAME_WIDTH), "bold")]
        cells += [look.cell(words.number(getattr(one, figure)), right=True) for figure in figures]
        rows.append((one.target, [*cells, look.state_cell(one.verdict, variables)]))
    fill(table, [("collection", False), *((figure, True) for figure in figures), ("verdict", False)], rows)


def result_details(report: MigrationReport) -> Content:
    """Rejects and differences by id, then what to do next."""
    groups = [_differences(one) for one in report.collections]
    rejects = [
        look.line(look.symbol("failed"), " ", look.fit(look.text(reject.id), 30), "  ", look.muted(reject.reason))
        for reject in report.rejects[:IDS_SHOWN]
    ]
    if report.reject_file:
        rejects.append(look.line(("all of them are in  ", look.MUTED), report.reject_file))
    groups.append(rejects)
    if report.verdict == "verified":
        groups.append(
            [
                look.keys(
                    ("v", "now prove that it survives a restart", "screen.verify"),
                    ("2", "look at it", "app.go('collections')"),
                )
            ]
        )
    return Content("\n\n").join([look.lines(*group) for group in groups if group])


def _differences(one: CollectionResult) -> list[Content]:
    rows = [look.line(("note  ", look.MUTED), one.note)] if one.note else []
    for ids, key in ((one.missing, "missing"), (one.different, "differs")):
        rows += [look.line(look.state(key), "  ", record) for record in ids[:IDS_SHOWN]]
        if len(ids) > IDS_SHOWN:
            rows.append(look.muted(f"and {words.number(len(ids) - IDS_SHOWN)} more; the exported report has them"))
    return [look.text(one.target, "bold"), *rows] if rows else []
