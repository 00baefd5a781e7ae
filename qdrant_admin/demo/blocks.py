"""What the report of the demo says to people."""

from typing import TYPE_CHECKING

from qdrant_admin.core.blocks import Blocks, Heading, Headline, Paragraph

if TYPE_CHECKING:
    from qdrant_admin.demo.reports import DemoReport


def story(report: "DemoReport") -> Blocks:
    """The chapters, each as its own report says it, and what is left of it."""
    return (
        Heading("the server"),
        *report.up.blocks(),
        Heading("the migration"),
        *report.migration.blocks(),
        Heading("the proof"),
        *report.verify.blocks(),
        Headline(report.verdict_word, report.summary()),
        *(Paragraph(f"removed again: {thing}", "soft") for thing in report.removed),
        *(Paragraph(f"still there: {thing}", "warn") for thing in report.left),
    )
