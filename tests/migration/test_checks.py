import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.database.models import Point, Sparse, VectorSpec
from qdrant_admin.migration.copy.checks import MAX_DEPTH, Checked, Checker, payload_reason, sound
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.ids import NAMESPACE, map_id
from tests.migration.support import same

COSINE = VectorSpec(size=4, distance="Cosine")
DOT = VectorSpec(size=4, distance="Dot")


def checked(*vector: float, slot: VectorSpec = COSINE, **fields: Any) -> Checked:
    record = Record(fields.pop("id", 1), fields.pop("payload", {}), {"": np.array(vector, dtype=np.float32)})
    return Checker({"": slot}, vectorless=False, folds_uuids=False).check([record])


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ((1, 2, 3), "has 3 components, the collection takes 4"),
        ((1, math.nan, 3, 4), "NaN"),
        ((1, math.inf, 3, 4), "infinity"),
        ((3e38, 3e38, 3e38, 3e38), "too long"),
        ((1e-30, 0, 0, 0), "too short"),
    ],
)
def test_vectors_that_the_server_would_spoil_are_refused(vector: tuple[float, ...], words: str) -> None:
    result = checked(*vector)
    assert not result.points
    assert words in result.refusals[0].reason


@pytest.mark.parametrize(
    ("values", "distance", "fits"),
    [
        ([[1, 0], [0, 2]], "Cosine", True),
        ([[1, 0], [0, 0]], "Cosine", False),
        ([[1, 0], [0, 0]], "Dot", True),
        ([[1, 0], [0, math.nan]], "Dot", False),
        ([[1, 0], [0, math.inf]], "Cosine", False),
        ([[3e38, 3e38]], "Dot", False),
    ],
)
def test_one_look_at_a_whole_batch_passes_only_ordinary_vectors(values: Any, distance: Any, fits: bool) -> None:
    slot = VectorSpec(size=2, distance=distance)
    assert sound(np.array(values, dtype=np.float32), slot) is fits


@pytest.mark.parametrize(("vector", "short"), [((0, 0), False), ((1e-30, 0), True), ((1e-30, 1), False)])
def test_a_vector_too_short_to_be_normalised_is_not_one_that_is_zero(vector: tuple[float, ...], short: bool) -> None:
    refused = checked(*vector, slot=VectorSpec(size=2, distance="Cosine")).refusals
    assert [one.reason for one in refused] == short * [
        "its vector is too short to be normalised: the server would make it zero"
    ]


def test_odd_vectors_are_kept_and_counted() -> None:
    assert (len(checked(0, 0, 0, 0).points), checked(0, 0, 0, 0).zero_vectors) == (1, 1)
    assert len(checked(3e38, 3e38, 3e38, 3e38, slot=DOT).points) == 1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1 << 63, "lose digits"),
        (-(1 << 63) - 1, "lose digits"),
        (math.nan, "JSON"),
        (-math.inf, "JSON"),
        ("\ud800", "surrogate"),
        (b"bytes", "bytes"),
        ({1: 2}, "not text"),
        ("x" * 31 * 1024 * 1024, "more than a request"),
    ],
)
def test_payload_that_would_not_come_back_is_refused(value: Any, words: str) -> None:
    assert words in payload_reason({"deep": [{"er": value}]})


def test_payload_that_comes_back_passes() -> None:
    payload: dict[str, Any] = {
        "": None,
        "a.b[0]": [1, 1.0, True, -0.0, "\x00\x1b", "é", []],
        "max": (1 << 63) - 1,
        "o": {"": {}},
    }
    assert payload_reason(payload) == ""


@pytest.mark.parametrize(("levels", "fits"), [(MAX_DEPTH, True), (MAX_DEPTH + 1, False)])
@pytest.mark.parametrize("kind", [list, dict])
def test_payload_may_nest_as_deep_as_a_request_carries(levels: int, fits: bool, kind: type) -> None:
    nested: Any = 1
    for _ in range(levels - 1):  # the payload itself is the first level
        nested = [nested] if kind is list else {"n": nested}
    assert payload_reason({"n": nested}) == ("" if fits else f"its payload nests deeper than {MAX_DEPTH} levels")


