"""The help of `migrate`: every kind of source, how its address is written, and what it needs."""

import textwrap
from collections.abc import Iterator

import rich_click as click

from qdrant_admin.cli.group import HelpfulCommand
from qdrant_admin.sources.registry import UNTESTED, SourceKind, kinds

_COLUMNS = 76
_EXAMPLES = "\n\n\b\nExamples:\n"


class SourcesCommand(HelpfulCommand):
    """A command whose help lists the kinds of sources, those of installed packages as well."""

    def format_help(self, ctx: click.RichContext, formatter: click.RichHelpFormatter) -> None:  # type: ignore[override] # as rich-click's
        """As click does, with the kinds before the examples; only here are the packages of others asked."""
        own = self.help
        before, mark, examples = (own or "").partition(_EXAMPLES)
        self.help = before + "\n".join(["\n\n\b\nSources:", *_lines(kinds())]) + mark + examples
        try:
            super().format_help(ctx, formatter)
        finally:
            self.help = own


def _lines(found: tuple[SourceKind, ...]) -> Iterator[str]:
    width = 2 + max(len(kind.form) for kind in found)
    for kind in found:
        first, *more = textwrap.wrap(kind.title + ("" if kind.tested else " *"), _COLUMNS - width)
        yield f"  {kind.form.ljust(width)}{first}"
        yield from (f"  {' ' * width}{line}" for line in more)
    if not all(kind.tested for kind in found):
        yield f"* {UNTESTED}"
