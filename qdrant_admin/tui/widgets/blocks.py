"""Blocks of a report as content: what it says is made beside the report, here it is only drawn."""

from collections.abc import Iterator
from typing import assert_never

from textual.content import Content

from qdrant_admin.core import blocks, formatting
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.tui import look

COMMAND = "$text-accent"
LABEL_WIDTH = 11
TITLE_WIDTH = 18
SPARKS = 40
NARROWEST = 8
EMPHASIS: dict[blocks.Emphasis, str] = {
    "plain": "",
    "soft": look.MUTED,
    "strong": "bold",
    "warn": look.TONE_STYLES["warn"],
    "bad": look.TONE_STYLES["bad"],
}


class Drawing:
    """Draws blocks in so many cells, with commands on this profile."""

    def __init__(self, width: int, profile: str | None) -> None:
        self._width, self._profile = width, profile

    def content(self, said: blocks.Blocks) -> Content:
        rows: list[Content] = []
        before: blocks.Block | None = None
        for block in said:
            drawn = self.rows(block)
            if drawn and before is not None and _apart(before, block):
                rows.append(Content(""))
            rows += drawn
            before = block if drawn else before
        return look.lines(*rows)

    def rows(self, block: blocks.Block) -> list[Content]:
        return list(self._rows(block))

    def _rows(self, block: blocks.Block) -> Iterator[Content]:
        match block:
            case blocks.Headline(state, text, loud, word):
                shown = (word or formatting.state(state).word).upper() if loud else word
                said = [look.line("   ", self.words(text))] if text else []
                yield look.line(look.state(state, shown).stylize("bold"), *said)
            case blocks.Heading(text):
                yield self.words(text, "bold $text-accent")
            case blocks.Paragraph(text, emphasis):
                yield from look.hanging(Content(""), self.words(text, EMPHASIS[emphasis]), self._width)
            case blocks.Facts(facts):
                width = max([LABEL_WIDTH, *(len(label) + 2 for label, _ in facts)])
                for label, value in facts:
                    yield from look.hanging(look.fit(look.muted(label), width), self.words(value), self._width)
            case blocks.Items(items, shown):
                yield from (look.line(look.muted("· "), self.words(item)) for item in items[:shown])
                yield from _rest(len(items), shown)
            case blocks.Table():
                yield from self._table(block)
            case blocks.Remark():
                yield from self._remark(block)
            case blocks.Commands(steps):
                width = max((look.text(step.says).cell_length for step in steps if step.command), default=0) + 5
                yield from (row for step in steps for row in self._step(step, width))
            case _:
                assert_never(block)

    def words(self, words: blocks.Words, style: str = "") -> Content:
        return look.line(*(self._part(part, style) for part in blocks.parts(words)))

    def _part(self, part: blocks.Part, style: str) -> Content:
        match part:
            case blocks.StateWord(key):
                return look.state(key)
            case blocks.Sparkline(values):
                return look.spark(values, min(SPARKS, len(values)))
            case Command():
                return look.text(written(part, self._profile), COMMAND)
            case blocks.Digest():
                return look.text(formatting.short_digest(part), style)
            case _:
                return look.text(part, look.MUTED if isinstance(part, blocks.Soft) else style)

    def _table(self, block: blocks.Table) -> list[Content]:
        cells = [[self.words(value, "bold" if at == 0 else "") for at, value in enumerate(row)] for row in block.rows]
        cells = cells[: block.shown]
        columns = [[look.muted(title), *(row[at] for row in cells)] for at, title in enumerate(block.head)]
        widths = [max(cell.cell_length for cell in column) for column in columns]
        room = self._width - 3 * (len(widths) - 1)
        while sum(widths) > room and max(widths) > NARROWEST:
            widths[widths.index(max(widths))] -= 1  # the widest gives way: a verdict is never what is cut
        rows = []
        for row in zip(*columns, strict=True):
            fitted = [
                look.fit(cell, width, right=title in block.right)
                for cell, width, title in zip(row, widths, block.head, strict=True)
            ]
            rows.append(look.cut(Content("   ").join(fitted), self._width))
        return [*rows, *_rest(len(block.rows), block.shown)]

    def _remark(self, block: blocks.Remark) -> list[Content]:
        symbol = look.line(look.symbol(block.level), " ")
        label = look.fit(look.line(symbol, block.title), TITLE_WIDTH) if block.title else symbol
        calm = block.title and block.level == "ok"
        rows = look.hanging(label, self.words(block.text, look.MUTED if calm else ""), self._width)
        return [*rows, *self.fix(block.command, label.cell_length)]

    def fix(self, fix: Fix, indent: int = 2) -> list[Content]:
        shown = written(fix, self._profile)
        return [look.line(" " * indent, ("try  ", look.MUTED), (shown, COMMAND))] if shown else []

    def _step(self, step: blocks.Step, width: int) -> list[Content]:
        says, command = (
            look.line(look.muted("· "), step.says),
            self.words(written(step.command, self._profile), COMMAND),
        )
        if command and width + command.cell_length <= self._width:
            return [look.line(look.fit(says, width), command)]
        rows = look.hanging(look.muted("· "), look.text(step.says), self._width)
        return [*rows, look.line("  ", command)] if command else rows


def after(said: blocks.Blocks, kind: type[blocks.Block]) -> blocks.Blocks:
    """What follows the first block of a kind: the rest is on the screen in another form."""
    at = next((index for index, block in enumerate(said, 1) if isinstance(block, kind)), 0)
    return said[at:]


def _rest(count: int, shown: int | None) -> list[Content]:
    return [look.muted(f"and {formatting.number(count - shown)} more")] if shown is not None and count > shown else []


def _apart(before: blocks.Block, block: blocks.Block) -> bool:
    if isinstance(before, blocks.Heading):
        return False
    return not (type(before) is type(block) and isinstance(block, blocks.Paragraph | blocks.Remark | blocks.Commands))
