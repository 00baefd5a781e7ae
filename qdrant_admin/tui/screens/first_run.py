"""The first run: three choices and a key, each with a good default, then a server that is ready."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from qdrant_admin.core import formatting
from qdrant_admin.lifecycle.reports import SurveyReport
from qdrant_admin.lifecycle.up import UpOptions
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.dialogs import InputDialog, whole_number
from qdrant_admin.tui.widgets.panels import failure, loading

ROWS = ("engine", "data", "address", "key")


class FirstRunScreen(BaseScreen):
    """Engine found? Where is the data kept? Which address? With a key? Then start, step by step, until it is ready."""

    SECTION = "home"
    HELP_TEXT = "Set up a Qdrant that survives: each choice has a good default, enter starts it."
    DRAWS_JOBS = frozenset({"up"})
    BINDINGS = [
        bind("enter", "start", "continue", "first.start", "set up as shown and start; then go Home"),
        bind("down,j", "move(1)", "next", "first.down", show=False),
        bind("up,k", "move(-1)", "previous", "first.up", show=False),
        bind("space,right,left", "other", "another choice", "first.other", "the other choice of this line"),
        bind("e", "edit", "change", "first.edit", "type a folder or other ports"),
        bind("escape", "leave_it", "back", "first.leave", "to the choices, or to Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._survey: SurveyReport | None = None
        self._chosen = UpOptions()
        self._row = 0
        self._job: int | None = None

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(id="first-scroll"):
            yield Plain(loading("looking at this computer…"), id="first")

    def look_again(self) -> None:
        if self._survey is not None:
            self._draw_page()
            return
        survey = self.services.survey
        self.ask(survey, self._surveyed, lambda error: self._page(failure(error)), group="survey")

    def action_refresh_now(self) -> None:
        if self._view() is None:
            self._survey = None
            self._page(loading("looking at this computer…"))
            self.look_again()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._draw_page)

    def _surveyed(self, survey: SurveyReport) -> None:
        self._survey = survey
        self._choose(
            runtime="native" if survey.recommended == "native" else "docker",
            port=survey.next_port,
            grpc_port=survey.next_grpc_port,
            storage=None,
            api_key="auto",
        )

    def _choose(self, **changes: Any) -> None:
        self._chosen = replace(self._chosen, **changes)
        self._redraw()

    def _redraw(self) -> None:
        self._draw_page()
        self.refresh_bindings()

    def _view(self) -> JobView | None:
        return None if self._job is None else self.admin.jobs.view(self._job)

    def job_changed(self, view: JobView) -> None:
        if view.id == self._job:
            self._redraw()

    def _page(self, content: Content) -> None:
        self.query_one("#first", Plain).update(content)

    def _draw_page(self) -> None:
        if not self.is_mounted or self._survey is None:
            return
        view, width = self._view(), max(40, self.size.width - 6)
        choices = choosing(self._chosen, self._survey, self._row, width)
        self._page(choices if view is None else starting(view, width))

    # keys

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def choosing() -> bool:
            return self._view() is None and self._survey is not None

        asked = dict.fromkeys(("move", "other", "edit"), choosing)
        return asked | {"start": lambda: self._idle, "refresh_now": lambda: self._view() is None}

    @property
    def _idle(self) -> bool:
        view = self._view()
        return self._survey is not None and (view is None or not view.running)

    def action_move(self, by: int) -> None:
        self._row = (self._row + by) % len(ROWS)
        self._draw_page()

    def action_other(self) -> None:
        chosen = self._chosen
        match ROWS[self._row]:
            case "engine":
                self._choose(runtime="native" if chosen.runtime == "docker" else "docker", storage=None)
            case "key":
                self._choose(api_key=None if chosen.api_key else "auto")
            case "data" if chosen.storage:
                self._choose(storage=None)
            case _:
                self.action_edit()

    def action_edit(self) -> None:
        def folder(value: str | None) -> None:
            if value is not None:
                self._choose(storage=Path(value.strip()) if value.strip() else None)

        def port(value: str | None) -> None:
            if value is not None:
                self._choose(port=int(value), grpc_port=int(value) + 1)

        match ROWS[self._row]:
            case "data":
                body = "On this computer's own disk; it is created if it is missing."
                shown = str(self._chosen.storage or "")
                self.app.push_screen(InputDialog("A folder for the data", body, value=shown), folder)
            case "address":
                body, shown = "gRPC takes the one after it.", str(self._chosen.port)
                check = whole_number(1, 65534)
                self.app.push_screen(InputDialog("The port for REST", body, value=shown, check=check), port)
            case _:
                self.action_other()

    def action_leave_it(self) -> None:
        view = self._view()
        if view is not None and view.failure is not None:
            self._job = None
            self._redraw()
        else:
            self.app.pop_screen()

    def action_start(self) -> None:
        view = self._view()
        if not self._idle:
            return
        if view is not None and view.state == "done":
            self.app.pop_screen()
            return
        view = self.run_job("up", "start your Qdrant", partial(self.services.set_up, self._chosen))
        if view is not None:
            self._job = view.id
            self._redraw()


def choosing(chosen: UpOptions, survey: SurveyReport, row: int, width: int) -> Content:
    rows = [look.text("Welcome. Let’s get you a Qdrant that survives.", "bold"), Content("")]
    lines = (
        ("Engine", _engine(chosen, survey)),
        ("Keep data", _data(chosen, survey)),
        ("Address", _address(chosen, survey)),
        ("API key", _key(chosen)),
    )
    for index, (name, (value, detail)) in enumerate(lines):
        marker = look.text("› " if index == row else "  ", look.KEY)
        head = look.fit(look.text(name, "bold" if index == row else look.MUTED), 12)
        rows.append(look.cut(look.line(marker, head, value), width))
        rows += [look.line(" " * 14, part) for part in detail.wrap(max(20, width - 14))]
        rows.append(Content(""))
    return look.lines(*rows)


def _good(value: str) -> Content:
    return look.line(look.symbol("ok"), " ", value)


def _engine(chosen: UpOptions, survey: SurveyReport) -> tuple[Content, Content]:
    if chosen.runtime == "docker":
        if survey.engine:
            return _good(survey.engine), look.muted(f"image {survey.image}  (or: a native process)")
        fix = f"; try: {survey.engine_fix}" if survey.engine_fix else ""
        return look.state("fail", "no container engine answers"), look.muted(f"{survey.engine_trouble}{fix}")
    if survey.native:
        return _good("native process"), look.muted(f"{survey.native}  (or: Docker)")
    if survey.native_possible:
        return _good("native process"), look.muted("the binary is fetched and its digest checked  (or: Docker)")
    return look.state("warn", "native process"), look.muted("no binary was found: install qdrant, or choose Docker")


def _data(chosen: UpOptions, survey: SurveyReport) -> tuple[Content, Content]:
    if chosen.storage:
        return _good(f"folder {chosen.storage}"), look.muted("(or: the recommended place)")
    free = f", {formatting.size(survey.free_bytes)} free" if survey.free_bytes is not None else ""
    if survey.storage_kind == "volume" and chosen.runtime == "docker":
        return _good(f"named volume {survey.storage}"), look.muted(f"recommended{free}  (or: a folder of yours)")
    if survey.storage_kind in {"bind", "directory"} and chosen.runtime == survey.recommended:
        return _good(f"folder {survey.storage}"), look.muted(f"recommended{free}  (or: another folder)")
    where = "a named volume" if chosen.runtime == "docker" else "qdrant-admin’s own folder"
    return _good(where), look.muted("recommended  (or: a folder of yours)")


def _address(chosen: UpOptions, survey: SurveyReport) -> tuple[Content, Content]:
    note = f"gRPC on {chosen.grpc_port}"
    if not survey.port_free and chosen.port != survey.port:
        holder = f" by {survey.port_holder}" if survey.port_holder else ""
        note += f"; {survey.port} is taken{holder}"
    return _good(f"{survey.host}:{chosen.port}, only this computer"), look.muted(f"{note}  (or: other ports)")


def _key(chosen: UpOptions) -> tuple[Content, Content]:
    if chosen.api_key:
        return _good("a new one, kept safe for you"), look.muted("you can copy it with e on Home  (or: none)")
    danger = "any web page open on this computer could read and delete everything  (or: a new one)"
    return look.state("warn", "none"), look.muted(danger)


def starting(view: JobView, width: int) -> Content:
    head = "Starting" if view.running else "Started" if view.state == "done" else "Not started"
    rows = [look.title(head), Content(""), *[look.cut(row, width) for row in running.steps(view)]]
    progress = view.latest
    if view.running and progress is not None:
        rows += running.bar_below(progress, width)
        rows += [look.line("    ", look.muted(progress.note))] if progress.note else []
    rows += [look.line("  ", look.symbol("warn" if n.level != "info" else "ok"), " ", n.text) for n in view.notices]
    if view.failure is not None:
        hints = ("enter", "try again", "screen.start"), ("esc", "back", "screen.leave_it")
        rows += [Content(""), failure(view.failure, *hints)]
    elif view.report is not None:
        ready = look.line(look.state(view.verdict, "Your Qdrant is ready."), "  ", view.report.summary())
        next_keys = look.keys(("enter", "home", "screen.start"), ("3", "bring your data", "app.go('migrate')"))
        rows += [Content(""), ready, Content(""), next_keys]
    return look.lines(*rows)
