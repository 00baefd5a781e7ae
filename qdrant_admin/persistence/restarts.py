"""The restarts of a check: whether they may be made, and the server brought back whatever happens.

Just before each of them collections are created over the API, several at once, with points and without, one with an
alias; the restart follows as soon as all of it is acknowledged. They have names of their own, are remembered before
they are created, and are deleted after the restart; should it fail, the next check deletes them.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import numpy as np

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    AdminError,
    NotFound,
    Refused,
    RequestRejected,
    ServerTrouble,
    ServerUnreachable,
    Unsupported,
)
from qdrant_admin.core.events import Event, Events, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.lifecycle.down import refuse_foreign
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.restart import others_words
from qdrant_admin.persistence.interrupted import Bookkeeping
from qdrant_admin.persistence.reports import DONE, NewCollectionsCheck, Phase, RoundMethod, VerifyMethod, VerifyOptions
from qdrant_admin.persistence.writers import Counters, Writes, read_counters, told
from qdrant_admin.server.health import probe
from qdrant_admin.server.listener import own, refuse_stranger
from qdrant_admin.server.runtime import RestartMethod, RuntimeState, refuse_losing
from qdrant_admin.state import canaries
from qdrant_admin.workspace import Workspace

_WILL_BE: Mapping[RoundMethod, str] = {
    "graceful": "stopped cleanly and started again",
    "kill": "killed (SIGKILL) and started again",
    "pause": "frozen and thawed",
    "recreate": "removed and recreated on the same data",
    "engine": "restarted together with the container engine itself",
}
_ALL: tuple[RestartMethod, ...] = ("graceful", "kill", "pause", "recreate")
"""In the order in which `all` takes them: the harshest to the storage last. `engine` reaches beyond the server."""
_POINTS = 16
"""In the new collection with an alias and in the one beside it; the third one stays empty."""
_SMALL = {"optimizers_config": {"default_segment_number": 1}, "wal_config": {"wal_capacity_mb": 1}}
_SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),), params=_SMALL)


def check_server(ws: Workspace, options: VerifyOptions) -> RuntimeState:
    """Look at process and health, before anything is touched.

    Raises:
        Unsupported: this runtime cannot restart the server in that way.
        NotOurs: qdrant-admin does not manage it.
        Refused: a recreate would throw the data away, or any restart would: it was deleted under the server.
        ServerUnreachable, ServerTrouble: there is nothing sound to compare with.
    """
    runtime, profile = ws.runtime, ws.settings.name
    supported = runtime.capabilities.restart
    possible = bool(supported) if options.how == "all" else options.how in {*supported, "none"}
    if not possible:
        raise Unsupported(
            f"the server at {runtime.endpoint.url} cannot be restarted by {options.how} from here",
            why="; ".join(runtime.capabilities.cannot) or f"the {runtime.kind} runtime does not support that method",
            fix=Command("verify", how="none").on(profile),
        )
    state = runtime.inspect()
    if options.how != "none":
        refuse_foreign(ws, state, "restarted")
        refuse_losing(state)
    if options.how == "recreate" and state.storage.kind == "container":
        raise Refused(
            f"{state.name} keeps its data inside the container",
            why=f"nothing is mounted where it stores ({state.storage.destination}), so recreating it loses everything",
            fix=Command("verify", how="kill").on(profile),
        )
    if state.state not in {"running", "unknown"}:
        refuse_stranger(runtime)
        raise ServerUnreachable(
            f"the server is not running ({state.state})",
            why="there is nothing to compare with: its content has to be read before the restart",
            fix=Command("up").on(profile),
        )
    check_health(ws)
    return state


def check_health(ws: Workspace) -> None:
    """Raise `ServerUnreachable` when the server is not ready, `ServerTrouble` when it runs in recovery mode."""
    seen = probe(own(ws.runtime))
    if not seen.is_qdrant or not seen.ready:
        raise ServerUnreachable(
            f"the server at {ws.runtime.endpoint.url} is not ready",
            why=seen.error or "it does not report that it is",
            fix=Command("doctor").on(ws.settings.name),
        )
    if seen.recovery_mode:
        raise ServerTrouble(
            "the server runs in recovery mode",
            why="collections cannot be read in it, so nothing could be compared",
            fix=log_or_list(ws).on(ws.settings.name),
        )


def log_or_list(ws: Workspace) -> Command:
    """Where to look next: into the log, which a server that runs elsewhere keeps to itself."""
    return Command("logs", tail=200) if ws.runtime.capabilities.logs else Command("collections", "list")


def restart_methods(ws: Workspace, how: VerifyMethod, state: RuntimeState) -> tuple[RestartMethod, ...]:
    """The restarts that a check makes, one after the other; none of them loses data by itself."""
    if how == "none":
        return ()
    if how != "all":
        return (how,)
    inside = state.storage.kind == "container"
    return tuple(one for one in _ALL if one in ws.runtime.capabilities.restart and not (inside and one == "recreate"))


def announcement(
    state: RuntimeState, methods: tuple[RestartMethod, ...], collections: int, others: tuple[str, ...]
) -> Notice:
    """What is about to be interrupted: a server with so many collections, and what else runs on its engine."""
    doing = ", then ".join(_WILL_BE[how] for how in methods)
    held = counted(collections, "collection")
    text = f"{state.name} will be {doing}: {held} cannot be reached meanwhile{others_words(others)}"
    if state.storage.kind == "container":
        text += "; its data lies inside the container and would not survive a recreate"
    return Notice(level="warning", text=text)


class Timing:
    """How long a check has taken so far, and how long each of its parts took."""

    def __init__(self) -> None:
        self.at, self._begun = datetime.now(UTC), time.monotonic()
        self._phase_begun = self._begun
        self.phases: list[Phase] = []

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def seconds_of_phase(self) -> float:
        return time.monotonic() - self._phase_begun

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        at, self._phase_begun = datetime.now(UTC), time.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name=name, at=at, seconds=self.seconds_of_phase))


class WrittenMeanwhile(Refused):
    """Somebody wrote since the last scan, so a restart would prove nothing."""


class Restarts:
    """Restarts one server, each time with collections of its own that were created just before."""

    def __init__(
        self,
        ws: Workspace,
        timing: Timing,
        bookkeeping: Bookkeeping,
        cancel: CancelToken,
        ending: Callable[[Counters | None], object],
    ) -> None:
        self._ws, self._timing, self._bookkeeping, self._cancel = ws, timing, bookkeeping, cancel
        self._ending = ending
        """Called just before a process is ended, with its counters."""
        self.writes = Writes()
        """Of others, around every restart."""
        self.counters: Counters | None = None
        """As they were read last."""
        self.found: NewCollectionsCheck | None = None
        """What came of the collections of the latest restart that created any."""
        self.begun = False
        """Whether a restart has begun: from then on only a second scan can tell what it did."""

    def restart(self, how: RestartMethod, counters: Counters | None, own: Counters) -> Generator[Event, None, float]:
        """Returns the seconds from the stop to truly ready. Once the stop has begun, no cancel is heard.

        `counters` are those since which nobody may have written but we, who have sent `own`.

        Raises:
            WrittenMeanwhile: somebody did; the server was not restarted.
        """
        self._cancel.check()
        new, unheard, self.counters = NewCollections(self._ws, self._bookkeeping), CancelToken(), counters
        if how != "pause":  # which loses nothing that a process holds
            with self._timing.phase("fresh"):
                yield from new.make()
        if seen := self._see(Counter(own) + Counter(new.own)):
            new.remove()
            raise WrittenMeanwhile(f"something writes to the server ({told(seen)}), so it was not {DONE[how]}")
        if how != "pause":
            self._ending(self.counters)
        begun, self.begun = time.monotonic(), True
        with self._timing.phase("restart"):
            yield from self._to_the_end(self._ws.runtime.restart(how, unheard), ends=how != "pause")
        with self._timing.phase("ready"):
            yield from wait_ready(self._ws, cancel=unheard)
            check_health(self._ws)
        ready = time.monotonic() - begun
        new.look()
        if how != "pause":
            self.counters = {}  # a process begins to count at nothing
            self._see(new.own)
        self.found = new.found or self.found
        return ready

    def _see(self, own: Counters) -> dict[str, int]:
        """Read the counters again; returns what others have asked for since the last time."""
        with self._ws.database() as database:
            now = read_counters(database)
        seen = self.writes.see(self.counters, now, own)
        self.counters = now
        return seen

    def _see_at_the_last_moment(self) -> None:
        """As `_see`, of a server that may just be going down: that it does not tell says nothing."""
        with suppress(AdminError), self._ws.database() as database:
            if (now := read_counters(database)) is not None:
                self.writes.see(self.counters, now)
                self.counters = now

    def _to_the_end(self, events: Events, *, ends: bool) -> Generator[Event, None, None]:
        """Pass events through; whoever stops listening, and whatever fails, the server is brought back first.

        The first event comes just before the server is stopped, and is the last moment at which it can be asked.
        """
        try:
            for number, event in enumerate(events):
                yield event
                if ends and number == 0:
                    self._see_at_the_last_moment()
        except GeneratorExit:
            for _ in events:
                pass
            raise
        except AdminError:
            if self._ws.runtime.inspect().state == "stopped":
                yield from self._ws.runtime.start(CancelToken())
            raise


class NewCollections:
    """Three collections and an alias, for one restart."""

    def __init__(self, ws: Workspace, bookkeeping: Bookkeeping) -> None:
        self._ws, self._url, self._bookkeeping = ws, ws.runtime.endpoint.url, bookkeeping
        prefix = f"{canaries.PREFIX}{secrets.token_hex(4)}"
        self._names = tuple(f"{prefix}-{what}" for what in ("empty", "filled", "aliased"))
        self._filled = self._names[1:]
        self._alias = f"{prefix}-alias"
        self._made = False
        self.found: NewCollectionsCheck | None = None
        """What came of them; None before `look`, and where the server created none."""
        self.own: Counters = {}
        """Requests that `make` or `look` has made, whichever came last: what is more comes from somebody else."""

    def make(self) -> Generator[Event, None, None]:
        """Create them at the same time, each acknowledged. A server that refuses is reported, and no more."""
        yield StepStarted(step="fresh", title="creating collections of its own, just before")
        with self._ws.database() as database:
            try:
                self._make(database)
                self._made = True
                detail = f"{counted(len(self._names), 'collection')}, one with an alias"
            except AdminError as error:
                with suppress(AdminError):
                    self._remove(database)
                detail = f"none was created: {error}"
            self.own = database.own_writes()
        yield StepFinished(step="fresh", outcome="ok" if self._made else "warning", detail=detail)

    def look(self) -> None:
        """See what is left of them after the restart, and delete them."""
        self.own = {}
        if not self._made:
            return
        with self._ws.database() as database:
            lost = tuple(self._losses(database))
            points = _POINTS * len(self._filled)
            self.found = NewCollectionsCheck(collections=len(self._names), points=points, aliases=1, lost=lost)
            self._remove(database)
            self.own = database.own_writes()

    def remove(self) -> None:
        """Delete them, as there is no restart."""
        with self._ws.database() as database:
            self._remove(database)

    def _remove(self, database: Database) -> None:
        """Delete them; the next check deletes what cannot be deleted now."""
        gone = []
        for name in self._names:
            try:
                with suppress(NotFound):
                    database.delete_collection(name)
                gone.append(name)
            except (RequestRejected, ServerTrouble):
                continue
        with self._bookkeeping:
            canaries.forget(self._ws.store, self._url, gone)

    def _make(self, database: Database) -> None:
        canaries.remember(self._ws.store, self._url, self._names)
        with ThreadPoolExecutor(len(self._names)) as threads:
            list(threads.map(lambda name: database.create_collection(name, _SPEC), self._names))
            list(threads.map(lambda name: database.upsert(name, _points()), self._filled))
        database.set_alias(self._alias, self._filled[-1])

    def _losses(self, database: Database) -> Iterator[str]:
        there = database.names()
        for name in self._names:
            if name not in there:
                yield f"collection {name} is gone"
            elif name in self._filled:
                found = {point.id: point for point in database.retrieve(name, range(_POINTS))}
                lost = sum(not _same(point, found.get(point.id)) for point in _points())
                if lost:
                    yield f"collection {name} has lost {lost} of {_POINTS} points"
        if database.aliases().get(self._alias) != self._filled[-1]:
            yield f"alias {self._alias} is gone"


def _points() -> list[Point]:
    return [Point(number, {"number": number}, {"": np.full(4, number, np.float32)}) for number in range(_POINTS)]


def _same(point: Point, found: Point | None) -> bool:
    if found is None or found.payload != point.payload:
        return False
    vector = found.vectors.get("")
    return isinstance(vector, np.ndarray) and np.array_equal(vector, np.asarray(point.vectors[""]))
