"""The protocol of a runtime, the values it speaks in, and the one runtime that can do nothing: a remote server.

Nothing above `server/` asks which runtime it has: in what they differ is told by `Capabilities` and `RuntimeState`.
"""

# ruff: noqa: ARG002 # the protocol gives arguments that not every runtime has a use for

from collections.abc import Callable, Container, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Option
from qdrant_admin.core.errors import Refused, Unsupported
from qdrant_admin.core.events import Events, StepFinished, StepStarted
from qdrant_admin.core.formatting import duration
from qdrant_admin.core.values import Frozen
from qdrant_admin.server.listener import Owned
from qdrant_admin.state.inventory import StorageIdentity

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
    ours: bool | None = None
    """Whether it is managed; None where nothing is there or nobody can tell."""
    other_installation: bool = False
    """Whether qdrant-admin manages it, but from another home or for another user."""
    beside: bool = False
    """Whether a start leaves it alone and makes one of ours beside it: it has our name, and none of our ports."""
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


ANOTHER_KEY, THE_PROFILES_KEY = "another", "the profile's"
"""What is told of a key that is in force, which is told to nobody."""


DELETED = "storage_deleted"
"""The code of a fault: the running server's data was removed below it, and lives on only in what it holds open."""
VANISHING = frozenset({"storage_in_container", "storage_in_memory"})
"""Codes of faults that say that the data dies with its server: no faults where it is meant to."""


class Change(Frozen):
    """One setting in which the running server differs from what the profile asks for."""

    setting: str
    current: str
    wanted: str
    moves: bool = False
    """Whether the server answers elsewhere than the profile says as long as this is not applied."""

    @property
    def locks_out(self) -> bool:
        """Whether the server has another key than the profile, so that nothing of it can be looked at."""
        return self.setting == "API key" and self.current == ANOTHER_KEY


def changed(rows: Iterable[tuple[str, str, str]], moving: Container[str]) -> list[Change]:
    """Of settings, each with its current and its wanted value, those that differ; `moving` ones move the server."""
    return [
        Change(setting=setting, current=current, wanted=wanted, moves=setting in moving)
        for setting, current, wanted in rows
        if current != wanted
    ]


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


class NextStorage(Frozen):
    """The storage that a start would open, looked at before anything is started."""

    place: str
    """In words, as `StorageIdentity` has it."""
    identity: StorageIdentity | None
    """None where nothing is there yet, so that a server would begin empty."""
    empty: bool | None
    """Whether it holds no collection; None where nobody can look."""
    opened_by: str = ""
    """The version that opened it last, as far as the runtime itself knows."""
    version: str = ""
    """The version that would open it; empty where nobody can tell."""
    engine: str = ""
    """Address of the engine on whose machine it lies; empty where there is none."""


class Room(NamedTuple):
    """What a copy takes and what there is; None where nobody can tell."""

    needed: int | None
    """Bytes as the files claim them: a copy through the engine fills the holes of Qdrant's preallocated files."""
    free: int | None


class OldStorage(NamedTuple):
    """Where the data still lies after a move."""

    words: str
    remove: str
    """The command that removes it."""


class Relocation(Protocol):
    """One move of one server's data. Until it has taken over, going back is to start the old server."""

    volume: str
    """Where the data goes."""
    copied: int
    """Bytes so far."""

    @property
    def old(self) -> OldStorage:
        """Where the old data will be found."""

    def check(self) -> Room:
        """Look whether it can be done, before anything is touched; returns what it takes.

        Raises:
            Refused: it cannot, not without a risk, or there is no room for a second copy.
        """

    def prepare(self, *, running: bool) -> Settings:
        """Make the volumes and the server of the trial, not started. Returns the settings of the trial's server.

        `running` is whether the server ran when it was found.

        Raises:
            Refused: a volume that was there before holds something.
        """

    def stop_old(self) -> None:
        """Stop the old server in order. From here on nobody can write."""

    def copy(self, cancel: CancelToken) -> Iterator[int]:
        """Copy every file, owners, rights and times included. Yields the bytes so far, a few times a second.

        Raises:
            AdminError: the engine could not, most often for want of room.
            Cancelled: somebody asked to stop.
        """

    def start_trial(self) -> None:
        """Start a server on the copy, where no application finds it. Does not wait for readiness."""

    def end_trial(self) -> None:
        """Stop that server in order and remove it; the volume stays."""

    def take_over(self, proof: str) -> None:
        """Set the old server aside and start one on the volume in its place.

        `proof` is the report that both are equal: from here on a move that is killed goes forward, not back.

        Raises:
            Refused: the old server was started meanwhile, so it may hold what the copy lacks.
            AdminError: the new one does not stay up; the old one is as it was.
        """

    def back(self) -> None:
        """Everything as it was found: remove what was made here, and start the old server if it ran."""

    def settle(self) -> None:
        """Let go of the old server; where it holds the old data itself, keep it under a name that says so."""


class InterruptedRelocation(NamedTuple):
    """A move that was interrupted, by a kill or a power cut. It has harmed nothing."""

    volume: str
    """Where the data was to go."""
    left: str
    """Where the old data lies once it is ended, in words."""
    resume: Callable[[], str | None]
    """Ends it. Gives the proof that both are equal when it had taken over, so that the server is on the volume now;
    None when everything is as it was before the move. Raises `Failed` when the old server could not be brought back."""


