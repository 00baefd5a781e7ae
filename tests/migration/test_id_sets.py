"""Two sets of ids side by side: nothing is overlooked, whatever does not fit into memory."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdrant_admin.database.ids import id_key, id_of_key
from qdrant_admin.database.models import Distance, Point, VectorSpec
from qdrant_admin.migration.compare import comparer
from qdrant_admin.migration.compare.comparer import IdSet, State, record
from qdrant_admin.migration.compare.search_quality import TOP, Quality, Truth

IDS = st.integers(0, 40) | st.integers(0, 2**64 - 1) | st.uuids().map(str)
STATES: tuple[State, ...] = ("equal", "different", "missing", "unseen")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(IDS, st.sampled_from(STATES)), max_size=60), st.sets(IDS, max_size=40), st.integers(1, 20))
def test_every_id_of_either_side_is_met_once_with_the_last_that_was_found(
    source: list[tuple[int | str, State]], target: set[int | str], chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, IdSet() as ids:
        patch.setattr(comparer, "_CHUNK_BYTES", chunk * 26)
        patch.setattr(comparer, "_BLOCK_BYTES", 3 * 26)
        for place, (one, state) in enumerate(source):
            ids.add(record(one, place, state))
        met = list(ids.against(iter(sorted(map(id_key, target)))))
    assert [found.key for found in met] == sorted({id_key(one) for one, _ in source} | {id_key(one) for one in target})
    last = dict(source)
    for found in met:
        name = id_of_key(found.key)
        assert (found.state, found.there) == (last.get(name), name in target)
        assert found.records == sum(other == name for other, _ in source)


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_what_is_nearest_is_the_same_in_batches_and_at_once(distance: Distance) -> None:
    random = np.random.default_rng(4)
    rows, queries = (random.normal(size=(count, 5)).astype(np.float32) for count in (300, 7))
    truth = Truth({"": VectorSpec(size=5, distance=distance)}, {"": queries})
    for start in range(0, 300, 32):
        truth.add([Point(number, {}, {"": rows[number]}) for number in range(start, min(300, start + 32))])
    wide = rows.astype(np.float64)
    found: list[list[tuple[int | str, float]]] = []
    for query in queries.astype(np.float64):
        scores = {
            "Cosine": wide @ query / np.linalg.norm(wide, axis=1) / np.linalg.norm(query),
            "Dot": wide @ query,
            "Euclid": np.linalg.norm(wide - query, axis=1),
            "Manhattan": np.abs(wide - query).sum(axis=1),
        }[distance]
        order = np.argsort(scores if distance in {"Euclid", "Manhattan"} else -scores)[:TOP]
        found.append([(int(one), float(scores[one])) for one in order])

    class Searched:
        def nearest(self, *_: object, **__: object) -> list[list[tuple[int | str, float]]]:
            return found

    assert truth.compare(Searched(), "c") == Quality(1.0)  # type: ignore[arg-type]  # all that is asked of it
    worse = [hits[: TOP // 2] + [(10_000 + n, 1e9 if distance in {"Euclid", "Manhattan"} else -1e9) for n in range(5)]
             for hits in found]  # fmt: skip
    found[:] = worse
    quality = truth.compare(Searched(), "c")  # type: ignore[arg-type]  # as above
    assert quality == Quality(0.5, 0.5)
    assert not quality.sound


@pytest.mark.parametrize(
    ("ordinary", "exact", "sound", "told"),
    [
        (1.0, None, True, ""),
        (0.95, None, True, ""),
        (0.5, 1.0, True, "a larger hnsw_ef finds more"),
        (0.5, 0.4, False, "does not"),
        (0.1, 1.0, False, "a larger hnsw_ef finds more"),
        (0.5, None, True, "finds 50%"),
        (0.1, None, False, "finds 10%"),
    ],
)
def test_an_index_may_be_coarse_and_the_content_may_not(
    ordinary: float, exact: float | None, sound: bool, told: str
) -> None:
    quality = Quality(ordinary, exact)
    assert quality.sound is sound
    assert told in quality.words
    assert bool(quality.words) == bool(told)
