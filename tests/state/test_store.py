"""The state store: shared by processes, never half-migrated, never overwritten by an older version."""

import multiprocessing
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qdrant_admin.core.errors import BadInput, Cancelled, StorageUnusable, Unsupported
from qdrant_admin.core.events import Events, Finished, Notice, StepStarted
from qdrant_admin.core.reports import Report
from qdrant_admin.state import records
from qdrant_admin.state.history import recorded
from qdrant_admin.state.schema import STEPS, SchemaStep
from qdrant_admin.state.store import StateStore


class Found(Report):
    text: str = "x"
    code: int = 0

    @property
    def exit_code(self) -> int:
        return self.code

    @property
    def verdict_word(self) -> str:
        return "lost" if self.code else "persisted"

    def summary(self) -> str:
        return f"it says {self.text}"


@pytest.fixture
def store(tmp_path: Path) -> StateStore:
    return StateStore(tmp_path / "deep" / "state.sqlite3")


def put(store: StateStore, operation: str = "verify", profile: str = "local", **values: object) -> int:
    report = Found.model_validate(values)
    return store.record(operation=operation, profile=profile, report=report, started_at=datetime.now(UTC), seconds=1.5)


def test_what_was_recorded_comes_back_newest_first(store: StateStore) -> None:
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = store.record(operation="up", profile="local", report=Found(text="[red]é"), started_at=begun, seconds=0.25)
    second = put(store, code=1)
    entries = store.history()
    assert [entry.id for entry in entries] == [second, first]
    assert entries[1].started_at == begun
    assert (entries[0].verdict, entries[0].exit_code, entries[1].summary) == ("lost", 1, "it says [red]é")
    assert records.load(Found, store.report_json(first)) == Found(text="[red]é")
    assert [entry.id for entry in store.history(operation="up")] == [first]
    assert len(store.history(limit=1)) == 1
    with pytest.raises(BadInput, match="99"):
        store.report_json(99)


def test_reports_are_by_operation_and_profile_the_latest_first(store: StateStore) -> None:
    put(store, "verify", "a")
    newest = put(store, "verify", "a")
    put(store, "verify", "b")
    assert [entry.id for entry, _ in store.reports("verify", "a", 1)] == [newest]
    assert store.reports("up", "a", 1) == []


def test_a_failed_transaction_leaves_nothing(store: StateStore) -> None:
    put(store)

    def fail() -> None:
        with store.writing() as connection:
            connection.execute("DELETE FROM history")
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        fail()
    assert len(store.history()) == 1


def test_checkpoints_go_with_their_run(store: StateStore) -> None:
    with store.writing() as connection:
        connection.execute("INSERT INTO migration_runs VALUES ('r', 's', 't', '{}', 'running', 'now', 'now')")
        connection.execute(
            "INSERT INTO migration_spans (run, collection, span, cursor, updated_at) VALUES ('r', 'c', 0, '7', 'now')"
        )
    with store.writing() as connection:
        assert tuple(connection.execute("SELECT read, written, done FROM migration_spans").fetchone()) == (0, 0, 0)
        connection.execute("DELETE FROM migration_runs")
        assert connection.execute("SELECT count(*) FROM migration_spans").fetchone()[0] == 0


