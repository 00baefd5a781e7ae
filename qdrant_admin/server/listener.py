"""Whose server answers at a profile's address: told before it gets a key, a write or a verdict.

A server that the user named by its address is one that they chose. Of a server of ours the listening socket has to
belong to the process or container that we started: whoever else has the port takes what is sent there, and answers
what he likes.
"""

from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotOurs, ServerUnreachable
from qdrant_admin.server.sockets import holder

if TYPE_CHECKING:
    from qdrant_admin.server.runtime import ServerRuntime


class Owned(NamedTuple):
    """Which ports of a profile's address lead to its own server, and to nobody else."""

    rest: bool = True
    grpc: bool = True


def cautious(runtime: "ServerRuntime") -> Endpoint:
    """Where to look who answers and how it is: without the key, unless it is the profile's own server."""
    return _as_owned(runtime, runtime.owned())


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
            why=f"{stranger} listens there; it was sent no key, and asked for nothing",
            fix=Command("up", use_existing=True).on(runtime.profile),
        )


def _as_owned(runtime: "ServerRuntime", owned: Owned) -> Endpoint:
    endpoint = runtime.endpoint
    if not owned.rest:
        return endpoint.model_copy(update={"api_key": None, "grpc_port": None})
    if endpoint.grpc_port is None or owned.grpc:
        return endpoint
    return endpoint.model_copy(update={"grpc_stranger": holder(endpoint.grpc_host, endpoint.grpc_port)})
