"""Runs that have not come to their end: listed, shown, found again, discarded; and rows that this build cannot read."""

import json
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput, ConfirmationMissing, Unsupported
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.plan import PlanOptions
from qdrant_admin.migration.reports import MigrationReport, PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import find_run, list_runs, narrowed, replay, show_run, start
from qdrant_admin.state import run_locks
from qdrant_admin.workspace import Workspace
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.support.real import Server
from tests.tui.canned_data import PLAN

pytestmark = pytest.mark.server


@pytest.fixture
def ws(server: Server) -> Workspace:
    return workspace(server)


def begun(ws: Workspace, run: str = "a" * 12, **changes: object) -> PlanReport:
    """A run that was killed after some points of its first collection."""
    target = ws.runtime.endpoint.url
    plan = PLAN.model_copy(update={"run": run, "target": target, "source": "chroma:/m", **changes})
    checkpoint.begin(ws.store, plan)
    first = plan.collections[0].source
    checkpoint.save(ws.store, run, [Checkpoint(collection=first, cursor="7", read=7, written=5, rejected=2)])
    return plan


def rewritten(ws: Workspace, run: str, plan: str) -> None:
    with ws.store.writing() as connection:
        connection.execute("UPDATE migration_runs SET plan = ? WHERE run = ?", (plan, run))


def test_unfinished_runs_are_listed_with_how_far_they_are(ws: Workspace) -> None:
    assert list_runs(ws).runs == ()
    plan = begun(ws)
    [one] = list_runs(ws).runs
    assert (one.run, one.source, one.target, one.state) == (plan.run, "chroma:/m", plan.target, "interrupted")
    assert (one.done, one.total) == (7, sum(planned.count for planned in plan.collections if planned.action != "skip"))
    assert one.age >= 0
    with run_locks.migration(plan.run).held():
        assert list_runs(ws).runs[0].state == "running"
    shown = show_run(ws, plan.run)
    first = shown.collections[0]
    assert (first.source, first.done, first.written, first.rejected, first.copied) == (
        plan.collections[0].source,
        7,
        5,
        2,
        False,
    )
    assert (len(shown.collections), shown.reject_file) == (len(plan.collections), None)
    checkpoint.finish(ws.store, plan.run)
    assert list_runs(ws).runs == ()
    assert show_run(ws, plan.run).state == "finished"
    with pytest.raises(BadInput, match="no run nope"):
        show_run(ws, "nope")


def test_a_plan_of_a_newer_version_stays_is_shown_and_breaks_nothing(ws: Workspace, tmp_path: Path) -> None:
    newer = begun(ws, "b" * 12)
    rewritten(ws, newer.run, json.dumps({"schema": 99, "run": newer.run, "novelty": True}))
    damaged = begun(ws, "d" * 12)
    rewritten(ws, damaged.run, "{")
    states = {one.run: (one.state, one.total) for one in list_runs(ws).runs}
    assert states == {newer.run: ("unreadable", None), damaged.run: ("unreadable", None)}
    assert "newer" in show_run(ws, newer.run).trouble
    assert checkpoint.unfinished(ws.store) == []
    with pytest.raises(Unsupported, match="newer"):
        find_run(ws, newer.run)
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(3)})}"
    assert moved(ws, source).verdict == "verified"
    assert {one.run for one in list_runs(ws).runs} == {newer.run, damaged.run}


def test_a_field_that_this_build_does_not_know_is_passed_over(ws: Workspace) -> None:
    plan = begun(ws)
    with ws.store.reading() as connection:
        [(text,)] = connection.execute("SELECT plan FROM migration_runs").fetchall()
    stored = json.loads(text)
    assert stored["schema"] == PlanReport.SCHEMA
    rewritten(ws, plan.run, json.dumps(stored | {"novelty": True}))
    assert find_run(ws).plan == plan


def test_a_run_is_found_by_its_id_its_source_or_as_the_latest(ws: Workspace) -> None:
    begun(ws, "1" * 12)
    begun(ws, "2" * 12, source="chroma:/other")
    assert find_run(ws).run == "2" * 12
    assert find_run(ws, "1" * 12).run == "1" * 12
    assert find_run(ws, source="chroma:/m").run == "1" * 12
    for wrong in ({"run": "3" * 12}, {"run": "1" * 12, "source": "chroma:/other"}):
        with pytest.raises(BadInput, match="no unfinished run"):
            find_run(ws, **wrong)


def test_a_source_is_narrowed_once() -> None:
    assert narrowed("chroma:/m", None) == "chroma:/m"
    assert narrowed("chroma:/m?layout=plain", "a b") == "chroma:/m?layout=plain&collection=a%20b"
    assert narrowed("chroma:/m?collection=a", "a") == "chroma:/m?collection=a"
    with pytest.raises(BadInput, match="already narrowed to collection a"):
        narrowed("chroma:/m?collection=a", "b")


def test_starting_stops_after_a_dry_run_a_refusal_or_a_missing_yes(ws: Workspace, tmp_path: Path) -> None:
    source = f"qdrant-local:{local_store(tmp_path / 's', {'c': numbered(3)})}"

    def begin(policy: str = "fail", *, confirmed: bool = False, dry_run: bool = False) -> object:
        options = PlanOptions.model_validate({"on_conflict": policy})
        return last(start(ws, source, options, cancel=CancelToken(), confirmed=confirmed, dry_run=dry_run))

    assert isinstance(begin(dry_run=True), PlanReport)
    first = begin()
    assert isinstance(first, MigrationReport)
    assert first.verdict == "verified"
    refused = begin()
    assert isinstance(refused, PlanReport)
    assert refused.exit_code == 4
    with pytest.raises(ConfirmationMissing, match="overwrite points in c") as caught:
        begin("overwrite")
    assert caught.value.fix == f"qdrant-admin migrate {source} --on-conflict overwrite --yes --profile test"
    again = begin("overwrite", confirmed=True)
    assert isinstance(again, MigrationReport)
    assert again.verdict == "verified"


def test_repaired_rejects_are_replayed(ws: Workspace, tmp_path: Path) -> None:
    bad = {"id": 9, "vector": [1.0, 2.0], "payload": {}}
    plan = planned(ws, f"qdrant-local:{local_store(tmp_path / 's', {'c': [*numbered(3), bad]})}")
    report = last(migrate(ws, plan, cancel=CancelToken()))
    assert show_run(ws, report.run).reject_file == report.reject_file
    file = Path(report.reject_file)
    file.write_text(file.read_text().replace("[1.0, 2.0]", "[1.0, 2.0, 3.0, 4.0]"))
    replayed = last(replay(ws, file, PlanOptions(), cancel=CancelToken()))
    assert (replayed.verdict, [(one.target, one.written) for one in replayed.collections]) == ("verified", [("c", 1)])
