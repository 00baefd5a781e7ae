"""Migrate: how far, how fast, can I trust it? Choose a source, change the plan, watch the run, read the verdict."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import DataTable, Input, OptionList

from qdrant_admin.core import formatting
from qdrant_admin.migration import messages
from qdrant_admin.migration.reports import MigrationReport, PlanReport, Reject
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.migrate.choose import ChoosePane, PastPane, PastRun
from qdrant_admin.tui.screens.migrate.plan import PlanEdits, PlanPane
from qdrant_admin.tui.screens.migrate.run import GROUPS, MigrationResult, RejectsDialog, picture
from qdrant_admin.tui.widgets.bars import bind
from qdrant_admin.tui.widgets.panels import LiveGroups, failure, loading

if TYPE_CHECKING:
    from qdrant_admin.migration.plan import PlanOptions


RUNS_LISTED = 500


class MigrateScreen(PlanEdits):
    """Choose, plan, run, result, and what was done before: one at a time."""

    SECTION = "migrate"
    HELP_TEXT = (
        "Moves vectors in from elsewhere. The plan comes first and can be changed; after the copy every point is "
        "compared with its source, and only then is it called verified. The source is never written to."
    )
    KINDS = ("migrate",)
    DRAWS_JOBS = frozenset({"plan", "migrate"})
    FOCUS = {"choose": "#migrate-source", "running": "#migrate-running", "past": "#past-table"}
    BINDINGS = [
        bind("ctrl+o", "browse", "browse folders", "migrate.browse", "choose a folder", priority=True),
        bind("ctrl+f", "browse_files", "browse files", "migrate.browse_files", "choose a file", priority=True),
        bind("s", "start", "start", "migrate.start", "do what the plan says"),
        bind("c", "change", "change how", "migrate.change", "change how everything is moved"),
        bind("n", "change_one", "change one", "migrate.change_one", "name and policy of a collection"),
        bind("space", "exclude", "exclude", "migrate.exclude", "leave this collection out"),
        bind("space", "include", "include", "migrate.include", "include this collection again"),
        bind("o", "policy", "conflict policy", "migrate.policy", "what happens when a target holds points"),
        bind("p", "pause", "pause", "migrate.pause", "pause the copy"),
        bind("p", "resume", "resume", "migrate.resume", "resume the copy"),
        bind("x", "cancel", "stop", "migrate.cancel", "stop; the run can be resumed"),
        bind("d", "discard", "discard this run", "migrate.discard", "discard an interrupted run; what it copied stays"),
        bind("j", "rejects", "rejects", "migrate.rejects", "records that were not stored, and why"),
        bind("v", "verify", "restart and verify", "migrate.verify", "prove that it survives a restart"),
        bind("e", "export", "save report", "migrate.export", "save the report as Markdown and JSON"),
        bind("y", "copy", "copy", "migrate.copy", "copy the report as Markdown"),
        bind("a", "again", "migrate another", "migrate.again", "choose another source"),
        bind("h", "past", "history", "migrate.past", "earlier migrations"),
        bind("slash", "find", "filter", "migrate.find", "only runs that contain a text"),
        bind("escape", "leave", "back", "migrate.back", "back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._source = ""
        self._tried: PlanOptions | None = None
        """The options of the plan that is being made."""
        self._reopened = False

    def panes(self) -> tuple[Widget, ...]:
        return ChoosePane(), PlanPane(), LiveGroups(GROUPS, id="migrate-running"), MigrationResult(), PastPane()

    def look_again(self) -> None:
        job, entry = self.admin.jobs.latest("migrate"), self.admin.take_entry("migrate")
        if entry is not None:
            self._open(entry)
        elif job is not None and job.running and self.pane not in {"past", "result"}:
            self._draw_running(job)
        elif self.pane == "running" and job is not None:
            self._ended(job)
        elif self.pane == "choose" and self.focused is None:
            self.query_one("#migrate-source").focus()
        offer, now = self.query_one(ChoosePane).offer, self.services.now()
        self.ask(self.services.unfinished, lambda runs: offer(runs, now), lambda _: None, group="unfinished")
        if self.pane == "past":
            self._list_past()

    # choosing

    @on(Input.Submitted, "#migrate-source")
    def _submitted(self) -> None:
        from qdrant_admin.migration.plan import PlanOptions

        self._source = self.query_one("#migrate-source", Input).value.strip()
        self._options = None
        if self._source:
            self.ask_for_plan(PlanOptions())

    def action_browse(self) -> None:
        from textual_fspicker import SelectDirectory

        self.app.push_screen(SelectDirectory(Path.home(), title="The folder with the vectors"), self._picked)

    def action_browse_files(self) -> None:
        from textual_fspicker import FileOpen

        self.app.push_screen(FileOpen(Path.home(), title="The file with the vectors"), self._picked)

    def _picked(self, path: Path | None) -> None:
        if path is not None:
            self.ask(partial(self.services.recognise, path), self.query_one(ChoosePane).found, group="detect")

    @on(OptionList.OptionSelected, "#migrate-runs")
    def _resume(self, event: OptionList.OptionSelected) -> None:
        run = self.query_one(ChoosePane).runs[event.option_index]
        self._plan, self._reopened = run.plan, False
        self.run_job("migrate", f"migrate {run.source}", partial(self.services.resume, run), can_pause=True)

    def action_discard(self) -> None:
        chosen = self.query_one("#migrate-runs", OptionList).highlighted
        if chosen is None:
            return
        run = self.query_one(ChoosePane).runs[chosen]
        body = "What it has copied stays and is indexed again. The run can no longer be resumed, only started again."

        discard = partial(self.services.discard, run)
        job = partial(self.run_job, "discard", f"discard {run.source}", discard)
        self.confirm("Discard this run?", body, "Discard", job)

    # planning

    def ask_for_plan(self, options: "PlanOptions") -> None:
        source, self._tried, self._plan = self._source, options, None
        if self.pane == "plan":
            self.query_one(PlanPane).planning()
        else:
            self.query_one(ChoosePane).say(loading("reading the source…"))
        self.run_job("plan", f"plan {source}", partial(self.services.plan, source, options), touches="plan")
        self.refresh_bindings()

    def _planned(self, view: JobView) -> None:
        if isinstance(view.report, PlanReport):
            self._options = self._tried
            self.show_plan(view.report)
        elif view.failure is not None and self.pane == "plan" and self.query_one(PlanPane).plan is not None:
            self.show_plan(self.query_one(PlanPane).plan)  # type: ignore[arg-type]  # looked at in the line above
            self.notify(view.failure.what, title="the plan is unchanged", severity="warning", markup=False)
        elif view.failure is not None:
            self.query_one(ChoosePane).say(Content("") if view.state == "cancelled" else failure(view.failure))
            self.front("choose")

    def show_plan(self, plan: PlanReport) -> None:
        self._plan = plan
        self.query_one(ChoosePane).say(Content(""))
        self.query_one(PlanPane).show(plan, self.services.profile)
        self.front("plan")

    # running

    def action_start(self) -> None:
        plan = self._plan
        if plan is None or not plan.ready:
            return
        destroys = messages.destroys(plan)
        if not destroys:
            self._run(plan)
            return
        body = f"{destroys[0].upper()}{destroys[1:]}. What is written over or deleted is gone."
        names = plan.overwrites or tuple(one.target for one in plan.taken)
        self.confirm("Change what is there?", body, "Continue", partial(self._run, plan), typed=names[0])

    def _run(self, plan: PlanReport) -> None:
        self._plan, self._reopened = plan, False
        migrate = partial(self.services.migrate, plan)
        self.run_job("migrate", f"migrate {plan.source}", migrate, can_pause=True)

    def job_changed(self, view: JobView) -> None:
        if view.kind == "plan" and not view.running:
            self._planned(view)
        elif view.kind == "migrate" and not view.running:
            self._ended(view)
        elif view.kind == "discard" and not view.running:
            self.look_again()
        elif view.kind == "migrate" and not (self._reopened or self.pane == "past"):
            self._draw_running(view)

    def _draw_running(self, view: JobView) -> None:
        self.live().draw(picture(view, self._plan, self.size))

    # the result, and earlier ones

    def _ended(self, view: JobView) -> None:
        self._reopened = False
        if isinstance(view.report, MigrationReport):
            self.show_report(view.report)
        elif view.failure is not None:
            self.query_one(MigrationResult).show_failure(view.failure)
            self.front("result")

    def show_report(self, report: MigrationReport, told: str = "") -> None:
        self.query_one(MigrationResult).show(report, self.services.profile, told)
        self.front("result")

    def reopen(self, run: PastRun) -> None:
        entry, report = run
        self._reopened = True
        self.show_report(report, formatting.clock(entry.started_at, self.services.now()))

    def _open(self, entry: HistoryEntry) -> None:
        def read() -> PastRun:
            return entry, self.services.stored(entry, MigrationReport)

        self._reopened = True
        self.ask(read, self.reopen, group="reopen")

    def _list_past(self) -> None:
        runs, show = partial(self.services.migrations, RUNS_LISTED), self.query_one(PastPane).show
        self.ask(runs, lambda found: show(found, self.services.now()), group="past")

    @on(DataTable.RowSelected, "#past-table")
    def _past_chosen(self) -> None:
        run = self.query_one(PastPane).here
        if run is not None:
            self.reopen(run)

    # keys

    def _rejects(self) -> list[Reject]:
        report, job = self.query_one(MigrationResult).report, self.admin.jobs.latest("migrate")
        if self.pane == "result" and report is not None:
            return list(report.rejects)
        return [Reject(collection="", id="", reason=notice.text) for notice in job.rejects] if job is not None else []

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        at, job = self.at, self.job

        def planned() -> bool:
            return self.pane == "plan" and self._plan is not None

        def listed() -> bool:
            return planned() and bool(self._plan and self._plan.collections)

        def copying() -> bool:
            return job is not None and self.pane == "running"

        def reported() -> bool:
            return self.pane == "result" and self.query_one(MigrationResult).report is not None

        return {
            "browse": at("choose"),
            "browse_files": at("choose"),
            "discard": lambda: self.pane == "choose" and getattr(self.focused, "id", "") == "migrate-runs",
            "start": lambda: planned() and job is None and bool(self._plan and self._plan.ready),
            "change": planned,
            "change_one": listed,
            "include": lambda: listed() and self.excluded,
            "exclude": lambda: listed() and not self.excluded,
            "policy": planned,
            "pause": lambda: copying() and job is not None and job.state != "paused",
            "resume": lambda: copying() and job is not None and job.state == "paused",
            "cancel": copying,
            "rejects": lambda: self.pane in {"running", "result"} and bool(self._rejects()),
            "verify": reported,
            "again": at("result", "past"),
            "export": reported,
            "copy": reported,
            "past": at("choose", "plan", "running", "result"),
            "find": at("past"),
            "leave": lambda: self.pane != "running" or job is None,
        }

    def _steer(self, change: Callable[[int], JobView]) -> None:
        if self.job is not None:
            self._draw_running(change(self.job.id))
            self.refresh_bindings()

    def action_pause(self) -> None:
        self._steer(self.admin.jobs.pause)

    def action_resume(self) -> None:
        self._steer(self.admin.jobs.resume)

    def action_cancel(self) -> None:
        self._steer(self.admin.jobs.cancel)

    def action_rejects(self) -> None:
        report = self.query_one(MigrationResult).report if self.pane == "result" else None
        file = report.reject_file if report is not None else None
        command = messages.replay(report) if report is not None else None
        self.app.push_screen(RejectsDialog(self._rejects(), file=file or "", command=str(command or "")))

    def action_verify(self) -> None:
        self.admin.action_go("verify")

    def action_again(self) -> None:
        self._reopened = False
        if self.job is not None:
            self._draw_running(self.job)
            return
        self._plan = None
        self.front("choose")
        self.look_again()

    def action_past(self) -> None:
        self.front("past")
        self._list_past()

    def action_find(self) -> None:
        self.query_one(PastPane).find()

    def action_leave(self) -> None:
        if self.pane == "choose":
            self.set_focus(None)
        elif self.pane == "past" and self.query_one(PastPane).clear():
            self.query_one("#past-table").focus()
        else:
            self.action_again()

    def action_export(self) -> None:
        report = self.query_one(MigrationResult).report
        if report is not None:
            write = partial(self.services.write_report, report)
            self.ask(write, lambda paths: self.notify("\n".join(map(str, paths)), title="saved", markup=False))

    def action_copy(self) -> None:
        from qdrant_admin.core.document import to_markdown
        from qdrant_admin.migration.messages import document

        report = self.query_one(MigrationResult).report
        if report is not None:
            self.app.copy_to_clipboard(to_markdown(document(report)))
            self.notify("the report is on the clipboard as Markdown", markup=False)
