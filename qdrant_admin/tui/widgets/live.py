"""Text that is drawn anew several times a second, in the very process that does the work: no more of it than needed."""

from collections.abc import Sequence
from itertools import chain, repeat

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain


class Live(Plain):
    """A text of which nothing is drawn that is as it was."""

    _shown: Content | None = None
    _shape: tuple[int, int] | None = None
    """Rows and width; None where a line was wrapped."""

    def draw(self, content: Content) -> None:
        """Show it. The screen is laid out anew only where that may move something: it costs more than the drawing."""
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
        """One text for each group."""
        for _ in range(self._count):
            live = Live()
            live.set_reactive(Widget.auto_links, False)  # looking for them takes a fifth of the time
            yield live

    def draw(self, groups: Sequence[Sequence[Content]]) -> None:
        """Show them: as many as there are texts at most, each always in the same place."""
        for live, group in zip(self.query(Live), chain(groups, repeat(())), strict=False):
            live.display = bool(group)
            live.draw(look.lines(*group))

    @property
    def text(self) -> str:
        """All that is shown."""
        return "\n\n".join(str(live.render()) for live in self.query(Live) if live.display)
