"""What became of a check: the verdict, each restart, each collection, and what differs in the one under the cursor."""

from datetime import datetime

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.persistence.baseline import against
from qdrant_admin.persistence.reports import CollectionCheck, CrashReport, VerifyReport
from qdrant_admin.persistence.words import crash_sentence, sentence
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure
from qdrant_admin.tui.screens import verify_crash
from qdrant_admin.tui.screens.verify_run import round_row
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import failure
from qdrant_admin.tui.widgets.table import fill
from qdrant_admin.tui.widgets.verdict import Verdict

POINTS_SHOWN = {False: 3, True: 12}
"""Of a collection, below the table, on a short and on a tall screen; all of them are one key away."""
TALL = 36
NAME_WIDTH = 40
NBSP = "\u00a0"
CheckReport = VerifyReport | CrashReport


class ResultPane(Vertical):
    """One result, of this session or of an earlier one."""

    def __init__(self) -> None:
        super().__init__(id="verify-result")
        self.report: CheckReport | None = None
        self._before: VerifyReport | None = None

    def compose(self) -> ComposeResult:
        """Verdict, table, details."""
        yield Verdict(id="verify-verdict")
        yield DataTable[object](id="verify-table", cursor_type="row")
        with VerticalScroll(id="verify-more"):
            yield Plain(id="verify-details")

    def show(self, report: CheckReport, when: str, before: VerifyReport | None) -> None:
        """The verdict first, then what it rests on.

        Args:
            report: what the check left behind.
            when: the check was made.
            before: the check before this one.
        """
        self.report, self._before = report, before
        verdict = self.query_one(Verdict)
        if isinstance(report, CrashReport):
            verdict.tell(report.verdict, crash_sentence(report), _crash_evidence(report, when))
        else:
            verdict.tell(report.verdict, sentence(report), _evidence(report, when))
        self.query_one("#verify-table", DataTable).move_cursor(row=0)  # what differs stands first
        self._fill()
        self.lay_out()

    def show_failure(self, fault: JobFailure) -> None:
        """It ended without a report."""
        self.report = None
        verdict, said = self.query_one(Verdict), Content("")
        if fault.cancelled:
            verdict.tell("cancelled", "The check was stopped. Nothing was proven, and nothing was changed.")
        else:
            verdict.tell("inconclusive", "The check could not be finished, so nothing is claimed.")
            said = failure(fault, ("a", "choose again", "screen.again"))
        self.query_one("#verify-table").display = False
        self.query_one("#verify-details", Plain).update(said)

    @property
    def main(self) -> str:
        """The widget that wants the keys."""
        return "#verify-table" if self.query_one("#verify-table").display else "#verify-more"

    @property
    def here(self) -> CollectionCheck | None:
        """The collection under the cursor."""
        row, checks = self.query_one("#verify-table", DataTable).cursor_row, self._checks
        return checks[row] if 0 <= row < len(checks) else None

    @property
    def _checks(self) -> list[CollectionCheck]:
        """Collections of the report, those with something to say first."""
        if not isinstance(self.report, VerifyReport):
            return []
        return sorted(self.report.collections, key=lambda one: one.verdict == "same")

    def _fill(self) -> None:
        table, variables, checks = self.query_one("#verify-table", DataTable), self.app.theme_variables, self._checks
        table.display = bool(checks)
        titles = [("collection", False), ("before", True), ("after", True), ("content", False), ("verdict", False)]
        rows = [
            (
                check.name,
                [
                    look.cell(formatting.shorten(check.name, NAME_WIDTH), "bold"),
                    look.cell(_points(check, "before"), right=True),
                    look.cell(_points(check, "after"), right=True),
                    look.cell(digests(check), look.MUTED, variables),
                    look.state_cell(check.verdict, variables),
                ],
            )
            for check in checks
        ]
        fill(table, titles, rows)

    @on(DataTable.RowHighlighted, "#verify-table")
    def lay_out(self) -> None:
        """What is below the table, for the collection under the cursor and for this width."""
        shown, width = self.query_one("#verify-details", Plain), self.app.size.width - 6
        if isinstance(self.report, CrashReport):
            shown.update(verify_crash.details(self.report, width))
        elif isinstance(self.report, VerifyReport):
            groups = [
                _advice(self.report, width),
                brief(self.here, POINTS_SHOWN[self.app.size.height >= TALL], width) if self.here else [],
                [look.line(look.state("changed", alias)) for alias in self.report.aliases],
                _rounds(self.report),
                _since(self.report),
                _last_time(self.report, self._before, width),
                _how_long(self.report, width),
            ]
            shown.update(Content("\n\n").join([look.lines(*group) for group in groups if group]))


