"""What today comes to against what was known to be here. Pure: known state, today and log in, word and evidence out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qdrant_admin.core.formatting import day
from qdrant_admin.core.reports import Fact, Finding
from qdrant_admin.lifecycle.finding_words import in_words, text
from qdrant_admin.lifecycle.memory import Memory, Today, weigh
from qdrant_admin.server.journal import Deed, Event, Journal
from qdrant_admin.state.inventory import (
    Because,
    KnownCollection,
    KnownStorage,
    Missed,
    SeenStorage,
    StorageIdentity,
    Word,
)

MONDAY = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)
HERE = StorageIdentity(place="volume data", mark="data 1", peer="71")
OTHER = StorageIdentity(place="volume data", mark="data 2", peer="72")
OLDER_COPY = HERE.model_copy(update={"mark": "data 2"})
PROCESS, NEXT_PROCESS = "2026-03-01T08:00:00Z", "2026-03-03T08:00:00Z"
WHOLE = Journal(MONDAY - timedelta(days=1), ())
LATE = Journal(MONDAY + timedelta(days=1), ())
SILENT = Journal(None, ())


def known(identity: StorageIdentity | None = HERE, **counts: int) -> KnownStorage:
    collections = tuple(
        KnownCollection(name=name, points=points, exact=True, at=MONDAY) for name, points in counts.items()
    )
    values: dict[str, Any] = {"process": PROCESS, "deletes": 5, "grpc_deletes": 2}
    return KnownStorage(
        id=1,
        profile="local",
        runtime="docker" if identity else "remote",
        place="volume data" if identity else "http://far",
        identity=identity,
        version="1.16.3",
        collections=collections,
        at=MONDAY,
        **values,
    )


def today(identity: StorageIdentity | None = HERE, *, more: Any = None, **counts: int) -> Today:
    storage = known(identity, **counts)
    values: dict[str, Any] = {"process": PROCESS, "deletes": 5, "grpc_deletes": 2} | (more or {})
    seen = SeenStorage(
        runtime=storage.runtime, identity=identity, place=storage.place, collections=storage.collections, **values
    )
    return Today(storage=seen, names_its_deletes=identity is not None)


def log(*deeds: tuple[str, Deed], begins: datetime | None = WHOLE.begins) -> Journal:
    events = (Event(name, deed, MONDAY + timedelta(hours=1 + n)) for n, (name, deed) in enumerate(deeds))
    return Journal(begins, tuple(events))


def never(_: datetime) -> Journal:
    raise AssertionError("nothing is missing, so nobody needs the log")


def words(found: Memory) -> list[tuple[str, str, str, str]]:
    return [(one.name, one.kind, one.word, one.because) for one in found.missing]


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (None, today(a=1)),
        (known(), today(a=1)),
        (known(a=5), today(a=5, b=1)),
        (known(a=5), today(a=6)),
        (known(empty=0), today(empty=0)),
        (known(a=5), today(OTHER, a=5)),  # moved, and nothing is missing
        (known(None, a=5), today(OTHER)),  # the storage of a server out of sight cannot be told from another
        (known(a=5), today(None)),
    ],
)
def test_nothing_is_missing(then: KnownStorage | None, now: Today) -> None:
    found = weigh(then, now, never)
    assert (found.missing, found.word, found.earlier) == ((), None, "")


def seen_so(points: int, *, exact: bool = True, settings: str = "", digest: str = "") -> KnownCollection:
    return KnownCollection(name="a", points=points, exact=exact, settings=settings, digest=digest, at=MONDAY)


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (seen_so(5), seen_so(5), []),
        (seen_so(5), seen_so(2), ["a has 3 points fewer than on {day}"]),
        (seen_so(5), seen_so(6), ["a has 1 point more than on {day}"]),
        (seen_so(5, exact=False), seen_so(2), []),
        (seen_so(5), seen_so(2, exact=False), []),
        (seen_so(5, digest="P2:1"), seen_so(5, digest="P2:2"), ["a has as many points as on {day}, but other content"]),
        (seen_so(5, digest="P1:1"), seen_so(5, digest="P2:2"), []),
        (seen_so(5, digest="P2:1"), seen_so(5), []),
        (
            seen_so(5, settings="2:1", digest="P2:1"),
            seen_so(4, settings="2:2", digest="P2:2"),
            ["a has 1 point fewer and other settings than on {day}"],
        ),
    ],
)
def test_what_is_not_as_it_was_is_told_and_weighs_nothing(
    then: KnownCollection, now: KnownCollection, told: list[str]
) -> None:
    known_then, seen = known(), today()
    found = weigh(
        known_then.model_copy(update={"collections": (then,)}),
        seen.model_copy(update={"storage": seen.storage.model_copy(update={"collections": (now,)})}),
        lambda _: WHOLE,
    )
    assert found.word is None
    assert list(in_words(found)) == [one.format(day=day(MONDAY)) for one in told]


@pytest.mark.parametrize("identity", [OTHER, OLDER_COPY])
@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, ("a", "gone", "lost", "other_storage")),
        ({"a": 0, "b": 9}, ("a", "emptied", "lost", "other_storage")),
        ({"a": 4}, ("a", "fewer", "lost", "other_storage")),
    ],
)
def test_another_storage_that_holds_less_is_a_loss(
    identity: StorageIdentity, now: dict[str, int], expected: tuple[str, ...]
) -> None:
    found = weigh(known(a=5), today(identity, **now), never)
    assert words(found) == [expected]
    assert (found.word, found.earlier, found.today) == ("lost", "volume data", "volume data")


@pytest.mark.parametrize(
    ("journal", "word", "because"),
    [
        (WHOLE, "lost", "no_delete"),
        (LATE, "inconclusive", "log_begins"),
        (SILENT, "inconclusive", "log_silent"),
        (log(("a", "deleted")), "told", "request"),
        (log(("a", "deleted"), begins=LATE.begins), "told", "request"),  # what it says is enough
        (log(("b", "deleted")), "lost", "no_delete"),
        (log(("a", "deleted"), ("a", "loaded")), "lost", "no_delete"),  # it had been put back since
        (log(("a", "deleted"), ("a", "made")), "lost", "no_delete"),  # the delete was before it was made again
        (log(("a", "emptied")), "lost", "no_delete"),  # its points are deleted by such a request, not the collection
        (Journal(LATE.begins, (Event("a", "made", MONDAY),)), "lost", "no_delete"),
    ],
)
def test_a_collection_that_is_gone(journal: Journal, word: str, because: str) -> None:
    found = weigh(known(a=5, b=1), today(b=1, more={"process": NEXT_PROCESS, "grpc_deletes": 9}), lambda _: journal)
    assert words(found) == [("a", "gone", word, because)]


@pytest.mark.parametrize(
    ("journal", "more", "word", "because"),
    [
        (log(("a", "emptied")), {}, "told", "request"),
        (log(("a", "deleted"), ("a", "made")), {}, "told", "request"),
        (log(("other name", "emptied")), {}, "told", "request"),  # by its alias
        (log(("b", "emptied")), {}, "lost", "no_delete"),
        (log(("a", "made")), {}, "lost", "no_delete"),  # made anew, though nothing had deleted it
        # Over gRPC the log names no deleted points: the counters of the process are the witness.
        (WHOLE, {"grpc_deletes": 3}, "told", "request"),
        (WHOLE, {"deletes": 9}, "lost", "no_delete"),  # over REST, of which the log would show it
        (WHOLE, {"process": NEXT_PROCESS, "grpc_deletes": 1}, "told", "request"),
        (WHOLE, {"process": NEXT_PROCESS, "grpc_deletes": 0}, "inconclusive", "process_ended"),
        (WHOLE, {"grpc_deletes": None}, "inconclusive", "process_ended"),
        (LATE, {}, "lost", "no_delete"),  # the same process as then has counted no delete at all
        (LATE, {"deletes": 6}, "told", "request"),
        (LATE, {"process": NEXT_PROCESS}, "inconclusive", "log_begins"),
        (SILENT, {"process": NEXT_PROCESS}, "inconclusive", "log_silent"),
    ],
)
def test_a_collection_that_is_empty_now(journal: Journal, more: dict[str, Any], word: str, because: str) -> None:
    now = today(a=0, b=1, more=more).model_copy(update={"aliases": {"a": ("other name",)}})
    found = weigh(known(a=5, b=1), now, lambda _: journal)
    assert [(one.name, one.word, one.because) for one in found.missing] == [("a", word, because)]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({}, "lost"),
        ({"deletes": 6}, "told"),
        ({"process": NEXT_PROCESS, "deletes": 7, "grpc_deletes": 7}, "inconclusive"),
        ({"deletes": None, "grpc_deletes": None}, "inconclusive"),
    ],
)
def test_of_a_server_out_of_sight_only_its_counters_tell(more: dict[str, Any], word: str) -> None:
    found = weigh(known(None, a=5), today(None, more=more), lambda _: SILENT)
    assert [one.word for one in found.missing] == [word]


@pytest.mark.parametrize(
    ("journal", "expected"),
    [
        (WHOLE, []),  # applications delete points
        (log(("a", "deleted"), ("a", "made")), []),
        (log(("a", "emptied"), ("a", "made")), []),  # a snapshot was restored
        (log(("a", "made")), [("a", "remade", "lost", "no_delete")]),  # an application that makes what it misses
        (log(("a", "made"), begins=LATE.begins), []),
    ],
)
def test_one_that_holds_less_weighs_only_when_it_was_made_anew_without_a_delete(
    journal: Journal, expected: list[tuple[str, ...]]
) -> None:
    assert words(weigh(known(a=5), today(a=4), lambda _: journal)) == expected


def test_what_was_deleted_before_it_was_known_explains_nothing() -> None:
    journal = Journal(WHOLE.begins, (Event("a", "emptied", MONDAY - timedelta(hours=1)),))
    assert words(weigh(known(a=5), today(a=0), lambda _: journal)) == [("a", "emptied", "lost", "no_delete")]


def test_a_count_that_says_nothing_yet_is_not_weighed() -> None:
    now = today(a=0).model_copy(update={"uncertain": frozenset({"a", "b"})})
    assert weigh(known(a=5, b=5), now, never) == Memory()
    other = today(OTHER, a=0).model_copy(update={"uncertain": frozenset({"a"})})
    assert weigh(known(a=5), other, never) == Memory()


def test_the_sentence_says_when_how_much_and_why() -> None:
    facts: dict[str, Fact] = {
        "points": 3763,
        "now": 0,
        "at": "2026-03-02T09:14:00+00:00",
        "moment": "",
        "evidence": "no_delete",
    }
    found = Finding(code="known_collection_missing", level="fail", subject="project_memories", facts=facts)
    said = text(found)
    assert "there were 3 763 points in project_memories here; today there is no such collection" in said
    assert said.endswith(", and no request accounts for it")


def told_before(word: Word, because: Because, points: int = 5) -> KnownStorage:
    """A storage of which an earlier look missed `a`."""
    one = KnownCollection(
        name="a", points=points, exact=True, at=MONDAY, missed=Missed(word=word, because=because, moment=None)
    )
    return known(b=1).model_copy(update={"collections": (one,)})


@pytest.mark.parametrize("journal", [LATE, SILENT, log(("a", "made"), ("a", "deleted"))])
def test_what_is_lost_stays_so_when_the_log_that_told_it_is_gone(journal: Journal) -> None:
    found = weigh(
        told_before("lost", "no_delete"), today(b=1, more={"deletes": 9, "grpc_deletes": 9}), lambda _: journal
    )
    assert words(found) == [("a", "gone", "lost", "no_delete")]


@pytest.mark.parametrize(
    ("now", "journal", "expected"),
    [
        (5, WHOLE, []),  # put back
        (2, WHOLE, [("a", "emptied", "lost", "no_delete")]),
        (9, log(("a", "made")), [("a", "remade", "lost", "no_delete")]),  # an application that fills what it misses
        (0, log(("a", "made"), ("a", "emptied")), [("a", "remade", "lost", "no_delete")]),
    ],
)
def test_what_is_lost_stays_so_until_it_is_put_back(
    now: int, journal: Journal, expected: list[tuple[str, ...]]
) -> None:
    assert words(weigh(told_before("lost", "no_delete"), today(a=now), lambda _: journal)) == expected


@pytest.mark.parametrize("more", [{}, {"deletes": 9, "grpc_deletes": 9}])
def test_where_nobody_could_tell_counters_of_later_tell_nothing(more: dict[str, Any]) -> None:
    then = told_before("inconclusive", "log_begins")
    assert words(weigh(then, today(b=1, more=more), lambda _: LATE)) == [("a", "gone", "inconclusive", "log_begins")]
    assert [one.word for one in weigh(then, today(b=1), lambda _: log(("a", "deleted"))).missing] == ["told"]


@pytest.mark.parametrize(
    ("journal", "word"),
    [
        (WHOLE._replace(unseen_delete=MONDAY + timedelta(hours=1)), "inconclusive"),  # by a server of another log
        (WHOLE._replace(unseen_delete=MONDAY - timedelta(hours=1)), "lost"),
        (log(("b", "deleted"))._replace(unseen_delete=MONDAY + timedelta(hours=1)), "lost"),
        (WHOLE._replace(begins=MONDAY + timedelta(seconds=1)), "inconclusive"),
        (WHOLE._replace(ends=MONDAY - timedelta(seconds=1)), "inconclusive"),  # a clock was set back
    ],
)
def test_a_log_that_may_not_tell_everything_proves_no_loss(journal: Journal, word: str) -> None:
    found = weigh(known(a=5), today(more={"process": NEXT_PROCESS}), lambda _: journal)
    assert [one.word for one in found.missing] == [word]


def test_a_log_without_requests_proves_no_emptying() -> None:
    now = today(a=0, more={"process": NEXT_PROCESS, "grpc_deletes": 0})
    found = weigh(known(a=5), now, lambda _: WHOLE._replace(requests=False))
    assert [one.word for one in found.missing] == ["inconclusive"]


def test_making_it_before_it_was_known_is_no_making_anew() -> None:
    journal = Journal(WHOLE.begins, (Event("a", "made", MONDAY - timedelta(seconds=1)),))
    assert weigh(known(a=5), today(a=4), lambda _: journal).missing == ()
