"""Where are the vectors now? An address, runs to resume, and every migration that came to an end."""

from datetime import datetime
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import DataTable, Input, OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import formatting
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.sources.registry import SourceKind, kinds, missing_packages
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.panels import StatePanel, empty
from qdrant_admin.tui.widgets.tables import at_cursor, fill

if TYPE_CHECKING:
    from qdrant_admin.migration.checkpoint import StoredRun


PLACES = {"path": "Files and folders", "server": "Servers", "database": "Databases"}
UNTESTED = "Not tested against a live server"
FORM_WIDTH, TITLE_WIDTH = 32, 24


class ChoosePane(Vertical):
    """The source, every kind of it there is, and runs that can be resumed."""

    def __init__(self) -> None:
        super().__init__(id="migrate-choose")
        self.runs: list[StoredRun] = []

    def compose(self) -> ComposeResult:
        yield Plain(look.text("Where are your vectors now?", "bold"), classes="heading")
        yield Input(placeholder="chroma:~/memories/chroma", id="migrate-source")
        yield Plain(
            look.keys(
                ("enter", "make a plan", ""),
                ("ctrl+o", "browse folders", "screen.browse"),
                ("ctrl+f", "browse files", "screen.browse_files"),
            ),
            id="migrate-keys",
        )
        yield Plain(id="migrate-said")
        yield OptionList(id="migrate-runs", markup=False)
        yield OptionList(*kind_options(), id="migrate-kinds", markup=False)

    def offer(self, runs: "list[StoredRun]", now: datetime) -> None:
        self.runs = runs
        options = self.query_one("#migrate-runs", OptionList)
        options.display, here = bool(runs), options.highlighted
        options.clear_options()
        for run in runs:
            done = f"{formatting.number(run.done)} of {formatting.number(run.plan.total)}"
            told = f"stopped at {done}, {formatting.ago(run.updated_at, now)}"
            head = look.line(look.symbol("paused"), (" resume  ", "bold"), formatting.shorten(run.source, 60))
            options.add_option(Option(look.lines(head, look.line("  ", look.muted(told))), id=run.run))
        options.highlighted = here

    def found(self, answer: tuple[str, str]) -> None:
        uri, what = answer
        if uri:
            self.propose(uri)
        self.say(look.muted(f"it is {what}") if uri else look.state("warn", f"it is {what}; nothing here reads it"))

    def propose(self, uri: str) -> None:
        field = self.query_one("#migrate-source", Input)
        field.value = uri
        field.focus()
        field.cursor_position = len(uri)

    def say(self, content: Content) -> None:
        said = self.query_one("#migrate-said", Plain)
        said.update(content)
        said.display = bool(content)

    @on(OptionList.OptionSelected, "#migrate-kinds")
    def _kind(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.propose((event.option.id or "").partition(" ")[0])


def kind_options() -> list[Option]:
    groups = [(title, [kind for kind in kinds() if kind.tested and kind.address == at]) for at, title in PLACES.items()]
    groups.append((UNTESTED, [kind for kind in kinds() if not kind.tested]))
    rows: list[Option] = []
    for title, found in groups:
        if found:
            air = [Content("")] if rows else []
            rows.append(Option(look.lines(*air, look.muted(title)), disabled=True))
        rows += [Option(kind_row(kind), id=f"{beginning(kind)} {kind.title}") for kind in found]
    return rows


def beginning(kind: SourceKind) -> str:
    return f"{kind.scheme}:" if kind.address == "path" else f"{kind.form.partition('://')[0]}://"


def kind_row(kind: SourceKind) -> Content:
    needs = f"needs extra {kind.extra}" if kind.extra else "not installed"
    note = look.state("warn", needs) if missing_packages(kind) else Content("")
    form, title = look.text(kind.form, "$text-accent"), look.text(kind.title)
    return look.line(look.fit(form, FORM_WIDTH), look.fit(title, TITLE_WIDTH) if note else title, "  ", note)


PastRun = tuple[HistoryEntry, MigrationReport]
NAMES_SHOWN = 3
WIDE = 100


class PastPane(Vertical):
    """The list and its filter."""

    def __init__(self) -> None:
        super().__init__(id="migrate-past")
        self._all: list[PastRun] = []
        self._shown: list[PastRun] = []
        self._now: datetime | None = None

    def compose(self) -> ComposeResult:
        yield Plain(id="past-head", classes="heading")
        yield Input(placeholder="part of a source, a collection, a verdict", id="past-filter", compact=True)
        yield StatePanel(id="past-none")
        yield DataTable[object](id="past-table", cursor_type="row")

    def on_mount(self) -> None:
        self.query_one("#past-filter").display = False

    def show(self, runs: list[PastRun], now: datetime) -> None:
        self._all, self._now = runs, now
        self._draw_rows()

    @property
    def here(self) -> PastRun | None:
        return at_cursor(self.query_one("#past-table", DataTable), self._shown)

    def find(self) -> None:
        field = self.query_one("#past-filter", Input)
        field.display = True
        field.focus()

    def clear(self) -> bool:
        field = self.query_one("#past-filter", Input)
        there, field.value, field.display = field.display, "", False
        return there

    @on(Input.Submitted, "#past-filter")
    def _submitted(self) -> None:
        self.query_one("#past-table").focus()

    @on(Input.Changed, "#past-filter")
    def _draw_rows(self) -> None:
        wanted = self.query_one("#past-filter", Input).value.strip().lower()
        self._shown = [run for run in self._all if wanted in _words(run)]
        told = f"{formatting.number(len(self._shown))} of {formatting.number(len(self._all))}" if wanted else ""
        head = look.line(("Migrations", "bold"), "   ", look.muted(told or "newest first"))
        self.query_one("#past-head", Plain).update(head)
        nothing = self.query_one("#past-none", StatePanel)
        nothing.display = not self._shown
        if self._all:
            nothing.update(empty("No migration matches.", "", ("esc", "show all", "screen.leave")))
        else:
            why = "Every finished migration is kept here with its report."
            nothing.update(empty("Nothing has been migrated yet.", why, ("a", "choose a source", "screen.again")))
        self._fill()

    def _fill(self) -> None:
        table, variables = self.query_one("#past-table", DataTable), self.app.theme_variables
        table.display = bool(self._shown)
        wide = self.app.size.width >= WIDE
        titles = ["when", "verdict", "points", "took", "from", *(["to"] if wide else [])]
        rows = []
        for entry, report in self._shown:
            points = sum(one.verified or one.written for one in report.collections)
            cells = [
                look.cell(formatting.clock(entry.started_at, self._now)),
                look.state_cell(report.verdict, variables),
                look.cell(formatting.number(points), right=True),
                look.cell(formatting.duration(report.seconds), right=True),
                look.cell(formatting.shorten(report.source, 48 if wide else 80), "bold"),
            ]
            cells += [look.cell(_targets(report), "$text-muted", variables)] if wide else []
            rows.append(cells)
        fill(table, titles, rows, room=self.app.size.width - 5)


def _targets(report: MigrationReport) -> str:
    names = [one.target for one in report.collections if one.verdict != "skipped"]
    more = f" and {formatting.number(len(names) - NAMES_SHOWN)} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"


def _words(run: PastRun) -> str:
    report = run[1]
    names = [name for one in report.collections for name in (one.source, one.target)]
    return " ".join([report.source, report.target, formatting.state(report.verdict).word, report.run, *names]).lower()
