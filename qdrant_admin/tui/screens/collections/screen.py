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

from qdrant_admin.collections.reports import CollectionReport, CollectionsReport
from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.collections.points import PointsScreen
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.blocks import Drawing
from qdrant_admin.tui.widgets.panels import StatePanel, empty, failure, loading
from qdrant_admin.tui.widgets.tables import at_cursor, fill


def vectors_words(info: CollectionInfo) -> str:
    """All vector slots in a few words, the first one spelled out."""
    words = [spec.words for spec in info.vectors] or ["no vectors"]
    return words[0] if len(words) == 1 else f"{words[0]} and {len(words) - 1} more"


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
        titles = ["collection", "status", "points", "vectors"]
        if wide:
            titles += ["indexed", "on disk"]
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
        info, panel = self._selected, self.query_one("#collections-detail", Plain)
        width = panel.size.width or self.size.width // 2
        blocks = CollectionReport(collection=info).blocks() if info else ()
        panel.update(Drawing(width, self.services.named or None).content(blocks))

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def listed() -> bool:
            return self._report is not None and bool(self._report.collections)

        return dict.fromkeys(("open", "copy_name", "delete"), listed)

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
        name, aliases = info.name, bool(info.aliases)

        delete = partial(self.services.data.delete_collection, name, with_aliases=aliases)
        run = partial(self.run_job, "delete", f"delete {name}", delete)
        self.confirm("Delete this collection?", losses(info), "Delete", run, typed=name)

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        if view.kind == "delete" and not view.running:
            self.look_again()


def losses(info: CollectionInfo) -> Content:
    held = "points that could not be counted" if info.points is None else formatting.counted(info.points, "point")
    rows = [look.text(f"{held}, {formatting.size(info.disk_bytes)} on disk, would be deleted.")]
    if info.aliases:
        rows.append(look.state("warn", f"in use as {', '.join(info.aliases)}: requests under that name will fail"))
    return look.lines(*rows, look.muted("A snapshot of it is saved in qdrant-admin's data folder first."))
