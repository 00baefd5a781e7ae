"""How fast a fingerprint is taken, against a bare scroll of the same points and against our own scan of them.

    python -m tests.benchmarks.fingerprint_rate [POINTS] [SIZE] [ROUNDS]

All are measured in turn, A B C A B C, in one run; quote the median of the ratios. The processor time is that of this
process alone: on a machine that is busy with other things it tells more than the rate, since a fingerprint hashes one
page while the server makes the next one.
"""

import io
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from tests.benchmarks.bare import scrolled
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

NAME = "bench"


def fill(database: Database, points: int, size: int) -> None:
    """Random vectors, and the payload of a short memory."""
    spec = CollectionSpec(
        vectors=(VectorSpec(size=size, distance="Cosine"),), payload_indexes={"kind": {"type": "keyword"}}
    )
    database.create_collection(NAME, spec)
    rng = np.random.default_rng(1)
    for start in range(0, points, 1000):
        vectors = rng.normal(size=(min(1000, points - start), size)).astype(np.float32)
        batch = [
            Point(
                start + number,
                {"kind": f"k{number % 7}", "n": number, "score": number / 8, "text": "something to remember " * 8},
                {"": vector},
            )
            for number, vector in enumerate(vectors)
        ]
        database.upsert(NAME, batch)


def bare(server: Server) -> float:
    """Points a second of a scroll that looks at nothing."""
    seen, seconds = scrolled(server.endpoint, NAME)
    return seen / seconds


def scan(database: Database) -> float:
    """Points a second of our own scan, every point made."""
    began = time.perf_counter()
    seen = sum(len(page) for page in database.scan(NAME))
    return seen / (time.perf_counter() - began)


def take(database: Database) -> float:
    """Points a second of a fingerprint."""
    began = time.perf_counter()
    with fingerprint(database, NAME) as taken:
        return taken.points / (time.perf_counter() - began)


def processor(run: Callable[[], float], points: int) -> float:
    """Microseconds a point that this process works for it."""
    began = time.process_time()
    run()
    return (time.process_time() - began) / points * 1e6


def held(database: Database) -> tuple[int, float]:
    """The most memory that Python held while a fingerprint was taken, and bytes of its store for each point."""
    tracemalloc.start()
    with fingerprint(database, NAME) as taken:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most, taken.digests.file.seek(0, io.SEEK_END) / taken.points


def main() -> None:
    """Measure and print."""
    points, size, rounds = (int(word) for word in (*sys.argv[1:4], *("20000", "384", "7")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            with Database(server.endpoint) as database:
                fill(database, points, size)
                scan(database)
                measured = [(bare(server), scan(database), take(database)) for _ in range(rounds)]
                work = [
                    processor(partial(bare, server), points),
                    processor(partial(scan, database), points),
                    processor(partial(take, database), points),
                ]
                most, octets = held(database)
                transport = database.bulk.transport
        finally:
            server.kill()
    print(f"{points} x {size}, {rounds} rounds, {transport}")
    names = ("bare scroll", "own scan", "fingerprint")
    for place, name in enumerate(names):
        rate = statistics.median(one[place] for one in measured)
        print(f"{name:12} {rate:10,.0f} points/s, {work[place]:5.1f} us of this process a point")
    for place, name in enumerate(names[:2]):
        print(f"fingerprint / {name:12} {statistics.median(one[2] / one[place] for one in measured):6.2f}")
    print(f"peak memory  {most / 2**20:10.1f} MiB, {octets:.0f} bytes a point kept")


if __name__ == "__main__":
    main()
