"""How a running operation is stopped or held, from another thread.

The operation looks at the token between two acknowledged pieces of work, and waits through it instead of sleeping.
"""

import threading

from qdrant_admin.core.errors import Cancelled


class CancelToken:
    """Handed to an operation by a face. Safe to use from any thread."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._running = threading.Event()
        self._running.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    def cancel(self) -> None:
        """Ask to stop. Wakes up whoever waits or is held."""
        self._cancelled.set()
        self._running.set()

    def pause(self) -> None:
        """Ask to hold at the next `check`."""
        if not self.cancelled:
            self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def check(self) -> None:
        """Hold while paused; raise `Cancelled` once somebody asked to stop."""
        self._running.wait()
        if self.cancelled:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Wait that long; raise `Cancelled` at once when somebody asks to stop meanwhile."""
        if self._cancelled.wait(seconds):
            raise Cancelled
