"""How fast tables of PostgreSQL and hashes of Redis are read, against their own clients reading them bare.

    python -m tests.benchmarks.database_sources [RECORDS] [SIZE] [ROUNDS]

All are measured in turn, A B A B, in one run; quote the median of the ratios. Prints how memory grew as well.
"""

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.support.postgres import PASSWORD, Postgres
from tests.support.redis_server import RedisServer

_PAGE = 512


def fill_postgres(postgres: Postgres, records: int, size: int) -> str:
    """A table with a key, vectors, and the payload of a short memory."""
    uri = postgres.database("bench")
    postgres.run(
        "bench", f"CREATE TABLE notes (id int PRIMARY KEY, e vector({size}), body text, at timestamptz, meta jsonb)"
    )
    rng = np.random.default_rng(1)
    copy = "COPY notes FROM STDIN"
    with postgres.connect("bench") as connection, connection.cursor() as cursor, cursor.copy(copy) as rows:
        for number in range(records):
            vector = "[" + ",".join(f"{part:.6f}" for part in rng.normal(size=size)) + "]"
            rows.write_row((number, vector, "something to remember " * 8, "2024-02-29", '{"n": 1.25, "tags": ["a"]}'))
    return f"{uri}?collection=notes"


def bare_postgres(postgres: Postgres) -> int:
    """The client's own cursor, in the binary form, looking at nothing."""
    with postgres.connect("bench") as connection, connection.transaction(), connection.cursor("bare") as cursor:
        cursor.itersize = _PAGE
        cursor.execute("SELECT * FROM notes ORDER BY id", binary=True)
        return sum(1 for _ in cursor)


def fill_redis(store: RedisServer, records: int, size: int) -> str:
    """Hashes with vectors, and the payload of a short memory."""
    rng = np.random.default_rng(1)
    with store.client() as client:
        for start in range(0, records, 1000):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(records, start + 1000)):
                vector = rng.normal(size=size).astype("<f4").tobytes()
                fields: dict[str, bytes | str] = {"embedding": vector, "body": "something to remember " * 8}
                pipeline.hset(f"notes:{number}", mapping={**fields, "metadata": '{"n": 1.25, "tags": ["a"]}'})
            pipeline.execute()
    return f"{store.url}?collection=notes"


def bare_redis(store: RedisServer, records: int) -> int:
    """Pipelined HGETALL of keys that are known, looking at nothing."""
    seen = 0
    with store.client() as client:
        for start in range(0, records, _PAGE):
            pipeline = client.pipeline(transaction=False)
            for number in range(start, min(records, start + _PAGE)):
                pipeline.hgetall(f"notes:{number}")
            seen += len(pipeline.execute())
    return seen


def ours(uri: str) -> Callable[[], int]:
    """The source, from its opening on; with Redis that includes listing the keys."""

    def read() -> int:
        with contextlib.closing(open_source(parse(uri))) as source:
            return sum(len(batch.records) for batch in source.batches("notes", size=_PAGE))

    return read


def measure(title: str, own: Callable[[], int], bare: Callable[[], int], rounds: int) -> None:
    """Both in turn, and what came of it."""
    ratios, rates = [], []
    process = psutil.Process()
    own()
    before = process.memory_info().rss
    for _ in range(rounds):
        rate = []
        for read in (own, bare):
            began = time.perf_counter()
            records = read()
            rate.append(records / (time.perf_counter() - began))
        rates.append(rate[0])
        ratios.append(rate[0] / rate[1])
    grown = (process.memory_info().rss - before) / 1e6
    print(
        f"{title}: {statistics.median(rates):,.0f} records/s, {statistics.median(ratios):.2f} of bare, {grown:+.0f} MB"
    )


def main(records: int = 20_000, size: int = 384, rounds: int = 5) -> None:
    """Fill, measure, take away."""
    os.environ["PGPASSWORD"] = PASSWORD
    postgres = Postgres()
    try:
        uri = fill_postgres(postgres.make().start(), records, size)
        measure("PostgreSQL", ours(uri), lambda: bare_postgres(postgres), rounds)
    finally:
        postgres.remove()
    with tempfile.TemporaryDirectory() as folder:
        store = RedisServer(Path(folder)).start()
        try:
            uri = fill_redis(store, records, size)
            measure("Redis", ours(uri), lambda: bare_redis(store, records), rounds)
        finally:
            store.stop()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
