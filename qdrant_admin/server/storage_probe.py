"""What can be told of a folder before a server writes to it: what lies in it, and on what file system it lies."""

import os
import tempfile
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import StorageUnusable
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
    """Make the folder when it is not there, and write to it.

    Raises:
        StorageUnusable: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"qdrant-admin")
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageUnusable(f"{folder} cannot be written", why=why, fix=f'ls -ld "{folder}"') from error
