"""One target is filled by one migration: the second, of whatever home, is refused before it writes."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Refused, Unsupported
from qdrant_admin.core.events import Event, Finished, Notice, StepStarted
from qdrant_admin.database import claims
from qdrant_admin.database.claims import Claim
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.migration import targets
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.targets import Targets
from qdrant_admin.state.installation import installation
from tests.migration.support import local_store, moved, numbered, planned, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server
SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),), params={"metadata": {"owner": "me"}})


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"qdrant-local:{local_store(tmp_path / 'a', {'c': numbered(50)})}"


@pytest.fixture
def more(tmp_path: Path) -> str:
    """Other points under the same name."""
    return f"qdrant-local:{local_store(tmp_path / 'b', {'c': numbered(90)[40:]})}"


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with Database(server.endpoint) as opened:
        yield opened


def until(events: Iterator[Event], step: str) -> None:
    """Take events up to the beginning of a step."""
    for event in events:
        if isinstance(event, StepStarted) and event.step == step:
            return
    raise AssertionError(f"there is no step {step}")


def the_end(events: Iterator[Event]) -> MigrationReport:
    found = [event.report for event in events if isinstance(event, Finished)]
    assert isinstance(found[0], MigrationReport)
    return found[0]


def raw(server: Server, name: str = "c") -> object:
    answer = httpx.get(f"{server.url}/collections/{name}").json()["result"]["config"]
    return answer.get("metadata") or {}


def claimed(database: Database, seconds: float, *, owner: str = "0123456789abcdef", run: str = "other") -> None:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    database.set_claim("c", Claim(owner=owner, run=run, until=at))


@pytest.mark.parametrize("home", ["the same", "another"])
@pytest.mark.parametrize("step", ["copy", "verify"])
def test_the_second_of_two_that_meant_to_make_a_target_is_refused(
    server: Server, source: str, more: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str, step: str
) -> None:
    ws = workspace(server)
    first, second = planned(ws, source), planned(ws, more)
    events = migrate(ws, first, cancel=CancelToken())
    until(iter(events), step)
    with monkeypatch.context() as patch:
        if home == "another":
            patch.setenv("QDRANT_ADMIN_HOME", str(tmp_path / "home"))
        with pytest.raises(Refused) as caught:
            list(migrate(workspace(server), second, cancel=CancelToken()))
        assert caught.value.exit_code == 4
        assert first.run in caught.value.why
        late = planned(workspace(server), more, on_conflict="overwrite")
        assert (late.exit_code, "another migration is filling c" in late.problems[-1].text) == (4, True)
    assert the_end(iter(events)).verdict == "verified"
    assert raw(server) == {}


def test_of_two_at_the_same_moment_the_server_tells_who_was_first(
    server: Server, source: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked before either has created it."""
    ws = workspace(server)
    second = planned(ws, more)
    assert moved(ws, source).verdict == "verified"
    exists = Database.exists
    monkeypatch.setattr(Database, "exists", lambda _, name: False if name == "c" else exists(_, name))
    with pytest.raises(Refused, match="c has appeared in the target since the plan"):
        list(migrate(ws, second, cancel=CancelToken()))
    with Database(server.endpoint) as database:
        assert database.count("c") == 50


def test_an_empty_collection_that_appeared_since_the_plan_is_somebody_elses(
    server: Server, source: str, database: Database
) -> None:
    plan = planned(workspace(server), source)
    database.create_collection("c", SPEC)
    with pytest.raises(Refused, match="has appeared"):
        list(migrate(workspace(server), plan, cancel=CancelToken()))
    assert raw(server) == {"owner": "me"}


def swapped(database: Database, policy: str) -> None:
    """An alias of that name in the place of the collection that was planned for."""
    if policy == "overwrite":
        database.delete_collection("c")
    database.create_collection("d", SPEC)
    database.upsert("d", [Point(n, {"own": True}, {"": np.ones(4, dtype=np.float32)}) for n in range(3)])
    database.set_alias("c", "d")


