"""The terminal application against the real thing: a native Qdrant, set up, watched, stopped and started by keys."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import DataTable, Input, RichLog

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.secrets import read_key
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, StepStarted
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.persistence.reports import VerifyOptions
from qdrant_admin.tui.app import AdminApp
from qdrant_admin.tui.screens.first_run import FirstRunScreen
from qdrant_admin.tui.screens.home.dialogs import DoctorDialog, EnvironmentDialog
from qdrant_admin.tui.screens.verify.screen import VerifyScreen
from qdrant_admin.tui.services import Services
from qdrant_admin.tui.theme import Preferences
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.support.real import binary, free_port
from tests.tui.conftest import settle, until

pytestmark = pytest.mark.server


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A profile with nothing behind it yet; whatever a test starts is stopped and its record removed."""
    monkeypatch.setenv("QDRANT_ADMIN_BINARY", str(binary()))
    write_profile("local", {"runtime": "native", "port": free_port(), "grpc_port": free_port()})
    opened = Services()
    yield opened
    for _ in opened.down(CancelToken()):
        pass


def make_live(services: Services) -> AdminApp:
    app = AdminApp(services, preferences=Preferences(theme="dark"))
    app.animation_level = "none"
    return app


def state(app: AdminApp) -> str:
    return app.server.status.state if app.server.status is not None else ""


async def test_from_nothing_to_a_healthy_server_and_back(services: Services) -> None:
    app = make_live(services)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, FirstRunScreen))
        await until(pilot, lambda: isinstance(app.screen, FirstRunScreen) and app.screen._survey is not None)
        await pilot.press("enter")
        await until(pilot, lambda: state(app) == "healthy", 60)
        assert read_key("local") is not None
        assert read_profiles()["local"].runtime == "native"
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, FirstRunScreen))
        await until(pilot, lambda: "up" in page(app))
        assert "native process" in page(app)

        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("right", "enter")
        await until(pilot, lambda: state(app) == "stopped", 60)
        await pilot.press("s")
        await until(pilot, lambda: state(app) == "healthy", 60)


def page(app: AdminApp) -> str:
    """What Home says."""
    found = app.screen.query("#home")
    return str(found.first(Plain).render()) if found else ""


async def test_logs_doctor_and_environment_of_a_real_server(services: Services) -> None:
    services.add_key()
    for _ in services.up(CancelToken()):
        pass
    app = make_live(services)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: state(app) == "healthy", 60)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EnvironmentDialog))
        key = services.settings().api_key
        assert key is not None
        assert key.get_secret_value() not in str(app.screen.query_one("#env-lines", Plain).render())
        await pilot.press("escape")
        await settle_alive(app)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DoctorDialog), 60)
        await pilot.press("escape")
        await pilot.press("5")
        await until(pilot, lambda: any("listening" in row for row in log_rows(app)))
        await pilot.press("slash", *"gRPC", "enter")
        assert app.screen.query_one("#logs-filter", Input).value == "gRPC"
        await until(pilot, lambda: log_rows(app) != [] and all("grpc" in row.lower() for row in log_rows(app)))


async def settle_alive(app: AdminApp) -> None:
    """Until the dialog has gone (the watch never rests, so there is no waiting for all workers here)."""
    while isinstance(app.screen, EnvironmentDialog):
        await asyncio.sleep(0.01)


def log_rows(app: AdminApp) -> list[str]:
    found = app.screen.query(RichLog)
    return [strip.text.strip() for strip in found.first().lines if strip.text.strip()] if found else []


async def test_a_damaged_configuration_is_said_and_mended(services: Services, isolated_home: Path) -> None:
    file = isolated_home / "config" / "config.toml"
    good = file.read_text(encoding="utf-8")
    file.write_text(good + "\nprot = 1\n", encoding="utf-8")
    app = make_live(Services())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.server.failure is not None)
        assert "unknown key" in page(app)
        file.write_text(good, encoding="utf-8")
        await pilot.press("r")
        await until(pilot, lambda: app.server.failure is None and app.server.status is not None)
        await settle(pilot)


class Thief(Services):
    """The real checks, with somebody who deletes a point and changes another between the two looks of a check."""

    def verify(self, options: VerifyOptions, cancel: CancelToken) -> Events:
        for event in super().verify(options, cancel):
            if isinstance(event, StepStarted) and event.step == "fingerprint_after":
                with self.workspace.database() as database:
                    database.delete_points("memories", [2])
                    vector = np.array([0.0, 0.0], dtype=np.float32)
                    database.upsert("memories", [Point(3, {"title": "another"}, {"": vector})])
            yield event


async def test_a_loss_is_looked_at_down_to_the_point_on_a_real_server(services: Services) -> None:
    for _ in services.up(CancelToken()):
        pass
    with services.workspace.database() as database:
        database.create_collection("memories", CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),)))
        vector = np.array([0.25, 0.5], dtype=np.float32)
        payload = {"title": "the first", "kept": [1, 2]}
        database.upsert("memories", [Point(number, payload, {"": vector}) for number in range(1, 6)])
    app = make_live(Thief())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: state(app) == "healthy", 60)
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen))
        await pilot.press("end", "enter")
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result", 60)
        verdict = str(app.screen.query_one("#verify-verdict").render())
        assert "INCONCLUSIVE" in verdict, "the thief wrote, and may have done it"
        assert "memories: 1 point missing, 1 point changed" in verdict
        await pilot.press("enter")
        await until(pilot, lambda: parts(app) == {"vector": "not there", "kept": "not there", "title": "not there"})
        await pilot.press("down")
        await until(pilot, lambda: parts(app).get("title") == "another")
        assert parts(app)["vector"].startswith("all zero")
        assert parts(app)["kept"] == "not there"


def parts(app: AdminApp) -> dict[str, str]:
    """Of the point under the cursor: what is there now."""
    found = app.screen.query("#difference-parts")
    table = found.first(DataTable) if found else DataTable()
    return {str(table.get_row_at(row)[0]): str(table.get_row_at(row)[3]) for row in range(table.row_count)}
