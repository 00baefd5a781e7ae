"""What can be told of a folder before a server writes to it: what lies in it, who uses it, and its file system."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import StorageUnusable
from qdrant_admin.core.events import Notice
from qdrant_admin.core.files import file_system_of

_UNFIT = {
    "nfs": "a network file system",
    "nfs4": "a network file system",
    "cifs": "a Windows share",
    "smb3": "a Windows share",
    "smbfs": "a Windows share",
    "9p": "a folder shared with a virtual machine",
    "drvfs": "a Windows drive seen from WSL",
    "virtiofs": "a folder shared with a virtual machine",
    "vboxsf": "a folder shared with a virtual machine",
    "vmhgfs": "a folder shared with a virtual machine",
    "fuseblk": "a FUSE file system",
    "tmpfs": "memory, empty after the next boot",
    "ramfs": "memory, empty after the next boot",
}
"""Qdrant maps its files into memory: on these file systems it has lost or zeroed data (its own list of common
errors, and qdrant issues 6758 and 7646 for shares from Windows)."""
_OURS = {"aliases", "collections", "raft_state.json", ".qdrant_fs_check", ".deleted", "tmp", "jwt"}


def belongs_to_other(folder: Path) -> StorageUnusable | None:
    """Whose folder it is, and how what lies in it gets into a server; None when nothing in it is of another kind."""
    if (folder / "chroma.sqlite3").exists():
        return StorageUnusable(
            f"{folder} belongs to Chroma",
            why="it holds chroma.sqlite3; a Qdrant would write its own files in between",
            fix=Command("migrate", f"chroma:{folder}"),
        )
    if (folder / "meta.json").exists() and (folder / "collection").is_dir():
        return StorageUnusable(
            f"{folder} belongs to the embedded mode of qdrant-client",
            why="it holds meta.json and collection/; a server cannot read that form",
            fix=Command("migrate", f"qdrant-local:{folder}"),
        )
    return None


def suspicion(folder: Path) -> str:
    """What speaks against the file system of a folder, in words; empty when nothing does."""
    kind = file_system_of(folder)
    words = _UNFIT.get(kind) or ("a FUSE file system" if kind.startswith("fuse") else "")
    return f"{folder} lies on {kind}: {words}" if words else ""


def make_writable(folder: Path) -> None:
    """Make the folder when it is not there, and write to it; `StorageUnusable` when that cannot be done."""
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"qdrant-admin")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageUnusable(f"{folder} cannot be written", why=why, fix=f'ls -ld "{folder}"') from error


def prepare(storage: Path, profile: str) -> Iterator[Notice]:
    """Make the folder, and refuse one that is not writable, in use or another's; what remains is worth a notice."""
    if storage.exists() and not storage.is_dir():
        raise StorageUnusable(
            f"{storage} is not a folder", why="a Qdrant keeps its data in one", fix=Command("up", storage="./qdrant")
        )
    if (others := belongs_to_other(storage)) is not None:
        raise others
    make_writable(storage)
    if user := _user_of(storage):
        raise StorageUnusable(
            f"another Qdrant runs on {storage}",
            why=f"{user}; two servers on one folder destroy each other's data",
            fix=Command("status"),
        )
    if suspect := native_suspicion(storage):
        yield Notice(
            level="warning",
            text=f"{suspect}; Qdrant is known to lose data on such",
            fix=str(Command("up", runtime="docker").on(profile)),
        )
    strangers = sorted(entry.name for entry in storage.iterdir() if entry.name not in _OURS)
    if strangers and not (storage / "raft_state.json").exists():
        yield Notice(level="warning", text=f"{storage} holds other things already, such as {strangers[0]}")


def native_suspicion(storage: Path) -> str:
    """The same for a server that runs on this machine itself."""
    if file_system_of(storage) == "overlay":
        return f"{storage} lies on overlay: the inside of a container"
    if any(part.lower().startswith("onedrive") for part in storage.parts):
        return f"{storage} is synchronised by OneDrive, which touches files under a running server"
    return suspicion(storage)


def holds_data(storage: Path) -> bool:
    try:
        return any(entry.is_dir() for entry in (storage / "collections").iterdir())
    except OSError:
        return False


def _user_of(storage: Path) -> str:
    """Who uses the folder, in words: first by asking the processes of this user, then by Qdrant's own lock."""
    import psutil

    wanted = storage.resolve()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if "qdrant" not in process.name().lower() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            given = process.environ().get("QDRANT__STORAGE__STORAGE_PATH", "./storage")
            if (Path(process.cwd()) / given).resolve() == wanted:
                return f"{process.name()} (pid {process.pid}) has it"
    # Qdrant locks the write-ahead log of every shard; an empty storage has none yet.
    for wal in storage.glob("collections/*/*/wal"):
        if _locked(wal):
            return f"{wal} is locked"
    return ""


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
