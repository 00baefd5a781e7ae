"""Migration by qdrant-admin against `qdrant_client.migrate`, the same records into the same real server, in one run.

    python -m tests.benchmarks.migrate_vs_client EMBEDDED_FOLDER [CHROMA_FOLDER] [--rounds N]

Prints medians: the copy alone, the copy with verification of every point, and the client's own migration (REST, which
compares counts only), each from the embedded folder; the Chroma directory beside it. Ratios are client / ours.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import httpx

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import StepFinished, StepStarted
from qdrant_admin.migration.run import migrate
from tests.migration.support import planned, workspace
from tests.support.real import Server


def ours(server: Server, source: str) -> tuple[float, float, int]:
    """Seconds of the copy phase, seconds of everything (plan, copy, verification), points verified."""
    start = time.perf_counter()
    ws = workspace(server)
    plan = planned(ws, source)
    began = copied = verified = 0.0
    total = 0
    for event in migrate(ws, plan, cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "copy":
            began = time.perf_counter()
        if isinstance(event, StepFinished) and event.step == "copy":
            copied = time.perf_counter() - began
        if isinstance(event, StepFinished) and event.step == "verify":
            verified = time.perf_counter() - start
            assert event.outcome == "ok"
            total = sum(one.count for one in plan.collections)
    return copied, verified, total


def clients(server: Server, folder: Path) -> float:
    """Seconds of `qdrant_client.migrate`, opening the folder included."""
    from qdrant_client import QdrantClient

    start = time.perf_counter()
    source, target = QdrantClient(path=str(folder)), QdrantClient(url=server.url, check_compatibility=False)
    try:
        source.migrate(target, [one.name for one in source.get_collections().collections])
        return time.perf_counter() - start
    finally:
        source.close()
        target.close()


def emptied(server: Server) -> None:
    """Drop every collection."""
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for one in http.get("/collections").json()["result"]["collections"]:
            http.delete(f"/collections/{one['name']}").raise_for_status()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("embedded", type=Path)
    parser.add_argument("chroma", type=Path, nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "embedded"
        shutil.copytree(arguments.embedded, folder)  # the client opens it for writing
        os.environ["QDRANT_ADMIN_HOME"] = str(Path(scratch) / "home")
        server = Server(Path(scratch) / "server").start()
        try:
            report(server, folder, arguments.chroma, arguments.rounds)
        finally:
            server.stop()


def report(server: Server, folder: Path, chroma: Path | None, rounds: int) -> None:
    """Rounds interleaved, so that a noisy machine is noisy for everybody."""
    sources = {"embedded": f"qdrant-local:{folder}"} | ({"chroma": f"chroma:{chroma.absolute()}"} if chroma else {})
    seconds: dict[str, list[float]] = {}
    points = 0
    for _ in range(rounds):
        emptied(server)
        seconds.setdefault("client", []).append(clients(server, folder))
        for name, source in sources.items():
            emptied(server)
            copied, whole, points = ours(server, source)
            seconds.setdefault(f"{name}, copy alone", []).append(copied)
            seconds.setdefault(f"{name}, planned, copied and verified", []).append(whole)
    client = statistics.median(seconds["client"])
    print(f"{points} points, {rounds} rounds, medians")
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:42} {median:7.3f} s {points / median:9.0f} points/s {client / median:6.2f} x")


if __name__ == "__main__":
    main()
