"""A rate that can be read and a time left that can be believed, on a clock of the test's own."""

import itertools
import random
from collections.abc import Iterator

import pytest

from qdrant_admin.core.events import Progress
from qdrant_admin.core.progress import EVIDENCE_SECONDS, ProgressMeter


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(pace: ProgressMeter, clock: Clock, gaps: Iterator[float], batch: int = 256) -> Iterator[tuple[float, Progress]]:
    """Batches, each after its gap, until all is done."""
    assert pace.total is not None
    while pace.done < pace.total:
        clock.now += next(gaps)
        told = pace.advance(min(batch, pace.total - pace.done), octets=batch * 100)
        if told is not None:
            yield clock.now, told


def noisy(seed: int, mean: float) -> Iterator[float]:
    """Gaps as of a busy server: most are short, some are ten times as long."""
    chance = random.Random(seed)  # noqa: S311 # noise, no secret
    while True:
        yield mean * (10 if chance.random() < 0.05 else chance.uniform(0.2, 1.3))


@pytest.mark.parametrize("seed", range(5))
def test_the_time_left_neither_jumps_nor_lies(seed: int) -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 400_000, clock=clock)
    told = list(run(pace, clock, noisy(seed, 0.05)))
    end = clock.now
    known = [(now, event.seconds_left) for now, event in told if event.seconds_left is not None]
    assert known[0][0] - told[0][0] < EVIDENCE_SECONDS + 1
    for (then, before), (now, after) in itertools.pairwise(known):
        assert abs(after - (before - (now - then))) < 2 + before * 0.05
    late = [(now, left) for now, left in known if now - told[0][0] > 10]
    assert all(abs(left - (end - now)) < 0.4 * (end - now) + 2 for now, left in late)


def test_nothing_is_promised_before_there_is_evidence() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10_000, clock=clock)
    assert pace.event().seconds_left is None
    assert pace.event().rate is None
    clock.now += 1
    told = pace.advance(500)
    assert told is not None
    assert (told.rate, told.seconds_left) == (500, None)
    clock.now += 60
    assert ProgressMeter("copy", None, clock=clock).event().seconds_left is None


def test_being_held_for_an_hour_changes_no_promise() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 100_000, clock=clock)
    before = after = None
    for number in range(200):
        clock.now += 3600 if number == 100 else 0.1
        told = pace.advance(100)
        assert told is not None
        before, after = (told.seconds_left, after) if number == 99 else (before, told.seconds_left)
    assert before is not None
    assert after is not None
    assert before == pytest.approx(90, rel=0.1)
    assert after == pytest.approx(80, rel=0.3)


def test_a_slow_but_steady_server_is_no_standstill() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10_000, clock=clock)
    told = None
    for _ in range(20):
        clock.now += 20
        told = pace.advance(100)
    assert told is not None
    assert told.seconds_left == pytest.approx(8_000 * 20 / 100, rel=0.2)


def test_waiting_is_said_without_a_rate() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10_000, clock=clock)
    for _ in range(50):
        clock.now += 0.1
        pace.advance(100, octets=1000)
    clock.now += 8
    waiting = pace.event(note="nothing answers")
    assert (waiting.rate, waiting.seconds_left, waiting.note) == (None, None, "nothing answers")
    clock.now += 0.1
    told = pace.advance(100, octets=1000)
    assert told is not None
    assert told.rate == pytest.approx(1000, rel=0.1)
    assert told.octet_rate == pytest.approx(10_000, rel=0.1)


def test_at_the_end_nothing_is_left() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10_000, clock=clock)
    *_, (_, last) = run(pace, clock, noisy(1, 0.1))
    assert pace.event().seconds_left == 0
    assert last.seconds_left is not None
    assert last.seconds_left < 3


def test_two_seconds_in_which_nothing_comes_promise_nothing_and_divide_by_nothing() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 1000, clock=clock)
    for _ in range(30):
        clock.now += 0.5
        told = pace.advance(0)
        assert told is None or (told.rate, told.seconds_left) == (None, None)
    assert pace.event().seconds_left is None
