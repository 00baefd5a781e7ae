"""What a crash test may claim, and what its writers remember. Without a server."""

import random
import threading
from typing import Literal, cast

import pytest

from qdrant_admin.core.errors import AdminError, OutcomeUnknown, QuotaReached, RequestRejected
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point
from qdrant_admin.persistence.crash import outcome
from qdrant_admin.persistence.workload import Content, Counts, PointWriter, Slot, Writer, Writers

OLD, NEW, OTHER = Content(1, 1), Content(2, 1), Content(3, 3)
Asked = Content | Literal["nothing"] | None


@pytest.mark.parametrize(
    ("acknowledged", "lost", "failed", "trouble", "verdict", "words"),
    [
        (900, 0, (), "", "persisted", ""),
        (0, 0, (), "", "inconclusive", "acknowledged no change"),
        (900, 0, ("the collection is full",), "", "inconclusive", "the collection is full"),
        (900, 0, (), "the server did not come up", "inconclusive", "did not come up"),
        (900, 1, (), "", "lost", ""),
        (900, 1, ("the collection is full",), "the server did not come up", "lost", "did not come up"),
        (1, 0, (), "", "persisted", ""),
    ],
)
def test_a_crash_test_claims_no_more_than_it_has_seen(
    acknowledged: int, lost: int, failed: tuple[str, ...], trouble: str, verdict: str, words: str
) -> None:
    found = outcome(acknowledged=acknowledged, lost=lost, failed_writers=failed, trouble=trouble)
    assert found.verdict == verdict
    assert words in found.reason
    assert bool(found.reason) == bool(words)


@pytest.mark.parametrize("lost", [0, 1])
def test_one_member_of_a_cluster_claims_nothing_of_the_others(lost: int) -> None:
    found = outcome(acknowledged=900, lost=lost, failed_writers=(), members=2)
    assert found.verdict == "inconclusive"
    assert "one of 2 members" in found.reason


@pytest.mark.parametrize(
    ("acknowledged", "asked", "found", "lost"),
    [
        (OLD, "nothing", OLD, False),
        (OLD, "nothing", None, True),
        (OLD, "nothing", OTHER, True),
        (OLD, NEW, OLD, False),
        (OLD, NEW, NEW, False),
        (OLD, NEW, None, True),
        (OLD, NEW, OTHER, True),
        (OLD, None, None, False),
        (OLD, None, OLD, False),
        (None, "nothing", OLD, True),
        (None, NEW, None, False),
    ],
)
def test_only_the_state_before_or_after_an_unanswered_change_is_legal(
    acknowledged: Content | None, asked: Asked, found: Content | None, lost: bool
) -> None:
    loss = Slot(acknowledged, asked).loss("point 1", found)
    assert (loss is not None) == lost


class FailingWriter:
    """Acknowledges two changes, and fails in the third once it may."""

    def __init__(self, error: Exception) -> None:
        self.counts = Counts()
        self.arrived, self.may_fail = threading.Event(), threading.Event()
        self._error = error

    def step(self, database: Database) -> None:
        if self.counts.acknowledged == 2:
            self.arrived.set()
            assert self.may_fail.wait(60)
            raise self._error
        self.counts.acknowledged += 1


class Connection:
    """Stands for a connection that nobody asks anything."""

    def close(self) -> None:
        pass


def connect() -> Database:
    return cast("Database", Connection())


@pytest.mark.parametrize(
    ("error", "words", "unanswered"),
    [
        (RequestRejected("the vector has 3 dimensions"), "the vector has 3 dimensions", 1),
        (KeyError("slot"), "KeyError: 'slot'", 0),
    ],
)
@pytest.mark.parametrize("crash", [False, True])
def test_a_writer_that_fails_is_told_unless_the_crash_broke_off_its_request(
    error: Exception, words: str, unanswered: int, crash: bool
) -> None:
    writer = FailingWriter(error)
    writers = Writers([cast("Writer", writer)], connect)
    assert writer.arrived.wait(60)
    if crash:
        writers.expect_crash()
    writer.may_fail.set()
    writers.stop()
    by_the_crash = crash and isinstance(error, AdminError)
    assert writers.failures == ([] if by_the_crash else [words])
    assert (writer.counts.acknowledged, writer.counts.unanswered) == (2, unanswered)


def test_a_writer_that_cannot_even_connect_is_told() -> None:
    def refuse() -> Database:
        raise AdminError("nobody is there")

    writers = Writers([cast("Writer", FailingWriter(KeyError()))], refuse)
    writers.stop()
    assert writers.failures == ["nobody is there"]


class LateServer:
    """Applies nothing, and answers some changes in time and some not."""

    def __init__(self) -> None:
        self.written: dict[int, int] = {}
        self._turn = 0

    def _answer(self) -> None:
        self._turn += 1
        if self._turn % 3 == 0:
            raise OutcomeUnknown("wait_timeout")

    def upsert(self, _: str, points: list[Point], *, wait: bool) -> None:
        assert wait
        assert not any(int(one.id) in self.written for one in points), "a change on top of one that may yet come"
        try:
            self._answer()
        except OutcomeUnknown:
            self.written |= {int(one.id): self._turn for one in points}
            raise

    def delete_points(self, _: str, ids: list[int], *, wait: bool) -> None:
        self.upsert(_, [Point(one) for one in ids], wait=wait)

    def set_payload(self, _: str, ids: list[int], payload: object, *, wait: bool) -> None:
        assert payload
        self.upsert(_, [Point(one) for one in ids], wait=wait)


def test_a_change_that_was_not_answered_in_time_is_legal_both_ways_and_its_id_is_left_alone() -> None:
    writer = PointWriter(0, "c", random.Random(1), wait=True)  # noqa: S311 # no secret
    server = LateServer()
    unknown = 0
    for _ in range(60):
        try:
            writer.step(cast("Database", server))
        except OutcomeUnknown:
            unknown += 1
    late = [slot for one, slot in writer.slots.items() if one in server.written]
    assert unknown == 20
    assert writer.counts.acknowledged == 40
    assert late
    for slot in late:
        asked = None if slot.asked == "nothing" else slot.asked
        assert slot.loss("p", slot.acknowledged) is None
        assert slot.loss("p", asked) is None
    known = [slot for one, slot in writer.slots.items() if one not in server.written]
    assert all(slot.asked == "nothing" for slot in known)


def test_writers_go_on_after_a_change_without_an_answer_and_a_quota_ends_them() -> None:
    class Patient:
        def __init__(self) -> None:
            self.counts, self.turn = Counts(), 0

        def step(self, _: Database) -> None:
            self.turn += 1
            if self.turn < 4:
                raise OutcomeUnknown("wait_timeout")
            raise QuotaReached("a quota is reached", why="disk usage is at 74% of 70%")

    writer = Patient()
    writers = Writers([cast("Writer", writer)], connect)
    writers._threads[0].join(60)
    writers.stop()
    assert writer.counts.unanswered == 4, "three without an answer, and the one that was refused"
    assert writers.failures == ["a quota is reached: disk usage is at 74% of 70%"]
