"""No two processes run the same run. Other runs are free to go at the same time."""

import contextlib
from collections.abc import Iterator

from qdrant_admin.core.errors import Refused
from qdrant_admin.core.locks import Held, holding, is_held
from qdrant_admin.state.resumable_runs import migration_lock


@contextlib.contextmanager
def alone(run: str) -> Iterator[None]:
    """Hold a run for this process.

    Raises:
        Refused: another process holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(holding(migration_lock(run)))
        except Held as error:
            raise Refused(f"run {run} is going on in another process", fix="qdrant-admin history list") from error
        yield


def is_running(run: str) -> bool:
    """Whether a process holds that run now."""
    return is_held(migration_lock(run))
