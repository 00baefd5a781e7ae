"""Collections and points: each designed state as a picture, and what the keys do."""

from collections.abc import Callable

import pytest
from textual.widgets import DataTable, Input

from qdrant_admin.core.errors import BadInput, NotFound, ServerUnreachable
from qdrant_admin.tui.screens.collections import PointsScreen, parse_filter
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.tui.acting import pressing
from tests.tui.canned_data import CannedData
from tests.tui.conftest import make_app, settle

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


@BOTH
def test_deleting_a_collection_wants_its_name(snap: Snap, size: str) -> None:
    app = make_app(CannedData(), start="collections")
    assert snap(app, size=size, before=pressing("down", "down", "down", "x"))


async def test_a_collection_is_deleted_once_its_name_is_typed_in() -> None:
    services = CannedData()
    app = make_app(services, start="collections")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("down", "down", "x", *"chat", "underscore", *"histor", "enter")(pilot)
        assert isinstance(app.screen, ConfirmDialog)
        await pressing("y", "enter")(pilot)
        assert services.asked == [("delete", "chat_history", False)]


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


# what the keys do


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
        assert "there is no collection [/oops]" in str(app.screen.query_one("StatePanel").render())
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
