"""Points of one collection: a page at a time in the server's order, filtered by payload, one of them whole."""

import json
from collections.abc import Callable, Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import DataTable, Input

from qdrant_admin.collections.reports import PointReport, PointsReport, ShownPoint
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.models import PointId
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import StatePanel, empty, failure, loading
from qdrant_admin.tui.widgets.tables import PayloadTree, at_cursor, fill

PAGE = 50
PREVIEW = 160
ID_WIDTH = 20
TELLING = ("title", "name", "document", "page_content", "text", "content", "data", "source_id")
EXAMPLE = '{"must": [{"key": "section", "match": {"value": "admin"}}]}   or   section = admin'


def parse_filter(text: str) -> dict[str, JsonValue] | None:
    """What a person typed as a filter: Qdrant's JSON, or the short form `key = value`.

    Raises:
        BadInput: it is neither.
    """
    text = text.strip()
    if not text:
        return None
    if text.startswith("{"):
        from qdrant_admin.collections.browse import read_filter

        return read_filter(text)
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise BadInput("the filter is neither JSON nor `key = value`", fix=EXAMPLE)
    return {"must": [{"key": key.strip(), "match": {"value": _scalar(value.strip())}}]}


def _scalar(text: str) -> bool | int | str:
    if text in {"true", "false"}:
        return text == "true"
    return int(text) if text.lstrip("-").isdigit() else text.strip('"')


def preview(point: ShownPoint) -> str:
    telling = [key for key in TELLING if isinstance(point.payload.get(key), str)]
    rest = sorted(key for key in point.payload if key not in telling)
    shown = [str(point.payload[key]) for key in telling] + [f"{key}={point.payload[key]}" for key in rest]
    return formatting.shorten("  ".join(shown), PREVIEW)


def short_id(point: ShownPoint) -> str:
    return formatting.shorten(str(point.id), ID_WIDTH)


class PointsScreen(BaseScreen):
    """One collection's points."""

    SECTION = "collections"
    HELP_TEXT = (
        "The points of one collection, a page at a time. / filters by payload, n and p turn pages, y copies a point."
    )
    AUTO_FOCUS = "#points-table"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("escape", "back", "back", "points.back"),
        bind("slash", "filter", "filter", "points.filter"),
        bind("n", "next_page", "next page", "points.next"),
        bind("p", "previous_page", "previous page", "points.previous"),
        bind("y", "copy_point", "copy JSON", "points.copy"),
    ]

    def __init__(self, collection: str) -> None:
        super().__init__()
        self.collection = collection
        self._filter: dict[str, JsonValue] | None = None
        self._pages: list[PointId | None] = [None]
        """Offsets of the pages up to this one, so that one can turn back."""
        self._report: PointsReport | None = None

    def compose_body(self) -> ComposeResult:
        yield Plain(id="points-title")
        yield Input(placeholder=EXAMPLE, id="points-filter")
        yield StatePanel(loading(), id="points-state")
        with Horizontal(id="points-split"):
            yield DataTable[object](id="points-table", cursor_type="row")
            yield PayloadTree(id="points-payload")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).display = False

    def look_again(self) -> None:
        name, wanted, offset = self.collection, self._filter, self._pages[-1]
        self.ask(
            lambda: self.services.data.points(name, filter=wanted, limit=PAGE, offset=offset),
            self._show,
            self._failed,
            group="points",
        )

    def _failed(self, error: AdminError) -> None:
        self._report = None
        self.add_class("-stated")
        hints = [("r", "look again", "screen.refresh_now"), ("esc", "back", "screen.back")]
        self.query_one("#points-state", StatePanel).update(failure(error, *hints))
        self.refresh_bindings()

    def _show(self, report: PointsReport) -> None:
        self._report = report
        self.set_class(not report.points, "-stated")
        self._title(report)
        if not report.points:
            what = "No point matches this filter." if self._filter else "This collection is empty."
            self.query_one("#points-state", StatePanel).update(empty(what, "", ("esc", "back", "screen.back")))
        else:
            self._fill(report)
        self.refresh_bindings()

    def _title(self, report: PointsReport) -> None:
        first = (len(self._pages) - 1) * PAGE
        span = (
            f"points {formatting.number(first + 1)} to {formatting.number(first + len(report.points))}"
            if report.points
            else ""
        )
        more = "" if report.next_offset is None else "more on the next page"
        shown = json.dumps(self._filter, ensure_ascii=False) if self._filter else ""
        parts = [look.text(self.collection, "bold"), look.muted(span), look.muted(more)]
        parts += [look.line(("filter ", look.MUTED), (shown, "$text-accent"))] if shown else []
        self.query_one("#points-title", Plain).update(look.line(*[look.line(part, "   ") for part in parts if part]))

    def _fill(self, report: PointsReport) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        rows = [
            (str(point.id), [look.cell(short_id(point)), look.cell(preview(point), look.MUTED, variables)])
            for point in report.points
        ]
        room = self.size.width - 6 if self.has_class("-narrow") else self.size.width // 2 - 4
        fill(table, ["id", "payload"], rows, room=room)
        if not self.query_one(Input).has_focus:
            table.focus()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        point = at_cursor(self.query_one(DataTable), self._report.points if self._report is not None else ())
        if point is None:
            return
        self.query_one(PayloadTree).show(point)
        name = self.collection
        self.ask(lambda: self.services.data.point(name, point.id), self._whole, group="point")

    def _whole(self, report: PointReport) -> None:
        """The page has no vectors; they come with the one point that is looked at."""
        self.query_one(PayloadTree).show(report.point)

    @on(Input.Submitted)
    def _filtered(self, event: Input.Submitted) -> None:
        try:
            self._filter = parse_filter(event.value)
        except BadInput as error:
            self.admin.toast_error(error)
            return
        self._pages = [None]
        event.input.display = self._filter is not None
        self.query_one(DataTable).focus()
        self.look_again()

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        return {
            "next_page": lambda: self._report is not None and self._report.next_offset is not None,
            "previous_page": lambda: len(self._pages) > 1,
            "copy_point": lambda: self._report is not None and bool(self._report.points),
        }

    def action_filter(self) -> None:
        field = self.query_one(Input)
        field.display = True
        field.focus()

    def action_next_page(self) -> None:
        if self._report is not None:
            self._pages.append(self._report.next_offset)
            self.look_again()

    def action_previous_page(self) -> None:
        self._pages.pop()
        self.look_again()

    def action_copy_point(self) -> None:
        self.app.copy_to_clipboard(self.query_one(PayloadTree).as_json())
        self.notify("point copied as JSON", markup=False)

    def action_back(self) -> None:
        field = self.query_one(Input)
        if field.display:
            field.display, field.value, self._filter, self._pages = False, "", None, [None]
            self.query_one(DataTable).focus()
            self.look_again()
        else:
            self.dismiss()
