"""What differs in a collection that was checked, point by point: before beside now."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable

from qdrant_admin.collections.reports import PointReport, ShownPoint, ShownVector
from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import brief
from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.differences import PartDifference, PartKind, PointDifference
from qdrant_admin.persistence.reports import CollectionCheck
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.verify.run import counts
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.tables import at_cursor, components, fill

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
    BINDINGS = [
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
            [
                look.cell(formatting.shorten(one.id, ID_WIDTH)),
                look.state_cell(one.what, variables),
                look.cell(one.detail or _in_short(one), look.MUTED, variables),
            ]
            for one in check.points
        ]
        table = self.query_one("#differing-points", DataTable)
        fill(table, ["point", "state", "details"], rows, room=self.app.size.width - 5)

    @property
    def _here(self) -> PointDifference | None:
        return at_cursor(self.query_one("#differing-points", DataTable), self._check.points)

    def look_again(self) -> None:
        self._point, here = None, self._here
        if here is not None:
            self._draw("looking…")
            point = partial(self.services.point, self._check.name, here.id)
            self.ask(point, self._got, self._cannot, group="point")

    @on(DataTable.RowHighlighted, "#differing-points")
    def _highlighted(self) -> None:
        self.look_again()

    @on(DataTable.RowSelected, "#differing-points")
    def _selected(self) -> None:
        self.query_one("#difference-parts").focus()

    def _got(self, report: PointReport) -> None:
        self._point = report.point
        self._draw("is there")

    def _cannot(self, error: AdminError) -> None:
        self._draw("is not there" if isinstance(error, NotFound) else f"cannot be read: {error}")

    def _draw(self, now: str) -> None:
        self.refresh_bindings()
        here = self._here
        if here is None:
            return
        head = look.line((f"point {here.id}", "bold"), "   ", look.state(here.what), look.muted("   now it "), now)
        self.query_one("#difference-head", Plain).update(head)
        table, variables = self.query_one("#difference-parts", DataTable), self.app.theme_variables
        rows = [
            [
                look.cell(formatting.shorten(part.what, PART_WIDTH), "bold" if part.state else ""),
                look.state_cell(part.state, variables) if part.state else look.cell(""),
                look.cell(part.before, look.MUTED, variables),
                look.cell(part.now),
            ]
            for part in part_rows(here, self._point)
        ]
        fill(table, ["part", "", "before", "now"], rows, room=self.app.size.width - 5)

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        return {"copy_point": lambda: self._point is not None}

    def action_copy_point(self) -> None:
        if self._point is not None:
            self.app.copy_to_clipboard(to_json(self._point, indent=2))
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
        now |= {("field", name): brief(value) for name, value in point.payload.items()}
    before: list[tuple[PartKind, str]] = [("vector", name) for name in one.vectors]
    before += [("field", name) for name in one.fields or ()]
    found = {(part.kind, part.name): part for part in one.parts}
    absent = "" if point is None and one.what == "changed" else ABSENT
    rows = []
    for key in dict.fromkeys((*before, *now)):
        name = _vector_name(key[1]) if key[0] == "vector" else key[1]
        was, state = _before(one, found.pop(key, None), there=key in before, still=key in now)
        rows.append(PartRow(name, was, now.get(key, absent), state))
    rows += [PartRow(part.words, OTHER, "", "changed") for part in found.values()]
    return sorted(rows, key=lambda row: not row.state)


def _before(one: PointDifference, part: PartDifference | None, *, there: bool, still: bool) -> tuple[str, str]:
    """What was there, and a key of `formatting.STATES` where that has changed."""
    if one.what == "missing":
        return (KEPT if there else ABSENT), ("" if still else "missing")
    if one.what == "extra":
        return ABSENT, "extra"
    if part is not None:
        return {"new": (ABSENT, "extra"), "gone": (KEPT, "missing")}.get(part.change, (OTHER, "changed"))
    return (SAME if one.parts else ""), ""


def _vector(vector: ShownVector) -> str:
    zero = "all zero   " if vector.zero else ""
    return f"{zero}{vector.kind}, {formatting.number(vector.size)}   {components(vector.values)}"
