"""Exact searches answer the same as long as the content is the same; ties and last bits are no difference."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.fingerprint import compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import PointId
from qdrant_admin.database.searches import NEAREST, Answer, Search, changed_searches
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

SEARCH = Search("", 1, np.ones(2, dtype=np.float32))


def found(
    before: Sequence[tuple[PointId, float]], after: Sequence[tuple[PointId, float]]
) -> list[tuple[str, dict[str, JsonValue]]]:
    changes = changed_searches({SEARCH: Answer(tuple(before))}, {SEARCH: Answer(tuple(after))})
    return [(change.code, {key: value for key, value in change.facts.items() if key != "number"}) for change in changes]


HITS = [(number, 1.0 - number / 100) for number in range(NEAREST)]


@pytest.mark.parametrize(
    "after",
    [
        HITS,
        [(number, score * (1 + 1e-6)) for number, score in HITS],
        [*HITS[:-1], (77, HITS[-1][1])],  # another one of those that are equally far at the end
        [(0, math.nan), *HITS[1:]],
    ],
)
def test_no_difference(after: list[tuple[PointId, float]]) -> None:
    assert found(HITS, after) == []


def test_points_of_one_score_come_in_any_order() -> None:
    same = [(number, 0.0) for number in range(NEAREST)]
    assert found(same, [(number + 50, 0.0) for number in range(NEAREST)]) == []
    ends = [*HITS[:5], *((number, 0.5) for number in range(20, 25))]
    assert found(ends, [*reversed(HITS[:5]), *((number, 0.5) for number in range(30, 35))]) != []  # no order of scores
    assert found(ends, [*HITS[:5], *((number, 0.5) for number in range(30, 35))]) == []


@pytest.mark.parametrize(
    ("after", "code", "facts"),
    [
        ([*HITS[:3], (77, HITS[3][1]), *HITS[4:]], "search_points", {}),
        ([(number, score - 0.01) for number, score in HITS], "search_scores", {}),
        (HITS[:-1], "search_count", {"before": 10, "after": 9}),
        ([], "search_count", {"before": 10, "after": 0}),
    ],
)
def test_a_difference(after: list[tuple[PointId, float]], code: str, facts: dict[str, JsonValue]) -> None:
    assert found(HITS, after) == [(code, facts)]


def test_of_a_small_collection_every_point_counts() -> None:
    assert found(HITS[:3], [*HITS[:2], (77, HITS[2][1])]) == [("search_points", {})]


def test_a_search_that_is_no_longer_answered_is_told_and_one_that_was_not_asked_is_not() -> None:
    told = changed_searches({SEARCH: Answer(tuple(HITS))}, {SEARCH: Answer(trouble="it panicked")})
    assert list(told) == [Difference(code="search_unanswered", facts={"number": 1, "why": "it panicked"})]
    assert list(changed_searches({SEARCH: Answer(tuple(HITS))}, {})) == []
    assert list(changed_searches({SEARCH: Answer(trouble="broken")}, {SEARCH: Answer(tuple(HITS))})) == []


@pytest.mark.server
def test_every_slot_of_a_real_collection_is_searched(filled: Server) -> None:
    """And an answer that changes though no point has is told like a setting."""
    with Database(filled.endpoint) as database, fingerprint(database, "odd") as one:
        slots = {"": 3, "half": 3, "octets": 3, "rows": 3, "words": 3}
        asked = [search.using for search, answer in one.searches.items() if answer.hits]
        assert {slot: asked.count(slot) for slot in slots} == slots
        with fingerprint(database, "odd", earlier=one) as again:
            assert compare(one, again).same
            assert list(again.searches) == list(one.searches)
            search = next(search for search in one.searches if search.using == "rows")
            (first, score), *others = one.searches[search].hits
            swapped = replace(again, searches=dict(again.searches) | {search: Answer(((999, score), *others))})
            assert compare(one, swapped).settings == (
                Difference(code="search_points", name="rows", facts={"number": search.number}),
            )
        assert first is not None
