"""Whether the target holds what was written: vectors as its datatype and distance keep them, payload exactly."""

import math
from typing import Any

import numpy as np
import pytest

from qdrant_admin.database.models import Distance, Point, VectorSpec
from qdrant_admin.migration.compare.equality import (
    COSINE_TOLERANCE,
    HALF_TOLERANCE,
    same_payload,
    unlike,
    unlike_rows,
)
from tests.migration.support import same

EQUAL, OTHER = True, False


@pytest.mark.parametrize(
    ("wanted", "found", "equal"),
    [
        (0.0, 0.0, EQUAL),
        (-0.0, -0.0, EQUAL),
        (0.0, -0.0, OTHER),
        (-0.0, 0.0, OTHER),
        (1, 1.0, OTHER),
        (1, True, OTHER),
        (0.1, 0.1, EQUAL),
        (0.1, 0.2, OTHER),
        (0.1, math.nextafter(0.1, 1), OTHER),
        ([1, 2], [2, 1], OTHER),
        ([1], [1, 1], OTHER),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, EQUAL),
        ({"a": None}, {}, OTHER),
        ("\u00e9", "e\u0301", OTHER),
    ],
)
def test_payload_is_compared_exactly(wanted: Any, found: Any, equal: bool) -> None:
    assert same_payload({"deep": [wanted]}, {"deep": [found]}) is equal


def rows(*values: float) -> Any:
    return np.array([values], dtype=np.float32)


@pytest.mark.parametrize(
    ("distance", "datatype", "wanted", "found", "equal"),
    [
        ("Dot", "float32", rows(0.0, 1.0), rows(-0.0, 1.0), OTHER),
        ("Dot", "float32", rows(-0.0, 1.0), rows(-0.0, 1.0), EQUAL),
        ("Euclid", "float32", rows(3.0, 4.0), rows(0.6, 0.8), OTHER),
        ("Cosine", "float32", rows(3.0, 4.0), rows(0.6, 0.8), EQUAL),
        ("Cosine", "float32", rows(3.0, 4.0), rows(0.6, 0.8 + 20 * COSINE_TOLERANCE), OTHER),
        ("Cosine", "float16", rows(3.0, 4.0), rows(0.6, 0.8 + 20 * COSINE_TOLERANCE), EQUAL),
        ("Cosine", "float16", rows(3.0, 4.0), rows(0.6, 0.8 + 20 * HALF_TOLERANCE), OTHER),
        # Bytes are kept as they are, also under Cosine: nothing is normalised, and no tolerance covers a difference.
        ("Cosine", "uint8", rows(3.7, 4.0), rows(3.0, 4.0), EQUAL),
        ("Cosine", "uint8", rows(6.0, 8.0), rows(3.0, 4.0), OTHER),
        ("Dot", "uint8", rows(300.0, -1.0), rows(255.0, 0.0), EQUAL),
        ("Cosine", "float32", rows(0.0, 0.0), rows(0.0, 0.0), EQUAL),
    ],
)
def test_vectors_are_compared_as_the_server_keeps_them(
    distance: Distance, datatype: Any, wanted: Any, found: Any, equal: bool
) -> None:
    slot = VectorSpec(size=2, distance=distance, datatype=datatype)
    assert unlike_rows(wanted, found, slot) == ([] if equal else [0])
    assert same(Point(1, {}, {"": wanted[0]}), Point(1, {}, {"": found[0]}), {"": slot}) is equal


def test_the_places_that_differ_are_named() -> None:
    slots = {"a": VectorSpec(name="a", size=1, distance="Dot"), "b": VectorSpec(name="b", size=1, distance="Dot")}

    def point(n: int, **vectors: float) -> Point:
        return Point(n, {"n": n}, {name: rows(value)[0] for name, value in vectors.items()})

    wanted = [point(0, a=1, b=1), point(1, a=1), point(2, b=2), point(3, a=3, b=3)]
    found = [point(0, a=1, b=1), point(1, a=1, b=1), point(2, b=9), point(4, a=3, b=3)]
    assert unlike(wanted, found, slots) == [1, 2, 3]
