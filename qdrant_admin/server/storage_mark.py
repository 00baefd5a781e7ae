"""What tells one storage from another at the same place: its folder's device and inode, and Qdrant's own peer id."""

import json
from datetime import UTC, datetime
from pathlib import Path

RAFT_STATE = "raft_state.json"
"""Written by a server that begins on an empty storage, and never anew on one that holds something (Qdrant 1.16.3)."""


def folder_mark(path: Path) -> str:
    """`device:inode`; empty when the folder is not there or out of sight."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"


def peer_in(folder: Path) -> str:
    """The peer id of the storage in a folder; empty when it has none, or may not be read."""
    try:
        return peer_of((folder / RAFT_STATE).read_bytes())
    except OSError:
        return ""


def last_delete_in(folder: Path) -> datetime | None:
    """When a server deleted a collection there last; None when none ever did, or nobody may see it.

    Qdrant moves it to a folder of its own first, and takes it away from there (1.16.3).
    """
    try:
        return datetime.fromtimestamp((folder / ".deleted").stat().st_mtime, UTC)
    except OSError:
        return None


def peer_in_archive(archive: bytes) -> str:
    """The same of what an engine gives for the file: a tar with nothing else in it."""
    import io
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            entry = tar.next()
            file = tar.extractfile(entry) if entry is not None else None
            return peer_of(file.read()) if file is not None else ""
    except (tarfile.TarError, OSError):
        return ""


def peer_of(raft_state: bytes) -> str:
    """`this_peer_id` as text; empty where there is none."""
    try:
        found = json.loads(raft_state)
    except ValueError:
        return ""
    peer = found.get("this_peer_id") if isinstance(found, dict) else None
    return str(peer) if isinstance(peer, int) else ""
