"""Verify: will it all be there after a restart? Choose how, watch each step, read the verdict."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import ContentSwitcher, DataTable

from qdrant_admin.core import formatting
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event
from qdrant_admin.persistence.past_checks import TrendReport
from qdrant_admin.persistence.reports import CrashReport, VerifyMethod, VerifyOptions, VerifyReport
from qdrant_admin.state.store import HistoryEntry
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.verify.choose import (
    CRASH,
    ChoosePane,
    CollectionsDialog,
    Known,
    engine_impact,
    options_form,
    restarts,
)
from qdrant_admin.tui.screens.verify.choose import title as title_of
from qdrant_admin.tui.screens.verify.past import PastPane
from qdrant_admin.tui.screens.verify.result import CheckReport, ResultPane, moment
from qdrant_admin.tui.screens.verify.run import RunPane
from qdrant_admin.tui.services import PastCheck
from qdrant_admin.tui.widgets.bars import bind

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
        self._checks: list[PastCheck] | None = None
        self._trend: TrendReport | None = None
        self._unread = ""
        """Why the earlier checks could not be read."""
        self._method, self._reads_all = "none", True
        """What the check under way is; one that was begun elsewhere only looks."""
        self._from_history = False
        """Where the result in front was opened from."""

    def compose_body(self) -> ComposeResult:
        with ContentSwitcher(initial="verify-choose"):
            yield ChoosePane()
            yield RunPane()
            yield ResultPane()
            yield PastPane()

    @property
    def pane(self) -> str:
        return (self.query_one(ContentSwitcher).current or "").removeprefix("verify-")

    def _front(self, pane: str, focus: str = "") -> None:
        self.query_one(ContentSwitcher).current = f"verify-{pane}"
        if focus:
            self.query_one(focus).focus()
        self.refresh_bindings()

    # the frame

    def look_again(self) -> None:
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
            lambda: (services.proof.checks(CHECKS_READ), services.proof.trends(CHECKS_READ)),
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
        if view.kind not in KINDS:
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
        job = self.running_job(*KINDS)
        if self.pane == "running" and job is not None:
            self._draw_running(job)
        elif self.pane == "history":
            self.query_one(PastPane).show(self._checks or [], self._trend, self.services.now())
        elif self.pane == "result":
            self.query_one(ResultPane).lay_out()

    # choosing and running

    @on(ChoosePane.Started)
    def action_start(self) -> None:
        method = self.query_one(ChoosePane).method.key
        if method == "engine":
            self.ask(self.services.server.interrupted_by_engine, self._ask_engine, group="engine")
        else:
            self._run(method)

    def _ask_engine(self, others: tuple[str, ...]) -> None:
        self.confirm("Restart the container engine?", engine_impact(others), "Restart", partial(self._run, "engine"))

    def _run(self, method: str) -> None:
        asked, services = self.query_one(ChoosePane).asked, self.services
        self._method, self._reads_all = method, not asked.collections
        if method == CRASH:
            self.run_job(CRASH, title_of(method, asked), partial(services.proof.crash_test, asked.crash()))
        else:
            options = asked.check(cast("VerifyMethod", method), confirmed=method == "engine")
            self.run_job("verify", title_of(method, asked), partial(services.proof.verify, options))

    def _draw_running(self, view: JobView) -> None:
        if self.pane != "running":
            self._front("running", "#verify-running")
        status = self.admin.server.status
        made = restarts(self._method, status.capabilities if status else None)
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
        proofs = (one.report for one in self._checks or () if isinstance(one.report, VerifyReport))
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

    @property
    def _busy(self) -> bool:
        return self.running_job(*KINDS) is not None

    def possible(self) -> Mapping[str, Callable[[], bool]]:
        def choosing() -> bool:
            return self.pane == "choose" and not self._busy

        def differs() -> bool:
            here = self.query_one(ResultPane).here
            return self.pane == "result" and here is not None and here.verdict != "same"

        return {
            "start": choosing,
            "collections": lambda: choosing() and self.query_one(ChoosePane).method.key != CRASH,
            "options": choosing,
            "last": lambda: choosing() and bool(self._checks),
            "look_closer": differs,
            "again": lambda: self.pane in {"result", "history"} and not self._busy,
            "cancel": lambda: self._busy,
            "history": lambda: self.pane in {"choose", "result"},
            "compare": lambda: self.pane == "history" and not self._busy and self._baseline is not None,
            "export": lambda: self.pane == "result" and self.query_one(ResultPane).report is not None,
            "leave": lambda: self.pane in {"result", "history"},
        }

    def action_collections(self) -> None:
        from qdrant_admin.collections.reports import CollectionsReport

        pane = self.query_one(ChoosePane)

        def chosen(names: tuple[str, ...] | None) -> None:
            if names is not None:
                pane.ask(replace(pane.asked, collections=names))

        def known(report: CollectionsReport) -> None:
            self.app.push_screen(CollectionsDialog(report.collections, pane.asked.collections), chosen)

        self.ask(self.services.data.collections, known, group="collections")

    def action_options(self) -> None:
        pane = self.query_one(ChoosePane)

        def chosen(values: dict[str, str] | None) -> None:
            if values is not None:
                pane.ask(pane.asked.with_values(values))

        self.app.push_screen(options_form(pane.method.key, pane.asked), chosen)

    def action_last(self) -> None:
        newest = next(iter(self._checks or ()), None)
        if newest is not None:
            self._show(newest.report)

    @on(DataTable.RowSelected, "#verify-table")
    def action_look_closer(self) -> None:
        from qdrant_admin.tui.screens.verify.result import DifferencesScreen

        result = self.query_one(ResultPane)
        if result.here is not None and result.here.verdict != "same" and isinstance(result.report, VerifyReport):
            self.app.push_screen(DifferencesScreen(result.here, result.report.at))

    def action_again(self) -> None:
        self._front("choose", "#verify-hows")

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
            self.run_job("verify", title, partial(services.proof.verify, options), touches="")

    def action_leave(self) -> None:
        if self.pane == "result" and self._from_history:
            self.action_history()
        else:
            self.action_again()

    def action_cancel(self) -> None:
        job = self.running_job(*KINDS)
        if job is not None:
            self.admin.jobs.cancel(job.id)

    def action_history(self) -> None:
        self.query_one(PastPane).show(self._checks or [], self._trend, self.services.now())
        self._front("history", "#verify-past")

    def action_export(self) -> None:
        report = self.query_one(ResultPane).report
        if report is not None:
            write = partial(self.services.proof.write_certificate, report)
            self.ask(write, lambda paths: self.notify(f"written to {' and '.join(map(str, paths))}", markup=False))
