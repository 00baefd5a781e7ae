"""Up to fifty checks in a row over a server that is never at rest: none may call anything lost or changed."""

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.database.models import CollectionSpec, Point, Sparse, Vector, VectorSpec
from qdrant_admin.persistence.reports import VerifyMethod
from qdrant_admin.server import runtime
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import prove
from tests.support.dropping import drop_index
from tests.support.matrix import WHOLE

pytestmark = [pytest.mark.server, pytest.mark.slow]

RUNS = 50 if WHOLE else 15
COUNT = 400
SIZE = 16
HOWS: tuple[VerifyMethod, ...] = ("kill", "graceful", "pause", "recreate", "none")


def slot(name: str, datatype: str = "float32", **params: Any) -> VectorSpec:
    return VectorSpec(name=name, size=SIZE, distance="Cosine", datatype=datatype, params=params)


def quantized(name: str, kind: str, **params: Any) -> VectorSpec:
    return slot(name, quantization_config={kind: {"always_ram": True, **params}})


EVERY_KIND = CollectionSpec(
    vectors=(
        slot("plain"),
        slot("on_disk", on_disk=True),
        slot("float16", "float16"),
        slot("uint8", "uint8"),
        quantized("scalar", "scalar", type="int8"),
        quantized("binary", "binary"),
        quantized("product", "product", compression="x4"),
        VectorSpec(
            name="multi",
            kind="multi",
            size=SIZE,
            distance="Dot",
            params={"multivector_config": {"comparator": "max_sim"}},
        ),
        VectorSpec(name="sparse", kind="sparse"),
    ),
    params={"on_disk_payload": True},
    payload_indexes={"kind": {"type": "keyword"}, "n": {"type": "integer"}},
)
ONE_VECTOR = CollectionSpec(
    vectors=(VectorSpec(size=SIZE, distance="Euclid"),), payload_indexes={"n": {"type": "integer"}}
)
SPECS = {"every_kind": EVERY_KIND, "one_vector": ONE_VECTOR}


def vector(spec: VectorSpec, rng: np.random.Generator) -> Vector:
    if spec.kind == "sparse":
        indices = np.sort(rng.choice(1000, size=5, replace=False)).astype(np.uint32)
        return Sparse(indices, rng.random(5).astype(np.float32))
    if spec.kind == "multi":
        return rng.normal(size=(int(rng.integers(1, 4)), SIZE)).astype(np.float32)
    if spec.datatype == "uint8":
        return rng.integers(0, 255, size=SIZE).astype(np.float32)
    return rng.normal(size=SIZE).astype(np.float32)


def points(spec: CollectionSpec) -> list[Point]:
    rng = np.random.default_rng(7)
    return [
        Point(
            number if number % 3 else f"00000000-0000-4000-8000-{number:012x}",
            {"kind": f"k{number % 5}", "n": number, "deep": {"z": [1, 1.0, None], "a": {"ü": -0.5, "b": True}}},
            {one.name: vector(one, rng) for one in spec.vectors},
        )
        for number in range(COUNT)
    ]


class Unrest:
    """What goes on at the server between two checks, and goes on being worked at during the next one."""

    def __init__(self, ws: Workspace) -> None:
        self._ws = ws
        self._points = {name: points(spec) for name, spec in SPECS.items()}
        self._number = itertools.count()

    def fill(self) -> None:
        with self._ws.database() as database:
            for name, spec in SPECS.items():
                database.create_collection(name, spec)
                database.upsert(name, self._points[name])
            database.set_alias("mind", "every_kind")

    def stir(self) -> None:
        """One of the ways, in turn."""
        ways: tuple[Callable[[], None], ...] = (
            self._index,
            self._other_key_order,
            self._one_segment,
            self._written_again,
            self._other_graph,
            self._payload_index_anew,
            self._many_segments,
        )
        ways[next(self._number) % len(ways)]()

    def _index(self) -> None:
        self._patch(optimizers_config={"indexing_threshold": 1})

    def _one_segment(self) -> None:
        self._patch(optimizers_config={"default_segment_number": 1, "max_segment_size": 1_000_000})

    def _many_segments(self) -> None:
        self._patch(optimizers_config={"default_segment_number": 4, "indexing_threshold": 1_000_000})

    def _other_graph(self) -> None:
        self._patch(hnsw_config={"m": 8 + next(self._number) % 8}, optimizers_config={"indexing_threshold": 1})

    def _other_key_order(self) -> None:
        self._write(
            [Point(one.id, dict(reversed(one.payload.items())), one.vectors) for one in self._points["every_kind"]]
        )

    def _written_again(self) -> None:
        with self._ws.database() as database:
            database.delete_points("every_kind", [one.id for one in self._points["every_kind"][:100]])
        self._write(self._points["every_kind"][:100])

    def _payload_index_anew(self) -> None:
        with self._ws.database() as database:
            drop_index(database, "every_kind", "kind")
        url = f"{self._ws.runtime.endpoint.url}/collections/every_kind/index?wait=true"
        body = {"field_name": "kind", "field_schema": {"type": "keyword"}}
        httpx.put(url, json=body, timeout=30).raise_for_status()

    def _write(self, changed: list[Point]) -> None:
        with self._ws.database() as database:
            database.upsert("every_kind", changed)

    def _patch(self, **settings: Any) -> None:
        for name in SPECS:
            url = f"{self._ws.runtime.endpoint.url}/collections/{name}"
            httpx.patch(url, json=settings, timeout=30).raise_for_status()


def test_checks_of_a_server_that_is_never_at_rest_all_say_persisted(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "FROZEN_SECONDS", 0.2)
    unrest = Unrest(ws)
    unrest.fill()
    digests = set()
    for run in range(RUNS):
        unrest.stir()
        report = prove(ws, HOWS[run % len(HOWS)])
        assert (report.verdict, report.reason.partition(";")[0]) == (
            "unchanged" if report.how in {"none", "pause"} else "persisted",
            "every point, setting and alias is as it was",
        ), f"run {run}, by {report.how}"
        digests.add(tuple(check.after.digest for check in report.collections if check.after))
    assert len(digests) == 1, "whatever went on, it was the same content all the while"
