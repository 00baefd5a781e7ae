"""What else may go on: another migration into the same server, and servers that want to be asked less often."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import QuotaReached
from qdrant_admin.core.events import Notice
from qdrant_admin.database.gateway import Database
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import find_run, resume
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.migration.limited import limited
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server

_ONE = """
import sys
from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.serialization import to_json
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.migration.support import moved
url, grpc_port, source, name = sys.argv[1:]
profile = Profile(runtime="remote", url=url, grpc_port=int(grpc_port))
report = moved(Workspace(Settings(name="test", profile=profile), StateStore(state_file())), source, to=name)
print(to_json(report))
"""


def at_once(server: Server, sources: dict[str, str]) -> dict[str, str]:
    """Target name to verdict, of migrations that run at the same time, each in a process of its own."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", _ONE, server.url, str(server.grpc_port), source, name],
            stdout=subprocess.PIPE,
            env=os.environ,
        )
        for name, source in sources.items()
    }
    told = {name: process.communicate(timeout=120)[0] for name, process in running.items()}
    assert {name: process.returncode for name, process in running.items()} == dict.fromkeys(sources, 0)
    return {name: json.loads(out)["verdict"] for name, out in told.items()}


def test_two_folders_into_one_server(server: Server, tmp_path: Path) -> None:
    folders = [local_store(tmp_path / name, {"notes": numbered(400)}) for name in ("one", "two")]
    verdicts = at_once(server, {f"notes_{place}": f"qdrant-local:{folder}" for place, folder in enumerate(folders)})
    assert verdicts == {"notes_0": "verified", "notes_1": "verified"}


def test_twice_the_same_collection_of_a_server(server: Server, other: Server, tmp_path: Path) -> None:
    folder = local_store(tmp_path / "source", {"notes": numbered(400)})
    assert moved(workspace(other), f"qdrant-local:{folder}").verdict == "verified"
    source = f"qdrant+{other.url}?grpc_port={other.grpc_port}"
    assert at_once(server, {"a": source, "b": source}) == {"a": "verified", "b": "verified"}
    with Database(other.endpoint) as database:
        assert database.snapshots.listed("notes") == []


def remote(url: str, store: StateStore) -> Workspace:
    """A profile on a server that answers over REST alone."""
    return Workspace(Settings(name="test", profile=Profile(runtime="remote", url=url, grpc_port=free_port())), store)


def test_a_target_that_wants_to_be_asked_less_often(server: Server, tmp_path: Path) -> None:
    source = f"qdrant-local:{local_store(tmp_path / 'source', {'notes': numbered(300)})}"
    with limited(server.url, lambda number, path, _: "/points" in path and number in range(9, 90, 3)) as (
        endpoint,
        seen,
    ):
        ws = remote(endpoint.url, workspace(server).store)
        events = list(migrate(ws, planned(ws, source, batch_size=20), cancel=CancelToken()))
    report = last(iter(events))
    assert (report.verdict, report.collections[0].verified) == ("verified", 300)
    assert report.collections[0].retries > 0
    assert seen.turned_away > 3
    told = [event for event in events if isinstance(event, Notice) and "asked less often" in event.text]
    assert len(told) == 1
    assert "20 ms" in told[0].text


def test_a_limit_below_the_size_of_a_batch(server: Server, tmp_path: Path) -> None:
    """The server takes five points a request, and every other request not at once."""
    source = f"qdrant-local:{local_store(tmp_path / 'source', {'notes': numbered(30)})}"
    words = "Rate limiting exceeded, request larger than rate limiter capacity, please try to split your request"

    def too_large(_: int, path: str, body: bytes) -> bool:
        return path.startswith("/collections/notes/points?") and len(json.loads(body).get("points", ())) > 5

    def now_and_then(number: int, path: str, _: bytes) -> bool:
        return path.startswith("/collections/notes/points?") and number % 2 == 0 and number < 200

    with limited(server.url, now_and_then) as (busy, slow), limited(busy.url, too_large, words) as (endpoint, strict):
        report = moved(remote(endpoint.url, workspace(server).store), source, batch_size=15, workers=1)
    assert (report.verdict, report.collections[0].verified) == ("verified", 30)
    assert strict.turned_away > 0
    assert slow.turned_away > 0


def test_a_source_that_wants_to_be_asked_less_often(server: Server, other: Server, tmp_path: Path) -> None:
    folder = local_store(tmp_path / "source", {"notes": numbered(300)})
    assert moved(workspace(other), f"qdrant-local:{folder}").verdict == "verified"
    for method, often in (("stream", 4), ("snapshot", 2)):

        def now_and_then(number: int, path: str, _: bytes, often: int = often) -> bool:
            return ("/points/scroll" in path or "/snapshots" in path) and number % often == 0 and number < 80

        with limited(other.url, now_and_then) as (endpoint, seen):
            report = moved(workspace(server), f"qdrant+{endpoint.url}", batch_size=20, method=method, to=method)
        assert (report.verdict, report.collections[0].method) == ("verified", method)
        assert seen.turned_away > 0


QUOTA = "Insufficient storage: disk usage is at 74% of 70%. Help: free space, or raise `max_disk_usage_percent`"


def test_a_quota_stops_it_once_with_the_servers_words_and_it_can_be_resumed(server: Server, tmp_path: Path) -> None:
    source = f"qdrant-local:{local_store(tmp_path / 'source', {'notes': numbered(60)})}"
    written = "/collections/notes/points?"
    full = [True]

    def refuses(number: int, path: str, _: bytes) -> bool:
        return full[0] and path.startswith(written) and number > 12

    with limited(server.url, refuses, QUOTA, 507) as (endpoint, seen):
        ws = remote(endpoint.url, workspace(server).store)
        plan, events = planned(ws, source, batch_size=10, workers=1), list[object]()
        with pytest.raises(QuotaReached) as caught:
            events += migrate(ws, plan, cancel=CancelToken())
        assert "disk usage is at 74% of 70%" in caught.value.why
        assert f"--resume {plan.run}" in caught.value.fix
        assert seen.turned_away == 1  # neither asked again, nor row by row
        full[0] = False
        report = last(resume(ws, find_run(ws, plan.run), cancel=CancelToken()))
    assert (report.verdict, report.collections[0].verified, report.rejects) == ("verified", 60, ())


@pytest.mark.parametrize("lost", ["PUT of a collection", "points"])
def test_a_write_without_an_answer_in_time_is_made_again(server: Server, tmp_path: Path, lost: str) -> None:
    """The server has applied it, and whoever asked was told 408."""
    source = f"qdrant-local:{local_store(tmp_path / 'source', {'notes': numbered(60)})}"
    missed: list[str] = []

    def late(_: int, path: str, body: bytes) -> bool:
        creates = path == "/collections/notes" and b"vectors" in body
        if missed or not (creates if lost != "points" else path.startswith("/collections/notes/points?")):
            return False
        missed.append(path)
        httpx.put(f"{server.url}{path}", content=body, headers={"Content-Type": "application/json"}).raise_for_status()
        return True

    with limited(server.url, late, "Timeout: 1 of 1 operations timed out", 408) as (endpoint, _):
        report = moved(remote(endpoint.url, workspace(server).store), source, batch_size=20)
    assert len(missed) == 1
    assert (report.verdict, report.collections[0].verified, report.rejects) == ("verified", 60, ())
