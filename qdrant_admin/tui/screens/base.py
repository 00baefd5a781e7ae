"""What every screen of the app has in common: the frame, asking in a thread, jobs, and showing failures."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.geometry import Size
from textual.screen import Screen
from textual.worker import WorkType

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui.enduring import Enduring
from qdrant_admin.tui.jobs import JobView, Task, off_thread
from qdrant_admin.tui.shell import Shell
from qdrant_admin.tui.widgets.bars import HeaderBar, JobStrip, KeyBar, NavBar, bind
from qdrant_admin.tui.widgets.panels import StatePanel, TooSmall

if TYPE_CHECKING:
    from textual.content import Content

    from qdrant_admin.core.events import Events
    from qdrant_admin.tui.services import Services


T = TypeVar("T")
SMALLEST = Size(60, 15)


class BaseScreen(Enduring, Screen[None]):
    """A screen of one area. Subclasses give `SECTION`, `HELP_TEXT`, bindings, and `compose_body`."""

    SECTION: ClassVar[str] = ""
    """Its mode, a key of `widgets.bars.SECTIONS`."""
    HELP_TEXT: ClassVar[str] = ""
    """One or two sentences for the help screen: the question this screen answers."""
    DRAWS_JOBS: ClassVar[frozenset[str]] = frozenset()
    """Kinds of jobs whose end this screen draws itself, so that no toast is needed."""
    empty = False
    """Whether its body could not be made, so that there is nothing to be kept up to date."""
    BINDINGS = [
        bind("r", "refresh_now", "refresh", "screen.refresh", "look again"),
        bind("j", "cursor('down')", "down", "screen.down", show=False),
        bind("k", "cursor('up')", "up", "screen.up", show=False),
        bind("g", "cursor('home')", "top", "screen.top", show=False),
        bind("G", "cursor('end')", "bottom", "screen.bottom", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (150, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-tall")]

    @property
    def admin(self) -> Shell:
        return cast("Shell", self.app)

    @property
    def services(self) -> "Services":
        return self.admin.services

    def compose(self) -> ComposeResult:
        yield HeaderBar(id="header")
        with Container(id="body"):
            yield from self._area()
        with Vertical(id="foot"):
            yield JobStrip(id="jobs")
            yield KeyBar(id="keys")
            yield NavBar(id="nav")
        yield TooSmall(id="too-small")

    def _area(self) -> ComposeResult:
        """What the subclass composes. A fault in it leaves the area empty, and the ways to the others open."""
        try:
            yield from self.compose_body()
        except Exception as error:  # noqa: BLE001 - the boundary to one area: the app stays alive
            self.empty = True
            self.app._handle_exception(error)  # noqa: SLF001 # there is no public way to tell it

    def compose_body(self) -> ComposeResult:
        raise NotImplementedError

    def look_again(self) -> None:
        """Start loading what the screen shows. Called when it is first shown, shown again, and by `r`."""

    def server_changed(self) -> None:
        """The watch has seen something new (`admin.server`)."""

    def job_changed(self, view: JobView) -> None:
        """A job said something. Only the screen in front is told; others see `admin.jobs` when they come back."""

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        """By the name of an action: whether it makes sense now. One that is not named always does."""
        return {}

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        asked = self.possible().get(action) if self.is_mounted else None
        return super().check_action(action, parameters) if asked is None else asked()

    def on_mount(self) -> None:
        self.query_one(NavBar).here = self.SECTION

    def on_screen_resume(self) -> None:
        """Be up to date whenever it comes to the front."""
        self.admin.show_frame(self)
        if self.empty:
            return
        self.server_changed()
        self.look_again()
        self.refresh_bindings()

    def on_resize(self) -> None:
        """Below a readable size, say so calmly instead of drawing ruins."""
        small = self.size.width < SMALLEST.width or self.size.height < SMALLEST.height
        self.set_class(small, "-too-small")

    def action_refresh_now(self) -> None:
        self.look_again()

    def action_cursor(self, where: str) -> None:
        """Let j, k, g and G do what the arrows, home and end do in the focused widget."""
        names: dict[str, tuple[str, ...]] = {"down": ("cursor_down", "scroll_down"), "up": ("cursor_up", "scroll_up")}
        names |= {"home": ("scroll_top", "first", "scroll_home"), "end": ("scroll_bottom", "last", "scroll_end")}
        for name in names[where]:
            action = getattr(self.focused, f"action_{name}", None)
            if action is not None:
                action()
                return

    def ask(
        self,
        call: Callable[[], T],
        then: Callable[[T], object],
        failed: Callable[[AdminError], object] | None = None,
        *,
        group: str = "ask",
    ) -> None:
        """Run a blocking call in a thread and hand its result to `then`, here.

        A new call of the same group replaces the old one. A failure goes to `failed`, or becomes a toast.
        """

        async def work() -> None:
            try:
                result = await off_thread(call)
            except AdminError as error:
                (failed or self.admin.toast_error)(error.with_fix(self.services.fix(error)))
            except Exception as error:  # noqa: BLE001 - the boundary to the operations: the app stays alive
                self.admin.show_unexpected(error)
            else:
                then(result)

        running: WorkType[None] = work
        self.run_worker(running, group=group, exclusive=True, description=group)

    def state(self, shown: "Content | None") -> None:
        """Say how it stands instead of showing the content; None: show the content."""
        self.set_class(shown is not None, "-stated")
        if shown is not None:
            self.query_one(StatePanel).update(shown)
        self.refresh_bindings()

    def running_job(self, *kinds: str) -> JobView | None:
        """The newest job of these kinds, while it runs."""
        job = self.admin.jobs.latest(*kinds)
        return job if job is not None and job.running else None

    def confirm(self, title: str, body: "Content | str", yes: str, then: Callable[[], object], typed: str = "") -> None:
        """Go on only after a yes. See `ConfirmDialog`."""
        from qdrant_admin.tui.widgets.dialogs import ConfirmDialog

        def answered(sure: bool | None) -> None:
            if sure:
                then()

        self.app.push_screen(ConfirmDialog(title, body, yes=yes, typed=typed), answered)

    def run_job(
        self,
        kind: str,
        title: str,
        events: "Callable[[CancelToken], Events]",
        *,
        touches: str = "server",
        can_pause: bool = False,
    ) -> JobView | None:
        return self.admin.start_job(Task(kind, title, events, touches, can_pause))
