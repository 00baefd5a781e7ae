"""Point ids: every spelling that means one point becomes one id, everything else is refused."""

import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.ids import parse_id, point_id

ONE = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


@pytest.mark.parametrize(
    "spelling", [ONE, ONE.upper(), ONE.replace("-", ""), f"urn:uuid:{ONE}", f"{{{ONE}}}", uuid.UUID(ONE)]
)
def test_every_spelling_of_a_uuid_is_one_id(spelling: Any) -> None:
    assert point_id(spelling) == ONE


@pytest.mark.parametrize("value", [np.int64(7), np.uint64(7), 7])
def test_integers_of_numpy_are_integers(value: Any) -> None:
    assert type(point_id(value)) is int


@pytest.mark.parametrize("value", [True, -1, 2**64, 1.0, "42", "", None, b"x", np.bool_(True)])
def test_what_the_server_refuses_is_refused(value: Any) -> None:
    with pytest.raises(BadInput):
        point_id(value)


@given(st.integers(0, 2**64 - 1))
def test_typed_digits_are_the_integer(number: int) -> None:
    assert parse_id(f" {number} ") == number


@pytest.mark.parametrize("text", ["abc", "-1", "1.0", str(2**64), "9" * 400, "²"])
def test_other_typed_text_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_id(text)


def test_a_uuid_of_digits_only_is_a_uuid() -> None:
    assert parse_id("1" * 32) == "11111111-1111-1111-1111-111111111111"
