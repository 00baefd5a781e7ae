"""Verify: will it all be there after a restart? Choose how, watch each step, read the verdict."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import ContentSwitcher, DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event
from qdrant_admin.persistence.reports import CrashReport, VerifyMethod, VerifyOptions, VerifyReport
from qdrant_admin.persistence.trends import TrendReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.verify.choose import (
    CRASH,
    ChoosePane,
    CollectionsDialog,
    Known,
    engine_question,
    in_turn,
    options_form,
)
from qdrant_admin.tui.screens.verify.choose import title as title_of
from qdrant_admin.tui.screens.verify.past import PastPane
from qdrant_admin.tui.screens.verify.result import CheckReport, ResultPane, moment
from qdrant_admin.tui.screens.verify.run import RunPane
from qdrant_admin.tui.services import PastCheck

CHECKS_READ = 100
KINDS = ("verify", CRASH)


class VerifyScreen(BaseScreen):
    """Choose, run, verdict, history: one at a time."""

    SECTION = "verify"
    HELP_TEXT = (
        "Proves that what is stored survives: reads every point, restarts the server, reads every point again and "
        "compares ids, payloads and vectors byte by byte. The crash test kills it while programs write, and looks for "
        "everything that it had acknowledged."
    )
    DRAWS_JOBS = frozenset(KINDS)
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "start", id="verify.start", tooltip="start the chosen check"),
        Binding("c", "collections", "collections", id="verify.collections", tooltip="all collections, or some of them"),
        Binding("o", "options", "options", id="verify.options", tooltip="every point or a sample; kills and writers"),
        Binding("l", "last", "last check", id="verify.last", tooltip="open the last check again"),
        Binding("d", "look_closer", "differences", id="verify.differences", tooltip="each point that differs"),
        Binding("a", "again", "run again", id="verify.again", tooltip="choose how and run again"),
        Binding("x", "cancel", "stop", id="verify.cancel", tooltip="stop the check; the server is brought back first"),
        Binding("h", "history", "history", id="verify.history", tooltip="earlier checks and their trends"),
        Binding("e", "export", "certificate", id="verify.export", tooltip="write the certificate: a page, and JSON"),
        Binding("b", "compare", "compare with now", id="verify.compare", tooltip="is everything still as it was then?"),
        Binding("escape", "leave", "back", id="verify.back", tooltip="back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._checks: list[PastCheck] | None = None
        self._trend: TrendReport | None = None
        self._unread = ""
        """Why the earlier checks could not be read."""
        self._way, self._reads_all = "none", True
        """What the check under way is; one that was begun elsewhere only looks."""
        self._from_history = False
        """Where the result in front was opened from."""

    def compose_body(self) -> ComposeResult:
        """One pane for each state."""
        with ContentSwitcher(initial="verify-choose"):
            yield ChoosePane()
            yield RunPane()
            yield ResultPane()
            yield PastPane()

    @property
    def pane(self) -> str:
        """The state in front: choose, running, result or history."""
        return (self.query_one(ContentSwitcher).current or "").removeprefix("verify-")

    def _front(self, pane: str, focus: str = "") -> None:
        self.query_one(ContentSwitcher).current = f"verify-{pane}"
        if focus:
            self.query_one(focus).focus()
        self.refresh_bindings()

    # the frame

    def look_again(self) -> None:
        """Show a running check where it is; otherwise what was proven last."""
        job, entry = self.admin.jobs.latest(*KINDS), self.admin.take_entry("verify")
        if job is not None and job.running:
            self._draw_running(job)
        elif entry is not None:
            self._open(entry)
        elif self.pane == "running" and job is not None:
            self._ended(job)
        elif self.pane == "choose":
            self.query_one("#verify-hows").focus()
        self._read_past()

    def _read_past(self) -> None:
        services = self.services
        self.ask(
            lambda: (services.checks(CHECKS_READ), services.trends(CHECKS_READ)),
            lambda past: self._remember(*past),
            self._cannot_read,
            group="history",
        )

    def _cannot_read(self, error: AdminError) -> None:
        self._unread = error.what
        self.server_changed()

    def _remember(self, checks: list[PastCheck], trend: TrendReport) -> None:
        self._checks, self._trend, self._unread = checks, trend, ""
        self.server_changed()
        self.refresh_bindings()
        if self.pane == "history":
            self.query_one(PastPane).show(checks, trend, self.services.now())

    def server_changed(self) -> None:
        """What would be read and interrupted, and what was proven before."""
        known = Known(
            self.services.now(),
            self.services.profile,
            self.admin.server.status,
            self._checks,
            self._trend,
            self._unread,
        )
        self.query_one(ChoosePane).show(known)

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        """Follow the check."""
        if view.kind not in KINDS:
            return
        if view.running:
            self._draw_running(view)
        else:
            self._ended(view)
            self._read_past()

    def on_resize(self) -> None:
        """Draw anew what is laid out for a width."""
        super().on_resize()
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        job = self.admin.jobs.latest(*KINDS)
        if self.pane == "running" and job is not None and job.running:
            self._draw_running(job)
        elif self.pane == "history":
            self.query_one(PastPane).show(self._checks or [], self._trend, self.services.now())
        elif self.pane == "result":
            self.query_one(ResultPane).lay_out()

    # choosing and running

    @on(ChoosePane.Started)
    def _started(self) -> None:
        self.action_start()

    def action_start(self) -> None:
        """Start the check under the cursor; where more than this server goes down, after a question."""
        way = self.query_one(ChoosePane).way.key
        if way == "engine":
            self.ask(self.services.interrupted_by_engine, self._ask_engine, group="engine")
        else:
            self._run(way)

    def _ask_engine(self, others: tuple[str, ...]) -> None:
        """Name what else goes down with the engine, and go on only after a yes."""

        def answered(sure: bool | None) -> None:
            if sure:
                self._run("engine")

        self.app.push_screen(engine_question(others), answered)

    def _run(self, way: str) -> None:
        asked, services = self.query_one(ChoosePane).asked, self.services
        self._way, self._reads_all = way, not asked.collections
        if way == CRASH:
            self.run_job(CRASH, title_of(way, asked), lambda cancel: services.crash_test(asked.crash(), cancel))
        else:
            options = asked.check(cast("VerifyMethod", way), confirmed=way == "engine")
            self.run_job("verify", title_of(way, asked), lambda cancel: services.verify(options, cancel))

    def _draw_running(self, view: JobView) -> None:
        if self.pane != "running":
            self._front("running", "#verify-running")
        status = self.admin.server.status
        made = in_turn(self._way, status.capabilities if status else None)
        points = status.points if status is not None and self._reads_all else None
        self.query_one(RunPane).show(view, made, points)

    def _ended(self, view: JobView) -> None:
        self._from_history = False
        if isinstance(view.report, CheckReport):
            self._show(view.report)
        elif view.failure is not None:
            self.query_one(ResultPane).show_failure(view.failure)
            self._front("result", "#verify-more")

    # results, new and old

    def _show(self, report: CheckReport) -> None:
        result = self.query_one(ResultPane)
        result.show(report, formatting.clock(report.at, self.services.now()), self._check_before(report))
        self._front("result", result.main)

    def _check_before(self, report: CheckReport) -> VerifyReport | None:
        """The newest restart-and-verify that was older."""
        proofs = (one.report for one in self._checks or () if isinstance(one.report, VerifyReport))
        return next((one for one in proofs if one.at < report.at), None)

    def _open(self, entry: HistoryEntry) -> None:
        kind = CrashReport if entry.operation == CRASH else VerifyReport
        self.ask(
            lambda: kind.model_validate_json(self.services.report_json(entry.id)),
            self._show,
            group="reopen",
        )

    @on(DataTable.RowSelected, "#verify-past")
    def _reopen(self) -> None:
        check = self.query_one(PastPane).here
        if check is not None:
            self._from_history = True
            self._show(check.report)

    @on(DataTable.RowHighlighted, "#verify-past")
    def _other_check(self) -> None:
        self.refresh_bindings()

    @on(DataTable.RowSelected, "#verify-table")
    def _row_selected(self) -> None:
        self.action_look_closer()

    @on(DataTable.RowHighlighted, "#verify-table")
    def _row_highlighted(self) -> None:
        self.refresh_bindings()

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Each state has its own keys."""
        if not self.is_mounted:
            return super().check_action(action, parameters)
        job, pane, result = self.admin.jobs.latest(*KINDS), self.pane, self.query_one(ResultPane)
        busy = job is not None and job.running
        choosing = pane == "choose" and not busy
        possible = {
            "start": choosing,
            "collections": choosing and self.query_one(ChoosePane).way.key != CRASH,
            "options": choosing,
            "last": choosing and bool(self._checks),
            "look_closer": pane == "result" and result.here is not None and result.here.verdict != "same",
            "again": pane in {"result", "history"} and not busy,
            "cancel": busy,
            "history": pane in {"choose", "result"},
            "compare": pane == "history" and not busy and self._baseline is not None,
            "export": pane == "result" and result.report is not None,
            "leave": pane in {"result", "history"},
        }
        return possible.get(action, super().check_action(action, parameters))

    def action_collections(self) -> None:
        """Choose which collections are checked."""
        from qdrant_admin.collections.reports import CollectionsReport

        pane = self.query_one(ChoosePane)

        def chosen(names: tuple[str, ...] | None) -> None:
            if names is not None:
                pane.ask(replace(pane.asked, collections=names))

        def known(report: CollectionsReport) -> None:
            self.app.push_screen(CollectionsDialog(report.collections, pane.asked.collections), chosen)

        self.ask(self.services.collections, known, group="collections")

    def action_options(self) -> None:
        """Choose how hard it looks."""
        pane = self.query_one(ChoosePane)

        def chosen(values: dict[str, str] | None) -> None:
            if values is not None:
                pane.ask(pane.asked.with_values(values))

        self.app.push_screen(options_form(pane.way.key, pane.asked), chosen)

    def action_last(self) -> None:
        """The last check again."""
        newest = next(iter(self._checks or ()), None)
        if newest is not None:
            self._show(newest.report)

    def action_look_closer(self) -> None:
        """Each point of this collection that differs."""
        from qdrant_admin.tui.screens.verify.result import DifferencesScreen

        result = self.query_one(ResultPane)
        if result.here is not None and result.here.verdict != "same" and isinstance(result.report, VerifyReport):
            self.app.push_screen(DifferencesScreen(result.here, result.report.at))

    def action_again(self) -> None:
        """Choose how."""
        self._front("choose", "#verify-hows")

    @property
    def _baseline(self) -> VerifyReport | None:
        """The restart-and-verify under the cursor of the history."""
        check = self.query_one(PastPane).here
        return check.report if check is not None and isinstance(check.report, VerifyReport) else None

    def action_compare(self) -> None:
        """Look whether everything is still as it was then; nothing is restarted."""
        earlier, services = self._baseline, self.services
        if earlier is not None:
            self._way, self._reads_all = "none", not earlier.chosen
            options = VerifyOptions(how="none", collections=earlier.chosen, sample=earlier.sample, baseline=earlier)
            title = f"compare with {moment(earlier.at)}"
            self.run_job("verify", title, lambda cancel: services.verify(options, cancel), touches="")

    def action_leave(self) -> None:
        """From a reopened result to the history, from there to the choice."""
        if self.pane == "result" and self._from_history:
            self.action_history()
        else:
            self.action_again()

    def action_cancel(self) -> None:
        """Stop at the next safe point."""
        job = self.admin.jobs.latest(*KINDS)
        if job is not None and job.running:
            self.admin.jobs.cancel(job.id)

    def action_history(self) -> None:
        """Earlier checks."""
        self.query_one(PastPane).show(self._checks or [], self._trend, self.services.now())
        self._front("history", "#verify-past")

    def action_export(self) -> None:
        """Write the certificate to files."""
        report = self.query_one(ResultPane).report
        if report is not None:
            self.ask(lambda: self.services.export_check(report), self._exported, group="export")

    def _exported(self, paths: list[Path]) -> None:
        self.notify(f"written to {' and '.join(str(path) for path in paths)}", markup=False)
