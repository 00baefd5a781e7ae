"""A real server with whatever a collection can hold."""

from collections.abc import Iterator

import numpy as np
import pytest

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, Sparse, Vector, VectorSpec
from tests.support.real import Server

SLOTS = (
    VectorSpec(size=8, distance="Dot"),
    VectorSpec(name="half", size=4, distance="Cosine", datatype="float16"),
    VectorSpec(name="octets", size=4, distance="Euclid", datatype="uint8"),
    VectorSpec(name="rows", kind="multi", size=3, distance="Cosine"),
    VectorSpec(name="words", kind="sparse"),
)


def odd_points() -> list[Point]:
    """Whatever a collection can hold, and what comes over gRPC in another way than over REST."""
    rng = np.random.default_rng(5)

    def some(*shape: int) -> Vector:
        return rng.normal(size=shape).astype(np.float32)

    words = Sparse(np.array([7, 3, 2**32 - 1], dtype=np.uint32), np.array([1, -2, 0.5], dtype=np.float32))
    whole: dict[str, Vector] = {
        "": some(8),
        "half": some(4),
        "octets": np.array([0, 1, 254, 255], dtype=np.float32),
        "rows": some(3, 3),
        "words": words,
    }
    nested = {"z": [{"b": 1, "a": {"": None}}, [], {}], "a": {"ü": [1, 1.0, -0.0, "1", True]}}
    return [
        Point(0, {}, whole),
        Point(1, {"nested": nested, "huge": 2**64 - 1, "": "empty key", "ключ": "значение"}, whole),
        Point(2, {"huge": {"in": [2**63]}, "large": 1e300, "negative": -(2**63), "k" * 200: "2:\x12"}, {"": some(8)}),
        Point(3, {"kind": "no vector"}, {}),
        Point(4, {"kind": "one row"}, {"rows": some(1, 3), "octets": whole["octets"]}),
        Point("5c56c793-69f3-4fbf-87e6-c4bf54c28c26", {"kind": ["a", "b"], "when": None}, {"words": words}),
        *(Point(100 + number, {"n": number, "text": "a" * number}, {"": some(8)}) for number in range(300)),
    ]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("filled")).start()
    with Database(server.endpoint) as database:
        database.create_collection("odd", CollectionSpec(vectors=SLOTS, payload_indexes={"kind": {"type": "keyword"}}))
        database.upsert("odd", odd_points())
        database.create_collection("plain", CollectionSpec(vectors=SLOTS[:1]))
        database.upsert("plain", [Point(one.id, one.payload, {"": one.vectors[""]}) for one in odd_points()[6:]])
    yield server
    server.kill()