def written_to(database: Database, _: str) -> None:
    database.upsert("c", [Point(1, {"own": True}, {"": np.ones(4, dtype=np.float32)})])


@pytest.mark.parametrize(
    ("change", "policy", "words"),
    [
        (swapped, "fail", "c is an alias in the target by now"),
        (swapped, "overwrite", "c is an alias in the target by now"),
        (written_to, "fail", "c was empty in the target when this was planned"),
        (written_to, "skip", "c was empty in the target when this was planned"),
    ],
)
def test_a_target_that_is_another_than_it_was_planned_for_is_left_as_it_is(
    server: Server, source: str, database: Database, change: Callable[[Database, str], None], policy: str, words: str
) -> None:
    if (change, policy) != (swapped, "fail"):
        database.create_collection("c", SPEC)
    plan = planned(workspace(server), source, on_conflict=policy)
    change(database, policy)
    with pytest.raises(Refused, match=words) as caught:
        list(migrate(workspace(server), plan, cancel=CancelToken()))
    assert caught.value.exit_code == 4
    assert {point.payload.get("own") for page in database.scan("c") for point in page} == {True}
    assert raw(server) == {"owner": "me"}


def test_a_collection_whose_name_differs_in_case_is_another_one(
    server: Server, source: str, database: Database
) -> None:
    plan = planned(workspace(server), source)
    database.create_collection("C", SPEC)
    assert the_end(iter(migrate(workspace(server), plan, cancel=CancelToken()))).verdict == "verified"
    assert (database.count("c"), database.count("C")) == (50, 0)


@pytest.mark.parametrize("why", ["ran out", "was stopped", "wrong clock"])
def test_a_claim_that_holds_no_longer_is_taken_over_and_that_is_said(
    server: Server, source: str, database: Database, why: str
) -> None:
    database.create_collection("c", SPEC)
    if why != "was stopped":
        claimed(database, -5 if why == "ran out" else 1e8)
    else:
        claimed(database, 600, owner=installation())
    plan = planned(workspace(server), source)
    assert any(problem.level == "warning" and why in problem.text for problem in plan.problems)
    events = list(migrate(workspace(server), plan, cancel=CancelToken()))
    assert the_end(iter(events)).verdict == "verified"
    assert any(isinstance(event, Notice) and "taken over" in event.text and why in event.text for event in events)
    assert raw(server) == {"owner": "me"}


def test_a_claim_of_another_home_holds_until_it_runs_out(server: Server, source: str, database: Database) -> None:
    database.create_collection("c", SPEC)
    plan = planned(workspace(server), source)
    claimed(database, 600)
    with pytest.raises(Refused, match="another migration is filling c"):
        list(migrate(workspace(server), plan, cancel=CancelToken()))
    assert planned(workspace(server), source).exit_code == 4
    assert claims.KEY in str(raw(server))


