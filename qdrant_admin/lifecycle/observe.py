"""One look at everything a status is made of. A part that cannot be had becomes an error kept, never an exception."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.core.errors import AdminError
from qdrant_admin.lifecycle.pending import pending
from qdrant_admin.lifecycle.stopped import StoppedMigration, stopped_migrations
from qdrant_admin.server.runtime import Capabilities, Change, RuntimeKind, RuntimeState
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.database.models import CollectionInfo
    from qdrant_admin.server.health import Probe

_T = TypeVar("_T")


@dataclass
class Observation:
    """What was seen, and what could not be."""

    kind: RuntimeKind
    endpoint: Endpoint
    capabilities: Capabilities = field(default_factory=Capabilities)
    state: RuntimeState | None = None
    changes: tuple[Change, ...] = ()
    probe: "Probe | None" = None
    collections: "tuple[CollectionInfo, ...] | None" = None
    unfinished_check: datetime | None = None
    """When a check began that was cut off between its two looks."""
    stopped_migrations: tuple[StoppedMigration, ...] = ()
    """Into this server, the latest first."""
    troubles: dict[str, AdminError] = field(default_factory=dict)
    """Part (`runtime`, `changes`, `collections`) to why it could not be looked at."""

    def look(self, part: str, question: Callable[[], _T]) -> _T | None:
        """The answer, or None with the reason kept."""
        try:
            return question()
        except AdminError as error:
            self.troubles[part] = error
            return None

    @property
    def answers_as_qdrant(self) -> bool:
        """Whether a Qdrant answers at the profile's address, whoever runs it."""
        return self.probe is not None and self.probe.is_qdrant

    @property
    def foreign(self) -> bool:
        """Whether the server at hand is somebody else's."""
        if self.state is None or self.kind == "remote":
            return False
        return self.state.ours is False or (self.state.state in {"absent", "stopped"} and self.answers_as_qdrant)


def observe(ws: Workspace) -> Observation:
    """Look at runtime, server and data, in this order. Never raises an `AdminError`."""
    from qdrant_admin.server.health import probe

    settings = ws.settings
    asked = settings.profile.runtime
    seen = Observation("docker" if asked == "auto" else asked, settings.endpoint)
    cut_off = seen.look("history", lambda: pending(ws.store, settings.name))
    seen.unfinished_check = cut_off.at if cut_off else None
    runtime = seen.look("runtime", lambda: ws.runtime)
    if runtime is not None:
        seen.kind, seen.endpoint, seen.capabilities = runtime.kind, runtime.endpoint, runtime.capabilities
        seen.stopped_migrations = seen.look("history", lambda: stopped_migrations(ws.store, seen.endpoint.url)) or ()
        seen.state = seen.look("runtime", runtime.inspect)
        if seen.state is not None and seen.state.state != "absent" and seen.state.ours is not False:
            seen.changes = tuple(seen.look("changes", runtime.differences) or ())
    if seen.state is not None and seen.state.state in {"paused", "restarting"}:
        return seen
    seen.probe = seen.look("probe", lambda: probe(seen.endpoint))
    if seen.answers_as_qdrant and not (seen.probe and seen.probe.recovery_mode):
        seen.collections = seen.look("collections", lambda: _collections(seen.endpoint))
    return seen


def _collections(endpoint: Endpoint) -> "tuple[CollectionInfo, ...]":
    from qdrant_admin.database.gateway import Database

    with Database(endpoint) as database:
        return tuple(database.collections())
