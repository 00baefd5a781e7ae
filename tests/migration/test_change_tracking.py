"""A source that goes on changing is followed until nothing differs; nobody else's points are touched."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.events import Event, Events, Notice, StepFinished, StepStarted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration import change_tracking
from qdrant_admin.migration.change_tracking import Provenance
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.reports import CollectionResult, MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from tests.migration.support import last, local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Cosine"),))


def points(*ids: int, text: str = "first") -> list[Point]:
    """Points of these ids, alike for the same text."""
    return [Point(n, {"text": text}, {"": np.array([n + 1, 1, 2, 3], np.float32)}) for n in ids]


@pytest.fixture
def source(other: Server) -> Iterator[Database]:
    """The second server with points 0 to 99 in `notes`."""
    with Database(other.endpoint) as database:
        database.create_collection("notes", SPEC)
        database.upsert("notes", points(*range(100)))
        yield database


@pytest.fixture
def target(server: Server) -> Iterator[Database]:
    """The target, empty."""
    with Database(server.endpoint) as database:
        yield database


def uri(server: Server) -> str:
    return f"qdrant+{server.url}?grpc_port={server.grpc_port}"


def texts(database: Database, name: str = "notes") -> dict[int | str, str]:
    return {point.id: point.payload["text"] for page in database.scan(name) for point in page}


def meanwhile(events: Events, changes: dict[str, Callable[[], None]]) -> list[Event]:
    """All events; behind the end of a step its change is made."""
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, StepFinished) and event.step in changes:
            changes[event.step]()
    return seen


def result(report: MigrationReport) -> CollectionResult:
    [one] = report.collections
    return one


@pytest.mark.parametrize("method", ["stream", "snapshot"])
def test_what_changes_while_it_is_copied_is_there_at_the_end(
    method: str, server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)

    def after_copy() -> None:
        source.upsert("notes", points(100, 101))
        source.upsert("notes", points(5, text="second"))
        source.delete_points("notes", [7, 8])

    def after_first_pass() -> None:
        source.upsert("notes", points(102))

    plan = planned(ws, uri(other), method=method, catch_up=True, delete_gone=True)
    assert plan.collections[0].method == method
    events = meanwhile(
        migrate(ws, plan, cancel=CancelToken()), {"copy": after_copy, "catch-up:notes:1": after_first_pass}
    )
    one = result(last(iter(events)))
    assert one.verdict == "verified", one
    assert (one.read, one.caught_up, one.deleted, one.passes) == (101, 4, 2, 3)
    assert texts(target) == texts(source)
    told = [event.title for event in events if isinstance(event, StepStarted) and event.step.startswith("catch-up")]
    assert told == [f"pass {number} over notes, copying what differs" for number in (1, 2, 3)]


def test_without_the_word_nothing_is_deleted_and_that_is_no_success(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    plan = planned(ws, uri(other), catch_up=True)
    events = meanwhile(migrate(ws, plan, cancel=CancelToken()), {"copy": lambda: source.delete_points("notes", [7, 8])})
    one = result(last(iter(events)))
    assert (one.verdict, one.deleted, one.passes) == ("differs", 0, 1)
    assert "2 points gone at the source still here; --delete-gone deletes them" in one.note
    assert target.count("notes") == 100
    again = moved(ws, uri(other), catch_up=True, delete_gone=True)
    assert (result(again).verdict, result(again).deleted) == ("verified", 2)
    assert texts(target) == texts(source)


def test_a_later_call_passes_only_what_differs_and_leaves_what_others_wrote(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    assert moved(ws, uri(other), catch_up=True).verdict == "verified"
    target.upsert("notes", points(500, 501, text="written by the application"))
    source.upsert("notes", points(3, text="second"))
    source.upsert("notes", points(200))
    source.delete_points("notes", [9])
    plan = planned(ws, uri(other), catch_up=True, delete_gone=True)
    assert plan.exit_code == 0
    assert (plan.collections[0].only_differences, plan.overwrites) == (True, ("notes",))
    one = result(last(migrate(ws, plan, cancel=CancelToken())))
    assert (one.verdict, one.caught_up, one.deleted, one.extra) == ("verified", 2, 1, 2)
    assert texts(target) == texts(source) | {500: "written by the application", 501: "written by the application"}


def test_a_target_that_a_plain_migration_has_filled_can_catch_up(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    assert moved(ws, uri(other)).verdict == "verified"
    source.upsert("notes", points(200))
    source.delete_points("notes", [9])
    one = result(moved(ws, uri(other), catch_up=True, delete_gone=True))
    # Nobody has kept which points that migration brought: 9 may be anybody's, and stays.
    assert (one.caught_up, one.deleted, one.extra) == (1, 0, 1)
    assert 9 in texts(target)


def test_what_another_collection_brought_is_not_gone(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    source.create_collection("more", SPEC)
    source.upsert("more", points(200, 201, text="more"))
    for name in ("notes", "more", "notes"):
        only = f"{uri(other)}&collection={name}"
        report = moved(ws, only, to="all", on_conflict="overwrite", catch_up=True, delete_gone=True)
        assert (report.verdict, result(report).deleted) == ("verified", 0)
    assert texts(target, "all") == texts(source) | texts(source, "more")


def test_a_target_that_was_made_again_holds_nothing_of_before(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    assert moved(ws, uri(other), catch_up=True).verdict == "verified"
    target.delete_collection("notes")
    source.delete_points("notes", [9])
    assert moved(ws, uri(other), catch_up=True).verdict == "verified"
    target.upsert("notes", points(9, text="written by the application"))
    one = result(moved(ws, uri(other), catch_up=True, delete_gone=True))
    assert (one.verdict, one.deleted, one.extra) == ("verified", 0, 1)
    assert texts(target)[9] == "written by the application"


def test_a_target_that_somebody_else_has_filled_is_refused(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    target.create_collection("notes", SPEC)
    target.upsert("notes", points(1))
    [problem] = planned(workspace(server), uri(other), catch_up=True).problems
    assert problem.level == "refused"
    assert "not known that this source has filled it" in problem.text
    assert source.count("notes") == 100


def test_an_emptied_source_empties_no_target(server: Server, other: Server, source: Database, target: Database) -> None:
    ws = workspace(server)
    assert moved(ws, uri(other), catch_up=True).verdict == "verified"
    source.delete_points("notes", range(100))
    plan = planned(ws, uri(other), catch_up=True, delete_gone=True)
    events = list(migrate(ws, plan, cancel=CancelToken()))
    assert any("looks like a loss" in event.text for event in events if isinstance(event, Notice))
    assert result(last(iter(events))).verdict == "differs"
    assert target.count("notes") == 100


def test_a_source_that_is_too_fast_is_told(
    server: Server, other: Server, source: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = workspace(server)
    monkeypatch.setattr(change_tracking, "MAX_PASSES", 3)
    count = itertools.count()

    def change() -> None:
        source.upsert("notes", points(1, text=f"{next(count)}"))

    changes = dict.fromkeys(["copy", *(f"catch-up:notes:{number}" for number in (1, 2, 3))], change)
    events = meanwhile(migrate(ws, planned(ws, uri(other), catch_up=True), cancel=CancelToken()), changes)
    one = result(last(iter(events)))
    assert (one.verdict, one.passes, one.caught_up) == ("differs", 3, 3)
    assert "changes too fast" in one.note
    assert any("stop whatever writes to it" in event.fix for event in events if isinstance(event, Notice))


def test_cancelled_in_a_pass_and_taken_up(server: Server, other: Server, source: Database, target: Database) -> None:
    ws, cancel = workspace(server), CancelToken()
    events = migrate(ws, planned(ws, uri(other), catch_up=True), cancel=cancel)

    def change() -> None:
        source.upsert("notes", points(100))
        cancel.cancel()

    seen = meanwhile(events, {"indexing": change})
    assert last(iter(seen)).verdict == "cancelled"
    report = last(resume(ws, unfinished(ws.store)[0], cancel=CancelToken()))
    assert (report.verdict, result(report).caught_up) == ("verified", 1)
    assert texts(target) == texts(source)


def test_together_with_staging_the_switch_comes_last(
    server: Server, other: Server, source: Database, target: Database
) -> None:
    ws = workspace(server)
    events = meanwhile(
        migrate(ws, planned(ws, uri(other), catch_up=True, into_staging=True), cancel=CancelToken()),
        {"copy": lambda: source.upsert("notes", points(100))},
    )
    one = result(last(iter(events)))
    assert (one.verdict, one.caught_up, one.alias) == ("verified", 1, "notes")
    assert texts(target) == texts(source)
    assert [event.step for event in events if isinstance(event, StepStarted)][-1] == f"switch:{one.target}"


def test_a_record_that_cannot_be_stored_is_rejected_once(server: Server, target: Database, tmp_path: Path) -> None:
    bad = {"id": 9, "vector": [float("nan")] * 4, "payload": {}}
    folder = local_store(tmp_path / "source", {"notes": [*numbered(3), bad]})
    report = moved(workspace(server), f"qdrant-local:{folder}", catch_up=True)
    assert (report.verdict, result(report).rejected, len(report.rejects)) == ("differs", 1, 1)
    again = moved(workspace(server), f"qdrant-local:{folder}", catch_up=True)
    assert (again.verdict, result(again).rejected, len(again.rejects)) == ("differs", 1, 1)
    assert target.count("notes") == 3


def test_a_pass_that_was_cut_off_has_missed_nothing() -> None:
    """What only such a one has not met is not gone for sure, however far it came."""
    with Provenance("qdrant-local:/s", "notes", "http://127.0.0.1:1", "notes") as provenance:
        provenance.record([1, 2])
        provenance.begin_pass()
        provenance.record([1])
    with Provenance("qdrant-local:/s", "notes", "http://127.0.0.1:1", "notes") as provenance:
        provenance.begin_pass()
        provenance.record([1])
        provenance.finish_pass()
        assert provenance.last_seen([1, 2]) == {1: provenance.number, 2: provenance.number - 1}


def test_deleting_wants_the_passes(server: Server, other: Server, source: Database) -> None:
    with pytest.raises(BadInput, match="catches up"):
        planned(workspace(server), uri(other), delete_gone=True)
    assert source.count("notes") == 100
