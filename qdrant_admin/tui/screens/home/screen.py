"""Home. It answers: is my Qdrant all right."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event, Events
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.dialogs import ConfirmDialog
from qdrant_admin.tui.screens.home.view import ACTIONS, HomeModel, home
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.panels import empty, failure, loading

HISTORY_READ = 200
SERVER_JOBS = ("up", "down", "restart", "apply", "adopt", "move-storage")
RUNNING_STATES = {"healthy", "loading", "starting", "degraded", "unhealthy", "recovery", "paused", "restarting"}


class HomeScreen(BaseScreen):
    """Server, data, what needs attention and the key that mends it, and what was done lately."""

    SECTION = "home"
    HELP_TEXT = "Is my Qdrant all right? What runs, what it holds, what needs attention and the key that mends it."
    DRAWS_JOBS = frozenset({"doctor", "move-storage"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "attend('up')", "start", id="home.start", tooltip="set the server up and start it"),
        Binding(
            "p", "attend('apply')", "apply", id="home.apply", tooltip="make the server as the profile asks, data kept"
        ),
        Binding(
            "a",
            "attend('restart')",
            "restart",
            id="home.restart",
            tooltip="restart the server and wait until it is ready",
        ),
        Binding("t", "stop", "stop", id="home.stop", tooltip="stop the server; nothing is removed"),
        Binding(
            "o", "attend('adopt')", "adopt", id="home.adopt", tooltip="put this server, made by others, into our care"
        ),
        Binding(
            "f",
            "attend('finish_check')",
            "finish the check",
            id="home.finish",
            tooltip="take the look that a check lacks",
        ),
        Binding("u", "attend('add_key')", "add a key", id="home.key", tooltip="generate an API key and keep it safe"),
        Binding(
            "d", "attend('doctor')", "doctor", id="home.doctor", tooltip="examine everything, with a fix for each fault"
        ),
        Binding(
            "e", "environment", "environment", id="home.environment", tooltip="lines for your application's environment"
        ),
        Binding("h", "history", "history", id="home.history", tooltip="open the report of what was done"),
        Binding("l", "attend('logs')", "logs", id="home.logs", tooltip="the server's log", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._history: tuple[HistoryEntry, ...] = ()
        self._welcomed = False

    def compose_body(self) -> ComposeResult:
        """One page of text that is laid out anew for its width."""
        with VerticalScroll(id="home-scroll"):
            yield Plain(loading("looking at the server…"), id="home")

    def on_resize(self) -> None:
        """Lay out anew."""
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def look_again(self) -> None:
        """Ask for the history; the server is watched by the app."""
        self._draw_page()
        self.ask(lambda: self.services.history(HISTORY_READ), self._got_history, lambda _: None, group="history")

    def action_refresh_now(self) -> None:
        """Look at the server now."""
        self.admin.server.look()
        self.look_again()

    def _got_history(self, history: list[HistoryEntry]) -> None:
        self._history = tuple(entry for entry in history if entry.profile == self.services.profile)
        self._draw_page()

    def server_changed(self) -> None:
        """Draw it; where there is no server at all, offer to set one up, once."""
        self._draw_page()
        self.refresh_bindings()
        status = self.admin.server.status
        in_front = self.app.screen is self
        if (
            status is not None
            and status.state == "absent"
            and status.capabilities.start
            and not self._welcomed
            and in_front
        ):
            self._welcomed = True
            self.action_set_up()

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        """Show steps while the server is worked on; show what the doctor found."""
        self._draw_page()
        self.refresh_bindings()
        if view.running:
            return
        self.look_again()
        if view.kind == "doctor" and view.report is not None:
            from qdrant_admin.lifecycle.reports import DoctorReport
            from qdrant_admin.tui.screens.home.dialogs import DoctorDialog

            if isinstance(view.report, DoctorReport):
                self.app.push_screen(DoctorDialog(view.report), self._mend)
        if view.kind == "move-storage":
            from qdrant_admin.tui.screens.home.move_storage import show

            show(self, view)

    def _mend(self, wanted: bool | None) -> None:
        if wanted:
            from qdrant_admin.tui.screens.home.move_storage import offer

            offer(self)

    def _draw_page(self) -> None:
        if not self.is_mounted:
            return
        server, page = self.admin.server, self.query_one("#home", Plain)
        width = (page.size.width or self.size.width - 4) - 1
        job = self.admin.jobs.latest(*SERVER_JOBS)
        running = job if job is not None and job.running else None
        if server.failure is not None:
            page.update(
                failure(
                    server.failure, ("r", "look again", "screen.refresh_now"), ("6", "settings", "app.go('settings')")
                )
            )
        elif server.status is None:
            page.update(loading("looking at the server…"))
        elif server.status.state == "absent" and running is None:
            page.update(
                empty(
                    "There is no Qdrant here yet.",
                    "Setting one up takes a minute: on this computer only, on storage that survives, with a key.",
                    ("s", "set it up", "screen.attend('up')"),
                    ("6", "use another profile", "app.go('settings')"),
                )
            )
        else:
            samples = tuple(server.samples)
            model = HomeModel(server.status, self.services.now(), samples, self._history, running)
            page.update(home(model, width, tall=self.size.height >= 45))

    # what the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what makes sense in this state."""
        status = self.admin.server.status
        up = status is not None and status.state in RUNNING_STATES
        wanted = {ACTIONS.get(item.code, "") for item in status.findings if item.command} if status else set()
        can = status.capabilities if status else None
        match action, parameters:
            case "attend", ("up",):
                return not up and can is not None and can.start
            case "attend", ("restart",):
                return up and can is not None and "graceful" in can.restart
            case "attend", ("add_key",):
                return status is not None and not status.api_key and "add_key" in wanted
            case "attend", ("apply" | "adopt" | "finish_check" as named,):
                return named in wanted or (named == "apply" and status is not None and bool(status.changes))
            case "stop", _:
                return up and can is not None and can.stop
            case _:
                return True

    def action_set_up(self) -> None:
        """The first-run flow."""
        from qdrant_admin.tui.screens.first_run import FirstRunScreen

        self.app.push_screen(FirstRunScreen())

    def action_attend(self, what: str) -> None:
        """Do what an attention item asks for."""
        if not self.check_action("attend", (what,)):
            return
        status, services = self.admin.server.status, self.services
        match what:
            case "up" if status is not None and status.state == "absent" and status.capabilities.start:
                self.action_set_up()
            case "up":
                self.run_job("up", "start the server", services.up)
            case "restart":
                self.run_job("restart", "restart the server", lambda cancel: services.restart("graceful", cancel))
            case "apply":
                self._ask_apply()
            case "adopt":
                body = "It was made by others. From now on it may be stopped and made anew here. Its data stays."
                self._confirm(
                    ConfirmDialog("Adopt this server?", body, yes="Adopt"), "adopt", "adopt the server", services.adopt
                )
            case "add_key":
                self.ask(services.add_key, self._key_added, group="key")
            case "doctor" | "finish_check":
                looks = {
                    "doctor": ("doctor", "examine everything", services.doctor),
                    "finish_check": ("verify", "verify: the second look", services.finish_check),
                }
                self.run_job(*looks[what], touches="")
            case "logs" | "migrate":
                self.admin.action_go(what)

    def _ask_apply(self) -> None:
        status, services = self.admin.server.status, self.services
        changes = status.changes if status is not None else ()
        rows = [
            look.line(f"{change.setting}: ", look.muted(change.current), f" → {change.wanted}") for change in changes
        ]
        body = look.lines(*rows, look.muted("The server is stopped and made anew on the same data."))
        dialog = ConfirmDialog("Make the server as the profile asks?", body, yes="Apply")
        self._confirm(dialog, "apply", "apply the profile", lambda cancel: services.up(cancel, apply=True))

    def _confirm(self, dialog: ConfirmDialog, kind: str, title: str, events: Callable[[CancelToken], Events]) -> None:
        """Run a job once the dialog has been said yes to."""

        def answered(sure: bool | None) -> None:
            if sure:
                self.run_job(kind, title, events)

        self.app.push_screen(dialog, answered)

    def _key_added(self, where: str) -> None:
        self.notify(f"a key was generated and is kept in {where}; press p to apply it", markup=False)
        self.admin.server.look()

    def action_stop(self) -> None:
        """Stop, after a question."""
        body = "Applications that use it fail until it is started again. Nothing is removed: container and data stay."
        self._confirm(
            ConfirmDialog("Stop the server?", body, yes="Stop"), "down", "stop the server", self.services.down
        )

    def action_environment(self) -> None:
        """Lines for an application's environment, to be copied."""
        from qdrant_admin.tui.screens.home.dialogs import EnvironmentDialog

        self.ask(
            self.services.environment,
            lambda lines: self.app.push_screen(EnvironmentDialog(lines)),
            self._cannot,
            group="env",
        )

    def action_history(self) -> None:
        """Choose one of the finished operations and open its report."""
        from qdrant_admin.tui.screens.home.dialogs import PastDialog

        self.app.push_screen(PastDialog(self._history, self.services.now()), self._open)

    def action_open(self, number: int) -> None:
        """Open the report of one finished operation."""
        self._open(next((entry for entry in self._history if entry.id == number), None))

    def _open(self, entry: HistoryEntry | None) -> None:
        if entry is None:
            return
        if self.admin.open_entry(entry):
            return
        from qdrant_admin.tui.screens.home.dialogs import ReportDialog

        self.ask(
            lambda: self.services.report_json(entry.id),
            lambda report: self.app.push_screen(ReportDialog(entry, report)),
            group="report",
        )

    def _cannot(self, error: AdminError) -> None:
        self.admin.toast_error(error)
