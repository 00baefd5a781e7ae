import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled, Refused, ServerUnreachable, SourceUnreadable
from qdrant_admin.core.events import Finished, Notice, Progress, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point
from qdrant_admin.database.retry import RetryPolicy
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from tests.migration.support import hashes, last, local_store, moved, numbered, planned, unpacked, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("store", ["chroma-1.5", "chroma-0.4"])
def test_a_chroma_directory_arrives_whole(server: Server, store: str, tmp_path: Path) -> None:
    folder = unpacked(store, tmp_path)
    expected = json.loads((tmp_path / f"{store}.expected.json").read_text())
    before = hashes(folder)
    report = moved(workspace(server), f"chroma:{folder}", batch_size=50)
    assert hashes(folder) == before
    assert report.verdict == "verified"
    assert report.exit_code == 0
    assert "every id, vector and payload" in report.checks
    with Database(server.endpoint) as database:
        for name, wanted in expected.items():
            if not wanted:
                continue
            points = [point for page in database.scan(name) for point in page]
            assert len(points) == len(wanted)
            for point in points:
                _arrived(point, wanted[point.payload.get("source_id_") or point.payload.get("source_id") or point.id])


def _arrived(point: Point, wanted: dict[str, Any]) -> None:
    vector = np.asarray(point.vectors[""])[:8]
    assert (
        abs(
            float(np.dot(vector, wanted["embedding"]))
            - float(np.linalg.norm(vector) * np.linalg.norm(wanted["embedding"]))
        )
        < 1e-3
    )
    assert wanted["document"] in {point.payload.get("document"), point.payload.get("chroma:document")}


def test_an_embedded_folder_arrives_with_every_vector_and_its_aliases(server: Server, local: Path) -> None:
    report = moved(workspace(server), f"qdrant-local:{local}")
    assert (report.verdict, [result.verified for result in report.collections]) == ("verified", [100, 3])
    with Database(server.endpoint) as database:
        assert database.aliases() == {"current": "everything"}
        assert set(database.point("everything", 1).vectors) == {"dense", "multi", "sparse"}


def test_records_that_cannot_be_stored_are_rejected_with_reasons_and_kept_in_a_file(
    server: Server, tmp_path: Path
) -> None:
    points = numbered(6)
    points[1]["vector"] = [1.0, 2.0]
    points[2]["vector"] = [1.0, float("nan"), 0.0, 0.0]
    points[3]["payload"] = {"big": 1 << 70}
    points[4]["id"] = -1
    report = moved(workspace(server), f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}")
    (result,) = report.collections
    assert (result.read, result.written, result.rejected, result.verified) == (6, 3, 3, 3)
    assert (report.verdict, report.exit_code) == ("differs", 1)
    assert [reject.id for reject in report.rejects] == ["1", "2", "3"]
    assert report.reject_file is not None
    _, *lines = [json.loads(line) for line in Path(report.reject_file).read_text().splitlines()]
    assert lines[0]["vectors"] == {"": [1.0, 2.0]}
    assert lines[0]["reason"] == "its vector has 2 components, the collection takes 4"
    with Database(server.endpoint) as database:
        assert sorted(point.payload.get("source_id", 0) for point in database.page("c", limit=9).points) == [-1, 0, 0]


def test_what_is_changed_behind_its_back_is_named(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(20)})}")
    report = None
    for event in migrate(ws, plan, cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "verify":
            with Database(server.endpoint) as database:
                database.upsert(
                    "c",
                    [Point(4, {"n": 4}, {"": np.array([4, 1, 2, np.nextafter(np.float32(3), 9)], dtype=np.float32)})],
                )
                database.upsert("c", [Point(5, {"n": 5.0}, {"": np.array([5, 1, 2, 3], dtype=np.float32)})])
                database.upsert("c", [Point(99, {}, {"": np.zeros(4, dtype=np.float32)})])
                database.delete_points("c", [7])
        report = event.report if isinstance(event, Finished) else None
    assert isinstance(report, MigrationReport)
    (result,) = report.collections
    assert (result.verdict, result.different, result.missing) == ("differs", ("4", "5"), ("7",))
    assert (result.extra, result.verified, report.exit_code) == (1, 17, 1)


def test_killed_again_and_again_it_ends_with_exactly_the_source(own_server: Server, tmp_path: Path) -> None:
    count = 2500
    store = local_store(tmp_path / "s", {"a": numbered(count), "b": numbered(40)})
    command = [
        sys.executable,
        "-m",
        "tests.migration.runner",
        own_server.url,
        str(own_server.grpc_port),
        f"qdrant-local:{store}",
    ]
    handled = []
    for goal in (400, 900, 1500):
        with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) >= goal:
                    break
            process.send_signal(signal.SIGKILL)
        (run,) = unfinished(workspace(own_server).store)
        handled.append(run.done)
    assert 0 < handled[0] < handled[1] < handled[2] < count
    ws = workspace(own_server)
    report = last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken()))
    assert (report.verdict, report.resumed) == ("verified", True)
    assert [(result.read, result.written, result.verified) for result in report.collections] == [
        (count,) * 3,
        (40,) * 3,
    ]
    assert unfinished(ws.store) == []
    with Database(own_server.endpoint) as database:
        assert sorted(point.id for page in database.scan("a") for point in page) == list(range(count))


def test_a_server_that_restarts_in_the_middle_is_waited_for(own_server: Server, tmp_path: Path) -> None:
    ws = workspace(own_server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(1500)})}", batch_size=1)
    killed = False
    notices, report = [], None
    for event in migrate(ws, plan, cancel=CancelToken()):
        if isinstance(event, Progress) and event.done >= 100 and not killed:
            own_server.kill()
            killed = True
        if isinstance(event, Notice):
            notices.append(event.text)
            if event.topic == "retry":
                own_server.start()
        if isinstance(event, Finished):
            report = event.report
    assert any("retrying" in text for text in notices)
    assert any("answers again" in text for text in notices)
    assert report is not None
    assert report.verdict_word == "verified"


