"""A running operation as rows: its steps, and a bar for each thing it works on."""

from collections.abc import Iterable, Mapping, Sequence

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.core.events import Progress
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.dialogs import step_row

FIGURES = 52
"""Cells that count, share, rate and time left need behind a bar."""


def steps(view: JobView) -> list[Content]:
    """Every step so far with its outcome."""
    return [step_row(step.title, step.outcome, step.detail) for step in view.steps]


def by_item(progress: Mapping[tuple[str, str], Progress]) -> dict[str, Progress]:
    """The newest progress of each named item, whichever step it came from."""
    return {item: shown for (_, item), shown in progress.items() if item}


def whole(progress: Mapping[tuple[str, str], Progress]) -> Progress | None:
    """The newest progress of an operation as a whole: the one that names no item."""
    return next((shown for (_, item), shown in reversed(list(progress.items())) if not item), None)


def label_width(names: Iterable[str], width: int) -> int:
    """Cells for the names in front of bars."""
    return min(max([3, *map(len, names)]), max(12, width // 4))


def bars(progress: Mapping[str, Progress], width: int, *, order: Sequence[str] = ()) -> list[Content]:
    """One row an item: name, bar, figures. Items of `order` that have not begun are waiting."""
    names = list(dict.fromkeys([*order, *progress]))
    if not names:
        return []
    label = label_width(names, width)
    return [bar_row(name, progress.get(name), label, width) for name in names]


def bar_row(name: str, shown: Progress | None, label: int, width: int) -> Content:
    """`debian_memories  ━━━━━━────  2 914 / 3 763  77 %  4 120/s  0:07 left`."""
    title = look.fit(look.text(formatting.shorten(name, label)), label + 2)
    if shown is None:
        return look.line(title, look.state("waiting"))
    room = width - label - 2 - FIGURES
    track = look.bar(shown.done, shown.total, max(10, min(60, room)))
    return look.cut(look.line(title, track, "  ", figures(shown)), width)


def figures(shown: Progress) -> Content:
    """Count, share, rate and time left, each in its own column."""
    if shown.unit == "bytes":
        count = (
            f"{formatting.size(shown.done)} / {formatting.size(shown.total)}"
            if shown.total is not None
            else formatting.size(shown.done)
        )
    else:
        total = "" if shown.total is None else f" / {formatting.number(shown.total)}"
        count = f"{formatting.number(shown.done)}{total}"
    told = shown.note or "  ".join(
        part
        for part in (formatting.rate(shown.rate, shown.unit), formatting.left(shown.seconds_left))
        if part and shown.done != shown.total
    )
    share = formatting.percent(shown.done, shown.total)
    return look.line(f"{count:>17}", (f"{share:>7}", "bold"), "  ", look.muted(told))


def notices(view: JobView, most: int = 4) -> list[Content]:
    """The last things a person should read, with what to do about them."""
    rows = []
    for notice in view.notices[-most:]:
        key = {"info": "waiting", "warning": "warning", "error": "failed"}[notice.level]
        rows.append(look.line(look.symbol(key), " ", notice.text))
        if notice.fix:
            rows.append(look.line(("  try  ", look.MUTED), (notice.fix, "$text-accent")))
    return rows
