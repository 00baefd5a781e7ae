"""Two pages of the same points are the same, byte for byte, in whatever order their parts come; all else is told."""

import struct
from typing import Any

import numpy as np
import pytest
from qdrant_client import grpc

from qdrant_admin.database.encoding import point_bytes
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.grpc_points import GrpcPoints
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.database.wire import WirePage
from tests.support.real import Server


def point(payload: dict[str, Any], **vectors: list[float]) -> Any:
    return grpc.RetrievedPoint(
        id=grpc.PointId(num=1),
        payload=payload,
        vectors=grpc.VectorsOutput(
            vectors=grpc.NamedVectorsOutput(
                vectors={name: grpc.VectorOutput(data=floats) for name, floats in vectors.items()}
            )
        ),
    )


def page(*points: Any) -> WirePage:
    return WirePage(grpc.ScrollResponse(result=points).SerializeToString())


def number(value: float) -> Any:
    return grpc.Value(double_value=value)


def nested(**fields: Any) -> Any:
    return grpc.Value(struct_value=grpc.Struct(fields=fields))


def unlike(one: Any, two: Any) -> bool:
    return bool(page(one).unlike(page(two), [(0, 0)]))


def test_the_order_of_fields_and_vectors_does_not_matter_at_any_depth() -> None:
    a, b = number(1), number(2)
    one = point({"x": a, "y": nested(a=a, b=b)}, p=[1.0], q=[2.0])
    two = point({"y": nested(b=b, a=a), "x": a}, q=[2.0], p=[1.0])
    assert not unlike(one, two)


@pytest.mark.parametrize(
    "other",
    [
        point({"x": number(1)}, p=[1.0, 0.0]),
        point({"x": number(1)}, p=[1.0, np.nextafter(np.float32(0), np.float32(1))]),
        point({"x": number(1)}, q=[1.0, -0.0]),
        point({"x": number(-0.0)}, p=[1.0, -0.0]),
        point({"x": grpc.Value(integer_value=1)}, p=[1.0, -0.0]),
        point({"x": number(1), "y": number(1)}, p=[1.0, -0.0]),
        point({}, p=[1.0, -0.0]),
    ],
)
def test_the_least_difference_is_told(other: Any) -> None:
    own = point({"x": number(1)}, p=[1.0, -0.0])
    assert unlike(own, other)
    assert not unlike(own, own)


@pytest.mark.parametrize(("last", "doubtful"), [(3.25, False), (float("nan"), True)])
def test_floats_that_a_server_sends_one_by_one_are_seen(last: float, doubtful: bool) -> None:
    """As 1.16.3 sends them: each with a tag of its own."""
    loose = b"".join(b"\x0d" + struct.pack("<f", one) for one in (0.0, 0.0, last))
    raw = b"\x0a\x02\x08\x07" + b"\x22" + bytes([len(loose) + 2]) + b"\x0a" + bytes([len(loose)]) + loose
    look = WirePage(b"\x12" + bytes([len(raw)]) + raw).look({"": VectorSpec(size=3, distance="Cosine")})
    assert (look.doubtful, look.zero_vectors) == (doubtful, 0)


@pytest.mark.server
def test_a_vector_that_is_not_finite_is_seen_in_what_a_real_server_sends(server: Server) -> None:
    slot = VectorSpec(size=3, distance="Dot")
    raw = GrpcPoints(server.endpoint, 10)
    with Database(server.endpoint) as database:
        database.create_collection("p", CollectionSpec(vectors=(slot,)))
        for floats, doubtful in (([1, 2, 3], False), ([1, np.nan, 3], True)):
            raw.upsert("p", [point_bytes(1, {}, {"": np.array(floats, dtype=np.float32)})], wait=True)
            (found,) = database.bulk.wire_pages("p", page_size=10)
            assert found.look({"": slot}).doubtful is doubtful
    raw.close()
