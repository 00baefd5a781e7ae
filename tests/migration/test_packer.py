"""The short way of whole columns sends exactly what the long way of single records sends, or nothing."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.database import encoding
from qdrant_admin.database.models import Floats, Sparse, VectorSpec
from qdrant_admin.migration.copy.checks import Checker
from qdrant_admin.sources.base import Batch, Columns, Record

_COSINE = VectorSpec(size=3, distance="Cosine")
_ODD = [float("nan"), float("inf"), 2**63, -(2**63) - 1, 2**70, "\ud800", b"x", (1,), {"\udfff": 1}, {3: 4}, [[None]]]
_FAIR = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | st.text(max_size=5)
_NESTED = _FAIR | st.lists(_FAIR, max_size=2) | st.dictionaries(st.text(max_size=2), _FAIR, max_size=2)
_SPELLINGS = [str.upper, lambda text: text.replace("-", ""), "{{{}}}".format, "urn:uuid:{}".format]
_IDS = (
    st.integers(-(2**64), 2**65)
    | st.text(max_size=5)
    | st.uuids().map(str)
    | st.builds(lambda one, spell: spell(str(one)), st.uuids(), st.sampled_from(_SPELLINGS))
)
_KEYS = st.text(max_size=2) | st.just("source_id")
_NUMBERS = st.floats(-1000, 1000, width=32)
_ODD_NUMBERS = st.sampled_from([0.0, -0.0, float("nan"), float("inf"), 3e38, 1e-30, 1e-45])


def _columns(ids: Any, values: Any, numbers: Any) -> st.SearchStrategy[Columns]:
    rows = st.tuples(ids, st.dictionaries(_KEYS, values, max_size=3), st.tuples(numbers, numbers, numbers))
    return st.lists(rows, min_size=1, max_size=4).map(_made)


def _made(rows: list[tuple[int | str, dict[str, Any], tuple[float, ...]]]) -> Columns:
    ids, payloads, vectors = zip(*rows, strict=True)
    matrix: Floats = np.array(vectors, dtype=np.float32)
    return Columns(ids, payloads, matrix)


def _long_way(columns: Columns, slots: dict[str, VectorSpec], *, folds: bool) -> tuple[list[bytes], bool]:
    """The points that single records become, and whether there was anything to say of one."""
    checked = Checker(slots, vectorless=False, folds_uuids=folds).check(columns.records())
    if checked.refusals or checked.zero_vectors:
        return [], True
    try:
        return [encoding.point_bytes(one.id, one.payload, one.vectors) for one in checked.points], False
    except encoding.NotEncodable:
        return [], True  # nested too deeply for gRPC, and sent over REST


@given(_columns(_IDS, _NESTED, _NUMBERS | st.just(1.0)), st.booleans())
def test_ordinary_records_go_the_short_way_and_are_the_same_bytes(columns: Columns, folds: bool) -> None:
    slots = {"": _COSINE}
    wanted, told = _long_way(columns, slots, folds=folds)
    packed = Checker(slots, vectorless=False, folds_uuids=folds).pack(columns)
    assert packed == (None if told else wanted) or not _plainly_long(columns)


def _plainly_long(columns: Columns) -> bool:
    """Whether no vector is so short that its square is nothing in 32 bits."""
    return bool((np.square(columns.vectors).sum(axis=1, dtype=np.float32) > 0).all())


@given(_columns(_IDS | st.just("\ud800"), _NESTED | st.sampled_from(_ODD), _NUMBERS | _ODD_NUMBERS), st.booleans(),
       st.sampled_from(["Cosine", "Dot"]))  # fmt: skip
def test_what_has_to_be_refused_or_told_of_never_goes_the_short_way(
    columns: Columns, folds: bool, distance: Any
) -> None:
    slots = {"": VectorSpec(size=3, distance=distance)}
    wanted, told = _long_way(columns, slots, folds=folds)
    packed = Checker(slots, vectorless=False, folds_uuids=folds).pack(columns)
    assert packed is None or (not told and packed == wanted)


def test_what_fits_no_slot_goes_the_long_way() -> None:
    columns = Columns([1], [{}], np.ones((1, 3), np.float32))
    for slots in (
        {},
        {"other": _COSINE},
        {"": VectorSpec(size=4, distance="Dot")},
        {"": VectorSpec(kind="multi", size=3, distance="Dot")},
    ):
        assert Checker(slots, vectorless=False, folds_uuids=False).pack(columns) is None


def test_a_payload_that_may_be_too_large_goes_the_long_way() -> None:
    columns = Columns([1, 2], [{}, {"text": "x" * (1 << 20)}], np.ones((2, 3), np.float32))
    assert Checker({"": _COSINE}, vectorless=False, folds_uuids=False).pack(columns) is None


def test_records_stand_side_by_side_only_where_each_has_one_sound_vector_of_the_same_size() -> None:
    def record(number: int, *numbers: float, slot: str = "a", **fields: Any) -> Record:
        return Record(number, {"n": number}, {slot: np.array(numbers, dtype=np.float32)}, **fields)

    sound = [record(1, 1, 2), record(2, 3, 4)]
    columns = Batch(sound, None).columns
    assert columns is not None
    assert (columns.slot, columns.vectors.tolist()) == ("a", [[1, 2], [3, 4]])
    assert [(one.id, one.payload) for one in columns.records()] == [(one.id, one.payload) for one in sound]
    sparse = Sparse(np.array([1], np.uint32), np.array([1], np.float32))
    for odd in (
        record(3, 1, 2, 3),
        record(3, 1, 2, slot="b"),
        record(3, 1, 2, trouble="it is cut short"),
        Record(3),
        Record(3, {}, {"a": sparse}),
        Record(3, {}, {"a": np.ones((1, 2), np.float32)}),
        Record(3, {}, {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)}),
    ):
        assert Batch([*sound, odd], None).columns is None
        assert Batch([odd, *sound], None).columns is None
    assert Batch([], None).columns is None
    assert len(Batch(columns, None)) == len(Batch(sound, None)) == 2
