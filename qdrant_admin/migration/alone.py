"""No two processes run the same run. Other runs are free to go at the same time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import Refused


@contextlib.contextmanager
def alone(run: str) -> Iterator[None]:
    """Hold a run for this process; the lock goes with the process, however it ends.

    Raises:
        Refused: another process holds it.
    """
    import portalocker

    path = _lock(run)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("w") as file:
        try:
            portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.LockException as error:
            raise Refused(f"run {run} is going on in another process", fix="qdrant-admin history list") from error
        try:
            yield
        finally:
            portalocker.unlock(file)


def is_running(run: str) -> bool:
    """Whether a process holds that run now."""
    if not _lock(run).exists():
        return False
    try:
        with alone(run):
            return False
    except Refused:
        return True


def _lock(run: str) -> Path:
    return state_dir() / "runs" / f"{run}.lock"
