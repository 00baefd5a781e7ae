"""The protocol of a runtime, and the values it speaks in.

Nothing above `server/` asks which runtime it has: in what they differ is told by `Capabilities` and `RuntimeState`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from pydantic import field_serializer

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Option
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.core.events import Events
from qdrant_admin.core.reports import Frozen
from qdrant_admin.server.relocation import InterruptedRelocation, Relocation

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
    """What an exit code, a log line or a mount means, and the way out. Programs read the code, people the rest."""

    what: str
    why: str = ""
    fix: str = ""
    severe: bool = False
    code: str = ""
    """Which finding this is, `disk_full`; empty in reports of earlier versions."""


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
    container: str | None = None
    """The container's name, where there is one."""
    ours: bool | None = None
    """Whether it is managed; None where nothing is there or nobody can tell."""
    engine: str = ""
    """Which engine, in words: `Docker Desktop 4.43 (context desktop-linux)`; empty elsewhere."""
    image: str = ""
    pid: int | None = None
    started_at: datetime | None = None
    restarts: int = 0
    """How often it was restarted without anyone asking for it."""
    restart_policy: str = ""
    starts_with_machine: bool | None = None
    """Whether it comes back when this machine or its engine restarts; None where nobody can tell."""
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


class Sharer(NamedTuple):
    """Somebody else who may write to the same data."""

    name: str
    state: str
    source: str
    """The volume or folder that both use."""

    @property
    def running(self) -> bool:
        """Whether it can write right now."""
        return self.state == "running"


class Capabilities(Frozen):
    """What this runtime can do; what it cannot, it says in words."""

    local: bool = True
    """Whether its ports, processes and folders are those of this machine."""
    engine: bool = False
    """Whether it runs on a container engine."""
    adopt: bool = True
    relocate: bool = False
    """Whether its data can be moved to a volume."""
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
    profile: str
    """Name of the profile whose server it is."""
    capabilities: Capabilities
    endpoint: Endpoint

    def inspect(self) -> RuntimeState:
        """Look at the process or container. Never changes anything."""

    def differences(self) -> list[Change]:
        """In which settings the existing server differs from the profile; empty when there is none."""

    def start(self, cancel: CancelToken) -> Events:
        """Make sure that it runs: fetch image or binary, create, start. Idempotent. Does not wait for readiness.

        Raises:
            NotOurs: something of that name exists and is not managed.
            PortTaken, ImageUnavailable, BinaryUnavailable, EngineUnavailable, StorageUnusable.
        """

    def apply(self, cancel: CancelToken) -> Events:
        """Make the existing server as the profile asks, by stopping and recreating it on the same data."""

    def stop(self, cancel: CancelToken) -> Events:
        """Stop it, with the time Qdrant needs. Nothing is removed."""

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        """Stop and start again in the given way. Does not wait for readiness."""

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:
        """Names of what else a restart in that way interrupts. Changes nothing.

        Raises:
            Unsupported: it cannot be done from here.
        """

    def stranger(self) -> str:
        """Who listens at our address in place of our server, in words; empty when ours does, or nobody can tell."""

    def remove(self, cancel: CancelToken) -> Events:
        """Remove container or process record. Data is never removed."""

    def adopt(self, cancel: CancelToken) -> Events:
        """Manage a server from now on that somebody else has set up, on explicit request only."""

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        """Batches of log lines, oldest first; with `follow` until cancelled."""

    def stats(self) -> Stats:
        """A sample of what it costs. May take up to two seconds."""

    def disk_bytes(self) -> int | None:
        """What the storage really occupies, in blocks, told at once; None where nobody can tell."""

    def sharers(self) -> tuple[Sharer, ...]:
        """Who else may write to the data, running or not."""

    def relocation(self, volume: str | None) -> Relocation:
        """What moving the data to a volume means: the profile's own volume when None, or the first free one like it.

        Raises:
            Unsupported: the data of this runtime cannot be moved.
            NotFound, NotOurs: there is no managed server.
        """

    def interrupted_relocation(self) -> InterruptedRelocation | None:
        """The move of this profile's data that was interrupted; None when there is none.

        Raises:
            Unfit: what is known of it cannot be read.
        """


class RuntimeBase:
    """What every runtime has, and what one answers that stands on no container engine."""

    kind: RuntimeKind
    capabilities: Capabilities

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.profile = settings.name
        self.endpoint = settings.endpoint

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:  # noqa: ARG002 # the protocol's form
        return ()

    def sharers(self) -> tuple[Sharer, ...]:
        return ()

    def relocation(self, volume: str | None) -> Relocation:  # noqa: ARG002 # the protocol's form
        raise Unsupported(
            "only the data of a container can be moved to a volume",
            why=f"this server is {self.kind}: volumes belong to a container engine",
            fix=Command("doctor"),
        )

    def interrupted_relocation(self) -> InterruptedRelocation | None:
        return None

    def _fix(self, *words: str, **options: Option) -> str:
        return str(Command(*words, **options).on(self.profile))
