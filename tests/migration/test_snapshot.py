"""From one Qdrant server to another by snapshot: whole, checked, nothing left behind, and point by point where not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotFound, Refused, RequestRejected, ServerUnreachable
from qdrant_admin.core.events import Events, Notice, Progress
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.database.snapshots import Snapshot, Snapshots
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.plan import readable
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from tests.migration.support import last, moved, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
SPEC = CollectionSpec(
    vectors=(VectorSpec(size=4, distance="Cosine"),),
    params={"metadata": {"owner": "me"}, "hnsw_config": {"m": 24}},
    payload_indexes={"n": {"type": "integer"}},
)


def fill(database: Database, name: str, count: int, spec: CollectionSpec = SPEC) -> None:
    """Points 0 to count - 1, some of them with UUIDs."""
    database.create_collection(name, spec)
    vectors = np.random.default_rng(7).normal(size=(count, 4)).astype(np.float32)
    database.upsert(name, [Point(n, {"n": n, "text": f"memory {n}"}, {"": vectors[n]}) for n in range(count)])


def uri(server: Server) -> str:
    return f"qdrant+{server.url}?grpc_port={server.grpc_port}"


@pytest.fixture
def source(other: Server) -> Iterator[Database]:
    """The second server with 200 points in `notes`, which has an alias, and none in `empty`."""
    with Database(other.endpoint) as database:
        fill(database, "notes", 200)
        fill(database, "empty", 0)
        database.set_alias("current", "notes")
        yield database


def snapshots(*databases: Database) -> list[str]:
    """All that lie anywhere."""
    return [one.name for database in databases for name in database.names() for one in database.snapshots.listed(name)]


def test_auto_takes_the_snapshot_and_leaves_none_behind(server: Server, other: Server, source: Database) -> None:
    ws = workspace(server, prefix="my_")
    plan = planned(ws, uri(other))
    assert {(one.target, one.method) for one in plan.collections} == {
        ("my_notes", "snapshot"),
        ("my_empty", "snapshot"),
    }
    assert "both servers are Qdrant" in plan.collections[0].method_why
    report = last(migrate(ws, plan, cancel=CancelToken()))
    assert report.verdict == "verified"
    assert {(one.source, one.method, one.read, one.verified) for one in report.collections} == {
        ("notes", "snapshot", 200, 200),
        ("empty", "snapshot", 0, 0),
    }
    assert all(one.bytes > 0 for one in report.collections)
    with Database(server.endpoint) as target:
        left, right = source.collection("notes"), target.collection("my_notes")
        assert (left.config, left.payload_schema) == (right.config, right.payload_schema)
        assert target.aliases() == {"current": "my_notes"}
        assert snapshots(source, target) == []


def test_what_stands_in_the_way_of_a_snapshot_is_told(server: Server, other: Server, source: Database) -> None:
    ws = workspace(server)
    two = CollectionSpec(vectors=SPEC.vectors, params={"shard_number": 2})
    fill(source, "split", 20, two)
    with Database(server.endpoint) as target:
        fill(target, "empty", 0)
    plan = planned(ws, uri(other))
    assert {one.source: one.method for one in plan.collections} == {
        "notes": "snapshot",
        "empty": "stream",
        "split": "stream",
    }
    why = {one.source: one.method_why for one in plan.collections}
    assert "2 shards" in why["split"]
    assert "replace the existing collection" in why["empty"]
    assert last(migrate(ws, plan, cancel=CancelToken())).verdict == "verified"
    insists = planned(ws, uri(other), method="snapshot", on_conflict="rename")
    assert [one.text for one in insists.problems if one.level == "refused"] == [
        "a snapshot is not possible: it has 2 shards"
    ]
    assert {one.method for one in planned(ws, uri(other), method="stream", on_conflict="skip").collections} == {
        "stream"
    }


def test_a_snapshot_cannot_come_from_a_folder(server: Server, chroma: Any) -> None:
    problems = planned(workspace(server), f"chroma:{chroma}", method="snapshot").problems
    assert problems[-1].level == "refused"
    assert "only a Qdrant server" in problems[-1].text


@pytest.mark.parametrize(
    ("source", "target", "fits"),
    [
        ("1.16.3", "1.16.3", True),
        ("1.16.3", "1.16.0", True),
        ("1.16.3", "1.17.1", True),
        ("1.16.3", "1.18.0", False),
        ("1.16.3", "1.15.4", False),
        ("1.16.3", "2.16.3", False),
        ("", "1.16.3", False),
        ("", "", False),
    ],
)
def test_versions_that_read_each_other(source: str, target: str, fits: bool) -> None:
    assert readable(source, target) is fits


class Broken:
    """Stands in for a call of one server, as often as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, times: int = 1000) -> None:
        self.calls, self.times, self.error, self.true = 0, times, error, getattr(Snapshots, name)
        broken = self

        def call(own: Snapshots, *args: Any) -> Any:
            broken.calls += 1
            if broken.calls <= broken.times:
                raise broken.error
            return broken.true(own, *args)

        monkeypatch.setattr(Snapshots, name, call)


