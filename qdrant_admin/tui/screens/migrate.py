"""Migrate: how far, how fast, can I trust it? Choose a source, read the plan, watch the run, read the verdict."""

from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, DataTable, Input, OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import words
from qdrant_admin.core.events import Event, Progress
from qdrant_admin.migration.reports import ConflictPolicy, MigrationReport, PlanReport
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.migrate_draw import (
    plan_details,
    plan_table,
    result_details,
    result_sentence,
    result_table,
)
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import failure, loading
from qdrant_admin.tui.widgets.verdict import Verdict

if TYPE_CHECKING:
    from qdrant_admin.migration.checkpoint import UnfinishedRun

KINDS = (
    ("chroma:FOLDER", "a Chroma directory, 0.4 to 1.5"),
    ("chroma+http://HOST:PORT", "a Chroma server"),
    ("qdrant-local:FOLDER", "an embedded Qdrant, QdrantClient(path=...)"),
    ("qdrant+http://HOST:PORT", "another Qdrant server"),
)
POLICIES: tuple[tuple[ConflictPolicy, str], ...] = (
    ("fail", "a target that holds points stops the migration before it begins"),
    ("skip", "a collection whose target holds points is left out"),
    ("overwrite", "points of the same id are written over, others stay"),
    ("rename", "a target that exists stays as it is; a new name is taken"),
)
SAMPLES = 60


