"""What the app is to those below it. Screens, the palette and dialogs know this; only the app knows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from textual.screen import Screen

from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui.jobs import Jobs, JobView, Task
from qdrant_admin.tui.preferences import Preferences
from qdrant_admin.tui.server_watch import ServerWatch
from qdrant_admin.tui.services import Services
from qdrant_admin.tui.theme import ThemeChoice

if TYPE_CHECKING:
    from qdrant_admin.state.store import HistoryEntry


class Shell(Protocol):
    """What they may ask of it, and what they see in it."""

    services: Services
    jobs: Jobs
    server: ServerWatch
    preferences: Preferences

    def action_go(self, mode: str) -> None:
        """Show an area."""
        ...

    def action_leave(self) -> None:
        """Quit; with running jobs, ask first."""
        ...

    def action_show_help(self) -> None:
        """Show the keys of the screen in front."""
        ...

    def action_show_jobs(self) -> None:
        """Show running and finished jobs."""
        ...

    def base_screens(self) -> Sequence[Screen[None]]:
        """Tell the screens of the area in front, below any dialog."""
        ...

    def show_frame(self, screen: Screen[None]) -> None:
        """Bring header and strip of a screen up to date."""
        ...

    def open_collection(self, name: str) -> None:
        """Show one collection."""
        ...

    def open_entry(self, entry: "HistoryEntry") -> bool:
        """Show the report of a finished operation in its area; whether it has one."""
        ...

    def take_entry(self, area: str) -> "HistoryEntry | None":
        """Tell what this area is to show, once."""
        ...

    def start_job(self, task: Task) -> JobView | None:
        """Start a job, or say in a toast why not."""
        ...

    def toast_error(self, error: AdminError) -> None:
        """Say a failure in brief."""
        ...

    def show_unexpected(self, error: Exception) -> None:
        """Show a fault of ours, with what to copy."""
        ...

    def choose_theme(self, choice: ThemeChoice) -> None:
        """Use a theme now and from now on."""
        ...

    def keep(self, preferences: Preferences) -> None:
        """Remember preferences."""
        ...

    def profile_changed(self) -> None:
        """Another profile, or another setting of this one: look at everything again."""
        ...
