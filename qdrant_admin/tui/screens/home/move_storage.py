"""Moving the data to a volume: what it will do and what it interrupts, the run as it goes, and the verdict."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from qdrant_admin.core.blocks import Facts, Paragraph
from qdrant_admin.persistence.reports import MovePlanReport, MoveReport
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import Jobs, JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import DialogKeys, Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.panels import Verdict

JOB = "move-storage"
REFRESH_SECONDS = 0.25


def offer(screen: BaseScreen) -> None:
    screen.ask(screen.services.server.plan_move, lambda plan: _ask(screen, plan), group="move")


def _ask(screen: BaseScreen, plan: MovePlanReport) -> None:
    def move() -> None:
        view = screen.run_job(JOB, f"move the data to volume {plan.volume}", screen.services.server.move_storage)
        if view is not None:
            show(screen, view)

    facts = tuple(block for block in plan.blocks() if isinstance(block, Facts))  # its steps would fill the screen
    body = look.lines(
        Drawing(min(66, screen.size.width * 92 // 100 - 8), plan.profile).content(facts),
        Content(""),
        look.text("The server is stopped meanwhile: nothing can be read or written."),
        look.text("Every point is compared before the server runs on the volume; if any differs, nothing changes."),
    )
    screen.confirm("Move the data to a volume?", body, "Stop and move", move)


def show(screen: BaseScreen, view: JobView) -> None:
    """Open the picture of a move, unless it is open already."""
    if not any(isinstance(open_, MoveDialog) for open_ in screen.app.screen_stack):
        screen.app.push_screen(MoveDialog(screen.admin.jobs, view.id))


class MoveDialog(ModalScreen[None]):
    """A move while it runs, and what came of it. Closing it stops nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("x", "stop", "stop", "move.stop", "stop the move; nothing changes"),
        bind("escape,q", "dismiss(None)", "close", "move.close", "close; the move continues"),
    ]

    def __init__(self, jobs: Jobs, job: int) -> None:
        super().__init__()
        self._jobs, self._job = jobs, job

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Plain(look.text(self._jobs.view(self._job).title, "bold"), classes="dialog-title")
            yield Verdict(id="move-verdict")
            with VerticalScroll(classes="details"):
                yield Plain(id="move-rows")
            yield DialogKeys(
                ("x", "stop", "screen.stop"), ("esc", "close, it continues", "screen.dismiss(None)"), id="move-keys"
            )

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
        if not view.running:
            self.query_one("#move-keys", Plain).update(look.keys(("esc", "close", "screen.dismiss(None)")))

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
    fix = view.failure.fix if view.failure is not None and not view.failure.cancelled else ""
    return Drawing(width, None).fix(fix, 0)
