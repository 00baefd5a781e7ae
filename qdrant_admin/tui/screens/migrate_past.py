"""Every migration that came to an end, newest first; each can be opened again as it was."""

from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Input

from qdrant_admin.core import formatting
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import StatePanel, empty
from qdrant_admin.tui.widgets.table import fill

PastRun = tuple[HistoryEntry, MigrationReport]
NAMES_SHOWN = 3
WIDE = 100


class PastPane(Vertical):
    """The list and its filter."""

    def __init__(self) -> None:
        super().__init__(id="migrate-past")
        self._all: list[PastRun] = []
        self._shown: list[PastRun] = []
        self._now: datetime | None = None

    def compose(self) -> ComposeResult:
        """Heading, filter, list."""
        yield Plain(id="past-head", classes="heading")
        yield Input(placeholder="part of a source, a collection, a verdict", id="past-filter", compact=True)
        yield StatePanel(id="past-none")
        yield DataTable[object](id="past-table", cursor_type="row")

    def on_mount(self) -> None:
        """The filter comes when it is asked for."""
        self.query_one("#past-filter").display = False

    def show(self, runs: list[PastRun], now: datetime) -> None:
        """List them, as far as the filter lets them through."""
        self._all, self._now = runs, now
        self._draw_rows()

    @property
    def here(self) -> PastRun | None:
        """The run under the cursor."""
        row = self.query_one("#past-table", DataTable).cursor_row
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def find(self) -> None:
        """Into the filter."""
        field = self.query_one("#past-filter", Input)
        field.display = True
        field.focus()

    def clear(self) -> bool:
        """Take the filter away; whether there was one."""
        field = self.query_one("#past-filter", Input)
        there, field.value, field.display = field.display, "", False
        return there

    @on(Input.Changed, "#past-filter")
    def _typed(self) -> None:
        self._draw_rows()

    @on(Input.Submitted, "#past-filter")
    def _submitted(self) -> None:
        self.query_one("#past-table").focus()

    def _draw_rows(self) -> None:
        wanted = self.query_one("#past-filter", Input).value.strip().lower()
        self._shown = [run for run in self._all if wanted in _words(run)]
        told = f"{formatting.number(len(self._shown))} of {formatting.number(len(self._all))}" if wanted else ""
        head = look.line(("Migrations", "bold"), "   ", look.muted(told or "newest first"))
        self.query_one("#past-head", Plain).update(head)
        nothing = self.query_one("#past-none", StatePanel)
        nothing.display = not self._shown
        if self._all:
            nothing.update(empty("None of them is like that.", "", ("esc", "all of them", "screen.leave")))
        else:
            why = "Each one that ends is kept here with its whole report."
            nothing.update(empty("Nothing has been migrated yet.", why, ("a", "choose a source", "screen.again")))
        self._fill()

    def _fill(self) -> None:
        table, variables = self.query_one("#past-table", DataTable), self.app.theme_variables
        table.display = bool(self._shown)
        titles = [("when", False), ("verdict", False), ("points", True), ("took", True), ("from", False)]
        wide = self.app.size.width >= WIDE
        titles += [("to", False)] if wide else []
        rows = []
        for entry, report in self._shown:
            cells = [
                look.cell(formatting.clock(entry.started_at, self._now)),
                look.state_cell(report.verdict, variables),
                look.cell(
                    formatting.number(sum(one.verified or one.written for one in report.collections)), right=True
                ),
                look.cell(formatting.duration(report.seconds), right=True),
                look.cell(formatting.shorten(report.source, 48 if wide else 80), "bold"),
            ]
            cells += [look.cell(_targets(report), "$text-muted", variables)] if wide else []
            rows.append((str(entry.id), cells))
        fill(table, titles, rows, width=self.app.size.width - 5)


def _targets(report: MigrationReport) -> str:
    names = [one.target for one in report.collections if one.verdict != "skipped"]
    more = f" and {formatting.number(len(names) - NAMES_SHOWN)} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"


def _words(run: PastRun) -> str:
    """What the filter looks into."""
    report = run[1]
    names = [name for one in report.collections for name in (one.source, one.target)]
    return " ".join([report.source, report.target, formatting.state(report.verdict).word, report.run, *names]).lower()
