"""One form for a point, however it was read, and another one for every difference."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.database.canonical import hash_point, payload_entries
from qdrant_admin.database.ids import id_key, id_of_key
from qdrant_admin.database.models import Point, Sparse, Vector, VectorKind

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
DENSE: dict[str, VectorKind] = {"": "dense"}

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text()
payloads = st.dictionaries(
    st.text(),
    st.recursive(scalars, lambda child: st.lists(child, max_size=3) | st.dictionaries(st.text(), child, max_size=3)),
    max_size=4,
)

BOUNDS = ((-(2**63), 2**63 - 1), (-(2**63) - 1, 2**63))


def whole(payload: dict[str, Any] | None = None, vector: Any = (1.0, 2.0), number: int | str = 1) -> bytes:
    vectors: dict[str, Vector] = {} if vector is None else {"": np.array(vector, dtype=np.float32)}
    return hash_point(Point(number, payload or {}, vectors), DENSE).whole


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@given(payloads)
def test_the_order_of_keys_does_not_matter_at_any_depth(payload: dict[str, Any]) -> None:
    assert whole(payload) == whole(reversed_keys(payload))


@given(payloads, payloads)
def test_different_payloads_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (whole(one) == whole(other)) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 0.0}, {"a": -0.0}),
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}),
        ({"a": "x"}, {"b": "x"}),
        ({"a": 2**63}, {"a": float(2**63)}),
        ({"a": 2**63}, {"a": -(2**63)}),
        ({"a": -(2**63) - 1}, {"a": 2**63 - 1}),
    ],
)
def test_what_looks_alike_is_told_apart(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert whole(one) != whole(other)


def test_the_least_and_the_greatest_integer_of_64_bits_keep_the_form_that_travels() -> None:
    (least, greatest), (below, beyond) = ([payload_entries({"a": one})[0] for one in pair] for pair in BOUNDS)
    assert least[-11:-10] == greatest[-10:-9] == b"\x18"
    assert b"\x7a" in below
    assert b"\x7a" in beyond


@given(st.integers(0, 7), st.integers(0, 30))
def test_every_bit_of_a_vector_counts(component: int, bit: int) -> None:
    vector = np.linspace(0.1, 0.8, 8, dtype=np.float32)
    flipped = vector.copy()
    flipped.view(np.uint32)[component] ^= np.uint32(1 << bit)
    if np.isnan(flipped).any():
        return
    assert whole(vector=vector) != whole(vector=flipped)


def test_the_digest_of_yesterday_is_that_of_today() -> None:
    """Certificates keep it: content that did not change must give the same one for ever."""
    rich = {"a": 1, "z": {"q": [1, 2.5, None, True, "ü"]}, "b": "x"}
    sparse = Sparse(np.array([5, 1], dtype=np.uint32), np.array([1, 2], dtype=np.float32))
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    odd = np.array([np.nan, np.inf], dtype=np.float32)
    points = [
        Point(1, rich, {"": np.arange(8, dtype=np.float32) / np.float32(3)}),
        Point(UUID, {}, {"s": sparse, "m": rows, "d": odd}),
        Point(2**64 - 1, {"x": 1e300}, {}),
    ]
    assert [hash_point(point, {"m": "multi", "s": "sparse"}).whole.hex() for point in points] == [
        "8396f53ff28172775113102aa63413b40422dee79ed911818b40da7f4b46de62",
        "40e1172a8f1c6975102905346e4e0598de6f4245b334b987ea4cb5e38fd41f5a",
        "e87301324fce686a4caf08300a83cf9d71557a076638e545539911af7e4b1233",
    ]


def test_every_nan_is_the_same_and_is_told() -> None:
    quiet, other = np.array([0x7FC00000, 0x7FC00001], dtype=np.uint32).view(np.float32)
    one = hash_point(Point(1, {}, {"": np.array([quiet, 1], dtype=np.float32)}), DENSE)
    two = hash_point(Point(1, {}, {"": np.array([other, 1], dtype=np.float32)}), DENSE)
    assert one.whole == two.whole
    assert one.non_finite
    assert not hash_point(Point(1, {}, {"": np.array([0, 1], dtype=np.float32)}), DENSE).non_finite


def test_a_multivector_of_one_row_is_not_a_dense_vector() -> None:
    flat, row = np.ones(4, dtype=np.float32), np.ones((1, 4), dtype=np.float32)
    as_multi = hash_point(Point(1, {}, {"": flat}), {"": "multi"})
    assert as_multi.whole == hash_point(Point(1, {}, {"": row}), {"": "multi"}).whole
    assert as_multi.whole != hash_point(Point(1, {}, {"": flat}), {"": "dense"}).whole


def test_rows_and_columns_of_a_multivector_are_told_apart() -> None:
    tall, wide = np.ones((4, 2), dtype=np.float32), np.ones((2, 4), dtype=np.float32)
    one, two = (hash_point(Point(1, {}, {"": array}), {"": "multi"}).whole for array in (tall, wide))
    assert one != two


def test_a_sparse_vector_does_not_depend_on_the_order_of_its_indices() -> None:
    def sparse(indices: list[int], values: list[float]) -> bytes:
        vector = Sparse(np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32))
        return hash_point(Point(1, {}, {"s": vector}), {"s": "sparse"}).whole

    assert sparse([1, 5], [0.5, 2]) == sparse([5, 1], [2, 0.5])
    assert sparse([1, 5], [0.5, 2]) != sparse([1, 5], [2, 0.5])


def test_the_name_of_a_vector_and_its_absence_count() -> None:
    vector = np.ones(2, dtype=np.float32)
    several: tuple[dict[str, Vector], ...] = ({"a": vector}, {"b": vector}, {})
    digests = {hash_point(Point(1, {}, vectors), {}).whole for vectors in several}
    assert len(digests) == 3


def test_an_integer_and_a_uuid_of_the_same_digits_differ() -> None:
    number = int(UUID.replace("-", ""), 16) & (2**64 - 1)
    assert whole(number=number) != whole(number=f"00000000-0000-0000-{number >> 48:04x}-{number & (2**48 - 1):012x}")
    assert whole(number=UUID) == whole(number=UUID.upper())


@given(st.lists(st.integers(0, 2**64 - 1) | st.uuids().map(str), unique=True))
def test_keys_stand_in_the_servers_own_order_and_lead_back(ids: list[int | str]) -> None:
    numbers = sorted(one for one in ids if isinstance(one, int))
    texts = sorted(one for one in ids if isinstance(one, str))
    assert [id_of_key(key) for key in sorted(map(id_key, ids))] == [*numbers, *texts]
