"""Whether the data of a running server still lies where it was: folders that are open tell when they were removed.

A server goes on with files that were deleted or moved below it, and looks healthy; its next start finds nothing.
"""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.formatting import plain
from qdrant_admin.server.runtime import DELETED, Diagnosis

_LOG = re.compile(r"(?P<root>.*)/collections/(?P<name>[^/]+)/[^/]+/wal(?P<gone> \(deleted\))?")
"""The folder of a shard's write-ahead log: Qdrant holds it open as long as the collection is loaded (1.16.3)."""
_LOOK_AGAIN_SECONDS = 0.3
"""A collection that is being deleted on request holds its folder for a moment longer than it is there."""


class Vanished(NamedTuple):
    """What a server holds open and does not have in its storage any more."""

    collections: tuple[str, ...]
    """None where all that is known is that the folder is gone."""
    moved_to: str
    """Where the storage lies now; empty where it was deleted."""


def vanished(pid: int, storage: Path) -> Vanished | None:
    """What has become of a running server's storage; None as long as it is there, or nobody can tell."""
    if not storage.exists():
        return _seen(pid, storage) or Vanished((), "")
    if _seen(pid, storage) is None:
        return None
    CancelToken().wait(_LOOK_AGAIN_SECONDS)
    return _seen(pid, storage)


def diagnosed(gone: Vanished, path: Path, profile: str) -> Diagnosis:
    """The fault that it is, with the way to get at the data while the server runs."""
    names = ", ".join(map(plain, gone.collections))
    held = f"the data of {names}" if names else "what the server holds"
    if not names and sys.platform.startswith("linux"):  # it was empty: a restart makes the folder anew
        anew = str(Command("restart", how="recreate").on(profile))
        return Diagnosis(code="storage_missing", what=f"{path} no longer exists", fix=anew, severe=True)
    first = "put it back" if gone.moved_to else "export every collection"
    fix: Fix = Command("collections", "list")
    if gone.moved_to:
        fix = f"mv {shlex.quote(gone.moved_to)} {shlex.quote(str(path))}"
    elif gone.collections:
        fix = Command("export", gone.collections[0], to=f"{gone.collections[0]}.parquet")
    return Diagnosis(
        code=DELETED,
        what=f"{path} was {f'moved to {gone.moved_to}' if gone.moved_to else 'deleted'} under the running server",
        why=f"{held} is lost as soon as it stops: {first} first",
        fix=written(fix, profile),
        severe=True,
    )


def _seen(pid: int, storage: Path) -> Vanished | None:
    root, names, moved_to = os.path.realpath(storage), set(), ""
    for match in filter(None, map(_LOG.fullmatch, _open(pid))):
        if match["gone"] or match["root"] != root:
            names.add(match["name"])
            moved_to = moved_to if match["gone"] else match["root"]
    return Vanished(tuple(sorted(names)), moved_to) if names else None


def _open(pid: int) -> Iterator[str]:
    """Paths of what a process has open, as Linux tells them; elsewhere a folder that is open cannot be seen."""
    if not sys.platform.startswith("linux"):
        return
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue  # closed since
