"""The picture of an export."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from qdrant_admin.cli.drawing import cell, facts, fit, state
from qdrant_admin.core import formatting

if TYPE_CHECKING:
    from qdrant_admin.migration.export import ExportReport

_PLAIN = {
    "verified": "The file holds exactly what the collection holds.",
    "changed": "The file is whole, and the collection is no longer what it was.",
}


def exported_card(report: "ExportReport", ascii_only: bool) -> RenderableType:
    """The verdict, and what lies where."""
    head = state(report.verdict, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {_PLAIN[report.verdict]}", ascii_only), "bold")
    grid = facts()
    rows = {
        "collection": report.collection,
        "file": report.file,
        "holds": f"{formatting.counted(report.points, 'point')} in {formatting.size(report.bytes)}",
        "content": formatting.short_digest(report.digest),
        "took": formatting.duration(report.seconds),
    }
    for label, value in rows.items():
        grid.add_row(cell(label, ascii_only, "dim"), cell(value, ascii_only))
    note = [cell(f"  {report.note}", ascii_only, "yellow")] if report.note else []
    return Group(head, grid, *note)
