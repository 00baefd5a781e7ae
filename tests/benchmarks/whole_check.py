"""What a whole check takes, `verify --how kill`, against the restart alone and two bare scrolls of the same points.

    python -m tests.benchmarks.whole_check [--points 100000] [--size 384] [--rounds 3]

A native server under our own runtime, with an index on the payload and none on the vectors, which would take long to
build and is only loaded. Nothing is done in a bare scroll but to take the answers. Quote the median of the ratios;
where the time goes is told by phase.
"""

import argparse
import os
import statistics
import tempfile
from collections import defaultdict
from functools import partial
from pathlib import Path

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence.reports import VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.workspace import Workspace
from tests.benchmarks.bare import scrolled
from tests.benchmarks.fingerprint_rate import NAME, fill
from tests.benchmarks.snapshot_speed import wait
from tests.migration.support import last
from tests.persistence.conftest import drain, native_workspace


def at_rest(database: Database) -> bool:
    """Whether no optimizer is at work or waiting."""
    status = database.collection(NAME).status
    if status == "grey":
        database.nudge(NAME)
    return status == "green"


def checked(ws: Workspace) -> VerifyReport:
    """One whole check."""
    report: VerifyReport = last(verify(ws, VerifyOptions(how="kill"), cancel=CancelToken()))
    if report.verdict != "persisted":
        raise SystemExit(f"{report.verdict}: {report.reason}")
    return report


def measure(ws: Workspace, rounds: int) -> None:
    """Scroll, check, scroll; print the medians."""
    phases: dict[str, list[float]] = defaultdict(list)
    ratios, checks, restarts, scrolls = [], [], [], []
    for _ in range(rounds):
        bare = scrolled(ws.runtime.endpoint, NAME)[1]
        report = checked(ws)
        bare += scrolled(ws.runtime.endpoint, NAME)[1]
        restart = report.ready_seconds or 0.0
        ratios.append(report.seconds / (restart + bare))
        checks.append(report.seconds)
        restarts.append(restart)
        scrolls.append(bare)
        for phase in report.phases:
            phases[phase.name].append(phase.seconds)
    told = {"whole check": checks, "restart": restarts, "two bare scrolls": scrolls}
    for words, seconds in told.items():
        print(f"{words:24} {statistics.median(seconds):7.2f} s")
    for name, seconds in phases.items():
        print(f"  {name:22} {statistics.median(seconds):7.2f} s")
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"whole check / (restart + two bare scrolls)  {statistics.median(ratios):.2f}  ({spread})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["QDRANT_ADMIN_HOME"] = str(Path(folder) / "home")
        ws = native_workspace(Path(folder))
        drain(up(ws, cancel=CancelToken()))
        try:
            with ws.database() as database:
                fill(database, options.points, options.size)
                database.set_indexing_threshold(NAME, 0)
                wait(database, NAME, partial(at_rest, database))
            print(f"{options.points} x {options.size}, {options.rounds} rounds")
            measure(ws, options.rounds)
        finally:
            drain(ws.runtime.stop(CancelToken()))


if __name__ == "__main__":
    main()
