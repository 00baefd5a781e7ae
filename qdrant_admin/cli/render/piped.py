"""Blocks as plain lines, for a pipe or a file. Scripts ask often, and the library for terminals takes long to load."""

from collections.abc import Iterator

from qdrant_admin.core import blocks, formatting
from qdrant_admin.core.commands import Command, written
from qdrant_admin.core.formatting import State, plain

_ASCII = str.maketrans({"…": ".", "“": '"', "”": '"', "—": "-", "–": "-", "→": ">", "·": "-", "’": "'", "━": "="})


def lines(shown: blocks.Blocks, profile: str, *, ascii_only: bool) -> Iterator[str] | None:
    """Every line of what is shown, as a terminal of endless width would have it; None where there is a table.

    Args:
        shown: what a report says.
        profile: the one that its commands are put on.
        ascii_only: the encoding cannot carry our symbols.
    """
    if any(isinstance(block, blocks.Table) for block in shown):
        return None
    return _Lines(profile, ascii_only)(shown)


def apart(before: blocks.Block, block: blocks.Block) -> bool:
    """Whether an empty line stands between the two."""
    if isinstance(block, blocks.Headline | blocks.Heading | blocks.Facts | blocks.Table):
        return not isinstance(before, blocks.Heading)
    return isinstance(block, blocks.Remark) and not isinstance(before, blocks.Remark)


def is_ascii(encoding: str | None) -> bool:
    """Whether an encoding cannot carry our symbols."""
    try:
        "●✕◐▲○━…“”".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


def fit(text: str, ascii_only: bool) -> str:
    """The text in what the terminal can show."""
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


def part_text(part: blocks.Part, profile: str | None, ascii_only: bool) -> str:
    """A piece of words as one safe line."""
    match part:
        case blocks.StateWord(key):
            text = formatting.state(key).text(ascii_only=ascii_only)
        case blocks.Sparkline(values):
            return formatting.sparkline(values, ascii_only=ascii_only)
        case Command():
            text = written(part, profile)
        case blocks.Digest():
            text = formatting.short_digest(part)
        case _:
            text = part
    return fit(plain(text), ascii_only)


def rest_text(count: int, shown: int | None) -> str:
    """How many more there are than are shown; empty when those are all."""
    return f"  and {formatting.number(count - shown)} more" if shown is not None and count > shown else ""


class _Lines:
    def __init__(self, profile: str, ascii_only: bool) -> None:
        self._profile = profile
        self._ascii = ascii_only

    def __call__(self, shown: blocks.Blocks) -> Iterator[str]:
        before: blocks.Block | None = None
        for block in shown:
            if before is not None and apart(before, block):
                yield ""
            yield from self._of(block, "" if before is None else "  ")
            before = block

    def _of(self, block: blocks.Block, margin: str) -> Iterator[str]:
        match block:
            case blocks.Headline(state, text, loud, word):
                look = formatting.state(state)
                head = word or look.word
                said = f"   {self._words(text)}" if text else ""
                yield f"{self._symbol(look)} {self._safe(head.upper() if loud else head)}{said}"
            case blocks.Heading(text):
                yield self._words(text)
            case blocks.Paragraph(text):
                yield margin + self._words(text)
            case blocks.Facts(rows):
                wide = max((len(self._safe(label)) for label, _ in rows), default=0)
                yield from (f"{self._safe(label):{wide}}  {self._words(value)}" for label, value in rows)
            case blocks.Items(rows, shown):
                yield from (f"  - {self._words(row)}" for row in rows[:shown])
                if rest := rest_text(len(rows), shown):
                    yield rest
            case blocks.Remark():
                yield from self._remark(block)
            case blocks.Commands(steps):
                yield from map(self._step, steps)

    def _remark(self, block: blocks.Remark) -> Iterator[str]:
        gap = "  " if block.title and block.text else ""
        yield f"{self._symbol(formatting.state(block.level))} {self._safe(block.title)}{gap}{self._words(block.text)}"
        if fix := written(block.command, self._profile):
            yield f"  do now: {self._safe(fix)}"

    def _step(self, step: blocks.Step) -> str:
        command = written(step.command, self._profile)
        return self._safe(f"  {step.says}") + (f": {self._safe(command)}" if command else "")

    def _words(self, words: blocks.Words) -> str:
        return "".join(part_text(part, self._profile, self._ascii) for part in blocks.parts(words))

    def _safe(self, text: str) -> str:
        return fit(plain(text), self._ascii)

    def _symbol(self, look: State) -> str:
        return self._safe(look.ascii if self._ascii else look.symbol)
