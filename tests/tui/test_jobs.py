"""Jobs belong to the app: they outlive screens, can be held and stopped, and no fault of theirs ends the app."""

import threading

import pytest
from textual.widgets._toast import Toast

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, PortTaken
from qdrant_admin.core.events import Events, Finished, LogLines, Notice, PartDone, Progress, StepFinished, StepStarted
from qdrant_admin.core.reports import Report
from qdrant_admin.persistence.reports import Round
from qdrant_admin.tui.app import AdminApp
from qdrant_admin.tui.jobs import Jobs, JobView, Task, folded
from qdrant_admin.tui.screens.dialogs import ErrorDialog, QuitDialog
from qdrant_admin.tui.widgets.bars import JobStrip
from tests.tui.canned import Canned, held, told
from tests.tui.conftest import make_app, settle, until


def test_a_view_holds_all_that_was_said() -> None:
    view = JobView(1, "up", "start")
    for event in (
        StepStarted(step="a", title="one"),
        Progress(step="a", item="x", done=1, total=2),
        Progress(step="a", item="y", done=1, total=2),
        Progress(step="a", item="x", done=2, total=2),
        Notice(text="[/oops]"),
        LogLines(lines=("a", "b")),
        StepFinished(step="a", outcome="warning", detail="so so"),
        Finished(report=Report()),
    ):
        view = folded(view, event)
    assert [(step.title, step.outcome, step.detail) for step in view.steps] == [("one", "warning", "so so")]
    assert [(key, progress.done) for key, progress in view.progress.items()] == [(("a", "x"), 2), (("a", "y"), 1)]
    assert (view.notices[0].text, view.log, view.report) == ("[/oops]", ("a", "b"), Report())
    assert view.current_step is None


def test_a_step_that_begins_again_begins_at_nothing_and_parts_of_the_report_stay() -> None:
    view = JobView(1, "verify", "verify")
    killed = Round(how="kill", verdict="persisted", ready_seconds=1.9)
    for event in (
        StepStarted(step="read", title="reading"),
        Progress(step="read", item="x", done=2, total=2),
        StepFinished(step="read"),
        PartDone(part=killed),
        StepStarted(step="read", title="reading"),
    ):
        view = folded(view, event)
    assert (view.progress, view.parts) == ({}, (killed,))


def test_a_flood_is_one_message_until_somebody_looks() -> None:
    told_of: list[object] = []
    jobs = Jobs(told_of.append)

    def flood(_: CancelToken) -> Events:
        yield StepStarted(step="copy", title="copying")
        for done in range(20_000):
            yield Progress(step="copy", done=done, total=20_000)
        yield StepFinished(step="copy")
        yield Finished(report=Report())

    view = jobs.start(Task("migrate", "copy", flood))
    jobs._jobs[view.id].thread.join(30)
    assert len(told_of) == 1
    kept = jobs._jobs[view.id]._mail
    assert [type(event) for event in kept] == [StepStarted, Progress, StepFinished, Finished]
    view = jobs.collect(view.id)
    assert view.latest is not None
    assert (view.state, view.latest.done) == ("done", 19_999)


def test_two_jobs_do_not_change_the_same_server_at_once() -> None:
    jobs = Jobs(lambda _: None)
    first = jobs.start(Task("up", "start", held(), touches="server"))
    with pytest.raises(AdminError, match="start"):
        jobs.start(Task("restart", "restart", held(), touches="server"))
    jobs.start(Task("doctor", "look", held()))
    jobs.cancel_all()
    for job in jobs._jobs.values():
        job.thread.join(10)
    assert {jobs.collect(number).state for number in jobs._jobs} == {"cancelled"}
    assert jobs.start(Task("restart", "restart", told(), touches="server")).id > first.id


async def test_a_job_survives_leaving_its_screen_and_shows_on_every_one() -> None:
    app = make_app(Canned())
    go_on = threading.Event()

    def work(cancel: CancelToken) -> Events:
        yield StepStarted(step="a", title="working")
        while not go_on.is_set():
            cancel.wait(0.01)
        yield Finished(report=Report())

    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        view = app.start_job(Task("restart", "restart the server", work, touches="server"))
        assert view is not None
        for key in "65":
            await pilot.press(key)
            await settle(pilot)
            assert app.screen.query_one(JobStrip).has_class("-busy")
        go_on.set()
        await until(pilot, lambda: not app.jobs.running())
        await settle(pilot)
        assert app.jobs.view(view.id).state == "done"
        assert not app.screen.query_one(JobStrip).has_class("-busy")
        assert app.screen.query(Toast)


async def test_hold_go_on_and_stop() -> None:
    app = make_app(Canned())

    def work(cancel: CancelToken) -> Events:
        done = 0
        while True:
            cancel.check()
            cancel.wait(0.001)
            done += 1
            yield Progress(step="a", done=done, total=None)

    async with app.run_test() as pilot:
        view = app.start_job(Task("migrate", "copy", work, can_pause=True))
        assert view is not None
        await until(pilot, lambda: app.jobs.view(view.id).latest is not None)
        await pilot.press("w", "p")
        await until(pilot, lambda: app.jobs.view(view.id).state == "paused")
        await pilot.press("p")
        await until(pilot, lambda: app.jobs.view(view.id).state == "running")
        await pilot.press("x")
        await until(pilot, lambda: app.jobs.view(view.id).state == "cancelled")


async def test_an_expected_failure_is_said_with_its_way_out() -> None:
    app = make_app(Canned())
    taken = PortTaken("port 6333 is taken", why="[/oops] listens there", fix=Command("up", port=6343))
    async with app.run_test(notifications=True) as pilot:
        view = app.start_job(Task("restart", "restart", told(then=taken)))
        assert view is not None
        await until(pilot, lambda: not app.jobs.view(view.id).running)
        await settle(pilot)
        said = str(app.screen.query_one(Toast).render())
        assert "port 6333 is taken" in said
        assert "[/oops] listens there" in said
        assert "qdrant-admin up --port 6343 --profile local" in said


async def test_an_unexpected_fault_leaves_the_app_alive_and_a_report_to_copy() -> None:
    app = make_app(Canned())

    def broken(_: CancelToken) -> Events:
        yield StepStarted(step="a", title="working")
        raise KeyError("[/oops]")

    async with app.run_test() as pilot:
        await settle(pilot)
        app.start_job(Task("restart", "restart", broken))
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert isinstance(app.screen, ErrorDialog)
        assert "Traceback" in app.screen.report()
        await pilot.press("c")
        assert "[/oops]" in app.clipboard
        await pilot.press("escape")
        await settle(pilot)
        assert not isinstance(app.screen, ErrorDialog)


async def leave_with_a_job(app: AdminApp, *keys: str) -> bool:
    """Quit while a job runs; whether the app has gone."""
    async with app.run_test() as pilot:
        await settle(pilot)
        view = app.start_job(Task("migrate", "copy", held()))
        assert view is not None
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, QuitDialog))
        await pilot.press(*keys)
        await until(pilot, lambda: not isinstance(app.screen, QuitDialog) or not app.is_running)
        if "right" in keys:
            await until(pilot, lambda: app.return_value is not None)
            assert app.jobs.view(view.id).state == "cancelled"
            return True
        assert app.jobs.view(view.id).running
        app.jobs.cancel_all()
        return False


async def test_quit_asks_and_stops_jobs_cleanly() -> None:
    assert await leave_with_a_job(make_app(Canned()), "right", "enter")


async def test_quit_can_be_thought_better_of() -> None:
    assert not await leave_with_a_job(make_app(Canned()), "enter")
