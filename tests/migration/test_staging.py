"""A collection is filled beside the one in use, and its alias goes over in one step, once it is verified."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Point
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.fixture
def target(server: Server) -> Iterator[Database]:
    """The target, empty."""
    with Database(server.endpoint) as database:
        yield database


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A folder with `notes`, 30 points."""
    return f"qdrant-local:{local_store(tmp_path / 'source', {'notes': numbered(30)})}"


def test_an_application_goes_over_and_the_old_one_stays(server: Server, target: Database, source: str) -> None:
    ws = workspace(server)
    plan = planned(ws, source, into_staging=True)
    [one] = plan.collections
    assert (one.alias, one.target, one.replaces) == ("notes", f"notes-staging-{plan.run[:8]}", "")
    [first] = last(migrate(ws, plan, cancel=CancelToken())).collections
    assert (first.verdict, first.alias, first.kept) == ("verified", "notes", "")
    assert target.aliases() == {"notes": first.target}
    [second] = moved(ws, source, into_staging=True).collections
    assert (second.verdict, second.kept) == ("verified", first.target)
    assert second.target != first.target
    assert target.aliases() == {"notes": second.target}
    assert target.count(first.target) == target.count("notes") == 30
    assert f"qdrant-admin collections delete {first.target}" in second.note


def test_an_alias_that_somebody_else_switched_meanwhile_stays(server: Server, target: Database, source: str) -> None:
    ws = workspace(server)
    first, second = (planned(ws, source, into_staging=True) for _ in range(2))
    [switched] = last(migrate(ws, first, cancel=CancelToken())).collections
    with pytest.raises(Refused, match=f"notes points to {switched.target} by now"):
        last(migrate(ws, second, cancel=CancelToken()))
    assert target.aliases() == {"notes": switched.target}
    assert target.count(second.collections[0].target) == 30


def test_the_name_of_a_collection_cannot_become_an_alias(server: Server, target: Database, source: str) -> None:
    ws = workspace(server)
    assert moved(ws, source).verdict == "verified"
    [problem] = planned(ws, source, into_staging=True).problems
    assert problem.level == "refused"
    assert "no alias can have a collection's name" in problem.text
    assert problem.fix.endswith("--into-staging --rename notes=notes-live --profile test")
    [one] = moved(ws, source, into_staging=True, names={"notes": "notes-live"}).collections
    assert one.verdict == "verified"
    assert target.aliases() == {"notes-live": one.target}
    assert target.count("notes") == 30


def test_what_is_not_verified_is_not_switched(server: Server, target: Database, tmp_path: Path) -> None:
    ws = workspace(server)
    good = f"qdrant-local:{local_store(tmp_path / 'good', {'notes': numbered(3)})}"
    [first] = moved(ws, good, into_staging=True).collections
    points = [*numbered(3), {"id": 9, "vector": [float("nan")] * 4, "payload": {}}]
    bad = f"qdrant-local:{local_store(tmp_path / 'bad', {'notes': points})}"
    [second] = moved(ws, bad, into_staging=True).collections
    assert (second.verdict, second.alias, second.rejected) == ("differs", "", 1)
    assert "notes still points to notes-staging-" in second.note
    assert target.aliases() == {"notes": first.target}


def test_the_aliases_of_the_source_go_along(server: Server, target: Database, tmp_path: Path) -> None:
    folder = local_store(tmp_path / "source", {"notes": numbered(3)})
    meta = folder / "meta.json"
    meta.write_text(meta.read_text().replace('"aliases": {}', '"aliases": {"current": "notes", "mine": "notes"}'))
    target.create_collection("other", planned(workspace(server), f"qdrant-local:{folder}").collections[0].spec)
    target.set_alias("mine", "other")
    for _ in range(2):
        plan = planned(workspace(server), f"qdrant-local:{folder}", into_staging=True)
        assert [problem.text for problem in plan.problems] == [
            "the alias mine is taken in the target and stays as it is there"
        ]
        [one] = last(migrate(workspace(server), plan, cancel=CancelToken())).collections
        assert target.aliases() == {"notes": one.target, "current": one.target, "mine": "other"}


_KILLED = """
import os, signal, sys
from qdrant_admin.database.gateway import Database
from qdrant_admin.migration import plan, run
from tests.migration import runner
true = Database.set_aliases
def call(own, wanted):
    if sys.argv[1] == "after":
        true(own, wanted)
    os.kill(os.getpid(), signal.SIGKILL)
Database.set_aliases = call
options = runner.PlanOptions
runner.PlanOptions = lambda **given: options(**given, into_staging=True)
runner.main(*sys.argv[2:])
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_the_switch_it_is_switched_once(when: str, server: Server, target: Database, source: str) -> None:
    ws = workspace(server)
    [first] = moved(ws, source, into_staging=True).collections
    command = [sys.executable, "-c", _KILLED, when, server.url, str(server.grpc_port), source]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, env=os.environ, check=False).returncode == -9
    assert (target.aliases()["notes"] == first.target) is (when == "before")
    [second] = last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken())).collections
    assert (second.verdict, second.kept) == ("verified", first.target)
    assert target.aliases() == {"notes": second.target}
    assert sorted(target.names()) == sorted([first.target, second.target])


def test_a_long_name_stays_within_the_servers_bounds(server: Server, target: Database, source: str) -> None:
    name = "ä" * 120
    [one] = moved(workspace(server), source, into_staging=True, names={"notes": name}).collections
    assert one.verdict == "verified"
    assert target.aliases() == {name: one.target}
    target.upsert(name, [Point(99, {}, {"": np.ones(4, np.float32)})])
    assert target.count(one.target) == 31
