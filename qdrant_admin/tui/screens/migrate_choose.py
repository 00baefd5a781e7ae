"""Where are the vectors now? An address to type or to browse for, and what was left unfinished."""

from datetime import datetime
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import formatting
from qdrant_admin.sources.kinds import SourceKind, kinds, missing_packages
from qdrant_admin.tui import look
from qdrant_admin.tui.widgets.bars import Plain

if TYPE_CHECKING:
    from qdrant_admin.migration.checkpoint import UnfinishedRun

PLACES = {"path": "Files and folders", "server": "Servers", "database": "Databases"}
UNTESTED = "Not tested against a live server"
FORM_WIDTH, TITLE_WIDTH = 32, 24


class ChoosePane(Vertical):
    """The source, every kind of it there is, and runs that can be taken up again."""

    def __init__(self) -> None:
        super().__init__(id="migrate-choose")
        self.runs: list[UnfinishedRun] = []

    def compose(self) -> ComposeResult:
        """Field, unfinished runs, kinds."""
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

    def offer(self, runs: "list[UnfinishedRun]", now: datetime) -> None:
        """Offer what was stopped or killed."""
        self.runs = runs
        options = self.query_one("#migrate-runs", OptionList)
        options.display, here = bool(runs), options.highlighted
        options.clear_options()
        for run in runs:
            total = sum(plan.count for plan in run.plan.collections if plan.action != "skip")
            done = f"{formatting.number(run.done)} of {formatting.number(total)}"
            told = f"stopped at {done}, {formatting.ago(run.updated_at, now)}"
            head = look.line(look.symbol("paused"), (" take up again  ", "bold"), formatting.shorten(run.source, 60))
            options.add_option(Option(look.lines(head, look.line("  ", look.muted(told))), id=run.run))
        options.highlighted = here

    def found(self, answer: tuple[str, str]) -> None:
        """Say what lies at a path that was picked, and propose the address that reads it."""
        uri, what = answer
        if uri:
            self.propose(uri)
        self.say(look.muted(f"it is {what}") if uri else look.state("warn", f"it is {what}; nothing here reads it"))

    def propose(self, uri: str) -> None:
        """Put an address into the field."""
        field = self.query_one("#migrate-source", Input)
        field.value = uri
        field.focus()
        field.cursor_position = len(uri)

    def say(self, content: Content) -> None:
        """What became of the last try."""
        said = self.query_one("#migrate-said", Plain)
        said.update(content)
        said.display = bool(content)

    @on(OptionList.OptionSelected, "#migrate-kinds")
    def _kind(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.propose((event.option.id or "").partition(" ")[0])


def kind_options() -> list[Option]:
    """Every kind, files first; those last that nobody has seen at work on the real thing."""
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
    """What every address of a kind begins with."""
    return f"{kind.scheme}:" if kind.address == "path" else f"{kind.form.partition('://')[0]}://"


def kind_row(kind: SourceKind) -> Content:
    """How it is written, what it is, and what it still needs here."""
    needs = f"needs extra {kind.extra}" if kind.extra else "not installed"
    note = look.state("warn", needs) if missing_packages(kind) else Content("")
    form, title = look.text(kind.form, "$text-accent"), look.text(kind.title)
    return look.line(look.fit(form, FORM_WIDTH), look.fit(title, TITLE_WIDTH) if note else title, "  ", note)
