"""One profile, opened: its settings, its runtime, its database, its history. What every operation works on."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.events import Events
from qdrant_admin.state.history import recorded
from qdrant_admin.state.store import StateStore

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.server.runtime import ServerRuntime
    from qdrant_admin.server.runtime_choice import Choice

_P = ParamSpec("_P")


@dataclass(frozen=True)
class Workspace:
    """Opened by a face, handed to operations. Cheap to make: nothing is imported or contacted before it is needed."""

    settings: Settings
    store: StateStore

    @functools.cached_property
    def choice(self) -> "Choice":
        """The runtime of this profile and why it is that one. Looks for an engine when the profile says `auto`."""
        from qdrant_admin.server.runtime_choice import choose_runtime

        return choose_runtime(self.settings)

    @property
    def runtime(self) -> "ServerRuntime":
        return self.choice.runtime

    def database(self) -> "Database":
        """A gateway to what the server holds; the caller closes it (`with workspace.database() as database`).

        Raises:
            NotOurs: at the profile's address somebody else answers than its own server.
            ServerUnreachable: nobody does.
        """
        from qdrant_admin.database.gateway import Database
        from qdrant_admin.server.listener import on_connecting, own

        endpoint = own(self.runtime)
        return Database(endpoint, on_connecting(self.runtime, endpoint))


def operation(
    name: str,
) -> Callable[[Callable[Concatenate[Workspace, _P], Events]], Callable[Concatenate[Workspace, _P], Events]]:
    """Make a generator of events an operation: its report is kept in the history of the profile, under this name."""

    def made(work: Callable[Concatenate[Workspace, _P], Events]) -> Callable[Concatenate[Workspace, _P], Events]:
        @functools.wraps(work)
        def begun(ws: Workspace, /, *args: _P.args, **options: _P.kwargs) -> Events:
            return recorded(ws.store, name, ws.settings.name, work(ws, *args, **options))

        return begun

    return made
