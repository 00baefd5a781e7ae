"""One profile, opened: its settings, its runtime, its database, its history. What every operation works on."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qdrant_admin.config.settings import Settings
from qdrant_admin.state.store import StateStore

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.server.runtime import ServerRuntime
    from qdrant_admin.server.runtime_choice import Choice


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
        """The runtime of this profile."""
        return self.choice.runtime

    def database(self) -> "Database":
        """A gateway to what the server holds; the caller closes it (`with workspace.database() as database`)."""
        from qdrant_admin.database.gateway import Database

        return Database(self.runtime.endpoint)
