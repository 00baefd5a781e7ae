"""How fast everything in a collection is read: this project's scan against qdrant-client's scroll, in one run.

Run it as `python -m tests.benchmarks.bulk_read [POINTS] [DIMENSIONS]`. It starts a real server of its own. Compare
the ratios; the absolute figures are this machine's and this minute's.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from qdrant_client import QdrantClient

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from tests.support.real import Server

PAGE = 512


def fill(database: Database, points: int, size: int) -> None:
    """Vectors and a payload of three fields."""
    random = np.random.default_rng(1)
    spec = CollectionSpec(vectors=(VectorSpec(size=size, distance="Dot"),))
    database.create_collection("bench", spec)
    for start in range(0, points, 1000):
        rows = random.random((min(1000, points - start), size), dtype=np.float32)
        batch = [
            Point(start + one, {"text": f"memory {start + one}", "place": one, "kept": True}, {"": row})
            for one, row in enumerate(rows)
        ]
        database.upsert("bench", batch)


def scanned(database: Database) -> Iterator[int]:
    """Points a page, by our scan."""
    return (len(page) for page in database.scan("bench", page_size=PAGE))


def scrolled(client: QdrantClient) -> Iterator[int]:
    """Points a page, by qdrant-client."""
    offset = None
    while True:
        page, offset = client.scroll("bench", limit=PAGE, offset=offset, with_payload=True, with_vectors=True)
        yield len(page)
        if offset is None:
            return


def rate(read: Callable[[], Iterator[int]], points: int) -> float:
    """Points a second, the better of two runs."""
    best = 0.0
    for _ in range(2):
        start = time.perf_counter()
        found = sum(read())
        best = max(best, found / (time.perf_counter() - start))
        if found != points:
            raise SystemExit(f"read {found} of {points} points")
    return best


def main() -> None:
    """Print one line a way of reading."""
    points, size = (int(one) for one in [*sys.argv[1:3], "10000", "384"][:2])
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "qdrant").start()
        rest_endpoint = server.endpoint.model_copy(update={"grpc_port": None})
        plain = QdrantClient(url=server.url, check_compatibility=False)
        fast = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True, check_compatibility=False)
        try:
            with Database(server.endpoint) as ours, Database(rest_endpoint) as ours_rest:
                fill(ours, points, size)
                rates = {
                    "qdrant-client, gRPC": rate(lambda: scrolled(fast), points),
                    "qdrant-admin, gRPC": rate(lambda: scanned(ours), points),
                    "qdrant-client, REST": rate(lambda: scrolled(plain), points),
                    "qdrant-admin, REST": rate(lambda: scanned(ours_rest), points),
                }
        finally:
            plain.close()
            fast.close()
            server.stop()
    print(f"{points} points of {size} dimensions, pages of {PAGE}")
    for name, per_second in rates.items():
        base = rates[f"qdrant-client, {name.rpartition(' ')[2]}"]
        print(f"{name:<22} {per_second:>9.0f} points/s  {per_second / base:5.1f}x")


if __name__ == "__main__":
    main()
