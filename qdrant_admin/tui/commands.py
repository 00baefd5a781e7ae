"""The command palette: areas, what can be done now, themes, and live lists of profiles and collections."""

from collections.abc import Callable
from functools import partial
from typing import cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from qdrant_admin.core.errors import AdminError
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import off_thread
from qdrant_admin.tui.shell import Shell
from qdrant_admin.tui.theme import CHOICES
from qdrant_admin.tui.widgets.bars import SECTIONS

Command = tuple[str, str, Callable[[], object]]


class AdminCommands(Provider):
    """Everything that can be called by name."""

    @property
    def _admin(self) -> Shell:
        return cast("Shell", self.app)

    async def startup(self) -> None:
        """Ask for the live lists, off the screen's thread."""
        self._profiles: list[str] = []
        self._collections: list[str] = []
        services = self._admin.services
        try:
            self._profiles = sorted(await off_thread(services.known))
            report = await off_thread(services.collections)
        except AdminError:  # without a server there are no collections to offer; the rest still works
            return
        self._collections = [info.name for info in report.collections]

    def _static(self) -> list[Command]:
        app = self._admin
        found: list[Command] = [
            (f"Go to {name}", f"the {name} screen, key {n}", partial(app.action_go, mode))
            for n, (mode, name) in enumerate(SECTIONS, 1)
        ]
        found += [
            ("Jobs", "running and finished jobs with their steps", app.action_show_jobs),
            ("Help", "the keys of this screen", app.action_show_help),
            ("Quit", "leave; running jobs are stopped cleanly", app.action_leave),
        ]
        found += [
            (f"Theme: {choice}", "how it looks, remembered", partial(app.choose_theme, choice)) for choice in CHOICES
        ]
        for screen in app.base_screens()[-1:]:
            for active in screen.active_bindings.values():
                binding = active.binding
                if active.node is screen and binding.show and active.enabled:
                    run = partial(self._run, f"screen.{binding.action}")
                    found.append((binding.description.capitalize(), binding.tooltip, run))
        return found

    def _live(self) -> list[Command]:
        app = self._admin
        found: list[Command] = [
            (f"Use profile {name}", "open another Qdrant", partial(self._use, name)) for name in self._profiles
        ]
        found += [
            (f"Open collection {name}", "its points and settings", partial(app.open_collection, name))
            for name in self._collections
        ]
        return found

    async def _run(self, action: str) -> None:
        await self.app.run_action(action, default_namespace=self.screen)

    async def _use(self, name: str) -> None:
        try:
            await off_thread(partial(self._admin.services.use, name))
        except AdminError as error:
            self._admin.toast_error(error)
        else:
            self._admin.profile_changed()

    async def discover(self) -> Hits:
        """Shown before anything is typed: the short list."""
        for title, about, run in self._static():
            yield DiscoveryHit(look.text(title), cast("Callable[[], None]", run), text=title, help=look.glyphs(about))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for title, about, run in [*self._static(), *self._live()]:
            score = matcher.match(title)
            if score > 0:
                shown: Content = matcher.highlight(look.text(title).plain)
                yield Hit(score, shown, cast("Callable[[], None]", run), text=title, help=look.glyphs(about))
