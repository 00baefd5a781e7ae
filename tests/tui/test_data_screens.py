"""Collections, points and proof: each designed state as a picture, and what the keys do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import DataTable, Input

from qdrant_admin.core.errors import BadInput, NotFound, ServerUnreachable
from qdrant_admin.core.reports import Report
from qdrant_admin.persistence import baseline
from qdrant_admin.tui.screens.points import PointsScreen, parse_filter
from qdrant_admin.tui.screens.verify import VerifyScreen
from tests.tui.acting import pressing, scripted
from tests.tui.canned_data import (
    LOST,
    PERSISTED,
    VERIFYING,
    CannedData,
)
from tests.tui.conftest import make_app, settle, until

Snap = Callable[..., bool]
GONE = ServerUnreachable("nothing answers at http://127.0.0.1:6333", why="connection refused", fix="qdrant-admin up")
BOTH = pytest.mark.parametrize("size", ["80x24", "120x40"])
ALL = pytest.mark.parametrize("size", ["80x24", "120x40", "200x60"])
README = pytest.mark.parametrize("size", ["80x24", "110x28", "120x40", "200x60"])
"""The states that the README shows as well."""


# pictures


@README
def test_collections(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="collections"), size=size, before=pressing("down", "down", "down"))


def test_collections_light(snap: Snap) -> None:
    app = make_app(CannedData(), start="collections", theme="light")
    assert snap(app, size="120x40", before=pressing("down", "down", "down"))


@BOTH
def test_no_collections(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(empty=True), start="collections"), size=size)


@BOTH
def test_collections_of_a_server_that_is_gone(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(failing=GONE), start="collections"), size=size)


@ALL
def test_points(snap: Snap, size: str) -> None:
    app = make_app(CannedData(), start="collections")
    assert snap(app, size=size, before=pressing("down", "down", "down", "enter", "down", "down"))


@ALL
def test_verify_choose(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="verify"), size=size)


@pytest.mark.parametrize("report", [PERSISTED, LOST], ids=["persisted", "lost"])
@README
def test_verify_result(snap: Snap, size: str, report: Report) -> None:
    app = make_app(scripted(verify=report), start="verify")
    assert snap(app, size=size, before=pressing("s"))


def test_verify_lost_light(snap: Snap) -> None:
    app = make_app(scripted(verify=LOST), start="verify", theme="light")
    assert snap(app, size="120x40", before=pressing("s"))


@BOTH
def test_verify_running(snap: Snap, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdrant_admin.core.words.duration", lambda _: "1.2 s")
    app = make_app(scripted(verify=VERIFYING), start="verify")
    assert snap(app, size=size, before=pressing("s"))


@BOTH
def test_verify_history(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="verify"), size=size, before=pressing("h"))


# what the keys do


async def test_a_running_check_shows_its_steps_and_is_stopped_by_a_key() -> None:
    app = make_app(scripted(verify=VERIFYING), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("s")(pilot)
        screen = app.screen
        assert isinstance(screen, VerifyScreen)
        assert "making every acknowledged write durable" in str(screen.query_one("#verify-steps").render())
        job = app.jobs.latest("verify")
        assert job is not None
        await pilot.press("x")
        while app.jobs.running():
            await pilot.pause()
        assert app.jobs.view(job.id).state == "cancelled"
        assert "Nothing was proven" in str(screen.query_one("#verify-verdict").render())


async def test_an_old_proof_is_reopened_from_the_history() -> None:
    app = make_app(CannedData(), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("h", "down", "enter")(pilot)
        assert isinstance(app.screen, VerifyScreen)
        assert app.screen.pane == "result"
        assert "LOST" in str(app.screen.query_one("#verify-verdict").render())


async def test_points_turn_pages_and_filter() -> None:
    services = CannedData()
    app = make_app(services, start="collections")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("down", "down", "down", "enter", "n")(pilot)
        assert ("debian_memories", None, "page-two") in services.asked
        await pressing("p", "slash")(pilot)
        app.screen.query_one(Input).value = "section = admin"
        await pressing("enter")(pilot)
        assert services.asked[-1] == (
            "debian_memories",
            {"must": [{"key": "section", "match": {"value": "admin"}}]},
            None,
        )
        await pressing("escape", "escape")(pilot)
        assert not isinstance(app.screen, PointsScreen)


async def test_a_collection_that_vanished_meanwhile_is_said() -> None:
    services = CannedData()
    app = make_app(services, start="collections")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        services.failing = NotFound("there is no collection [/oops]", fix="qdrant-admin collections list")
        await pressing("enter")(pilot)
        assert "there is no collection [/oops]" in str(app.screen.query_one("#points-state").render())
        assert app.screen.query_one(DataTable).row_count == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("essential = true", {"must": [{"key": "essential", "match": {"value": True}}]}),
        ("size=12", {"must": [{"key": "size", "match": {"value": 12}}]}),
        ('{"must": []}', {"must": []}),
    ],
)
def test_a_filter_is_json_or_short(text: str, expected: object) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["{not json", "no equals sign", "= x"])
def test_a_filter_that_is_neither_says_so(text: str) -> None:
    with pytest.raises(BadInput):
        parse_filter(text)


async def test_escape_leaves_the_source_field_so_that_number_keys_go_to_other_areas() -> None:
    app = make_app(CannedData(), start="migrate")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("2")(pilot)
        assert app.screen.query_one(Input).value == "2"
        await pressing("escape", "2")(pilot)
        assert app.current_mode == "collections"


async def test_the_certificate_of_a_check_is_written_as_a_page_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(scripted(verify=PERSISTED), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("s")(pilot)
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result")
        await pressing("e")(pilot)
        await until(pilot, lambda: len(list(tmp_path.iterdir())) == 2)
    page, kept = sorted(tmp_path.iterdir())
    assert "persisted" in page.read_text(encoding="utf-8")
    assert baseline.load(kept) == PERSISTED
