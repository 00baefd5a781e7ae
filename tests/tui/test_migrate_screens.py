"""Migration on the screen: each designed state as a picture, and what the keys do."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.events import Finished
from qdrant_admin.core.reports import Report
from qdrant_admin.migration.plan import PlanOptions
from qdrant_admin.tui.jobs import Rate, with_rate
from qdrant_admin.tui.screens.migrate import plan as plan_pane
from qdrant_admin.tui.screens.migrate.run import MigrationResult, RejectsDialog, plots, squeezed
from qdrant_admin.tui.screens.migrate.screen import MigrateScreen
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog, FormDialog
from tests.tui.acting import pressing, scripted, typing
from tests.tui.canned import told
from tests.tui.canned_data import COPYING, DIFFERS, KINDS, PLAN, RATES, REFUSED, VERIFIED, WAITING, CannedData
from tests.tui.conftest import Before, make_app, running_text, settle

Snap = Callable[..., bool]
BOTH = pytest.mark.parametrize("size", ["80x24", "120x40"])
ALL = pytest.mark.parametrize("size", ["80x24", "120x40", "200x60"])
README = pytest.mark.parametrize("size", ["80x24", "110x28", "120x40", "200x60"])
SOURCE = "chroma:~/memories/chroma"


@pytest.fixture(autouse=True)
def few_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same kinds in every picture, whatever is installed; one of them lacks its package."""
    monkeypatch.setattr("qdrant_admin.tui.screens.migrate.choose.kinds", lambda: KINDS)


def running(*, state: str = "running") -> Before:
    """A migration half-way, with a history of rates."""

    async def act(pilot: Pilot[int]) -> None:
        await typing(SOURCE, "s")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, MigrateScreen)
        jobs = screen.admin.jobs
        view = jobs.latest("migrate")
        assert view is not None
        shown = replace(view, rates=RATES, seconds=98.0, state=state)  # type: ignore[arg-type]  # a JobState
        jobs._jobs[view.id].view = shown
        screen._draw_running(shown)

    return act


# pictures


@ALL
def test_migrate_choose(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(runs=True), start="migrate"), size=size)


@BOTH
def test_migrate_source_of_another_kind(snap: Snap, size: str) -> None:
    services = CannedData()
    error = SourceUnreadable(
        "~/notes is not a Chroma directory",
        why="it is an embedded Qdrant (qdrant-client 1.20)",
        fix="qdrant-local:~/notes",
    )
    services.scripts["plan"] = told(then=error)
    assert snap(make_app(services, start="migrate"), size=size, before=typing("chroma:~/notes"))


@README
def test_migrate_plan(snap: Snap, size: str) -> None:
    assert snap(make_app(scripted(plan=PLAN), start="migrate"), size=size, before=typing(SOURCE))


@BOTH
def test_migrate_plan_refused(snap: Snap, size: str) -> None:
    assert snap(make_app(scripted(plan=REFUSED), start="migrate"), size=size, before=typing(SOURCE))


def test_migrate_plan_light(snap: Snap) -> None:
    app = make_app(scripted(plan=REFUSED), start="migrate", theme="light")
    assert snap(app, size="120x40", before=typing(SOURCE))


@BOTH
def test_migrate_change_how(snap: Snap, size: str) -> None:
    async def act(pilot: Pilot[int]) -> None:
        await typing(SOURCE, "c")(pilot)
        pilot.app.screen.query_one("#field-batch_size", Input).value = "0"
        await pressing("tab", "tab")(pilot)

    assert snap(make_app(scripted(plan=PLAN), start="migrate"), size=size, before=act)


@BOTH
def test_migrate_change_a_collection(snap: Snap, size: str) -> None:
    async def act(pilot: Pilot[int]) -> None:
        await typing(SOURCE, "down", "enter")(pilot)
        pilot.app.screen.query_one("#field-target", Input).value = "../notes"
        await pilot.pause()

    assert snap(make_app(scripted(plan=PLAN), start="migrate"), size=size, before=act)


@README
def test_migrate_running(snap: Snap, size: str) -> None:
    assert snap(make_app(scripted(plan=PLAN, migrate=COPYING), start="migrate"), size=size, before=running())


def test_migrate_running_light(snap: Snap) -> None:
    app = make_app(scripted(plan=PLAN, migrate=COPYING), start="migrate", theme="light")
    assert snap(app, size="120x40", before=running())


@BOTH
def test_migrate_waiting_for_a_server(snap: Snap, size: str) -> None:
    assert snap(make_app(scripted(plan=PLAN, migrate=WAITING), start="migrate"), size=size, before=running())


def test_migrate_held(snap: Snap) -> None:
    app = make_app(scripted(plan=PLAN, migrate=COPYING), start="migrate")
    assert snap(app, size="80x24", before=running(state="paused"))


@pytest.mark.parametrize("report", [VERIFIED, DIFFERS], ids=["verified", "differs"])
@ALL
def test_migrate_result(snap: Snap, size: str, report: Report) -> None:
    app = make_app(scripted(plan=PLAN, migrate=report), start="migrate")
    assert snap(app, size=size, before=typing(SOURCE, "s"))