def test_checkpoints_of_before_there_were_spans_are_kept_as_one_span(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with StateStore(path, steps=STEPS[:3]).writing() as connection:
        connection.execute("INSERT INTO migration_runs VALUES ('r', 's', 't', '{}', 'running', 'now', 'now')")
        connection.execute(
            "INSERT INTO migration_checkpoints (run, collection, cursor, read, written, rejected, updated_at)"
            " VALUES ('r', 'c', '7', 9, 8, 1, 'now')"
        )
    with StateStore(path).writing() as connection:
        columns = "collection, span, cursor, read, written, rejected, done"
        rows = connection.execute(f"SELECT {columns} FROM migration_spans").fetchall()  # noqa: S608 # a constant
    assert [tuple(row) for row in rows] == [("c", 0, "7", 9, 8, 1, 0)]


def test_an_older_file_is_brought_up_to_date_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    put(StateStore(path, steps=STEPS[:1]), text="old")
    newer = StateStore(path)
    assert newer.history()[0].summary == "it says old"
    with newer.writing() as connection:
        assert connection.execute("SELECT count(*) FROM migration_runs").fetchone()[0] == 0


def test_a_step_that_fails_half_way_leaves_no_half(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    bad = SchemaStep("9999 bad", ("CREATE TABLE half (a)", "CREATE TABLE nonsense ("))
    with pytest.raises(StorageUnusable):
        StateStore(path, steps=(*STEPS, bad)).history()
    good = StateStore(path)
    with good.writing() as connection:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert "half" not in names
    assert "history" in names


def test_a_newer_file_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    StateStore(path, steps=(*STEPS, SchemaStep("9999 future", ("CREATE TABLE future (a)",)))).history()
    with pytest.raises(Unsupported, match="newer") as caught:
        StateStore(path).history()
    assert "9999 future" in caught.value.why
    assert caught.value.exit_code == 3


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    path.write_bytes(b"this is no database, and has never been one" * 100)
    with pytest.raises(StorageUnusable, match="damaged") as caught:
        StateStore(path).history()
    assert str(path) in caught.value.fix
    assert path.read_bytes().startswith(b"this is no database")


def test_a_place_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable):
        StateStore(tmp_path / "file" / "state.sqlite3").history()


def _open_and_record(path: str, count: int) -> None:
    store = StateStore(Path(path))
    for _ in range(count):
        put(store)


def test_processes_may_open_migrate_and_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_open_and_record, args=(str(path), 15)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(StateStore(path).history(limit=1000)) == 60
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("SELECT count(*) FROM schema_steps").fetchone()[0] == len(STEPS)


def _events(report: Report, closed: list[bool]) -> Events:
    try:
        yield StepStarted(step="a", title="a")
        yield Finished(report=report)
    finally:
        closed.append(True)


def test_recorded_passes_everything_on_and_keeps_the_report(store: StateStore) -> None:
    closed: list[bool] = []
    events = list(recorded(store, "verify", "local", _events(Found(text="kept"), closed)))
    assert [event.kind for event in events] == ["step_started", "finished"]
    assert closed == [True]
    (entry,) = store.history()
    assert (entry.operation, entry.profile, entry.summary) == ("verify", "local", "it says kept")
    assert datetime.now(UTC) - entry.started_at < timedelta(minutes=1)


def test_a_history_that_cannot_be_written_never_costs_the_report(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = StateStore(tmp_path / "file" / "state.sqlite3")
    events = list(recorded(store, "verify", "local", _events(Found(), [])))
    assert isinstance(events[-1], Finished)
    assert isinstance(events[-2], Notice)
    assert "history" in events[-2].text


def test_closing_the_watcher_closes_the_operation(store: StateStore) -> None:
    closed: list[bool] = []
    watching = recorded(store, "verify", "local", _events(Found(), closed))
    next(watching)
    watching.close()  # type: ignore[attr-defined]  # Events is the narrow type; a generator it is
    assert closed == [True]
    assert store.history() == []


def test_a_cancelled_operation_is_not_a_finished_one(store: StateStore) -> None:
    def cancelled() -> Events:
        yield StepStarted(step="a", title="a")
        raise Cancelled

    with pytest.raises(Cancelled):
        list(recorded(store, "migrate", "local", cancelled()))
    assert store.history() == []


def test_a_look_neither_takes_the_write_lock_nor_waits_for_it(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    put(StateStore(path), text="first")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")  # somebody writes a checkpoint and takes their time
        writer.execute("UPDATE history SET summary = 'half done'")
        looking = StateStore(path)  # another process: it has to find out that the file is up to date as well
        assert looking.history()[0].summary == "it says first"
        with looking.reading():
            writer.execute("COMMIT")
    assert StateStore(path).history()[0].summary == "half done"


def test_a_look_writes_nothing(store: StateStore) -> None:
    put(store)
    with pytest.raises(StorageUnusable, match=r"readonly"), store.reading() as connection:
        connection.execute("DELETE FROM history")
    assert len(store.history()) == 1
