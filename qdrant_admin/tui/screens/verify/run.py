"""A check while it runs: each step, each restart, each collection; a crash test in figures."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Facts
from qdrant_admin.core.events import Progress
from qdrant_admin.persistence.blocks import cycles
from qdrant_admin.persistence.reports import DONE, CrashReport, Cycle, Round, RoundMethod
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.verify.choose import CRASH
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.panels import LiveGroups

PHASES = {
    "check": "look",
    "barrier": "make durable",
    "fingerprint_before": "read",
    "restart": "restart",
    "load": "load",
    "fingerprint_after": "read again",
    "compare": "compare",
}
"""What every check goes through, by the ids of the steps."""
RESTARTS = {"barrier", "restart", "load"}
ONCE = {"check", "fingerprint_before"}
READING = {"fingerprint_before": "before", "fingerprint_after": "after", "load": "loading"}
GROUPS = 6
TALL = 36


class RunPane(LiveGroups):
    """Drawn again for each look into the job's mailbox."""

    def __init__(self) -> None:
        super().__init__(GROUPS, id="verify-running")

    def show(self, view: JobView, methods: Sequence[RoundMethod], points: int | None) -> None:
        """Draw how it stands. `points`: how many there are to be read in all, where that is known."""
        width, height = max(40, self.app.size.width - 6), self.app.size.height
        if view.kind == CRASH:
            self.draw(crash_picture(view, width, height))
        else:
            self.draw(picture(view, width, height, methods=methods, points=points))


def picture(
    view: JobView, width: int, height: int, *, methods: Sequence[RoundMethod] = (), points: int | None = None
) -> Sequence[Sequence[Content]]:
    return (
        [running.head(view, "", "stopping; the server is started again first")],
        _phases(view, width, restarts=bool(methods)),
        _rounds(view, methods),
        _reading(view, width, max(3, height - 16 - 2 * len(methods)), points),
        running.notices(view, 2),
        running.steps(view) if height >= TALL else [],
    )


def crash_picture(view: JobView, width: int, height: int) -> Sequence[Sequence[Content]]:
    """A crash test: what was acknowledged, what was lost, how long the server took each time."""
    made = [part for part in view.parts if isinstance(part, Cycle)]
    progress = view.progress.get(("crash", ""))
    bar = []
    if progress is not None:
        track = look.bar(progress.done, progress.total, max(10, min(60, width - 30)))
        told = f"{formatting.number(progress.done)} of {formatting.counted(progress.total or 0, 'kill')}"
        bar = [look.line(track, "   ", (told, "bold"))]
    step = view.current_step
    now = [look.muted(step.title)] if step is not None else []
    return (
        [running.head(view, "", "stopping; the server is started again first")],
        [*bar, *now],
        totals(made, width) if made else [],
        cycle_rows(made, width, max(4, height - 20)),
        running.notices(view, 2),
    )


def _phases(view: JobView, width: int, *, restarts: bool) -> list[Content]:
    """`● look   ● read   ◐ restart   ○ load   ○ compare`, and what is going on."""
    outcomes = {step.step: step.outcome or "running" for step in view.steps}
    begun = [step.step for step in view.steps if step.step in PHASES]
    order = list(PHASES)
    now = order.index(begun[-1]) if begun else 0
    chips = []
    for index, (phase, word) in enumerate(PHASES.items()):
        if phase in RESTARTS and not restarts:
            continue
        of_this_round = index <= now or phase in ONCE
        outcome = outcomes.get(phase, "waiting") if of_this_round else "waiting"
        chip = look.state({"ok": "done"}.get(outcome, outcome), word)
        chips.append(chip.stylize("bold") if outcome == "running" else chip)
    gap = "   " if width >= 90 else "  "
    rows = [look.cut(Content(gap).join(chips), width)]
    step = view.current_step
    if step is None:
        return [*rows, Content(" ")]  # nothing below may jump between two steps
    waiting = view.progress.get((step.step, ""))
    told = look.state("warn", waiting.note) if waiting is not None and waiting.note else look.muted(step.title)
    return [*rows, look.cut(told, width)]


def _rounds(view: JobView, methods: Sequence[RoundMethod]) -> list[Content]:
    """Each restart of several, with its verdict as soon as there is one."""
    if len(methods) < 2:
        return []
    judged = {part.how: part for part in view.parts if isinstance(part, Round)}
    under_way = next((method for method in methods if method not in judged), "")
    begun = "restart" in {step.step for step in view.steps}
    rows = []
    for method in methods:
        if method in judged:
            rows.append(round_row(judged[method]))
        else:
            state = look.state("running", "under way") if method == under_way and begun else look.state("waiting")
            rows.append(look.line(look.fit(state, 16), look.muted(DONE[method])))
    return rows


