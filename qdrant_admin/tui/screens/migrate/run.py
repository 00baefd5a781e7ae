"""A migration while it runs: how far, how fast, how long still, and what went wrong on the way."""

import itertools
from collections.abc import Sequence

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.core.events import Progress
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import RATE_EVERY_SECONDS, JobView, Rate, StepView
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.panels import LiveGroups

PHASES = {"target": "targets", "copy": "copy", "indexing": "index", "verify": "verify"}
"""What every migration goes through, by the beginning of the steps' ids. Others are shown where they come up."""
GROUPS = 6
TALL = 36
PLOT_WIDTH = 120
REJECTS_SHOWN = {False: 3, True: 8}


class RunPane(LiveGroups):
    """Drawn again for each look into the job's mailbox."""

    def __init__(self) -> None:
        super().__init__(GROUPS, id="migrate-running")

    def show(self, view: JobView, plan: PlanReport | None) -> None:
        width, tall = max(40, self.app.size.width - 6), self.app.size.height >= TALL
        self.draw(picture(view, plan, width, tall=tall))


def picture(view: JobView, plan: PlanReport | None, width: int, *, tall: bool = False) -> Sequence[Sequence[Content]]:
    order = [one.target for one in plan.collections if one.action != "skip"] if plan else []
    items = running.by_item(view.progress)
    if not set(order) & set(items):
        order = []
    label = running.label_width([*order, *items, "points/s"], width)
    step = view.latest.step if view.latest is not None else ""
    shown = view.progress.get((step, ""))
    bars = running.bars(items, width, order=order)
    if shown is not None:
        bars += [Content(""), running.bar_row("all", shown, label, width)]
    return (
        [running.head(view, "paused; p resumes", "stopping at the next safe point")],
        phases(view, width),
        bars,
        plots(view.rates, width, label, at=view.seconds, tall=tall),
        _rejects(view, most=REJECTS_SHOWN[tall]),
        running.notices(view),
    )


def phases(view: JobView, width: int) -> list[Content]:
    """`● targets   ◐ copy   ○ index   ○ verify`, and what is going on."""
    begun: dict[str, list[StepView]] = {}
    for step in view.steps:
        begun.setdefault(step.step.partition(":")[0], []).append(step)
    chips = [_chip(PHASES.get(phase, phase), begun.get(phase, [])) for phase in dict.fromkeys((*PHASES, *begun))]
    rows = [look.cut(Content("   ").join(chips), width)]
    now = view.current_step
    if now is not None:
        waiting = next((shown.note for shown in _of(view, now) if shown.note), "")
        told = look.state("warn", waiting) if waiting else look.muted(now.title)
        rows.append(look.cut(told, width))
    return rows


def _of(view: JobView, step: StepView) -> list[Progress]:
    return [shown for (of, _), shown in view.progress.items() if of == step.step]


def _chip(word: str, steps: Sequence[StepView]) -> Content:
    outcomes = [step.outcome for step in steps]
    if not outcomes:
        return look.state("waiting", word)
    if None in outcomes:
        return look.state("running", word).stylize("bold")
    worst = next((key for key in ("failed", "warning") if key in outcomes), "done")
    return look.state(worst, word)


def plots(rates: Sequence[Rate], width: int, label: int, *, at: float, tall: bool) -> list[Content]:
    """Points and bytes a second over the last minutes, as they stand `at` so many seconds from the beginning."""
    if len(rates) < 2:
        return []
    room = min(PLOT_WIDTH, max(12, width - label - 34))
    units = [(one.second, one.units) for one in rates]
    drawn = _plot("points/s", units, at, room, label, rows=4 if tall else 1, style="$accent")
    if tall:
        stretch = f"last {formatting.duration(rates[-1].second - rates[0].second)}"
        drawn[-1] = look.line(drawn[-1], look.muted(stretch))
    octets = [(one.second, one.octets) for one in rates if one.octets is not None]
    if octets:
        drawn += [Content("")] if tall else []
        drawn += _plot("bytes/s", octets, at, room, label, rows=2 if tall else 1, style="$secondary")
    return drawn


def _plot(
    name: str,
    rates: Sequence[tuple[float, float]],
    at: float,
    room: int,
    label: int,
    *,
    rows: int,
    style: str = "$accent",
) -> list[Content]:
    """Rates and their seconds; the latest one is told as such where nothing has moved since."""
    values, unit = [rate for _, rate in rates], "bytes" if name == "bytes/s" else ""
    when = "now" if at - rates[-1][0] < 2 * RATE_EVERY_SECONDS else "last"
    figures = [f"{formatting.rate(values[-1], unit)} {when}", f"{formatting.rate(max(values), unit)} peak"]
    return running.plot(name, squeezed(values, room), figures, room, front=label + 1, rows=rows, style=style)


def squeezed(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [round(number * len(values) / width) for number in range(width + 1)]
    return [sum(values[low:high]) / (high - low) for low, high in itertools.pairwise(edges)]


def _rejects(view: JobView, *, most: int) -> list[Content]:
    if not view.rejects:
        return []
    more = len(view.rejects) - most
    title = look.state("warning", f"{formatting.counted(len(view.rejects), 'record')} not stored")
    keys = look.line("   ", look.key("j", "read them all", "screen.rejects")) if more > 0 else Content("")
    return [look.line(title, keys), *[look.line("  ", look.muted(notice.text)) for notice in view.rejects[-most:]]]