def test_patience_ends_with_the_way_to_go_on() -> None:
    now = iter(float(second) for second in range(0, 1000, 61))
    retry = RetryPolicy(CancelToken(), fix="go on like this", patience=60, clock=lambda: next(now))
    gone = ServerUnreachable("nothing answers")
    list(retry.backoff(gone))
    with pytest.raises(ServerUnreachable) as caught:
        list(retry.backoff(gone))
    assert caught.value.fix == "go on like this"
    stopped = CancelToken()
    stopped.cancel()
    with pytest.raises(Cancelled):
        list(RetryPolicy(stopped, fix="").backoff(gone))


def test_cancel_keeps_what_was_acknowledged_and_resume_does_the_rest(server: Server, chroma: Path) -> None:
    ws, cancel = workspace(server), CancelToken()
    plan = planned(ws, f"chroma:{chroma}?collection=debian_memories", batch_size=1)  # else it is over before it is told
    events = migrate(ws, plan, cancel=cancel)
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, Progress) and event.done >= 40:
            cancel.cancel()
    report = seen[-1].report  # type: ignore[union-attr]  # the last event is always Finished
    assert (report.verdict_word, report.exit_code) == ("cancelled", 130)
    (run,) = unfinished(ws.store)
    with Database(server.endpoint) as database:
        # More than that where the server has written what it had no time to acknowledge.
        assert database.count("debian_memories") >= run.done >= 40
    assert last(resume(ws, run, cancel=CancelToken())).verdict == "verified"


def test_no_two_processes_run_one_run_and_two_runs_at_once_both_finish(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    first, second = (
        planned(ws, f"qdrant-local:{local_store(tmp_path / name, {name: numbered(200)})}", batch_size=10)
        for name in "ab"
    )
    one, other = migrate(ws, first, cancel=CancelToken()), migrate(ws, second, cancel=CancelToken())
    next(one)
    with pytest.raises(Refused, match="another process"):
        next(iter(migrate(ws, first, cancel=CancelToken())))
    reports = [event.report for pair in zip_both(one, other) for event in pair if isinstance(event, Finished)]
    assert [report.verdict_word for report in reports] == ["verified", "verified"]


def zip_both(one: Iterator[Any], other: Iterator[Any]) -> Iterator[tuple[Any, Any]]:
    from itertools import zip_longest

    return zip_longest(one, other)


def test_resume_on_another_server_or_after_the_target_is_gone_is_refused(
    own_server: Server, server: Server, tmp_path: Path
) -> None:
    ws, cancel = workspace(own_server), CancelToken()
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(100)})}", batch_size=10)
    for event in migrate(ws, plan, cancel=cancel):
        if isinstance(event, Progress) and event.done:
            cancel.cancel()
    (run,) = unfinished(ws.store)
    with pytest.raises(Refused, match="wrote to"):
        last(resume(workspace(server), run, cancel=CancelToken()))
    httpx.delete(f"{own_server.url}/collections/c").raise_for_status()
    with pytest.raises(Exception, match="no longer exists in the target"):
        last(resume(ws, run, cancel=CancelToken()))
    made = {"vectors": {"size": 4, "distance": "Dot"}}
    httpx.put(f"{own_server.url}/collections/c", json=made).raise_for_status()
    with pytest.raises(Exception, match="c is empty in the target"):
        last(resume(ws, run, cancel=CancelToken()))
    other = f"qdrant-local:{local_store(tmp_path / 't', {'d': numbered(3)})}"
    assert moved(ws, other, to="c", on_conflict="overwrite").verdict == "verified"
    with pytest.raises(Refused, match=r"c was filled from .* since") as caught:
        last(resume(ws, run, cancel=CancelToken()))
    assert f"migrations discard {run.run}" in caught.value.fix_on("test")
    with Database(own_server.endpoint) as database:
        assert database.count("c") == 3


def test_a_target_that_appeared_since_the_plan_is_not_written_to(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(5)})}"
    late = planned(ws, source)
    moved(ws, source)
    with pytest.raises(Refused, match="appeared"):
        last(migrate(ws, late, cancel=CancelToken()))


def test_a_source_cut_short_meanwhile_is_no_finished_migration(server: Server, chroma: Path) -> None:
    ws = workspace(server)
    plan = planned(ws, f"chroma:{chroma}?collection=debian_memories")
    segment = next(path.parent for path in chroma.rglob("index_metadata.pickle"))
    (segment / "data_level0.bin").write_bytes(b"")
    with pytest.raises(SourceUnreadable):
        last(migrate(ws, plan, cancel=CancelToken()))
    assert len(unfinished(ws.store)) == 1


def test_a_finished_migration_is_kept_in_the_history(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    report = moved(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(5)})}")
    kept = ws.store.history(operation="migrate")
    assert [(entry.verdict, entry.exit_code) for entry in kept] == [("verified", 0)]
    assert report.run in ws.store.report_json(kept[0].id)


def test_floats_that_the_server_reads_a_digit_off_are_no_false_alarm(server: Server, tmp_path: Path) -> None:
    random = Random(7)  # noqa: S311 - the same numbers on every run
    points = numbered(200)
    for point in points:
        point["payload"] = {"score": random.uniform(0, 1e6), "deep": [{"er": random.random()}], "whole": 1.0}
    report = moved(workspace(server), f"qdrant-local:{local_store(tmp_path / 's', {'c': points})}")
    assert (report.verdict, report.collections[0].verified) == ("verified", 200)
