"""Blocks and errors on a terminal: calm, 80 columns wide, numbers to the right, one look for all.

Data goes to standard output, everything said goes to standard error.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from qdrant_admin.cli.quick import silence
from qdrant_admin.cli.render.piped import apart, fit, is_ascii, part_text, rest_text
from qdrant_admin.core import blocks, formatting
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import plain

PIPE_WIDTH = 160
"""A pipe has no width; wide enough that a table keeps its lines, and grep finds them."""
TONES = {"good": "green", "busy": "cyan", "warn": "yellow", "bad": "red", "idle": "dim"}
_EMPHASIS: dict[blocks.Emphasis, str] = {"plain": "", "soft": "dim", "strong": "bold", "warn": "yellow", "bad": "red"}


class _Messages:
    """Standard error. What cannot be written to it any more is not said: its terminal is closed, its disk is full."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._unheard():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._unheard():
            self._stream.flush()

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:  # whoever reads has had enough
            raise
        except OSError:
            silence(self._stream)


def messages() -> Console:
    """Standard error, for everything that is said. A fault in writing it is none of the command's."""
    if sys.stderr is None:  # closed by whoever started us
        return Console(file=io.StringIO(), markup=False)
    stream = cast("IO[str]", _Messages(sys.stderr))
    return Console(file=stream, markup=False, emoji=False, highlight=False, soft_wrap=not sys.stderr.isatty())


def printed(shown: blocks.Blocks, profile: str) -> str | None:
    """Print blocks on a terminal; for a pipe return them, without the spaces that fill their columns.

    No markup is ever read: names from a database are hostile.
    """
    piped = not sys.stdout.isatty()
    width = PIPE_WIDTH if piped and "COLUMNS" not in os.environ else None
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=piped, width=width)
    picture = Drawing(profile, ascii_only=is_ascii(console.encoding)).picture(shown)
    if console.is_terminal:
        console.print(picture)
        return None
    console.file = text = io.StringIO()
    console.print(picture)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def cell(value: object, ascii_only: bool, style: str = "") -> Text:
    """A value from outside as one safe line."""
    return Text(fit(plain(value), ascii_only), style)


def do_now(fix: str, ascii_only: bool) -> Text:
    """`  do now: qdrant-admin up`, on a line of its own."""
    return Text.assemble(("\n  do now: ", "dim"), (fit(plain(fix), ascii_only), "cyan"))


def failure(ours: AdminError, *, ascii_only: bool) -> Text:
    """An error whose fix is on its profile already: what, why, and what to do now."""
    cancelled = ours.exit_code == 130
    result = Text()
    look = formatting.state("cancelled" if cancelled else "failed")
    result.append(f"{look.ascii if ascii_only else look.symbol} ", "bold yellow" if cancelled else "bold red")
    result.append("\n  ".join(_lines(ours.what)), "bold")
    for line in _lines(ours.why):
        result.append(f"\n  {line}")
    if ours.fix:
        result.append("\n  do now: ", "dim")
        result.append("\n          ".join(_lines(ours.fix)), "cyan")
    return Text(fit(result.plain, True)) if ascii_only else result


def _lines(text: str) -> list[str]:
    return [plain(line) for line in text.splitlines()]


