"""Figures as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core import words

NOW = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (words.number(0), "0"),
        (words.number(3763), "3 763"),
        (words.number(-1234567), "-1 234 567"),
        (words.counted(1, "point"), "1 point"),
        (words.counted(0, "point"), "0 points"),
        (words.counted(2, "alias", "aliases"), "2 aliases"),
        (words.size(None), "unknown"),
        (words.size(1023), "1023 B"),
        (words.size(1536), "1.5 KiB"),
        (words.size(412 * 1024**2), "412 MiB"),
        (words.size(5000 * 1024**4), "5000 TiB"),
        (words.duration(0), "0 ms"),
        (words.duration(0.038), "38 ms"),
        (words.duration(1.94), "1.9 s"),
        (words.duration(59.96), "1 min 00 s"),
        (words.duration(3599.6), "1 h 00 min"),
        (words.duration(125), "2 min 05 s"),
        (words.duration(4 * 86400 + 6 * 3600), "4 d 6 h"),
        (words.left(None), ""),
        (words.left(-3), "0:00 left"),
        (words.left(67), "1:07 left"),
        (words.left(3667), "1:01:07 left"),
        (words.rate(None), ""),
        (words.rate(4120.4), "4 120/s"),
        (words.rate(0.52), "0.5/s"),
        (words.rate(12 * 1024**2, "bytes"), "12 MiB/s"),
        (words.percent(1, None), ""),
        (words.percent(0, 0), "100 %"),
        (words.percent(999, 1000), "99 %"),
        (words.percent(1000, 1000), "100 %"),
        (words.ago(None), "never"),
        (words.ago(NOW - timedelta(seconds=2), NOW), "just now"),
        (words.ago(NOW - timedelta(seconds=59), NOW), "59 s ago"),
        (words.ago(NOW - timedelta(hours=3), NOW), "3 h ago"),
        (words.ago(NOW - timedelta(days=2), NOW), "2 d ago"),
        (words.short_digest("b7e1000090c4"), "b7e1…90c4"),
        (words.short_digest("b7e1"), "b7e1"),
        (words.shorten("abcdef", 4), "abc…"),
        (words.shorten("abcd", 4), "abcd"),
    ],
)
def test_a_figure(shown: str, wanted: str) -> None:
    assert shown == wanted


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_hundred_per_cent_only_when_all_is_done(done: int, total: int) -> None:
    assert (words.percent(done, total) == "100 %") == (done >= total)


@given(st.floats(0, 10**7))
def test_a_duration_never_shows_sixty(seconds: float) -> None:
    shown = words.duration(seconds)
    assert "60 s" not in shown
    assert "60 min" not in shown
    assert "24 h" not in shown or "d" in shown


def test_every_state_has_a_symbol_and_an_ascii_form() -> None:
    for look in words.STATES.values():
        assert look.text(ascii_only=True).isascii()
        assert look.symbol
        assert look.word


def test_an_unknown_state_is_shown_and_marked() -> None:
    assert words.state("molten").text() == "▲ molten"


def test_the_clock_names_the_day_only_when_it_is_another() -> None:
    local = NOW.astimezone()
    assert words.clock(NOW, NOW) == local.strftime("%H:%M")
    assert words.clock(NOW - timedelta(days=3), NOW).endswith(local.strftime("%H:%M"))
    assert "May" in words.clock(NOW - timedelta(days=3), NOW)
