"""Verify: will it all be there after a restart? Choose how, watch each step, read the verdict."""

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, DataTable, OptionList
from textual.widgets.option_list import Option

from qdrant_admin.core import words
from qdrant_admin.core.events import Event
from qdrant_admin.core.store import HistoryEntry
from qdrant_admin.persistence.reports import CollectionCheck, VerifyHow, VerifyReport
from qdrant_admin.persistence.tell import sentence
from qdrant_admin.tui import look
from qdrant_admin.tui.jobs import JobView
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.widgets import running
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.states import StatePanel, empty, failure
from qdrant_admin.tui.widgets.table import fill
from qdrant_admin.tui.widgets.verdict import Verdict

HOWS: tuple[tuple[VerifyHow, str, str], ...] = (
    ("kill", "Kill it", "SIGKILL, as in a crash or with a flat battery. The hardest proof."),
    ("graceful", "Restart it", "Stop with the time Qdrant needs, then start again."),
    ("recreate", "Make it anew", "Remove the container, keep the data, make it again: what an upgrade does."),
    ("pause", "Freeze it", "Frozen for two seconds and thawed, as on a laptop that sleeps."),
    ("all", "All of it", "Each of these in turn, until something is not as it was."),
    ("none", "Look only", "No restart: read everything twice and compare."),
)
DIFFERENCES_SHOWN = 100


