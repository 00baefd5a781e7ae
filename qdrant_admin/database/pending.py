"""Waiting until what a collection has acknowledged can be read.

A server of 1.17 to 1.18 that was killed opens its ports with acknowledged writes still in its update queue, and is
ready and green meanwhile: seconds of it were seen.
"""

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, cast

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Event, Progress
from qdrant_admin.database.models import Pending

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

STILL_SECONDS = 30.0
"""A queue that has not become shorter for so long stands still; one that does is waited for, however long it is."""
_PAUSE = 0.1


class Patience:
    """Whether something that is waited for still comes nearer. Monotonic seconds are handed in."""

    def __init__(self) -> None:
        self._lowest: int | None = None
        self._since = 0.0

    def over(self, left: int, now: float) -> bool:
        """Whether so much has been left for too long."""
        if self._lowest is None or left < self._lowest:
            self._lowest, self._since = left, now
        return now - self._since >= STILL_SECONDS


def wait_applied(database: "Database", name: str, cancel: CancelToken, *, step: str) -> Generator[Event, None, Pending]:
    """Wait until a collection shows all that it has acknowledged; returns what it hides when that stands still."""
    patience = Patience()
    while True:
        pending = database.pending(name)
        if not pending.left or patience.over(pending.left, time.monotonic()):
            return pending
        yield Progress(step=step, item=name, done=0, unit="steps", note=pending.words)
        cancel.wait(_PAUSE)


def applied(database: "Database", name: str) -> Pending:
    """Wait as `wait_applied` does, and say nothing of it."""
    waiting = wait_applied(database, name, CancelToken(), step="")
    while True:
        try:
            next(waiting)
        except StopIteration as end:
            return cast("Pending", end.value)
