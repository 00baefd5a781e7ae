"""Acting on the app as a person would, with operations that say what they are told to."""

from textual.pilot import Pilot
from textual.widgets import Input

from qdrant_admin.core.events import Event, Finished
from qdrant_admin.core.reports import Report
from tests.tui.canned import held, told
from tests.tui.canned_data import CannedData
from tests.tui.conftest import Before, settle


def scripted(**scripts: tuple[Event, ...] | Report) -> CannedData:
    """Operations that end at once with a report, or hang after some events."""
    services = CannedData()
    for name, script in scripts.items():
        services.scripts[name] = told(Finished(report=script)) if isinstance(script, Report) else held(*script)
    return services


def pressing(*keys: str) -> Before:
    """Press these keys, waiting after each."""

    async def press(pilot: Pilot[int]) -> None:
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
            await _quiet(pilot)

    return press


async def _quiet(pilot: Pilot[int]) -> None:
    for _ in range(3):
        await pilot.pause()
    await settle(pilot)


def typing(text: str, *keys: str) -> Before:
    """Type a source, then press keys."""

    async def act(pilot: Pilot[int]) -> None:
        pilot.app.screen.query_one(Input).value = text
        await pressing("enter", *keys)(pilot)

    return act
