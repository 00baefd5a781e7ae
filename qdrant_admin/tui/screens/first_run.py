"""The first run: three choices and a key, each with a good default, then a server that is ready."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.core.events import Event
from qdrant_admin.lifecycle.reports import SurveyReport
from qdrant_admin.lifecycle.up import UpOptions
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.dialogs import InputDialog
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import failure, loading

RowName = Literal["engine", "data", "address", "key"]
ROWS: tuple[RowName, ...] = ("engine", "data", "address", "key")


@dataclass(frozen=True)
class Choices:
    """What is going to be set up."""

    runtime: Literal["docker", "native"]
    storage: str
    """Empty: the recommended place."""
    port: int
    grpc_port: int
    generate_key: bool = True
    survey: SurveyReport = field(repr=False, kw_only=True)

    @classmethod
    def recommended(cls, survey: SurveyReport) -> "Choices":
        runtime: Literal["docker", "native"] = "native" if survey.recommended == "native" else "docker"
        return cls(runtime, "", survey.next_port, survey.next_grpc_port, survey=survey)

    def options(self) -> UpOptions:
        return UpOptions(
            runtime=self.runtime,
            port=self.port,
            grpc_port=self.grpc_port,
            storage=Path(self.storage) if self.storage else None,
            api_key="auto" if self.generate_key else None,
        )


class FirstRunScreen(BaseScreen):
    """Engine found? Where is the data kept? Which address? With a key? Then start, step by step, until it is ready."""

    SECTION = "home"
    HELP_TEXT = "Set up a Qdrant that survives: each choice has a good default, enter starts it."
    DRAWS_JOBS = frozenset({"up"})
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "start", "continue", "first.start", "set up as shown and start; then go Home"),
        bind("down,j", "move(1)", "next", "first.down", show=False),
        bind("up,k", "move(-1)", "previous", "first.up", show=False),
        bind("space,right,left", "other", "another choice", "first.other", "the other choice of this line"),
        bind("e", "edit", "change", "first.edit", "type a folder or other ports"),
        bind("escape", "leave_it", "back", "first.leave", "to the choices, or to Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._choices: Choices | None = None
        self._row = 0
        self._job: int | None = None

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="first-scroll"):
            yield Plain(loading("looking at this computer…"), id="first")

    def look_again(self) -> None:
        if self._choices is None:
            self.ask(
                self.services.server.survey, self._surveyed, lambda error: self._page(failure(error)), group="survey"
            )
        else:
            self._draw_page()

    def action_refresh_now(self) -> None:
        if self._view() is None:
            self._choices = None
            self._page(loading("looking at this computer…"))
            self.look_again()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def _surveyed(self, survey: SurveyReport) -> None:
        self._choices = Choices.recommended(survey)
        self._draw_page()
        self.refresh_bindings()

    def _view(self) -> JobView | None:
        return None if self._job is None else self.admin.jobs.view(self._job)

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        if view.id == self._job:
            self._draw_page()
            self.refresh_bindings()

    def _page(self, content: Content) -> None:
        self.query_one("#first", Plain).update(content)

    def _draw_page(self) -> None:
        if not self.is_mounted or self._choices is None:
            return
        view = self._view()
        width = max(40, self.size.width - 6)
        self._page(choosing(self._choices, self._row, width) if view is None else starting(view, width))

    # keys

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def choosing() -> bool:
            return self._view() is None and self._choices is not None

        def idle() -> bool:
            view = self._view()
            return self._choices is not None and (view is None or not view.running)

        asked = dict.fromkeys(("move", "other", "edit"), choosing)
        return asked | {"start": idle, "refresh_now": lambda: self._view() is None}

    def action_move(self, by: int) -> None:
        self._row = (self._row + by) % len(ROWS)
        self._draw_page()

    def action_other(self) -> None:
        choices = self._choices
        if choices is None:
            return
        match ROWS[self._row]:
            case "engine":
                self._choices = replace(
                    choices, runtime="native" if choices.runtime == "docker" else "docker", storage=""
                )
            case "key":
                self._choices = replace(choices, generate_key=not choices.generate_key)
            case "data" if choices.storage:
                self._choices = replace(choices, storage="")
            case _:
                self.action_edit()
        self._draw_page()

    def action_edit(self) -> None:
        choices = self._choices
        if choices is None:
            return
        match ROWS[self._row]:
            case "data":
                dialog = InputDialog(
                    "A folder for the data",
                    "On this computer's own disk; it is created if it is missing.",
                    value=choices.storage,
                )
                self.app.push_screen(dialog, self._folder)
            case "address":
                ask = InputDialog(
                    "The port for REST", "gRPC takes the one after it.", value=str(choices.port), check=_port_trouble
                )
                self.app.push_screen(ask, self._port)
            case _:
                self.action_other()

    def _folder(self, value: str | None) -> None:
        if value is not None and self._choices is not None:
            self._choices = replace(self._choices, storage=value.strip())
            self._draw_page()

    def _port(self, value: str | None) -> None:
        if value is not None and self._choices is not None:
            self._choices = replace(self._choices, port=int(value), grpc_port=int(value) + 1)
            self._draw_page()

    def action_leave_it(self) -> None:
        view = self._view()
        if view is not None and view.failure is not None:
            self._job = None
            self._draw_page()
            self.refresh_bindings()
        else:
            self.app.pop_screen()

    def action_start(self) -> None:
        view, choices = self._view(), self._choices
        if choices is None or (view is not None and view.running):
            return
        if view is not None and view.state == "done":
            self.app.pop_screen()
            return
        view = self.run_job("up", "start your Qdrant", partial(self.services.server.set_up, choices.options()))
        if view is not None:
            self._job = view.id
            self._draw_page()
            self.refresh_bindings()


def _port_trouble(value: str) -> str:
    return "" if value.isdigit() and 1 <= int(value) <= 65534 else "a number from 1 to 65534"


def choosing(choices: Choices, row: int, width: int) -> Content:
    rows = [look.text("Welcome. Let’s get you a Qdrant that survives.", "bold"), Content("")]
    lines = {"engine": _engine(choices), "data": _data(choices), "address": _address(choices), "key": _key(choices)}
    heads = {"engine": "Engine", "data": "Keep data", "address": "Address", "key": "API key"}
    for index, name in enumerate(ROWS):
        chosen = index == row
        value, detail = lines[name]
        marker = look.text("› " if chosen else "  ", look.KEY)
        head = look.fit(look.text(heads[name], "bold" if chosen else look.MUTED), 12)
        rows.append(look.cut(look.line(marker, head, value), width))
        rows += [look.line(" " * 14, part) for part in detail.wrap(max(20, width - 14))]
        rows.append(Content(""))
    return look.lines(*rows)


def _good(value: str) -> Content:
    return look.line(look.symbol("ok"), " ", value)


def _engine(choices: Choices) -> tuple[Content, Content]:
    survey = choices.survey
    if choices.runtime == "docker":
        if survey.engine:
            return _good(survey.engine), look.muted(f"image {survey.image}  (or: a native process)")
        fix = f"; try: {survey.engine_fix}" if survey.engine_fix else ""
        return look.state("fail", "no container engine answers"), look.muted(f"{survey.engine_trouble}{fix}")
    if survey.native:
        return _good("native process"), look.muted(f"{survey.native}  (or: Docker)")
    if survey.native_possible:
        return _good("native process"), look.muted("the binary is fetched and its digest checked  (or: Docker)")
    return look.state("warn", "native process"), look.muted("no binary was found: install qdrant, or choose Docker")


def _data(choices: Choices) -> tuple[Content, Content]:
    survey = choices.survey
    if choices.storage:
        return _good(f"folder {choices.storage}"), look.muted("(or: the recommended place)")
    free = f", {formatting.size(survey.free_bytes)} free" if survey.free_bytes is not None else ""
    if survey.storage_kind == "volume" and choices.runtime == "docker":
        return _good(f"named volume {survey.storage}"), look.muted(f"recommended{free}  (or: a folder of yours)")
    if survey.storage_kind in {"bind", "directory"} and choices.runtime == survey.recommended:
        return _good(f"folder {survey.storage}"), look.muted(f"recommended{free}  (or: another folder)")
    where = "a named volume" if choices.runtime == "docker" else "qdrant-admin’s own folder"
    return _good(where), look.muted("recommended  (or: a folder of yours)")


def _address(choices: Choices) -> tuple[Content, Content]:
    survey = choices.survey
    note = f"gRPC on {choices.grpc_port}"
    if not survey.port_free and choices.port != survey.port:
        holder = f" by {survey.port_holder}" if survey.port_holder else ""
        note += f"; {survey.port} is taken{holder}"
    return _good(f"{survey.host}:{choices.port}, only this computer"), look.muted(f"{note}  (or: other ports)")


def _key(choices: Choices) -> tuple[Content, Content]:
    if choices.generate_key:
        return _good("a new one, kept safe for you"), look.muted("you can copy it with e on Home  (or: none)")
    return look.state("warn", "none"), look.muted(
        "any web page open on this computer could read and delete everything  (or: a new one)"
    )


def starting(view: JobView, width: int) -> Content:
    rows = [
        look.title("Starting" if view.running else "Started" if view.state == "done" else "Not started"),
        Content(""),
    ]
    rows += [look.cut(row, width) for row in running.steps(view)]
    progress = view.latest
    if view.running and progress is not None:
        rows += running.bar_below(progress, width)
        if progress.note:
            rows.append(look.line("    ", look.muted(progress.note)))
    rows += [look.line("  ", look.symbol("warn" if n.level != "info" else "ok"), " ", n.text) for n in view.notices]
    if view.failure is not None:
        rows += [
            Content(""),
            failure(view.failure, ("enter", "try again", "screen.start"), ("esc", "back", "screen.leave_it")),
        ]
    elif view.report is not None:
        rows += [Content(""), *ready(view)]
    return look.lines(*rows)


def ready(view: JobView) -> list[Content]:
    rows = [
        look.line(look.state(view.verdict, "Your Qdrant is ready."), "  ", view.report.summary() if view.report else "")
    ]
    next_keys = look.keys(("enter", "home", "screen.start"), ("3", "bring your data", "app.go('migrate')"))
    return [*rows, Content(""), next_keys]
