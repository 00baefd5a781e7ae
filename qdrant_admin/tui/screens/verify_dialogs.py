"""What a check looks at, chosen: the collections, and how hard it looks."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import formatting
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.dialogs import ConfirmDialog
from qdrant_admin.tui.screens.verify_ways import CRASH, Asked
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.form import Choice, Field, FormDialog, Text

USUAL_SAMPLE = 1000
OTHERS_SHOWN = 8


class CollectionsDialog(ModalScreen[tuple[str, ...] | None]):
    """Some collections, or all of them (an empty tuple); None leaves it as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "take", "take or leave", id="chosen.toggle", tooltip="take this one, or leave it out"),
        Binding("a", "all", "all", id="chosen.all", tooltip="all of them, those made later as well"),
        Binding("enter", "use", "use", id="chosen.use", tooltip="check these", priority=True),
        Binding("escape", "dismiss(None)", "cancel", id="chosen.cancel", tooltip="leave it as it was"),
    ]

    def __init__(self, known: Sequence[CollectionInfo], chosen: Sequence[str]) -> None:
        super().__init__()
        self._known, self._chosen = tuple(known), set(chosen)

    def compose(self) -> ComposeResult:
        """The list, and what is taken."""
        with Vertical(classes="dialog"):
            yield Plain(look.text("Which collections?", "bold"), classes="dialog-title")
            yield OptionList(*[Option(self._row(one)) for one in self._known], id="chosen-list", markup=False)
            yield Plain(id="chosen-says")
            yield Plain(
                look.keys(
                    ("space", "take or leave", "screen.take"),
                    ("a", "all", "screen.all"),
                    ("enter", "use", "screen.use"),
                    ("esc", "cancel", "screen.dismiss(None)"),
                ),
                classes="dialog-keys",
            )

    def on_mount(self) -> None:
        """Straight into the list."""
        self.query_one(OptionList).focus()
        self._draw_rows()

    def _row(self, one: CollectionInfo) -> Content:
        taken = one.name in self._chosen or not self._chosen
        count = "not counted" if one.points is None else formatting.counted(one.points, "point")
        mark = look.symbol("ok" if taken else "waiting")
        name = look.fit(look.text(formatting.shorten(one.name, 40), "bold" if taken else look.MUTED), 42)
        return look.line(mark, "  ", name, look.muted(count))

    def _draw_rows(self) -> None:
        rows = self.query_one(OptionList)
        for index, one in enumerate(self._known):
            rows.replace_option_prompt_at_index(index, self._row(one))
        count = len(self._chosen)
        told = (
            f"{formatting.number(count)} of {formatting.counted(len(self._known), 'collection')}"
            if count
            else "all of them"
        )
        self.query_one("#chosen-says", Plain).update(look.muted(told))

    def on_option_list_option_selected(self, _: OptionList.OptionSelected) -> None:
        """A click takes it, or leaves it out."""
        self.action_take()

    def action_take(self) -> None:
        """Take the one under the cursor, or leave it out."""
        index = self.query_one(OptionList).highlighted
        if index is not None:
            self._chosen ^= {self._known[index].name}
            self._draw_rows()

    def action_all(self) -> None:
        """All of them."""
        self._chosen = set()
        self._draw_rows()

    def action_use(self) -> None:
        """Close with the choice; every one of them is all of them."""
        names = tuple(one.name for one in self._known if one.name in self._chosen)
        self.dismiss(names)


def options_form(way: str, asked: Asked) -> FormDialog:
    """How hard to look: the form of this way."""
    if way == CRASH:
        body = "Each kill takes the server away for a moment. Collections of its own are made, and removed afterwards."
        return FormDialog("The crash test", body, _crash_fields(asked))
    body = "Every id is always compared, and every setting. Vectors and payloads of all points, or of a sample."
    return FormDialog("How closely shall it look?", body, _check_fields(asked))


def engine_question(others: Sequence[str]) -> ConfirmDialog:
    """Whether the engine may be restarted, with the names of what goes down with it."""
    what = (
        "Nothing else runs on it."
        if not others
        else f"{formatting.counted(len(others), 'other container')} go down with it:"
    )
    rows = [look.text(what), *[look.line("  ", look.state("warn", name)) for name in others[:OTHERS_SHOWN]]]
    rows += [look.muted(f"  and {len(others) - OTHERS_SHOWN} more")] if len(others) > OTHERS_SHOWN else []
    after = "Each comes back as its own restart policy says; one without a policy stays down." if others else ""
    rows += [look.muted(after)] if after else []
    return ConfirmDialog("Restart the container engine?", look.lines(*rows), yes="Restart it")


def _check_fields(asked: Asked) -> Sequence[Field]:
    closely = (
        ("every point", "every vector and payload of every point: the whole proof"),
        ("a sample", "quicker where there are millions of points; the verdict says that it was a sample"),
    )
    return (
        Choice("compare", "compare", "a sample" if asked.sample else "every point", closely),
        Text(
            "points",
            "sample of",
            str(asked.sample or USUAL_SAMPLE),
            "points of each collection, where a sample is taken",
            _whole(1, 10**9),
        ),
    )


def _crash_fields(asked: Asked) -> Sequence[Field]:
    acknowledged = (
        ("when kept", "wait=true: a write is counted once it is applied and logged. Nothing of it may be lost."),
        ("when taken", "wait=false: counted once it is taken. Shows what that costs on this computer's disk."),
    )
    return (
        Text("cycles", "kills", str(asked.cycles), "how often the server is killed, 1 to 1 000", _whole(1, 1000)),
        Text("writers", "writers", str(asked.writers), "programs that write at once, 1 to 32", _whole(1, 32)),
        Choice("acknowledged", "counted", "when kept" if asked.wait else "when taken", acknowledged),
    )


def _whole(least: int, most: int) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value.isdigit() and least <= int(value) <= most:
            return ""
        return f"{formatting.number(least)} to {formatting.number(most)}"

    return check
