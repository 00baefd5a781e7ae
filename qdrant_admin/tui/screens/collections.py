"""What the server holds: a table of collections beside the one under the cursor, and the points of one of them."""

import json
from collections.abc import Callable, Mapping
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, Input

from qdrant_admin.collections.reports import CollectionReport, CollectionsReport, PointReport, PointsReport, ShownPoint
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.models import CollectionInfo, PointId
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing
from qdrant_admin.tui.widgets.panels import StatePanel, empty, failure
from qdrant_admin.tui.widgets.tables import PayloadTree, at_cursor, fill

PAGE = 50
PREVIEW = 160
ID_WIDTH = 20
TELLING = ("title", "name", "document", "page_content", "text", "content", "data", "source_id")
EXAMPLE = '{"must": [{"key": "section", "match": {"value": "admin"}}]}   or   section = admin'


def vectors_words(info: CollectionInfo) -> str:
    """All vector slots in a few words, the first one spelled out."""
    words = [spec.words for spec in info.vectors] or ["no vectors"]
    return words[0] if len(words) == 1 else f"{words[0]} and {len(words) - 1} more"


class CollectionsScreen(BaseScreen):
    """The table of collections."""

    SECTION = "collections"
    HELP_TEXT = "What the server holds: every collection with its status and its exact count. Enter opens its points."
    BINDINGS = [
        bind("enter", "open", "open points", "collections.open", priority=True),
        bind("c", "copy_name", "copy name", "collections.copy"),
        bind("x", "delete", "delete", "collections.delete", "delete the collection, once a snapshot of it is kept"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._report: CollectionsReport | None = None

    def compose_body(self) -> ComposeResult:
        yield StatePanel()
        with Horizontal(id="collections-split", classes="content"):
            yield DataTable[object](id="collections-table", cursor_type="row", zebra_stripes=False)
            with VerticalScroll(id="collections-side", can_focus=False):
                yield Plain(id="collections-detail")

    def look_again(self) -> None:
        self.ask(self.services.collections, self._show, self._failed, group="collections")

    def _failed(self, error: AdminError) -> None:
        self._report = None
        self.state(failure(error, ("r", "look again", "screen.refresh_now"), ("1", "Home", "app.go('home')")))

    def _show(self, report: CollectionsReport) -> None:
        self._report = report
        if report.collections:
            self.state(None)
            self._fill(report)
        else:
            where = "Bring your vectors in from Chroma, from an embedded Qdrant, or from another server."
            self.state(empty("Nothing stored yet.", where, ("3", "migrate", "app.go('migrate')")))

    def _fill(self, report: CollectionsReport) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        wide = self.size.width >= 150
        titles = ["collection", "status", "points", "vectors", *(["indexed", "on disk"] if wide else [])]
        rows = []
        for info in report.collections:
            cells = [
                look.cell(formatting.shorten(info.name, 60 if wide else 30), "bold"),
                look.state_cell("red" if info.trouble else info.status, variables),
                look.cell("unknown" if info.points is None else formatting.number(info.points), right=True),
                look.cell(vectors_words(info), look.MUTED, variables),
            ]
            if wide:
                cells.append(look.cell(formatting.number(info.indexed_vectors), look.MUTED, variables, right=True))
                cells.append(look.cell(formatting.size(info.disk_bytes), look.MUTED, variables, right=True))
            rows.append(cells)
        fill(table, titles, rows)
        if self.focused is None:
            table.focus()
        self._detail()

    @property
    def _selected(self) -> CollectionInfo | None:
        return at_cursor(self.query_one(DataTable), self._report.collections if self._report else ())

    @on(DataTable.RowHighlighted)
    def _detail(self) -> None:
        info, panel = self._selected, self.query_one("#collections-detail", Plain)
        width = panel.size.width or self.size.width // 2
        blocks = CollectionReport(collection=info).blocks() if info else ()
        panel.update(Drawing(width, self.services.named or None).content(blocks))

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        return dict.fromkeys(("open", "copy_name", "delete"), lambda: bool(self._report and self._report.collections))

    @on(DataTable.RowSelected)
    def action_open(self) -> None:
        info = self._selected
        if info is not None:
            self.app.push_screen(PointsScreen(info.name))

    def action_copy_name(self) -> None:
        info = self._selected
        if info is not None:
            self.app.copy_to_clipboard(info.name)
            self.notify("name copied", markup=False)

    def action_delete(self) -> None:
        info = self._selected
        if info is None:
            return
        delete = partial(self.services.delete_collection, info.name, with_aliases=bool(info.aliases))
        run = partial(self.run_job, "delete", f"delete {info.name}", delete)
        self.confirm("Delete this collection?", losses(info), "Delete", run, typed=info.name)

    def job_changed(self, view: JobView) -> None:
        if view.kind == "delete" and not view.running:
            self.look_again()


def losses(info: CollectionInfo) -> Content:
    held = "points that could not be counted" if info.points is None else formatting.counted(info.points, "point")
    rows = [look.text(f"{held}, {formatting.size(info.disk_bytes)} on disk, would be deleted.")]
    if info.aliases:
        rows.append(look.state("warn", f"in use as {', '.join(info.aliases)}: requests under that name will fail"))
    return look.lines(*rows, look.muted("A snapshot of it is saved in qdrant-admin's data folder first."))


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


class PointsScreen(BaseScreen):
    """One collection's points."""

    SECTION = "collections"
    HELP_TEXT = (
        "The points of one collection, a page at a time. / filters by payload, n and p turn pages, y copies a point."
    )
    AUTO_FOCUS = "#points-table"
    BINDINGS = [
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
        yield StatePanel()
        with Horizontal(id="points-split", classes="content"):
            yield DataTable[object](id="points-table", cursor_type="row")
            yield PayloadTree(id="points-payload")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Input).display = False

    def look_again(self) -> None:
        name, wanted, offset = self.collection, self._filter, self._pages[-1]
        points = partial(self.services.points, name, filter=wanted, limit=PAGE, offset=offset)
        self.ask(points, self._show, self._failed, group="points")

    def _failed(self, error: AdminError) -> None:
        self._report = None
        self.state(failure(error, ("r", "look again", "screen.refresh_now"), ("esc", "back", "screen.back")))

    def _show(self, report: PointsReport) -> None:
        self._report = report
        self._title(report)
        if report.points:
            self.state(None)
            self._fill(report)
        else:
            what = "No point matches this filter." if self._filter else "This collection is empty."
            self.state(empty(what, "", ("esc", "back", "screen.back")))

    def _title(self, report: PointsReport) -> None:
        first = (len(self._pages) - 1) * PAGE
        ends = formatting.number(first + 1), formatting.number(first + len(report.points))
        span = f"points {ends[0]} to {ends[1]}" if report.points else ""
        more = "" if report.next_offset is None else "more on the next page"
        shown = json.dumps(self._filter, ensure_ascii=False) if self._filter else ""
        parts = [look.text(self.collection, "bold"), look.muted(span), look.muted(more)]
        parts += [look.line(("filter ", look.MUTED), (shown, "$text-accent"))] if shown else []
        self.query_one("#points-title", Plain).update(look.line(*[look.line(part, "   ") for part in parts if part]))

    def _fill(self, report: PointsReport) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        rows = [
            [look.cell(formatting.shorten(str(point.id), ID_WIDTH)), look.cell(preview(point), look.MUTED, variables)]
            for point in report.points
        ]
        room = self.size.width - 6 if self.has_class("-narrow") else self.size.width // 2 - 4
        fill(table, ["id", "payload"], rows, room=room)
        if not self.query_one(Input).has_focus:
            table.focus()

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        point = at_cursor(self.query_one(DataTable), self._report.points if self._report else ())
        if point is None:
            return
        self.query_one(PayloadTree).show(point)
        name = self.collection
        self.ask(lambda: self.services.point(name, point.id), self._whole, group="point")

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
        point = self.query_one(PayloadTree).point
        if point is not None:
            self.app.copy_to_clipboard(to_json(point, indent=2))
            self.notify("point copied as JSON", markup=False)

    def action_back(self) -> None:
        field = self.query_one(Input)
        if field.display:
            field.display, field.value, self._filter, self._pages = False, "", None, [None]
            self.query_one(DataTable).focus()
            self.look_again()
        else:
            self.dismiss()
