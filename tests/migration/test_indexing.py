"""Indexing is held back while a collection is filled, and given back whatever happens."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.events import Finished, Progress, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.status import status
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import discard, resume
from tests.migration.support import DENSE, last, local_store, moved, numbered, planned, workspace
from tests.sources.support import folder_uri
from tests.support.real import Server

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
SOON = DENSE | {"optimizers_config": {"indexing_threshold": 10}}
"""Indexed from 10 KB on: 640 vectors of four dimensions."""


def test_it_is_held_back_during_the_copy_and_done_at_the_end(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(1500)}, SOON)}")
    steps, during, told, report = [], None, [], None
    with Database(server.endpoint) as database:
        for event in migrate(ws, plan, cancel=CancelToken()):
            if isinstance(event, StepStarted):
                steps.append(event.step)
            if isinstance(event, Progress) and event.step == "copy" and during is None:
                during = database.indexing_threshold("c")
            if isinstance(event, Progress) and event.step == "indexing":
                told.append(event)
            report = event.report if isinstance(event, Finished) else None
        after = database.collection("c")
    assert steps.index("copy") < steps.index("indexing") < steps.index("verify")
    assert during == 0
    assert (after.status, after.config["optimizer_config"]["indexing_threshold"]) == ("green", 10)
    assert after.indexed_vectors > 0
    assert told[0].total == 1500
    assert report is not None
    assert report.verdict_word == "verified"


def test_what_is_too_small_to_be_indexed_is_left_alone(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(20)}, SOON)}")
    with Database(server.endpoint) as database:
        for event in migrate(ws, plan, cancel=CancelToken()):
            if isinstance(event, Progress) and event.step == "copy":
                assert database.indexing_threshold("c") == 10


def test_a_cancelled_copy_leaves_a_collection_that_indexes_and_resumes(server: Server, tmp_path: Path) -> None:
    ws, cancel = workspace(server), CancelToken()
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(1500)}, SOON)}"
    for event in migrate(ws, planned(ws, source, batch_size=5, workers=1), cancel=cancel):
        if isinstance(event, Progress) and event.done >= 100:
            cancel.cancel()
    with Database(server.endpoint) as database:
        assert 100 <= database.count("c") < 1500
        assert database.indexing_threshold("c") == 10
        assert last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken())).verdict == "verified"
        assert database.indexing_threshold("c") == 10


@pytest.fixture
def killed(server: Server, isolated_home: Path, tmp_path: Path) -> str:
    """The source of a migration that was killed in the middle of its copy."""
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(1500)}, SOON)}"
    command = [sys.executable, "-m", "tests.migration.runner", server.url, str(server.grpc_port), source]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 10:
                break
        child.kill()
    with Database(server.endpoint) as database:
        assert database.indexing_threshold("c") == 0
    return source


def test_what_a_killed_migration_holds_back_is_told_and_can_be_given_back(server: Server, killed: str) -> None:
    ws = workspace(server)
    [run] = unfinished(ws.store)
    [found] = [one for one in status(ws).findings if one.code == "indexing_held_back"]
    assert found.facts == {"run": run.run, "collections": ("c",)}
    assert f"migrate --resume {run.run}" in found.command
    [check] = [one for one in last(doctor(ws, cancel=CancelToken())).checks if one.name == "migrations"]
    assert (check.status, check.fix) == ("warn", found.command)
    report = last(discard(ws, run, cancel=CancelToken()))
    assert (report.kept, report.indexing_given_back) == (("c",), ("c",))
    assert unfinished(ws.store) == []
    assert not {one.code for one in status(ws).findings} & {"indexing_held_back", "migration_interrupted"}
    with Database(server.endpoint) as database:
        assert database.indexing_threshold("c") == 10
        assert database.count("c") >= 10


def test_going_on_with_a_source_that_is_gone_gives_the_indexing_back(server: Server, killed: str) -> None:
    ws = workspace(server)
    shutil.rmtree(folder_uri(killed).path)
    with pytest.raises(SourceUnreadable):
        last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken()))
    with Database(server.endpoint) as database:
        assert database.indexing_threshold("c") == 10
    assert "migration_interrupted" in {one.code for one in status(ws).findings}


def test_the_indexing_of_somebody_elses_collection_is_left_alone(server: Server, tmp_path: Path) -> None:
    ws = workspace(server)
    assert moved(ws, f"qdrant-local:{local_store(tmp_path / 'a', {'c': numbered(700)}, SOON)}").verdict == "verified"
    again = planned(ws, f"qdrant-local:{local_store(tmp_path / 'b', {'c': numbered(1500)})}", on_conflict="overwrite")
    with Database(server.endpoint) as database:
        for event in migrate(ws, again, cancel=CancelToken()):
            if isinstance(event, Progress) and event.step == "copy":
                assert database.indexing_threshold("c") == 10