def test_migrate_result_light(snap: Snap) -> None:
    app = make_app(scripted(plan=PLAN, migrate=DIFFERS), start="migrate", theme="light")
    assert snap(app, size="120x40", before=typing(SOURCE, "s"))


@BOTH
def test_migrate_rejects(snap: Snap, size: str) -> None:
    app = make_app(scripted(plan=PLAN, migrate=DIFFERS), start="migrate")
    assert snap(app, size=size, before=typing(SOURCE, "s", "j"))


@BOTH
def test_migrate_past(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="migrate"), size=size, before=pressing("escape", "h", "down"))


def test_migrate_past_filtered(snap: Snap) -> None:
    app = make_app(CannedData(), start="migrate")
    assert snap(app, size="80x24", before=pressing("escape", "h", "slash", *"parq"))


def test_migrate_past_empty(snap: Snap) -> None:
    assert snap(make_app(CannedData(empty=True), start="migrate"), size="80x24", before=pressing("escape", "h"))


def test_home_history(snap: Snap) -> None:
    assert snap(make_app(CannedData()), size="80x24", before=pressing("h", "down"))


# what the keys do


def planned(services: CannedData) -> list[PlanOptions]:
    """What plans were asked for."""
    return [one[1] for one in services.asked if isinstance(one, tuple) and isinstance(one[1], PlanOptions)]


async def test_a_running_migration_shows_its_bars_can_be_held_and_outlives_its_screen() -> None:
    services = scripted(plan=PLAN, migrate=COPYING)
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE, "s")(pilot)
        screen = app.screen
        assert isinstance(screen, MigrateScreen)
        assert screen.pane == "running"
        assert "2 914 / 3 763" in running_text(screen)
        await pilot.press("p")
        await pilot.pause()
        assert app.jobs.latest("migrate").state == "paused"  # type: ignore[union-attr]  # it was started above
        await pressing("1", "3")(pilot)
        assert app.jobs.running()
        assert isinstance(app.screen, MigrateScreen)
        assert app.screen.pane == "running"
        await pilot.press("x")
        while app.jobs.running():
            await pilot.pause()
        assert app.screen.pane == "result"


async def test_a_refused_plan_cannot_be_started_and_another_policy_plans_anew() -> None:
    services = scripted(plan=REFUSED)
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE, "s")(pilot)
        assert app.jobs.latest("migrate") is None
        await pressing("o")(pilot)
        assert [options.on_conflict for options in planned(services)] == ["fail", "skip"]


async def test_an_interrupted_run_is_offered_and_taken_up_again() -> None:
    services = scripted(migrate=VERIFIED)
    services.runs = True
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen.query_one("#migrate-runs").focus()
        await pressing("down", "enter")(pilot)
        assert isinstance(app.screen, MigrateScreen)
        assert app.screen.pane == "result"


async def test_an_interrupted_run_is_given_up_after_a_question() -> None:
    services = scripted()
    services.runs = True
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.screen.query_one("#migrate-runs").focus()
        await pressing("down", "d", "escape", "d", "right", "enter")(pilot)
        await settle(pilot)
        assert app.jobs.latest("discard") is not None
        assert not app.screen.query_one("#migrate-runs").display


async def test_a_plan_is_changed_field_by_field_and_made_anew() -> None:
    services = scripted(plan=PLAN)
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE, "c")(pilot)
        assert isinstance(app.screen, FormDialog)
        await pressing("right", "down", "down", *["backspace"] * 3, "x", "enter")(pilot)
        assert isinstance(app.screen, FormDialog)  # a batch of x points: it stays, with the cursor there
        assert app.focused is app.screen.query_one("#field-batch_size")
        await pressing("backspace", "6", "4", "down", "4", "down", "right", "down", "5", "down", "left", "enter")(pilot)
        assert isinstance(app.screen, MigrateScreen)
        last = planned(services)[-1]
        assert (last.on_conflict, last.batch_size, last.workers) == ("skip", 64, 4)
        assert (last.verify, last.catch_up, last.delete_gone) == ("sample:10005", True, True)


async def test_one_collection_is_renamed_given_a_policy_and_left() -> None:
    services = scripted(plan=PLAN)
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE, "down", "enter")(pilot)
        app.screen.query_one("#field-target", Input).value = "notes"
        await pressing("down", "right", "right", "enter")(pilot)
        last = planned(services)[-1]
        assert (last.names, last.conflicts) == ({"project notes": "notes"}, {"project notes": "skip"})
        await pressing("space")(pilot)
        assert planned(services)[-1].skip_collections == ("project notes",)
        await pressing("space")(pilot)
        assert planned(services)[-1].skip_collections == ()
        assert planned(services)[-1].names == {"project notes": "notes"}


