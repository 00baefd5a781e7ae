"""What became of a check: the verdict, each restart, each collection, and what differs in it, point by point."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.collections.reports import PointReport, ShownPoint, ShownVector
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.differences import PartDifference, PartKind, PointDifference
from qdrant_admin.persistence.blocks import rounds, since
from qdrant_admin.persistence.past_checks import against
from qdrant_admin.persistence.reports import CollectionCheck, CrashReport, VerifyReport
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobFailure
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.verify.run import details as crash_details
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing
from qdrant_admin.tui.widgets.panels import Verdict, failure
from qdrant_admin.tui.widgets.tables import at_cursor, components, fill

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
        yield Verdict(id="verify-verdict")
        yield DataTable[object](id="verify-table", cursor_type="row")
        with VerticalScroll(id="verify-more"):
            yield Plain(id="verify-details")

    def show(self, report: CheckReport, when: str, before: VerifyReport | None) -> None:
        self.report, self._before = report, before
        verdict = self.query_one(Verdict)
        if isinstance(report, CrashReport):
            verdict.tell(report.verdict, report.sentence(), _crash_evidence(report, when))
        else:
            verdict.tell(report.verdict, report.sentence(), _evidence(report, when))
        self.query_one("#verify-table", DataTable).move_cursor(row=0)  # what differs stands first
        self._fill()
        self.lay_out()

    def show_failure(self, fault: JobFailure) -> None:
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
        return "#verify-table" if self.query_one("#verify-table").display else "#verify-more"

    @property
    def here(self) -> CollectionCheck | None:
        return at_cursor(self.query_one("#verify-table", DataTable), self._checks)

    @property
    def _checks(self) -> list[CollectionCheck]:
        if not isinstance(self.report, VerifyReport):
            return []
        return sorted(self.report.collections, key=lambda one: one.verdict == "same")

    def _fill(self) -> None:
        table, variables, checks = self.query_one("#verify-table", DataTable), self.app.theme_variables, self._checks
        table.display = bool(checks)
        titles = ["collection", "before", "after", "content", "verdict"]
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
        shown, width = self.query_one("#verify-details", Plain), self.app.size.width - 6
        if isinstance(self.report, CrashReport):
            shown.update(crash_details(self.report, width))
        elif isinstance(self.report, VerifyReport):
            draw = Drawing(width, self.report.profile)
            groups = [
                _advice(self.report, width),
                brief(self.here, POINTS_SHOWN[self.app.size.height >= TALL], width) if self.here else [],
                [look.line(look.state("changed", alias.words)) for alias in self.report.aliases],
                draw.rows(rounds(self.report)) if len(self.report.rounds) > 1 else [],
                [draw.content(since(self.report.baseline))] if self.report.baseline is not None else [],
                _last_time(self.report, self._before, width),
                _how_long(self.report, width),
            ]
            shown.update(Content("\n\n").join([look.lines(*group) for group in groups if group]))


def _evidence(report: VerifyReport, when: str) -> Content:
    most = "at most " if len(report.rounds) > 1 else ""
    back = f"back in {most}{formatting.duration(report.ready_seconds)}" if report.ready_seconds is not None else ""
    version = f"Qdrant {report.server_version}" if report.server_version else ""
    parts = [when, back, ", ".join(report.checks), version, report.storage]
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
    found = against(before, report.collections, report.chosen)
    same = found.verdict == "persisted"
    told = "the content is the same" if same else found.reason or formatting.state(found.verdict).word
    if report.ready_seconds is not None and before.ready_seconds is not None and report.how == before.how:
        other = report.ready_seconds - before.ready_seconds
        told += (
            f"; the restart took {formatting.duration(abs(other))} {'longer' if other > 0 else 'less'}"
            if round(other, 1)
            else ""
        )
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


ID_WIDTH = 36
PART_WIDTH = 24
KEPT = "was there"
OTHER = "another value"
SAME = "the same"
ABSENT = "not there"
ONLY_DIGESTS = "Of what was there before only digests were kept: they tell that it was another value, not which one."


class PartRow(NamedTuple):
    """One vector or payload field, before and now."""

    what: str
    before: str
    now: str
    state: str = ""
    """A key of `formatting.STATES`; empty where nothing has changed."""


class DifferencesScreen(BaseScreen):
    """One collection of a check. Points above, the one under the cursor below: before beside now."""

    SECTION = "verify"
    HELP_TEXT = (
        "Every point that is not what it was. Below: what the check knew of it before, beside what is there now. "
        "Of the old content only digests were kept, so an old value is named, not shown."
    )
    AUTO_FOCUS = "#differing-points"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("escape", "back", "back", "differences.back", "back to the verdict"),
        bind("tab", "app.focus_next", "the other table", "differences.other", "go to the other table"),
        bind("y", "copy_point", "copy JSON", "differences.copy", "copy the point"),
        bind("o", "open", "open the collection", "differences.open", "look at the collection"),
    ]

    def __init__(self, check: CollectionCheck, at: datetime) -> None:
        super().__init__()
        self._check, self._at = check, at
        self._point: ShownPoint | None = None
        """The point under the cursor as it is now."""

    def compose_body(self) -> ComposeResult:
        yield Plain(id="differences-head")
        yield DataTable[object](id="differing-points", cursor_type="row")
        with Vertical(id="difference"):
            yield Plain(id="difference-head")
            yield DataTable[object](id="difference-parts", cursor_type="row")
            yield Plain(look.muted(ONLY_DIGESTS), id="difference-digests")

    def on_mount(self) -> None:
        super().on_mount()
        check = self._check
        when = formatting.ago(self._at, self.services.now())
        told = look.muted(f"   {counts(check)}   ·   checked {when}")
        found = look.line((check.name, "bold"), "   ", look.state(check.verdict), told)
        settings = [look.line("  ", look.state("changed", told)) for told in check.told]
        known = check.missing + check.changed + check.extra
        if len(check.points) < known:
            settings.append(look.muted(f"  {len(check.points)} of {formatting.counted(known, 'point')} are named"))
        self.query_one("#differences-head", Plain).update(look.lines(found, *settings))
        variables = self.app.theme_variables
        rows = [
            (
                f"{index}",
                [
                    look.cell(formatting.shorten(one.id, ID_WIDTH)),
                    look.state_cell(one.what, variables),
                    look.cell(one.detail or _in_short(one), look.MUTED, variables),
                ],
            )
            for index, one in enumerate(check.points)
        ]
        titles = ["point", "state", "details"]
        fill(self.query_one("#differing-points", DataTable), titles, rows, room=self.app.size.width - 5)

    @property
    def _here(self) -> PointDifference | None:
        return at_cursor(self.query_one("#differing-points", DataTable), self._check.points)

    def look_again(self) -> None:
        here = self._here
        if here is not None:
            self._point = None
            name = self._check.name
            self._draw(here, "looking…")
            self.ask(lambda: self.services.data.point(name, here.id), self._got, self._cannot, group="point")

    @on(DataTable.RowHighlighted, "#differing-points")
    def _highlighted(self) -> None:
        self.look_again()

    @on(DataTable.RowSelected, "#differing-points")
    def _selected(self) -> None:
        self.query_one("#difference-parts").focus()

    def _got(self, report: PointReport) -> None:
        self._point = report.point
        here = self._here
        if here is not None:
            self._draw(here, "is there")
        self.refresh_bindings()

    def _cannot(self, error: AdminError) -> None:
        here = self._here
        if here is not None:
            self._draw(here, "is not there" if isinstance(error, NotFound) else f"cannot be read: {error}")
        self.refresh_bindings()

    def _draw(self, here: PointDifference, now: str) -> None:
        head = look.line((f"point {here.id}", "bold"), "   ", look.state(here.what), look.muted("   now it "), now)
        self.query_one("#difference-head", Plain).update(head)
        table, variables = self.query_one("#difference-parts", DataTable), self.app.theme_variables
        parts = part_rows(here, self._point)
        rows = [
            (
                str(index),
                [
                    look.cell(formatting.shorten(part.what, PART_WIDTH), "bold" if part.state else ""),
                    look.state_cell(part.state, variables) if part.state else look.cell(""),
                    look.cell(part.before, look.MUTED, variables),
                    look.cell(part.now),
                ],
            )
            for index, part in enumerate(parts)
        ]
        fill(table, ["part", "", "before", "now"], rows, room=self.app.size.width - 5)

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        return {"copy_point": lambda: self._point is not None}

    def action_copy_point(self) -> None:
        if self._point is not None:
            shown = to_json(self._point, indent=2)
            self.app.copy_to_clipboard(shown)
            self.notify("point copied as JSON", markup=False)

    def action_open(self) -> None:
        self.admin.open_collection(self._check.name)

    def action_back(self) -> None:
        if self.query_one("#difference-parts").has_focus:
            self.query_one("#differing-points").focus()
        else:
            self.dismiss()


def _in_short(one: PointDifference) -> str:
    if one.what != "missing" or not (one.vectors or one.fields):
        return ""
    return f"had {', '.join(map(_vector_name, one.vectors))}; {', '.join(one.fields or ())}".removesuffix("; ")


def _vector_name(name: str) -> str:
    return f"vector {name}" if name else "vector"


def part_rows(one: PointDifference, point: ShownPoint | None) -> list[PartRow]:
    """Each vector and payload field, before and now: what changed first. None: gone, or not known yet."""
    now: dict[tuple[PartKind, str], str] = {}
    if point is not None:
        now |= {("vector", vector.name): _vector(vector) for vector in point.vectors}
        now |= {("field", name): _value(value) for name, value in point.payload.items()}
    before: list[tuple[PartKind, str]] = [("vector", name) for name in one.vectors]
    before += [("field", name) for name in one.fields or ()]
    found = {(part.kind, part.name): part for part in one.parts}
    rows = []
    for kind, name in dict.fromkeys((*before, *now)):
        part = found.pop((kind, name), None)
        shown = _vector_name(name) if kind == "vector" else name
        rows.append(_row(one, shown, (kind, name) in before, now.get((kind, name)), part, known=point is not None))
    rows += [PartRow(part.words, OTHER, "", "changed") for part in found.values()]
    return sorted(rows, key=lambda row: not row.state)


def _row(
    one: PointDifference, name: str, was_there: bool, now: str | None, part: PartDifference | None, *, known: bool
) -> PartRow:
    gone = "" if not known and one.what == "changed" else ABSENT
    shown = gone if now is None else now
    if one.what == "missing":
        return PartRow(name, KEPT if was_there else ABSENT, shown, "missing" if now is None else "")
    if one.what == "extra":
        return PartRow(name, ABSENT, shown, "extra")
    if part is not None:
        before, state = {"new": (ABSENT, "extra"), "gone": (KEPT, "missing")}.get(part.change, (OTHER, "changed"))
        return PartRow(name, before, shown, state)
    return PartRow(name, SAME if one.parts else "", shown)


def _vector(vector: ShownVector) -> str:
    zero = "all zero   " if vector.zero else ""
    return f"{zero}{vector.kind}, {formatting.number(vector.size)}   {components(vector.values)}"


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
