"""How things look: states, figures, sparklines and hostile text, as values that no widget parses as markup.

A `str` handed to most Textual widgets is parsed as markup, and a collection called `[/oops]` then kills the app. So:
`Content` (from here) for Static-like widgets, `cell()` (rich Text) for DataTable and Tree, and never an f-string.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Literal

from rich.text import Text
from textual.content import Content
from textual.style import Style

from qdrant_admin.core import formatting
from qdrant_admin.core.formatting import Tone, plain

TONE_STYLES: dict[Tone, str] = {
    "good": "$text-success",
    "busy": "$text-accent",
    "warn": "$text-warning",
    "bad": "$text-error",
    "idle": "$text-muted",
}
MUTED = "$text-muted"
KEY = "bold $text-accent"
RUN = "run_action"
"""Meta of a span: the action that a click on it runs (in `Plain` and `Row`). Not `@click`: that looks like a link."""

_ASCII = str.maketrans("…·→←↑↓▾▸—–━─›“”’⏎⇥␍␀␛\ufffd✓•\u00a0", '~.><^vv>--=->""\'~~~~~?** ')


def ascii_only() -> bool:
    """Whether symbols must be plain ASCII: asked for, or the terminal's encoding has nothing else."""
    if os.environ.get("QDRANT_ADMIN_ASCII", "") not in {"", "0"}:
        return True
    encoding = getattr(sys.__stdout__, "encoding", None) or ""
    return bool(encoding) and not encoding.lower().replace("-", "").startswith(("utf", "cp65001"))


def glyphs(text: str) -> str:
    """Our own typographic characters, or their ASCII stand-ins where the terminal has nothing else."""
    return text.translate(_ASCII) if ascii_only() else text


def text(value: object, style: str | Style = "") -> Content:
    return Content.styled(glyphs(plain(value)), style)


def muted(value: object) -> Content:
    return text(value, MUTED)


def line(*parts: Content | tuple[object, str] | object) -> Content:
    """Contents, texts in a style, and anything else as text, after one another."""

    def drawn(part: object) -> Content:
        return part if isinstance(part, Content) else text(*part) if isinstance(part, tuple) else text(part)

    return Content("").join([drawn(part) for part in parts])


def lines(*rows: Content) -> Content:
    return Content("\n").join(rows)


def groups(groups: Sequence[Sequence[Content]]) -> Content:
    """Groups of rows with a blank line between them; one without rows takes no room."""
    return Content("\n\n").join([lines(*group) for group in groups if group])


def state(key: str, word: str = "") -> Content:
    """Symbol, word and colour of a state; `word` says it differently where the sentence asks for it."""
    known = formatting.state(key)
    shown = known._replace(word=plain(word or known.word))
    return Content.styled(glyphs(shown.text(ascii_only=ascii_only())), TONE_STYLES[known.tone])


def symbol(key: str) -> Content:
    """Only the symbol of a state, in its colour: for places where the word stands beside it anyway."""
    known = formatting.state(key)
    return Content.styled(known.ascii if ascii_only() else known.symbol, TONE_STYLES[known.tone])


def key(name: str, says: str, action: str = "") -> Content:
    shown = Content.assemble((glyphs(name), KEY), (glyphs(f" {says}"), MUTED))
    return linked(shown, action) if action else shown


def linked(content: Content, action: str) -> Content:
    return content.stylize(Style.from_meta({RUN: action}))


def keys(*pairs: tuple[str, str, str]) -> Content:
    return Content("   ").join([key(*pair) for pair in pairs])


def cut(content: Content, width: int) -> Content:
    """At most `width` cells, with an ellipsis where something was left out."""
    if content.cell_length <= width:
        return content
    return content.truncate(max(0, width - 1)) + text("…", MUTED)


