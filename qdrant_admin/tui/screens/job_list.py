"""Every job of this session with its steps; the place to hold or stop one."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import Jobs, JobView
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import empty

REFRESH_SECONDS = 0.25
OUTCOMES = {"ok": "done", "warning": "warning", "failed": "failed", "skipped": "skipped", None: "running"}


class JobsDialog(ModalScreen[None]):
    """Running jobs first, each with its steps as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "hold", "pause or go on", id="jobs.hold", tooltip="hold the newest running job, or let it go on"),
        Binding(
            "x", "stop", "stop", id="jobs.stop", tooltip="stop the newest running job; what was acknowledged stays"
        ),
        Binding("escape,q,w", "dismiss(None)", "close", id="jobs.close", tooltip="close"),
    ]

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs

    def compose(self) -> ComposeResult:
        """The list, and what can be done."""
        with Vertical(classes="dialog -large"):
            yield Plain(look.text("Jobs", "bold"), classes="dialog-title")
            with VerticalScroll(classes="details"):
                yield Plain(id="job-rows")
            yield Plain(
                look.keys(
                    ("p", "pause or go on", "screen.hold"),
                    ("x", "stop", "screen.stop"),
                    ("esc", "close", "screen.dismiss(None)"),
                ),
                classes="dialog-keys",
            )

    def on_mount(self) -> None:
        """Draw now and a few times a second."""
        self._draw_rows()
        self.set_interval(REFRESH_SECONDS, self._draw_rows)

    def _draw_rows(self) -> None:
        views = sorted(self._jobs.all(), key=lambda view: not view.running)
        rows = [row for view in views for row in job_rows(view)]
        nothing = empty(
            "Nothing has run yet.",
            "Whatever takes longer than a moment appears here, and goes on when you leave its screen.",
        )
        self.query_one("#job-rows", Plain).update(look.lines(*rows) if rows else nothing)

    def _newest(self) -> JobView | None:
        return next(iter(self._jobs.running()), None)

    def action_hold(self) -> None:
        """Hold the newest running job, or let it go on."""
        view = self._newest()
        if view is not None:
            self._jobs.resume(view.id) if view.state == "paused" else self._jobs.pause(view.id)
            self._draw_rows()

    def action_stop(self) -> None:
        """Stop the newest running job."""
        view = self._newest()
        if view is not None:
            self._jobs.cancel(view.id)
            self._draw_rows()


def job_rows(view: JobView) -> list[Content]:
    """A job as rows: its head, its steps, its end."""
    head = look.line(
        look.state(view.verdict), "  ", (view.title, "bold"), "  ", look.muted(formatting.duration(view.seconds))
    )
    rows = [head, *(step_row(step.title, step.outcome, step.detail) for step in view.steps)]
    if view.failure is not None and not view.failure.cancelled:
        rows.append(look.line("    ", (str(view.failure.what), "$text-error")))
        rows += [look.line("    ", look.muted(view.failure.why))] if view.failure.why else []
        rows += [look.line("    try  ", (view.failure.fix, "$text-accent"))] if view.failure.fix else []
    elif view.report is not None and view.report.summary():
        rows.append(look.line("    ", look.muted(view.report.summary())))
    return [*rows, Content("")]


def step_row(title: str, outcome: str | None, detail: str) -> Content:
    """One step: symbol, title, what was found."""
    shown = look.line("  ", look.symbol(OUTCOMES.get(outcome, "unknown")), " ", title)
    return look.line(shown, "  ", look.muted(detail)) if detail else shown
