"""What Home opens: the doctor's findings, moving the data, lines for the environment, and what was done before."""

from collections.abc import Sequence
from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Blocks, Facts, Paragraph, Remark
from qdrant_admin.core.reports import Report
from qdrant_admin.lifecycle.reports import DoctorReport
from qdrant_admin.persistence.reports import MovePlanReport, MoveReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import Jobs, JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.dialogs import REFRESH_SECONDS
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.dialogs import Dialog
from qdrant_admin.tui.widgets.panels import Verdict
from qdrant_admin.tui.widgets.tables import at_cursor, fill

MOVED_AWAY_FROM = {"storage_in_container", "storage_unsound", "move_interrupted"}
"""What moving the data to a volume fixes, by the codes of the checks."""
ORDER = {"fail": 0, "warn": 1, "unknown": 2, "ok": 3}


class DoctorDialog(Dialog[bool]):
    """Every check, what is wrong first. Closes with whether the data is to be moved to a volume."""

    BINDINGS = [
        bind("m", "dismiss(True)", "move the data to a volume…", "doctor.move", "move the data to a volume"),
        bind("escape,q,enter", "dismiss(False)", "close", "doctor.close", "close"),
    ]
    LARGE = True

    def __init__(self, report: DoctorReport) -> None:
        super().__init__(look.line(look.symbol(report.verdict_word), (f" Doctor: {report.summary()}", "bold")))
        self._report = report
        self._movable = any(check.code in MOVED_AWAY_FROM for check in report.checks)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._movable or (action, parameters) != ("dismiss", (True,))

    def compose_content(self) -> ComposeResult:
        remarks = [block for block in self._report.blocks() if isinstance(block, Remark)]
        worst_first = tuple(sorted(remarks, key=lambda remark: ORDER[remark.level]))
        with VerticalScroll(classes="details"):
            yield Plain(Drawing(self.room - 2, None).content(worst_first), id="doctor-checks")


def show_doctor(screen: BaseScreen, report: Report) -> None:
    def mend(wanted: bool | None) -> None:
        if wanted:
            screen.ask(screen.services.plan_move, lambda plan: _ask_move(screen, plan), group="move")

    if isinstance(report, DoctorReport):
        screen.app.push_screen(DoctorDialog(report), mend)