def round_row(round_: Round) -> Content:
    """`● killed   persisted   back in 1.9 s`."""
    back = "" if round_.ready_seconds is None else f"back in {formatting.duration(round_.ready_seconds)}"
    name = look.fit(look.text(DONE[round_.how]), 18)
    return look.line(look.fit(look.state(round_.verdict), 16), name, look.muted(back))


def _reading(view: JobView, width: int, room: int, points: int | None) -> list[Content]:
    """A bar for each collection of the step at work, and one for all of them."""
    step = view.latest.step if view.latest is not None else ""
    if step not in READING:
        return []
    items = {item: shown for (of, item), shown in view.progress.items() if of == step and item}
    hidden = len(items) - room
    shown = dict(list(items.items())[max(0, hidden) :])
    label = running.label_width([*shown, "all"], width)
    rows = [look.state("done", f"{formatting.counted(hidden, 'collection')} read before these")] if hidden > 0 else []
    draw = _loading if step == "load" else running.bar_row
    rows += [draw(name, progress, label, width) for name, progress in shown.items()]
    if step != "load" and len(items) > 1 and points:
        done = sum(one.done for one in items.values())
        over = any(one.step == step and one.outcome is not None for one in view.steps)
        total = done if over else max(points, done)
        rate = view.rates[-1].units if view.rates else None
        left = (total - done) / rate if rate else None
        whole = Progress(step=step, done=done, total=total, rate=rate, seconds_left=left)
        rows += [Content(""), running.bar_row("all", whole, label, width)]
    return rows


def _loading(name: str, shown: Progress, label: int, width: int) -> Content:
    """`chat_history  ◐ loading  about 0.4 s, as the last time`."""
    state = look.state("done", "readable") if shown.done == shown.total else look.state("loading")
    title = look.fit(look.text(formatting.shorten(name, label)), label + 2)
    share = formatting.percent(shown.done, shown.total) if shown.done != shown.total and shown.total else ""
    told = "   ".join(part for part in (share, shown.note, formatting.left(shown.seconds_left)) if part)
    return look.cut(look.line(title, look.fit(state, 12), look.muted(told)), width)


LABEL = 15
PLOT_WIDTH = 60


def totals(made: Sequence[Cycle], width: int) -> list[Content]:
    acknowledged = sum(one.acknowledged for one in made)
    unanswered = sum(one.unanswered for one in made)
    lost = sum(one.lost for one in made)
    verdict = look.state("lost", "acknowledged, and not there") if lost else look.state("ok", "none")
    figures = max(len(formatting.number(value)) for value in (acknowledged, unanswered, lost))
    rows = [
        ("acknowledged", acknowledged, look.muted("changes that must be there after every start")),
        ("unanswered", unanswered, look.muted("under way at a crash: there or not, both are right")),
        ("lost", lost, verdict),
    ]
    shown = [
        look.line(look.fit(look.muted(label), LABEL), (f"{formatting.number(value):>{figures}}", "bold"), "   ", told)
        for label, value, told in rows
    ]
    return [*shown, *recovery(made, width)]


def recovery(made: Sequence[Cycle], width: int) -> list[Content]:
    """`back in   ▂▃▂▄   last 0.4 s   median 0.4 s   max 0.6 s`."""
    seconds = [one.recovery_seconds for one in made]
    last, middle, most = (
        formatting.duration(seconds[-1]),
        formatting.duration(median(seconds)),
        formatting.duration(max(seconds)),
    )
    told = f"last {last}   median {middle}   max {most}"
    room = max(8, min(PLOT_WIDTH, len(seconds), width - LABEL - len(told) - 3))
    return [look.line(look.fit(look.muted("back in"), LABEL), look.spark(seconds, room), "   ", look.muted(told))]


def cycle_rows(made: Sequence[Cycle], width: int, most: int | None = None) -> list[Content]:
    table = cycles(made)
    newest = replace(table, rows=table.rows[::-1][:most])
    return Drawing(width, None).rows(newest) if made else []


def details(report: CrashReport, width: int) -> Content:
    said = Drawing(width, report.profile).content(after(report.blocks(), Facts))
    groups = [totals(report.cycles, width) if report.cycles else [], [said] if said else []]
    groups.append(cycle_rows(report.cycles, width))
    return Content("\n\n").join([look.lines(*group) for group in groups if group])
