"""What verifying a copy costs, against one bare scroll of both sides: nothing made of the answers, nothing compared.

    python -m tests.benchmarks.verify_cost [POINTS] [SIZE] [ROUNDS]

From a Qdrant server, and from a Parquet file, whose bare reading is that of its own reader. All are measured
in turn in one run; quote the median of the ratios.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.retry import RetryPolicy
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare.verify import Rows, Verifier
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import Source
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from tests.benchmarks.bare import scrolled
from tests.benchmarks.fingerprint_rate import NAME, fill
from tests.migration.support import last, planned, workspace
from tests.support.real import Server


def parquet(database: Database, path: Path) -> None:
    """The same points as a file."""
    points = [point for page in database.scan(NAME) for point in page]
    columns = {"id": [point.id for point in points], "vector": [point.vectors[""] for point in points]}
    columns |= {key: [point.payload[key] for point in points] for key in points[0].payload}
    pq.write_table(pa.table(columns), path)


def verified(source: Source, database: Database, plan: CollectionPlan, reads: Iterable[int]) -> CollectionResult:
    """One verification by itself."""
    cancel = CancelToken()
    slots = {slot.name: slot for slot in database.collection(plan.target).vectors}
    checkpoints = [Checkpoint(collection=plan.source, span=span, read=read) for span, read in enumerate(reads)]
    rows = Rows(plan.count, 0)
    verifier = Verifier(source, database, plan, slots, RetryPolicy(cancel, fix=""), cancel, checkpoints, rows)
    for _ in verifier.run():
        pass
    return verifier.result()


def bare(source: Source, server: Server | None, plan: CollectionPlan) -> float:
    """Seconds for reading the source and looking at nothing."""
    if server is not None:
        return scrolled(server.endpoint, plan.source)[1]
    began = time.perf_counter()
    for _ in source.batches(plan.source, size=512):
        pass
    return time.perf_counter() - began


def measure(words: str, uri: str, origin: Server | None, server: Server, rounds: int) -> None:
    """Copy once, then verify and scroll in turn; print the ratios."""
    ws = workspace(server)
    report = planned(ws, uri, names={NAME if origin else "points": f"copy-{words}"})
    last(migrate(ws, report, cancel=CancelToken()))
    (plan,) = report.collections
    source = open_source(parse(uri))
    ratios, rates = [], []
    with Database(server.endpoint) as database:
        reads = [plan.count] + [0] * (len(plan.spans) - 1)
        for _ in range(rounds):
            began = time.perf_counter()
            result = verified(source, database, plan, reads)
            seconds = time.perf_counter() - began
            if result.verdict != "verified":
                raise SystemExit(f"{result.verdict}: {result.note}")
            both = bare(source, origin, plan) + scrolled(server.endpoint, plan.target)[1]
            ratios.append(seconds / both)
            rates.append(plan.count / seconds)
    source.close()
    rate, ratio = statistics.median(rates), statistics.median(ratios)
    print(f"{words:8} {rate:9,.0f} points/s, {ratio:.2f} times a bare scroll of both sides")


def main() -> None:
    """Measure and print."""
    points, size, rounds = (int(word) for word in (*sys.argv[1:4], *("20000", "384", "7")[len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["QDRANT_ADMIN_HOME"] = str(root / "home")
        origin, server = Server(root / "source").start(), Server(root / "target").start()
        try:
            with Database(origin.endpoint) as database:
                fill(database, points, size)
                parquet(database, root / "points.parquet")
            print(f"{points} x {size}, {rounds} rounds")
            measure("server", f"qdrant+{origin.url}?grpc_port={origin.grpc_port}", origin, server, rounds)
            measure("parquet", f"parquet:{root / 'points.parquet'}", None, server, rounds)
        finally:
            origin.kill()
            server.kill()


if __name__ == "__main__":
    main()
