"""Whose server answers at a profile's address: told before it gets a key, a write or a verdict.

A server that the user named by its address is one that they chose. Of a server of ours the listening socket has to
belong to the process or container that we started: whoever else has the port takes what is sent there, and answers
what he likes.
"""

import time
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotOurs, ServerUnreachable
from qdrant_admin.server.sockets import holder

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_admin.server.runtime import ServerRuntime


_START_SECONDS = 5.0
"""For which whoever listens may be our own server that is just being started: an engine opens the port of a container
before it says that it runs."""


class Owned(NamedTuple):
    """Which ports of a profile's address lead to its own server, and to nobody else."""

    rest: bool = True
    grpc: bool = True


def cautious(runtime: "ServerRuntime") -> Endpoint:
    """Where to look who answers and how it is: without the key, unless it is the profile's own server."""
    return _as_owned(runtime, runtime.owned())


def answering(runtime: "ServerRuntime") -> tuple[Endpoint, str]:
    """The same, and who listens there in its place, in words; empty when it does itself, or nobody."""
    owned = runtime.owned()
    return _as_owned(runtime, owned), "" if owned.rest else runtime.stranger()


def own(runtime: "ServerRuntime") -> Endpoint:
    """The profile's own server, to be worked with.

    Raises:
        NotOurs: somebody else listens there.
        ServerUnreachable: nobody does.
    """
    owned = runtime.owned()
    if owned.rest:
        return _as_owned(runtime, owned)
    refuse_stranger(runtime)
    why = f"no server of profile {runtime.profile} listens there"
    raise ServerUnreachable(
        f"no answer from {runtime.endpoint.url}", why=why, fix=Command("status").on(runtime.profile)
    )


def refuse_stranger(runtime: "ServerRuntime") -> None:
    """Raise `NotOurs` when somebody else listens at the profile's address than its own server."""
    if stranger := runtime.stranger():
        raise NotOurs(
            f"the server at {runtime.endpoint.url} is not the one of profile {runtime.profile}",
            why=f"{stranger} listens there; it was sent no key, and asked nothing",
            fix=Command("up", use_existing=True).on(runtime.profile),
        )


def on_connecting(runtime: "ServerRuntime", endpoint: Endpoint) -> "Callable[[], object] | None":
    """To be called on each new connection to what `own` has given, before anything is sent; see `_StillOwn`.

    None for a server that the user has named: whoever answers there is meant.
    """
    return _StillOwn(runtime, endpoint) if runtime.capabilities.start else None


class _StillOwn:
    """Whether an address leads where it did.

    A server can end while it is worked with, and somebody else take its port before it is back.
    """

    def __init__(self, runtime: "ServerRuntime", endpoint: Endpoint) -> None:
        self._runtime, self._endpoint = runtime, endpoint
        self._strange_since: float | None = None

    def __call__(self) -> None:
        """Raises what `own` raises; `ServerUnreachable` as well where the gRPC port alone has become another's."""
        try:
            now = own(self._runtime)
        except NotOurs as error:
            self._strange_since = self._strange_since or time.monotonic()
            if time.monotonic() - self._strange_since < _START_SECONDS:
                raise ServerUnreachable(error.what, why=error.why, fix=error.way_out) from error
            raise
        self._strange_since = None
        if now.grpc_stranger and not self._endpoint.grpc_stranger:
            raise ServerUnreachable(
                f"gRPC port {now.grpc_port} no longer leads to the server of profile {self._runtime.profile}",
                why=f"{now.grpc_stranger} listens there",
                fix=Command("doctor").on(self._runtime.profile),
            )


def _as_owned(runtime: "ServerRuntime", owned: Owned) -> Endpoint:
    endpoint = runtime.endpoint
    if not owned.rest:
        return endpoint.model_copy(update={"api_key": None, "grpc_port": None})
    if endpoint.grpc_port is None or owned.grpc:
        return endpoint
    return endpoint.model_copy(update={"grpc_stranger": holder(endpoint.grpc_host, endpoint.grpc_port)})