@pytest.mark.parametrize(
    "told",
    [
        "nonsense",
        {"owner": 1, "run": [], "until": 3},
        {"owner": "a", "run": "b", "until": "2020-01-01T00:00:00"},
        {"owner": "a", "run": "b", "until": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_what_is_no_claim_under_its_key_is_in_nobodys_way(
    server: Server, source: str, database: Database, told: object
) -> None:
    database.create_collection("c", SPEC)
    httpx.patch(f"{server.url}/collections/c", json={"metadata": {claims.KEY: told}}).raise_for_status()
    assert moved(workspace(server), source).verdict == "verified"
    assert raw(server) == {"owner": "me"}


def test_nobody_sees_a_claim_in_what_is_said_of_a_collection(server: Server, database: Database) -> None:
    database.create_collection("c", SPEC)
    database.create_collection("d", SPEC.model_copy(update={"params": {}}))
    names = ("c", "d")
    before = [database.collection(name) for name in names]
    for name in names:
        database.set_claim(name, Claim(owner="a", run="b", until=datetime.now(UTC)))
        assert claims.KEY in str(raw(server, name))
    held = [database.collection(name) for name in names]
    for name in names:
        database.set_claim(name, None)
    assert before == held == [database.collection(name) for name in names]
    assert held[0].config["metadata"] == held[0].metadata == {"owner": "me"}


def test_a_claim_is_renewed_and_its_loss_is_noticed(
    server: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(targets, "_PER_TARGET_SECONDS", 0.0)
    with Targets(database, "mine", 1, "jsonl:/c.jsonl") as held:
        list(held.create("c", SPEC))
        first = database.claim("c")
        assert first is not None
        deadline = time.monotonic() + 20
        while database.claim("c") == first and time.monotonic() < deadline:
            time.sleep(0.02)
        again = database.claim("c")
        assert again is not None
        assert (again.run, again.until > first.until) == ("mine", True)
        claimed(database, 600)
        while held.lost is None and time.monotonic() < deadline:
            time.sleep(0.02)
        with pytest.raises(Refused, match="another migration is filling c"):
            held.check()
    kept = database.claim("c")
    assert kept is not None
    assert kept.run == "other"


@pytest.mark.parametrize("step", ["copy", "verify"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_run_whose_claim_was_taken_is_refused_at_the_latest_before_its_word(
    server: Server, source: str, database: Database, ended: bool, step: str
) -> None:
    """`ended`: the run that took it, as this one was frozen for longer than its lease, has come to its end."""
    database.create_collection("c", SPEC)
    events = iter(migrate(workspace(server), planned(workspace(server), source), cancel=CancelToken()))
    until(events, step)
    claimed(database, 600)
    if ended:
        database.set_claim("c", None)
    with pytest.raises(Refused, match="another migration has filled c" if ended else "another migration is filling c"):
        list(events)
    kept = database.claim("c")
    assert (kept.run if kept else None) == (None if ended else "other")


def test_of_two_that_claimed_an_existing_target_at_the_same_moment_one_writes_nothing(
    server: Server, source: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked, and found no claim, before either has written its own."""
    database.create_collection("c", SPEC)
    put = Targets._put

    def at_once(held: Targets, name: str) -> None:
        put(held, name)
        claimed(database, 600)

    monkeypatch.setattr(Targets, "_put", at_once)
    with pytest.raises(Refused, match="another migration is filling c"):
        moved(workspace(server), source)
    assert database.count("c") == 0


def test_a_server_without_metadata_behaves_as_ever_and_that_is_said(
    server: Server, source: str, more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Database.create_collection

    def ignoring(database: Database, name: str, spec: CollectionSpec) -> None:
        if "metadata" in spec.params:
            raise Unsupported("the server ignored settings")
        create(database, name, spec)

    monkeypatch.setattr(Database, "create_collection", ignoring)
    monkeypatch.setattr(Database, "set_claim", lambda *_: None)
    monkeypatch.setattr(claims, "claim_of", lambda _: None)
    events = list(migrate(workspace(server), planned(workspace(server), source), cancel=CancelToken()))
    assert the_end(iter(events)).verdict == "verified"
    assert sum(isinstance(event, Notice) and "keeps no metadata" in event.text for event in events) == 1
    report = moved(workspace(server), more, on_conflict="overwrite")
    assert (report.verdict, report.collections[0].extra) == ("verified", 40)


def test_a_run_that_fails_or_is_cancelled_gives_its_claim_back(
    server: Server, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancel = CancelToken()
    events = migrate(workspace(server), planned(workspace(server), source), cancel=cancel)
    until(iter(events), "copy")
    assert claims.KEY in str(raw(server))
    cancel.cancel()
    assert the_end(iter(events)).verdict == "cancelled"
    assert raw(server) == {}
    monkeypatch.setattr("qdrant_admin.migration.run.checkpoint.finish", _full)
    with pytest.raises(AdminError):
        moved(workspace(server), source, to="d")
    assert raw(server, "d") == {}


def _full(*_: object) -> None:
    raise Refused("no")
