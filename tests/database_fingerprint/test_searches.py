"""Exact searches answer the same as long as the content is the same; ties and last bits are no difference."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.fingerprint import compare, fingerprint
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import PointId
from qdrant_admin.database.searches import NEAREST, Answer, Search, search_words
from tests.support.real import Server

SEARCH = Search("", 1, np.ones(2, dtype=np.float32))


def words(before: Sequence[tuple[PointId, float]], after: Sequence[tuple[PointId, float]]) -> str:
    return "".join(search_words({SEARCH: Answer(tuple(before))}, {SEARCH: Answer(tuple(after))}))


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
    assert words(HITS, after) == ""


def test_points_of_one_score_come_in_any_order() -> None:
    same = [(number, 0.0) for number in range(NEAREST)]
    assert words(same, [(number + 50, 0.0) for number in range(NEAREST)]) == ""
    ends = [*HITS[:5], *((number, 0.5) for number in range(20, 25))]
    assert words(ends, [*reversed(HITS[:5]), *((number, 0.5) for number in range(30, 35))]) != ""  # no order of scores
    assert words(ends, [*HITS[:5], *((number, 0.5) for number in range(30, 35))]) == ""


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([*HITS[:3], (77, HITS[3][1]), *HITS[4:]], "answers other points"),
        ([(number, score - 0.01) for number, score in HITS], "answers other scores"),
        (HITS[:-1], "finds 9 points, was 10"),
        ([], "finds 0 points, was 10"),
    ],
)
def test_a_difference(after: list[tuple[PointId, float]], told: str) -> None:
    assert words(HITS, after) == f'exact search 1 on vector "" {told}'


def test_of_a_small_collection_every_point_counts() -> None:
    assert words(HITS[:3], [*HITS[:2], (77, HITS[2][1])]) == 'exact search 1 on vector "" answers other points'


def test_a_search_that_is_not_answered_any_more_is_told_and_one_that_was_not_asked_is_not() -> None:
    found = search_words({SEARCH: Answer(tuple(HITS))}, {SEARCH: Answer(trouble="it panicked")})
    assert list(found) == ['exact search 1 on vector "" is not answered any more: it panicked']
    assert list(search_words({SEARCH: Answer(tuple(HITS))}, {})) == []
    assert list(search_words({SEARCH: Answer(trouble="broken")}, {SEARCH: Answer(tuple(HITS))})) == []


@pytest.mark.server
def test_every_slot_of_a_real_collection_is_searched(filled: Server) -> None:
    """And an answer that changes though no point has is told like a setting."""
    with Database(filled.endpoint) as database, fingerprint(database, "odd", cancel=CancelToken()) as one:
        slots = {"": 3, "half": 3, "octets": 3, "rows": 3, "words": 3}
        asked = [search.using for search, answer in one.searches.items() if answer.hits]
        assert {slot: asked.count(slot) for slot in slots} == slots
        with fingerprint(database, "odd", cancel=CancelToken(), earlier=one) as again:
            assert compare(one, again).same
            assert list(again.searches) == list(one.searches)
            search = next(search for search in one.searches if search.using == "rows")
            (first, score), *others = one.searches[search].hits
            swapped = replace(again, searches=dict(again.searches) | {search: Answer(((999, score), *others))})
            assert compare(one, swapped).settings == (
                f'exact search {search.number} on vector "rows" answers other points',
            )
        assert first is not None
