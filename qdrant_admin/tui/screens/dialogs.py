"""What lies over a screen: questions, bad news, help, and the jobs of this session."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from qdrant_admin import __version__
from qdrant_admin.core import formatting
from qdrant_admin.core.formatting import counted
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure, Jobs, JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import CANCEL, CLOSE, DialogKeys, Plain, bind
from qdrant_admin.tui.widgets.form import ConfirmDialog
from qdrant_admin.tui.widgets.panels import empty


class QuitDialog(ConfirmDialog):
    """Leaving while work is being done."""

    def __init__(self, running: list[JobView]) -> None:
        rows = [look.line("  ", look.state("running", view.title)) for view in running]
        after = look.muted("They are stopped at the next safe point. What was acknowledged stays, and can be resumed.")
        super().__init__(
            f"{counted(len(running), 'job')} still running",
            look.lines(*rows, Content(""), after),
            yes="Stop and quit",
            no="Stay",
        )


class ErrorDialog(ModalScreen[None]):
    """A fault of the product itself, with a report to copy. The app stays alive."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("c", "copy", "copy report", "error.copy", "copy the error report"),
        bind("escape,enter,q", "dismiss(None)", "close", "error.close", "close"),
    ]

    def __init__(self, title: str, failure: JobFailure) -> None:
        super().__init__()
        self._title, self._failure = title, failure

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Plain(
                look.line(look.symbol("failed"), " ", ("Something went wrong inside qdrant-admin", "bold $text-error"))
            )
            yield Plain(look.text(self._failure.what), classes="dialog-body")
            with VerticalScroll(classes="details"):
                yield Plain(look.lines(*[look.muted(row) for row in self._failure.details.splitlines()]))
            yield DialogKeys(
                ("c", "copy report", "screen.copy"), ("esc", "close, the app keeps running", "screen.dismiss(None)")
            )

    def report(self) -> str:
        head = [f"{self.app.title} {__version__}", f"while: {self._title}" if self._title else "", self._failure.what]
        shown = "\n".join([*[row for row in head if row], "", self._failure.details])
        return self._without_key(shown)

    def _without_key(self, shown: str) -> str:
        from qdrant_admin.core.errors import AdminError
        from qdrant_admin.tui.services import Services

        services = getattr(self.app, "services", None)
        try:
            key = services.profiles.settings().api_key if isinstance(services, Services) else None
        except AdminError:  # the settings themselves are what is broken; then there is no key in use
            key = None
        return shown.replace(key.get_secret_value(), "…") if key and key.get_secret_value() else shown

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.report())
        self.app.notify("error report copied", markup=False)


class InputDialog(ModalScreen[str | None]):
    """One line to type. `check` says what is wrong with a value, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [bind("escape", "dismiss(None)", "cancel", "input.cancel", "leave it")]

    def __init__(
        self,
        title: str,
        body: str,
        *,
        value: str = "",
        check: Callable[[str], str] | None = None,
        password: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._body, self._value, self._password = title, body, value, password
        self._check = check or (lambda _: "")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Plain(look.text(self._title, "bold"), classes="dialog-title")
            yield Plain(look.muted(self._body), classes="dialog-body")
            yield Input(self._value, id="value", password=self._password, compact=True)
            yield Plain(id="trouble")
            yield DialogKeys(("enter", "use it", ""), CANCEL)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        trouble = self._check(event.value)
        if trouble:
            self.query_one("#trouble", Plain).update(look.state("warn", trouble))
        else:
            self.dismiss(event.value)


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


class HelpDialog(ModalScreen[None]):
    """What this screen is for, its own keys, and those that work everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("escape,q,question_mark,enter", "dismiss(None)", "close", "help.close", "close")
    ]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._about = screen.HELP_TEXT if isinstance(screen, BaseScreen) else ""
        self._own: list[tuple[str, str]] = []
        for active in screen.active_bindings.values():
            binding = active.binding
            if active.node is screen.app or not binding.show:
                continue
            self._own.append(
                (binding.key_display or screen.app.get_key_display(binding), binding.tooltip or binding.description)
            )

    def compose(self) -> ComposeResult:
        rows = [look.text("Keys of this screen", "bold"), *self._rows(self._own), Content("")]
        rows += [look.text("Everywhere", "bold"), *self._rows(EVERYWHERE)]
        with Vertical(classes="dialog"):
            if self._about:
                yield Plain(look.muted(self._about), classes="dialog-body")
            with VerticalScroll(classes="details"):
                yield Plain(look.lines(*rows))
            yield DialogKeys(CLOSE)

    @staticmethod
    def _rows(pairs: "list[tuple[str, str]] | tuple[tuple[str, str], ...]") -> list[Content]:
        return [look.line(look.fit(look.text(key, look.KEY), KEY_WIDTH), says) for key, says in pairs]


REFRESH_SECONDS = 0.25


class JobsDialog(ModalScreen[None]):
    """Running jobs first, each with its steps as they are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        bind("p", "pause", "pause", "jobs.pause", "pause the newest running job, or resume it"),
        bind("x", "stop", "stop", "jobs.stop", "stop the newest running job; what was acknowledged stays"),
        bind("escape,q,w", "dismiss(None)", "close", "jobs.close", "close"),
    ]

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog -large"):
            yield Plain(look.text("Jobs", "bold"), classes="dialog-title")
            with VerticalScroll(classes="details"):
                yield Plain(id="job-rows")
            yield DialogKeys(id="job-keys")

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
        newest = self._newest()
        hold = ("p", "resume" if newest is not None and newest.state == "paused" else "pause", "screen.pause")
        stop, close = ("x", "stop", "screen.stop"), ("esc", "close", "screen.dismiss(None)")
        self.query_one("#job-keys", Plain).update(look.keys(hold, stop, close))

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
    if view.failure is not None and not view.failure.cancelled:
        rows.append(look.line("    ", (str(view.failure.what), "$text-error")))
        rows += [look.line("    ", look.muted(view.failure.why))] if view.failure.why else []
        rows += [look.line("    try  ", (view.failure.fix, "$text-accent"))] if view.failure.fix else []
    elif view.report is not None and view.report.summary():
        rows.append(look.line("    ", look.muted(view.report.summary())))
    return [*rows, Content("")]
