"""Locks between processes: a file that is held for as long as something goes on."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class Held(Exception):
    """Another process holds it."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold a lock file; the operating system lets go of it when this process ends in whatever way.

    Raises:
        Held: another process does.
    """
    import portalocker

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        try:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.LockException as error:
            raise Held(path) from error
        try:
            yield
        finally:
            portalocker.unlock(file)


def is_held(path: Path) -> bool:
    """Whether somebody holds it right now."""
    if not path.exists():
        return False
    try:
        with holding(path):
            return False
    except Held:
        return True
