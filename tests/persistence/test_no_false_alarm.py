"""Every kind of collection, through every kind of restart, with the optimizer at work: the same fingerprint."""

from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.fingerprint import compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Distance, Point, Sparse, Vector, VectorSpec
from qdrant_admin.persistence.reports import VerifyMethod
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import prove
from tests.support.fingerprints import fingerprint

pytestmark = pytest.mark.server

SIZE = 16
COUNT = 600


def dense(distance: Distance = "Cosine", datatype: str = "float32", **params: Any) -> tuple[VectorSpec, ...]:
    return (VectorSpec(size=SIZE, distance=distance, datatype=datatype, params=params),)


SPECS: dict[str, CollectionSpec] = {
    "cosine": CollectionSpec(vectors=dense()),
    "euclid": CollectionSpec(vectors=dense("Euclid")),
    "float16": CollectionSpec(vectors=dense("Dot", "float16")),
    "uint8": CollectionSpec(vectors=dense("Manhattan", "uint8")),
    "on_disk": CollectionSpec(vectors=dense("Dot", on_disk=True), params={"on_disk_payload": True}),
    "scalar": CollectionSpec(
        vectors=dense(), params={"quantization_config": {"scalar": {"type": "int8", "always_ram": True}}}
    ),
    "binary": CollectionSpec(vectors=dense(), params={"quantization_config": {"binary": {"always_ram": True}}}),
    "multi": CollectionSpec(
        vectors=(
            VectorSpec(
                kind="multi",
                size=SIZE,
                distance="Cosine",
                params={"multivector_config": {"comparator": "max_sim"}},
            ),
        )
    ),
    "named": CollectionSpec(
        vectors=(
            VectorSpec(name="text", size=SIZE, distance="Cosine"),
            VectorSpec(name="image", size=4, distance="Dot"),
            VectorSpec(name="words", kind="sparse"),
        ),
        payload_indexes={
            "kind": {"type": "keyword"},
            "n": {"type": "integer"},
            "price": {"type": "float"},
            "at": {"type": "datetime"},
            "open": {"type": "bool"},
            "place": {"type": "geo"},
            "text": {"type": "text"},
        },
    ),
}


def payload(number: int) -> dict[str, Any]:
    return {
        "kind": f"k{number % 5}",
        "n": number,
        "price": number / 4,
        "at": f"2026-01-{number % 28 + 1:02d}T00:00:00Z",
        "open": number % 2 == 0,
        "place": {"lon": float(number % 90), "lat": 10.5},
        "text": f"memory number{number % 7} of the field",
        "deep": {"z": [1, 1.0, None, {"b": "ü", "a": -0.5}], "a": {}},
        "whole": 1.0,
    }


def vector(slot: VectorSpec, rng: np.random.Generator, number: int) -> Vector:
    if slot.kind == "sparse":
        indices = np.sort(rng.choice(5000, size=5, replace=False)).astype(np.uint32)
        return Sparse(indices, rng.random(5).astype(np.float32))
    if slot.kind == "multi":
        return rng.normal(size=(number % 3 + 1, SIZE)).astype(np.float32)
    if slot.datatype == "uint8":
        return rng.integers(0, 255, size=SIZE).astype(np.float32)
    return rng.normal(size=slot.size).astype(np.float32)


def fill(database: Database, name: str, spec: CollectionSpec) -> None:
    """Integers and UUIDs, some without a vector, some written twice, some deleted again; then the optimizer wakes."""
    rng = np.random.default_rng(5)
    database.create_collection(name, spec)
    points = []
    for number in range(COUNT):
        vectors = {slot.name: vector(slot, rng, number) for slot in spec.vectors}
        if len(vectors) > 1 and number % 10 == 0:
            del vectors["image"]
        own = number if number % 3 else f"00000000-0000-4000-8000-{number:012x}"
        points.append(Point(own, payload(number), vectors))
    database.upsert(name, points)
    database.upsert(name, points[:50])
    database.delete_points(name, [point.id for point in points[100:130]])


def wake_optimizer(ws: Workspace) -> None:
    for name in SPECS:
        body = {"optimizers_config": {"indexing_threshold": 1, "default_segment_number": 1}}
        httpx.patch(f"{ws.runtime.endpoint.url}/collections/{name}", json=body, timeout=30).raise_for_status()


@pytest.fixture
def filled(ws: Workspace) -> Workspace:
    with ws.database() as database:
        for name, spec in SPECS.items():
            fill(database, name, spec)
    return ws


def test_every_kind_of_collection_is_the_same_after_every_kind_of_restart(filled: Workspace) -> None:
    wake_optimizer(filled)  # it works while the first fingerprint is taken, and is killed in the middle of it
    digests = set()
    hows: tuple[VerifyMethod, ...] = ("kill", "graceful", "recreate", "kill", "none")
    for how in hows:
        report = prove(filled, how)
        assert [(check.name, check.verdict, check.settings) for check in report.collections] == [
            (name, "same", ()) for name in sorted(SPECS)
        ]
        assert report.verdict == ("unchanged" if how == "none" else "persisted")
        digests.add(tuple(check.after.digest for check in report.collections if check.after))
        with filled.database() as database:
            for name in SPECS:
                database.nudge(name)  # indexing goes on between the restarts
    assert len(digests) == 1


def test_rest_and_grpc_give_the_same_fingerprint(filled: Workspace) -> None:
    endpoint = filled.runtime.endpoint
    closed = endpoint.model_copy(update={"grpc_port": None})
    with Database(endpoint) as over_grpc, Database(closed) as over_rest:
        for name in SPECS:
            with (
                fingerprint(over_grpc, name) as one,
                fingerprint(over_rest, name) as other,
            ):
                assert one.digest == other.digest, name
                assert compare(one, other).same
        assert "gRPC" in over_grpc.bulk.transport
        assert "REST" in over_rest.bulk.transport


def test_indexed_fields_of_every_kind_are_asked_for_counts(filled: Workspace) -> None:
    with filled.database() as database, fingerprint(database, "named") as taken:
        counts = taken.filtered.words()
        asked = {words.split()[0] for words, count in counts.items() if count}
        assert asked == {"kind", "n", "price", "at", "open", "place", "text"}
        assert counts["open = True"] + counts["open = False"] == taken.points == taken.counted


def test_a_payload_index_that_answers_otherwise_is_found_though_every_point_is_the_same(filled: Workspace) -> None:
    with filled.database() as database, fingerprint(database, "named") as taken:
        asked = taken.filtered
        fewer = {"kind": {value: count for value, count in asked.facets["kind"].items() if value != "k0"}}
        facts: dict[str, JsonValue] = {"filter": "kind = k0", "before": asked.facets["kind"]["k0"], "after": 0}
        damaged = replace(taken, filtered=replace(asked, facets={**asked.facets, **fewer}))
        assert compare(taken, damaged).settings == (Difference(code="filter_count", name="kind", facts=facts),)
        short = replace(taken, counted=taken.points - 1)
        assert compare(taken, short).settings == (
            Difference(code="total_count", facts={"counted": taken.points - 1, "read": taken.points}),
        )
