"""What a profile is known to have on its other runtime: named for as long as it is there, and once when it is gone."""

from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.server.docker_mark import engine_of, seen_in_docker
from qdrant_admin.server.runtime import RuntimeKind
from qdrant_admin.state import inventory
from qdrant_admin.state.inventory import KnownStorage

if TYPE_CHECKING:
    from qdrant_admin.workspace import Workspace


def elsewhere(ws: "Workspace", kind: RuntimeKind) -> tuple[KnownStorage | None, tuple[KnownStorage, ...]]:
    """A storage of the profile on the other runtime than `kind`, and those there that are gone: these are forgotten.

    The storage in force is never forgotten here: that it is gone weighs until the user accepts it.

    Raises:
        AdminError: the state cannot be read or written.
    """
    there, gone = None, []
    for number, one in enumerate(inventory.storages(ws.store, ws.settings.name)):
        if one.runtime == kind or not one.present:
            continue
        if (seen := _is_there(ws, one)) is True:
            there = there or one
        elif number and seen is False:
            inventory.vanished(ws.store, one)
            gone.append(one)
    return there, tuple(gone)


def _is_there(ws: "Workspace", one: KnownStorage) -> bool | None:
    """Whether it is still there, as it is taken to be where nobody can look; None where Docker was left for good."""
    if one.runtime != "docker":
        from qdrant_admin.server.storage_probe import holds_data

        return holds_data(Path(one.place.removeprefix("directory ")))
    if not seen_in_docker(ws.settings.name):
        return None
    from qdrant_admin.core.errors import AdminError
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.storage import is_there

    try:
        engine = find_engine(ws.settings.profile.docker_host)
        another = engine_of(ws.settings.name) not in {"", engine.address}
        return another or one.identity is None or is_there(engine, one.identity)
    except AdminError:
        return True
