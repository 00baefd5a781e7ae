"""Where a container's data lies, what speaks against that place, and who else uses it."""

import os
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Refused, StorageUnusable
from qdrant_admin.core.events import Notice
from qdrant_admin.core.files import free_bytes
from qdrant_admin.core.formatting import plain
from qdrant_admin.server.decode import decode_log
from qdrant_admin.server.docker.answers import Inspected, Listed, Mount, Request, name_of
from qdrant_admin.server.docker.container.spec import (
    LABEL_MANAGED,
    LABEL_PROFILE,
    LABEL_VOLUME,
    environment,
    is_of_another_installation,
)
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.errors import existing
from qdrant_admin.server.runtime import Diagnosis, NextStorage, Sharer, Storage
from qdrant_admin.server.storage_mark import folder_mark, peer_in
from qdrant_admin.server.storage_probe import belongs_to_other, holds_data, make_writable, suspicion
from qdrant_admin.server.versions import version_in
from qdrant_admin.state.inventory import StorageIdentity

if TYPE_CHECKING:
    from docker import APIClient

_PATH_VARIABLE = "QDRANT__STORAGE__STORAGE_PATH"
_SAFE_VOLUME = Command("up", volume="qdrant_admin_local")
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


def storage_path(attributes: Inspected) -> str:
    """Where the server in the container writes; relative to its working directory as Qdrant reads it."""
    return path_in(attributes, _PATH_VARIABLE, "./storage")


def path_in(attributes: Inspected, variable: str, otherwise: str) -> str:
    """A folder of the server that a variable may name."""
    path = environment(attributes).get(variable) or otherwise
    return posixpath.normpath(posixpath.join(attributes["Config"].get("WorkingDir") or "/qdrant", path))


def data_mount(attributes: Inspected, path: str | None = None) -> Mount | None:
    """The mount the data lies on: the deepest one at or above the path, from what is really mounted."""
    path = path or storage_path(attributes)
    above = [mount for mount in attributes.get("Mounts") or () if _covers(mount.get("Destination", ""), path)]
    found = max(above, key=lambda mount: len(mount["Destination"]), default=None)
    return None if found is None or found.get("Type") == "tmpfs" else found


def source_of(mount: Mount) -> str:
    """The name of a volume, or the folder."""
    return mount.get("Name") or mount.get("Source") or ""


def in_words(found: Inspected) -> str:
    """`volume qdrant_data`, `folder /srv/qdrant`, `inside container qdrant`."""
    mount = data_mount(found)
    if mount is None:
        return f"inside container {name_of(found)}"
    return f"{'volume' if mount.get('Type') == 'volume' else 'folder'} {source_of(mount)}"


def mark(api: "APIClient", found: Inspected, *, local: bool) -> str:
    """What tells where the data lies from another place of that name: a volume's digits, a folder's inode where it can
    be seen from here, the container itself where nothing is mounted. Empty where nobody can see it.
    """
    mount = data_mount(found)
    if mount is None:
        return str(found["Id"])
    if mount.get("Type") != "volume":
        return folder_mark(Path(mount.get("Source") or "")) if local else ""
    return _volume_mark(api.inspect_volume(source_of(mount)))


def _volume_mark(volume: Mapping[str, Any]) -> str:
    """Its name, and where it is ours what tells it from a later one of that name."""
    return f"{volume['Name']} {(volume.get('Labels') or {}).get(LABEL_VOLUME, '')}".rstrip()


def is_there(engine: Engine, identity: StorageIdentity) -> bool:
    """Whether an engine still has the very volume, folder or container in which data was seen.

    Raises:
        AdminError: the engine cannot be asked.
    """
    kind, _, source = identity.place.partition(" ")
    with engine.look("look for data of earlier") as api:
        if kind == "volume":
            volume: dict[str, Any] | None = existing(lambda: api.inspect_volume(source))
            return volume is not None and identity.mark in {"", _volume_mark(volume)}
        if kind == "inside":
            return existing(lambda: api.inspect_container(identity.mark)) is not None
    return not engine.local or is_empty(Path(source)) is not True


def to_be_mounted(api: "APIClient", mount: Request, image: str, *, local: bool) -> NextStorage:
    """What a container that is yet to be made would open."""
    source = str(mount["Source"])
    if mount["Type"] == "volume":
        volume: dict[str, Any] | None = existing(lambda: api.inspect_volume(source))
        place, seen = f"volume {source}", _volume_mark(volume) if volume else ""
        folder = Path(str(volume.get("Mountpoint") or "")) if volume else None
    else:
        place, folder = f"folder {source}", Path(source)
        seen = folder_mark(folder) if local else ""
    peer = peer_in(folder) if folder is not None and local else ""
    identity = StorageIdentity(place=place, mark=seen, peer=peer) if seen else None
    empty = is_empty(folder if local else None) if identity else True
    return NextStorage(place=place, identity=identity, empty=empty, version=version_in(image))


