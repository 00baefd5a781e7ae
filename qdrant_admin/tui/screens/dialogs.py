"""What lies over a screen: questions, bad news, help, and the jobs of this session."""

from typing import cast

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen

from qdrant_admin import __version__
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import Jobs, JobView, Unexpected
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.shell import Shell
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog, Dialog
from qdrant_admin.tui.widgets.panels import empty


class QuitDialog(ConfirmDialog):
    """Leaving while work is being done."""

    def __init__(self, running: list[JobView]) -> None:
        rows = [look.line("  ", look.state("running", view.title)) for view in running]
        after = look.muted("They are stopped at the next safe point. What was acknowledged stays, and can be resumed.")
        head = f"{formatting.counted(len(running), 'job')} still running"
        super().__init__(head, look.lines(*rows, Content(""), after), yes="Stop and quit", no="Stay")


class ErrorDialog(Dialog[None]):
    """A fault of the product itself, with a report to copy. The app stays alive."""

    BINDINGS = [
        bind("c", "copy", "copy report", "error.copy", "copy the error report"),
        bind("escape,enter,q", "dismiss(None)", "close, the app keeps running", "error.close", "close"),
    ]
    LARGE = True

    def __init__(self, job: str, failure: Unexpected) -> None:
        wrong = ("Something went wrong inside qdrant-admin", "bold $text-error")
        super().__init__("", look.lines(look.line(look.symbol("failed"), " ", wrong), look.text(failure.what)))
        self._job, self._failure = job, failure

    def compose_content(self) -> ComposeResult:
        with VerticalScroll(classes="details"):
            yield Plain(look.lines(*[look.muted(row) for row in self._failure.details.splitlines()]))

    def report(self) -> str:
        head = [f"{self.app.title} {__version__}", f"while: {self._job}" if self._job else "", self._failure.what]
        shown = "\n".join([*[row for row in head if row], "", self._failure.details])
        return self._without_key(shown)

    def _without_key(self, shown: str) -> str:
        try:
            key = cast("Shell", self.app).services.settings().api_key
        except AdminError:  # the settings themselves are what is broken; then there is no key in use
            key = None
        return shown.replace(key.get_secret_value(), "…") if key and key.get_secret_value() else shown

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.report())
        self.app.notify("error report copied", markup=False)


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


class HelpDialog(Dialog[None]):
    """What this screen is for, its own keys, and those that work everywhere."""

    BINDINGS = [bind("escape,q,question_mark,enter", "dismiss(None)", "close", "help.close", "close")]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__("", screen.HELP_TEXT if isinstance(screen, BaseScreen) else "")
        own = [a.binding for a in screen.active_bindings.values() if a.node is not screen.app and a.binding.show]
        self._own = [(screen.app.get_key_display(one), one.tooltip or one.description) for one in own]

    def compose_content(self) -> ComposeResult:
        rows = [look.text("Keys of this screen", "bold"), *self._rows(self._own), Content("")]
        rows += [look.text("Everywhere", "bold"), *self._rows(EVERYWHERE)]
        with VerticalScroll(classes="details"):
            yield Plain(look.lines(*rows))

    @staticmethod
    def _rows(pairs: "list[tuple[str, str]] | tuple[tuple[str, str], ...]") -> list[Content]:
        return [look.line(look.fit(look.text(key, look.KEY), KEY_WIDTH), says) for key, says in pairs]


REFRESH_SECONDS = 0.25


class JobsDialog(Dialog[None]):
    """Running jobs first, each with its steps as they are."""

    BINDINGS = [
        bind("p", "pause", "pause", "jobs.pause", "pause the newest running job, or resume it"),
        bind("x", "stop", "stop", "jobs.stop", "stop the newest running job; what was acknowledged stays"),
        bind("escape,q,w", "dismiss(None)", "close", "jobs.close", "close"),
    ]

    LARGE = True

    def __init__(self, jobs: Jobs) -> None:
        super().__init__("Jobs")
        self._jobs = jobs

    def compose_content(self) -> ComposeResult:
        with VerticalScroll(classes="details"):
            yield Plain(id="job-rows")

    def keys(self) -> list[tuple[str, str, str]]:
        (key, pause, action), *others = super().keys()
        newest = self._newest()
        return [(key, "resume" if newest is not None and newest.state == "paused" else pause, action), *others]

    def on_mount(self) -> None:
        self._draw_rows()
        self.set_interval(REFRESH_SECONDS, self._draw_rows)

    def _draw_rows(self) -> None:
        views = sorted(self._jobs.all(), key=lambda view: not view.running)
        rows = [row for view in views for row in job_rows(view)]
        nothing = empty(
            "Nothing has run yet.",
            "Whatever takes longer than a moment appears here, and continues when you leave its screen.",
        )
        self.query_one("#job-rows", Plain).update(look.lines(*rows) if rows else nothing)
        self.draw_keys()

    def _newest(self) -> JobView | None:
        return next(iter(self._jobs.running()), None)

    def action_pause(self) -> None:
        view = self._newest()
        if view is not None:
            self._jobs.resume(view.id) if view.state == "paused" else self._jobs.pause(view.id)
            self._draw_rows()

    def action_stop(self) -> None:
        view = self._newest()
        if view is not None:
            self._jobs.cancel(view.id)
            self._draw_rows()


def job_rows(view: JobView) -> list[Content]:
    head = look.line(
        look.state(view.verdict), "  ", (view.title, "bold"), "  ", look.muted(formatting.duration(view.seconds))
    )
    rows = [head, *running.steps(view)]
    if view.failure is not None and view.state != "cancelled":
        rows.append(look.line("    ", (view.failure.what, "$text-error")))
        rows += [look.line("    ", look.muted(view.failure.why))] if view.failure.why else []
        rows += [look.line("    try  ", (view.failure.fix, "$text-accent"))] if view.failure.fix else []
    elif view.report is not None and view.report.summary():
        rows.append(look.line("    ", look.muted(view.report.summary())))
    return [*rows, Content("")]
