"""Where a container's data lies, who else uses it, and whether a folder can hold it."""

import os
import posixpath
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qdrant_admin.core.errors import Refused, StorageUnusable
from qdrant_admin.core.events import Notice
from qdrant_admin.core.text import plain
from qdrant_admin.server.contents import of_others
from qdrant_admin.server.decode import decode_log
from qdrant_admin.server.docker.mounts import against_inside, against_mount
from qdrant_admin.server.docker.spec import environment
from qdrant_admin.server.runtime import Storage

_PATH_VARIABLE = "QDRANT__STORAGE__STORAGE_PATH"
_UNFIT = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "drvfs", "vboxsf", "fuse", "fuseblk", "virtiofs", "vmhgfs"}
"""Qdrant maps its files into memory: on these file systems it has lost or zeroed data (its own list of common
errors, and qdrant issues 6758 and 7646 for shares from Windows)."""
_PASSING = {"tmpfs", "ramfs"}


def storage_path(attributes: Mapping[str, Any]) -> str:
    """Where the server in the container writes; relative to its working directory as Qdrant reads it."""
    return path_in(attributes, _PATH_VARIABLE, "./storage")


def path_in(attributes: Mapping[str, Any], variable: str, otherwise: str) -> str:
    """A folder of the server that a variable may name."""
    path = environment(attributes).get(variable) or otherwise
    return posixpath.normpath(posixpath.join(attributes["Config"].get("WorkingDir") or "/qdrant", path))


def data_mount(attributes: Mapping[str, Any], path: str | None = None) -> dict[str, Any] | None:
    """The mount the data lies on: the deepest one at or above the storage path, from what is really mounted.

    A volume beside the storage path holds nothing, however healthy it all looks.

    Args:
        attributes: what the engine says of the container.
        path: another path than that of the storage.
    """
    path = path or storage_path(attributes)
    above = [mount for mount in attributes.get("Mounts") or () if _covers(str(mount.get("Destination", "")), path)]
    found: dict[str, Any] | None = max(above, key=lambda mount: len(str(mount["Destination"])), default=None)
    return None if found is None or found.get("Type") == "tmpfs" else found


