"""How fast a migration copies, against a replay of ready-made requests and against qdrant-client's own `migrate`.

    python -m tests.benchmarks.migration_speed [--shape POINTSxSIZE]... [--rounds N] [--memory]

Everything is measured in turn, in one run, into the same real server; medians are printed. The replay sends requests
that were made before the clock started, by as many threads and of as many points as a migration uses, into a collection
whose indexing is held back as a migration's is: the most that a target can take. `copy` is the copying step of a
migration alone; `whole` is everything from the plan to the verdict, indexing and verification included.

`--memory` compares the peak memory of a migration of 1,000,000 points with that of one of 10,000, each in a process
of its own.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
from qdrant_client import grpc as wire

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import StepFinished, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.reports import DEFAULT_BATCH, WORKERS
from qdrant_admin.migration.run import migrate
from tests.benchmarks import stores
from tests.migration.support import planned, workspace
from tests.support.real import Server

NAME = "bench"


def points(count: int, size: int) -> Iterator[list[Point]]:
    """Random vectors, and the payload of a short memory."""
    rng = np.random.default_rng(1)
    for start in range(0, count, 1000):
        vectors = rng.normal(size=(min(1000, count - start), size)).astype(np.float32)
        yield [Point(start + number, stores.payload(start + number), {"": row}) for number, row in enumerate(vectors)]


def fill(server: Server, count: int, size: int) -> None:
    """The source of everything else, without an index: it is not what is measured."""
    with Database(server.endpoint) as database:
        params = {"optimizers_config": {"indexing_threshold": 0}}
        database.create_collection(
            NAME, CollectionSpec(vectors=(VectorSpec(size=size, distance="Cosine"),), params=params)
        )
        for page in points(count, size):
            database.upsert(NAME, page)


def emptied(server: Server) -> None:
    """Drop every collection."""
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for one in http.get("/collections").json()["result"]["collections"]:
            http.delete(f"/collections/{one['name']}").raise_for_status()


def requests(source: Server) -> list[bytes]:
    """The requests of a replay, made of what is in the source."""
    made = []
    with Database(source.endpoint) as database:
        for page in database.scan(NAME, page_size=DEFAULT_BATCH):
            raw = [
                wire.PointStruct(
                    id=wire.PointId(num=int(point.id)),
                    payload={key: _value(value) for key, value in point.payload.items()},
                    vectors=wire.Vectors(
                        vector=wire.Vector(dense=wire.DenseVector(data=np.asarray(point.vectors[""]).tolist()))
                    ),
                )
                for point in page
            ]
            made.append(wire.UpsertPoints(collection_name=NAME, wait=True, points=raw).SerializeToString())
    return made


def _value(value: Any) -> Any:
    if isinstance(value, str):
        return wire.Value(string_value=value)
    return wire.Value(integer_value=value) if isinstance(value, int) else wire.Value(double_value=value)


def replay(server: Server, made: list[bytes], size: int) -> float:
    """Seconds to send them all."""
    emptied(server)
    body = {"vectors": {"size": size, "distance": "Cosine"}, "optimizers_config": {"indexing_threshold": 0}}
    httpx.put(f"{server.url}/collections/{NAME}", json=body, timeout=60).raise_for_status()
    options = [("grpc.max_send_message_length", -1), ("grpc.compression_enabled_algorithms_bitset", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as channel:
        send = channel.unary_unary("/qdrant.Points/Upsert", request_serializer=None, response_deserializer=None)
        with ThreadPoolExecutor(WORKERS) as pool:
            start = time.perf_counter()
            list(pool.map(send, made))
            return time.perf_counter() - start


def ours(server: Server, source: str) -> tuple[float, float]:
    """Seconds of the copying step, and of everything."""
    emptied(server)
    start = time.perf_counter()
    ws = workspace(server)
    plan = planned(ws, source, method="stream")
    began = copied = 0.0
    for event in migrate(ws, plan, cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "copy":
            began = time.perf_counter()
        if isinstance(event, StepFinished):
            assert event.outcome == "ok", event
            if event.step == "copy":
                copied = time.perf_counter() - began
    return copied, time.perf_counter() - start


def clients(source: Server, target: Server) -> float:
    """Seconds of `qdrant_client.migrate` over REST."""
    from qdrant_client import QdrantClient

    emptied(target)
    left = QdrantClient(url=source.url, check_compatibility=False, timeout=300)
    right = QdrantClient(url=target.url, check_compatibility=False, timeout=300)
    try:
        start = time.perf_counter()
        left.migrate(right, [NAME])
        return time.perf_counter() - start
    finally:
        left.close()
        right.close()


def measure(folder: Path, count: int, size: int, rounds: int) -> None:
    """One shape: fill, measure in turn, print."""
    source, target = Server(folder / "source").start(), Server(folder / "target").start()
    try:
        fill(source, count, size)
        made = requests(source)
        files = stores.made(folder, list(points(count, size)), size)
        addresses = {"Qdrant server": f"qdrant+{source.url}?grpc_port={source.grpc_port}"} | files
        seconds: dict[str, list[float]] = {}
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "replay": lambda: {"replay of ready-made requests": replay(target, made, size)},
            "client": lambda: {"qdrant_client.migrate, REST": clients(source, target)},
        }
        for name, address in addresses.items():
            ways[name] = lambda name=name, address=address: dict(  # type: ignore[misc] # bound now, not later
                zip((f"{name}, copy", f"{name}, whole"), ours(target, address), strict=True)
            )
        for _ in range(rounds):
            for way in ways.values():
                for name, taken in way().items():
                    seconds.setdefault(name, []).append(taken)
    finally:
        source.kill()
        target.kill()
    show(count, size, rounds, {name: statistics.median(taken) for name, taken in seconds.items()})


def show(count: int, size: int, rounds: int, seconds: dict[str, float]) -> None:
    """A table: seconds, rate, and how that compares with the replay and with the client."""
    print(f"{count} points of {size} dimensions, {rounds} rounds, medians; load {os.getloadavg()[0]:.1f}")
    bare, client = seconds["replay of ready-made requests"], seconds["qdrant_client.migrate, REST"]
    for name, taken in seconds.items():
        ratios = f"{bare / taken:6.2f} of replay {client / taken:6.1f} x client"
        print(f"{name:34} {taken:8.3f} s {count / taken:9.0f} points/s {ratios}")


def peak(count: int) -> int:
    """Peak memory of a migration of so many points, in a process of its own, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Server(Path(folder) / "source").start(), Server(Path(folder) / "target").start()
        try:
            fill(source, count, 64)
            command = [sys.executable, "-m", "tests.benchmarks.migration_speed", "--one", source.url, target.url]
            command += [str(source.grpc_port), str(target.grpc_port), "--rounds", "1"]
            environment = os.environ | {"QDRANT_ADMIN_HOME": f"{folder}/home"}
            return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
        finally:
            source.kill()
            target.kill()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        left, right, left_grpc, right_grpc = arguments.one
        server = Server(Path(), port=int(right.rpartition(":")[2]), grpc_port=int(right_grpc))
        ours(server, f"qdrant+{left}?grpc_port={left_grpc}")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    if arguments.memory:
        small, large = peak(10_000), peak(1_000_000)
        print(f"peak memory {small / 2**20:.0f} MiB for 10,000 points, {large / 2**20:.0f} MiB for 1,000,000")
        print(f"ratio {large / small:.2f}")
        return
    for shape in arguments.shape or ["40000x384", "20000x1536"]:
        count, _, size = shape.partition("x")
        with tempfile.TemporaryDirectory() as folder:
            os.environ["QDRANT_ADMIN_HOME"] = f"{folder}/home"
            measure(Path(folder), int(count), int(size), arguments.rounds)


if __name__ == "__main__":
    main()
