"""The pictures of a move to a volume: what it would do, and what came of it."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from qdrant_admin.cli.drawing import TONES, advice, cell, facts, listing, state
from qdrant_admin.core import formatting

if TYPE_CHECKING:
    from qdrant_admin.persistence.reports import MovePlanReport, MoveReport, Side


def move_plan(report: "MovePlanReport", ascii_only: bool) -> RenderableType:
    """From where to where, what it takes, and what is done in which order."""
    grid = facts()
    for label, value in {
        "from": report.storage,
        "to": f"volume {report.volume}",
        "a second copy": "of unknown size" if report.needed_bytes is None else formatting.size(report.needed_bytes),
        "free": "unknown" if report.free_bytes is None else formatting.size(report.free_bytes),
        "old data": f"stays: {report.left}",
    }.items():
        grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    steps = [cell(f"  {number}. {step}", ascii_only) for number, step in enumerate(report.steps, 1)]
    head = state("planned", ascii_only=ascii_only, bold=True)
    return Group(head, Text(), grid, Text(), *steps)


def moved(report: "MoveReport", ascii_only: bool) -> RenderableType:
    """The verdict, each collection before and after, and where the old data is."""
    look = formatting.state(report.verdict)
    symbol = look.ascii if ascii_only else look.symbol
    head = f"{symbol} {look.word if report.moved else 'not moved'}".upper()
    parts: list[RenderableType] = [
        Text.assemble((head, f"bold {TONES[look.tone]}"), "   ", cell(report.reason, ascii_only, "bold")),
        cell(f"  {report.summary()}", ascii_only, "dim"),
    ]
    if report.collections:
        table = listing("collection", "old storage", "volume", "verdict", right=("old storage", "volume"))
        for one in report.collections:
            verdict = state(one.verdict, ascii_only=ascii_only)
            table.add_row(cell(one.name, ascii_only, "bold"), _points(one.before), _points(one.after), verdict)
        parts += [Text(), table, Text()]
    for one in report.collections:
        parts += [cell(f"  {one.name}: {setting}", ascii_only) for setting in one.told]
        parts += [
            cell(f"  {one.name}: {point.what} {point.id}  {point.detail}", ascii_only) for point in one.points[:20]
        ]
    if report.left:
        parts.append(cell(f"  the old data is still there: {report.left}", ascii_only))
        parts.append(advice("when you need it no more", report.remove, ascii_only=ascii_only))
    if report.fix:
        parts.append(advice("do now", report.fix, ascii_only=ascii_only))
    return Group(*parts)


def _points(side: "Side | None") -> str:
    return "absent" if side is None else formatting.number(side.points)
