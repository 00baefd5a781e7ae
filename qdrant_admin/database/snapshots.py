"""Snapshots of collections: created, listed, downloaded and restored, never whole in memory."""

import re
import shlex
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotQdrant
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.names import check_collection_name, check_stored_name, quoted
from qdrant_admin.database.rest import Rest, as_expected

SILENT_SECONDS = 3600.0
"""How long a server may be silent while it works on one snapshot: it answers when all is written or restored."""
_NAME = re.compile(r"[^/\\\x00-\x1f]+\.snapshot")


class Snapshot(Frozen):
    """One snapshot of a collection, as the server lists it."""

    name: str
    size: int
    """Bytes."""
    checksum: str = ""
    """SHA-256 of the file; empty when the server keeps none."""


class Snapshots:
    """The snapshots of one server's collections."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def clock(self) -> datetime:
        """The server's own time, which it names its snapshots after."""
        return self._rest.clock()

    @as_expected
    def peers(self) -> int:
        """Servers that hold the data together; 1 where there is no cluster."""
        cluster = self._rest.call("GET", "/cluster")
        return len(cluster.get("peers") or {}) or 1

    def listed(self, collection: str) -> list[Snapshot]:
        """Every snapshot of a collection; `NotFound` where there is no such collection."""
        return [_snapshot(raw) for raw in self._rest.call("GET", _path(collection))]

    def create(self, collection: str) -> Snapshot:
        """Let the server write a snapshot, and wait for it. Two within one second are one file."""
        return _snapshot(self._rest.call("POST", _path(collection), timeout=SILENT_SECONDS))

    def delete(self, collection: str, snapshot: str) -> None:
        """Delete one snapshot; `NotFound` where there is none of that name."""
        self._rest.call("DELETE", _path(collection, snapshot), timeout=SILENT_SECONDS)

    def read(self, collection: str, snapshot: str) -> Iterator[bytes]:
        return self._rest.download(_path(collection, snapshot), timeout=SILENT_SECONDS)

    def restore(self, collection: str, file: str, pieces: Iterable[bytes], size: int, checksum: str) -> None:
        """Create a collection from a snapshot, or replace one, and wait until it can be read.

        The server keeps the file among the snapshots of that collection, under the name `file`: `NAME.snapshot`. It
        compares the checksum, a SHA-256, before it changes anything.

        Raises:
            RequestRejected: the checksum is another, or this server cannot read the snapshot.
        """
        check_stored_name(collection)
        _check(file)
        params = {"priority": "snapshot", "wait": "true", "checksum": checksum}
        self._rest.upload(f"{_path(collection)}/upload", file, pieces, size, params=params, timeout=SILENT_SECONDS)


def restoring_command(url: str, collection: str, file: Path, *, with_key: bool = False) -> str:
    """The command that restores a collection of the server at `url` from a snapshot on this machine.

    The API key, where the server wants one, is taken from the environment and never in the command.
    """
    target = f"{url}/collections/{quoted(collection)}/snapshots/upload?priority=snapshot"
    key = ' -H "api-key: $QDRANT_API_KEY"' if with_key else ""
    return f"curl -X POST {shlex.quote(target)}{key} -F {shlex.quote(f'snapshot=@{file}')}"


def _snapshot(raw: dict[str, object]) -> Snapshot:
    name = str(raw.get("name"))
    _check(name)
    return Snapshot(name=name, size=int(str(raw.get("size") or 0)), checksum=str(raw.get("checksum") or ""))


def _check(name: str) -> None:
    """Refuse what would be another request: the name goes into a path."""
    if not _NAME.fullmatch(name):
        what = f"a snapshot called “{plain(name)[:80]}” is refused"
        raise NotQdrant(what, why="the name is none that a server gives", fix=Command("doctor"))


def _path(collection: str, snapshot: str = "") -> str:
    check_collection_name(collection)
    path = f"/collections/{quoted(collection)}/snapshots"
    if not snapshot:
        return path
    _check(snapshot)
    return f"{path}/{quoted(snapshot)}"
