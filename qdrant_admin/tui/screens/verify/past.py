"""Every check that came to an end, newest first, and how recovery and size have gone."""

from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import median

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.persistence.past_checks import TrendReport
from qdrant_admin.persistence.reports import DONE, EQUAL, CrashReport, VerifyReport
from qdrant_admin.tui import look
from qdrant_admin.tui.services import PastCheck
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.panels import StatePanel, empty
from qdrant_admin.tui.widgets.tables import at_cursor, fill

LABEL = 10
PLOT_WIDTH = 60
TALL = 36
TITLES = ["when", "verdict", "server was", "points", "back in", "what"]


class PastPane(Vertical):
    """Trends above, the list below."""

    def __init__(self) -> None:
        super().__init__(id="verify-history")
        self._checks: Sequence[PastCheck] = ()

    def compose(self) -> ComposeResult:
        yield Plain(
            look.line(("Earlier checks", "bold"), look.muted("   newest first   "), look.key("enter", "open")),
            classes="heading",
        )
        yield Plain(id="verify-trends")
        yield StatePanel(id="verify-no-history")
        yield DataTable[object](id="verify-past", cursor_type="row")

    def show(self, checks: Sequence[PastCheck], trend: TrendReport | None, now: datetime) -> None:
        self._checks = checks
        width, tall = self.app.size.width - 6, self.app.size.height >= TALL
        drawn = plots(trend, width, 3 if tall else 1) if trend is not None else []
        shown = self.query_one("#verify-trends", Plain)
        shown.display = bool(drawn)
        shown.update(look.lines(*drawn))
        nothing = self.query_one("#verify-no-history", StatePanel)
        nothing.display = not checks
        said = ("No check has been made yet.", "The first one takes a few seconds.")
        nothing.update(empty(*said, ("a", "choose how", "screen.again")))
        self._fill(now)

    @property
    def here(self) -> PastCheck | None:
        return at_cursor(self.query_one("#verify-past", DataTable), self._checks)

    def _fill(self, now: datetime) -> None:
        table, variables = self.query_one("#verify-past", DataTable), self.app.theme_variables
        table.display = bool(self._checks)
        rows = []
        for check in self._checks:
            report = check.report
            if isinstance(report, CrashReport):
                done, counted, back = "crash test", "", report.recovery_max_seconds
            else:
                done = "in every way" if report.how == "all" else DONE[report.how]
                counted, back = formatting.number(points(report)), report.ready_seconds
            rows.append(
                [
                    look.cell(formatting.clock(check.entry.started_at, now)),
                    look.state_cell(report.verdict, variables),
                    look.cell(done, "bold"),
                    look.cell(counted, right=True),
                    look.cell("" if back is None else formatting.duration(back), right=True),
                    look.cell(_what(report), look.MUTED, variables),
                ]
            )
        fill(table, TITLES, rows, room=self.app.size.width - 5)


def _what(report: VerifyReport | CrashReport) -> str:
    if isinstance(report, CrashReport):
        return f"{formatting.number(report.lost)} lost"
    if report.verdict not in EQUAL:
        return report.reason
    sample = f", a sample of {formatting.number(report.sample)} each" if report.sample else ""
    return f"{formatting.counted(len(report.collections), 'collection')}{sample}"


def points(report: VerifyReport) -> int:
    return sum(check.after.points for check in report.collections if check.after)


def plots(trend: TrendReport, width: int, rows: int) -> list[Content]:
    back = [one.ready_seconds for one in trend.points if one.ready_seconds is not None]
    size = [one.storage_bytes for one in trend.points if one.storage_bytes is not None]
    every: tuple[tuple[str, Sequence[float], Callable[[float], str], str], ...] = (
        ("back in", back, formatting.duration, "$accent"),
        ("points", [one.points for one in trend.points], lambda value: formatting.number(round(value)), "$secondary"),
        ("on disk", size, lambda value: formatting.size(round(value)), "$secondary"),
    )
    series = [(label, values, figures(values, said), style) for label, values, said, style in every if len(values) > 1]
    longest = max([len("   ".join(told)) if rows == 1 else max(map(len, told)) for _, _, told, _ in series], default=0)
    room = min(max(8, min(PLOT_WIDTH, width - LABEL - longest - 3)), max(8, len(trend.points)))
    drawn: list[Content] = []
    for label, values, told, style in series:
        drawn += [Content("")] if drawn and rows > 1 else []
        drawn += running.plot(label, values, told, room, front=LABEL, rows=rows, style=style)
    return drawn


def figures(values: Sequence[float], said: Callable[[float], str]) -> list[str]:
    return [f"last {said(values[-1])}", f"median {said(median(values))}", f"max {said(max(values))}"]
