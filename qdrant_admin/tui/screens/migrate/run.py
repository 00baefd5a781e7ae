"""A migration while it runs, how far, how fast, how long still; and what became of it."""

import itertools
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Size
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Commands, Heading, Table
from qdrant_admin.core.errors import AdminError, Cancelled
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import MigrationReport, PlanReport, Reject
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import RATE_EVERY_SECONDS, JobView, Rate
from qdrant_admin.tui.screens.panes import ResultPane
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing, after
from qdrant_admin.tui.widgets.dialogs import Dialog
from qdrant_admin.tui.widgets.tables import fill

PHASES = {"target": "targets", "copy": "copy", "indexing": "index", "verify": "verify"}
"""What every migration goes through, by the beginning of the steps' ids. Others are shown where they come up."""
GROUPS = 6
TALL = 36
PLOT_WIDTH = 120
REJECTS_SHOWN = {False: 3, True: 8}


def picture(view: JobView, plan: PlanReport | None, size: Size) -> Sequence[Sequence[Content]]:
    width, tall = max(40, size.width - 6), size.height >= TALL
    order = [one.target for one in plan.taken] if plan else []
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
    begun: dict[str, list[str]] = {}
    for step in view.steps:
        begun.setdefault(step.step.partition(":")[0], []).append(step.outcome or "running")
    chips = []
    for phase in dict.fromkeys((*PHASES, *begun)):
        outcomes = begun.get(phase, ["waiting"])
        worst = next((key for key in ("waiting", "running", "failed", "warning") if key in outcomes), "ok")
        chips.append(running.chip(PHASES.get(phase, phase), worst))
    now = view.current_step
    notes = [shown.note for (of, _), shown in view.progress.items() if now is not None and of == now.step]
    return running.phases(view, chips, width, next(filter(None, notes), ""))


def plots(rates: Sequence[Rate], width: int, label: int, *, at: float, tall: bool) -> list[Content]:
    """Points and bytes a second over the last minutes, as they stand `at` so many seconds from the beginning.

    The latest rate is told as such where nothing has moved since.
    """
    if len(rates) < 2:
        return []
    room, stretch = min(PLOT_WIDTH, max(12, width - label - 34)), rates[-1].second - rates[0].second
    units = [(one.second, one.units) for one in rates]
    octets = [(one.second, one.octets) for one in rates if one.octets is not None]
    drawn: list[Content] = []
    for name, unit, known, rows, style in (
        ("points/s", "", units, 4, "$accent"),
        ("bytes/s", "bytes", octets, 2, "$secondary"),
    ):
        if not known:
            continue
        second, values = known[-1][0], [rate for _, rate in known]
        when = "now" if at - second < 2 * RATE_EVERY_SECONDS else "last"
        told = [f"{formatting.rate(values[-1], unit)} {when}", f"{formatting.rate(max(values), unit)} peak"]
        shown = squeezed(values, room)
        plot = running.plot(name, shown, told, room, front=label + 1, rows=rows if tall else 1, style=style)
        if tall and known is units:
            plot[-1] = look.line(plot[-1], look.muted(f"last {formatting.duration(stretch)}"))
        drawn += [Content("")] if drawn and tall else []
        drawn += plot
    return drawn


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


NAME_WIDTH = {False: 44, True: 22}
NARROW = 100
ALWAYS = {False: ("read", "written", "rejected", "verified"), True: ("read", "rejected", "verified")}
SOMETIMES = ("skipped", "extra")


class MigrationResult(ResultPane):
    """One migration."""

    def __init__(self) -> None:
        super().__init__("result", "migrate")
        self.report: MigrationReport | None = None

    def show(self, report: MigrationReport, profile: str, told: str = "") -> None:
        self.report = report
        evidence = [part for part in (told, report.summary()) if part]
        ways = look.line(formatting.shorten(report.source, 60), look.muted("  →  "), report.target)
        self.tell(report.verdict, messages.sentence(report), look.muted(" · ".join(evidence)), ways.stylize(look.MUTED))
        self.table.display = bool(report.collections)
        self._fill(report, narrow=self.app.size.width < NARROW)
        self.details.update(details(report, self.app.size.width - 6, profile))

    def show_failure(self, fault: AdminError) -> None:
        self.report = None
        stopped = "Stopped. What was acknowledged stays; the run can be resumed where it stopped."
        failed = "The migration could not be finished. What was acknowledged stays."
        self.show_fault(fault, stopped, ("failed", failed), ("a", "back to the choice", "screen.again"))
        if isinstance(fault, Cancelled):
            self.details.update(look.keys(("a", "resume it, or choose another source", "screen.again")))

    def _fill(self, report: MigrationReport, *, narrow: bool) -> None:
        wanted = messages.shown_figures(report, ALWAYS[narrow])
        figures = [*wanted, *(one for one in SOMETIMES if messages.total(report, one) and one not in wanted)]
        rows = []
        for one in report.collections:
            name = one.target if narrow or one.source == one.target else f"{one.source} → {one.target}"
            cells = [look.cell(formatting.shorten(name, NAME_WIDTH[narrow]), "bold")]
            cells += [look.cell(formatting.number(getattr(one, figure)), right=True) for figure in figures]
            rows.append([*cells, look.state_cell(one.verdict, self.app.theme_variables)])
        fill(self.table, ["collection", *(one.replace("_", " ") for one in figures), "verdict"], rows)


def details(report: MigrationReport, width: int, profile: str) -> Content:
    steps = tuple(messages.next_steps(report))
    do = (Heading("What to do now"), Commands(steps)) if steps else ()
    said = tuple(block for block in after(report.blocks(), Table) if not isinstance(block, Commands))
    return Drawing(width, profile).content((*do, *said))


class RejectsDialog(Dialog[None]):
    """Records that were not stored, each with its reason, and how to replay them."""

    BINDINGS = [
        bind("c", "copy", "copy the command", "rejects.copy", "copy the command that replays them"),
        bind("escape,q,j", "dismiss(None)", "close", "rejects.close", "close"),
    ]
    LARGE = True

    def __init__(self, rejects: Sequence[Reject], *, file: str = "", command: str = "") -> None:
        super().__init__("Records that were not stored")
        self._rejects, self._file, self._command = tuple(rejects), file, command

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._command) if action == "copy" else super().check_action(action, parameters)

    def compose_content(self) -> ComposeResult:
        yield DataTable[object](id="rejects-table", cursor_type="row")
        yield Plain(id="rejects-here")
        yield Plain(look.lines(*self._way_back()), id="rejects-way")

    def _way_back(self) -> list[Content]:
        if not self._file:
            return [look.muted("All of them are written to the run's reject file.")]
        return [
            look.line(("all of them  ", look.MUTED), self._file),
            look.line(("once mended  ", look.MUTED), (self._command, "$text-accent")),
        ]

    def on_mount(self) -> None:
        table = self.query_one("#rejects-table", DataTable)
        rows = [
            [look.cell(one.collection), look.cell(formatting.shorten(one.id, 36)), look.cell(one.reason)]
            for one in self._rejects
        ]
        fill(table, ["collection", "id", "why"], rows, room=self.room)
        table.focus()

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        one = self._rejects[event.cursor_row]
        self.query_one("#rejects-here", Plain).update(look.lines(look.text(one.id, "bold"), look.muted(one.reason)))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._command)
        self.app.notify("copied", markup=False)