class Drawing:
    """Draws shown.

    Args:
        profile: the one that their commands are put on.
        ascii_only: the terminal cannot carry our symbols.
    """

    def __init__(self, profile: str | None, *, ascii_only: bool = False) -> None:
        self._profile = profile
        self._ascii = ascii_only

    def picture(self, shown: blocks.Blocks) -> Group:
        """All of them, with space between the parts."""
        return Group(*self._spaced(shown))

    def _spaced(self, shown: blocks.Blocks) -> Iterator[RenderableType]:
        before: blocks.Block | None = None
        for block in shown:
            if before is not None and apart(before, block):
                yield Text()
            yield from self._drawn(block, "" if before is None else "  ")
            before = block

    def _drawn(self, block: blocks.Block, margin: str) -> Iterator[RenderableType]:
        match block:
            case blocks.Headline():
                yield self._headline(block)
            case blocks.Heading(text):
                yield self._words(text, "bold")
            case blocks.Paragraph(text, emphasis):
                yield Text(margin).append_text(self._words(text, _EMPHASIS[emphasis]))
            case blocks.Facts(rows):
                yield self._facts(rows)
            case blocks.Items(rows, shown):
                yield from (Text("  - ").append_text(self._words(row)) for row in rows[:shown])
                yield from self._rest(len(rows), shown)
            case blocks.Table():
                yield self._table(block)
                yield from self._rest(len(block.rows), block.shown)
            case blocks.Remark():
                yield self._remark(block)
            case blocks.Commands(steps):
                yield from (self._step(step) for step in steps)

    def _headline(self, block: blocks.Headline) -> Text:
        look = formatting.state(block.state)
        word = block.word or look.word
        head = f"{look.ascii if self._ascii else look.symbol} {word.upper() if block.loud else word}"
        line = cell(head, self._ascii, f"bold {TONES[look.tone]}")
        if block.text:
            line.append("   ").append_text(self._words(block.text, "bold" if block.loud else ""))
        return line

    def _facts(self, rows: tuple[tuple[str, blocks.Words], ...]) -> Grid:
        grid = Grid.grid(padding=(0, 2, 0, 0), pad_edge=False)
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, value in rows:
            grid.add_row(cell(label, self._ascii, "dim"), self._words(value))
        return grid

    def _table(self, block: blocks.Table) -> Grid:
        """Without a frame: dim headings, the first column strong, numbers to the right.

        Where there is a column that may be cut, it alone gives way. `no_wrap` of a column is what makes rich keep its
        width, so there it is the text that must not be wrapped.
        """
        table = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for title in block.head:
            keeps = bool(block.cut) and title not in block.cut
            table.add_column(title, justify="right" if title in block.right else "left", overflow="fold", no_wrap=keeps)
        for row in block.rows[: block.shown]:
            cells = [self._words(value, "bold" if at == 0 else "") for at, value in enumerate(row)]
            for title, text in zip(block.head, cells, strict=True):
                if title in block.cut:
                    text.no_wrap, text.overflow = True, "ellipsis"
            table.add_row(*cells)
        return table

    def _rest(self, count: int, shown: int | None) -> Iterator[Text]:
        if rest := rest_text(count, shown):
            yield Text(rest, "dim")

    def _remark(self, block: blocks.Remark) -> Text:
        look = formatting.state(block.level)
        line = Text(f"{look.ascii if self._ascii else look.symbol} ", TONES[look.tone])
        if block.title:
            line.append_text(cell(block.title, self._ascii, "bold"))
        if block.text:
            line.append("  " if block.title else "").append_text(self._words(block.text, "dim" if block.title else ""))
        fix = self._written(block.command)
        return line.append_text(do_now(fix, self._ascii)) if fix else line

    def _step(self, step: blocks.Step) -> Text:
        command = self._written(step.command)
        line = cell(f"  {step.says}", self._ascii, "dim" if command else "")
        return line.append(": ", "dim").append_text(cell(command, self._ascii, "cyan")) if command else line

    def _words(self, words: blocks.Words, style: str = "") -> Text:
        return Text.assemble(*(self._part(part, style) for part in blocks.parts(words)))

    def _part(self, part: blocks.Part, style: str) -> Text:
        match part:
            case blocks.StateWord(key):
                style = TONES[formatting.state(key).tone]
            case blocks.Sparkline() | Command():
                style = "cyan"
            case blocks.Soft():
                style = "dim"
        return Text(part_text(part, self._profile, self._ascii), style)

    def _written(self, fix: Fix) -> str:
        return written(fix, self._profile)
