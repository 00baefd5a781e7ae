"""Whatever form a server gives a point, it is read as it was sent, bit for bit."""

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc as wire

from qdrant_admin.database.models import Point, VectorKind
from qdrant_admin.database.wire import WirePage

LENGTHS = [0, 1, 31, 32, 4095, 4096, 20000]
"""On both sides of where the length of the packed bytes takes one digit more."""


def bits(count: int) -> Any:
    """Every kind of float there is: tiny ones, huge ones, infinities."""
    patterns = np.random.default_rng(count).integers(0, 2**32, count, dtype=np.uint32)
    floats = patterns.view(np.float32)
    return np.where(np.isnan(floats), np.float32(-0.0), floats)


def page(points: list[Any]) -> WirePage:
    return WirePage(wire.ScrollResponse(result=points).SerializeToString())


def read(vectors: Any, kind: VectorKind = "dense") -> Any:
    raw = wire.RetrievedPoint(id=wire.PointId(num=1), vectors=vectors)
    (point,) = page([raw]).points({"": kind})
    return point.vectors[""]


@pytest.mark.parametrize("count", LENGTHS)
@pytest.mark.parametrize("form", ["old", "dense"])
def test_a_dense_vector_of_any_length_keeps_every_bit(count: int, form: str) -> None:
    wanted = bits(count)
    one = wire.VectorOutput(data=wanted) if form == "old" else wire.VectorOutput(dense=wire.DenseVector(data=wanted))
    found = read(wire.VectorsOutput(vector=one))
    assert (found.dtype, found.shape, found.tobytes()) == (np.float32, (count,), wanted.tobytes())


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("form", ["old", "multi"])
def test_a_multivector_keeps_its_rows(rows: int, form: str) -> None:
    wanted = bits(rows * 40).reshape(rows, 40)
    if form == "old":
        one = wire.VectorOutput(data=wanted.ravel(), vectors_count=rows)
    else:
        made = [wire.DenseVector(data=row) for row in wanted]
        one = wire.VectorOutput(multi_dense=wire.MultiDenseVector(vectors=made))
    found = read(wire.VectorsOutput(vector=one), "multi")
    assert (found.shape, found.tobytes()) == (wanted.shape, wanted.tobytes())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_payload_is_read_as_it_was_and_doubted_when_a_float_may_have_been_an_integer(payload: dict[str, Any]) -> None:
    raw = wire.RetrievedPoint(id=wire.PointId(num=7), payload={key: _value(child) for key, child in payload.items()})
    read_page = page([raw])
    (point,) = read_page.points({})
    assert point == Point(7, payload, {})
    assert repr(_sorted(point.payload)) == repr(_sorted(payload))
    large = any(type(one) is float and one >= 2.0**63 for one in _leaves(payload))
    assert list(read_page.doubtful().values()) == ([7] if large else [])


def test_only_the_doubtful_point_of_a_page_is_named() -> None:
    raw = [
        wire.RetrievedPoint(id=wire.PointId(num=one), payload={"a": _value([float(one) * 2**60])}) for one in range(10)
    ]
    assert list(page(raw).doubtful().values()) == [8, 9]


def test_a_vector_is_no_copy_that_could_be_written_to() -> None:
    found = read(wire.VectorsOutput(vector=wire.VectorOutput(data=[1.0, 2.0])))
    assert struct.pack("<2f", 1, 2) == found.tobytes()
    assert not found.flags.writeable


def _value(value: Any) -> Any:
    made: Any = wire.Value
    for kind, field in ((bool, "bool_value"), (int, "integer_value"), (float, "double_value"), (str, "string_value")):
        if isinstance(value, kind):
            return made(**{field: value})
    if isinstance(value, list):
        return made(list_value=wire.ListValue(values=[_value(child) for child in value]))
    if isinstance(value, dict):
        return made(struct_value=wire.Struct(fields={key: _value(child) for key, child in value.items()}))
    return made(null_value=0)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(child) for child in value] if isinstance(value, list) else value


def _leaves(value: Any) -> list[Any]:
    children = list(value.values()) if isinstance(value, dict) else value
    return [leaf for child in children for leaf in _leaves(child)] if isinstance(children, list) else [value]
