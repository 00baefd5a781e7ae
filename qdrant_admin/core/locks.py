"""Locks between processes: a file that is held for as long as something goes on."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_PAUSE_SECONDS = 0.05
_JITTER_SECONDS = 60.0
"""When a process was started is reckoned from the machine's own start, which Linux tells a little otherwise each time
its clock is set: two readings of one process may differ, while a number is not given to another within that time."""
_BEYOND = 1 << 30
"""Windows locks a byte and lets nobody read it meanwhile: one that lies behind everything that is ever written."""


class Held(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def holding(path: Path, *, patience: float = 0.0) -> Iterator[None]:
    """Hold a lock file; the operating system releases it when this process ends in whatever way.

    Args:
        path: of the lock file, which stays.
        patience: seconds to wait for whoever holds it.

    Raises:
        Held: another process does.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    deadline = time.monotonic() + patience
    with path.open("a+b") as file:
        while not try_lock(file):
            if time.monotonic() >= deadline:
                raise Held(path)
            time.sleep(_PAUSE_SECONDS)
        try:
            _sign(file)
            yield
        finally:
            file.truncate(0)
            unlock(file)


def is_held(path: Path) -> bool:
    """Whether a living process holds it, found out without taking it: a look must not get in a starter's way."""
    try:
        pid, started = path.read_text("ascii").split()
        now = _started(int(pid))
        return now is not None and abs(now - float(started)) < _JITTER_SECONDS
    except (OSError, ValueError):
        return False


def try_lock(file: BinaryIO, *, shared: bool = False) -> bool:
    """Take the operating system's lock on an open file, unless somebody else holds it.

    Args:
        file: open for reading, and for writing unless `shared`.
        shared: together with others who share it (on Windows: alone).
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_BEYOND)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if sys.platform == "win32" and isinstance(error, PermissionError):
            return False
        raise
    return True


def unlock(file: BinaryIO) -> None:
    if sys.platform == "win32":
        import msvcrt

        file.seek(_BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)


def _sign(file: BinaryIO) -> None:
    """Who holds it: a process by its number and by when it was started, since numbers are given again.

    A full disk does not keep anybody from holding it: it is only not seen who does.
    """
    file.truncate(0)
    with contextlib.suppress(OSError):
        os.write(file.fileno(), f"{os.getpid()} {_started(os.getpid()) or 0.0}".encode("ascii"))


def _started(pid: int) -> float | None:
    """When a process was started, in seconds since 1970; None when there is none of that number."""
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except (psutil.Error, OverflowError):
        return None
