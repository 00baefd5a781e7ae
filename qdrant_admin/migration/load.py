"""How much a target is given at a time: learnt from how large its points are and how long its answers take."""

import threading

MAX_OCTETS = 8 * 1024 * 1024
"""Of one request. Larger ones are no faster, and a handful of them under way fills the memory of a small machine."""
SLOW_SECONDS = 5.0
"""A request that takes this long is too much for the target: it would run into a timeout next."""
QUICK_SECONDS = 0.5
_QUICK_ONES = 32
"""Quick answers in a row after which a target that was too slow is given one more at the same time."""


class Load:
    """Points a request, and requests at the same time. Told of every request, from any thread.

    Args:
        size: points a request, at most.
        workers: requests at the same time, at most.
    """

    def __init__(self, size: int, workers: int) -> None:
        self._most, self._most_workers = size, workers
        self._quick = 0
        self._lock = threading.Lock()
        self.size, self.workers = size, workers

    def took(self, points: int, octets: int, seconds: float) -> None:
        """Learn from a request that was answered."""
        with self._lock:
            if octets > MAX_OCTETS or seconds > SLOW_SECONDS:
                self.size = max(1, min(self.size, points // 2))
            elif points == self.size < self._most and seconds < QUICK_SECONDS and 2 * octets < MAX_OCTETS:
                self.size = min(2 * self.size, self._most)
            self._quick = self._quick + 1 if seconds < QUICK_SECONDS else 0
            if self._quick >= _QUICK_ONES:
                self.workers, self._quick = min(self.workers + 1, self._most_workers), 0

    def ease(self) -> None:
        """Give it half as much, in half as many requests: it said that this is too much, or did not answer in time."""
        with self._lock:
            self.size, self.workers, self._quick = max(1, self.size // 2), max(1, self.workers // 2), 0
