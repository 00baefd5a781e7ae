"""What a crash test may claim, and what its writers remember. Without a server."""

import threading
from typing import Literal, cast

import pytest

from qdrant_admin.core.errors import AdminError, RequestRejected
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.crash import outcome
from qdrant_admin.persistence.workload import Content, Counts, Slot, Writer, Writers

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
