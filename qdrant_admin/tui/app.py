"""The terminal application: its shell. Screens live in `tui/screens/`, shared widgets in `tui/widgets/`.

A screen is a `BaseScreen` in a module or folder of its name: `SECTION`, `HELP_TEXT`, `BINDINGS` (`bars.bind`, with a
stable name), `compose_body()`, `possible()` (when each key makes sense) and `look_again()`, which loads what it shows.
Its look goes into `styles/NAME.tcss`, theme variables only. An area with a number key also goes into
`bars.SECTIONS` and into `MODES` here.

- What may block: `self.ask(call, then, failed)` for a short question, `self.run_job(kind, title, events)` for an
  operation; both answer on the app's own thread. Ask `self.services` only; tests give the app canned ones.
- A job outlives its screen: `job_changed(view)` while in front, `self.admin.jobs.latest(kind)` when it comes
  back. A screen that draws the end of a job itself names the kind in `DRAWS_JOBS`, so that no toast is shown as well.
- What a report says is drawn from its blocks (`widgets.blocks.Drawing`). Other text: `look.text/line/state/...` make
  `Content` for `Plain`, `look.cell/state_cell` rich Text for DataTable and Tree. Never hand a `str` from outside to a
  widget: it would be parsed as markup. Figures and states come from `core.formatting` only.
- `self.state(panels.loading/empty/failure(...))` instead of the content; `self.confirm(title, body, yes, then)` for a
  yes. What lies over a screen is a `Dialog` (`widgets/dialogs.py`); several panes in one area: `screens/panes.py`.
- A snapshot for each designed state at 80x24 and 120x40 (`tests/tui/conftest.py`), and a look at the picture.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import App
from textual.binding import Binding
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError, Cancelled, ExitCode
from qdrant_admin.core.formatting import plain
from qdrant_admin.tui import ending, look, theme
from qdrant_admin.tui.commands import AdminCommands
from qdrant_admin.tui.enduring import Enduring
from qdrant_admin.tui.jobs import Jobs, JobStirred, JobView, Task, Unexpected
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.server_watch import ServerWatch
from qdrant_admin.tui.services import Services
from qdrant_admin.tui.shell import Shell
from qdrant_admin.tui.widgets.bars import HeaderBar, JobStrip

STYLES = Path(__file__).parent / "styles"
DRAW_EVERY_SECONDS = 0.25
"""At most four looks into a job's mailbox per second: each redraws the screen, in the process that does the work
(measured: at 15 a second watching a migration cost a tenth of its time)."""
SETTLED_SECONDS = 1.0
"""After the start; by then the first screen stands. From then on the garbage collector passes over what was loaded,
since it stays anyway: drawing makes many short-lived objects, and so many passes (measured: 7 ms instead of 11)."""
AREAS = {"migrate": "migrate", "verify": "verify", "crash-test": "verify"}
"""Where the report of an operation is shown; others are shown as they were kept."""
FAULTS_SURVIVED, FAULTS_WITHIN_SECONDS = 8, 5.0
"""More of them within that time, and the app can no longer show anything."""
KEY_NAMES = {"enter": "enter", "escape": "esc", "space": "space", "question_mark": "?", "slash": "/"}


def _opener(place: str) -> Callable[[], Screen[None]]:
    """How an area is opened for the first time: its module is imported only then."""
    return lambda: cast("Screen[None]", resolve_name(f"qdrant_admin.tui.screens.{place}")())


class _Sheet(Stylesheet):
    """The framework's, which reads all rules three times before the first picture; this one reads them once."""

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._colours, self._stale = variables, False

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take the theme's colours; rules are read again only where one has changed."""
        if variables != self._colours:
            super().set_variables(variables)
            self._colours, self._stale = variables, True

    def reparse(self) -> None:
        """Read everything after a change of colours, otherwise only sheets that were added."""
        if self._stale:
            self._stale = False
            self.parse()
        else:
            _ = self.rules  # whoever asks for them has them read first where something was added


