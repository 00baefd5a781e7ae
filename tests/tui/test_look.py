"""Hostile text stays text, figures fit, ASCII is ASCII, and every colour can be read."""

import pytest
from textual.color import Color
from textual.theme import Theme

from qdrant_admin.core.formatting import STATES
from qdrant_admin.tui import look
from qdrant_admin.tui.theme import (
    DARK,
    DARK_NAME,
    LIGHT,
    LIGHT_NAME,
    Preferences,
    preferences_file,
    read_preferences,
    theme_name,
    write_preferences,
)
from tests.tui.canned import HOSTILE

READABLE = 4.5
"""Contrast that WCAG 2 asks of ordinary text."""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_it_is(name: str) -> None:
    assert "\x1b" not in look.text(name).plain
    assert "\u202e" not in look.cell(name).plain
    assert look.line("a ", (name, "bold"), " b").plain.startswith("a ")
    if name.isprintable():
        assert look.text(name).plain == look.cell(name).plain == name


def test_fit_is_exact() -> None:
    assert look.fit(look.text("collection"), 6).plain == "colle…"
    assert look.fit(look.text("12"), 5, right=True).plain == "   12"
    assert look.fit(look.text("漢字漢字"), 5).cell_length == 5


def test_bars_are_full_only_when_all_is_done() -> None:
    assert look.bar(99_999, 100_000, 10).plain.count("━") == 9
    assert look.bar(100, 100, 10).plain.count("━") == 10
    assert look.bar(0, 0, 10).plain.count("━") == 10
    assert look.bar(5, None, 10).plain.count("━") == 0


def test_sparks_and_charts_keep_their_size() -> None:
    assert look.spark([0, 5, 10], 8).plain == "▁▁▁▁▁▁▅█"
    assert [len(row) for row in look.chart([1, 2, 3, 4], 6, 3)] == [6, 6, 6]
    assert look.spark([], 4).plain == "▁▁▁▁"


def test_ascii_has_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_ADMIN_ASCII", "1")
    shown = [look.state(key) for key in STATES]
    shown += [
        look.spark([1, 2, 3], 9),
        look.bar(1, 2, 9),
        look.key("⏎", "go → on…"),
        look.fit(look.text("collection"), 4),
    ]
    assert [text.plain for text in shown if not text.plain.isascii()] == []


def contrast(one: Color, other: Color) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: Color) -> float:
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", ["background", "surface", "panel"])
def test_text_can_be_read(theme: Theme, ground: str) -> None:
    colours = theme.to_color_system().generate()
    words = ("text", "text-muted", "text-accent", "text-success", "text-warning", "text-error")
    poor = {
        word: round(contrast(Color.parse(colours[word]), Color.parse(colours[ground])), 2)
        for word in words
        if contrast(Color.parse(colours[word]), Color.parse(colours[ground])) < READABLE
    }
    assert poor == {}


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_the_cursor_can_be_read(theme: Theme) -> None:
    colours = theme.to_color_system().generate()
    pair = (Color.parse(colours["block-cursor-foreground"]), Color.parse(colours["block-cursor-background"]))
    assert contrast(*pair) >= READABLE


def test_auto_follows_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORFGBG", raising=False)
    assert theme_name("auto") == DARK_NAME
    monkeypatch.setenv("COLORFGBG", "0;15")
    assert theme_name("auto") == LIGHT_NAME
    assert theme_name("dark") == DARK_NAME


def test_preferences_are_kept_and_a_damaged_file_is_no_failure() -> None:
    assert read_preferences() == Preferences()
    write_preferences(Preferences(theme="light", wrap_logs=True))
    assert read_preferences() == Preferences(theme="light", wrap_logs=True)
    preferences_file().write_text("{", encoding="utf-8")
    assert read_preferences() == Preferences()
