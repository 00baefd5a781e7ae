"""Pictures of what was let go: a collection, and a migration that nobody takes up any more."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from qdrant_admin.cli.drawing import advice, cell, fit, state

if TYPE_CHECKING:
    from qdrant_admin.collections.reports import DeleteReport
    from qdrant_admin.core.reports import Report
    from qdrant_admin.migration.reports import DiscardReport


def deleted_card(report: "DeleteReport", ascii_only: bool) -> RenderableType:
    """What is gone, or would be, and how to have it again."""
    parts = [_head(report, ascii_only)]
    if report.aliases:
        parts.append(cell(f"  with the aliases {', '.join(report.aliases)}", ascii_only))
    if report.restore:
        parts.append(advice("to have it again", report.restore, ascii_only=ascii_only))
    return Group(*parts)


def discarded_card(report: "DiscardReport", ascii_only: bool) -> RenderableType:
    """What stays behind."""
    parts = [_head(report, ascii_only)]
    if report.kept:
        parts.append(cell(f"  it has made {', '.join(report.kept)}", ascii_only))
    if report.indexing_given_back:
        parts.append(cell(f"  indexed again: {', '.join(report.indexing_given_back)}", ascii_only))
    return Group(*parts)


def _head(report: "Report", ascii_only: bool) -> RenderableType:
    head = state(report.verdict_word, ascii_only=ascii_only, bold=True)
    head.append(fit(f"   {report.summary()}", ascii_only))
    return head
