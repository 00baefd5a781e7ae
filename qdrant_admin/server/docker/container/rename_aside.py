"""The container that is set aside while another one takes its name, and what is left when that is interrupted."""

from typing import TYPE_CHECKING

from qdrant_admin.core.commands import Command
from qdrant_admin.server.docker.answers import Inspected, name_of
from qdrant_admin.server.docker.storage import data_mount
from qdrant_admin.server.runtime import Diagnosis

if TYPE_CHECKING:
    from docker import APIClient

    from qdrant_admin.server.docker.engine.discovery import Engine


def aside_name(name: str, container: str) -> str:
    """What a container is called until the one in its place has been seen to run."""
    return f"{name}-old-{container[:8]}"


def named(api: "APIClient", name: str) -> Inspected | None:
    """The container of exactly that name; Docker would also take the beginning of an id."""
    import docker.errors

    try:
        found: Inspected = api.inspect_container(name)
    except docker.errors.NotFound:
        return None
    return found if name_of(found) == name else None


def set_aside(api: "APIClient", name: str) -> list[Inspected]:
    """Containers that were set aside for one of this name, and still are."""
    listed = api.containers(all=True, filters={"name": f"{name}-old-"})
    return [
        api.inspect_container(one["Id"])
        for one in listed
        if f"/{aside_name(name, one['Id'])}" in (one.get("Names") or ())
    ]


def left_by_replacement(attributes: Inspected, name: str, profile: str) -> Diagnosis | None:
    """The finding when a profile's container has the name of one that was set aside."""
    if name_of(attributes) == name:
        return None
    return Diagnosis(
        code="replacement_interrupted",
        what=f"recreating {name} was interrupted",
        why=f"the container and its data are still there, as {name_of(attributes)}",
        fix=str(Command("up").on(profile)),
        severe=True,
    )


def left_containers(engine: "Engine", name: str) -> list[str]:
    """Containers that were set aside for the one of this name, which is there: nobody needs them any more.

    One that holds its data itself is never named: it may be all that is left of that data.
    """
    with engine.client("look for containers that are left over") as api:
        if named(api, name) is None:
            return []
        return [name_of(one) for one in set_aside(api, name) if data_mount(one) is not None]
