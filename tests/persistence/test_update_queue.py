"""A server that answers before it has applied all that it has acknowledged: no word before its queue is empty.

A stand-in before the real server, which is older than the queue: it adds what a newer one says of it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ServerNotReady
from qdrant_admin.core.events import Finished, Notice, StepFinished, StepStarted
from qdrant_admin.database import pending
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.lifecycle import observation
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.status import status
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.persistence import crash
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import CrashOptions, VerifyOptions, VerifyReport
from qdrant_admin.persistence.verify import verify
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.migration.support import planned
from tests.persistence.conftest import drain, fill, prove
from tests.support.answering import Answered, Asked, in_front_of
from tests.support.real import Server

pytestmark = pytest.mark.server
TWO = CollectionSpec(vectors=(VectorSpec(size=2, distance="Cosine"),))
READS = ("/points/scroll", "/points/count", "/points/query")


@dataclass
class Queue:
    """What the server says of `memories`, one request less each time it is asked; `still` as long as it is set."""

    length: int = 0
    deferred: int = 0
    still: bool = False
    early: list[str] = field(default_factory=list)
    """Reads of `memories` that were made before the queue was empty."""

    def said(self, asked: Asked, answered: Answered) -> Answered:
        if self.length and any(asked.path == f"/collections/memories{path}" for path in READS):
            self.early.append(asked.path)
        if asked.path != "/collections/memories" or asked.method != "GET":
            return answered
        answer = json.loads(answered.content)
        if "result" not in answer:
            return answered
        answer["result"]["update_queue"] = {"length": self.length, "deferred_points": self.deferred, "of_1.21": None}
        answer["result"]["new"] = {"field": [1]}
        if not self.still:
            self.length = max(0, self.length - 1)
        return Answered(answer)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("queue")).start()
    with Database(server.endpoint) as database:
        assert database.names() == []
    yield server
    server.kill()


@contextmanager
def queued(real: Server, folder: Path, queue: Queue) -> Iterator[Workspace]:
    """A profile of that server with the stand-in before it."""
    with in_front_of(real.url, queue.said) as address:
        profile = Profile(runtime="remote", url=f"http://{address}")
        ws = Workspace(Settings(name="queue", profile=profile), StateStore(folder / "state.sqlite3"))
        with ws.database() as database:
            for name in database.names():
                database.delete_collection(name)
        fill(ws)
        yield ws


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(pending, "STILL_SECONDS", 0.3)
    monkeypatch.setattr(pending, "_PAUSE", 0.01)
    monkeypatch.setattr(observation, "_MOMENT", 0.3)


def looked(ws: Workspace) -> VerifyReport:
    *_, last = verify(ws, VerifyOptions(how="none"), cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, VerifyReport)
    return last.report


def test_a_scan_begins_once_the_queue_is_empty(real: Server, tmp_path: Path) -> None:
    queue = Queue()
    with queued(real, tmp_path, queue) as ws:
        for event in verify(ws, VerifyOptions(how="none"), cancel=CancelToken()):
            if isinstance(event, StepFinished) and event.step in {"check", "watch", "fingerprint_before"}:
                queue.length = 12
            if isinstance(event, Finished):
                assert event.report.verdict_word == "unchanged"
    assert queue.length == 0
    assert queue.early == []


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        (Queue(length=43, still=True), "43 acknowledged requests are not applied yet"),
        (Queue(deferred=869), "869 points are stored and hidden"),
    ],
)
def test_what_stands_still_is_no_verdict_and_named(real: Server, tmp_path: Path, queue: Queue, words: str) -> None:
    with queued(real, tmp_path, queue) as ws:
        report = looked(ws)
        assert (report.verdict, report.exit_code) == ("inconclusive", 1)
        assert f"memories: {words}" in report.reason
        now = status(ws)
        assert (now.ready, now.healthy) == ((False, False) if queue.length else (True, True))
        assert {one.code for one in now.findings} >= {"writes_pending" if queue.length else "points_hidden"}


def test_status_and_readiness_come_when_the_queue_is_empty(real: Server, tmp_path: Path) -> None:
    queue = Queue()
    with queued(real, tmp_path, queue) as ws:
        queue.length = 4
        now = status(ws)
        assert (now.state, now.ready, queue.length) == ("healthy", True, 0), "as with an application that writes"
        queue.length = 4
        drain(wait_ready(ws, cancel=CancelToken()))
        assert queue.length == 0
        queue.length, queue.still = 4, True
        told = [event for event in wait_ready(ws, cancel=CancelToken()) if isinstance(event, Notice)]
        assert ["memories does not get on" in one.text and one.level == "error" for one in told] == [True]


def migrated(ws: Workspace, source: str, queue: Queue, length: int, **options: Any) -> MigrationReport:
    """A migration whose target has so much in its queue when it is compared."""
    for event in migrate(ws, planned(ws, source, **options), cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "verify":
            queue.length = length
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, MigrationReport)
    return report


@pytest.fixture
def records(tmp_path: Path) -> str:
    file = tmp_path / "memories.jsonl"
    file.write_text("".join(f'{{"id": {n}, "vector": [{n}.5, 1.0]}}\n' for n in range(9)))
    return f"jsonl:{file}"


def test_a_migration_compares_once_the_queue_is_empty(real: Server, tmp_path: Path, records: str) -> None:
    queue = Queue()
    with queued(real, tmp_path, queue) as ws:
        with ws.database() as database:
            database.delete_collection("memories")
        report = migrated(ws, records, queue, 12)
        assert (report.verdict, queue.length, queue.early) == ("verified", 0, [])
        queue.still = True
        report = migrated(ws, records, queue, 3, on_conflict="overwrite")
        assert report.verdict == "differs"
        assert "3 acknowledged requests are not applied yet" in report.collections[0].note


def test_a_target_or_source_that_does_not_show_all_it_holds_is_no_empty_one(
    real: Server, tmp_path: Path, records: str
) -> None:
    queue = Queue()
    with queued(real, tmp_path, queue) as ws:
        with ws.database() as database:
            database.delete_collection("memories")
            database.create_collection("memories", TWO)
        queue.length = 4
        assert planned(ws, records).exit_code == 0
        assert queue.length == 0
        queue.length, queue.still = 4, True
        plan = planned(ws, records)
        assert plan.exit_code == 4
        assert "memories may not be empty: 4 acknowledged" in plan.problems[-1].text
        away = planned(ws, f"qdrant+{ws.runtime.endpoint.url}", to="away")
        assert away.exit_code == 4
        assert "4 acknowledged requests are not applied yet" in away.problems[-1].text


def test_a_queue_that_becomes_shorter_is_waited_for_however_long() -> None:
    patience, now = pending.Patience(), 0.0
    for left in range(100, 0, -1):
        now += 0.9 * pending.STILL_SECONDS
        assert not patience.over(left, now)
    assert not patience.over(1, now + 0.9 * pending.STILL_SECONDS)
    assert patience.over(50, now + pending.STILL_SECONDS), "writers fill it as fast as it is emptied"


def test_the_crash_test_counts_no_loss_while_the_queue_is_filled(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = crash._Test(ws, CrashOptions(cycles=1), CancelToken())
    drain(test._prepare())
    ask: Callable[[Database, str], object] = Database.pending
    monkeypatch.setattr(Database, "pending", lambda *_: ask(*_).model_copy(update={"queued": 3}))  # type: ignore[attr-defined] # a value
    with pytest.raises(ServerNotReady, match="3 acknowledged requests"):
        test._look()
    test._clean()


def test_a_server_elsewhere_has_no_log_to_look_into(real: Server, tmp_path: Path) -> None:
    with queued(real, tmp_path, Queue()) as ws:
        lost = prove(ws, mutate=lambda database: database.delete_points("memories", [1]))
        assert lost.verdict == "lost"
        assert lost.fix == "qdrant-admin collections list --profile queue"
