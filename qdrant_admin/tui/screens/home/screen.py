"""Home. It answers: is my Qdrant all right."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll

from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.home.view import ACTIONS, HomeModel, home
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import empty, failure, loading

if TYPE_CHECKING:
    from qdrant_admin.core.events import Event
    from qdrant_admin.state.store import HistoryEntry


HISTORY_READ = 200
SERVER_JOBS = ("up", "down", "restart", "apply", "adopt", "move-storage")
RUNNING_STATES = {"healthy", "loading", "starting", "degraded", "unhealthy", "recovery", "paused", "restarting"}


class HomeScreen(BaseScreen):
    """Server, data, what needs attention and the key that mends it, and what was done lately."""

    SECTION = "home"
    HELP_TEXT = "Is my Qdrant all right? What runs, what it holds, what needs attention, and the key that fixes it."
    DRAWS_JOBS = frozenset({"doctor", "move-storage"})
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("s", "attend('up')", "start", "home.start", "set the server up and start it"),
        bind("p", "attend('apply')", "apply", "home.apply", "recreate the server as the profile says; its data stays"),
        bind("a", "attend('restart')", "restart", "home.restart", "restart the server and wait until it is ready"),
        bind("t", "attend('stop')", "stop", "home.stop", "stop the server; nothing is removed"),
        bind("o", "attend('adopt')", "adopt", "home.adopt", "let qdrant-admin manage a server created by others"),
        bind(
            "f",
            "attend('finish_check')",
            "finish the check",
            "home.finish",
            "run the second scan of an interrupted check",
        ),
        bind("u", "attend('add_key')", "add a key", "home.key", "generate an API key and keep it safe"),
        bind("d", "attend('doctor')", "doctor", "home.doctor", "examine everything, with a fix for each fault"),
        bind("e", "environment", "environment", "home.environment", "lines for your application's environment"),
        bind("h", "history", "history", "home.history", "open the report of what was done"),
        bind("l", "attend('logs')", "logs", "home.logs", "the server's log", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._history: tuple[HistoryEntry, ...] = ()
        self._welcomed = False

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="home-scroll"):
            yield Plain(loading("looking at the server…"), id="home")

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def look_again(self) -> None:
        self._draw_page()
        self.call_after_refresh(self._read_history)

    def _read_history(self) -> None:
        self.ask(lambda: self.services.history(HISTORY_READ), self._got_history, lambda _: None, group="history")

    def action_refresh_now(self) -> None:
        self.admin.server.look()
        self.look_again()

    def _got_history(self, history: "list[HistoryEntry]") -> None:
        self._history = tuple(entry for entry in history if entry.profile == self.services.profile)
        self._draw_page()

    def server_changed(self) -> None:
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

    def job_changed(self, view: JobView, _events: "tuple[Event, ...]") -> None:
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
        running = self.running_job(*SERVER_JOBS)
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

    @property
    def _runs(self) -> bool:
        status = self.admin.server.status
        return status is not None and status.state in RUNNING_STATES

    def _wanted(self, action: str) -> bool:
        status = self.admin.server.status
        findings = status.findings if status is not None else ()
        return any(found.command and ACTIONS.get(found.code) == action for found in findings)

    def _ways(self) -> "Mapping[str, tuple[Callable[[], bool], Callable[[], object]]]":
        """By what can be done about the server: whether it makes sense now, and what does it."""
        status, services = self.admin.server.status, self.services
        can, settings_differ = (status.capabilities, bool(status.changes)) if status is not None else (None, False)
        restart = partial(services.server.restart, "graceful")
        finish, doctor = services.proof.finish_check, services.server.doctor
        return {
            "up": (lambda: not self._runs and can is not None and can.start, self._start),
            "restart": (
                lambda: self._runs and can is not None and "graceful" in can.restart,
                lambda: self.run_job("restart", "restart the server", restart),
            ),
            "stop": (lambda: self._runs and can is not None and can.stop, self._stop),
            "apply": (lambda: settings_differ or self._wanted("apply"), self._apply),
            "adopt": (lambda: self._wanted("adopt"), self._adopt),
            "add_key": (
                lambda: status is not None and not status.api_key and self._wanted("add_key"),
                lambda: self.ask(services.profiles.add_key, self._key_added, group="key"),
            ),
            "finish_check": (
                lambda: self._wanted("finish_check"),
                lambda: self.run_job("verify", "verify: the second scan", finish, touches=""),
            ),
            "doctor": (lambda: True, lambda: self.run_job("doctor", "examine everything", doctor, touches="")),
            "logs": (lambda: True, lambda: self.admin.action_go("logs")),
            "migrate": (lambda: True, lambda: self.admin.action_go("migrate")),
        }

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "attend":
            return super().check_action(action, parameters)
        makes_sense, _ = self._ways()[str(parameters[0])]
        return makes_sense()

    def action_attend(self, what: str) -> None:
        makes_sense, do = self._ways()[what]
        if makes_sense():
            do()

    def _start(self) -> None:
        status = self.admin.server.status
        if status is not None and status.state == "absent":
            self.action_set_up()
        else:
            self.run_job("up", "start the server", self.services.server.up)

    def action_set_up(self) -> None:
        from qdrant_admin.tui.screens.first_run import FirstRunScreen

        self.app.push_screen(FirstRunScreen())

    def _apply(self) -> None:
        status = self.admin.server.status
        rows = [
            look.line(f"{change.setting}: ", look.muted(change.current), f" → {change.wanted}")
            for change in (status.changes if status is not None else ())
        ]
        body = look.lines(*rows, look.muted("The server is stopped and recreated on the same data."))
        apply = partial(self.run_job, "apply", "apply the profile", partial(self.services.server.up, apply=True))
        self.confirm("Apply the profile to the server?", body, "Apply", apply)

    def _adopt(self) -> None:
        body = "Others created it. From now on qdrant-admin may stop and recreate it. Its data stays."
        adopt = partial(self.run_job, "adopt", "adopt the server", self.services.server.adopt)
        self.confirm("Adopt this server?", body, "Adopt", adopt)

    def _stop(self) -> None:
        body = "Applications that use it fail until it is started again. Nothing is removed: container and data stay."
        stop = partial(self.run_job, "down", "stop the server", self.services.server.down)
        self.confirm("Stop the server?", body, "Stop", stop)

    def _key_added(self, where: str) -> None:
        self.notify(f"a key was generated and is kept in {where}; press p to apply it", markup=False)
        self.admin.server.look()

    def action_environment(self) -> None:
        from qdrant_admin.tui.screens.home.dialogs import EnvironmentDialog

        self.ask(
            self.services.profiles.environment,
            lambda lines: self.app.push_screen(EnvironmentDialog(lines)),
            group="env",
        )

    def action_history(self) -> None:
        from qdrant_admin.tui.screens.home.dialogs import PastDialog

        self.app.push_screen(PastDialog(self._history, self.services.now()), self._open)

    def action_open(self, number: int) -> None:
        self._open(next((entry for entry in self._history if entry.id == number), None))

    def _open(self, entry: "HistoryEntry | None") -> None:
        if entry is None:
            return
        if self.admin.open_entry(entry):
            return
        from qdrant_admin.tui.screens.home.dialogs import ReportDialog

        self.ask(
            lambda: self.services.report_blocks(entry),
            lambda report: self.app.push_screen(ReportDialog(entry, report)),
            group="report",
        )
