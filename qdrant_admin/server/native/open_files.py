"""Whether the data of a running server still lies where it was: folders that are open tell when they were removed.

A server goes on with files that were deleted or moved below it, and looks healthy; its next start finds nothing.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.core.cancel import CancelToken

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
