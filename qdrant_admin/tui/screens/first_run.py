"""The first run: three choices and a key, each with a good default, then a server that is ready."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.core.events import Event
from qdrant_admin.lifecycle.reports import SurveyReport
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.dialogs import InputDialog, step_row
from qdrant_admin.tui.widgets.bars import Plain
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
        """The good defaults of this machine."""
        runtime: Literal["docker", "native"] = "native" if survey.recommended == "native" else "docker"
        return cls(runtime, "", survey.next_port, survey.next_grpc_port, survey=survey)

    def changes(self) -> dict[str, object]:
        """What is written into the profile."""
        written: dict[str, object] = {"runtime": self.runtime, "port": self.port, "grpc_port": self.grpc_port}
        if self.storage:
            written["storage"] = str(Path(self.storage).expanduser().absolute())
        return written


class FirstRunScreen(BaseScreen):
    """Engine found? Where is the data kept? Which address? With a key? Then start, step by step, until it is ready."""

    SECTION = "home"
    HELP_TEXT = "Set up a Qdrant that survives: each choice has a good default, enter starts it."
    DRAWS_JOBS = frozenset({"up"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "start", "go on", id="first.start", tooltip="set up as shown and start; then go Home"),
        Binding("down,j", "move(1)", "next", id="first.down", show=False),
        Binding("up,k", "move(-1)", "previous", id="first.up", show=False),
        Binding(
            "space,right,left", "other", "another choice", id="first.other", tooltip="the other choice of this line"
        ),
        Binding("e", "edit", "change", id="first.edit", tooltip="type a folder or other ports"),
        Binding("escape", "leave_it", "back", id="first.leave", tooltip="to the choices, or to Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._choices: Choices | None = None
        self._row = 0
        self._job: int | None = None
        self._key_where = ""

    def compose_body(self) -> ComposeResult:
        """One page of text."""
        with VerticalScroll(id="first-scroll"):
            yield Plain(loading("looking at this computer…"), id="first")

    def look_again(self) -> None:
        """Survey the machine, unless choices are being made or it runs already."""
        if self._choices is None:
            self.ask(self.services.survey, self._surveyed, lambda error: self._page(failure(error)), group="survey")
        else:
            self._draw_page()

    def action_refresh_now(self) -> None:
        """Survey anew, for when an engine was just started."""
        if self._view() is None:
            self._choices = None
            self._page(loading("looking at this computer…"))
            self.look_again()

    def on_resize(self) -> None:
        """Lay out anew."""
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def _surveyed(self, survey: SurveyReport) -> None:
        self._choices = Choices.recommended(survey)
        self._draw_page()
        self.refresh_bindings()

    def _view(self) -> JobView | None:
        return None if self._job is None else self.admin.jobs.view(self._job)

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        """Show the steps of our own job."""
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
        self._page(
            choosing(self._choices, self._row, width) if view is None else starting(view, self._key_where, width)
        )

    # keys

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        """Choices can be made before the start only."""
        view = self._view()
        if action in {"move", "other", "edit"}:
            return view is None and self._choices is not None
        if action == "start":
            return self._choices is not None and (view is None or not view.running)
        return not (action == "refresh_now" and view is not None)

    def action_move(self, by: int) -> None:
        """To another line."""
        self._row = (self._row + by) % len(ROWS)
        self._draw_page()

    def action_other(self) -> None:
        """The other choice of this line."""
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
        """Type a folder, or ports."""
        choices = self._choices
        if choices is None:
            return
        match ROWS[self._row]:
            case "data":
                dialog = InputDialog(
                    "A folder for the data",
                    "On this computer's own disk; it is made if it is not there.",
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
        """After a failure back to the choices, else back to Home. A start that is under way goes on."""
        view = self._view()
        if view is not None and view.failure is not None:
            self._job = None
            self._draw_page()
            self.refresh_bindings()
        else:
            self.app.pop_screen()

    def action_start(self) -> None:
        """Write the profile, make the key, start the server; once it is ready, go Home."""
        view, choices = self._view(), self._choices
        if choices is None or (view is not None and view.running):
            return
        if view is not None and view.state == "done":
            self.app.pop_screen()
            return
        services = self.services

        def prepare() -> str:
            services.save_profile(services.profile, choices.changes())
            return services.add_key() if choices.generate_key and not choices_have_key(services.settings) else ""

        self.ask(
            prepare,
            self._prepared,
            lambda error: self._page(failure(error, ("esc", "back", "screen.leave_it"))),
            group="prepare",
        )

    def _prepared(self, key_where: str) -> None:
        self._key_where = key_where or self._key_where
        view = self.run_job("up", "start your Qdrant", self.services.up)
        if view is not None:
            self._job = view.id
            self._draw_page()
            self.refresh_bindings()


def choices_have_key(settings: "Callable[[], object]") -> bool:
    """Whether the profile has a key already: a second start must not make a second one."""
    return getattr(settings(), "api_key", None) is not None


def _port_trouble(value: str) -> str:
    return "" if value.isdigit() and 1 <= int(value) <= 65534 else "a number from 1 to 65534"


def choosing(choices: Choices, row: int, width: int) -> Content:
    """The page before the start."""
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


def starting(view: JobView, key_where: str, width: int) -> Content:
    """The page from the start on: live steps, and how it ended."""
    rows = [
        look.title("Starting" if view.running else "Started" if view.state == "done" else "Not started"),
        Content(""),
    ]
    rows += [look.cut(step_row(step.title, step.outcome, step.detail), width) for step in view.steps]
    progress = view.latest
    if view.running and progress is not None:
        if progress.total:
            figures = [
                formatting.percent(progress.done, progress.total),
                formatting.rate(progress.rate, progress.unit),
                formatting.left(progress.seconds_left),
            ]
            bar = look.bar(progress.done, progress.total, min(40, width // 2))
            rows.append(look.line("    ", bar, "  ", look.muted("  ".join(part for part in figures if part))))
        if progress.note:
            rows.append(look.line("    ", look.muted(progress.note)))
    rows += [look.line("  ", look.symbol("warn" if n.level != "info" else "ok"), " ", n.text) for n in view.notices]
    if view.failure is not None:
        rows += [
            Content(""),
            failure(view.failure, ("enter", "try again", "screen.start"), ("esc", "back", "screen.leave_it")),
        ]
    elif view.report is not None:
        rows += [Content(""), *ready(view, key_where)]
    return look.lines(*rows)


def ready(view: JobView, key_where: str) -> list[Content]:
    """The good end, and what to do next."""
    rows = [
        look.line(look.state(view.verdict, "Your Qdrant is ready."), "  ", view.report.summary() if view.report else "")
    ]
    if key_where:
        rows.append(look.muted(f"Its API key is kept in {key_where}."))
    next_keys = look.keys(("enter", "home", "screen.start"), ("3", "bring your data", "app.go('migrate')"))
    return [*rows, Content(""), next_keys]
