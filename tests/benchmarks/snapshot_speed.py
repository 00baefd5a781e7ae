"""Time to a copy that can be searched (green, every vector indexed): by snapshot against point by point, in one run.

    python -m tests.benchmarks.snapshot_speed [--points 40000] [--size 384] [--rounds 3]

From one real server to another; the source is indexed. Both ways run whole: plan, copy, wait for the index. What is
printed is medians, and the ratio streamed / snapshot. Verification is the same for both, so it is told apart.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import StepFinished
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.run import migrate
from tests.migration.support import planned, workspace
from tests.support.real import Server

_BATCH = 1000


def fill(database: Database, count: int, size: int) -> None:
    """An indexed collection with a payload of four fields."""
    spec = CollectionSpec(vectors=(VectorSpec(size=size, distance="Cosine"),))
    database.create_collection("notes", spec)
    random = np.random.default_rng(3)
    for start in range(0, count, _BATCH):
        vectors = random.normal(size=(min(_BATCH, count - start), size)).astype(np.float32)
        points = [
            Point(n, {"n": n, "text": f"memory {n}", "tag": f"t{n % 7}", "deep": {"on": n % 2 == 0}}, {"": vector})
            for n, vector in enumerate(vectors, start)
        ]
        database.upsert("notes", points)
    wait(database, "notes", lambda: green(database, "notes", count))


def green(database: Database, name: str, count: int) -> bool:
    """Whether nothing is left to be indexed; some vectors may stay in a last, small segment."""
    info = database.collection(name)
    if info.status == "grey":
        database.nudge(name)
    return info.status == "green" and info.indexed_vectors >= 0.9 * count


def wait(database: Database, name: str, done: Callable[[], bool], limit: float = 1200) -> None:
    """Until it is done."""
    deadline = time.monotonic() + limit
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} did not become green: {database.collection(name)}")
        time.sleep(0.05)


def once(server: Server, source: str, method: str, count: int) -> tuple[float, float]:
    """Seconds to a green, indexed copy, and seconds of the verification behind it."""
    start = time.perf_counter()
    ws = workspace(server)
    plan = planned(ws, source, method=method, to=method)
    assert plan.collections[0].method == method
    searchable = 0.0
    with Database(server.endpoint) as database:
        for event in migrate(ws, plan, cancel=CancelToken()):
            if isinstance(event, StepFinished) and event.step == "indexing":
                wait(database, method, lambda: green(database, method, count))
                searchable = time.perf_counter() - start
            if isinstance(event, StepFinished) and event.step == "verify":
                assert event.outcome == "ok"
        total = time.perf_counter() - start
        database.delete_collection(method)
    return searchable, total - searchable


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=40_000)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["QDRANT_ADMIN_HOME"] = f"{folder}/home"
        left, right = Server(Path(folder) / "left").start(), Server(Path(folder) / "right").start()
        try:
            with Database(left.endpoint) as database:
                fill(database, given.points, given.size)
            source = f"qdrant+{left.url}?grpc_port={left.grpc_port}"
            seconds: dict[str, list[tuple[float, float]]] = {"snapshot": [], "stream": []}
            for _ in range(given.rounds):
                for method, found in seconds.items():
                    found.append(once(right, source, method, given.points))
            medians = {name: statistics.median(one for one, _ in found) for name, found in seconds.items()}
            for name, found in seconds.items():
                checked = statistics.median(one for _, one in found)
                print(f"{name:9} searchable after {medians[name]:7.2f} s   verified {checked:6.2f} s later")
            print(f"streamed / snapshot: {medians['stream'] / medians['snapshot']:.1f}")
        finally:
            left.kill()
            right.kill()


if __name__ == "__main__":
    main()