class ServerRuntime(Protocol):
    """One server of one profile. Methods raise `core.errors.AdminError` only.

    A method with a body answers for a server of which nothing of the kind can be told, or that stands on no engine.
    """

    kind: RuntimeKind
    capabilities: Capabilities
    settings: Settings
    profile: str
    endpoint: Endpoint
    log_cut: timedelta = timedelta()
    """How long after the moment that `log_since` was asked for the first line of a whole log may be."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.profile = settings.name
        self.endpoint = settings.endpoint

    def inspect(self) -> RuntimeState:
        """Look at the process or container. Never changes anything."""

    def differences(self) -> list[Change]:
        """In which settings the existing server differs from the profile; empty when there is none."""
        return []

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
        """Names of what else a restart in that way interrupts; `Unsupported` when it cannot be done from here."""
        return ()

    def owned(self) -> Owned:
        """Which ports of its address lead to the profile's own server, looked at anew; a server that was named is all
        the user's own choice. Takes a few milliseconds.
        """
        return Owned()

    def stranger(self) -> str:
        """Who listens at our address in place of our server, in words; empty when ours does, or nobody."""
        return ""

    def adoptable(self) -> str:
        """Name of the container that has our port in place of our server and could be managed; empty for none."""
        return ""

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
        return None

    def storage_identity(self) -> StorageIdentity | None:
        """What tells the storage from another one at the same place; cheap enough for every status.

        None where it is out of sight, or where there is no server. Raises `AdminError` when it cannot be looked at.
        """
        return None

    def next_storage(self) -> NextStorage | None:
        """What a start would open; None where nothing is started from here. Raises `AdminError` as `inspect` does."""
        return None

    def log_since(self, moment: datetime) -> Iterable[str]:
        """The server's whole log from that moment on, or from where it begins; earlier lines do no harm."""
        return ()

    def last_delete(self) -> datetime | None:
        """When any server deleted a collection of this storage last; None where nobody can tell."""
        return None

    def sharers(self) -> tuple[Sharer, ...]:
        """Who else may write to the data, running or not."""
        return ()

    def relocation(self, volume: str | None) -> Relocation:
        """What moving the data to a volume means: the profile's own volume when None, or the first free one like it.

        Raises:
            Unsupported: the data of this runtime cannot be moved.
            NotFound, NotOurs: there is no managed server.
        """
        raise Unsupported(
            "only the data of a container can be moved to a volume",
            why=f"this server is {self.kind}: volumes belong to a container engine",
            fix=Command("doctor"),
        )

    def interrupted_relocation(self) -> InterruptedRelocation | None:
        """The move of this profile's data that was interrupted; `Unfit` when what is known of it cannot be read."""
        return None

    def _fix(self, *words: str, **options: Option) -> str:
        return str(Command(*words, **options).on(self.profile))


def refuse_losing(state: RuntimeState) -> None:
    """Raise where the data lives on only in the running process, so that ending it is its loss."""
    gone = next((one for one in state.storage.faults if one.code == DELETED), None)
    if gone is not None:
        raise Refused(f"{state.name} was not stopped: {gone.what}", why=gone.why, fix=gone.fix)


def freeze_briefly(what: str, freeze: Callable[[], object], thaw: Callable[[], object], cancel: CancelToken) -> Events:
    """Freeze a server's processes and thaw them again, whatever happens in between."""
    yield StepStarted(step="restart", title=f"freezing {what} for {duration(FROZEN_SECONDS)}")
    freeze()
    try:
        cancel.wait(FROZEN_SECONDS)
    finally:
        thaw()
    yield StepFinished(step="restart", detail="it runs again")


class RemoteRuntime(ServerRuntime):
    """A server that somebody else runs, known by its address alone. It is used, and neither started nor looked into."""

    kind: RuntimeKind = "remote"
    _CANNOT = (
        "start, stop or restart a remote server: whoever runs it must do that",
        "read the log of a remote server: it lies on its own machine",
        "tell what a remote server costs: its processor, memory and disk are out of sight",
    )
    capabilities = Capabilities(
        local=False, adopt=False, start=False, stop=False, restart=frozenset(), logs=False, stats=False, cannot=_CANNOT
    )

    def inspect(self) -> RuntimeState:
        storage = Storage(detail="on another machine, out of sight")
        return RuntimeState(runtime="remote", state="unknown", name=self.endpoint.url, storage=storage)

    def start(self, cancel: CancelToken) -> Events:
        raise self._unsupported("started")

    def apply(self, cancel: CancelToken) -> Events:
        raise self._unsupported("changed")

    def stop(self, cancel: CancelToken) -> Events:
        raise self._unsupported("stopped")

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        raise self._unsupported("restarted", Command("verify", how="none"))

    def remove(self, cancel: CancelToken) -> Events:
        raise self._unsupported("removed")

    def adopt(self, cancel: CancelToken) -> Events:
        raise self._unsupported("adopted")

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        raise self._unsupported("asked for its log")

    def stats(self) -> Stats:
        raise self._unsupported("measured")

    def _unsupported(self, done: str, instead: Command | None = None) -> Unsupported:
        return Unsupported(
            f"the server at {self.endpoint.url} cannot be {done} from here",
            why="it is a remote one: only its address is known",
            fix=instead or Command("status"),
        )
