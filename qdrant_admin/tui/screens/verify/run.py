"""A check while it runs: each step, each restart, each collection; and what became of it. A crash test in figures."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace
from textual import on
from textual.content import Content
from textual.geometry import Size
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Facts
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Progress
from qdrant_admin.persistence.blocks import cycles, rounds, since
from qdrant_admin.persistence.past_checks import against
from qdrant_admin.persistence.reports import (
    DONE,
    EQUAL,
    CollectionCheck,
    CrashReport,
    Cycle,
    Round,
    RoundMethod,
    VerifyReport,
)
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.panes import ResultPane
from qdrant_admin.tui.screens.verify.choose import CRASH
from qdrant_admin.tui.screens.verify.past import figures
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.tables import at_cursor, fill

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


def picture(
    view: JobView, size: Size, methods: Sequence[RoundMethod], points: int | None
) -> Sequence[Sequence[Content]]:
    """How it stands. `points`: how many there are to be read in all, where that is known."""
    width, height = max(40, size.width - 6), size.height
    if view.kind == CRASH:
        return crash_picture(view, width, height)
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
    outcomes = {step.step: step.outcome or "running" for step in view.steps}
    begun = [step.step for step in view.steps if step.step in PHASES]
    order = list(PHASES)
    now = order.index(begun[-1]) if begun else 0
    chips = []
    for index, (phase, word) in enumerate(PHASES.items()):
        if phase in RESTARTS and not restarts:
            continue
        of_this_round = index <= now or phase in ONCE
        chips.append(running.chip(word, outcomes.get(phase, "waiting") if of_this_round else "waiting"))
    step = view.current_step
    waiting = view.progress.get((step.step, "")) if step is not None else None
    note = waiting.note if waiting is not None else ""
    return running.phases(view, chips, width, note, gap="   " if width >= 90 else "  ")


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
            made = judged[method]
            back = "" if made.ready_seconds is None else f"back in {formatting.duration(made.ready_seconds)}"
            name = look.fit(look.text(made.done), 18)
            rows.append(look.line(look.fit(look.state(made.verdict), 16), name, look.muted(back)))
        else:
            state = look.state("running", "under way") if method == under_way and begun else look.state("waiting")
            rows.append(look.line(look.fit(state, 16), look.muted(DONE[method])))
    return rows


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
    """What was acknowledged and what became of it, and how long the server took to come back."""
    lost = sum(one.lost for one in made)
    rows = [
        ("acknowledged", sum(one.acknowledged for one in made), "changes that must be there after every start"),
        ("unanswered", sum(one.unanswered for one in made), "under way at a crash: there or not, both are right"),
        ("lost", lost, look.state("lost", "acknowledged, and not there") if lost else look.state("ok", "none")),
    ]
    widest = max(len(formatting.number(value)) for _, value, _ in rows)
    shown = []
    for label, value, told in rows:
        number, front = f"{formatting.number(value):>{widest}}", look.fit(look.muted(label), LABEL)
        shown.append(look.line(front, (number, "bold"), "   ", look.muted(told) if isinstance(told, str) else told))
    seconds = [one.recovery_seconds for one in made]
    back = "   ".join(figures(seconds, formatting.duration))
    room = max(8, min(PLOT_WIDTH, len(seconds), width - LABEL - len(back) - 3))
    front = look.fit(look.muted("back in"), LABEL)
    return [*shown, look.line(front, look.spark(seconds, room), "   ", look.muted(back))]


def cycle_rows(made: Sequence[Cycle], width: int, most: int | None = None) -> list[Content]:
    table = cycles(made)
    newest = replace(table, rows=table.rows[::-1][:most])
    return Drawing(width, None).rows(newest) if made else []


def crash_details(report: CrashReport, width: int) -> Content:
    said = Drawing(width, report.profile).content(after(report.blocks(), Facts))
    groups = [totals(report.cycles, width) if report.cycles else [], [said] if said else []]
    groups.append(cycle_rows(report.cycles, width))
    return look.groups(groups)


POINTS_SHOWN = {False: 3, True: 12}
"""Of a collection, below the table, on a short and on a tall screen; all of them are one key away."""
TALL = 36
NAME_WIDTH = 40
NBSP = "\u00a0"
CheckReport = VerifyReport | CrashReport


class CheckResult(ResultPane):
    """One check or crash test."""

    def __init__(self) -> None:
        super().__init__("verify", "verify")
        self.report: CheckReport | None = None
        self._before: VerifyReport | None = None

    def show(self, report: CheckReport, when: str, before: VerifyReport | None) -> None:
        self.report, self._before = report, before
        self.tell(report.verdict, report.sentence(), _evidence(report, when))
        self.table.move_cursor(row=0)  # what differs stands first
        self._fill()
        self.lay_out()

    def show_failure(self, fault: AdminError) -> None:
        self.report = None
        stopped = "The check was stopped. Nothing was proven, and nothing was changed."
        failed = "The check could not be finished, so nothing is claimed."
        self.show_fault(fault, stopped, ("inconclusive", failed), ("a", "choose again", "screen.again"))

    @property
    def here(self) -> CollectionCheck | None:
        return at_cursor(self.table, self._checks)

    @property
    def _checks(self) -> list[CollectionCheck]:
        """Of the two looks, or of then and now where those alone have something to tell."""
        report = self.report
        if not isinstance(report, VerifyReport):
            return []
        then = report.baseline if report.tells_since_alone else None
        return sorted((then or report).collections, key=lambda one: one.verdict == "same")

    def _fill(self) -> None:
        variables, checks = self.app.theme_variables, self._checks
        self.table.display = bool(checks)
        alone = isinstance(self.report, VerifyReport) and self.report.tells_since_alone
        titles = ["collection", *(("then", "now") if alone else ("before", "after")), "content", "verdict"]
        rows = [
            [
                look.cell(formatting.shorten(check.name, NAME_WIDTH), "bold"),
                look.cell(_points(check, "before"), right=True),
                look.cell(_points(check, "after"), right=True),
                look.cell(digests(check), look.MUTED, variables),
                look.state_cell(check.verdict, variables),
            ]
            for check in checks
        ]
        fill(self.table, titles, rows)

    @on(DataTable.RowHighlighted)
    def lay_out(self) -> None:
        width = self.app.size.width - 6
        if isinstance(self.report, CrashReport):
            self.details.update(crash_details(self.report, width))
        elif isinstance(self.report, VerifyReport):
            draw = Drawing(width, self.report.profile)
            groups = [
                _advice(self.report, width),
                brief(self.here, POINTS_SHOWN[self.app.size.height >= TALL], width) if self.here else [],
                [look.line(look.state("changed", alias.words)) for alias in self.report.aliases],
                draw.rows(rounds(self.report)) if len(self.report.rounds) > 1 else [],
                [draw.content(since(self.report.baseline, table=not self.report.tells_since_alone))]
                if self.report.baseline is not None
                else [],
                _last_time(self.report, self._before, width),
                _how_long(self.report, width),
            ]
            self.details.update(look.groups(groups))


def _evidence(report: CheckReport, when: str) -> Content:
    version = f"Qdrant {report.server_version}" if report.server_version else ""
    if isinstance(report, CrashReport):
        waited = "acknowledged once applied and logged" if report.wait else "acknowledged once taken (wait=false)"
        parts = [when, waited, version, report.storage, formatting.duration(report.seconds)]
    else:
        most = "at most " if len(report.rounds) > 1 else ""
        back = "" if report.ready_seconds is None else f"back in {most}{formatting.duration(report.ready_seconds)}"
        parts = [when, back, ", ".join(report.checks), version, report.storage]
    return look.muted(" · ".join(part for part in parts if part))


def _points(check: CollectionCheck, side: str) -> str:
    found = check.before if side == "before" else check.after
    return "absent" if found is None else formatting.number(found.points)


def digests(check: CollectionCheck) -> str:
    """One digest where both are equal, otherwise before → after."""
    shown = [formatting.short_digest(side.digest) for side in (check.before, check.after) if side is not None]
    return " → ".join(dict.fromkeys(shown))


def counts(check: CollectionCheck) -> str:
    told = [(check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra")]
    return ", ".join(f"{formatting.number(count)} {word}" for count, word in told if count)


def brief(check: CollectionCheck, most: int, width: int) -> list[Content]:
    if check.verdict == "same":
        return []
    more = look.key("enter", "each of them", "screen.look_closer") if check.points else Content("")
    rows = [look.line((check.name, "bold"), "   ", counts(check), "   ", more)]
    rows += [look.line("  ", told) for told in check.told]
    for point in check.points[:most]:
        found = look.fit(look.state(point.what), 11)
        row = look.line("  ", look.fit(look.text(point.id), 38), found, "  ", look.muted(point.detail))
        rows.append(look.cut(row, width))
    left = check.missing + check.changed + check.extra - min(len(check.points), most)
    return [*rows, look.muted(f"  and {formatting.counted(left, 'point')} more")] if check.points and left > 0 else rows


def _advice(report: VerifyReport, width: int) -> list[Content]:
    rows = look.hanging(look.muted("likely cause  "), look.text(report.cause), width) if report.cause else []
    return [*rows, look.line(("do now        ", look.MUTED), (report.fix, "$text-accent"))] if report.fix else rows


def _last_time(report: VerifyReport, before: VerifyReport | None, width: int) -> list[Content]:
    """Since the check before: what its last scan saw beside what the first scan of this one saw."""
    if before is None or report.baseline is not None:
        return []
    found = against(before, report.collections, report.chosen or report.scope)
    same = found.verdict in EQUAL
    told = "the content is the same" if same else found.reason or formatting.state(found.verdict).word
    if report.ready_seconds is not None and before.ready_seconds is not None and report.how == before.how:
        other = report.ready_seconds - before.ready_seconds
        if round(other, 1):
            told += f"; the restart took {formatting.duration(abs(other))} {'longer' if other > 0 else 'less'}"
    return look.hanging(look.muted(f"since the check of {moment(before.at)}  "), look.text(told), width)


def _how_long(report: VerifyReport, width: int) -> list[Content]:
    spent: dict[str, float] = {}
    for phase in report.phases:
        spent[phase.name] = spent.get(phase.name, 0.0) + phase.seconds
    if not spent:
        return []
    parts = (f"{name.replace('_', ' ')} {formatting.duration(seconds)}" for name, seconds in spent.items())
    told = " · ".join(part.replace(" ", NBSP) for part in parts)
    whole = look.muted(f"took {formatting.duration(report.seconds)}   ")
    return look.hanging(whole, look.muted(told), width)


def moment(at: datetime) -> str:
    """As reasons have it: `2026-11-20 09:14`."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
