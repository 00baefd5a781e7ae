"""The protocol of a runtime, and the values it speaks in."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, Protocol

from pydantic import field_serializer

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events
from qdrant_admin.core.reports import Frozen

RuntimeKind = Literal["docker", "native", "remote"]
RestartMethod = Literal["graceful", "kill", "recreate", "pause", "engine"]
"""`pause`: frozen for a while and thawed, as a laptop that sleeps; the process stays the same. `engine`: the container
engine itself, and with it whatever else runs on it."""
FROZEN_SECONDS = 2.0
"""How long a pause lasts: longer than a client that retries, shorter than one that gives up."""
ProcessState = Literal["running", "paused", "restarting", "stopped", "absent", "unknown"]
"""`stopped` covers created and exited; `absent`: there is no container or process of this profile at all;
`unknown`: nobody can look (a remote server)."""
StorageKind = Literal["volume", "bind", "directory", "container", "unknown"]
"""`container`: no mount at the storage path, data dies with the container."""


class Diagnosis(Frozen):
    """What an exit code or a log line means, and the way out."""

    what: str
    why: str = ""
    fix: str = ""
    severe: bool = False


class Storage(Frozen):
    """Where the data really lies."""

    kind: StorageKind = "unknown"
    source: str = ""
    """Volume name, host folder, or directory of the native process."""
    destination: str = ""
    """Path inside the container; empty for a native process."""
    sound: bool | None = None
    """True after having looked and found nothing against it; None when nobody could look."""
    detail: str = ""
    free_bytes: int | None = None
    faults: tuple[Diagnosis, ...] = ()
    """What speaks against it, each with a way out; `detail` has them in one line."""


class RuntimeState(Frozen):
    """What the runtime itself sees, without asking the server."""

    runtime: RuntimeKind
    state: ProcessState
    name: str = ""
    """Container name, or `pid 1234`, or the URL."""
    ours: bool | None = None
    """Whether it bears our mark; None where nothing is there or nobody can tell."""
    engine: str = ""
    """Which engine, in words: `Docker Desktop 4.43 (context desktop-linux)`; empty elsewhere."""
    image: str = ""
    pid: int | None = None
    started_at: datetime | None = None
    restarts: int = 0
    """How often it was restarted without anyone asking for it."""
    restart_policy: str = ""
    exit_code: int | None = None
    diagnosis: Diagnosis | None = None
    """Why it is not running, or what its first log lines warn of."""
    storage: Storage = Storage()
    published: tuple[str, ...] = ()
    """Addresses the server is published on, `127.0.0.1:6333`."""


class Change(Frozen):
    """One setting in which the running server differs from what the profile asks for."""

    setting: str
    current: str
    wanted: str
    moves: bool = False
    """Whether the server answers elsewhere than the profile says as long as this is not applied."""


class Stats(Frozen):
    """What the server costs right now. None where the runtime cannot tell."""

    cpu_percent: float | None = None
    """100 is one whole core."""
    memory_bytes: int | None = None
    memory_limit_bytes: int | None = None
    disk_bytes: int | None = None
    """What the storage really occupies, in blocks."""
    disk_free_bytes: int | None = None


class Capabilities(Frozen):
    """What this runtime can do; what it cannot, it says in words."""

    start: bool = True
    stop: bool = True
    restart: frozenset[RestartMethod] = frozenset({"graceful", "kill", "recreate", "pause"})
    logs: bool = True
    stats: bool = True
    cannot: tuple[str, ...] = ()

    @field_serializer("restart")
    def _in_order(self, ways: frozenset[RestartMethod]) -> list[RestartMethod]:
        """The same report is the same JSON, every time."""
        return sorted(ways)


class ServerRuntime(Protocol):
    """One server of one profile. Methods raise `core.errors.AdminError` only."""

    kind: RuntimeKind
    capabilities: Capabilities
    endpoint: Endpoint

    def inspect(self) -> RuntimeState:
        """Look at the process or container. Never changes anything."""
        ...

    def differences(self) -> list[Change]:
        """In which settings the existing server differs from the profile; empty when there is none."""
        ...

    def start(self, cancel: CancelToken) -> Events:
        """Make sure that it runs: fetch image or binary, create, start. Idempotent. Does not wait for readiness.

        Raises:
            NotOurs: something of that name exists and does not bear our mark.
            PortTaken, ImageUnavailable, BinaryUnavailable, EngineUnavailable, StorageUnusable.
        """
        ...

    def apply(self, cancel: CancelToken) -> Events:
        """Make the existing server as the profile asks, by stopping it and making it anew on the same data."""
        ...

    def stop(self, cancel: CancelToken) -> Events:
        """Stop it, with the time Qdrant needs. Nothing is removed."""
        ...

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        """Stop and start again in the given way. Does not wait for readiness."""
        ...

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:
        """Names of what else a restart in that way interrupts. Changes nothing.

        Raises:
            Unsupported: it cannot be done from here.
        """
        ...

    def stranger(self) -> str:
        """Who listens at our address in place of our server, in words; empty when ours does, or nobody can tell."""
        ...

    def remove(self, cancel: CancelToken) -> Events:
        """Remove container or process record. Data is never removed."""
        ...

    def adopt(self, cancel: CancelToken) -> Events:
        """Put our mark on a server that was not made by us, on explicit request only."""
        ...

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        """Batches of log lines, oldest first; with `follow` until cancelled."""
        ...

    def stats(self) -> Stats:
        """A sample of what it costs. May take up to two seconds."""
        ...

    def disk_bytes(self) -> int | None:
        """What the storage really occupies, in blocks, told at once; None where nobody can tell."""
        ...
