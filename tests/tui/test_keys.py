"""Keys answer while operations run at full speed; how fast they do is what the benchmarks look at."""

from textual.binding import Binding
from textual.pilot import Pilot

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, LogLines, Notice, Progress, StepStarted
from qdrant_admin.tui.app import AdminApp
from qdrant_admin.tui.jobs import Task
from qdrant_admin.tui.screens.dialogs import HelpDialog
from qdrant_admin.tui.screens.logs import DRAWN_AT_ONCE, LogsScreen
from qdrant_admin.tui.theme import Preferences
from tests.tui.canned import Canned
from tests.tui.conftest import settle, until

EVENTS_A_BURST = 200


def firehose(cancel: CancelToken) -> Events:
    """Far more than any migration says: some hundred thousand events a second are offered, for as long as it runs."""
    yield StepStarted(step="copy", title="copying")
    done = 0
    while True:
        for _ in range(EVENTS_A_BURST):
            done += 256
            yield Progress(step="copy", item=f"collection {done % 12}", done=done, total=10**9, rate=1e6)
        yield Notice(text=f"point {done} was rejected")
        yield LogLines(lines=("a line", "another"))
        cancel.wait(0.001)  # as an operation waits for its server; a thread that never waits starves any Python program


async def test_keys_answer_while_a_migration_runs_at_full_speed() -> None:
    app = AdminApp(Canned(), watch=False, preferences=Preferences(theme="dark"))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        view = app.start_job(Task("migrate", "copy everything", firehose, can_pause=True))
        assert view is not None
        await until(pilot, lambda: app.jobs.running()[0].latest is not None)
        for _ in range(20):
            await _help_opens(app, pilot)
            assert app.jobs.view(view.id).running
        app.jobs.cancel_all()


async def test_every_binding_has_a_stable_id() -> None:
    app = AdminApp(Canned(), watch=False, preferences=Preferences())
    async with app.run_test() as pilot:
        for key in "123456":
            await pilot.press(key)
            await settle(pilot)
            bindings = [active.binding for active in app.screen.active_bindings.values()]
            ours = [binding for binding in bindings if binding.action.split("(")[0] not in FRAMEWORK]
            assert [binding for binding in ours if not _named(binding)] == []


FRAMEWORK = {
    "app.focus_next",
    "app.focus_previous",
    "screen.copy_text",
    "command_palette",
    "help_quit",
    "quit",
}


def _named(binding: Binding) -> bool:
    return bool(binding.id) or not binding.show


async def test_a_flood_of_log_lines_is_drawn_a_little_at_a_time() -> None:
    lines = [f"2026-11-20T06:16:02.104Z  INFO qdrant: line {number}" for number in range(20_000)]
    app = AdminApp(Canned(log=lines), watch=False, start="logs", preferences=Preferences())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LogsScreen) and len(app.screen._undrawn) > 0)
        assert isinstance(app.screen, LogsScreen)
        waiting = len(app.screen._undrawn)
        app.screen._write()
        assert waiting - len(app.screen._undrawn) == min(waiting, DRAWN_AT_ONCE)
        await _help_opens(app, pilot)


async def _help_opens(app: AdminApp, pilot: Pilot[int]) -> None:
    """The help is on the screen, and closed again."""
    app.simulate_key("question_mark")
    await until(pilot, lambda: isinstance(app.screen, HelpDialog))
    app.simulate_key("escape")
    await until(pilot, lambda: not isinstance(app.screen, HelpDialog))