def data_request(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where an existing container has its data, in the form of a request; a configuration may well be shared."""
    mount = data_mount(found)
    if mount is None or mount.get("RW") is False:
        return []
    return [{"Type": mount["Type"], "Source": mount.get("Name") or mount.get("Source"), "Target": mount["Destination"]}]


def read_storage(attributes: Mapping[str, Any], first_lines: Iterable[str] | None) -> Storage:
    """Where the data lies and what speaks against it.

    Args:
        attributes: what the engine says of the container.
        first_lines: of the server's log since its last start, the only place where it says what it thinks of its
            file system; None when they could not be read.
    """
    mount = data_mount(attributes)
    if mount is None:
        fault = against_inside(attributes, storage_path(attributes))
        return Storage(
            kind="container", destination=storage_path(attributes), sound=False, detail=fault.what, faults=(fault,)
        )
    kind = "volume" if mount.get("Type") == "volume" else "bind"
    source = str(mount.get("Name") or mount.get("Source") or "")
    said = [item for item in decode_log(first_lines or ()) if "file system" in f"{item.what} {item.why}"]
    warning = _file_system_warning(Path(source)) if kind == "bind" else ""
    faults = (*against_mount(attributes, mount, warning), *said)
    return Storage(
        kind="volume" if kind == "volume" else "bind",
        source=source,
        destination=str(mount["Destination"]),
        sound=False if faults else (True if first_lines is not None else None),
        detail="; ".join(fault.what for fault in faults),
        free_bytes=_free(Path(str(mount.get("Source") or ""))),
        faults=faults,
    )


class User(NamedTuple):
    """Another container on the same data."""

    name: str
    state: str
    source: str


def other_users(containers: Iterable[Mapping[str, Any]], mounts: Iterable[Mapping[str, Any]], own: str) -> list[User]:
    """Containers in any state that may write to the same volume, or to the same folder or one within the other.

    Two servers on one empty volume both start, and the last one to write wins: acknowledged data of the other is gone.

    Args:
        containers: the engine's list, stopped ones included.
        mounts: what ours is going to mount, in the form of a request.
        own: id of our own container, empty when there is none yet.
    """
    wanted = list(mounts)
    found = []
    for container in containers:
        if container["Id"] == own:
            continue
        for theirs in container.get("Mounts") or ():
            if theirs.get("RW") is not False and any(_same(mine, theirs) for mine in wanted):
                name = str((container.get("Names") or ["?"])[0]).lstrip("/")
                found.append(User(name, str(container.get("State")), str(theirs.get("Name") or theirs.get("Source"))))
    return found


def refuse_sharing(users: list[User], name: str) -> None:
    """Raise when there is another user of the data.

    Raises:
        Refused: naming it.
    """
    if not users:
        return
    user = users[0]
    raise Refused(
        f"{plain(user.source)} is used by container {plain(user.name)} ({user.state}) already",
        why=f"two servers on the same data lose it; {name} was not started",
        fix=f"docker rm {user.name}" if user.state != "running" else "qdrant-admin up --volume qdrant_admin_second",
    )


def check_folder(folder: Path) -> list[Notice]:
    """Whether a folder of this machine can hold a Qdrant's storage.

    Raises:
        StorageUnusable: it cannot be made or written, or lies where Qdrant is known to lose data.
    """
    path = folder.expanduser().absolute()
    if str(path) in {path.anchor, str(Path.home())}:
        raise StorageUnusable(f"{path} is no place for a storage of its own", fix="qdrant-admin up --storage ./qdrant")
    if re.match(r"/mnt/[a-z](/|$)", str(path)) and _is_wsl():
        raise StorageUnusable(
            f"{path} lies on a Windows drive",
            why="through WSL it is a network file system, on which Qdrant loses data",
            fix="qdrant-admin up --volume qdrant_admin_local",
        )
    others = of_others(path)
    if others is not None:
        raise others
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".qdrant-admin-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StorageUnusable(
            f"folder {path} cannot be written", why=error.strerror or str(error), fix=f"ls -ld {path}"
        ) from error
    warning = _file_system_warning(path)
    return [Notice(level="warning", text=warning, fix="qdrant-admin up --volume qdrant_admin_local")] if warning else []


def _covers(destination: str, path: str) -> bool:
    return path == destination or path.startswith(destination.rstrip("/") + "/")


def _same(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    if mine["Type"] == "volume" or theirs.get("Type") == "volume":
        return (mine["Type"], mine["Source"]) == (theirs.get("Type"), theirs.get("Name"))
    if theirs.get("Type") != "bind" or not theirs.get("Source"):
        return False
    ours, other = os.path.realpath(mine["Source"]), os.path.realpath(str(theirs["Source"]))
    # A container that mounts / or a home for other reasons holds no Qdrant there; one within ours, or around it, may.
    return ours == other or other.startswith(ours + os.sep) or (other != os.sep and ours.startswith(other + os.sep))


def file_system(path: Path) -> str:
    """Type of the file system a path lies on, `ext4`; empty when nobody can tell."""
    import psutil

    try:
        partitions = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    real = os.path.realpath(path)
    above = [part for part in partitions if part.mountpoint == "/" or _covers(part.mountpoint, real)]
    best = max(above, key=lambda part: len(part.mountpoint), default=None)
    return best.fstype.lower() if best else ""


def _file_system_warning(path: Path) -> str:
    if sys.platform == "win32" or sys.platform == "darwin":
        return f"{path} is shared into the engine's virtual machine, a known cause of lost data; a volume is safer"
    kind = file_system(path)
    if kind in _UNFIT or kind.split(".")[0] in _UNFIT:
        return f"{path} lies on {kind}, a file system on which Qdrant is known to lose data; a volume is safer"
    if kind in _PASSING:
        return f"{path} lies in memory ({kind}): the data is gone when this machine restarts"
    return ""


def _is_wsl() -> bool:
    try:
        return "microsoft" in Path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").lower()
    except OSError:
        return False


def _free(path: Path) -> int | None:
    """Free bytes, where the engine's path is one of this machine."""
    try:
        return shutil.disk_usage(path).free if str(path) not in {"", "."} else None
    except OSError:
        return None