def folder_of(found: Inspected) -> Path | None:
    """Where the data lies on the engine's machine; None where nothing is mounted below it."""
    mount = data_mount(found)
    if mount is None or not mount.get("Source"):
        return None
    return Path(mount["Source"], posixpath.relpath(storage_path(found), mount["Destination"]))


def is_empty(folder: Path | None) -> bool | None:
    """Whether a storage holds no collection; None where it is out of sight."""
    if folder is None or not os.access(folder, os.R_OK | os.X_OK):
        return None
    return not holds_data(folder)


def data_request(found: Inspected) -> list[Request]:
    """Where an existing container has its data, in the form of a request; a configuration may well be shared."""
    mount = data_mount(found)
    if mount is None or mount.get("RW") is False:
        return []
    return [{"Type": mount["Type"], "Source": source_of(mount), "Target": mount["Destination"]}]


def read_storage(attributes: Inspected, first_lines: Iterable[str] | None, profile: str) -> Storage:
    """Where the data lies and what speaks against it.

    The first lines of the server's log since its last start are the only place where it says what it thinks of its file
    system; None when they could not be read.
    """
    mount, path = data_mount(attributes), storage_path(attributes)
    if mount is None:
        fault = against_inside(attributes, path, profile)
        return Storage(kind="container", destination=path, sound=False, detail=fault.what, faults=(fault,))
    bind, folder = mount.get("Type") != "volume", mount.get("Source") or ""
    said = [item for item in decode_log(first_lines or (), profile) if item.code == "file_system_unfit"]
    warning = _file_system_warning(Path(source_of(mount))) if bind else ""
    faults = (*against_mount(attributes, mount, warning, profile), *said)
    return Storage(
        kind="bind" if bind else "volume",
        source=source_of(mount),
        destination=mount["Destination"],
        sound=False if faults else (True if first_lines is not None else None),
        detail="; ".join(fault.what for fault in faults),
        free_bytes=free_bytes(Path(folder)) if folder and Path(folder).exists() else None,
        faults=faults,
    )


def other_users(api: "APIClient", mounts: Iterable[Request], own: str) -> list[Sharer]:
    """Containers in any state that may write to the same volume, or to the same folder or one within the other."""
    wanted, containers = list(mounts), cast("list[Listed]", api.containers(all=True))
    return [
        Sharer((container.get("Names") or ["?"])[0].lstrip("/"), str(container.get("State")), source_of(theirs))
        for container in containers
        if container["Id"] != own
        for theirs in container.get("Mounts") or ()
        if theirs.get("RW") is not False and any(_same(mine, theirs) for mine in wanted)
    ]


def refuse_sharing(api: "APIClient", mounts: Iterable[Request], own: str, name: str) -> None:
    """Refuse when there is another user: two servers on one empty volume both start, and one loses its data."""
    user = next(iter(other_users(api, mounts, own)), None)
    if user is None:
        return
    raise Refused(
        f"{plain(user.source)} is used by container {plain(user.name)} ({user.state}) already",
        why=f"two servers on the same data lose it; {name} was not started",
        fix=Command("up", volume="qdrant_admin_second") if user.running else f"docker rm {user.name}",
    )


def check_folder(engine: Engine, folder: Path, profile: str) -> Iterator[Notice]:
    """Refuse a folder of this machine that cannot hold a Qdrant's storage; tell what a person should know of it."""
    if not engine.local:
        text = f"{folder} is a folder of the engine's machine, which cannot be seen from here"
        yield Notice(level="warning", text=text)
        return
    path = folder.expanduser().absolute()
    if str(path) in {path.anchor, str(Path.home())}:
        raise StorageUnusable(f"{path} is not a place for a storage of its own", fix=Command("up", storage="./qdrant"))
    if re.match(r"/mnt/[a-z](/|$)", str(path)) and _is_wsl():
        raise StorageUnusable(
            f"{path} lies on a Windows drive",
            why="through WSL it is a network file system, on which Qdrant loses data",
            fix=_SAFE_VOLUME,
        )
    if (others := belongs_to_other(path)) is not None:
        raise others
    make_writable(path)
    if warning := _file_system_warning(path):
        yield Notice(level="warning", text=warning, fix=str(_SAFE_VOLUME.on(profile)))


def against_inside(attributes: Inspected, path: str, profile: str) -> Diagnosis:
    """Why data with no volume or folder below it is in danger."""
    if in_memory(attributes, path):
        return Diagnosis(
            code="storage_in_memory",
            what=f"{path} lies in memory (tmpfs)",
            why="the data is gone as soon as the server stops, and cannot be copied from outside",
            fix=str(Command("collections", "list").on(profile)),
            severe=True,
        )
    beside = [
        f"{mount.get('Type')} {plain(source_of(mount))} is mounted at {target}"
        for mount in attributes.get("Mounts") or ()
        if mount.get("Type") in {"volume", "bind"}
        and not (target := str(mount.get("Destination"))).startswith((*_NO_DATA, path.rstrip("/") + "/"))
    ]
    elsewhere = f"{' and '.join(beside)}, where the server writes nothing; " if beside else ""
    return Diagnosis(
        code="storage_in_container",
        what=f"{elsewhere}nothing is mounted at {path}: the data dies with the container",
        fix=_move(profile),
        severe=True,
    )


