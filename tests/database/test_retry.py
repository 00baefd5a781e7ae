"""Waiting through an outage, in bounded time."""

from collections.abc import Iterator

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import (
    AdminError,
    BadInput,
    DiskFull,
    QuotaReached,
    RateLimited,
    ServerNotReady,
    ServerUnreachable,
)
from qdrant_admin.core.events import Event, Events, Notice
from qdrant_admin.database.retry import FIRST_PAUSE, LONGEST_PAUSE, RetryPolicy

GONE = ServerUnreachable("nothing answers", why="refused")


class Clock(CancelToken):
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def now(self) -> float:
        return sum(self.waits)


def policy(clock: Clock, patience: float) -> RetryPolicy:
    return RetryPolicy(clock, fix="resume it", patience=patience, clock=clock.now)


def until_it_gives_up(retry: RetryPolicy, error: AdminError = GONE) -> tuple[list[Event], AdminError]:
    told: list[Event] = []
    for _ in range(1000):
        try:
            told += retry.backoff(error)
        except AdminError as given_up:
            return told, given_up
    raise AssertionError("it never gives up")


@pytest.mark.parametrize(
    ("patience", "waits"),
    [
        (0.2, []),
        (FIRST_PAUSE, [0.25]),
        (0.7, [0.25]),
        (0.75, [0.25, 0.5]),
        (40, [0.25, 0.5, 1, 2, 4, 8, 8, 8, 8]),
    ],
)
def test_it_waits_longer_each_time_and_never_longer_than_its_patience(patience: float, waits: list[float]) -> None:
    clock = Clock()
    told, error = until_it_gives_up(policy(clock, patience))
    assert clock.waits == waits
    assert max(clock.waits, default=0) <= LONGEST_PAUSE
    assert [(one.level, one.topic) for one in told if isinstance(one, Notice)] == [("warning", "retry")]
    assert (error.what, error.fix) == ("nothing answers", "resume it")
    assert "waited" in error.why


def test_a_success_ends_the_outage_and_the_next_one_begins_with_a_short_pause() -> None:
    clock = Clock()
    retry = policy(clock, 2)
    for _ in range(2):
        list(retry.backoff(GONE))
    [news] = retry.succeeded()
    assert isinstance(news, Notice)
    assert "answers again after" in news.text
    assert list(retry.succeeded()) == []
    until_it_gives_up(retry)
    assert clock.waits == [0.25, 0.5, 0.25, 0.5, 1]


def test_work_is_repeated_until_it_is_done() -> None:
    clock, faults = Clock(), iter([GONE, ServerNotReady("loading")])

    def work() -> Events:
        for fault in faults:
            raise fault
        yield Notice(text="done")

    told = [event.text for event in policy(clock, 60).run(work) if isinstance(event, Notice)]
    assert told[-2:] == ["done", "the server answers again after 750 ms; resuming"]
    assert clock.waits == [0.25, 0.5]


@pytest.mark.parametrize("error", [DiskFull("no room"), QuotaReached("no more"), BadInput("wrong")])
def test_what_does_not_pass_is_raised_at_once(error: AdminError) -> None:
    def work() -> Iterator[Event]:
        yield from ()
        raise error

    clock = Clock()
    with pytest.raises(type(error)):
        list(policy(clock, 60).run(work))
    assert clock.waits == []


def test_a_server_that_asks_for_a_rest_gets_it_and_that_is_no_outage() -> None:
    clock = Clock()
    retry = policy(clock, 1)
    told = [list(retry.backoff(RateLimited("slow down", seconds=seconds))) for seconds in (30, 3600, 0.5)]
    assert clock.waits == [30, 3600, 0.5]
    assert [len(one) for one in told] == [1, 0, 0]
    assert list(retry.succeeded()) == []
    clock.waits.clear()
    until_it_gives_up(retry, RateLimited("come back tomorrow", seconds=3600.1))
    assert clock.waits == [0.25, 0.5]