class AdminApp(Enduring, App[int]):
    """The shell: areas, jobs, the watch on the server, themes, and the way out. Tests `watch` only once."""

    TITLE = "qdrant-admin"
    CSS_PATH: ClassVar[list[str | Path]] = sorted(STYLES.glob("*.tcss"))  # type: ignore[assignment]  # a list is fine
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    COMMANDS = {AdminCommands}
    survives = False
    """Whether a fault that nobody has caught is shown and no more. Not in a test, which is to fail by it."""
    MODES: ClassVar[dict[str, str | Callable[[], Screen[None]]]] = {
        "home": _opener("home.screen:HomeScreen"),
        "collections": _opener("collections:CollectionsScreen"),
        "migrate": _opener("migrate.screen:MigrateScreen"),
        "verify": _opener("verify.screen:VerifyScreen"),
        "logs": _opener("logs:LogsScreen"),
        "settings": _opener("settings:SettingsScreen"),
    }
    BINDINGS = [
        *(
            Binding(str(number), f"go('{mode}')", mode, id=f"app.go.{mode}", tooltip=f"go to {mode}", show=False)
            for number, mode in enumerate(MODES, 1)
        ),
        Binding("question_mark", "show_help", "help", id="app.help", tooltip="keys of this screen", show=False),
        Binding("w", "show_jobs", "jobs", id="app.jobs", tooltip="running and finished jobs", show=False),
        Binding("escape", "back", "back", id="app.back", tooltip="back", show=False),
        Binding("q", "leave", "quit", id="app.leave", tooltip="quit", show=False),
        Binding("ctrl+q", "leave", "quit", id="app.quit", tooltip="quit", show=False, priority=True),
    ]

    def __init__(
        self,
        services: Services,
        *,
        watch: bool = True,
        start: str = "home",
        draw_every: float = DRAW_EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        preferences: theme.Preferences | None = None,
    ) -> None:
        super().__init__()
        self.services = services
        self.jobs = Jobs(self.post_message, clock, services.fix)
        self.server = ServerWatch(self, services, self.jobs, self.server_changed, again=watch)
        self.preferences = preferences or theme.read_preferences()
        self._start, self._draw_every = start, draw_every
        self._drawn_at: dict[int, float] = {}
        self._leaving = False
        self._result = 0
        self._faults: list[float] = []
        self.fault: Exception | None = None
        """The one that ended the app."""
        self.terminal = ending.Terminal()
        self._entry: HistoryEntry | None = None
        for house in (theme.DARK, theme.LIGHT):
            self.register_theme(house)
        self.theme = theme.theme_name(self.preferences.theme)
        self.stylesheet = _Sheet(variables=self.get_css_variables())

    def on_mount(self) -> None:
        """Show the first area and start looking at the server."""
        self.set_class(look.ascii_only(), "-ascii")
        self.switch_mode(self._start)
        self.call_after_refresh(self.server.begin)  # the first picture comes before the first question
        if not self.is_headless:  # tests start many in one process, and each would stay
            self.set_timer(SETTLED_SECONDS, gc.freeze)
            self.survives = True
            ending.listen(self._told_to_end, self.jobs.join, self.terminal)

    def get_key_display(self, binding: Binding) -> str:
        """Keys by their names, as people say them and as an ASCII terminal can show them."""
        return KEY_NAMES.get(binding.key.split(",")[0]) or look.glyphs(super().get_key_display(binding))

    # areas

    def action_go(self, mode: str) -> None:
        if mode != self.current_mode:
            self.switch_mode(mode)

    def open_collection(self, name: str) -> None:
        from qdrant_admin.tui.screens.collections import PointsScreen

        self.action_go("collections")
        self.push_screen(PointsScreen(name))

    def open_entry(self, entry: "HistoryEntry") -> bool:
        """Show the report of a finished operation in its area; whether it has one."""
        area = AREAS.get(entry.operation)
        if area is None:
            return False
        self._entry = entry
        self.action_go(area)
        return True

    def take_entry(self, area: str) -> "HistoryEntry | None":
        """The entry that is to be shown by this area, once."""
        entry = self._entry
        if entry is None or AREAS[entry.operation] != area:
            return None
        self._entry = None
        return entry

    async def action_back(self) -> None:
        """Leave what lies over the area; in an area, nothing."""
        if len(self.screen_stack) > 1:
            await self.pop_screen()

    def action_show_help(self) -> None:
        from qdrant_admin.tui.screens.dialogs import HelpDialog

        self.push_screen(HelpDialog(self.screen))

    def action_show_jobs(self) -> None:
        from qdrant_admin.tui.screens.dialogs import JobsDialog

        self.push_screen(JobsDialog(self.jobs))

    def base_screens(self) -> list[BaseScreen]:
        if not self.is_running:
            return []
        return [
            screen
            for screen in self.screen_stack
            if isinstance(screen, BaseScreen) and screen.is_mounted and not screen.empty
        ]

    def show_frame(self, screen: Screen[None]) -> None:
        header = screen.query_one(HeaderBar)
        header.profile, header.state, header.detail = self.server.headline()
        screen.query_one(JobStrip).show(self.jobs.running())

    def server_changed(self) -> None:
        for screen in self.base_screens():
            self.show_frame(screen)
            screen.server_changed()

    # jobs

    def start_job(self, task: Task) -> JobView | None:
        try:
            view = self.jobs.start(task)
        except AdminError as error:
            self.toast_error(error)
            return None
        self._tell(view)
        return view

    def on_job_stirred(self, message: JobStirred) -> None:
        """Look into the mailbox now, or when the screen has had time to breathe."""
        wait = self._drawn_at.get(message.job, 0.0) + self._draw_every - time.monotonic()
        if wait > 0:
            self.set_timer(wait, partial(self._collect, message.job))
        else:
            self._collect(message.job)

    def _collect(self, number: int) -> None:
        self._drawn_at[number] = time.monotonic()
        was_running = self.jobs.view(number).running
        view = self.jobs.collect(number)
        self._tell(view)
        if was_running and not view.running:
            self._ended(view)

    def _tell(self, view: JobView) -> None:
        running = self.jobs.running()
        for screen in self.base_screens():
            screen.query_one(JobStrip).show(running)
            screen.job_changed(view)

    def _ended(self, view: JobView) -> None:
        if self._leaving:
            if not self.jobs.running():
                self.exit(self._result)
            return
        self.server.look()
        drawn = any(view.kind in screen.DRAWS_JOBS for screen in self.base_screens())
        if isinstance(view.failure, Unexpected):
            from qdrant_admin.tui.screens.dialogs import ErrorDialog

            self.push_screen(ErrorDialog(view.title, view.failure))
        elif not drawn:
            self._toast_end(view)

    def _toast_end(self, view: JobView) -> None:
        if view.failure is not None and not isinstance(view.failure, Cancelled):
            self.toast_error(view.failure)
            return
        state = formatting.state("cancelled" if view.failure else view.verdict)
        said = view.report.summary() if view.report else ""
        shown = f"{state.text(ascii_only=look.ascii_only())}  {said}".strip()
        bad = state.tone in {"warn", "bad"}
        self.notify(plain(shown), title=view.title, severity="warning" if bad else "information", markup=False)

    def toast_error(self, error: AdminError) -> None:
        fix = plain(self.services.fix(error))
        rows = [plain(error.what), plain(error.why), f"try  {fix}" if fix else ""]
        self.notify("\n".join(row for row in rows if row), severity="error", timeout=10, markup=False)

    def show_unexpected(self, error: Exception) -> None:
        """A fault of ours outside a job: a dialog with what to copy; the app stays alive.

        While it is open no other is shown: what comes meanwhile mostly follows from the first.
        """
        from qdrant_admin.tui.screens.dialogs import ErrorDialog

        if not isinstance(self.screen, ErrorDialog):
            self.push_screen(ErrorDialog("", Unexpected.of(error)))

    def _handle_exception(self, error: Exception) -> None:
        """A fault that nobody has caught is shown like any other, and ends neither the app nor its jobs.

        One that comes again and again (in what draws the screen) does end it: nothing could be shown.
        """
        now = time.monotonic()
        self._faults = [*(at for at in self._faults if now - at < FAULTS_WITHIN_SECONDS), now]
        if not self.survives or not self.is_running or len(self._faults) > FAULTS_SURVIVED:
            self.fault = self.fault or error
            super()._handle_exception(error)
            return
        self.call_later(self.show_unexpected, error)

    def _fatal_error(self) -> None:
        """End, without the framework's traceback: whoever has run the app shows the fault in our own words."""
        self._close_messages_no_wait()

    # preferences and profiles

    def choose_theme(self, choice: theme.ThemeChoice) -> None:
        self.theme = theme.theme_name(choice)
        self.keep(replace(self.preferences, theme=choice))

    def keep(self, preferences: theme.Preferences) -> None:
        self.preferences = preferences
        try:
            theme.write_preferences(preferences)
        except OSError as error:
            self.notify(plain(f"not remembered: {error}"), severity="warning", markup=False)

    def profile_changed(self) -> None:
        self.server.forget()
        self.server_changed()
        self.server.look()
        for screen in self.base_screens():
            screen.look_again()

    # the way out

    def action_leave(self) -> None:
        if self._leaving or not self.jobs.running():
            self.exit(0)
            return
        from qdrant_admin.tui.screens.dialogs import QuitDialog

        if not isinstance(self.screen, QuitDialog):
            self.push_screen(QuitDialog(self.jobs.running()), self._leave)

    async def action_quit(self) -> None:
        self.action_leave()

    def _told_to_end(self) -> None:
        """By `kill`, or by a window that was closed: jobs come to their end in order, as with q."""
        self._result = int(ExitCode.CANCELLED)
        self._leave(True)

    def _leave(self, sure: bool | None) -> None:
        if not sure:
            return
        self._leaving = True
        self.jobs.cancel_all()
        if not self.jobs.running():
            self.exit(self._result)
            return
        self.notify("stopping… what was acknowledged stays. Press q again to leave at once.", timeout=60, markup=False)
        for screen in self.base_screens():
            screen.query_one(JobStrip).show(self.jobs.running())


if TYPE_CHECKING:
    from qdrant_admin.state.store import HistoryEntry

    _SHELL: type[Shell] = AdminApp  # a Protocol cannot be a base beside Textual's own


def run(profile: str | None) -> int:
    """The exit code: 0 after `q`, 130 when it was told to end from outside. Raises the fault that ended the app."""
    return ran(AdminApp(Services(profile)))


def ran(app: AdminApp) -> int:
    """As `run`. Where the app did not end by itself its jobs come to their end in order first."""
    result = None
    try:
        result = app.run()
    finally:
        app.terminal.restore()
        if result is None:
            app.jobs.cancel_all()
            app.jobs.join()
    if app.fault is not None:
        raise app.fault
    return (app.return_code or 0) if result is None else result
