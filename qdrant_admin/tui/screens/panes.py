"""A screen of several panes, one of them in front: choose, run, result, earlier ones."""

from collections.abc import Callable, Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import ContentSwitcher, DataTable

from qdrant_admin.core.errors import AdminError, Cancelled
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.panels import KeyHint, LiveGroups, Verdict, failure


class TablePane(Vertical):
    """A head, a table, and below it a text that scrolls. `name` begins the ids of the table and the text."""

    def __init__(self, name: str, head: Plain, *, id: str) -> None:  # noqa: A002 - Textual's own word
        super().__init__(id=id)
        self._part, self.head = name, head

    def compose(self) -> ComposeResult:
        yield self.head
        yield DataTable[object](id=f"{self._part}-table", cursor_type="row")
        with VerticalScroll(id=f"{self._part}-more"):
            yield Plain(id=f"{self._part}-details")

    @property
    def table(self) -> DataTable[object]:
        return self.query_one(DataTable)

    @property
    def details(self) -> Plain:
        return self.query_one(f"#{self._part}-details", Plain)

    @property
    def main(self) -> Widget:
        """What the keys of a list are for."""
        return self.table if self.table.display else self.query_one(VerticalScroll)


class ResultPane(TablePane):
    """What became of an operation: its verdict above, of this session or of an earlier one."""

    def __init__(self, name: str, area: str) -> None:
        super().__init__(name, Verdict(id=f"{area}-verdict"), id=f"{area}-result")

    def tell(self, key: str, sentence: str, *rest: Content) -> None:
        self.query_one(Verdict).tell(key, sentence, *rest)

    def show_fault(self, fault: AdminError, stopped: str, failed: tuple[str, str], hint: KeyHint) -> None:
        """No result: what to say when it was stopped, and the state and the sentence when it failed."""
        self.table.display = False
        if isinstance(fault, Cancelled):
            self.tell("cancelled", stopped)
            self.details.update(Content(""))
        else:
            self.tell(*failed)
            self.details.update(failure(fault, hint))


class PanesScreen(BaseScreen):
    """Its panes have ids that begin with its section: `verify-result`."""

    FOCUS: ClassVar[dict[str, str]] = {}
    """By the name of a pane that is no `TablePane`: what gets the focus."""
    KINDS: ClassVar[tuple[str, ...]] = ()
    """Kinds of the jobs that its pane `running` shows."""

    def panes(self) -> Iterable[Widget]:
        raise NotImplementedError

    def compose_body(self) -> ComposeResult:
        with ContentSwitcher(initial=f"{self.SECTION}-choose"):
            yield from self.panes()

    @property
    def pane(self) -> str:
        return (self.query_one(ContentSwitcher).current or "").removeprefix(f"{self.SECTION}-")

    def front(self, pane: str) -> None:
        self.query_one(ContentSwitcher).current = f"{self.SECTION}-{pane}"
        shown = self.query_one(f"#{self.SECTION}-{pane}")
        (shown.main if isinstance(shown, TablePane) else self.query_one(self.FOCUS[pane])).focus()
        self.refresh_bindings()

    def at(self, *panes: str) -> Callable[[], bool]:
        return lambda: self.pane in panes

    @property
    def job(self) -> JobView | None:
        """The job of this screen that runs."""
        return self.running_job(*self.KINDS)

    def live(self) -> LiveGroups:
        """The pane of the job that runs, brought to the front."""
        if self.pane != "running":
            self.front("running")
        return self.query_one(f"#{self.SECTION}-running", LiveGroups)
