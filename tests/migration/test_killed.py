"""SIGKILL at up to fifty random moments, over three kinds of source and 1, 2 and 8 workers: nothing lost or doubled."""

import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.runs import resume
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.benchmarks import stores
from tests.migration.support import DENSE, last, local_store, moved, numbered, workspace
from tests.support.matrix import part
from tests.support.real import Server

pytestmark = [pytest.mark.server, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
COUNT = 1500
CHANGES = 8
FOLLOWING = {"catch_up": True, "delete_gone": True}
SOON = DENSE | {"optimizers_config": {"indexing_threshold": 10}}
"""So that indexing is held back, and has to be given back by somebody else than who held it."""
CASES = [
    (kind, workers, kills)
    for kind, spread in {"chroma": (6, 6, 5), "local": (5, 6, 6), "server": (6, 5, 5)}.items()
    for workers, kills in zip((1, 2, 8), spread, strict=True)
]


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[bytes]]:
    """Where the processes come from that are killed."""
    command = [sys.executable, "-m", "tests.migration.killed"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as one:
        yield one
        one.terminate()


def source_of(kind: str, folder: Path, other: Server) -> str:
    if kind == "local":
        return f"qdrant-local:{local_store(folder / 's', {'c': numbered(COUNT)}, SOON)}"
    points = [Point(n, {"n": n}, {"": np.array([n, 1, 2, 3], dtype=np.float32)}) for n in range(COUNT)]
    if kind == "chroma":
        stores.chroma(folder / "s", [points], 4)
        return f"chroma:{folder / 's'}"
    spec = CollectionSpec(
        vectors=(VectorSpec(size=4, distance="Dot"),), params={"optimizers_config": {"indexing_threshold": 10}}
    )
    with Database(other.endpoint) as database:
        database.create_collection("c", spec)
        database.upsert("c", points)
    return f"qdrant+{other.url}?grpc_port={other.grpc_port}"


def run_and_kill(nursery: "subprocess.Popen[bytes]", goal: int, after: float, **keywords: Any) -> bool:
    """Start a migration and kill it so many seconds after it is that far; whether it lived until then."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(json.dumps(keywords).encode() + b"\n")
    child = int(nursery.stdout.readline())
    word, number = nursery.stdout.readline().split()
    while word == b"at" and int(number) < goal:
        word, number = nursery.stdout.readline().split()
    if word == b"at":
        select.select([nursery.stdout], [], [], after)
        os.kill(child, signal.SIGKILL)
    while word != b"end":
        word, number = nursery.stdout.readline().split()
    assert int(number) in {0, -signal.SIGKILL}, "it ended by itself, and not well"
    return int(number) != 0


def everything(server: Server, name: str) -> dict[Any, Any]:
    with Database(server.endpoint) as database:
        points = [point for page in database.scan(name) for point in page]
    return {point.id: (point.payload, np.asarray(point.vectors[""]).tobytes()) for point in points}


@pytest.mark.parametrize(("kind", "workers", "kills"), part(CASES, 3))
def test_killed_at_random_moments_it_ends_with_exactly_the_source(  # noqa: PLR0917
    kind: str,
    workers: int,
    kills: int,
    nursery: "subprocess.Popen[bytes]",
    server: Server,
    other: Server,
    isolated_home: Path,
    tmp_path: Path,
) -> None:
    ws = workspace(server)
    source = source_of(kind, tmp_path, other)
    name = "bench" if kind == "chroma" else "c"
    chance = random.Random(f"{kind}{workers}")  # noqa: S311 - the same moments on every run
    fields = {"url": server.url, "grpc_port": server.grpc_port, "source": source, "workers": workers}
    goals = sorted(chance.randint(0, COUNT + 2) for _ in range(kills))
    while goals:
        if run_and_kill(nursery, goals[0], chance.uniform(0, 0.1), home=str(isolated_home), **fields):
            goals.pop(0)
        else:  # it was quicker: that one is looked at, and the next begins from nothing
            check(server, source, name)
            with Database(server.endpoint) as database:
                database.delete_collection(name)
    runs = unfinished(ws.store)
    report = last(resume(ws, runs[0], cancel=CancelToken())) if runs else moved(ws, source)
    result = report.collections[0]
    assert report.verdict == "verified"
    assert (result.read, result.written, result.verified, result.rejected) == (COUNT, COUNT, COUNT, 0)
    assert unfinished(ws.store) == []
    check(server, source, name)


def check(server: Server, source: str, name: str) -> None:
    """The target holds what the source does, and has its settings back."""
    opened = open_source(parse(source))
    try:
        records = [record for batch in opened.batches(name, size=500) for record in batch.records]
    finally:
        opened.close()
    found = everything(server, name)
    assert len(found) == len(records) == COUNT
    payloads = sorted(payload.get("n", -1) for payload, _ in found.values())
    assert payloads == list(range(COUNT))
    if name == "c":
        assert {record.id: (record.payload, np.asarray(record.vectors[""]).tobytes()) for record in records} == found
        with Database(server.endpoint) as database:
            assert database.indexing_threshold(name) == 10


def test_killed_while_it_catches_up_it_ends_with_exactly_the_source(
    nursery: "subprocess.Popen[bytes]", server: Server, other: Server, isolated_home: Path, tmp_path: Path
) -> None:
    """The source goes on changing, also while nobody follows it: what is gone there goes, what came later comes."""
    ws = workspace(server)
    source = source_of("server", tmp_path, other)
    chance = random.Random("catch up")  # noqa: S311 - the same moments on every run
    fields = {"url": server.url, "grpc_port": server.grpc_port, "source": source, "workers": 4, **FOLLOWING}
    kills = 0
    with Database(other.endpoint) as database:
        for goal in sorted([0, *(chance.randint(0, COUNT + 4) for _ in range(CHANGES))]):
            kills += run_and_kill(nursery, goal, chance.uniform(0, 0.05), home=str(isolated_home), **fields)
            change(database, chance)
    assert kills > CHANGES // 2
    runs = unfinished(ws.store)
    report = last(resume(ws, runs[0], cancel=CancelToken())) if runs else moved(ws, source, **FOLLOWING)
    assert report.verdict == "verified"
    assert everything(server, "c") == everything(other, "c")
    assert unfinished(ws.store) == []


def change(database: Database, chance: random.Random) -> None:
    """Some points go, some become others, some are new."""
    gone, other, new = (chance.sample(range(COUNT + 300), 30) for _ in range(3))
    database.delete_points("c", gone)
    points = [Point(n, {"n": chance.random()}, {"": np.array([n, 1, 2, 3], dtype=np.float32)}) for n in other + new]
    database.upsert("c", points)
