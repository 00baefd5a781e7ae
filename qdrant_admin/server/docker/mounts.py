"""What speaks against where a container's data lies: each fault with its evidence and a way out."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qdrant_admin.core.text import plain
from qdrant_admin.server.contents import of_others
from qdrant_admin.server.runtime import Diagnosis

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