class VerifyScreen(BaseScreen):
    """Choose, run, verdict, history: one at a time."""

    SECTION = "verify"
    HELP_TEXT = (
        "Proves that what is stored survives: reads every point, restarts the server, reads every point again and "
        "compares ids, payloads and vectors byte by byte."
    )
    DRAWS_JOBS = frozenset({"verify"})
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "start", id="verify.start", tooltip="start the chosen check"),
        Binding("a", "again", "run again", id="verify.again", tooltip="choose how and run again"),
        Binding("x", "cancel", "stop", id="verify.cancel", tooltip="stop the check; the server is brought back first"),
        Binding("h", "history", "history", id="verify.history", tooltip="earlier checks"),
        Binding(
            "e",
            "export",
            "export report",
            id="verify.export",
            tooltip="write the certificate, as a page and as JSON",
        ),
        Binding("escape", "leave", "back", id="verify.back", tooltip="back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._report: VerifyReport | None = None
        self._history: list[HistoryEntry] = []

    def compose_body(self) -> ComposeResult:
        """One pane for each state."""
        with ContentSwitcher(initial="verify-choose"):
            with Vertical(id="verify-choose"):
                yield Plain(look.text("Will it all be there after a restart?", "bold"), id="verify-question")
                yield OptionList(*[Option(self._how(*how), id=how[0]) for how in HOWS], id="verify-hows", markup=False)
                yield Plain(id="verify-before")
            with VerticalScroll(id="verify-running"):
                yield Plain(id="verify-steps")
            with Vertical(id="verify-result"):
                yield Verdict(id="verify-verdict")
                yield DataTable[object](id="verify-table", cursor_type="row")
                with VerticalScroll(id="verify-more"):
                    yield Plain(id="verify-details")
            with Vertical(id="verify-history"):
                yield Plain(look.text("Earlier checks", "bold"), classes="heading")
                yield StatePanel(id="verify-no-history")
                yield DataTable[object](id="verify-past", cursor_type="row")

    @staticmethod
    def _how(key: str, title: str, says: str) -> Content:
        return look.lines(
            look.line((f"{title:<14}", "bold"), (f"--how {key}", look.MUTED)), look.line("  ", look.muted(says))
        )

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
        job, entry = self.admin.jobs.latest("verify"), self.admin.take_entry("verify")
        if job is not None and job.running:
            self._draw_running(job)
        elif entry is not None:
            self._open(entry)
        elif self.pane == "running" and job is not None:
            self._ended(job)
        elif self.pane == "choose":
            self.query_one("#verify-hows").focus()
        self.ask(lambda: self.services.history(200), self._remember, group="history")

    def _remember(self, entries: list[HistoryEntry]) -> None:
        self._history = [
            entry for entry in entries if entry.operation == "verify" and entry.profile == self.services.profile
        ]
        self.server_changed()
        if self.pane == "history":
            self._fill_history()

    def server_changed(self) -> None:
        """What would be read and interrupted, and what was proven before."""
        rows = []
        status = self.admin.server.status
        if status is not None and status.collections is not None and status.points is not None:
            held = f"{words.counted(status.collections, 'collection')}, {words.counted(status.points, 'point')}"
            rows.append(look.line(("reads      ", look.MUTED), held, look.muted(", all of it, before and after")))
            rows.append(
                look.line(("interrupts ", look.MUTED), status.name or status.url, look.muted(", for a few seconds"))
            )
        elif status is not None:
            rows.append(
                look.line(look.state(status.state), look.muted("   a check needs a server that runs:  1  Home"))
            )
        last = next(iter(self._history), None)
        if last is not None:
            shown = look.line(
                look.state(last.verdict),
                "  ",
                look.muted(f"{words.clock(last.started_at, self.services.now())}  {last.summary}"),
            )
            rows.append(look.line(("last proof ", look.MUTED), shown))
        else:
            rows.append(look.line(("last proof ", look.MUTED), look.muted("none yet")))
        self.query_one("#verify-before", Plain).update(look.lines(*rows))

    def job_changed(self, view: JobView, _events: tuple[Event, ...]) -> None:
        """Follow the check."""
        if view.kind != "verify":
            return
        if view.running:
            self._draw_running(view)
        else:
            self._ended(view)

    # running

    def action_start(self) -> None:
        """Start the check under the cursor."""
        from qdrant_admin.persistence.verify import VerifyOptions

        index = self.query_one("#verify-hows", OptionList).highlighted or 0
        how, title, _ = HOWS[index]
        options = VerifyOptions(how=how)
        self.run_job("verify", f"verify: {title.lower()}", lambda cancel: self.services.verify(options, cancel))

    @on(OptionList.OptionSelected, "#verify-hows")
    def _chosen(self) -> None:
        self.action_start()

    def _draw_running(self, view: JobView) -> None:
        if self.pane != "running":
            self._front("running", "#verify-running")
        width = max(40, self.size.width - 6)
        head = look.line((view.title, "bold"), "   ", look.muted(words.duration(view.seconds)))
        bars = running.bars(running.by_item(view.progress), width)
        groups = [[head], running.steps(view), bars, self._whole(view), running.notices(view)]
        self.query_one("#verify-steps", Plain).update(
            Content("\n\n").join([look.lines(*group) for group in groups if group])
        )

    @staticmethod
    def _whole(view: JobView) -> list[Content]:
        shown = running.whole(view.progress)
        if shown is None:
            return []
        return [look.muted(shown.note)] if shown.note else [look.line(look.muted("all   "), running.figures(shown))]

    def _ended(self, view: JobView) -> None:
        if isinstance(view.report, VerifyReport):
            self.show_report(view.report)
        elif view.failure is not None:
            self._failed(view)

    def _failed(self, view: JobView) -> None:
        assert view.failure is not None  # noqa: S101 - the caller looked
        verdict = self.query_one(Verdict)
        if view.failure.cancelled:
            verdict.tell("cancelled", "The check was stopped. Nothing was proven, and nothing was changed.")
        else:
            verdict.tell("inconclusive", "The check could not be finished, so nothing is claimed.")
        self._report = None
        self.query_one("#verify-table").display = False
        said = Content("") if view.failure.cancelled else failure(view.failure, ("a", "run again", "screen.again"))
        self.query_one("#verify-details", Plain).update(said)
        self._front("result", "#verify-more")

    # the result

    def show_report(self, report: VerifyReport) -> None:
        """The verdict first, then each collection, then what differs in the one under the cursor."""
        self._report = report
        self.query_one(Verdict).tell(report.verdict, sentence(report), *_evidence(report))
        table, variables = self.query_one("#verify-table", DataTable), self.app.theme_variables
        table.display = bool(report.collections)
        titles = [("collection", False), ("before", True), ("after", True), ("content", False), ("verdict", False)]
        rows = [
            (
                check.name,
                [
                    look.cell(words.shorten(check.name, 40), "bold"),
                    look.cell(_points(check, "before"), right=True),
                    look.cell(_points(check, "after"), right=True),
                    look.cell(digests(check), look.MUTED, variables),
                    look.state_cell(check.verdict, variables),
                ],
            )
            for check in self._checks
        ]
        fill(table, titles, rows)
        self._front("result", "#verify-table" if report.collections else "#verify-more")
        self._details()

    @property
    def _checks(self) -> list[CollectionCheck]:
        """Collections of the report in front, those with something to say first."""
        return sorted(self._report.collections, key=lambda one: one.verdict == "same") if self._report else []

    @on(DataTable.RowHighlighted, "#verify-table")
    def _details(self) -> None:
        report = self._report
        if report is None:
            return
        row = self.query_one("#verify-table", DataTable).cursor_row
        checks = self._checks
        groups = [differences(checks[row]) if 0 <= row < len(checks) else [], list(map(look.text, report.aliases))]
        groups.append(_advice(report))
        self.query_one("#verify-details", Plain).update(
            Content("\n\n").join([look.lines(*group) for group in groups if group])
        )

    # history

    def _fill_history(self) -> None:
        table, variables = self.query_one("#verify-past", DataTable), self.app.theme_variables
        table.display = bool(self._history)
        nothing = self.query_one("#verify-no-history", StatePanel)
        nothing.display = not self._history
        nothing.update(
            empty(
                "No check has been made yet.", "The first one takes a few seconds.", ("a", "choose how", "screen.again")
            )
        )
        rows = []
        for entry in self._history:
            when = look.cell(words.clock(entry.started_at, self.services.now()))
            rows.append((str(entry.id), [when, look.state_cell(entry.verdict, variables), look.cell(entry.summary)]))
        fill(table, [("when", False), ("verdict", False), ("what", False)], rows, width=self.size.width - 5)

    @on(DataTable.RowSelected, "#verify-past")
    def _reopen(self, event: DataTable.RowSelected) -> None:
        self._open(self._history[event.cursor_row])

    def _open(self, entry: HistoryEntry) -> None:
        self.ask(
            lambda: VerifyReport.model_validate_json(self.services.report_json(entry.id)),
            self.show_report,
            group="reopen",
        )

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Each state has its own keys."""
        job = self.admin.jobs.latest("verify")
        busy = job is not None and job.running
        possible = {
            "start": self.pane == "choose" and not busy,
            "again": self.pane in {"result", "history"} and not busy,
            "cancel": busy,
            "history": self.pane in {"choose", "result"},
            "export": self.pane == "result" and self._report is not None,
            "leave": self.pane in {"result", "history"},
        }
        return possible.get(action, super().check_action(action, parameters))

    def action_again(self) -> None:
        """Choose how."""
        self._front("choose", "#verify-hows")

    def action_leave(self) -> None:
        """From the history to the result, from the result to the choice."""
        if self.pane == "history" and self._report is not None:
            self._front("result", "#verify-table")
        else:
            self.action_again()

    def action_cancel(self) -> None:
        """Stop at the next safe point."""
        job = self.admin.jobs.latest("verify")
        if job is not None and job.running:
            self.admin.jobs.cancel(job.id)

    def action_history(self) -> None:
        """Earlier checks."""
        self._fill_history()
        self._front("history", "#verify-past")

    def action_export(self) -> None:
        """Write the report to a file."""
        report = self._report
        if report is not None:
            self.ask(lambda: self.services.export_check(report), self._exported, group="export")

    def _exported(self, paths: list[Path]) -> None:
        self.notify(f"written to {' and '.join(str(path) for path in paths)}", markup=False)


def _evidence(report: VerifyReport) -> list[Content]:
    most = "at most " if report.how == "all" else ""
    back = f"back in {most}{words.duration(report.ready_seconds)}" if report.ready_seconds is not None else ""
    parts = [back, report.checks, f"Qdrant {report.server_version}" if report.server_version else "", report.storage]
    return [look.muted(" · ".join(part for part in parts if part))]


def _points(check: CollectionCheck, side: str) -> str:
    found = check.before if side == "before" else check.after
    return "absent" if found is None else words.number(found.points)


def digests(check: CollectionCheck) -> str:
    """One digest where both are equal, otherwise before → after."""
    shown = [words.short_digest(side.digest) for side in (check.before, check.after) if side is not None]
    return " → ".join(dict.fromkeys(shown))


def differences(check: CollectionCheck) -> list[Content]:
    """What differs in one collection, down to the point."""
    if check.verdict == "same":
        return []
    counts = [(check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra")]
    told = ", ".join(f"{words.number(count)} {word}" for count, word in counts if count)
    rows = [look.line((check.name, "bold"), "   ", told)]
    rows += [look.text(setting) for setting in check.settings]
    for point in check.points[:DIFFERENCES_SHOWN]:
        rows.append(
            look.line("  ", look.fit(look.text(point.id), 38), look.state(point.what), "  ", look.muted(point.detail))
        )
    return rows


def _advice(report: VerifyReport) -> list[Content]:
    rows = []
    if report.cause:
        rows.append(look.line(("likely cause  ", look.MUTED), report.cause))
    if report.fix:
        rows.append(look.line(("do now        ", look.MUTED), (report.fix, "$text-accent")))
    return rows
