"""The keys of the screen that was in front."""

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen

from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets.bars import Plain

KEY_WIDTH = 12
EVERYWHERE: tuple[tuple[str, str], ...] = (
    ("1 to 6", "the areas"),
    ("ctrl+p", "every command, collection and profile by name"),
    ("w", "running and finished jobs; pause and stop them"),
    ("j k g G", "down, up, top, bottom"),
    ("tab", "next part of the screen"),
    ("esc", "back"),
    ("q", "quit"),
)


class HelpDialog(ModalScreen[None]):
    """What this screen is for, its own keys, and those that work everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss(None)", "close", id="help.close", tooltip="close")
    ]

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._about = screen.HELP_TEXT if isinstance(screen, BaseScreen) else ""
        self._own: list[tuple[str, str]] = []
        for active in screen.active_bindings.values():
            binding = active.binding
            if active.node is screen.app or not binding.show:
                continue
            self._own.append(
                (binding.key_display or screen.app.get_key_display(binding), binding.tooltip or binding.description)
            )

    def compose(self) -> ComposeResult:
        """Purpose, own keys, common keys."""
        rows = [look.text("Keys of this screen", "bold"), *self._rows(self._own), Content("")]
        rows += [look.text("Everywhere", "bold"), *self._rows(EVERYWHERE)]
        with Vertical(classes="dialog"):
            if self._about:
                yield Plain(look.muted(self._about), classes="dialog-body")
            with VerticalScroll(classes="details"):
                yield Plain(look.lines(*rows))
            yield Plain(look.keys(("esc", "close", "screen.dismiss(None)")), classes="dialog-keys")

    @staticmethod
    def _rows(pairs: "list[tuple[str, str]] | tuple[tuple[str, str], ...]") -> list[Content]:
        return [look.line(look.fit(look.text(key, look.KEY), KEY_WIDTH), says) for key, says in pairs]
