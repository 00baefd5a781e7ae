"""How fast work goes, how long it will take, and how often that is worth telling."""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from qdrant_admin.core.events import Progress, Unit

WINDOW_SECONDS = 5.0
"""The rate is that of the last few seconds: old enough to be calm, young enough to be true."""
TELL_EVERY_SECONDS = 0.066
"""At most some 15 events a second reach a screen (measured: more costs the screen, and nobody can read it)."""
HORIZON_SECONDS = 30.0
"""The time left is reckoned from a longer stretch than the rate: it is a promise, not a speedometer."""
SAMPLE_SECONDS = 0.5
EVIDENCE_SECONDS = 2.0
"""Before that much work nobody can say how long the rest takes."""
CALM_SECONDS = 5.0
"""How fast a new reckoning moves the time that is told: less than a second, hardly; several times this, wholly."""
STANDSTILL_SECONDS = 5.0
SHORTEST_SECONDS = 0.2
"""A rate over less than this is chance."""


class _Sample(NamedTuple):
    at: float
    done: int
    octets: int


class ProgressMeter:
    """Counts one item of one step and makes its `Progress` events.

    Time in which nobody works (held by a person, waiting for a server) counts neither for the rate nor for the time
    left.

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
        self.octets = 0
        """Bytes handled so far, where somebody counts them."""
        self._clock = clock
        self._told_at = float("-inf")
        self._seen_at, self._worked, self._usual_gap = clock(), 0.0, 0.0
        first = _Sample(0.0, done, 0)
        self._recent: deque[_Sample] = deque([first])
        self._long: deque[_Sample] = deque([first])
        self._left: tuple[float, float] | None = None
        """Seconds left as they were told, and how long had been worked by then."""

    def advance(self, by: int, octets: int = 0) -> Progress | None:
        """Count, and return an event when it is time for one."""
        self.done += by
        self.octets += octets
        self._work()
        if self._clock() - self._told_at < TELL_EVERY_SECONDS:
            return None
        return self.event()

    def event(self, note: str = "") -> Progress:
        """The event of this moment, whether or not one is due. With a note it tells of waiting: no rate, no promise."""
        self._told_at = self._clock()
        if note:
            self._seen_at = self._told_at
            return self._progress(None, None, None, note)
        self._work()
        self._sample()
        rate, octet_rate = self._rates()
        return self._progress(rate, octet_rate, self._seconds_left(), "")

    def _progress(self, rate: float | None, octet_rate: float | None, left: float | None, note: str) -> Progress:
        return Progress(
            step=self.step,
            item=self.item,
            done=self.done,
            total=self.total,
            unit=self.unit,
            rate=rate,
            octet_rate=octet_rate,
            seconds_left=left,
            note=note,
        )

    def _work(self) -> None:
        """Let the clock of work go on; a gap much longer than usual was no work."""
        now = self._clock()
        gap, self._seen_at = now - self._seen_at, now
        standstill = gap > max(STANDSTILL_SECONDS, 5 * self._usual_gap)
        self._worked += self._usual_gap if standstill else gap
        self._usual_gap += (min(gap, 12 * STANDSTILL_SECONDS) - self._usual_gap) / 5

    def _sample(self) -> None:
        sample = _Sample(self._worked, self.done, self.octets)
        self._recent.append(sample)
        while len(self._recent) > 2 and self._worked - self._recent[0].at > WINDOW_SECONDS:
            self._recent.popleft()
        if self._worked - self._long[-1].at >= SAMPLE_SECONDS:
            self._long.append(sample)
        while len(self._long) > 2 and self._worked - self._long[0].at > HORIZON_SECONDS:
            self._long.popleft()

    def _rates(self) -> tuple[float | None, float | None]:
        first, last = self._recent[0], self._recent[-1]
        seconds = last.at - first.at
        if seconds < SHORTEST_SECONDS:
            return None, None
        rate, octet_rate = (last.done - first.done) / seconds, (last.octets - first.octets) / seconds
        return rate or None, octet_rate or None

    def _seconds_left(self) -> float | None:
        """What the last half minute promises, moved gently from what was told before."""
        first, seconds = self._long[0], self._worked - self._long[0].at
        if self.total is None or seconds < EVIDENCE_SECONDS or self.done <= first.done:
            return None
        fresh = max(0.0, self.total - self.done) * seconds / (self.done - first.done)
        if self._left is not None and fresh:
            told, then = self._left
            passed = self._worked - then
            expected = max(0.0, told - passed)
            fresh = expected + (fresh - expected) * (1 - math.exp(-passed / CALM_SECONDS))
        self._left = fresh, self._worked
        return fresh
