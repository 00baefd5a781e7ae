"""One look at everything a status is made of. A part that cannot be had becomes an error kept, never an exception."""

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.lifecycle.elsewhere import elsewhere
from qdrant_admin.server.listener import answering
from qdrant_admin.server.runtime import Capabilities, Change, RuntimeKind, RuntimeState
from qdrant_admin.state.inventory import KnownStorage
from qdrant_admin.state.resumable_runs import InterruptedMigration, interrupted_check, interrupted_migrations
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.database.models import CollectionInfo
    from qdrant_admin.lifecycle.memory import Memory, Today
    from qdrant_admin.server.health import Probe
    from qdrant_admin.server.runtime import ServerRuntime

_T = TypeVar("_T")
_MOMENT = 1.0
"""Seconds for which a queue of acknowledged writes is watched, where there is one."""
Part = Literal["runtime", "changes", "probe", "collections", "history", "memory"]


class Observation(msgspec.Struct):
    """What was seen, and what could not be."""

    kind: RuntimeKind
    endpoint: Endpoint
    began: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    capabilities: Capabilities = msgspec.field(default_factory=Capabilities)
    state: RuntimeState | None = None
    stranger: str = ""
    """Who listens at the profile's address in place of its server, in words. He is looked at without the key."""
    changes: tuple[Change, ...] = ()
    probe: "Probe | None" = None
    collections: "tuple[CollectionInfo, ...] | None" = None
    interrupted_check: datetime | None = None
    """When a check began that was interrupted between its two scans."""
    interrupted_migrations: tuple[InterruptedMigration, ...] = ()
    """Into this server, the latest first."""
    elsewhere: KnownStorage | None = None
    """What the profile is known to have on its other runtime."""
    gone_elsewhere: tuple[KnownStorage, ...] = ()
    """What it had there until now, and has no longer."""
    today: "Today | None" = None
    """What is there, as it is held against what was known; None where not all of it can be seen."""
    memory: "Memory | None" = None
    """What is missing of all that was known to be here; None when today could not be held against it."""
    troubles: dict[Part, AdminError] = msgspec.field(default_factory=dict)
    """Why a part could not be looked at."""

    def look(self, part: Part, question: Callable[[], _T]) -> _T | None:
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
        if self.state is None:
            return False
        ours_is_down = self.state.state in {"absent", "stopped"}
        return self.state.ours is False or (self.answers_as_qdrant and (ours_is_down or bool(self.stranger)))


def observe(ws: Workspace) -> Observation:
    """Look at runtime, server and data, in this order. Never raises an `AdminError`."""
    from qdrant_admin.server.health import probe
    from qdrant_admin.server.runtime_choice import presumed_kind

    settings = ws.settings
    without_key = settings.endpoint.model_copy(update={"api_key": None})  # until it is known whose server it is
    seen = Observation(presumed_kind(settings), without_key)
    check = seen.look("history", lambda: interrupted_check(ws.store, settings.name))
    seen.interrupted_check = check.at if check else None
    runtime = seen.look("runtime", lambda: ws.runtime)
    if runtime is not None:
        seen.kind, seen.capabilities = runtime.kind, runtime.capabilities
        seen.interrupted_migrations = (
            seen.look("history", lambda: interrupted_migrations(ws.store, seen.endpoint.url)) or ()
        )
        seen.state = seen.look("runtime", runtime.inspect)
        if runtime.capabilities.start:
            seen.look("history", lambda: _elsewhere(ws, runtime.kind, seen))
        if seen.state is not None and seen.state.state != "absent" and seen.state.ours is not False:
            seen.changes = tuple(seen.look("changes", runtime.differences) or ())
    if seen.state is not None and seen.state.state in {"paused", "restarting"}:
        return seen
    if runtime is not None and seen.state is not None:
        seen.look("runtime", lambda: _whose(seen, runtime))
    seen.probe = seen.look("probe", lambda: probe(seen.endpoint))
    of_ours = seen.state is not None and not seen.foreign and "runtime" not in seen.troubles
    if of_ours and seen.answers_as_qdrant and not (seen.probe and seen.probe.recovery_mode):
        seen.collections = seen.look("collections", lambda: _collections(seen.endpoint))
    if runtime is not None and not seen.foreign and seen.state is not None:
        seen.memory = seen.look("memory", lambda: _memory(ws, runtime, seen))
    return seen


def _whose(seen: Observation, runtime: "ServerRuntime") -> None:
    seen.endpoint, seen.stranger = answering(runtime)


def _elsewhere(ws: Workspace, kind: RuntimeKind, seen: Observation) -> None:
    seen.elsewhere, seen.gone_elsewhere = elsewhere(ws, kind)


def last_look(ws: Workspace) -> Events:
    """Before a process ends, or the log of a container: what either can tell of requests is heard, told and kept."""
    from qdrant_admin.lifecycle.finding_words import told, told_gone

    seen = observe(ws)
    for one in seen.memory.having("told") if seen.memory is not None else ():
        yield Notice(text=told(one))
    for storage in seen.gone_elsewhere:
        yield Notice(text=told_gone(storage))


def _memory(ws: Workspace, runtime: "ServerRuntime", seen: Observation) -> "Memory | None":
    from qdrant_admin.lifecycle.noting import remember, today

    if seen.probe is None or seen.collections is None:
        return None
    seen.today = today(runtime, seen.probe, seen.collections, seen.began)
    return None if seen.today is None else remember(ws, seen.today)


def _collections(endpoint: Endpoint) -> "tuple[CollectionInfo, ...]":
    from qdrant_admin.database.gateway import Database

    with Database(endpoint) as database:
        return tuple(_once_applied(database, one) for one in database.collections())


def _once_applied(database: "Database", one: "CollectionInfo") -> "CollectionInfo":
    """The collection, whose queue may be empty a moment later: an application that writes fills it again and again."""
    deadline = time.monotonic() + _MOMENT
    with contextlib.suppress(AdminError):  # it was listed a moment ago, and is told as it was then
        while one.pending.queued and time.monotonic() < deadline:
            time.sleep(_MOMENT / 20)
            one = one.model_copy(update={"pending": database.pending(one.name)})
    return one
