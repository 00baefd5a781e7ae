"""Points made by hand are what protobuf itself reads and writes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import grpc as wire

from qdrant_admin.database import encoding
from qdrant_admin.database.encoding import MAX_DEPTH, NotEncodable
from qdrant_admin.database.models import PointId, Sparse, Vector

_SCALARS = (
    st.none() | st.booleans() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False,
                                                                                        allow_infinity=False)
)  # fmt: skip
_VALUES = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
_IDS = st.integers(0, 2**64 - 1) | st.uuids().map(str)
_UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"


def _message(identity: PointId, payload: dict[str, Any], vectors: Any) -> wire.PointStruct:
    own = wire.PointId(num=identity) if isinstance(identity, int) else wire.PointId(uuid=identity)
    made = wire.PointStruct(id=own, vectors=vectors)
    for key, value in payload.items():
        _fill(made.payload[key], value)
    return made


def _fill(raw: Any, value: Any) -> None:
    if value is None:
        raw.null_value = 0
    elif isinstance(value, dict):
        raw.struct_value.SetInParent()
        for key, child in value.items():
            _fill(raw.struct_value.fields[key], child)
    elif isinstance(value, list):
        raw.list_value.SetInParent()
        for child in value:
            _fill(raw.list_value.values.add(), child)
    else:
        fields = {str: "string_value", bool: "bool_value", int: "integer_value", float: "double_value"}
        setattr(raw, fields[type(value)], value)


def _dense(numbers: Any) -> wire.Vector:
    return wire.Vector(dense=wire.DenseVector(data=np.asarray(numbers).tolist()))


def _read(points: list[bytes]) -> wire.UpsertPoints:
    (request,) = encoding.requests("a collection", points, wait=True)
    return wire.UpsertPoints.FromString(request)


@given(ids=st.lists(_IDS, min_size=1, max_size=4), payload=st.dictionaries(st.text(), _VALUES), name=st.text())
def test_a_matrix_of_points_is_what_protobuf_would_have_sent(
    ids: list[PointId], payload: dict[str, Any], name: str
) -> None:
    matrix = np.linspace(-1, 1, len(ids) * 40, dtype=np.float32).reshape(len(ids), 40)
    found = _read(encoding.matrix_bytes(ids, [payload] * len(ids), matrix, name))
    assert (found.collection_name, found.wait) == ("a collection", True)
    for one, identity, row in zip(found.points, ids, matrix, strict=True):
        vector = _dense(row)
        named = wire.Vectors(vectors=wire.NamedVectors(vectors={name: vector})) if name else wire.Vectors(vector=vector)
        wanted = _message(identity, payload, named)
        assert one.SerializeToString(deterministic=True) == wanted.SerializeToString(deterministic=True)


@given(
    st.lists(st.text(), max_size=4, unique=True).flatmap(
        lambda keys: st.lists(st.fixed_dictionaries(dict.fromkeys(keys, _VALUES)) | st.just({"other": 1}), max_size=6)
    )
)
def test_the_payloads_of_many_are_those_of_each(payloads: list[dict[str, Any]]) -> None:
    assert encoding.entries_of_all(payloads) == [encoding.entries(one) for one in payloads]


@pytest.mark.parametrize("length", [0, 1, 127, 128, 4094, 4095, 4096, 20000])
def test_a_text_of_any_length_is_written(length: int) -> None:
    payloads: list[dict[str, Any]] = [{"text": "x" * length}, {"text": ""}]
    for fields, payload in zip(encoding.entries_of_all(payloads), payloads, strict=True):
        assert fields == encoding.entries(payload)
        assert (
            wire.PointStruct.FromString(encoding.payload_bytes(payload)).payload["text"].string_value == payload["text"]
        )


def test_every_kind_of_vector_is_written() -> None:
    vectors: dict[str, Vector] = {
        "dense": np.ones(3, np.float32),
        "multi": np.ones((2, 3), np.float32),
        "sparse": Sparse(np.array([70000, 3], np.uint32), np.array([1, 2], np.float32)),
        "nothing": Sparse(np.array([], np.uint32), np.array([], np.float32)),
    }
    (found,) = _read([encoding.point_bytes(7, {}, vectors)]).points
    wanted = {
        "dense": _dense(vectors["dense"]),
        "multi": wire.Vector(multi_dense=wire.MultiDenseVector(vectors=[wire.DenseVector(data=[1] * 3)] * 2)),
        "sparse": wire.Vector(sparse=wire.SparseVector(indices=[3, 70000], values=[2, 1])),
        "nothing": wire.Vector(sparse=wire.SparseVector()),
    }
    assert found == wire.PointStruct(
        id=wire.PointId(num=7), vectors=wire.Vectors(vectors=wire.NamedVectors(vectors=wanted))
    )


def test_a_point_without_a_vector_says_so() -> None:
    (found,) = _read([encoding.point_bytes(_UUID, {"n": 1}, {})]).points
    assert found == _message(_UUID, {"n": 1}, wire.Vectors(vectors=wire.NamedVectors()))


def _nested(levels: int) -> dict[str, Any]:
    value: Any = []
    for _ in range(levels - 2):
        value = [value]
    return {"x": value}


@pytest.mark.parametrize(
    "payload",
    [{"n": 2**63}, {"n": -(2**63) - 1}, {"x": float("nan")}, {"x": [float("inf")]}, {"x": (1,)}, {"x": b"no"},
     {1: "no text"}, {"x": {None: 1}}, _nested(MAX_DEPTH + 1)],
)  # fmt: skip
def test_what_grpc_would_change_is_not_written(payload: dict[Any, Any]) -> None:
    with pytest.raises(NotEncodable):
        encoding.payload_bytes(payload)
    with pytest.raises(NotEncodable):
        encoding.entries_of_all([payload, payload])


def test_what_nests_as_deeply_as_may_be_comes_back() -> None:
    (found,) = _read([encoding.point_bytes(1, _nested(MAX_DEPTH), {})]).points
    assert found.payload["x"].HasField("list_value")


def test_requests_are_cut_between_points() -> None:
    points = [encoding.point_bytes(number, {"text": "x" * 6_000_000}, {}) for number in range(5)]
    cut = [wire.UpsertPoints.FromString(one) for one in encoding.requests("c", points, wait=False)]
    assert [[point.id.num for point in one.points] for one in cut] == [[0, 1], [2, 3], [4]]
    assert list(encoding.requests("c", [], wait=True)) == []
