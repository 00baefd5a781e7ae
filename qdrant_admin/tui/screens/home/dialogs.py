"""What Home opens: the doctor's findings, lines for the environment, and what was done before."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Blocks, Remark
from qdrant_admin.lifecycle.reports import DoctorReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import CLOSE, DialogKeys, Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing
from qdrant_admin.tui.widgets.tables import fill

MOVED_AWAY_FROM = {"storage_in_container", "storage_unsound", "move_interrupted"}
"""What moving the data to a volume fixes, by the codes of the checks."""
ORDER = {"fail": 0, "warn": 1, "unknown": 2, "ok": 3}


class DoctorDialog(ModalScreen[bool]):
    """Every check, what is wrong first. Closes with whether the data is to be moved to a volume."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("m", "dismiss(True)", "move the data to a volume…", "doctor.move", "move the data to a volume"),
        bind("escape,q,enter", "dismiss(False)", "close", "doctor.close", "close"),
    ]

    def __init__(self, report: DoctorReport) -> None:
        super().__init__()
        self._report = report
        self._movable = any(check.code in MOVED_AWAY_FROM for check in report.checks)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._movable or (action, parameters) != ("dismiss", (True,))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            head = look.line(look.symbol(self._report.verdict_word), (f" Doctor: {self._report.summary()}", "bold"))
            yield Plain(head, classes="dialog-title")
            with VerticalScroll(classes="details"):
                yield Plain(id="doctor-checks")
            move = [("m", "move the data to a volume…", "screen.dismiss(True)")] if self._movable else []
            yield DialogKeys(*move, ("esc", "close", "screen.dismiss(False)"))

    def on_mount(self) -> None:
        remarks = [block for block in self._report.blocks() if isinstance(block, Remark)]
        worst_first = tuple(sorted(remarks, key=lambda remark: ORDER[remark.level]))
        width = min(110, self.app.size.width * 92 // 100) - 10
        self.query_one("#doctor-checks", Plain).update(Drawing(width, None).content(worst_first))


class EnvironmentDialog(ModalScreen[None]):
    """The lines, the key hidden until asked for; `c` copies them whole."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("c", "copy", "copy", "env.copy", "copy the lines, with the key"),
        bind("v", "reveal", "show the key", "env.reveal", "show or hide the key"),
        bind("escape,q,enter", "dismiss(None)", "close", "env.close", "close"),
    ]

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines
        self._revealed = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(look.text("For your application's environment", "bold"), classes="dialog-title")
            yield Plain(self._shown(), id="env-lines")
            yield DialogKeys(("c", "copy", "screen.copy"), ("v", "show the key", "screen.reveal"), CLOSE)

    def _shown(self) -> Content:
        return look.lines(*[look.text(row if self._revealed else hidden(row)) for row in self._lines])

    def action_reveal(self) -> None:
        self._revealed = not self._revealed
        self.query_one("#env-lines", Plain).update(self._shown())

    def action_copy(self) -> None:
        self.app.copy_to_clipboard("\n".join(self._lines) + "\n")
        self.app.notify("copied; the clipboard now holds the API key, if there is one", markup=False)


def hidden(row: str) -> str:
    name, equals, _ = row.partition("=")
    return f"{name}{equals}••••••••" if equals and "API_KEY" in name else row


class PastDialog(ModalScreen[HistoryEntry | None]):
    """Every finished operation; closes with the one to open."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("escape,q,h", "dismiss(None)", "close", "past.close", "close")]

    def __init__(self, entries: Sequence[HistoryEntry], now: datetime) -> None:
        super().__init__()
        self._entries, self._now = tuple(entries), now

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Plain(look.text("What was done", "bold"), classes="dialog-title")
            yield DataTable[object](id="past-entries", cursor_type="row")
            yield DialogKeys(("enter", "open", ""), CLOSE)

    def on_mount(self) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        rows = [
            (
                str(one.id),
                [
                    look.cell(formatting.clock(one.started_at, self._now)),
                    look.cell(one.operation, "bold"),
                    look.state_cell(one.verdict, variables),
                    look.cell(one.summary, "$text-muted", variables),
                ],
            )
            for one in self._entries
        ]
        width = min(110, self.app.size.width * 92 // 100) - 8
        fill(table, ["when", "what", "verdict", "result"], rows, room=width)
        table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.dismiss(self._entries[event.cursor_row])


class ReportDialog(ModalScreen[None]):
    """One report as it was kept."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("escape,q", "dismiss(None)", "close", "report.close", "close")]

    def __init__(self, entry: HistoryEntry, report: Blocks) -> None:
        super().__init__()
        self._entry, self._report = entry, report

    def compose(self) -> ComposeResult:
        head = look.line((self._entry.operation, "bold"), "   ", look.state(self._entry.verdict))
        with Vertical(classes="dialog -large"):
            yield Plain(head, classes="dialog-title")
            yield Plain(look.muted(self._entry.summary), classes="dialog-body")
            with VerticalScroll(classes="details"):
                width = min(110, self.app.size.width * 92 // 100) - 10
                yield Plain(Drawing(width, self._entry.profile).content(self._report))
            yield DialogKeys(CLOSE)