@pytest.mark.parametrize("call", ["create", "restore"])
def test_a_server_that_will_not_after_all_is_copied_point_by_point(
    call: str, server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = workspace(server)
    Broken(monkeypatch, call, RequestRejected("the server refused the request", why="storage without RocksDB"))
    events = list(migrate(ws, planned(ws, uri(other)), cancel=CancelToken()))
    report = last(iter(events))
    assert (report.verdict, {one.method for one in report.collections}) == ("verified", {"stream"})
    assert any("without RocksDB" in event.text for event in events if isinstance(event, Notice))
    assert snapshots(source) == []
    with pytest.raises(RequestRejected, match="without RocksDB"):
        moved(ws, uri(other), method="snapshot", on_conflict="rename")
    assert snapshots(source) == []


def test_a_target_that_goes_away_gets_it_anew(
    server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    Broken(monkeypatch, "restore", ServerUnreachable("no answer"), times=2)
    report = moved(workspace(server), f"{uri(other)}&collection=notes")
    assert (report.verdict, report.collections[0].retries, report.collections[0].method) == ("verified", 2, "snapshot")
    assert snapshots(source) == []


def test_a_collection_that_appeared_meanwhile_is_not_replaced(server: Server, other: Server, source: Database) -> None:
    ws = workspace(server)
    plan = planned(ws, uri(other))
    with Database(server.endpoint) as target:
        fill(target, "notes", 3)
        with pytest.raises(Refused, match="has appeared"):
            last(migrate(ws, plan, cancel=CancelToken()))
        assert target.count("notes") == 3
    assert snapshots(source) == []


def test_cancelled_and_taken_up(server: Server, other: Server, source: Database) -> None:
    ws, cancel = workspace(server), CancelToken()
    events = migrate(ws, planned(ws, f"{uri(other)}&collection=notes"), cancel=cancel)

    def until(events: Events) -> Events:
        for event in events:
            if isinstance(event, Progress) and "snapshot" in event.note:
                cancel.cancel()
            yield event

    assert last(until(events)).verdict == "cancelled"
    assert snapshots(source) == []
    report = last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken()))
    assert (report.verdict, report.collections[0].method) == ("verified", "snapshot")


_KILLED = """
import os, signal, sys
from qdrant_admin.database.snapshots import Snapshots
from tests.migration import runner
true = getattr(Snapshots, sys.argv[1])
def call(own, *args):
    if sys.argv[2] == "after":
        true(own, *args)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Snapshots, sys.argv[1], call)
runner.main(*sys.argv[3:])
"""


@pytest.mark.parametrize(("call", "when"), [("create", "after"), ("restore", "before"), ("restore", "after")])
def test_killed_anywhere_it_begins_anew_and_tidies_up(
    call: str, when: str, server: Server, other: Server, source: Database
) -> None:
    ws = workspace(server)
    theirs = source.snapshots.create("empty").name
    one = f"{uri(other)}&collection=notes"
    command = [sys.executable, "-c", _KILLED, call, when, server.url, str(server.grpc_port), one]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ, check=False).returncode == -9
    assert len(source.snapshots.listed("notes")) == 1
    report = last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken()))
    assert (report.verdict, report.collections[0].verified) == ("verified", 200)
    with Database(server.endpoint) as target:
        assert snapshots(source, target) == [theirs]


def test_what_a_killed_run_left_is_deleted_by_the_next_one(server: Server, other: Server, source: Database) -> None:
    one = f"{uri(other)}&collection=notes"
    command = [sys.executable, "-c", _KILLED, "create", "after", server.url, str(server.grpc_port), one]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ, check=False).returncode == -9
    assert len(source.snapshots.listed("notes")) == 1
    assert moved(workspace(server), f"{uri(other)}&collection=empty").verdict == "skipped"
    assert snapshots(source) == []


def test_a_snapshot_that_somebody_deletes_first_is_no_error(
    server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Snapshots.delete

    def delete(own: Snapshots, collection: str, name: str) -> None:
        true(own, collection, name)
        with pytest.raises(NotFound):
            true(own, collection, name)
        raise NotFound("not found")

    monkeypatch.setattr(Snapshots, "delete", delete)
    assert moved(workspace(server), f"{uri(other)}&collection=notes").verdict == "verified"
    assert snapshots(source) == []


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(seconds=1)], ids=["", "clock behind"])
def test_another_one_of_the_same_second_leaves_none_behind(
    server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch, behind: timedelta
) -> None:
    listed, clock = Snapshots.listed, Snapshots.clock

    def while_another_run_is_at_work(self: Snapshots, collection: str) -> list[Snapshot]:
        """Its snapshot is there when ours is about to be asked for, and deleted in the next moment."""
        monkeypatch.setattr(Snapshots, "listed", listed)
        theirs = self.create(collection)
        found = self.listed(collection)
        self.delete(collection, theirs.name)
        return found

    monkeypatch.setattr(Snapshots, "clock", lambda self: clock(self) - behind)
    monkeypatch.setattr(Snapshots, "listed", while_another_run_is_at_work)
    assert moved(workspace(server), f"{uri(other)}&collection=notes").verdict == "verified"
    assert snapshots(source) == []


def test_a_server_that_tells_no_checksum_is_copied_point_by_point(
    server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Snapshots.create

    def create(own: Snapshots, collection: str) -> Snapshot:
        return true(own, collection).model_copy(update={"checksum": ""})

    monkeypatch.setattr(Snapshots, "create", create)
    report = moved(workspace(server), f"{uri(other)}&collection=notes")
    assert (report.verdict, report.collections[0].method) == ("verified", "stream")
    assert snapshots(source) == []


def test_a_key_is_carried_to_both_servers(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_server = Server(tmp_path / "locked", environment={"QDRANT__SERVICE__API_KEY": "sesame"}).start()
    monkeypatch.setenv("QDRANT_ADMIN_SOURCE_API_KEY", "sesame")
    with Database(own_server.endpoint.model_copy(update={"api_key": SecretStr("sesame")})) as database:
        fill(database, "notes", 10)
    assert moved(workspace(server), f"{uri(own_server)}&collection=notes").verdict == "verified"
    listed = httpx.get(f"{own_server.url}/collections/notes/snapshots", headers={"api-key": "sesame"}).json()
    assert listed["result"] == []
    own_server.kill()