def _evidence(report: VerifyReport, when: str) -> Content:
    most = "at most " if len(report.rounds) > 1 else ""
    back = f"back in {most}{formatting.duration(report.ready_seconds)}" if report.ready_seconds is not None else ""
    parts = [
        when,
        back,
        report.checks,
        f"Qdrant {report.server_version}" if report.server_version else "",
        report.storage,
    ]
    return look.muted(" · ".join(part for part in parts if part))


def _crash_evidence(report: CrashReport, when: str) -> Content:
    waited = "acknowledged once applied and logged" if report.wait else "acknowledged once taken (wait=false)"
    version = f"Qdrant {report.server_version}" if report.server_version else ""
    parts = [when, waited, version, report.storage, formatting.duration(report.seconds)]
    return look.muted(" · ".join(part for part in parts if part))


def _points(check: CollectionCheck, side: str) -> str:
    found = check.before if side == "before" else check.after
    return "absent" if found is None else formatting.number(found.points)


def digests(check: CollectionCheck) -> str:
    """One digest where both are equal, otherwise before → after."""
    shown = [formatting.short_digest(side.digest) for side in (check.before, check.after) if side is not None]
    return " → ".join(dict.fromkeys(shown))


def counts(check: CollectionCheck) -> str:
    """`3 missing, 1 changed`."""
    told = [(check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra")]
    return ", ".join(f"{formatting.number(count)} {word}" for count, word in told if count)


def brief(check: CollectionCheck, most: int, width: int) -> list[Content]:
    """What differs in one collection, and how to see all of it."""
    if check.verdict == "same":
        return []
    more = look.key("enter", "each of them", "screen.look_closer") if check.points else Content("")
    rows = [look.line((check.name, "bold"), "   ", counts(check), "   ", more)]
    rows += [look.line("  ", setting) for setting in check.settings]
    for point in check.points[:most]:
        found = look.fit(look.state(point.what), 11)
        row = look.line("  ", look.fit(look.text(point.id), 38), found, "  ", look.muted(point.detail))
        rows.append(look.cut(row, width))
    left = check.missing + check.changed + check.extra - min(len(check.points), most)
    return [*rows, look.muted(f"  and {formatting.counted(left, 'point')} more")] if check.points and left > 0 else rows


def _advice(report: VerifyReport, width: int) -> list[Content]:
    rows = look.hanging(look.muted("likely cause  "), look.text(report.cause), width) if report.cause else []
    return [*rows, look.line(("do now        ", look.MUTED), (report.fix, "$text-accent"))] if report.fix else rows


def _rounds(report: VerifyReport) -> list[Content]:
    if len(report.rounds) < 2:
        return []
    return [look.title("Restarts"), *map(round_row, report.rounds)]


def _since(report: VerifyReport) -> list[Content]:
    found = report.baseline
    if found is None:
        return []
    other = [one for one in found.collections if one.verdict != "same"]
    rows = [
        look.line(
            look.fit(look.state(one.verdict), 16), (one.name, "bold"), look.muted(f"   {', '.join(one.settings)}")
        )
        for one in other
    ]
    same = look.line(look.state(found.verdict), "   everything is as it was then")
    return [look.title(f"Since {moment(found.at)}"), *(rows or [same])]


def _last_time(report: VerifyReport, before: VerifyReport | None, width: int) -> list[Content]:
    """Against the check before: what its last look saw beside what the first look of this one saw."""
    if before is None or report.baseline is not None:
        return []
    found = against(before, report.collections, report.chosen)
    then = f"the check of {moment(before.at)}"
    if found.verdict == "persisted":
        told = f"the same content as in {then}"
    else:
        told = f"not what it was in {then}: {found.reason or formatting.state(found.verdict).word}"
    if report.ready_seconds is not None and before.ready_seconds is not None and report.how == before.how:
        other = report.ready_seconds - before.ready_seconds
        told += f"; back {formatting.duration(abs(other))} {'slower' if other > 0 else 'sooner'} than then"
    return look.hanging(look.muted("when it began  "), look.text(told), width)


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
