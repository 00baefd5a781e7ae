"""The pieces that every picture on the command line is made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from rich.table import Table
from rich.text import Text

from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.text import plain

if TYPE_CHECKING:
    from qdrant_admin.database.models import VectorSpec

TONES = {"good": "green", "busy": "cyan", "warn": "yellow", "bad": "red", "idle": "dim"}
_ASCII = str.maketrans({"…": ".", "“": '"', "”": '"', "—": "-", "–": "-", "→": ">", "·": "-", "’": "'", "━": "="})


def fit(text: str, ascii_only: bool) -> str:
    """The text in what the terminal can show."""
    return text.translate(_ASCII).encode("ascii", "replace").decode() if ascii_only else text


def state(key: str, *, ascii_only: bool, bold: bool = False) -> Text:
    """Symbol, word and colour of a state."""
    look = formatting.state(key)
    return Text(
        fit(plain(look.text(ascii_only=ascii_only)), ascii_only), f"{'bold ' if bold else ''}{TONES[look.tone]}"
    )


def lines(text: str) -> list[str]:
    """Lines of our own words, each made safe."""
    return [plain(line) for line in text.splitlines()]


def failure(error: AdminError, *, ascii_only: bool) -> Text:
    """What, why, and what to do now."""
    cancelled = error.exit_code == 130
    result = Text()
    symbol = formatting.state("cancelled" if cancelled else "failed")
    result.append(f"{symbol.ascii if ascii_only else symbol.symbol} ", "bold yellow" if cancelled else "bold red")
    result.append("\n  ".join(lines(error.what)), "bold")
    for line in lines(error.why):
        result.append(f"\n  {line}")
    if error.fix:
        result.append("\n  do now: ", "dim")
        result.append("\n          ".join(lines(error.fix)), "cyan")
    return Text(fit(result.plain, True)) if ascii_only else result


def facts() -> Table:
    """A grid of label and value."""
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def listing(*columns: str, right: tuple[str, ...] = (), cut: tuple[str, ...] = ()) -> Table:
    """A table without a frame: dim headings, numbers to the right; what is too long goes on below, or is cut."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        short = column in cut
        table.add_column(column, justify=justify, overflow="ellipsis" if short else "fold", no_wrap=short)
    return table


def cell(value: object, ascii_only: bool, style: str = "") -> Text:
    """A value from outside as one safe line."""
    return Text(fit(plain(value), ascii_only), style)


def advice(word: str, command: str, *, ascii_only: bool) -> Text:
    """`  do now: qdrant-admin up`."""
    return Text.assemble((f"  {word}: ", "dim"), (fit(plain(command), ascii_only), "cyan"))


def remark(level: str, text: str, fix: str, ascii_only: bool) -> Text:
    """Something that wants a person's eye, and what to do about it."""
    look = formatting.state(level)
    line = Text(f"{look.ascii if ascii_only else look.symbol} ", TONES[look.tone])
    line.append(fit(plain(text), ascii_only))
    if fix:
        line.append("\n  do now: ", "dim").append(fit(plain(fix), ascii_only), "cyan")
    return line


def vectors(specs: "Sequence[VectorSpec]") -> str:
    """`384 Cosine`, `title 384 Cosine, text sparse`."""
    shown = []
    for spec in specs:
        size = str(spec.size) if spec.size is not None else ""
        kind = "" if spec.kind == "dense" else spec.kind
        shown.append(" ".join(part for part in (spec.name, size, kind, spec.distance or "") if part))
    return ", ".join(shown)
