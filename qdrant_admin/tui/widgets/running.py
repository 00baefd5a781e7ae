"""A running operation as rows: its steps, and a bar for each thing it works on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView

if TYPE_CHECKING:
    from qdrant_admin.core.events import Progress


OUTCOMES = {"ok": "done", "warning": "warning", "failed": "failed", "skipped": "skipped", None: "running"}
AIR = 1.15
"""Above the highest value of a plot, so that two plots below one another do not run into one."""
FIGURES = 52
"""Cells that count, share, rate and time left need behind a bar."""


def head(view: JobView, paused: str, stopping: str) -> Content:
    word = {"paused": paused, "stopping": stopping}.get(view.state, "")
    held = look.line("   ", look.state("paused", word)) if word else Content("")
    symbol = look.symbol("paused" if view.state == "paused" else "running")
    return look.line(symbol, " ", (view.title, "bold"), "   ", look.muted(formatting.duration(view.seconds)), held)


def steps(view: JobView) -> list[Content]:
    rows = []
    for step in view.steps:
        shown = look.line("  ", look.symbol(OUTCOMES.get(step.outcome, "unknown")), " ", step.title)
        rows.append(look.line(shown, "  ", look.muted(step.detail)) if step.detail else shown)
    return rows


def chip(word: str, outcome: str) -> Content:
    shown = look.state("done" if outcome == "ok" else outcome, word)
    return shown.stylize("bold") if outcome == "running" else shown


def phases(view: JobView, chips: Iterable[Content], width: int, waiting: str, *, gap: str = "   ") -> list[Content]:
    """`● look   ◐ restart   ○ compare`, and what is going on, or what it is waiting for."""
    step = view.current_step
    told = look.state("warn", waiting) if waiting else look.muted(step.title if step else " ")
    return [look.cut(Content(gap).join(chips), width), look.cut(told, width)]


def by_item(progress: "Mapping[tuple[str, str], Progress]") -> "dict[str, Progress]":
    return {item: shown for (_, item), shown in progress.items() if item}


def label_width(names: Iterable[str], width: int) -> int:
    """Cells for the names in front of bars."""
    return min(max([3, *map(len, names)]), max(12, width // 4))


def bars(progress: "Mapping[str, Progress]", width: int, *, order: Sequence[str] = ()) -> list[Content]:
    names = list(dict.fromkeys([*order, *progress]))
    if not names:
        return []
    label = label_width(names, width)
    return [bar_row(name, progress.get(name), label, width) for name in names]


def bar_row(name: str, shown: "Progress | None", label: int, width: int) -> Content:
    """`debian_memories  ━━━━━━────  2 914 / 3 763  77 %  4 120/s  0:07 left`."""
    title = look.fit(look.text(formatting.shorten(name, label)), label + 2)
    if shown is None:
        return look.line(title, look.state("waiting"))
    room = width - label - 2 - FIGURES
    track = look.bar(shown.done, shown.total, max(10, min(60, room)))
    return look.cut(look.line(title, track, "  ", figures(shown)), width)


def bar_below(shown: "Progress | None", width: int) -> list[Content]:
    """A bar of its own with its figures, where it is known how much there is to do."""
    if shown is None or not shown.total:
        return []
    return [look.line("    ", look.bar(shown.done, shown.total, min(40, width // 2)), "  ", brief_figures(shown))]


def brief_figures(shown: "Progress") -> Content:
    share, rate = formatting.percent(shown.done, shown.total), formatting.rate(shown.rate, shown.unit)
    return look.muted("  ".join(part for part in (share, rate, formatting.left(shown.seconds_left)) if part))


def figures(shown: "Progress") -> Content:
    say = formatting.size if shown.unit == "bytes" else formatting.number
    count = " / ".join(say(one) for one in (shown.done, shown.total) if one is not None)
    pace = formatting.rate(shown.rate, shown.unit), formatting.left(shown.seconds_left)
    told = shown.note or ("  ".join(filter(None, pace)) if shown.done != shown.total else "")
    share = formatting.percent(shown.done, shown.total)
    return look.line(f"{count:>17}", (f"{share:>7}", "bold"), "  ", look.muted(told))


def plot(
    label: str, values: Sequence[float], figures: Sequence[str], room: int, *, front: int, rows: int, style: str
) -> list[Content]:
    """A series of values, the oldest on the left, with a figure beside each of its rows; a single row has them all."""
    drawn = look.chart(values, room, rows, top=AIR * max(values), style=style)
    told = figures if rows > 1 else ["   ".join(figures)]
    return [
        look.line(
            look.fit(look.muted("" if index else label), front),
            row,
            "   ",
            look.muted("".join(told[index : index + 1])),
        )
        for index, row in enumerate(drawn)
    ]


def notices(view: JobView, most: int = 4) -> list[Content]:
    rows = []
    for notice in view.notices[-most:]:
        key = {"info": "waiting", "warning": "warning", "error": "failed"}[notice.level]
        rows.append(look.line(look.symbol(key), " ", notice.text))
        if notice.fix:
            rows.append(look.line(("  try  ", look.MUTED), (notice.fix, "$text-accent")))
    return rows
