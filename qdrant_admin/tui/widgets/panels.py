"""What a screen is filled with: designed states, the verdict, and groups of lines that are drawn again often."""

from collections.abc import Sequence
from itertools import chain, repeat

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain

KeyHint = tuple[str, str, str]
"""Key, what it does, and the action that a click runs."""


def loading(what: str = "looking…") -> Content:
    return look.state("loading", what)


def empty(what: str, why: str = "", *hints: KeyHint) -> Content:
    rows = [look.text(what, "bold")]
    if why:
        rows.append(look.muted(why))
    if hints:
        rows += [Content(""), look.keys(*hints)]
    return look.lines(*rows)


def failure(end: AdminError, *hints: KeyHint) -> Content:
    rows = [look.line(look.symbol("failed"), " ", (end.what, "bold $text-error"))]
    rows += [look.line("  ", part) for part in end.why.splitlines()]
    if end.fix:
        rows += [Content(""), look.line(("  try  ", look.MUTED), (end.fix, "$text-accent"))]
    if hints:
        rows += [Content(""), look.line("  ", look.keys(*hints))]
    return look.lines(*rows)


class StatePanel(Plain):
    """Shows one of these states, with air around it."""


class TooSmall(Plain):
    """Covers the screen while the terminal is too small to be read."""

    def on_mount(self) -> None:
        self.update(empty("A little more room, please.", "60 × 15 characters at least. q quits."))


class Verdict(Plain):
    """A verdict that nobody can overlook or misread, with or without colour."""

    def tell(self, key: str, sentence: str, *rest: Content, word: str = "") -> None:
        tone = formatting.state(key).tone
        for name in ("good", "busy", "warn", "bad", "idle"):
            self.set_class(name == tone, f"-{name}")
        head = look.state(key, (word or formatting.state(key).word).upper()).stylize("bold")
        self.update(look.lines(head, look.text(sentence, "bold"), *rest))


class Live(Plain):
    """A text of which nothing is drawn that is as it was."""

    _shown: Content | None = None
    _shape: tuple[int, int] | None = None
    """Rows and width; None where a line was wrapped."""

    def draw(self, content: Content) -> None:
        """Show it. The screen is laid out again only where that may move something: it costs more than the drawing."""
        if self._shown is not None and self._shown.is_same(content):
            return
        lines, width = content.plain.split("\n"), self.content_size.width
        shape = (len(lines), width) if all(cell_len(line) <= width for line in lines) else None
        self.update(content, layout=shape is None or shape != self._shape)
        self._shown, self._shape = content, shape


class LiveGroups(VerticalScroll):
    """Groups of lines below one another, with a blank line between; one without lines takes no room."""

    DEFAULT_CSS = """
    LiveGroups > Live { margin-top: 1; display: none; }
    LiveGroups > Live:first-child { margin-top: 0; }
    """

    def __init__(self, count: int, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self._count = count

    def compose(self) -> ComposeResult:
        for _ in range(self._count):
            live = Live()
            live.set_reactive(Widget.auto_links, False)  # looking for them takes a fifth of the time
            yield live

    def draw(self, groups: Sequence[Sequence[Content]]) -> None:
        """Show them: as many as there are texts at most, each always in the same place."""
        for live, group in zip(self.query(Live), chain(groups, repeat(())), strict=False):
            live.display = bool(group)
            live.draw(look.lines(*group))
