import math
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.database.models import Point, Sparse, VectorSpec
from qdrant_admin.migration.compare.equality import same
from qdrant_admin.migration.copy.checks import Checked, Checker, payload_reason
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.ids import NAMESPACE, map_id

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
        ({1: 2}, "no text"),
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
    nested: Any = 1
    for _ in range(60):
        nested = [nested]
    assert "nests" in payload_reason({"n": nested})


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