@pytest.mark.parametrize(
    ("identity", "kept"),
    [(0, True), ((1 << 64) - 1, True), (1 << 64, False), (-1, False), ("x", False), ("A" * 8 + "-0000" * 4, False)],
)
def test_only_what_the_server_takes_as_an_id_stays_as_it_is(identity: int | str, kept: bool) -> None:
    assert (map_id(identity, folds_uuids=False) == identity) is kept


def test_the_original_id_is_kept_beside_what_is_there() -> None:
    (point,) = checked(1, 2, 3, 4, id="deb:x", payload={"source_id": "mine"}).points
    assert point.payload == {"source_id": "mine", "source_id_": "deb:x"}
    assert "surrogate" in checked(1, 2, 3, 4, id="\ud800").refusals[0].reason


@given(st.one_of(st.integers(), st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.uuids().map(str)))
def test_every_id_becomes_one_that_the_server_takes_and_the_same_one_again(identity: int | str) -> None:
    mapped = map_id(identity, folds_uuids=False)
    assert mapped == map_id(identity, folds_uuids=False)
    assert 0 <= mapped < 1 << 64 if isinstance(mapped, int) else str(uuid.UUID(mapped)) == mapped


def test_spellings_of_a_uuid_fold_only_where_the_source_folds_them() -> None:
    one = uuid.uuid4()
    spellings = [str(one), one.hex, one.urn, f"{{{one}}}", str(one).upper()]
    assert {map_id(text, folds_uuids=True) for text in spellings} == {str(one)}
    assert len({map_id(text, folds_uuids=False) for text in spellings}) == 5


def test_comparison_sees_every_difference() -> None:
    vector = np.array([1, 2, 3, 4], dtype=np.float32)
    one_ulp = vector.copy()
    one_ulp[2] = np.nextafter(one_ulp[2], np.float32(9))
    base = Point(1, {"n": 1}, {"": vector})
    assert same(base, Point(1, {"n": 1}, {"": vector.copy()}), {"": DOT})
    assert not same(base, Point(1, {"n": 1}, {"": one_ulp}), {"": DOT})
    assert not same(base, Point(1, {"n": 1.0}, {"": vector}), {"": DOT})
    assert not same(base, Point(1, {"n": True}, {"": vector}), {"": DOT})
    assert not same(base, Point(1, {}, {"": vector}), {"": DOT})
    assert not same(base, Point(1, {"n": 1}, {}), {"": DOT})
    unit = (vector / np.linalg.norm(vector)).astype(np.float32)
    assert same(base, Point(1, {"n": 1}, {"": unit}), {"": COSINE})
    assert not same(base, Point(1, {"n": 1}, {"": unit[::-1].copy()}), {"": COSINE})


def test_comparison_knows_what_other_datatypes_keep() -> None:
    vector = np.array([0.1, 2.7, 255.9, 1], dtype=np.float32)
    for datatype, kept in (("float16", vector.astype(np.float16)), ("uint8", vector.astype(np.uint8))):
        slot = VectorSpec(size=4, distance="Dot", datatype=datatype)
        assert same(Point(1, {}, {"": vector}), Point(1, {}, {"": kept.astype(np.float32)}), {"": slot})
        assert not same(Point(1, {}, {"": vector}), Point(1, {}, {"": kept.astype(np.float32) + 1}), {"": slot})
    wanted = Sparse(np.array([7, 3], dtype=np.uint32), np.array([1, 2], dtype=np.float32))
    found = Sparse(np.array([3, 7], dtype=np.uint32), np.array([2, 1], dtype=np.float32))
    assert same(Point(1, {}, {"s": wanted}), Point(1, {}, {"s": found}), {"s": VectorSpec(name="s", kind="sparse")})


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_id_becomes_its_uuid5(text: str) -> None:
    mapped = map_id(text, folds_uuids=False)
    assert mapped in {text, str(uuid.uuid5(NAMESPACE, text))}
