"""The remote runtime: a server that somebody else runs. It can be used, and neither started nor looked into."""

# ruff: noqa: ARG002 # the protocol gives the arguments, and there is nothing to do with them

from collections.abc import Iterator

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.core.events import Events
from qdrant_admin.server.relocation import Relocation, no_container
from qdrant_admin.server.runtime import (
    Capabilities,
    Change,
    RestartMethod,
    RuntimeKind,
    RuntimeState,
    Sharer,
    Stats,
    Storage,
)

_CANNOT = (
    "start, stop or restart a remote server: whoever runs it must do that",
    "read the log of a remote server: it lies on its own machine",
    "tell what a remote server costs: its processor, memory and disk are out of sight",
)


class RemoteRuntime:
    """A server known by its address alone. See `server.runtime.ServerRuntime`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kind: RuntimeKind = "remote"
        self.endpoint = settings.endpoint
        self.profile = settings.name
        self.capabilities = Capabilities(
            local=False,
            adopt=False,
            start=False,
            stop=False,
            restart=frozenset(),
            logs=False,
            stats=False,
            cannot=_CANNOT,
        )

    def inspect(self) -> RuntimeState:
        """What is known without asking the server: its address."""
        return RuntimeState(
            runtime="remote",
            state="unknown",
            name=self.endpoint.url,
            storage=Storage(detail="on another machine, out of sight"),
            published=(self.endpoint.url,),
        )

    def differences(self) -> list[Change]:
        """None: nothing of a remote server is ours to ask for."""
        return []

    def start(self, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("started")

    def apply(self, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("changed")

    def stop(self, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("stopped")

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("restarted", Command("verify", how="none"))

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:
        """Nothing: it cannot be restarted."""
        return ()

    def stranger(self) -> str:
        """Nobody can tell: only the address is known."""
        return ""

    def remove(self, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("removed")

    def adopt(self, cancel: CancelToken) -> Events:
        """Not possible: `Unsupported`."""
        raise self._unsupported("adopted")

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        """Not possible: `Unsupported`."""
        raise self._unsupported("asked for its log")

    def stats(self) -> Stats:
        """Not possible: `Unsupported`."""
        raise self._unsupported("measured")

    def disk_bytes(self) -> int | None:
        """Out of sight."""
        return None

    def sharers(self) -> tuple[Sharer, ...]:
        """Out of sight."""
        return ()

    def relocation(self, volume: str | None) -> Relocation:
        """Not possible: `Unsupported`."""
        raise no_container("remote")

    def interrupted_relocation(self) -> None:
        """None: nothing can be moved."""

    def _unsupported(self, done: str, instead: Command | None = None) -> Unsupported:
        return Unsupported(
            f"the server at {self.endpoint.url} cannot be {done} from here",
            why="it is a remote one: only its address is known",
            fix=instead or Command("status"),
        )