def in_memory(attributes: Inspected, path: str) -> bool:
    """Whether a file system in memory is mounted at the path or above it."""
    targets = list((attributes.get("HostConfig") or {}).get("Tmpfs") or ())
    targets += [one["Destination"] for one in attributes.get("Mounts") or () if one.get("Type") == "tmpfs"]
    return any(_covers(one, path) for one in targets)


def against_mount(attributes: Inspected, mount: Mount, file_system: str, profile: str) -> Iterator[Diagnosis]:
    """Everything that speaks against the volume or folder that the data lies on."""
    source = source_of(mount)
    if mount.get("RW") is False:
        yield Diagnosis(
            code="storage_read_only",
            what=f"{plain(source)} is mounted read-only",
            why="the server cannot write there, and does not start on data that it may not write",
            fix=f"{Command('down', remove=True).on(profile)} && {Command('up').on(profile)}",
            severe=True,
        )
    if mount.get("Type") == "volume":
        if _ANONYMOUS.fullmatch(source):
            why = "`docker rm -v`, `--rm` and `docker volume prune` remove an anonymous volume with all that is in it"
            yield Diagnosis(code="volume_anonymous", what="the volume has no name", why=why, fix=_move(profile))
        return
    if shared := shared_folder(source):
        file_system = f"{plain(source)} is {shared}"
    if file_system:
        why = "on such Qdrant is known to lose data: vectors came back as zeros"
        yield Diagnosis(code="file_system_unfit", what=file_system, why=why, fix=_move(profile))
    yield from _against_folder(attributes, Path(source), profile)


def shared_folder(source: str) -> str:
    """What kind of shared folder the engine's name for it tells of, in words; empty when it tells of none."""
    return next((words for sign, words in _SHARED if sign.match(source)), "")


def _against_folder(attributes: Inspected, folder: Path, profile: str) -> Iterator[Diagnosis]:
    """What can be seen where the engine's folders are those of this machine."""
    others = belongs_to_other(folder)
    if others is not None:
        fix = others.fix_on(profile)
        yield Diagnosis(code="storage_of_another", what=others.what, why=others.why, fix=fix, severe=True)
    try:
        found = folder.stat()
        read_only = hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return
    if read_only:
        yield Diagnosis(
            code="storage_read_only",
            what=f"{folder} lies on a file system that is read-only",
            why="the server does not start on data that it may not write",
            fix=f'findmnt -T "{folder}"',
            severe=True,
        )
    user, _, group = (attributes["Config"].get("User") or "0").partition(":")
    if not user.isdigit() or int(user) in {0, found.st_uid} or found.st_mode & 0o002:
        return
    if group.isdigit() and int(group) == found.st_gid and found.st_mode & 0o020:
        return
    yield Diagnosis(
        code="storage_not_writable",
        what=f"{folder} belongs to user {found.st_uid}, and the server runs as user {user}",
        why="it may not write there",
        fix=f'sudo chown -R {user} "{folder}"',
        severe=True,
    )


def volume_names(api: "APIClient") -> set[str]:
    return {str(one["Name"]) for one in api.volumes()["Volumes"] or ()}


def unmounted_volumes(engine: Engine) -> dict[str, str]:
    """Managed volumes that no container mounts, with the name of the profile that each was made for."""
    with engine.client("look for volumes that are left over") as api:
        listed = api.volumes(filters={"dangling": True, "label": f"{LABEL_MANAGED}=true"})["Volumes"] or []
    own = (one for one in listed if not is_of_another_installation(one.get("Labels") or {}))
    return {str(one["Name"]): str((one.get("Labels") or {}).get(LABEL_PROFILE, "")) for one in own}


def _move(profile: str) -> str:
    return str(Command("move-storage").on(profile))


def _covers(destination: str, path: str) -> bool:
    return path == destination or path.startswith(destination.rstrip("/") + "/")


def _same(mine: Request, theirs: Mount) -> bool:
    if mine["Type"] == "volume" or theirs.get("Type") == "volume":
        return (mine["Type"], mine["Source"]) == (theirs.get("Type"), theirs.get("Name"))
    if theirs.get("Type") != "bind" or not theirs.get("Source"):
        return False
    ours, other = os.path.realpath(mine["Source"]), os.path.realpath(theirs["Source"])
    # A container that mounts / or a home for other reasons holds no Qdrant there; one within ours, or around it, may.
    return ours == other or other.startswith(ours + os.sep) or (other != os.sep and ours.startswith(other + os.sep))


def _file_system_warning(path: Path) -> str:
    if sys.platform == "win32" or sys.platform == "darwin":
        return f"{path} is shared into the engine's virtual machine, a known cause of lost data; a volume is safer"
    suspect = suspicion(path)
    return f"{suspect}; a volume is safer" if suspect else ""


def _is_wsl() -> bool:
    try:
        return "microsoft" in Path("/proc/sys/kernel/osrelease").read_text(encoding="ascii").lower()
    except OSError:
        return False
