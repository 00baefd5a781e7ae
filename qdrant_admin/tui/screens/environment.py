"""Lines to paste into an application's environment."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain


class EnvironmentDialog(ModalScreen[None]):
    """The lines, the key hidden until asked for; `c` copies them whole.

    Args:
        lines: `export NAME=value` or the like, one a line.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "copy", id="env.copy", tooltip="copy the lines, with the key"),
        Binding("v", "reveal", "show the key", id="env.reveal", tooltip="show or hide the key"),
        Binding("escape,q,enter", "dismiss(None)", "close", id="env.close", tooltip="close"),
    ]

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self._revealed = False

    def compose(self) -> ComposeResult:
        """Lines and keys."""
        with Vertical(classes="dialog"):
            yield Plain(look.text("For your application's environment", "bold"), classes="dialog-title")
            yield Plain(self._shown(), id="env-lines")
            yield Plain(
                look.keys(
                    ("c", "copy", "screen.copy"),
                    ("v", "show the key", "screen.reveal"),
                    ("esc", "close", "screen.dismiss(None)"),
                ),
                classes="dialog-keys",
            )

    def _shown(self) -> Content:
        return look.lines(*[look.text(row if self._revealed else hidden(row)) for row in self._lines])

    def action_reveal(self) -> None:
        """Show or hide the key."""
        self._revealed = not self._revealed
        self.query_one("#env-lines", Plain).update(self._shown())

    def action_copy(self) -> None:
        """Copy all lines as they are."""
        self.app.copy_to_clipboard("\n".join(self._lines) + "\n")
        self.app.notify("copied; the clipboard now holds the API key, if there is one", markup=False)


def hidden(row: str) -> str:
    """The line with the key's value covered."""
    name, equals, _ = row.partition("=")
    return f"{name}{equals}••••••••" if equals and "API_KEY" in name else row
