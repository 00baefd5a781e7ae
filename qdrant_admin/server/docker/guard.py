"""What is refused because it would cost data, or would change what is not ours to change."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdrant_admin.core.errors import Refused
from qdrant_admin.server.docker.storage import data_mount, storage_path
from qdrant_admin.server.runtime import Change


def require_mount(found: Mapping[str, Any], name: str) -> None:
    """Refuse what would take the data along.

    Args:
        found: what the engine says of the container.
        name: of it.

    Raises:
        Refused: the data lies inside the container.
    """
    if data_mount(found) is None:
        raise Refused(
            f"the data of {name} lies inside the container",
            why=f"nothing is mounted at {storage_path(found)}: whoever removes the container removes the data",
            fix="qdrant-admin move-storage",
        )


def require_applicable(found: Mapping[str, Any], changes: Sequence[Change], name: str, *, adopted: bool) -> None:
    """Refuse to make a container anew with settings that would begin on an empty storage, or that were adopted.

    Raises:
        Refused.
    """
    require_mount(found, name)
    moved = next((change for change in changes if change.setting == "storage"), None)
    if moved is not None:
        raise Refused(
            f"the data of {name} lies in another place than the profile asks for",
            why=f"now: {moved.current}; asked for: {moved.wanted}. Made anew, the server would start empty there",
            fix="qdrant-admin up --volume " + moved.current.removeprefix("volume ")
            if moved.current.startswith("volume ")
            else "qdrant-admin up --storage " + moved.current.removeprefix("folder "),
        )
    if adopted:
        raise Refused(
            f"{name} was adopted: its settings are left as they are",
            why="differs in " + ", ".join(change.setting for change in changes),
            fix="qdrant-admin restart --how recreate",
        )
