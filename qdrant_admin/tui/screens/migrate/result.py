"""What became of a migration: the verdict, figures, what was rejected, and what to do now."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Commands, Heading, Table
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import MigrationReport, Reject
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure
from qdrant_admin.tui.widgets.bars import CLOSE, DialogKeys, Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.panels import Verdict, failure
from qdrant_admin.tui.widgets.tables import fill

NAME_WIDTH = {False: 44, True: 22}
NARROW = 100
ALWAYS = {False: ("read", "written", "rejected", "verified"), True: ("read", "rejected", "verified")}
SOMETIMES = ("skipped", "extra")


class ResultPane(Vertical):
    """One result, of this session or of an earlier one."""

    def __init__(self) -> None:
        super().__init__(id="migrate-result")
        self.report: MigrationReport | None = None

    def compose(self) -> ComposeResult:
        yield Verdict(id="migrate-verdict")
        yield DataTable[object](id="result-table", cursor_type="row")
        with VerticalScroll(id="result-more"):
            yield Plain(id="result-details")

    def show(self, report: MigrationReport, profile: str, told: str = "") -> None:
        self.report = report
        evidence = [part for part in (told, report.summary()) if part]
        ways = look.line(formatting.shorten(report.source, 60), look.muted("  →  "), report.target)
        self.query_one(Verdict).tell(
            report.verdict, messages.sentence(report), look.muted(" · ".join(evidence)), ways.stylize(look.MUTED)
        )
        table = self.query_one("#result-table", DataTable)
        table.display = bool(report.collections)
        _fill(table, report, self.app.theme_variables, narrow=self.app.size.width < NARROW)
        self.query_one("#result-details", Plain).update(details(report, self.app.size.width - 6, profile))

    def show_failure(self, fault: JobFailure) -> None:
        self.report = None
        self.query_one("#result-table").display = False
        verdict, shown = self.query_one(Verdict), self.query_one("#result-details", Plain)
        if fault.cancelled:
            verdict.tell("cancelled", "Stopped. What was acknowledged stays; the run can be resumed where it stopped.")
            shown.update(look.keys(("a", "resume it, or choose another source", "screen.again")))
        else:
            verdict.tell("failed", "The migration could not be finished. What was acknowledged stays.")
            shown.update(failure(fault, ("a", "back to the choice", "screen.again")))


def _fill(table: DataTable[object], report: MigrationReport, variables: Mapping[str, str], *, narrow: bool) -> None:
    figures = [*ALWAYS[narrow], *[one for one in SOMETIMES if any(getattr(row, one) for row in report.collections)]]
    rows = []
    for one in report.collections:
        name = one.target if narrow or one.source == one.target else f"{one.source} → {one.target}"
        cells = [look.cell(formatting.shorten(name, NAME_WIDTH[narrow]), "bold")]
        cells += [look.cell(formatting.number(getattr(one, figure)), right=True) for figure in figures]
        rows.append((one.source, [*cells, look.state_cell(one.verdict, variables)]))
    fill(table, ["collection", *figures, "verdict"], rows)


def details(report: MigrationReport, width: int, profile: str) -> Content:
    steps = tuple(messages.next_steps(report))
    do = (Heading("What to do now"), Commands(steps)) if steps else ()
    said = tuple(block for block in after(report.blocks(), Table) if not isinstance(block, Commands))
    return Drawing(width, profile).content((*do, *said))


class RejectsDialog(ModalScreen[None]):
    """Records that were not stored, each with its reason, and how to replay them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("c", "copy", "copy the command", "rejects.copy", "copy the command that replays them"),
        bind("escape,q,j", "dismiss(None)", "close", "rejects.close", "close"),
    ]

    def __init__(self, rejects: Sequence[Reject], *, file: str = "", command: str = "") -> None:
        super().__init__()
        self._rejects, self._file, self._command = tuple(rejects), file, command

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Plain(look.text("Records that were not stored", "bold"), classes="dialog-title")
            yield DataTable[object](id="rejects-table", cursor_type="row")
            yield Plain(id="rejects-here")
            yield Plain(look.lines(*self._way_back()), id="rejects-way")
            copy = [("c", "copy the command", "screen.copy")] if self._command else []
            yield DialogKeys(*copy, CLOSE)

    def _way_back(self) -> list[Content]:
        if not self._file:
            return [look.muted("All of them are written to the run's reject file.")]
        return [
            look.line(("all of them  ", look.MUTED), self._file),
            look.line(("once mended  ", look.MUTED), (self._command, "$text-accent")),
        ]

    def on_mount(self) -> None:
        table = self.query_one("#rejects-table", DataTable)
        rows = [
            (str(index), [look.cell(one.collection), look.cell(formatting.shorten(one.id, 36)), look.cell(one.reason)])
            for index, one in enumerate(self._rejects)
        ]
        width = min(110, self.app.size.width * 92 // 100) - 8
        fill(table, ["collection", "id", "why"], rows, room=width)
        table.focus()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        one = self._rejects[event.cursor_row]
        self.query_one("#rejects-here", Plain).update(look.lines(look.text(one.id, "bold"), look.muted(one.reason)))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._command)
        self.app.notify("copied", markup=False)
