"""The picture of what lies at a path."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from qdrant_admin.cli.drawing import cell, facts, fit, listing, remark, state
from qdrant_admin.core import formatting
from qdrant_admin.core.text import plain

if TYPE_CHECKING:
    from qdrant_admin.migration.inspect import InspectReport

_SHOWN = 20


def found_picture(report: "InspectReport", ascii_only: bool) -> RenderableType:
    """What it is, how much is in it, and who holds it."""
    symbol = state(report.verdict_word, ascii_only=ascii_only, bold=True)[:2]
    head = Text.assemble(symbol, (fit(plain(report.what), ascii_only), "bold"))
    grid = facts()
    users = []
    for holder in report.holders:
        ports = f" on port {', '.join(map(str, holder.ports))}" if holder.ports else ""
        users.append(f"{plain(holder.program)} (pid {holder.pid}){ports}")
    unseen = (
        f" ({formatting.counted(report.unseen, 'process', 'processes')} of others not looked into)"
        if report.unseen
        else ""
    )
    nobody = f"nobody, as far as can be seen{unseen}" if unseen else "nobody"
    rows = {
        "at": report.path,
        "size": f"{formatting.size(report.bytes)} in {formatting.counted(report.files, 'file')}",
        "records": "" if report.records is None else formatting.number(report.records),
        "open in": ", ".join(users) or ("a program that holds its lock" if report.in_use else nobody),
    }
    for label, value in rows.items():
        if value:
            grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    parts: list[RenderableType] = [head, Text(), grid]
    if report.collections:
        table = listing("collection", "records", "payload", right=("records",))
        for one in report.collections[:_SHOWN]:
            count = "" if one.records is None else formatting.number(one.records)
            table.add_row(
                cell(one.name, ascii_only, "bold"), count, cell(one.payload.partition(" (")[0], ascii_only, "dim")
            )
        parts += [Text(), table]
    if len(report.collections) > _SHOWN:
        parts.append(cell(f"  and {len(report.collections) - _SHOWN} more", ascii_only, "dim"))
    notes = [*report.notes, *([] if report.command else ["nothing of ours brings it into a server"])]
    parts += [Text(), *(remark("warn", note, "", ascii_only) for note in notes)] if notes else []
    if report.kind == "qdrant-snapshot":
        parts.append(remark("warn", "this replaces a collection of that name", report.command, ascii_only))
    return Group(*parts)
