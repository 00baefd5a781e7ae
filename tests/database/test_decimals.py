"""What the server makes of floats in payloads is known beforehand."""

import math
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.database.canonical import stored_float, stored_payload
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_float_moves_far(number: float) -> None:
    assert abs(stored_float(number) - number) <= 4 * math.ulp(number)
    assert math.copysign(1, stored_float(number)) == math.copysign(1, number)


@pytest.mark.parametrize("number", [0.0, -0.0, 0.1, 1.5, 1e22, 123456.789, -(2.0**63)])
def test_ordinary_floats_stay(number: float) -> None:
    assert repr(stored_float(number)) == repr(number)


@pytest.mark.parametrize("value", [None, True, 2**64 - 1, "0.1", {"a": [1, {"b": None}]}, [], {}])
def test_what_is_no_float_stays(value: Any) -> None:
    assert stored_payload(value) == value


@pytest.mark.server
def test_the_server_keeps_just_what_was_foretold(database: Database) -> None:
    random = Random(3)  # noqa: S311 - numbers to try, no secret
    numbers = [random.uniform(-1e6, 1e6) for _ in range(3000)]
    spec = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))
    database.create_collection("c", spec)
    database.upsert("c", [Point(one, {"x": number}) for one, number in enumerate(numbers)])
    found = [point.payload["x"] for page in database.scan("c") for point in page]
    assert found == [stored_float(number) for number in numbers]
