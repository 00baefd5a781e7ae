"""What today comes to against what was known to be here. Pure: known state, today and log in, word and evidence out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qdrant_admin.core.reports import Fact, Finding
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.memory import Memory, Today, weigh
from qdrant_admin.server.journal import Deed, Event, Journal
from qdrant_admin.state.inventory import KnownCollection, KnownStorage, SeenStorage, StorageIdentity

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
    assert weigh(then, now, never) == Memory()


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
