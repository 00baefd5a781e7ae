"""Collections: what is in there, and is it all right? A table, and the one under the cursor in full beside it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.collections.reports import CollectionsReport
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event
from qdrant_admin.database.models import CollectionInfo, VectorSpec
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.collections.points import PointsScreen
from qdrant_admin.tui.screens.dialogs import ConfirmDialog
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import StatePanel, empty, failure, loading
from qdrant_admin.tui.widgets.tables import at_cursor, fill


def vector_words(spec: VectorSpec) -> str:
    """`384 Cosine`, `sparse`, `128 × n Dot`."""
    if spec.kind == "sparse":
        return "sparse"
    rows = " × n" if spec.kind == "multi" else ""
    datatype = "" if spec.datatype == "float32" else f" {spec.datatype}"
    return f"{spec.size}{rows} {spec.distance}{datatype}"


def vectors_words(info: CollectionInfo) -> str:
    """All vector slots in a few words, the first one spelled out."""
    if not info.vectors:
        return "no vectors"
    first = info.vectors[0]
    shown = f"{first.name} {vector_words(first)}" if first.name else vector_words(first)
    return shown if len(info.vectors) == 1 else f"{shown} and {len(info.vectors) - 1} more"


class CollectionsScreen(BaseScreen):
    """The table of collections."""

    SECTION = "collections"
    HELP_TEXT = "What the server holds: every collection with its status and its exact count. Enter opens its points."
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "open", "open points", "collections.open", priority=True),
        bind("c", "copy_name", "copy name", "collections.copy"),
        bind("x", "delete", "delete", "collections.delete", "delete the collection, once a snapshot of it is kept"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._report: CollectionsReport | None = None

    def compose_body(self) -> ComposeResult:
        yield StatePanel(loading(), id="collections-state")
        with Horizontal(id="collections-split"):
            yield DataTable[object](id="collections-table", cursor_type="row", zebra_stripes=False)
            with VerticalScroll(id="collections-side", can_focus=False):
                yield Plain(id="collections-detail")

    def look_again(self) -> None:
        self.ask(self.services.data.collections, self._show, self._failed, group="collections")

    def _failed(self, error: AdminError) -> None:
        self.add_class("-stated")
        hints = [("r", "look again", "screen.refresh_now"), ("1", "Home", "app.go('home')")]
        self.query_one("#collections-state", StatePanel).update(failure(error, *hints))
        self._report = None
        self.refresh_bindings()

    def _show(self, report: CollectionsReport) -> None:
        self._report = report
        self.set_class(not report.collections, "-stated")
        if not report.collections:
            nothing = empty(
                "Nothing stored yet.",
                "Bring your vectors in from Chroma, from an embedded Qdrant, or from another server.",
                ("3", "migrate", "app.go('migrate')"),
            )
            self.query_one("#collections-state", StatePanel).update(nothing)
        else:
            self._fill(report)
        self.refresh_bindings()

    def _fill(self, report: CollectionsReport) -> None:
        table, variables = self.query_one(DataTable), self.app.theme_variables
        wide = self.size.width >= 150
        titles = [("collection", False), ("status", False), ("points", True), ("vectors", False)]
        if wide:
            titles += [("indexed", True), ("on disk", True)]
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
            rows.append((info.name, cells))
        fill(table, titles, rows)
        if self.focused is None:
            table.focus()
        self._detail()

    @property
    def _selected(self) -> CollectionInfo | None:
        return at_cursor(self.query_one(DataTable), self._report.collections if self._report is not None else ())

    @on(DataTable.RowHighlighted)
    def _detail(self) -> None:
        info = self._selected
        self.query_one("#collections-detail", Plain).update(detail(info) if info else Content(""))

    @on(DataTable.RowSelected)
    def _row_selected(self) -> None:
        self.action_open()

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def listed() -> bool:
            return self._report is not None and bool(self._report.collections)

        return dict.fromkeys(("open", "copy_name", "delete"), listed)

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
        name, aliases = info.name, bool(info.aliases)

        delete = partial(self.services.data.delete_collection, name, with_aliases=aliases)
        question = ConfirmDialog("Delete this collection?", losses(info), yes="Delete", typed=name)
        self.confirm(question, lambda: self.run_job("delete", f"delete {name}", delete))

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        if view.kind == "delete" and not view.running:
            self.look_again()


def losses(info: CollectionInfo) -> Content:
    held = "points that could not be counted" if info.points is None else formatting.counted(info.points, "point")
    rows = [look.text(f"{held}, {formatting.size(info.disk_bytes)} on disk, would be deleted.")]
    if info.aliases:
        rows.append(look.state("warn", f"in use as {', '.join(info.aliases)}: requests under that name will fail"))
    return look.lines(*rows, look.muted("A snapshot of it is saved in qdrant-admin's data folder first."))


def detail(info: CollectionInfo) -> Content:
    """One collection in full, in groups with air between them."""
    groups = [_head(info), _figures(info), _vectors(info), _aliases(info), _indexes(info), _metadata(info)]
    return Content("\n\n").join([look.lines(*group) for group in groups if group])


def _pair(name: str, value: Content | str) -> Content:
    return look.line((f"{name:<10} ", look.MUTED), value)


def _head(info: CollectionInfo) -> list[Content]:
    rows = [look.text(info.name, "bold"), look.state("red" if info.trouble else info.status)]
    if info.trouble or info.optimizer_error:
        rows.append(look.text(info.trouble or info.optimizer_error, "$text-error"))
    if info.status == "grey":
        rows.append(look.muted("optimizations are possible and wait for the next write"))
    return rows


def _figures(info: CollectionInfo) -> list[Content]:
    exact = "could not be counted" if info.points is None else f"{formatting.number(info.points)} exact"
    rows = [_pair("points", exact)]
    if info.points_approximate != info.points:
        rows.append(_pair("", look.muted(f"{formatting.number(info.points_approximate)} by the server's estimate")))
    rows.append(_pair("indexed", formatting.counted(info.indexed_vectors, "vector")))
    rows.append(_pair("segments", formatting.number(info.segments)))
    rows.append(_pair("on disk", formatting.size(info.disk_bytes)))
    return rows


def _vectors(info: CollectionInfo) -> list[Content]:
    rows = []
    for index, spec in enumerate(info.vectors):
        shown = (
            look.line((f"{spec.name}  ", "bold"), vector_words(spec)) if spec.name else look.text(vector_words(spec))
        )
        rows.append(_pair("vectors" if index == 0 else "", shown))
    return rows


def _aliases(info: CollectionInfo) -> list[Content]:
    return _listed("aliases", [look.text(alias) for alias in info.aliases])


def _indexes(info: CollectionInfo) -> list[Content]:
    rows = []
    for field, schema in sorted(info.payload_schema.items()):
        rows.append(look.line(field, (f"  {schema.get('data_type', schema.get('type', ''))}", look.MUTED)))
    return _listed("payload indexes", rows)


def _metadata(info: CollectionInfo) -> list[Content]:
    rows = [look.line((f"{name}  ", look.MUTED), value) for name, value in sorted(info.metadata.items())]
    return _listed("metadata", rows)


def _listed(title: str, rows: list[Content]) -> list[Content]:
    return [look.muted(title), *(look.line("  ", row) for row in rows)] if rows else []
