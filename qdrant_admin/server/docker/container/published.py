"""What is published on a port of the engine's machine, and by which container."""

from typing import TYPE_CHECKING

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Refused
from qdrant_admin.server import sockets
from qdrant_admin.server.docker.answers import Inspected, name_of
from qdrant_admin.server.docker.container.inspection import own_pid

if TYPE_CHECKING:
    from docker import APIClient


def leads_to(found: Inspected, host: str, port: int, *, local: bool) -> bool:
    """Whether whoever calls that address and port reaches a running container, and nobody else.

    What the engine has published it keeps, so it is believed; on its own machine somebody may listen on an address
    that fits the call better.
    """
    if found["HostConfig"].get("NetworkMode") == "host":
        pid = own_pid(found)
        return pid is None or all(sockets.leads_to(pid, host, port))
    entries = [entry for one in (found["NetworkSettings"].get("Ports") or {}).values() for entry in one or ()]
    addresses = [entry["HostIp"] or "0.0.0.0" for entry in entries if entry["HostPort"] == str(port)]  # noqa: S104
    ranks = [rank for one in addresses if (rank := sockets.rank(host, one)) is not None]
    if not local:
        return bool(addresses)
    heard = [rank for one in sockets.reached(host, port) if (rank := sockets.rank(host, one.address)) is not None]
    return bool(ranks) and min(ranks) <= min(heard, default=min(ranks))


def unpublished(found: Inspected) -> bool:
    """Whether a container that runs is to be published, and the engine publishes nothing of it."""
    asked = found["HostConfig"].get("PortBindings") and found["State"].get("Running")
    return bool(asked) and not any((found["NetworkSettings"].get("Ports") or {}).values())


def refuse_unpublished(found: Inspected) -> None:
    """Refuse to wait for a server that nobody can reach."""
    if unpublished(found):
        raise Refused(
            f"{name_of(found)} runs, and none of its ports is published",
            why="it was taken off the network that the engine publishes them on",
            fix=Command("restart", how="recreate"),
        )


def publishers(api: "APIClient", port: int) -> list[str]:
    """Names of the running containers that are published on a port."""
    return [name.lstrip("/") for one in api.containers(filters={"publish": str(port)}) for name in one["Names"] or ()]
