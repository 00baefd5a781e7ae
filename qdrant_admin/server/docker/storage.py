"""Where a container's data lies, what speaks against that place, and who else uses it."""

import os
import posixpath
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qdrant_admin.core.errors import Refused, StorageUnusable
from qdrant_admin.core.events import Notice
from qdrant_admin.core.text import plain
from qdrant_admin.server.decode import decode_log
from qdrant_admin.server.docker.container.spec import LABEL_MANAGED, LABEL_PROFILE, environment
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.runtime import Diagnosis, RuntimeState, Sharer, Storage
from qdrant_admin.server.storage_probe import of_others

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


def other_users(containers: Iterable[Mapping[str, Any]], mounts: Iterable[Mapping[str, Any]], own: str) -> list[Sharer]:
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
                found.append(Sharer(name, str(container.get("State")), str(theirs.get("Name") or theirs.get("Source"))))
    return found


def refuse_sharing(users: list[Sharer], name: str) -> None:
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


MOVE = "qdrant-admin move-storage"
"""Brings the data into a named volume, and proves that all of it is there."""
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_NO_DATA = ("/qdrant/snapshots", "/qdrant/config", "/qdrant/tls", "/etc", "/run", "/var/run")
"""Where a mount has a purpose of its own, so that nobody means it to hold the data."""
_SHARED = (
    (re.compile(r"/host_mnt/"), "a folder of this computer, shared into the engine's virtual machine"),
    (re.compile(r"/run/desktop/mnt/host/(?!wsl/)|/mnt/host/[a-z]/"), "a Windows drive, shared into WSL"),
    (re.compile(r"/mnt/[a-z]/"), "a Windows drive seen from WSL"),
    (re.compile(r"[A-Za-z]:[\\/]"), "a Windows drive, shared into the engine's virtual machine"),
    (re.compile(r"\\\\|//"), "a share of another computer"),
)
"""How engines write down folders that reach their Linux through a file server, and what each of them is."""


def against_inside(attributes: Mapping[str, Any], path: str) -> Diagnosis:
    """Why data with no volume or folder below it is in danger.

    Args:
        attributes: what the engine says of the container.
        path: where its server writes.
    """
    if in_memory(attributes, path):
        return Diagnosis(
            what=f"{path} lies in memory (tmpfs)",
            why="the data is gone as soon as the server stops, and cannot be copied from outside",
            fix="qdrant-admin collections list",
            severe=True,
        )
    beside = [
        f"{mount.get('Type')} {plain(str(mount.get('Name') or mount.get('Source')))} is mounted at {target}"
        for mount in attributes.get("Mounts") or ()
        if mount.get("Type") in {"volume", "bind"}
        and not (target := str(mount.get("Destination"))).startswith((*_NO_DATA, path.rstrip("/") + "/"))
    ]
    elsewhere = f"{' and '.join(beside)}, where the server writes nothing; " if beside else ""
    return Diagnosis(
        what=f"{elsewhere}nothing is mounted at {path}: the data dies with the container",
        fix=MOVE,
        severe=True,
    )


def in_memory(attributes: Mapping[str, Any], path: str) -> bool:
    """Whether a file system in memory is mounted at the path or above it."""
    targets = [str(one) for one in (attributes.get("HostConfig") or {}).get("Tmpfs") or ()]
    targets += [str(one["Destination"]) for one in attributes.get("Mounts") or () if one.get("Type") == "tmpfs"]
    return any(path == one or path.startswith(one.rstrip("/") + "/") for one in targets)


def against_mount(attributes: Mapping[str, Any], mount: Mapping[str, Any], file_system: str) -> Iterator[Diagnosis]:
    """Everything that speaks against the volume or folder that the data lies on.

    Args:
        attributes: what the engine says of the container.
        mount: the one that holds the data.
        file_system: what speaks against the file system of a folder of this machine, in words; may be empty.
    """
    source = str(mount.get("Name") or mount.get("Source") or "")
    if mount.get("RW") is False:
        yield Diagnosis(
            what=f"{plain(source)} is mounted read-only",
            why="the server cannot write there, and does not start on data that it may not write",
            fix="qdrant-admin down --remove && qdrant-admin up",
            severe=True,
        )
    if mount.get("Type") == "volume":
        if _ANONYMOUS.fullmatch(source):
            why = "`docker rm -v`, `--rm` and `docker volume prune` remove an anonymous volume with all that is in it"
            yield Diagnosis(what="the volume has no name", why=why, fix=MOVE)
        return
    shared = shared_folder(source)
    if shared or file_system:
        what = f"{plain(source)} is {shared}" if shared else file_system
        yield Diagnosis(what=what, why="on such Qdrant is known to lose data: vectors came back as zeros", fix=MOVE)
    yield from _against_folder(attributes, Path(source))


def shared_folder(source: str) -> str:
    """What kind of shared folder the engine's name for it tells of, in words; empty when it tells of none."""
    return next((words for sign, words in _SHARED if sign.match(source)), "")


def _against_folder(attributes: Mapping[str, Any], folder: Path) -> Iterator[Diagnosis]:
    """What can be seen where the engine's folders are those of this machine."""
    others = of_others(folder)
    if others is not None:
        yield Diagnosis(what=others.what, why=others.why, fix=others.fix, severe=True)
    try:
        found = folder.stat()
        if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY:
            why = "the server does not start on data that it may not write"
            yield Diagnosis(
                what=f"{folder} lies on a file system that is read-only",
                why=why,
                fix=f'findmnt -T "{folder}"',
                severe=True,
            )
    except OSError:
        return
    user, _, group = str(attributes["Config"].get("User") or "0").partition(":")
    if not user.isdigit() or int(user) in {0, found.st_uid} or found.st_mode & 0o002:
        return
    if group.isdigit() and int(group) == found.st_gid and found.st_mode & 0o020:
        return
    yield Diagnosis(
        what=f"{folder} belongs to user {found.st_uid}, and the server runs as user {user}",
        why="it may not write there",
        fix=f'sudo chown -R {user} "{folder}"',
        severe=True,
    )


class Forgotten(NamedTuple):
    """A volume with our mark that no container mounts and no profile names."""

    name: str
    profile: str
    """Of the profile it was made for."""


def sharers(engine: Engine, state: RuntimeState) -> list[Sharer]:
    """Other containers, in any state, that may write to the data of this one."""
    storage = state.storage
    if storage.kind not in {"volume", "bind"} or not storage.source:
        return []
    mounts = [{"Type": storage.kind, "Source": storage.source}]
    with engine.client("look who else uses the data") as api:
        containers = api.containers(all=True)
    own = next((one["Id"] for one in containers if f"/{state.name}" in (one.get("Names") or ())), "")
    return other_users(containers, mounts, own)


def forgotten(engine: Engine, profiles: Collection[str], volumes: Collection[str]) -> list[Forgotten]:
    """Volumes of ours that are left over. Of a volume without our mark nobody can tell, so none is named.

    Args:
        engine: where to look.
        profiles: those that exist; what was made for one of them is not left over.
        volumes: names that some profile asks for, whoever made them.
    """
    with engine.client("look for volumes that are left over") as api:
        listed = api.volumes(filters={"dangling": True, "label": f"{LABEL_MANAGED}=true"})["Volumes"] or []
    made_for = {str(one["Name"]): str((one.get("Labels") or {}).get(LABEL_PROFILE, "")) for one in listed}
    return [
        Forgotten(name, profile)
        for name, profile in sorted(made_for.items())
        if profile not in profiles and name not in volumes
    ]
