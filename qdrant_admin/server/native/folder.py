"""Whether a folder can hold the storage of a native Qdrant: looked at before anything is started on it."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import StorageUnusable
from qdrant_admin.core.events import Notice
from qdrant_admin.core.files import file_system_of
from qdrant_admin.server import storage_probe

_OURS = {"aliases", "collections", "raft_state.json", ".qdrant_fs_check", ".deleted", "tmp", "jwt"}


def prepare(storage: Path, profile: str) -> list[Notice]:
    """Make the folder, and refuse one that is not writable, in use or another's; what remains is worth a notice."""
    _refuse_other_contents(storage)
    storage_probe.make_writable(storage)
    user = _user_of(storage)
    if user:
        raise StorageUnusable(
            f"another Qdrant runs on {storage}",
            why=f"{user}; two servers on one folder destroy each other's data",
            fix=Command("status"),
        )
    return list(_warnings(storage, profile))


def suspicion(storage: Path) -> str:
    """What speaks against where a folder lies, in words; empty when nothing does."""
    if file_system_of(storage) == "overlay":
        return f"{storage} lies on overlay: the inside of a container"
    if any(part.lower().startswith("onedrive") for part in storage.parts):
        return f"{storage} is synchronised by OneDrive, which touches files under a running server"
    return storage_probe.suspicion(storage)


def holds_data(storage: Path) -> bool:
    """Whether a Qdrant has collections there."""
    try:
        return any(entry.is_dir() for entry in (storage / "collections").iterdir())
    except OSError:
        return False


def _refuse_other_contents(storage: Path) -> None:
    if storage.exists() and not storage.is_dir():
        raise StorageUnusable(
            f"{storage} is not a folder", why="a Qdrant keeps its data in one", fix=Command("up", storage="./qdrant")
        )
    others = storage_probe.belongs_to_other(storage)
    if others is not None:
        raise others


def _user_of(storage: Path) -> str:
    """Who uses the folder, in words: first by Qdrant's own lock, then by asking the processes of this user."""
    for process in _servers_on(storage):
        return f"{process.name()} (pid {process.pid}) has it"
    # Qdrant locks the write-ahead log of every shard; an empty storage has none yet.
    for wal in storage.glob("collections/*/*/wal"):
        if _locked(wal):
            return f"{wal} is locked"
    return ""


def _servers_on(storage: Path) -> Iterator[psutil.Process]:
    wanted = storage.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "qdrant" not in process.name().lower() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            given = process.environ().get("QDRANT__STORAGE__STORAGE_PATH", "./storage")
            if (Path(process.cwd()) / given).resolve() == wanted:
                yield process


def _locked(wal: Path) -> bool:
    """Whether somebody holds the lock that Qdrant takes on the folder of a write-ahead log (seen in /proc/locks)."""
    if sys.platform == "win32":
        return False  # folders cannot be locked there; the processes were asked
    import fcntl

    try:
        handle = os.open(wal, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(handle)
    return False


def _warnings(storage: Path, profile: str) -> Iterator[Notice]:
    suspect = suspicion(storage)
    if suspect:
        yield Notice(
            level="warning",
            text=f"{suspect}; Qdrant is known to lose data on such",
            fix=str(Command("up", runtime="docker").on(profile)),
        )
    strangers = sorted(entry.name for entry in storage.iterdir() if entry.name not in _OURS)
    if strangers and not (storage / "raft_state.json").exists():
        yield Notice(level="warning", text=f"{storage} holds other things already, such as {strangers[0]}")
