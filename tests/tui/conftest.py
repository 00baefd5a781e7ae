"""The snapshot fixture, and what keeps pictures the same on every run."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import WorkerCancelled

from qdrant_admin.tui.app import AdminApp
from qdrant_admin.tui.services import Services
from qdrant_admin.tui.theme import Preferences, ThemeChoice
from qdrant_admin.tui.widgets.panels import Live, LiveGroups
from tests.tui.canned import samples

Before = Callable[[Pilot[int]], Awaitable[None]]
SIZES = {"50x12": (50, 12), "80x24": (80, 24), "110x28": (110, 28), "120x40": (120, 40), "200x60": (200, 60)}


class Snap(Protocol):
    """Compares an app with its picture."""

    def __call__(self, app: AdminApp, *, size: str = "80x24", before: Before | None = None) -> bool: ...


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same clock zone, no blinking cursor, Unicode symbols whatever the runner's locale."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Input, "_toggle_cursor", lambda _: None)
    monkeypatch.delenv("QDRANT_ADMIN_ASCII", raising=False)


def make_app(services: Services, *, start: str = "home", theme: ThemeChoice = "dark") -> AdminApp:
    """An app that looks at its server once and draws every event at once."""
    chosen = Preferences(theme=theme)
    app = AdminApp(services, watch=False, start=start, draw_every=0.0, clock=lambda: 1.5, preferences=chosen)
    app.animation_level = "none"
    app.server.samples.extend(samples(59))
    return app


async def settle(pilot: Pilot[int]) -> None:
    """Until nothing is being asked for any more."""
    for _ in range(3):
        with contextlib.suppress(WorkerCancelled):  # a question that a newer one replaced
            await pilot.app.workers.wait_for_complete()
        await pilot.pause()


async def until(pilot: Pilot[int], reached: Callable[[], bool], seconds: float = 20.0) -> None:
    """Let the app run until something is so."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.002)


def running_text(screen: Screen[None]) -> str:
    """What the pane of a job that runs says."""
    pane = screen.query_one(LiveGroups)
    return "\n\n".join(str(live.render()) for live in pane.query(Live) if live.display)


def press(*keys: str) -> Before:
    """Press keys one by one, and let the app come to rest after each."""

    async def pressed(pilot: Pilot[int]) -> None:
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    return pressed


@pytest.fixture
def snap(snap_compare: Callable[..., bool]) -> Snap:
    """Compare the app with its picture; a crash inside the app fails the test (the plugin alone would let it pass)."""

    def check(app: AdminApp, *, size: str = "80x24", before: Before | None = None) -> bool:
        async def guarded(pilot: Pilot[int]) -> None:
            await settle(pilot)
            if before is not None:
                await before(pilot)
                await settle(pilot)
            _raise(app)

        same = snap_compare(app, terminal_size=SIZES[size], run_before=guarded)
        app.jobs.cancel_all()
        _raise(app)
        return same

    return check


def _raise(app: AdminApp) -> None:
    if app._exception is not None:
        raise app._exception