class MigrateScreen(BaseScreen):
    """Choose, plan, run, result: one at a time."""

    SECTION = "migrate"
    HELP_TEXT = (
        "Moves vectors in from elsewhere. The plan comes first; after the copy every point is compared with its "
        "source, and only then is it called verified. The source is never written to."
    )
    DRAWS_JOBS = frozenset({"plan", "migrate"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+o", "browse", "browse folders", id="migrate.browse", tooltip="choose a folder", priority=True),
        Binding("s", "start", "start", id="migrate.start", tooltip="do what the plan says"),
        Binding(
            "o", "policy", "conflict policy", id="migrate.policy", tooltip="what happens when a target holds points"
        ),
        Binding("p", "hold", "pause or go on", id="migrate.hold", tooltip="hold the copy, or let it go on"),
        Binding(
            "x",
            "cancel",
            "stop",
            id="migrate.cancel",
            tooltip="stop; it can be taken up again",
        ),
        Binding("v", "verify", "restart and verify", id="migrate.verify", tooltip="prove that it survives a restart"),
        Binding("a", "again", "another one", id="migrate.again", tooltip="choose a source"),
        Binding("e", "export", "export report", id="migrate.export", tooltip="write the report to a JSON file"),
        Binding("escape", "leave", "back", id="migrate.back", tooltip="back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._policy = 0
        self._plan: PlanReport | None = None
        self._report: MigrationReport | None = None
        self._runs: list[UnfinishedRun] = []
        self._rates: deque[float] = deque(maxlen=SAMPLES)

    def compose_body(self) -> ComposeResult:
        """One pane for each state."""
        with ContentSwitcher(initial="migrate-choose"):
            with Vertical(id="migrate-choose"):
                yield Plain(look.text("Where are your vectors now?", "bold"), classes="heading")
                yield Input(placeholder="chroma:~/memories/chroma", id="migrate-source")
                kinds = [look.line((f"{uri:<26}", "$text-accent"), look.muted(says)) for uri, says in KINDS]
                yield Plain(look.lines(*kinds), id="migrate-kinds")
                yield Plain(
                    look.keys(("enter", "make a plan", ""), ("ctrl+o", "browse folders", "screen.browse")),
                    id="migrate-keys",
                )
                yield Plain(id="migrate-said")
                yield OptionList(id="migrate-runs", markup=False)
            with Vertical(id="migrate-plan"):
                yield Plain(id="plan-head", classes="heading")
                yield DataTable[object](id="plan-table", cursor_type="row")
                with VerticalScroll(id="plan-more"):
                    yield Plain(id="plan-details")
            with VerticalScroll(id="migrate-running"):
                yield Plain(id="migrate-progress")
            with Vertical(id="migrate-result"):
                yield Verdict(id="migrate-verdict")
                yield DataTable[object](id="result-table", cursor_type="row")
                with VerticalScroll(id="result-more"):
                    yield Plain(id="result-details")

    @property
    def pane(self) -> str:
        """The state in front: choose, plan, running or result."""
        return (self.query_one(ContentSwitcher).current or "").removeprefix("migrate-")

    def _front(self, pane: str, focus: str) -> None:
        self.query_one(ContentSwitcher).current = f"migrate-{pane}"
        self.query_one(focus).focus()
        self.refresh_bindings()

    def look_again(self) -> None:
        """Show a running migration where it is; otherwise offer what can be taken up again."""
        job = self.admin.jobs.latest("migrate")
        if job is not None and job.running:
            self._draw_running(job)
        elif self.pane == "running" and job is not None:
            self._ended(job)
        elif self.pane == "choose" and self.focused is None:
            self.query_one("#migrate-source").focus()
        self.ask(self.services.unfinished, self._offer, lambda _: None, group="unfinished")

    def _offer(self, runs: "list[UnfinishedRun]") -> None:
        self._runs = runs
        options = self.query_one("#migrate-runs", OptionList)
        options.display = bool(runs)
        options.clear_options()
        for run in runs:
            total = sum(plan.count for plan in run.plan.collections)
            when = words.ago(run.updated_at, self.services.now())
            told = f"stopped at {words.number(run.done)} of {words.number(total)}, {when}"
            head = look.line(look.symbol("paused"), (" take up again  ", "bold"), words.shorten(run.source, 60))
            options.add_option(Option(look.lines(head, look.line("  ", look.muted(told))), id=run.run))

    # choosing and planning

    @on(Input.Submitted, "#migrate-source")
    def _submitted(self) -> None:
        self._ask_for_plan()

    def _ask_for_plan(self) -> None:
        from qdrant_admin.migration.plan import PlanOptions

        source = self.query_one("#migrate-source", Input).value.strip()
        if not source:
            return
        options = PlanOptions(on_conflict=POLICIES[self._policy][0])
        said = loading("reading the source…")
        self.query_one("#migrate-said", Plain).update(said)
        self.run_job(
            "plan", f"plan {source}", lambda cancel: self.services.plan(source, options, cancel), touches="plan"
        )

    def action_browse(self) -> None:
        """Choose a folder instead of typing it."""
        from textual_fspicker import SelectDirectory

        self.app.push_screen(
            SelectDirectory(Path.home(), title="Folder of a Chroma or of an embedded Qdrant"), self._picked
        )

    def _picked(self, folder: Path | None) -> None:
        if folder is None:
            return
        self.ask(partial(self.services.source_uri, folder), self._propose, group="detect")

    def _propose(self, uri: str) -> None:
        field = self.query_one("#migrate-source", Input)
        field.value = uri
        field.focus()
        field.cursor_position = len(uri)

    def action_policy(self) -> None:
        """The next conflict policy; the plan is made anew with it."""
        self._policy = (self._policy + 1) % len(POLICIES)
        self._ask_for_plan()

    def show_plan(self, plan: PlanReport) -> None:
        """What would be made of what, and every reason not to begin."""
        self._plan = plan
        self.query_one("#migrate-said", Plain).update(Content(""))
        policy, says = POLICIES[self._policy]
        change = look.key("o", "change", "screen.policy")
        head = [
            look.line((words.shorten(plan.source, 70), "bold"), look.muted("  →  "), (plan.target, "bold")),
            look.muted(plan.source_kind),
            look.line(
                ("conflicts  ", look.MUTED),
                (policy, "bold"),
                look.muted(f": {says}   "),
                change,
            ),
        ]
        self.query_one("#plan-head", Plain).update(look.lines(*head))
        plan_table(self.query_one("#plan-table", DataTable), plan, self.app.theme_variables)
        self.query_one("#plan-details", Plain).update(plan_details(plan))
        self._front("plan", "#plan-table" if plan.collections else "#plan-more")

    # running

    def action_start(self) -> None:
        """Do what the plan says."""
        plan = self._plan
        if plan is not None:
            self._run(f"migrate {plan.source}", plan)

    def _run(self, title: str, plan: PlanReport) -> None:
        self._plan = plan
        self._rates.clear()
        self.run_job("migrate", title, lambda cancel: self.services.migrate(plan, cancel), can_pause=True)

    @on(OptionList.OptionSelected, "#migrate-runs")
    def _resume(self, event: OptionList.OptionSelected) -> None:
        run = self._runs[event.option_index]
        self._plan = run.plan
        self._rates.clear()
        self.run_job(
            "migrate", f"migrate {run.source}", lambda cancel: self.services.resume(run, cancel), can_pause=True
        )

    def job_changed(self, view: JobView, events: tuple[Event, ...]) -> None:
        """Follow planning and copying."""
        if view.kind == "plan" and not view.running:
            self._planned(view)
        elif view.kind == "migrate":
            self._rates.extend(
                event.rate
                for event in events
                if isinstance(event, Progress) and event.rate is not None and not event.item
            )
            if view.running:
                self._draw_running(view)
            else:
                self._ended(view)

    def _planned(self, view: JobView) -> None:
        if isinstance(view.report, PlanReport):
            self.show_plan(view.report)
        elif view.failure is not None:
            said = self.query_one("#migrate-said", Plain)
            said.update(Content("") if view.failure.cancelled else failure(view.failure))
            self._front("choose", "#migrate-source")

    def _draw_running(self, view: JobView) -> None:
        if self.pane != "running":
            self._front("running", "#migrate-running")
        width = max(40, self.size.width - 6)
        order = [one.target for one in self._plan.collections if one.action != "skip"] if self._plan else []
        items = running.by_item(view.progress)
        if not set(order) & set(items):
            order = []
        word = {"paused": "paused", "stopping": "running"}.get(view.state, "running")
        head = look.line(look.symbol(word), " ", (view.title, "bold"), "   ", look.muted(words.duration(view.seconds)))
        label = running.label_width([*order, *items, "points/s"], width)
        groups = [[head], running.bars(items, width, order=order), self._whole(view, width, label), running.steps(view)]
        groups.append(running.notices(view))
        shown = Content("\n\n").join([look.lines(*group) for group in groups if group])
        self.query_one("#migrate-progress", Plain).update(shown)

    def _whole(self, view: JobView, width: int, label: int) -> list[Content]:
        shown = running.whole(view.progress)
        if shown is None:
            return []
        rows = [running.bar_row("all", shown, label, width)]
        if self._rates:
            plot = look.spark(list(self._rates), min(SAMPLES, max(12, width - 40)))
            told = f"  {words.rate(self._rates[-1])} now   {words.rate(max(self._rates))} peak"
            rows.append(look.line(look.fit(look.muted("points/s"), label + 2), plot, look.muted(told)))
        return rows

    # the result

    def _ended(self, view: JobView) -> None:
        if isinstance(view.report, MigrationReport):
            self.show_report(view.report)
            return
        if view.failure is None:
            return
        self._report = None
        self.query_one("#result-table").display = False
        verdict, details = self.query_one(Verdict), self.query_one("#result-details", Plain)
        if view.failure.cancelled:
            verdict.tell("cancelled", "Stopped. What was acknowledged stays; it can be taken up again where it was.")
            details.update(look.keys(("a", "choose: take it up again, or another one", "screen.again")))
        else:
            verdict.tell("failed", "The migration could not be finished. What was acknowledged stays.")
            details.update(failure(view.failure, ("a", "back to the choice", "screen.again")))
        self._front("result", "#result-more")

    def show_report(self, report: MigrationReport) -> None:
        """The verdict first, then each collection, then rejects and differences."""
        self._report = report
        evidence = [look.muted(" · ".join(part for part in (report.checks, report.summary()) if part))]
        self.query_one(Verdict).tell(report.verdict, result_sentence(report), *evidence)
        table = self.query_one("#result-table", DataTable)
        table.display = bool(report.collections)
        result_table(table, report, self.app.theme_variables)
        self.query_one("#result-details", Plain).update(result_details(report))
        self._front("result", "#result-table" if report.collections else "#result-more")

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Each state has its own keys."""
        job = self.admin.jobs.latest("migrate")
        busy = job is not None and job.running
        possible = {
            "browse": self.pane == "choose",
            "start": self.pane == "plan" and self._plan is not None and self._plan.exit_code == 0,
            "policy": self.pane == "plan",
            "hold": busy,
            "cancel": busy,
            "verify": self.pane == "result" and self._report is not None,
            "again": self.pane == "result",
            "export": self.pane == "result" and self._report is not None,
            "leave": self.pane in {"plan", "result"} or isinstance(self.focused, Input),
        }
        return possible.get(action, super().check_action(action, parameters))

    def action_hold(self) -> None:
        """Hold the copy, or let it go on."""
        job = self.admin.jobs.latest("migrate")
        if job is not None and job.running:
            view = self.admin.jobs.resume(job.id) if job.state == "paused" else self.admin.jobs.pause(job.id)
            self._draw_running(view)

    def action_cancel(self) -> None:
        """Stop at the next safe point."""
        job = self.admin.jobs.latest("migrate")
        if job is not None and job.running:
            self._draw_running(self.admin.jobs.cancel(job.id))

    def action_verify(self) -> None:
        """Go and prove that it survives a restart."""
        self.admin.action_go("verify")

    def action_again(self) -> None:
        """Choose a source."""
        self._plan = self._report = None
        self._front("choose", "#migrate-source")
        self.look_again()

    def action_leave(self) -> None:
        """Out of the field, so that the number keys are keys again; elsewhere back to the choice."""
        if self.pane == "choose":
            self.set_focus(None)
        else:
            self.action_again()

    def action_export(self) -> None:
        """Write the report to a file."""
        report = self._report
        if report is not None:
            self.ask(partial(self.services.export, report, f"migration-{report.run}"), self._exported, group="export")

    def _exported(self, path: object) -> None:
        self.notify(f"written to {path}", markup=False)
