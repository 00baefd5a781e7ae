"""A point has one canonical form, whether it is made from the bytes of the wire or from Python."""

import itertools
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import grpc

from qdrant_admin.database.canonical import PointHash
from qdrant_admin.database.models import Point, PointId, Sparse, Vector, VectorKind
from qdrant_admin.database.wire import MadePage, WirePage

KINDS: dict[str, VectorKind] = {"": "dense", "named": "dense", "sparse": "sparse", "multi": "multi"}

scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars, lambda child: st.lists(child, max_size=4) | st.dictionaries(st.text(), child, max_size=4), max_leaves=12
)
payloads = st.dictionaries(st.text() | st.text("k2:\x12\n", min_size=120, max_size=200), values, max_size=5)
ids = st.integers(0, 2**64 - 1) | st.uuids().map(str)
floats = st.floats(width=32)


def value_out(value: Any, order: random.Random) -> Any:
    """A payload value as the server sends it: the order of keys is anything."""
    if isinstance(value, dict):
        return grpc.Value(struct_value=grpc.Struct(fields=payload_out(value, order)))
    if isinstance(value, list):
        return grpc.Value(list_value=grpc.ListValue(values=[value_out(item, order) for item in value]))
    kinds = {bool: "bool_value", int: "integer_value", float: "double_value", str: "string_value"}
    return grpc.Value(**({"null_value": 0} if value is None else {kinds[type(value)]: value}))


def payload_out(payload: dict[str, Any], order: random.Random) -> dict[str, Any]:
    keys = list(payload)
    order.shuffle(keys)
    return {key: value_out(payload[key], order) for key in keys}


def vector_out(vector: Vector, *, old: bool) -> Any:
    """In the form of 1.16 or in the newer one."""
    if isinstance(vector, Sparse):
        indices, numbers = vector.indices.tolist(), vector.values.tolist()
        if old:
            return grpc.VectorOutput(data=numbers, indices=grpc.SparseIndices(data=indices))
        return grpc.VectorOutput(sparse=grpc.SparseVector(indices=indices, values=numbers))
    if vector.ndim == 2:
        if old:
            return grpc.VectorOutput(data=vector.ravel().tolist(), vectors_count=len(vector))
        rows = [grpc.DenseVector(data=row.tolist()) for row in vector]
        return grpc.VectorOutput(multi_dense=grpc.MultiDenseVector(vectors=rows))
    if old:
        return grpc.VectorOutput(data=vector.tolist())
    return grpc.VectorOutput(dense=grpc.DenseVector(data=vector.tolist()))


def sent(point: Point, order: random.Random, *, old: bool) -> Any:
    made = grpc.RetrievedPoint(
        id=grpc.PointId(num=point.id) if isinstance(point.id, int) else grpc.PointId(uuid=point.id),
        payload=payload_out(point.payload, order),
    )
    vectors = {name: vector_out(vector, old=old) for name, vector in point.vectors.items()}
    if set(vectors) == {""}:
        made.vectors.vector.CopyFrom(vectors[""])
    elif vectors:
        for name, vector in vectors.items():
            made.vectors.vectors.vectors[name].CopyFrom(vector)
    return made


def over_the_wire(points: list[Point], *, old: bool = False, seed: int = 0) -> list[PointHash]:
    order = random.Random(seed)  # noqa: S311
    answer = grpc.ScrollResponse(result=[sent(point, order, old=old) for point in points])
    return list(WirePage(answer.SerializeToString()).hashes(KINDS))


def made(points: list[Point]) -> list[PointHash]:
    return list(MadePage(points).hashes(KINDS))


def array(numbers: Any) -> Any:
    return np.array(numbers, dtype=np.float32)


@settings(max_examples=150)
@given(st.lists(st.tuples(ids, payloads), max_size=5), st.integers(0, 3))
def test_payloads_and_ids(found: list[tuple[PointId, dict[str, Any]]], seed: int) -> None:
    points = [Point(one, payload) for one, payload in found]
    assert over_the_wire(points, seed=seed) == made(points)


@settings(max_examples=100)
@given(
    st.lists(st.none() | st.lists(floats, min_size=3, max_size=3), max_size=4),
    st.lists(st.none() | st.lists(floats, min_size=1, max_size=3), max_size=4),
    st.lists(st.none() | st.dictionaries(st.integers(0, 2**32 - 1), floats, min_size=1), max_size=4),
    st.lists(st.none() | st.lists(st.lists(floats, min_size=2, max_size=2), min_size=1, max_size=3), max_size=4),
    st.booleans(),
)
def test_vectors_of_every_kind(dense: Any, named: Any, sparse: Any, multi: Any, old: bool) -> None:
    """Of points that have some of them and not others, with NaN and infinities in them."""
    points = []
    for number, parts in enumerate(itertools.zip_longest(dense, named, sparse, multi)):
        whole = zip(KINDS, parts, strict=True)
        vectors: dict[str, Vector] = {name: array(part) for name, part in whole if part and not isinstance(part, dict)}
        if parts[2]:
            indices = np.array(list(parts[2]), dtype=np.uint32)
            vectors["sparse"] = Sparse(indices, array(list(parts[2].values())))
        points.append(Point(number, {"n": number}, vectors))
    assert over_the_wire(points, old=old) == made(points)


def test_one_component_in_one_point_of_a_page_is_seen() -> None:
    rng = np.random.default_rng(1)
    points = [Point(number, {}, {"": array(rng.normal(size=5))}) for number in range(300)]
    before = over_the_wire(points)
    changed = points[200].vectors[""].copy()  # type: ignore[union-attr] # a dense one
    changed[4] = np.nextafter(changed[4], np.float32(9))
    points[200].vectors[""] = changed
    after = over_the_wire(points)
    assert [place for place in range(300) if before[place] != after[place]] == [200]
    assert after == made(points)


@pytest.mark.parametrize("value", [{"2": {"2": [{}, [], {"a": 1, "b": [{"y": 0, "x": 0}]}]}}, ["2:", {"z": 1, "a": 2}]])
def test_objects_in_lists_in_objects_have_one_order(value: Any) -> None:
    points = [Point(1, {"z": value, "": value, "a": 2})]
    assert {tuple(over_the_wire(points, seed=seed)) == tuple(made(points)) for seed in range(20)} == {True}


def test_what_nests_deeper_than_protobuf_reads_is_read() -> None:
    deep: Any = 1
    for _ in range(120):
        deep = {"a": [deep]}
    raw = b"\x18\x01"
    for _ in range(120):
        raw = _sized(0x3A, _sized(0x0A, raw))
        raw = _sized(0x32, _sized(0x0A, _sized(0x0A, b"a") + _sized(0x12, raw)))
    point = _sized(0x0A, b"\x08\x07") + _sized(0x12, _sized(0x0A, b"deep") + _sized(0x12, raw))
    assert list(WirePage(_sized(0x12, point)).hashes(KINDS)) == made([Point(7, {"deep": deep})])


def _sized(tag: int, content: bytes) -> bytes:
    from qdrant_admin.database.protobuf import varint

    return bytes((tag,)) + varint(len(content)) + content


def test_a_number_that_may_have_been_a_larger_integer_is_doubted() -> None:
    points = [Point(1, {"a": 2.0**62, "b": -(2.0**70)}), Point(2, {"a": [{"b": 2.0**63}]}), Point(3, {"a": "x"})]
    order = random.Random(0)  # noqa: S311
    answer = grpc.ScrollResponse(result=[sent(point, order, old=False) for point in points]).SerializeToString()
    assert WirePage(answer).doubtful() == {1: 2}