def _ask_move(screen: BaseScreen, plan: MovePlanReport) -> None:
    def move() -> None:
        title = f"move the data to volume {plan.volume}"
        view = screen.run_job("move-storage", title, screen.services.move_storage)
        if view is not None:
            show_move(screen, view)

    facts = tuple(block for block in plan.blocks() if isinstance(block, Facts))  # its steps would fill the screen
    body = look.lines(
        Drawing(min(66, screen.size.width * 92 // 100 - 8), plan.profile).content(facts),
        Content(""),
        look.text("The server is stopped meanwhile: nothing can be read or written."),
        look.text("Every point is compared before the server runs on the volume; if any differs, nothing changes."),
    )
    screen.confirm("Move the data to a volume?", body, "Stop and move", move)


def show_move(screen: BaseScreen, view: JobView) -> None:
    """Open the picture of a move, unless it is open already."""
    if not any(isinstance(open_, MoveDialog) for open_ in screen.app.screen_stack):
        screen.app.push_screen(MoveDialog(screen.admin.jobs, view.id))


class MoveDialog(Dialog[None]):
    """A move while it runs, and what came of it. Closing it stops nothing."""

    BINDINGS = [
        bind("x", "stop", "stop", "move.stop", "stop the move; nothing changes"),
        bind("escape,q", "dismiss(None)", "close", "move.close", "close; the move continues"),
    ]
    LARGE = True

    def __init__(self, jobs: Jobs, job: int) -> None:
        super().__init__(jobs.view(job).title)
        self._jobs, self._job = jobs, job

    def compose_content(self) -> ComposeResult:
        yield Verdict(id="move-verdict")
        with VerticalScroll(classes="details"):
            yield Plain(id="move-rows")

    def keys(self) -> list[tuple[str, str, str]]:
        stop, (key, close, action) = super().keys()
        moving = self._jobs.view(self._job).running
        return [stop, (key, "close, it continues", action)] if moving else [(key, close, action)]

    def on_mount(self) -> None:
        self._draw_view()
        self.set_interval(REFRESH_SECONDS, self._draw_view)

    def _draw_view(self) -> None:
        if not self.query("#move-rows"):
            return  # the last tick of a dialog that is being closed
        view = self._jobs.view(self._job)
        verdict = self.query_one("#move-verdict", Verdict)
        verdict.display = not view.running
        if isinstance(view.report, MoveReport):
            word = "" if view.report.moved else "not moved"
            verdict.tell(view.report.verdict, view.report.reason, look.muted(view.report.summary()), word=word)
        elif view.failure is not None:
            why = look.text(view.failure.why)
            verdict.tell(view.verdict, view.failure.what, why, look.muted("Nothing changed on the server."))
        rows = [*_progress(view, self.size.width), *_result(view, min(104, self.size.width * 92 // 100 - 8))]
        self.query_one("#move-rows", Plain).update(look.lines(*rows))
        self.draw_keys()

    def action_stop(self) -> None:
        if self._jobs.view(self._job).running:
            self._jobs.cancel(self._job)


def _progress(view: JobView, width: int) -> list[Content]:
    if view.report is not None:
        return []
    bars = running.by_item(view.progress)
    step = view.current_step.step if view.current_step else ""
    whole = view.progress.get((step, ""))
    rows = running.steps(view)
    if whole is not None:
        rows.append(running.bar_row("", whole, 0, min(104, width - 12)))
    elif bars and step.startswith("fingerprint"):
        rows += running.bars(bars, min(104, width - 12))
    return [*rows, *running.notices(view, 2)]


def _result(view: JobView, width: int) -> list[Content]:
    report = view.report
    if isinstance(report, MoveReport):
        return [Drawing(width, report.profile).content(after(report.blocks(), Paragraph))]
    fix = view.failure.fix if view.failure is not None and view.state != "cancelled" else ""
    return Drawing(width, None).fix(fix, 0)


class EnvironmentDialog(Dialog[None]):
    """The lines, the key hidden until asked for; `c` copies them whole."""

    BINDINGS = [
        bind("c", "copy", "copy", "env.copy", "copy the lines, with the key"),
        bind("v", "reveal", "show the key", "env.reveal", "show or hide the key"),
        bind("escape,q,enter", "dismiss(None)", "close", "env.close", "close"),
    ]

    def __init__(self, lines: list[str]) -> None:
        super().__init__("For your application's environment")
        self._lines = lines
        self._revealed = False

    def compose_content(self) -> ComposeResult:
        yield Plain(self._shown(), id="env-lines")

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


class PastDialog(Dialog[HistoryEntry | None]):
    """Every finished operation; closes with the one to open."""

    BINDINGS = [
        bind("enter", "open", "open", "past.open", "open this report"),
        bind("escape,q,h", "dismiss(None)", "close", "past.close", "close"),
    ]
    LARGE = True

    def __init__(self, entries: Sequence[HistoryEntry], now: datetime) -> None:
        super().__init__("What was done")
        self._entries, self._now = tuple(entries), now

    def compose_content(self) -> ComposeResult:
        yield DataTable[object](id="past-entries", cursor_type="row")

    def on_mount(self) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        rows = [
            [
                look.cell(formatting.clock(one.started_at, self._now)),
                look.cell(one.operation, "bold"),
                look.state_cell(one.verdict, variables),
                look.cell(one.summary, "$text-muted", variables),
            ]
            for one in self._entries
        ]
        fill(table, ["when", "what", "verdict", "result"], rows, room=self.room)
        table.focus()

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        self.dismiss(at_cursor(self.query_one(DataTable), self._entries))


class ReportDialog(Dialog[None]):
    """One report as it was kept."""

    BINDINGS = [bind("escape,q", "dismiss(None)", "close", "report.close", "close")]

    LARGE = True

    def __init__(self, entry: HistoryEntry, report: Blocks) -> None:
        super().__init__(look.line((entry.operation, "bold"), "   ", look.state(entry.verdict)), entry.summary)
        self._profile, self._report = entry.profile, report

    def compose_content(self) -> ComposeResult:
        with VerticalScroll(classes="details"):
            yield Plain(Drawing(self.room - 2, self._profile).content(self._report))
