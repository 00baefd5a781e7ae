"""The designed states of a panel that has nothing to show: loading, empty, failed; and the too-small terminal."""

from textual.content import Content

from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure
from qdrant_admin.tui.widgets.bars import Plain

KeyHint = tuple[str, str, str]
"""Key, what it does, and the action that a click runs."""


def loading(what: str = "looking…") -> Content:
    """Something is on its way."""
    return look.state("loading", what)


def empty(what: str, why: str = "", *hints: KeyHint) -> Content:
    """There is nothing, and this is the next step."""
    rows = [look.text(what, "bold")]
    if why:
        rows.append(look.muted(why))
    if hints:
        rows += [Content(""), look.keys(*hints)]
    return look.lines(*rows)


def failure(error: AdminError | JobFailure, *hints: KeyHint) -> Content:
    """What happened, why, and what to do now."""
    rows = [look.line(look.symbol("failed"), " ", (error.what, "bold $text-error"))]
    rows += [look.line("  ", part) for part in error.why.splitlines()]
    if error.fix:
        rows += [Content(""), look.line(("  try  ", look.MUTED), (error.fix, "$text-accent"))]
    if hints:
        rows += [Content(""), look.line("  ", look.keys(*hints))]
    return look.lines(*rows)


class StatePanel(Plain):
    """Shows one of these states, with air around it."""


class TooSmall(Plain):
    """Covers the screen while the terminal is too small to be read."""

    def on_mount(self) -> None:
        """Say what is missing."""
        self.update(
            look.lines(
                look.text("A little more room, please.", "bold"), look.muted("60 × 15 characters at least. q quits.")
            )
        )
