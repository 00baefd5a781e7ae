"""Figures as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrant_admin.core import formatting

NOW = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (formatting.number(0), "0"),
        (formatting.number(3763), "3 763"),
        (formatting.number(-1234567), "-1 234 567"),
        (formatting.counted(1, "point"), "1 point"),
        (formatting.counted(0, "point"), "0 points"),
        (formatting.counted(2, "alias", "aliases"), "2 aliases"),
        (formatting.size(None), "unknown"),
        (formatting.size(1023), "1023 B"),
        (formatting.size(1536), "1.5 KiB"),
        (formatting.size(412 * 1024**2), "412 MiB"),
        (formatting.size(5000 * 1024**4), "5000 TiB"),
        (formatting.duration(0), "0 ms"),
        (formatting.duration(0.038), "38 ms"),
        (formatting.duration(1.94), "1.9 s"),
        (formatting.duration(59.96), "1 min 00 s"),
        (formatting.duration(3599.6), "1 h 00 min"),
        (formatting.duration(125), "2 min 05 s"),
        (formatting.duration(86399), "23 h 59 min"),
        (formatting.duration(86400), "1 d 0 h"),
        (formatting.duration(4 * 86400 + 6 * 3600), "4 d 6 h"),
        (formatting.left(None), ""),
        (formatting.left(-3), "0:00 left"),
        (formatting.left(67), "1:07 left"),
        (formatting.left(3667), "1:01:07 left"),
        (formatting.rate(None), ""),
        (formatting.rate(4120.4), "4 120/s"),
        (formatting.rate(0.52), "0.5/s"),
        (formatting.rate(12 * 1024**2, "bytes"), "12 MiB/s"),
        (formatting.percent(1, None), ""),
        (formatting.percent(0, 0), "100 %"),
        (formatting.percent(999, 1000), "99 %"),
        (formatting.percent(1000, 1000), "100 %"),
        (formatting.ago(None), "never"),
        (formatting.ago(NOW - timedelta(seconds=2), NOW), "just now"),
        (formatting.ago(NOW - timedelta(seconds=59), NOW), "59 s ago"),
        (formatting.ago(NOW - timedelta(hours=3), NOW), "3 h ago"),
        (formatting.ago(NOW - timedelta(days=2), NOW), "2 d ago"),
        (formatting.short_digest("b7e1000090c4"), "b7e1…90c4"),
        (formatting.short_digest("b7e1"), "b7e1"),
        (formatting.shorten("abcdef", 4), "abc…"),
        (formatting.shorten("abcd", 4), "abcd"),
    ],
)
def test_a_figure(shown: str, wanted: str) -> None:
    assert shown == wanted


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_hundred_per_cent_only_when_all_is_done(done: int, total: int) -> None:
    assert (formatting.percent(done, total) == "100 %") == (done >= total)


@given(st.floats(0, 10**7))
def test_a_duration_never_shows_sixty(seconds: float) -> None:
    shown = formatting.duration(seconds)
    assert "60 s" not in shown
    assert "60 min" not in shown
    assert "24 h" not in shown or "d" in shown


def test_every_state_has_a_symbol_and_an_ascii_form() -> None:
    for look in formatting.STATES.values():
        assert look.text(ascii_only=True).isascii()
        assert look.symbol
        assert look.word


def test_an_unknown_state_is_shown_and_marked() -> None:
    assert formatting.state("molten").text() == "▲ molten"


def test_the_clock_names_the_day_only_when_it_is_another() -> None:
    local = NOW.astimezone()
    assert formatting.clock(NOW, NOW) == local.strftime("%H:%M")
    assert formatting.clock(NOW - timedelta(days=3), NOW).endswith(local.strftime("%H:%M"))
    assert "May" in formatting.clock(NOW - timedelta(days=3), NOW)
