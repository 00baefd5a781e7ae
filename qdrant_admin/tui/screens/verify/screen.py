"""Verify: will it all be there after a restart? Choose how, watch each step, read the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from textual import on
from textual.widget import Widget
from textual.widgets import DataTable

from qdrant_admin.core import formatting
from qdrant_admin.persistence.reports import CrashReport, VerifyOptions, VerifyReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.panes import PanesScreen
from qdrant_admin.tui.screens.verify import choose
from qdrant_admin.tui.screens.verify.choose import CRASH, ChoosePane, Known, Method
from qdrant_admin.tui.screens.verify.past import PastPane
from qdrant_admin.tui.screens.verify.run import GROUPS, CheckReport, CheckResult, moment, picture
from qdrant_admin.tui.widgets.bars import bind
from qdrant_admin.tui.widgets.panels import LiveGroups

CHECKS_READ = 100


class VerifyScreen(PanesScreen):
    """Choose, run, verdict, history: one at a time."""

    SECTION = "verify"
    HELP_TEXT = (
        "Proves that what is stored survives: reads every point, restarts the server, reads every point again and "
        "compares ids, payloads and vectors byte by byte. The crash test kills it while programs write, and looks for "
        "everything that it had acknowledged."
    )
    KINDS = ("verify", CRASH)
    DRAWS_JOBS = frozenset(KINDS)
    FOCUS = {"choose": "#verify-hows", "running": "#verify-running", "history": "#verify-past"}
    AUTO_FOCUS = ""
    BINDINGS = [
        bind("s", "start", "start", "verify.start", "start the chosen check"),
        bind("c", "collections", "collections", "verify.collections", "all collections, or some of them"),
        bind("o", "options", "options", "verify.options", "every point or a sample; kills and writers"),
        bind("l", "last", "last check", "verify.last", "open the last check again"),
        bind("d", "look_closer", "differences", "verify.differences", "each point that differs"),
        bind("a", "again", "run again", "verify.again", "choose how and run again"),
        bind("x", "cancel", "stop", "verify.cancel", "stop the check; the server is started again first"),
        bind("h", "history", "history", "verify.history", "earlier checks and their trends"),
        bind("e", "export", "certificate", "verify.export", "write the certificate: a page, and JSON"),
        bind("b", "compare", "compare with now", "verify.compare", "has anything changed since then?"),
        bind("escape", "leave", "back", "verify.back", "back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._known = Known()
        self._method, self._reads_all = "none", True
        """What the check under way is; one that was begun elsewhere only looks."""
        self._from_history = False
        """Where the result in front was opened from."""

    def panes(self) -> tuple[Widget, ...]:
        return ChoosePane(), LiveGroups(GROUPS, id="verify-running"), CheckResult(), PastPane()

    # the frame

    def look_again(self) -> None:
        job, entry = self.admin.jobs.latest(*self.KINDS), self.admin.take_entry("verify")
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
            lambda past: self._remember(checks=past[0], trend=past[1], failure=""),
            lambda error: self._remember(failure=error.what),
            group="history",
        )

    def _remember(self, **changes: Any) -> None:
        self._known = replace(self._known, **changes)
        self.server_changed()
        self.refresh_bindings()
        if self.pane == "history":
            self._draw_past()

    def _draw_past(self) -> None:
        self.query_one(PastPane).show(self._known.checks or [], self._known.trend, self.services.now())

    def server_changed(self) -> None:
        now, profile = self.services.now(), self.services.profile
        self._known = replace(self._known, now=now, profile=profile, status=self.admin.server.status)
        self.query_one(ChoosePane).show(self._known)

    def job_changed(self, view: JobView) -> None:
        if view.kind not in self.KINDS:
            return
        if view.running:
            self._draw_running(view)
        else:
            self._ended(view)
            self._read_past()

    def on_resize(self) -> None:
        super().on_resize()
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        if self.pane == "running" and self.job is not None:
            self._draw_running(self.job)
        elif self.pane == "history":
            self._draw_past()
        elif self.pane == "result":
            self.query_one(CheckResult).lay_out()

    # choosing and running

    @on(ChoosePane.Started)
    def action_start(self) -> None:
        method = self.query_one(ChoosePane).method
        if method.key == "engine":
            self.ask(self.services.interrupted_by_engine, partial(self._ask_engine, method), group="engine")
        else:
            self._run(method)

    def _ask_engine(self, method: Method, others: tuple[str, ...]) -> None:
        impact = choose.engine_impact(others)
        self.confirm("Restart the container engine?", impact, "Restart", partial(self._run, method))

    def _run(self, method: Method) -> None:
        asked, services = self.query_one(ChoosePane).asked, self.services
        self._method, self._reads_all = method.key, not asked.check.collections
        if method.key == CRASH:
            self.run_job(CRASH, choose.title(method, asked), partial(services.crash_test, asked.crash))
        else:
            options = asked.check.model_copy(update={"how": method.key, "confirmed": method.key == "engine"})
            self.run_job("verify", choose.title(method, asked), partial(services.verify, options))

    def _draw_running(self, view: JobView) -> None:
        status = self.admin.server.status
        methods = choose.restarts(self._method, status.capabilities if status else None)
        points = status.points if status is not None and self._reads_all else None
        self.live().draw(picture(view, self.size, methods, points))

    def _ended(self, view: JobView) -> None:
        self._from_history = False
        if isinstance(view.report, CheckReport):
            self._show(view.report)
        elif view.failure is not None:
            self.query_one(CheckResult).show_failure(view.failure)
            self.front("result")

    # results, new and old

    def _show(self, report: CheckReport) -> None:
        when = formatting.clock(report.at, self.services.now())
        self.query_one(CheckResult).show(report, when, self._check_before(report))
        self.front("result")

    def _check_before(self, report: CheckReport) -> VerifyReport | None:
        proofs = (one.report for one in self._known.checks or () if isinstance(one.report, VerifyReport))
        return next((one for one in proofs if one.at < report.at), None)

    def _open(self, entry: HistoryEntry) -> None:
        def read() -> CheckReport:
            crash = entry.operation == CRASH
            return self.services.stored(entry, CrashReport) if crash else self.services.stored(entry, VerifyReport)

        self.ask(read, self._show, group="reopen")

    @on(DataTable.RowSelected, "#verify-past")
    def _reopen(self) -> None:
        check = self.query_one(PastPane).here
        if check is not None:
            self._from_history = True
            self._show(check.report)

    @on(DataTable.RowHighlighted)
    def _other_row(self) -> None:
        self.refresh_bindings()

    # keys

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def choosing() -> bool:
            return self.pane == "choose" and self.job is None

        def differs() -> bool:
            here = self.query_one(CheckResult).here
            return self.pane == "result" and here is not None and here.verdict != "same"

        return {
            "start": choosing,
            "collections": lambda: choosing() and self.query_one(ChoosePane).method.key != CRASH,
            "options": choosing,
            "last": lambda: choosing() and bool(self._known.checks),
            "look_closer": differs,
            "again": lambda: self.pane in {"result", "history"} and self.job is None,
            "cancel": lambda: self.job is not None,
            "history": self.at("choose", "result"),
            "compare": lambda: self.pane == "history" and self.job is None and self._baseline is not None,
            "export": lambda: self.pane == "result" and self.query_one(CheckResult).report is not None,
            "leave": self.at("result", "history"),
        }

    def action_collections(self) -> None:
        from qdrant_admin.collections.reports import CollectionsReport

        pane = self.query_one(ChoosePane)

        def chosen(names: tuple[str, ...] | None) -> None:
            if names is not None:
                check = pane.asked.check.model_copy(update={"collections": names})
                pane.ask(pane.asked._replace(check=check))

        def known(report: CollectionsReport) -> None:
            self.app.push_screen(choose.CollectionsDialog(report.collections, pane.asked.check.collections), chosen)

        self.ask(self.services.collections, known, group="collections")

    def action_options(self) -> None:
        pane = self.query_one(ChoosePane)

        def chosen(values: dict[str, str] | None) -> None:
            if values is not None:
                pane.ask(choose.with_options(pane.asked, values))

        self.app.push_screen(choose.options_form(pane.method.key, pane.asked), chosen)

    def action_last(self) -> None:
        newest = next(iter(self._known.checks or ()), None)
        if newest is not None:
            self._show(newest.report)

    @on(DataTable.RowSelected, "#verify-table")
    def action_look_closer(self) -> None:
        from qdrant_admin.tui.screens.verify.differences import DifferencesScreen

        result = self.query_one(CheckResult)
        if result.here is not None and result.here.verdict != "same" and isinstance(result.report, VerifyReport):
            self.app.push_screen(DifferencesScreen(result.here, result.report.at))

    def action_again(self) -> None:
        self.front("choose")

    @property
    def _baseline(self) -> VerifyReport | None:
        check = self.query_one(PastPane).here
        return check.report if check is not None and isinstance(check.report, VerifyReport) else None

    def action_compare(self) -> None:
        earlier, services = self._baseline, self.services
        if earlier is not None:
            self._method, self._reads_all = "none", not earlier.chosen
            options = VerifyOptions(how="none", collections=earlier.chosen, sample=earlier.sample, baseline=earlier)
            title = f"compare with {moment(earlier.at)}"
            self.run_job("verify", title, partial(services.verify, options), touches="")

    def action_leave(self) -> None:
        if self.pane == "result" and self._from_history:
            self.action_history()
        else:
            self.action_again()

    def action_cancel(self) -> None:
        if self.job is not None:
            self.admin.jobs.cancel(self.job.id)

    def action_history(self) -> None:
        self._draw_past()
        self.front("history")

    def action_export(self) -> None:
        report = self.query_one(CheckResult).report
        if report is not None:
            write = partial(self.services.write_certificate, report)
            self.ask(write, lambda paths: self.notify(f"written to {' and '.join(map(str, paths))}", markup=False))
