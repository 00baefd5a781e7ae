"""The words, numbers and states that both faces show. Nothing else formats a figure for a person."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

Tone = Literal["good", "busy", "warn", "bad", "idle"]

NARROW_SPACE = "\u202f"
BARS = "▁▂▃▄▅▆▇█"
ASCII_BARS = "_.:-=+*#"
_GROUP = " "


class State(NamedTuple):
    """How one state looks everywhere: a symbol, a word and a tone, so that colour is never the only sign."""

    symbol: str
    ascii: str
    word: str
    tone: Tone

    def text(self, *, ascii_only: bool = False) -> str:
        """`● healthy`, or `OK healthy` where the terminal has no Unicode."""
        return f"{self.ascii if ascii_only else self.symbol} {self.word}"


def _good(word: str) -> State:
    return State("●", "OK", word, "good")


def _busy(word: str) -> State:
    return State("◐", "..", word, "busy")


def _warn(word: str) -> State:
    return State("▲", "!", word, "warn")


def _bad(word: str) -> State:
    return State("✕", "X", word, "bad")


def _idle(word: str) -> State:
    return State("○", "-", word, "idle")


STATES: dict[str, State] = {
    # a server
    "healthy": _good("healthy"),
    "starting": _busy("starting"),
    "loading": _busy("loading"),
    "degraded": _warn("needs attention"),
    "unhealthy": _bad("unhealthy"),
    "recovery": _warn("recovery mode"),
    "stopped": _idle("stopped"),
    "paused": _warn("paused"),
    "restarting": _bad("restarting again and again"),
    "absent": _idle("not set up"),
    "unreachable": _bad("unreachable"),
    "foreign": _warn("not ours"),
    "unknown": _warn("unknown"),
    # a collection, in Qdrant's own colours
    "green": _good("green"),
    "yellow": _busy("yellow"),
    "grey": _idle("grey"),
    "red": _bad("red"),
    # a check
    "ok": _good("ok"),
    "warn": _warn("warning"),
    "fail": _bad("fault"),
    # a verdict
    "persisted": _good("persisted"),
    "unchanged": _idle("unchanged"),
    "empty": _idle("empty"),
    "lost": _bad("lost"),
    "changed": _bad("changed"),
    "inconclusive": _warn("inconclusive"),
    "same": _good("same"),
    "verified": _good("verified"),
    "differs": _bad("differs"),
    "unverified": _warn("not verified"),
    "missing": _bad("missing"),
    "extra": _warn("extra"),
    # work
    "waiting": _idle("waiting"),
    "running": _busy("running"),
    "verifying": _busy("verifying"),
    "done": _good("done"),
    "warning": _warn("warning"),
    "skipped": _idle("skipped"),
    "failed": _bad("failed"),
    "cancelled": _warn("cancelled"),
    "planned": _idle("planned"),
    "refused": _bad("refused"),
}


def state(key: str) -> State:
    """The look of a state; an unknown key is shown as it is, marked as unknown."""
    return STATES.get(key, State("▲", "!", key, "warn"))


def number(value: int) -> str:
    """Digits in groups of three: `3 763`. Below 10 000 too, so that columns line up."""
    return f"{value:,}".replace(",", _GROUP)


def counted(value: int, noun: str, plural: str = "") -> str:
    """`1 point`, `3 763 points`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def size(octets: int | None) -> str:
    """Bytes in binary units, three significant digits at most: `412 MiB`, `1.5 GiB`."""
    if octets is None:
        return "unknown"
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            break
        value /= 1024
    if unit == "B":
        return f"{int(value)} B"
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def duration(seconds: float) -> str:
    """How long something took: `38 ms`, `1.9 s`, `2 min 05 s`, `3 h 12 min`, `4 d 6 h`."""
    if seconds < 0.95:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def left(seconds: float | None) -> str:
    """Time left as a clock: `0:07 left`; empty when nobody can tell."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d} left"
    return f"{whole // 60}:{whole % 60:02d} left"


def rate(per_second: float | None, unit: str = "") -> str:
    """`4 120/s`; bytes as `12 MiB/s`; empty before it can be told."""
    if per_second is None:
        return ""
    if unit == "bytes":
        return f"{size(round(per_second))}/s"
    return f"{per_second:.1f}/s" if per_second < 10 else f"{number(round(per_second))}/s"


def percent(done: int, total: int | None) -> str:
    """`77 %`; never 100 before all is done; empty without a total."""
    if total is None:
        return ""
    if total == 0:
        return "100 %"
    return f"{min(100 * done // total, 99 if done < total else 100)} %"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """`just now`, `4 min ago`, `3 h ago`, `2 d ago`; `never` for None."""
    if moment is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{int(seconds)} s ago"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    return f"{int(seconds // 86400)} d ago"


def clock(moment: datetime, now: datetime | None = None) -> str:
    """Local time of day for today (`09:14`), otherwise the date as well (`18 Nov 09:14`)."""
    local = moment.astimezone()
    today = (now or datetime.now(UTC)).astimezone().date()
    return local.strftime("%H:%M") if local.date() == today else local.strftime("%d %b %H:%M").lstrip("0")


def day(moment: datetime, now: datetime | None = None) -> str:
    """Local time with the day of the week while that says which day (`Mon 09:14`), else with the date."""
    local, today = moment.astimezone(), (now or datetime.now(UTC)).astimezone().date()
    form = "%a %H:%M" if 0 <= (today - local.date()).days < 7 else "%Y-%m-%d %H:%M"
    return local.strftime(form)


def short_digest(digest: str) -> str:
    """A digest as people compare it: the first and last four digits, `b7e1…90c4`."""
    return f"{digest[:4]}…{digest[-4:]}" if len(digest) > 9 else digest


def sparkline(values: Sequence[float], *, ascii_only: bool = False, top: float | None = None) -> str:
    """Small bars, a value each, from zero to `top` (their own maximum by default): `▁▃█`."""
    bars = ASCII_BARS if ascii_only else BARS
    highest = max(top or 0.0, max(values, default=0.0)) or 1.0
    return "".join(bars[min(len(bars) - 1, int(value / highest * (len(bars) - 1) + 0.5))] for value in values)


def shorten(text: str, width: int) -> str:
    """The text in at most `width` characters, with an ellipsis where something was left out."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x00": "␀", "\x1b": "␛"}


def plain(value: object) -> str:
    """One printable line: controls, escapes, bidi marks and lone surrogates become visible stand-ins.

    Does not escape markup: faces hand the result to widgets that take text as it is, never to a markup parser.
    """
    text = str(value)
    if text.isprintable():  # nearly always, and fifty times faster; what it calls printable is a part of what we do
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _INVISIBLE else char
