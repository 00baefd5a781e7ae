"""What a look at very many small collections takes, against a bare loop that scrolls and counts each of them.

    python -m tests.benchmarks.many_collections [--collections 1000] [--points 10] [--rounds 3]

Both ways are measured in turn, in one run; quote the median of the ratios. The bare loop makes two requests per
collection over one connection, and does nothing with the answers.
"""

import argparse
import socket
import statistics
import tempfile
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.persistence.fingerprints import Scanner, ServerScan
from tests.support.real import Server

SIZE = 8


def fill(database: Database, collections: int, points: int) -> list[str]:
    rng = np.random.default_rng(1)
    spec = CollectionSpec(vectors=(VectorSpec(size=SIZE, distance="Dot"),), params={"shard_number": 1})
    names = [f"c{number:05}" for number in range(collections)]
    for name in names:
        database.create_collection(name, spec)
        made = [Point(at, {"n": at}, {"": rng.normal(size=SIZE).astype(np.float32)}) for at in range(points)]
        database.upsert(name, made)
    return names


def bare(server: Server, names: list[str]) -> float:
    """Milliseconds per collection of a scroll and a count."""
    began = time.perf_counter()
    scroll, count = b'{"limit":100,"with_payload":true,"with_vector":true}', b'{"exact":true}'
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=60)) as http:
        http.connect()
        http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name in names:
            for path, body in (("scroll", scroll), ("count", count)):
                http.request("POST", f"/collections/{name}/points/{path}", body, {"Content-Type": "application/json"})
                http.getresponse().read()
    return (time.perf_counter() - began) / len(names) * 1000


def look(server: Server, names: list[str]) -> float:
    """Milliseconds per collection of a scan as a check makes it."""
    began, scan = time.perf_counter(), ServerScan()
    with Database(server.endpoint) as database:
        for _ in Scanner("bench", (), None, CancelToken()).fingerprint_all(scan, database, "look"):
            pass
    taken = (time.perf_counter() - began) / len(names) * 1000
    if len(scan.collections) != len(names):
        raise SystemExit(f"{len(scan.collections)} of {len(names)} were read: {scan.unreadable}")
    scan.close()
    return taken


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            with Database(server.endpoint) as database:
                names = fill(database, options.collections, options.points)
            pairs = [(bare(server, names), look(server, names)) for _ in range(options.rounds)]
        finally:
            server.kill()
    print(f"{options.collections} collections of {options.points} points, {options.rounds} rounds")
    print(f"bare scroll and count  {statistics.median(one for one, _ in pairs):6.2f} ms per collection")
    print(f"a look                 {statistics.median(two for _, two in pairs):6.2f} ms per collection")
    print(f"ratio                  {statistics.median(two / one for one, two in pairs):6.2f}")


if __name__ == "__main__":
    main()
