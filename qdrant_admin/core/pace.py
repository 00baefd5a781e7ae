"""How fast work goes, how long it will take, and how often that is worth telling."""

import time
from collections import deque
from collections.abc import Callable

from qdrant_admin.core.events import Progress, Unit

WINDOW_SECONDS = 5.0
"""The rate is that of the last few seconds: old enough to be calm, young enough to be true."""
TELL_EVERY_SECONDS = 0.066
"""At most some 15 events a second reach a screen (measured: more costs the screen, and nobody can read it)."""


class Pace:
    """Counts one item of one step and makes its `Progress` events.

    Args:
        clock: monotonic seconds; injected by tests.
    """

    def __init__(
        self,
        step: str,
        total: int | None,
        *,
        item: str = "",
        unit: Unit = "points",
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.step, self.item, self.unit, self.total, self.done = step, item, unit, total, done
        self._clock = clock
        self._told_at = float("-inf")
        self._samples: deque[tuple[float, int]] = deque([(clock(), done)])

    def advance(self, by: int) -> Progress | None:
        """Count, and return an event when it is time for one."""
        self.done += by
        now = self._clock()
        if now - self._told_at < TELL_EVERY_SECONDS:
            return None
        return self.event()

    def event(self, note: str = "") -> Progress:
        """The event of this moment, whether or not one is due."""
        now = self._clock()
        self._told_at = now
        self._samples.append((now, self.done))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()
        rate = self._rate()
        left = (self.total - self.done) / rate if rate and self.total is not None else None
        return Progress(
            step=self.step,
            item=self.item,
            done=self.done,
            total=self.total,
            unit=self.unit,
            rate=rate,
            seconds_left=left,
            note=note,
        )

    def _rate(self) -> float | None:
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        if now <= then or after == before:
            return None
        return (after - before) / (now - then)
