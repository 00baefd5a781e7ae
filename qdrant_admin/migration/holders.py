"""Which programs have a file, or something in a folder, open."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.core.reports import Frozen

if TYPE_CHECKING:
    import psutil


class Holder(Frozen):
    """A program that has something open there."""

    pid: int
    program: str
    file: str
    """The first of the files that it has open there."""
    ports: tuple[int, ...] = ()
    """What it listens on, when it is a server."""


class Holders(NamedTuple):
    """Who was found, and how many processes did not let us look."""

    found: tuple[Holder, ...]
    unseen: int


def holders_of(place: Path) -> Holders:
    """Every other process that has a file at this path, or below it, open. Asks the operating system, opens nothing."""
    import psutil

    root = place.resolve()
    found, unseen = [], 0
    for process in psutil.process_iter(["name"]):
        if process.pid == os.getpid():
            continue
        try:
            opened = sorted(path for path in _paths(process) if _within(path, root))
            if opened:
                program = str(process.info["name"] or "unknown")
                found.append(Holder(pid=process.pid, program=program, file=opened[0], ports=_ports(process)))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        except (psutil.Error, OSError):
            unseen += 1
    return Holders(tuple(found), unseen)


def _paths(process: "psutil.Process") -> Iterator[str]:
    yield from (file.path for file in process.open_files())
    mapped = getattr(process, "memory_maps", None)  # macOS has none; a Qdrant server maps its segments and closes them
    yield from (one.path for one in mapped()) if mapped else ()


def _within(file: str, root: Path) -> bool:
    path = Path(file)
    return path == root or root in path.parents


def _ports(process: "psutil.Process") -> tuple[int, ...]:
    import psutil

    try:
        listening = {one.laddr.port for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    except (psutil.Error, OSError):
        return ()
    return tuple(sorted(listening))
