"""What was done before: a list to choose from, and a report as it was kept."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.table import fill


class PastDialog(ModalScreen[HistoryEntry | None]):
    """Every finished operation; closes with the one to open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,h", "dismiss(None)", "close", id="past.close", tooltip="close")
    ]

    def __init__(self, entries: Sequence[HistoryEntry], now: datetime) -> None:
        super().__init__()
        self._entries, self._now = tuple(entries), now

    def compose(self) -> ComposeResult:
        """The list, newest first."""
        with Vertical(classes="dialog -large"):
            yield Plain(look.text("What was done", "bold"), classes="dialog-title")
            yield DataTable[object](id="past-entries", cursor_type="row")
            yield Plain(
                look.keys(("enter", "open", ""), ("esc", "close", "screen.dismiss(None)")), classes="dialog-keys"
            )

    def on_mount(self) -> None:
        """Fill it."""
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
        fill(table, [("when", False), ("what", False), ("verdict", False), ("result", False)], rows, width=width)
        table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Open this one."""
        self.dismiss(self._entries[event.cursor_row])


class ReportDialog(ModalScreen[None]):
    """One report as it was kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "close", id="report.close", tooltip="close")
    ]

    def __init__(self, entry: HistoryEntry, report: str) -> None:
        super().__init__()
        self._entry, self._report = entry, report

    def compose(self) -> ComposeResult:
        """What and when, then everything that was found."""
        head = look.line((self._entry.operation, "bold"), "   ", look.state(self._entry.verdict))
        with Vertical(classes="dialog -large"):
            yield Plain(head, classes="dialog-title")
            yield Plain(look.muted(self._entry.summary), classes="dialog-body")
            with VerticalScroll(classes="details"):
                yield Plain(look.lines(*told(json.loads(self._report))))
            yield Plain(look.keys(("esc", "close", "screen.dismiss(None)")), classes="dialog-keys")


def told(report: dict[str, Any], depth: int = 0) -> list[Content]:
    """What a report holds, name by name; what is empty is left out."""
    known = {name: value for name, value in report.items() if value not in (None, "", [], {})}
    width = max((len(name) for name, value in known.items() if not isinstance(value, dict | list)), default=0) + 2
    rows: list[Content] = []
    for name, value in known.items():
        label, indent = name.replace("_", " "), "  " * depth
        if isinstance(value, dict):
            rows += [look.line(indent, (label, "bold")), *told(value, depth + 1)]
        elif isinstance(value, list):
            rows += [look.line(indent, (label, "bold")), *_listed(value, depth + 1)]
        else:
            rows.append(look.line(indent, look.fit(look.muted(label), width), _plain(value)))
    return rows


def _listed(values: list[Any], depth: int) -> list[Content]:
    rows: list[Content] = []
    for value in values:
        if isinstance(value, dict):
            rows += [*told(value, depth), Content("")]
        else:
            rows.append(look.line("  " * depth, _plain(value)))
    return rows


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
