"""The remote runtime: a server that somebody else runs. It can be used, and neither started nor looked into."""

# ruff: noqa: ARG002 # the protocol gives the arguments, and there is nothing to do with them

from collections.abc import Iterator

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.core.events import Events
from qdrant_admin.server.runtime import (
    Capabilities,
    Change,
    RestartMethod,
    RuntimeBase,
    RuntimeKind,
    RuntimeState,
    Stats,
    Storage,
)

_CANNOT = (
    "start, stop or restart a remote server: whoever runs it must do that",
    "read the log of a remote server: it lies on its own machine",
    "tell what a remote server costs: its processor, memory and disk are out of sight",
)


class RemoteRuntime(RuntimeBase):
    """A server known by its address alone. See `server.runtime.ServerRuntime`."""

    kind: RuntimeKind = "remote"
    capabilities = Capabilities(
        local=False, adopt=False, start=False, stop=False, restart=frozenset(), logs=False, stats=False, cannot=_CANNOT
    )

    def inspect(self) -> RuntimeState:
        return RuntimeState(
            runtime="remote",
            state="unknown",
            name=self.endpoint.url,
            storage=Storage(detail="on another machine, out of sight"),
            published=(self.endpoint.url,),
        )

    def differences(self) -> list[Change]:
        return []

    def start(self, cancel: CancelToken) -> Events:
        raise self._unsupported("started")

    def apply(self, cancel: CancelToken) -> Events:
        raise self._unsupported("changed")

    def stop(self, cancel: CancelToken) -> Events:
        raise self._unsupported("stopped")

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        raise self._unsupported("restarted", Command("verify", how="none"))

    def stranger(self) -> str:
        return ""

    def remove(self, cancel: CancelToken) -> Events:
        raise self._unsupported("removed")

    def adopt(self, cancel: CancelToken) -> Events:
        raise self._unsupported("adopted")

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        raise self._unsupported("asked for its log")

    def stats(self) -> Stats:
        raise self._unsupported("measured")

    def disk_bytes(self) -> int | None:
        return None

    def _unsupported(self, done: str, instead: Command | None = None) -> Unsupported:
        return Unsupported(
            f"the server at {self.endpoint.url} cannot be {done} from here",
            why="it is a remote one: only its address is known",
            fix=instead or Command("status"),
        )
