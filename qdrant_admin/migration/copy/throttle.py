"""How much to send at a time: learnt from the size of the points and the time that the target takes to answer."""

import threading

MAX_OCTETS = 8 * 1024 * 1024
"""Per request. Larger ones are no faster, and a handful of them in flight fills the memory of a small machine."""
SLOW_SECONDS = 5.0
"""A request that takes this long is too much for the target: the next would run into a timeout."""
QUICK_SECONDS = 0.5
QUICK_ANSWERS = 32
"""Quick answers in a row after which a target that was too slow is given one more request in parallel."""


class Throttle:
    """Points per request (`size`) and requests in parallel (`workers`), at most what is given. Safe for threads."""

    def __init__(self, size: int, workers: int) -> None:
        self._most, self._most_workers = size, workers
        self._quick = 0
        self._lock = threading.Lock()
        self.size, self.workers = size, workers

    def succeeded(self, points: int, octets: int, seconds: float) -> None:
        with self._lock:
            if octets > MAX_OCTETS or seconds > SLOW_SECONDS:
                self.size = max(1, min(self.size, points // 2))
            elif points == self.size < self._most and seconds < QUICK_SECONDS and 2 * octets < MAX_OCTETS:
                self.size = min(2 * self.size, self._most)
            self._quick = self._quick + 1 if seconds < QUICK_SECONDS else 0
            if self._quick >= QUICK_ANSWERS:
                self.workers, self._quick = min(self.workers + 1, self._most_workers), 0

    def back_off(self) -> None:
        """Halve both: the target said that this is too much, or did not answer in time."""
        with self._lock:
            self.size, self.workers, self._quick = max(1, self.size // 2), max(1, self.workers // 2), 0
