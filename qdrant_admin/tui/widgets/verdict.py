"""The answer, first and large: symbol, word, one sentence, in the colour of what it means."""

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain


class Verdict(Plain):
    """A verdict that nobody can overlook or misread, with or without colour."""

    def tell(self, key: str, sentence: str, *rest: Content, word: str = "") -> None:
        """Show the state `key` and what it means here."""
        tone = formatting.state(key).tone
        for name in ("good", "busy", "warn", "bad", "idle"):
            self.set_class(name == tone, f"-{name}")
        head = look.state(key, (word or formatting.state(key).word).upper()).stylize("bold")
        self.update(look.lines(head, look.text(sentence, "bold"), *rest))