def fit(content: Content, width: int, *, right: bool = False) -> Content:
    """Exactly `width` cells: cut with an ellipsis, or filled with blanks."""
    missing = width - content.cell_length
    if missing < 0:
        return cut(content, width)
    return content.pad_left(missing) if right else content.pad_right(missing)


def spark(values: Sequence[float], width: int, *, top: float | None = None, style: str = "$accent") -> Content:
    drawn = formatting.sparkline(list(values)[-width:], ascii_only=ascii_only(), top=top)
    floor = formatting.sparkline([0.0], ascii_only=ascii_only()) * (width - len(drawn))
    return Content.assemble((floor, "$line"), (drawn, style))


def chart(
    values: Sequence[float], width: int, rows: int, *, top: float | None = None, style: str = "$accent"
) -> list[Content]:
    """As `spark`, but several rows high, the uppermost row first."""
    bars = formatting.ASCII_BARS if ascii_only() else formatting.BARS
    shown = list(values)[-width:]
    highest = max(top or 0.0, max(shown, default=0.0)) or 1.0
    eighths = [max(1, round(value / highest * rows * len(bars))) for value in shown]
    drawn = []
    for row in reversed(range(rows)):
        levels = [min(len(bars), level - row * len(bars)) for level in eighths]
        text_ = "".join(bars[level - 1] if level > 0 else " " for level in levels)
        floor = (bars[0] if row == 0 else " ") * (width - len(text_))
        drawn.append(Content.assemble((floor, "$line"), (text_, style)))
    return drawn


def bar(done: int, total: int | None, width: int, *, style: str = "$accent") -> Content:
    """A progress bar of thin blocks; only the empty track while the total is not known."""
    full, empty = ("#", "-") if ascii_only() else ("━", "─")
    if total is None:
        return Content.styled(empty * width, "$line")
    share = 1.0 if total == 0 else min(1.0, done / total)
    filled = width if share >= 1.0 else min(width - 1, int(width * share))
    return Content.assemble((full * filled, style), (empty * (width - filled), "$line"))


def cell(value: object, style: str = "", variables: Mapping[str, str] | None = None, *, right: bool = False) -> Text:
    """A cell of a DataTable or a label of a Tree. A style `$name` is looked up in `variables`."""
    shown = (variables or {}).get(style[1:], "") if style.startswith("$") else style
    side: Literal["left", "right"] = "right" if right else "left"
    return Text(glyphs(plain(value)), style=shown, justify=side, no_wrap=True, overflow="ellipsis")


def state_cell(key_: str, variables: Mapping[str, str], word: str = "") -> Text:
    known = formatting.state(key_)
    shown = known._replace(word=plain(word or known.word))
    return cell(shown.text(ascii_only=ascii_only()), TONE_STYLES[known.tone], variables)


def symbol_cell(key_: str, variables: Mapping[str, str]) -> Text:
    """Only the symbol of a state, where a word in the same row says it too."""
    known = formatting.state(key_)
    return cell(known.ascii if ascii_only() else known.symbol, TONE_STYLES[known.tone], variables)


def beside(columns: Sequence[Sequence[Content]], widths: Sequence[int], gap: int = 4) -> list[Content]:
    """Columns of rows next to one another, each cut or filled to its width."""
    rows = zip_longest(*columns, fillvalue=Content(""))
    return [Content(" " * gap).join([fit(*one) for one in zip(row, widths, strict=True)]) for row in rows]


def fields(pairs: Sequence[tuple[str, Content]], width: int = 13) -> list[Content]:
    return [line(fit(muted(label), width), value) for label, value in pairs]


def hanging(label: Content, value: Content, width: int) -> list[Content]:
    """A label and its value in `width` cells; what does not fit goes on below, under the value."""
    rows = value.wrap(max(20, width - label.cell_length)) or [value]
    blank = Content(" " * label.cell_length)
    return [line(blank if index else label, row) for index, row in enumerate(rows)]


def title(words_: str) -> Content:
    return text(words_, "bold $text-accent")
