"""Which containers are the profile's own, and what is refused because it would cost data or belongs to somebody else.

A container is managed when it has the ownership label, or was adopted on request. Docker cannot change the labels of an
existing container, so an adoption is remembered here, by the container's id: one that somebody else creates later
under the same name is not adopted.

The label bears the number of the installation. Versions of before such numbers made it without one, and everybody's
default profile has the same name: what they made is ours only if this home remembers the profile in a container or a
volume of that name, by its history or its inventory. It gets the number when it is recreated.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from qdrant_admin.config.http import Http, HttpFault
from qdrant_admin.config.places import state_dir, state_file
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotQdrant, Refused, StorageUnusable, Unfit
from qdrant_admin.core.files import write_atomically
from qdrant_admin.server.docker.answers import Inspected, labels_of, name_of
from qdrant_admin.server.docker.container.spec import REST, is_marked, is_without_number
from qdrant_admin.server.docker.storage import data_mount, source_of, storage_path
from qdrant_admin.server.runtime import Change
from qdrant_admin.state.history import seen_in_docker_as
from qdrant_admin.state.store import StateStore

_PROBE_SECONDS = 3.0
_VOLUME = "volume "


def require_mount(found: Inspected, name: str) -> None:
    """Refuse what would take data along that lies inside the container."""
    if data_mount(found) is None:
        raise Refused(
            f"the data of {name} lies inside the container",
            why=f"nothing is mounted at {storage_path(found)}: whoever removes the container removes the data",
            fix=Command("move-storage"),
        )


def require_applicable(found: Inspected, changes: Sequence[Change], name: str, profile: str) -> None:
    """Refuse to recreate what would begin on an empty storage, or what was adopted."""
    require_mount(found, name)
    moved = next((change for change in changes if change.setting == "storage"), None)
    if moved is not None:
        mount = data_mount(found) or {}
        in_volume = mount.get("Type") == "volume"
        raise Refused(
            f"the data of {name} lies in another place than the profile asks for",
            why=f"now: {moved.current}; asked for: {moved.wanted}. Recreated, the server would start empty there",
            fix=Command("up", volume=mount.get("Name")) if in_volume else Command("up", storage=mount.get("Source")),
        )
    if is_adopted(found["Id"], profile):
        raise Refused(
            f"{name} was adopted: its settings are left as they are",
            why="differs in " + ", ".join(change.setting for change in changes),
            fix=Command("restart", how="recreate"),
        )


def check_adoptable(attributes: Inspected) -> None:
    """Refuse what is not a Qdrant server, and what removes itself when it is stopped."""
    name = name_of(attributes)
    answer = _title(attributes)
    words = [attributes.get("Path"), *(attributes.get("Args") or ()), attributes["Config"].get("Image")]
    if answer is False or (answer is None and not any("qdrant" in str(word).lower() for word in words)):
        raise NotQdrant(
            f"container {name} is not a Qdrant server",
            why=f"it is made from {attributes['Config']['Image']}"
            + (" and answers otherwise" if answer is False else ""),
            fix="docker ps -a",
        )
    if attributes["HostConfig"].get("AutoRemove"):
        raise Refused(
            f"container {name} removes itself when it is stopped",
            why="it was started with --rm: a restart would remove it, and its anonymous volumes with it",
            fix=Command("migrate", "qdrant+http://127.0.0.1:6333"),
        )


def _title(attributes: Inspected) -> bool | None:
    """Whether what answers at its published port says that it is a Qdrant; None when nothing answers."""
    for entry in (attributes["NetworkSettings"].get("Ports") or {}).get(REST) or ():
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(entry["HostIp"], entry["HostIp"])  # noqa: S104 # called, not bound
        try:
            with Http(f"http://{host}:{entry['HostPort']}", timeout=_PROBE_SECONDS) as http:
                answer = json.loads(http.request("GET", "/").body)
        except (HttpFault, ValueError):
            continue
        return isinstance(answer, dict) and "qdrant" in str(answer.get("title", "")).lower()
    return None


def is_own(found: Inspected, profile: str) -> bool:
    """Whether a container is managed by this installation, for this profile."""
    if is_adopted(found["Id"], profile):
        return True
    labels = labels_of(found)
    if is_without_number(labels, profile):
        return is_remembered(profile, name_of(found), source_of(data_mount(found) or {}))
    return is_marked(labels, profile)


def is_remembered(profile: str, *names: str) -> bool:
    """Whether this home has had the profile in a container or a volume of one of these names.

    Raises:
        StorageUnusable, Unsupported: the state cannot be read.
    """
    path = state_file()  # a look makes none
    return path.exists() and not seen_in_docker_as(StateStore(path), profile).isdisjoint(names)


def is_adopted(container_id: str, profile: str) -> bool:
    """Whether this very container was adopted by the profile."""
    return _read().get(container_id) == profile


def adopted_by(profile: str) -> set[str]:
    """Ids of the containers that the profile has adopted."""
    return {one for one, adopter in _read().items() if adopter == profile and not one.startswith(_VOLUME)}


def volume_key(volume: str) -> str:
    """What an adoption of a volume is remembered by: it has a name alone."""
    return f"{_VOLUME}{volume}"


def remember_adoption(container_id: str, profile: str, *, instead_of: str = "") -> None:
    """Remember an adoption, in place of that of the container that this one has replaced."""
    known = _read()
    known.pop(instead_of, None)
    known[container_id] = profile
    keep(_file(), json.dumps(known, indent=1))


def remember_adoption_with_volumes(found: Inspected, profile: str) -> None:
    """Remember an adoption together with the data: the next container of the profile continues on it."""
    volumes = [str(mount["Name"]) for mount in found.get("Mounts") or () if mount.get("Type") == "volume"]
    for key in (*map(volume_key, volumes), found["Id"]):
        remember_adoption(key, profile)


def forget_adoption(container_id: str) -> None:
    known = _read()
    if known.pop(container_id, None) is not None:
        keep(_file(), json.dumps(known, indent=1))


def _file() -> Path:
    return state_dir() / "adopted.json"


def _read() -> dict[str, str]:
    try:
        content: object = json.loads(_file().read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Unfit(f"{_file()} cannot be read", why=str(error), fix=f"rm {_file()}") from error
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def keep(path: Path, content: str) -> None:
    """Put a file of ours in place as a whole."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, content)
    except OSError as error:
        raise StorageUnusable(f"{path} cannot be written", why=str(error), fix=f'ls -ld "{path.parent}"') from error