async def test_a_change_that_cannot_be_planned_leaves_the_plan_as_it_was() -> None:
    services = scripted(plan=PLAN)
    app = make_app(services, start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE)(pilot)
        services.scripts["plan"] = told(then=SourceUnreadable("it is gone"))
        await pressing("space")(pilot)
        assert isinstance(app.screen, MigrateScreen)
        assert app.screen.pane == "plan"
        services.scripts["plan"] = told(Finished(report=PLAN))
        await pressing("o")(pilot)
        assert planned(services)[-1].skip_collections == ()


async def test_nothing_is_written_over_without_the_name_typed() -> None:
    here = PLAN.collections[1].model_copy(update={"on_conflict": "overwrite", "target_points": 7})
    plan = PLAN.model_copy(update={"collections": (PLAN.collections[0], here)})
    app = make_app(scripted(plan=plan, migrate=VERIFIED), start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await typing(SOURCE, "s")(pilot)
        assert isinstance(app.screen, ConfirmDialog)
        assert app.jobs.latest("migrate") is None
        await pressing(*here.target.replace("_", " ").split()[0], "underscore", *"notes", "enter")(pilot)
        assert app.jobs.latest("migrate") is not None


async def test_an_earlier_migration_is_opened_again_saved_and_copied() -> None:
    app = make_app(CannedData(), start="migrate")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await settle(pilot)
        await pressing("escape", "h", "down", "enter")(pilot)
        screen = app.screen
        assert isinstance(screen, MigrateScreen)
        assert screen.pane == "result"
        assert screen.query_one(MigrationResult).report == DIFFERS
        await pressing("y")(pilot)
        assert app.clipboard.startswith("# ✕ differs")
        await pressing("e")(pilot)
        assert any("qdrant-admin-migration-" in note.message for note in app._notifications)
        await pressing("j")(pilot)
        assert isinstance(app.screen, RejectsDialog)
        await pressing("c", "escape")(pilot)
        assert app.clipboard.startswith("qdrant-admin migrations replay")


async def test_home_opens_what_was_done() -> None:
    app = make_app(CannedData())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("h", "down", "enter")(pilot)
        assert app.current_mode == "migrate"
        assert isinstance(app.screen, MigrateScreen)
        assert app.screen.pane == "result"
        await pressing("1", "h", "enter")(pilot)
        assert app.current_mode == "verify"
        assert "LOST" in str(app.screen.query_one("#verify-verdict").render())


async def test_the_filter_goes_with_escape() -> None:
    app = make_app(CannedData(), start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("escape", "h", "slash", *"postgres", "enter")(pilot)
        table = app.screen.query_one("#past-table")
        assert table.row_count == 1  # type: ignore[attr-defined]  # a DataTable
        await pressing("escape")(pilot)
        assert table.row_count == 4  # type: ignore[attr-defined]  # a DataTable


def test_rates_are_kept_once_a_second() -> None:
    from qdrant_admin.core.events import Progress
    from qdrant_admin.tui.jobs import JobView, folded

    view = folded(JobView(1, "migrate", "x"), Progress(step="copy", item="a", done=1, total=9, rate=10, octet_rate=100))
    view = folded(view, Progress(step="copy", item="b", done=1, total=9, rate=5, octet_rate=50))
    for second in (1.0, 1.2, 1.9, 2.0):
        view = with_rate(replace(view, seconds=second))
    assert view.rates == (Rate(1.0, 15, 150), Rate(2.0, 15, 150))


@pytest.mark.parametrize("count", [1, 5, 60, 61, 119, 300])
def test_a_long_run_fits_into_a_narrow_plot(count: int) -> None:
    shown = squeezed([7.0] * count, 60)
    assert len(shown) == min(count, 60)
    assert set(shown) == {7.0}


async def test_what_lies_at_a_picked_path_is_said_and_its_address_proposed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "vector": [1.0]}\n', encoding="utf-8")
    app = make_app(CannedData(), start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, MigrateScreen)
        screen._picked(tmp_path / "a.jsonl")
        await settle(pilot)
        assert screen.query_one("#migrate-source", Input).value == f"jsonl:{tmp_path}/a.jsonl"
        screen._picked(tmp_path)
        screen._picked(Path(__file__))
        await settle(pilot)
        assert "nothing here reads it" in str(screen.query_one("#migrate-said").render())


def test_a_rate_of_a_while_ago_is_not_called_that_of_now() -> None:
    rates = [Rate(1.0, 1000.0, 2048.0), Rate(2.0, 2000.0, 4096.0), Rate(9.0, 500.0)]
    shown = "\n".join(row.plain for row in plots(rates, 100, 10, at=10.0, tall=True))
    assert "500/s now" in shown
    assert "4.0 KiB/s last" in shown


def test_a_plan_of_nothing_is_not_ready_and_cannot_be_started() -> None:
    nothing = PLAN.model_copy(
        update={"collections": tuple(one.model_copy(update={"action": "skip"}) for one in PLAN.collections)}
    )
    assert "ready" in plan_pane.head(PLAN).plain
    assert "ready" not in plan_pane.head(nothing).plain
    assert "nothing to do" in plan_pane.head(nothing).plain
    assert "start" in plan_pane.details(PLAN, 100, "local").plain
    assert "start" not in plan_pane.details(nothing, 100, "local").plain
