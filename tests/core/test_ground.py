"""Cancellation, pace, text and errors."""

import threading
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core import errors
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled, ExitCode
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.progress import ProgressMeter


def test_cancelling_wakes_whoever_waits() -> None:
    token = CancelToken()
    seen: list[type[BaseException]] = []

    def work() -> None:
        try:
            token.wait(60)
        except Cancelled as error:
            seen.append(type(error))

    worker = threading.Thread(target=work)
    worker.start()
    token.cancel()
    worker.join(10)
    assert seen == [Cancelled]


def test_cancelling_wakes_whoever_is_held() -> None:
    token = CancelToken()
    token.pause()
    assert token.paused
    stopped: list[bool] = []

    def work() -> None:
        try:
            token.check()
        except Cancelled:
            stopped.append(True)

    worker = threading.Thread(target=work)
    worker.start()
    token.cancel()
    worker.join(10)
    assert stopped == [True]


def test_a_held_operation_goes_on_after_resume() -> None:
    token = CancelToken()
    token.pause()
    passed = threading.Event()

    def work() -> None:
        token.check()
        passed.set()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    assert not passed.wait(0.02)
    token.resume()
    assert passed.wait(10)
    worker.join(10)


def test_nothing_is_held_after_cancelling() -> None:
    token = CancelToken()
    token.cancel()
    token.pause()
    assert not token.paused
    with pytest.raises(Cancelled):
        token.check()


def test_waiting_ends_without_a_word_when_nobody_stops_and_at_once_when_somebody_does() -> None:
    token = CancelToken()
    token.wait(0.001)
    assert not token.cancelled
    threading.Timer(0.01, token.cancel).start()
    with pytest.raises(Cancelled):
        token.wait(3600)


class Clock:
    """A clock that only moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pace_tells_rate_and_time_left() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 1000, item="a", clock=clock)
    clock.now += 2
    event = pace.advance(200)
    assert event is not None
    assert (event.done, event.total, event.rate, event.seconds_left, event.item) == (200, 1000, 100.0, 8.0, "a")


def test_pace_tells_at_most_fifteen_times_a_second() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", None, clock=clock)
    told = 0
    for _ in range(1000):
        clock.now += 0.001
        told += pace.advance(1) is not None
    assert 13 <= told <= 16
    last = pace.event()
    assert last.done == 1000
    assert last.seconds_left is None


def test_pace_forgets_what_was_long_ago() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10000, clock=clock)
    for _ in range(20):
        clock.now += 1
        pace.advance(100)
    for _ in range(10):
        clock.now += 1
        pace.advance(10)
    assert pace.event().rate == pytest.approx(10.0)


def test_a_stopped_pace_has_no_time_left() -> None:
    clock = Clock()
    pace = ProgressMeter("copy", 10, clock=clock)
    clock.now += 60
    event = pace.event("waiting for the server")
    assert (event.rate, event.seconds_left, event.note) == (None, None, "waiting for the server")


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("[/oops]", "[/oops]"),
        ("\x1b[31mred", "␛[31mred"),
        ("a\nb\tc\rd", "a⏎b⇥c␍d"),
        ("nul\x00", "nul␀"),
        ("bidi\u202eevil", "bidi�evil"),
        ("\ud800", "�"),
        ("日本語 é", "日本語 é"),
        (42, "42"),
    ],
)
def test_hostile_text_becomes_visible(hostile: object, shown: str) -> None:
    assert plain(hostile) == shown


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    shown = plain(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in shown)
    assert plain(shown) == shown
    shown.encode("utf-8")


def _tree(kind: type[AdminError]) -> list[type[AdminError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]


@pytest.mark.parametrize("kind", _tree(AdminError), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_of_the_contract_and_stands_in_the_tree(kind: type[AdminError]) -> None:
    assert kind("what").exit_code in set(ExitCode)
    assert kind.__name__ in (errors.__doc__ or "") or kind.__module__ != errors.__name__


def test_an_error_says_what_and_why() -> None:
    error = errors.PortTaken("port 6333 is taken", why="nginx listens there", fix="qdrant-admin up --port 6335")
    assert str(error) == "port 6333 is taken: nginx listens there"
    assert error.exit_code == 3
    assert str(Cancelled()) == "cancelled"
