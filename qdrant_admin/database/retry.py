"""Retrying requests through an outage: wait for a server that went away, say so, and give up in bounded time."""

import time
from collections.abc import Callable

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import (
    AdminError,
    DiskFull,
    QuotaReached,
    RateLimited,
    ServerNotReady,
    ServerTrouble,
    ServerUnreachable,
)
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.formatting import duration

TRANSIENT = (ServerUnreachable, ServerNotReady, ServerTrouble)
"""Faults that may go away by themselves; an `OutcomeUnknown` among them: what is repeated here may be."""
LASTING = (DiskFull, QuotaReached)
"""Faults that are named like one of them and stay until somebody makes room."""
PATIENCE_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
_LONGEST_REST = 3600.0
"""A server that asks to be left alone for longer than this counts as gone."""


class RetryPolicy:
    """Remembers how long an outage has lasted. `succeeded` after every success, `backoff` after every transient fault.

    Args:
        fix: the command that resumes later, for when the outage lasts too long.
        patience: seconds an outage may last.
        clock: monotonic seconds; injected by tests.
    """

    def __init__(
        self,
        cancel: CancelToken,
        *,
        fix: str,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cancel, self._fix, self._patience, self._clock = cancel, fix, patience, clock
        self._since: float | None = None
        self._pause = FIRST_PAUSE
        self._rested = False

    def succeeded(self) -> Events:
        """Ends an outage, and says so when there was one."""
        if self._since is not None:
            yield Notice(text=f"the server answers again after {duration(self._clock() - self._since)}; resuming")
        self._since, self._pause = None, FIRST_PAUSE

    def run(self, work: Callable[[], Events]) -> Events:
        """Do it, and again after every transient fault, until it is done."""
        while True:
            try:
                yield from work()
            except TRANSIENT as error:
                yield from self.backoff(error)
            else:
                yield from self.succeeded()
                return

    def backoff(self, error: AdminError) -> Events:
        """Wait, each time a little longer.

        Raises:
            DiskFull, QuotaReached: that does not pass by itself.
            AdminError: the same fault, with the command that resumes later, when the outage has lasted too long.
            Cancelled: while it waited.
        """
        if isinstance(error, RateLimited) and error.seconds is not None and error.seconds <= _LONGEST_REST:
            yield from self._rest(error, error.seconds)
            return
        if isinstance(error, LASTING):
            raise error
        now = self._clock()
        if self._since is None:
            self._since = now
            text = f"{error.what}; retrying for up to {duration(self._patience)}"
            yield Notice(level="warning", text=text, topic="retry")
        if now - self._since + self._pause > self._patience:
            raise type(error)(
                error.what, why=f"{error.why} (waited {duration(now - self._since)})".strip(), fix=self._fix
            ) from error
        self._cancel.wait(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _rest(self, error: RateLimited, seconds: float) -> Events:
        """Wait as long as the server said. That is no outage: it answers, and may ask for it again and again."""
        if not self._rested:
            text = f"{error.what}: waiting {duration(seconds)} as it asks, each time it does"
            yield Notice(level="warning", text=text, topic="retry")
        self._rested = True
        self._cancel.wait(seconds)
