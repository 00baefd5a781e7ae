"""A server that goes away in the middle: wait for it, say so, and give up in bounded time."""

import time
from collections.abc import Callable

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, DiskFull, RateLimited, ServerNotReady, ServerTrouble, ServerUnreachable
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.formatting import duration

PASSING = (ServerUnreachable, ServerNotReady, ServerTrouble)
"""Faults that may go away by themselves."""
PATIENCE_SECONDS = 120.0
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 8.0
_LONGEST_REST = 3600.0
"""A server that wants to be left alone for longer than this is gone, for our purpose."""


class Weather:
    """Remembers how long an outage has lasted. `fair` after every success, `wait` after every passing fault.

    Args:
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
        self._pause = _FIRST_WAIT
        self._rested = False

    def fair(self) -> Events:
        """Work went on; says so once when it had not."""
        if self._since is not None:
            yield Notice(text=f"it answers again after {duration(self._clock() - self._since)}; going on")
        self._since, self._pause = None, _FIRST_WAIT

    def through(self, work: Callable[[], Events]) -> Events:
        """Do it, and again after every passing fault, until it is done."""
        while True:
            try:
                yield from work()
            except PASSING as error:
                yield from self.wait(error)
            else:
                yield from self.fair()
                return

    def wait(self, error: AdminError) -> Events:
        """Wait a little longer each time.

        Raises:
            DiskFull: that does not pass by itself.
            AdminError: the same fault, with how to go on later, when the outage has lasted too long.
            Cancelled: somebody asked to stop meanwhile.
        """
        if isinstance(error, RateLimited) and error.seconds is not None and error.seconds <= _LONGEST_REST:
            yield from self._rest(error, error.seconds)
            return
        if isinstance(error, DiskFull):
            raise error
        now = self._clock()
        if self._since is None:
            self._since = now
            yield Notice(level="warning", text=f"{error.what}; waiting up to {duration(self._patience)} for it")
        if now - self._since + self._pause > self._patience:
            raise type(error)(
                error.what, why=f"{error.why} (waited {duration(now - self._since)})".strip(), fix=self._fix
            ) from error
        self._cancel.wait(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_WAIT)

    def _rest(self, error: RateLimited, seconds: float) -> Events:
        """As long as the server said. That is no outage: it answers, and what it asks for may come again and again."""
        if not self._rested:
            text = f"{error.what}: waiting {duration(seconds)} as it says, each time that it does"
            yield Notice(level="warning", text=text, topic="retry")
        self._rested = True
        self._cancel.wait(seconds)
