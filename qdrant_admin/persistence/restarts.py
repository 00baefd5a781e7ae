"""The restarts of a check: which ones, what they interrupt, and the server brought back whatever happens."""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event, Events, Notice
from qdrant_admin.core.formatting import counted
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.restart import others_words
from qdrant_admin.persistence.new_collections import NewCollections
from qdrant_admin.persistence.preconditions import check_health
from qdrant_admin.persistence.reports import NewCollectionsCheck, Phase, RoundMethod, VerifyMethod
from qdrant_admin.server.runtime import RestartMethod, RuntimeState
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
    """How long the parts of a check took."""

    def __init__(self) -> None:
        self.at, self._begun = datetime.now(UTC), time.monotonic()
        self._phase_begun = self._begun
        self.phases: list[Phase] = []

    @property
    def seconds(self) -> float:
        """Since the check began."""
        return time.monotonic() - self._begun

    @property
    def seconds_of_phase(self) -> float:
        """Since the latest phase began."""
        return time.monotonic() - self._phase_begun

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one part."""
        at, self._phase_begun = datetime.now(UTC), time.monotonic()
        try:
            yield
        finally:
            self.phases.append(Phase(name=name, at=at, seconds=self.seconds_of_phase))


class Restarts:
    """Restarts one server, each time with collections of its own that were created just before."""

    def __init__(self, ws: Workspace, timing: Timing, cancel: CancelToken) -> None:
        self._ws, self._timing, self._cancel = ws, timing, cancel
        self.new = NewCollections(ws)
        """Those of the latest restart."""
        self.found: NewCollectionsCheck | None = None
        """What came of those of the latest restart that created any."""

    def restart(self, how: RestartMethod) -> Generator[Event, None, float]:
        """From here on a cancel is only heard once the server can be used again, as it was found.

        Returns:
            seconds from the stop to truly ready.
        """
        self._cancel.check()
        self.new, unheard = NewCollections(self._ws), CancelToken()
        if how != "pause":  # which loses nothing that a process holds
            with self._timing.phase("fresh"):
                yield from self.new.make()
        begun = time.monotonic()
        with self._timing.phase("restart"):
            yield from self._to_the_end(self._ws.runtime.restart(how, unheard))
        with self._timing.phase("ready"):
            yield from wait_ready(self._ws, cancel=unheard)
            check_health(self._ws)
        ready = time.monotonic() - begun
        self.new.look()
        self.found = self.new.found or self.found
        self._cancel.check()
        return ready

    def _to_the_end(self, events: Events) -> Generator[Event, None, None]:
        """Pass events through; whoever stops listening, and whatever fails, the server is brought back first."""
        try:
            for event in events:  # noqa: UP028 # `yield from` would end the restart half-way with its listener
                yield event
        except GeneratorExit:
            for _ in events:
                pass
            raise
        except AdminError:
            if self._ws.runtime.inspect().state == "stopped":
                yield from self._ws.runtime.start(CancelToken())
            raise
