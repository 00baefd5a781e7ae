"""The app reads its rules once, and says the same with them as the framework's own sheet."""

import pytest
from textual.css.stylesheet import Stylesheet

from qdrant_admin.tui.app import STYLES, _Sheet
from tests.tui.canned import Canned
from tests.tui.conftest import make_app, settle


def colours(theme: str) -> dict[str, str]:
    app = make_app(Canned())
    app.theme = theme
    return app.get_css_variables()


def read(sheet: Stylesheet) -> str:
    """What Textual's app does at its start: read, take the colours, read again; then a screen adds rules of its own."""
    sheet.read_all(sorted(STYLES.glob("*.tcss")))
    sheet.set_variables(colours("qdrant-admin-dark"))
    sheet.reparse()
    sheet.add_source("Label { color: $accent; }", read_from=("screen", ""))
    sheet.reparse()
    sheet.set_variables(colours("qdrant-admin-light"))
    sheet.reparse()
    return sheet.css


def test_it_says_the_same_as_the_frameworks_own_sheet_also_after_a_change_of_colours() -> None:
    dark = colours("qdrant-admin-dark")
    assert read(_Sheet(variables=dark)) == read(Stylesheet(variables=dark))


async def test_colours_that_are_the_same_read_no_rule_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Stylesheet] = []
    parse = _Sheet.parse

    def counted(sheet: _Sheet) -> None:
        reads.append(sheet)
        parse(sheet)

    monkeypatch.setattr(_Sheet, "parse", counted)
    app = make_app(Canned())
    async with app.run_test() as pilot:
        await settle(pilot)
        before = len(reads)
        app.refresh_css()
        await pilot.pause()
        assert len(reads) == before
        app.theme = "qdrant-admin-light"
        await pilot.pause()
        assert len(reads) > before
