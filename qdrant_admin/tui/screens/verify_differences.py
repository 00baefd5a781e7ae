"""What differs in one collection, point by point: what it was before beside what it is now.

Of the old content only digests were kept, so the old value of a part that changed cannot be shown, and is not made up.
"""

import json
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import DataTable

from qdrant_admin.collections.reports import PointReport, ShownPoint, ShownVector
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError, NotFound
from qdrant_admin.persistence.reports import CollectionCheck, PointDifference
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.verify_result import counts
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.payload import components
from qdrant_admin.tui.widgets.table import fill

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
        Binding("escape", "back", "back", id="differences.back", tooltip="back to the verdict"),
        Binding("tab", "app.focus_next", "the other table", id="differences.other", tooltip="go to the other table"),
        Binding("y", "copy_point", "copy JSON", id="differences.copy", tooltip="copy the point as it is now"),
        Binding(
            "o", "open", "open the collection", id="differences.open", tooltip="look at the collection as it is now"
        ),
    ]

    def __init__(self, check: CollectionCheck, at: datetime) -> None:
        super().__init__()
        self._check, self._at = check, at
        self._point: ShownPoint | None = None
        """The point under the cursor as it is now."""

    def compose_body(self) -> ComposeResult:
        """Head, settings, points; below them one point."""
        yield Plain(id="differences-head")
        yield DataTable[object](id="differing-points", cursor_type="row")
        with Vertical(id="difference"):
            yield Plain(id="difference-head")
            yield DataTable[object](id="difference-parts", cursor_type="row")
            yield Plain(look.muted(ONLY_DIGESTS), id="difference-digests")

    def on_mount(self) -> None:
        """Fill the upper table; the lower one follows its cursor."""
        super().on_mount()
        check = self._check
        when = formatting.ago(self._at, self.services.now())
        told = look.muted(f"   {counts(check)}   ·   checked {when}")
        found = look.line((check.name, "bold"), "   ", look.state(check.verdict), told)
        settings = [look.line("  ", look.state("changed", setting)) for setting in check.settings]
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
        titles = [("point", False), ("is", False), ("what of it", False)]
        fill(self.query_one("#differing-points", DataTable), titles, rows, width=self.app.size.width - 5)

    @property
    def _here(self) -> PointDifference | None:
        row = self.query_one("#differing-points", DataTable).cursor_row
        return self._check.points[row] if 0 <= row < len(self._check.points) else None

    def look_again(self) -> None:
        """Ask for the point under the cursor as it is now."""
        here = self._here
        if here is not None:
            self._point = None
            name = self._check.name
            self._draw(here, "looking…")
            self.ask(lambda: self.services.point(name, here.id), self._got, self._cannot, group="point")

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
        fill(
            table,
            [("part", False), ("", False), ("before", False), ("now", False)],
            rows,
            width=self.app.size.width - 5,
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to copy when the point is there."""
        if action == "copy_point":
            return self._point is not None
        return super().check_action(action, parameters)

    def action_copy_point(self) -> None:
        """Put the point as it is now on the clipboard."""
        if self._point is not None:
            shown = json.dumps(self._point.model_dump(mode="json"), ensure_ascii=False, indent=2)
            self.app.copy_to_clipboard(shown)
            self.notify("point copied as JSON", markup=False)

    def action_open(self) -> None:
        """Look at the collection as it is now."""
        self.admin.open_collection(self._check.name)

    def action_back(self) -> None:
        """From the parts to the points, from the points to the verdict."""
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
    """Each vector and payload field, before and now: what changed first.

    Args:
        one: the difference that the check has found.
        point: the point as it is now; None when it is not there, or not known yet.
    """
    now: dict[tuple[str, str], str] = {}
    if point is not None:
        now |= {("vector", vector.name): _vector(vector) for vector in point.vectors}
        now |= {("field", name): _value(value) for name, value in point.payload.items()}
    before = [("vector", name) for name in one.vectors] + [("field", name) for name in one.fields or ()]
    untold = set(one.parts or ([one.detail] if one.detail else []))
    rows = []
    for kind, name in dict.fromkeys((*before, *now)):
        word = f'vector "{name}"' if kind == "vector" else f"payload field {name}"
        told = {
            part for part in untold if part in {word, f"{word} is gone", f"{word} is new", f"{word}, all zeros now"}
        }
        untold -= told
        shown = _vector_name(name) if kind == "vector" else name
        rows.append(_row(one, shown, (kind, name) in before, now.get((kind, name)), told, known=point is not None))
    rows += [PartRow(part, OTHER, "", "changed") for part in sorted(untold)]
    return sorted(rows, key=lambda row: not row.state)


def _row(one: PointDifference, name: str, was_there: bool, now: str | None, told: set[str], *, known: bool) -> PartRow:
    gone = "" if not known and one.what == "changed" else ABSENT
    shown = gone if now is None else now
    if one.what == "missing":
        return PartRow(name, KEPT if was_there else ABSENT, shown, "missing" if now is None else "")
    if one.what == "extra":
        return PartRow(name, ABSENT, shown, "extra")
    if any(part.endswith(" is new") for part in told):
        return PartRow(name, ABSENT, shown, "extra")
    if any(part.endswith(" is gone") for part in told):
        return PartRow(name, KEPT, shown, "missing")
    if told:
        return PartRow(name, OTHER, shown, "changed")
    return PartRow(name, SAME if one.parts else "", shown)


def _vector(vector: ShownVector) -> str:
    zero = "all zero   " if vector.zero else ""
    return f"{zero}{vector.kind}, {formatting.number(vector.size)}   {components(vector.values)}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
