"""Restart and verify: read everything, restart the server, read everything again, and say what came of it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.errors import AdminError, Cancelled, Failed, NotFound, Refused
from qdrant_admin.core.events import Event, Events, Finished, Notice, PartDone, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.probes import Share
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.restart import others_interrupted
from qdrant_admin.persistence.fingerprints import Scanner, ServerScan, changed, read_counters, wait_for_wal
from qdrant_admin.persistence.past_checks import against, known_before, together, with_baseline
from qdrant_admin.persistence.reports import EQUAL, Round, RoundMethod, VerifyOptions, VerifyReport
from qdrant_admin.persistence.restarts import Restarts, Timing, announcement, check_names, check_server, restart_methods
from qdrant_admin.persistence.verdict import (
    ALL_EQUAL,
    Judgement,
    judge,
    likely_cause,
    unfinished_checks,
    with_new_collections,
)
from qdrant_admin.server.decode import decode_log, latest_start
from qdrant_admin.server.runtime import Diagnosis, RuntimeState
from qdrant_admin.state import canaries, records, resumable_runs, run_locks
from qdrant_admin.workspace import Workspace, operation

__all__ = ["VerifyOptions", "finish", "verify"]

WATCH_SECONDS = 1.0
"""The write counters are watched at least this long, to see also a program that writes now and then."""
_LOG_LINES = 400


@operation("verify")
def verify(ws: Workspace, options: VerifyOptions, *, cancel: CancelToken) -> Events:
    """Prove that what the server holds survives a restart. Ends with a `VerifyReport`.

    Cancelling before the restart leaves everything as it was; during the restart it is heard once the server runs
    again.

    Raises:
        Unsupported, NotOurs, Refused, ServerUnreachable, ServerTrouble: before anything was touched; `Refused` also
            when another check of this server is at work.
        ConfirmationMissing: the engine itself would be restarted, and that was not confirmed.
        NotFound: a collection that was asked for is not there.
    """
    yield from run_locks.check(ws.settings.name).during(_verify(ws, options, cancel))


def _verify(ws: Workspace, options: VerifyOptions, cancel: CancelToken) -> Events:
    timing = Timing()
    yield StepStarted(step="check", title="looking at the server")
    state = check_server(ws, options)
    others: tuple[str, ...] = ()
    if options.how == "engine":
        others = others_interrupted(ws, "engine", confirmed=options.confirmed, doing="verify")
    yield StepFinished(step="check", detail=f"{state.name}, {state.state}")
    with closing(_Check(ws, options, state, timing, cancel)) as check:
        yield from check.run(others)


def finish(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Compare with the first scan that was kept. Ends with a `VerifyReport`, whose `baseline` is that scan.

    The server ran when that scan was taken: one that the interrupted check left down is started first, and one that is
    just coming up (an engine that hung may start it late) is waited for.

    It is kept until there is a verdict. Points that differ are counted and not named: the first scan of a process that
    was killed has left digests of collections, not of points.

    Raises:
        NotFound: no check of this profile was interrupted.
        Failed: the first scan was kept by another version and cannot be read.
    """
    profile = ws.settings.name
    kept = resumable_runs.interrupted_check(ws.store, profile)
    again = Command("verify", how="kill").on(profile)
    if kept is None:
        raise NotFound(f"no check of profile {profile} was interrupted", fix=again)
    earlier = records.load(VerifyReport, kept.report)
    if isinstance(earlier, records.Unreadable):
        raise Failed("the first scan of the interrupted check cannot be read", why=earlier.why, fix=again)
    if ws.runtime.capabilities.start:
        state = ws.runtime.inspect().state
        if state == "stopped":
            yield from ws.runtime.start(cancel)
        if state in {"stopped", "running", "restarting"}:
            yield from wait_ready(ws, cancel=cancel)
    options = VerifyOptions(how="none", collections=earlier.chosen, baseline=earlier)
    for event in verify(ws, options, cancel=cancel):
        if isinstance(event, Finished) and event.report.verdict_word != "inconclusive":
            resumable_runs.forget_check(ws.store, profile)
        yield event


class _Check:
    """One check of a server that may be restarted: what it has seen so far."""

    def __init__(
        self, ws: Workspace, options: VerifyOptions, state: RuntimeState, timing: Timing, cancel: CancelToken
    ) -> None:
        self._ws, self._options, self._state, self._timing, self._cancel = ws, options, state, timing, cancel
        self._methods = restart_methods(ws, options.how, state)
        self._scanner = Scanner(ws.settings.name, options.collections, options.sample, cancel)
        self._restarts = Restarts(ws, timing, cancel)
        self._before, self._after = ServerScan(), ServerScan()
        self._rounds: list[Round] = []

    def close(self) -> None:
        self._before.close()
        self._after.close()

    def run(self, others: tuple[str, ...]) -> Events:
        """Scan, restart and scan again, as often as was asked for. `others` on the engine are interrupted as well."""
        yield from self._scan_before(others)
        if writers := self._before.writers():
            reason = f"something writes to the server ({', '.join(writers)}); it was not restarted: stop what writes"
            yield Finished(report=self._report(Judgement("inconclusive", reason, unfinished_checks(self._before))))
            return
        if self._methods:
            self._keep_first_scan()
        ended = True
        try:
            ended = yield from self._all_rounds()
        finally:  # a process that is killed does not come by here
            if ended and self._methods:  # a mere scan ends no other check
                resumable_runs.forget_check(self._ws.store, self._ws.settings.name)

    def _keep_first_scan(self) -> None:
        """For `finish`, should there be no second scan."""
        reason = "it was interrupted before its second scan"
        fix = Command("verify", finish=True)
        report = self._report(Judgement("inconclusive", reason, unfinished_checks(self._before)), fix=fix)
        resumable_runs.keep_first_scan(self._ws.store, self._ws.settings.name, records.dump(report))

    def _all_rounds(self) -> Generator[Event, None, bool]:
        """Returns whether it came to its end, so that there is nothing left for `finish`."""
        methods: tuple[RoundMethod, ...] = self._methods or ("none",)
        for how in methods:
            try:
                judgement = yield from self._round(how)
            except Cancelled:
                raise
            except AdminError as error:
                self._rounds.append(Round(how=how, verdict="inconclusive"))
                yield from self._give_up(error)
                return False
            if judgement.verdict not in EQUAL:
                break
        yield from self._conclude(judgement)
        return True

    def _round(self, how: RoundMethod) -> Generator[Event, None, Judgement]:
        ready = None
        if self._rounds:
            yield from self._settle()
        if how != "none":
            ready = yield from self._restarts.restart(how)
        self._after.close()
        self._after = ServerScan()
        with self._timing.phase("fingerprint_after"), self._ws.database() as database:
            yield from self._scanner.fingerprint_all(self._after, database, "fingerprint_after", self._before)
        judgement = yield from self._compare(how)
        round_ = Round(how=how, verdict=judgement.verdict, ready_seconds=ready)
        self._rounds.append(round_)
        yield PartDone(part=round_)
        return judgement

    def _settle(self) -> Generator[Event, None, None]:
        """Between two restarts: refuse if anything was written, and make what is acknowledged durable."""
        with self._ws.database() as database:
            if written := changed(self._after.counters_after, read_counters(database)):
                what = f"something wrote to the server between two restarts ({', '.join(written)})"
                raise Refused(what, why="stop what writes, and check again", fix=self._again())
            yield from wait_for_wal(database)

    def _scan_before(self, others: tuple[str, ...]) -> Generator[Event, None, None]:
        with self._ws.database() as database:
            check_names(self._ws, database, self._options)
            yield from database.bulk.told()
            # What a check that was interrupted has left.
            canaries.remove(self._ws.store, database.delete_collection, self._ws.runtime.endpoint.url)
            if self._methods:
                yield announcement(self._state, self._methods, len(database.names()), others)
                with self._timing.phase("barrier"):
                    yield from wait_for_wal(database)
            with self._timing.phase("fingerprint_before"):
                yield from self._scanner.fingerprint_all(self._before, database, "fingerprint_before")
                yield from self._watch(database, self._before)

    def _watch(self, database: Database, scan: ServerScan) -> Generator[Event, None, None]:
        """Look at the write counters for a while longer, where reading took but a moment."""
        left = WATCH_SECONDS - self._timing.seconds_of_phase
        if left > 0 and scan.counters_before is not None and not scan.writers():
            yield StepStarted(step="watch", title="watching for writes")
            self._cancel.wait(left)
            scan.counters_after = read_counters(database)
            seen = scan.writers()
            told = ", ".join(seen) or "nobody writes"
            yield StepFinished(step="watch", outcome="warning" if seen else "ok", detail=told)

    def _compare(self, how: RoundMethod) -> Generator[Event, None, Judgement]:
        # Counters begin at nothing when a server starts; a process that was not ended goes on counting.
        new = self._restarts.new
        start = self._before.counters_after if how in {"none", "pause"} else new.counters
        written_between = (*new.unexpected, *changed(start, self._after.counters_before))
        yield StepStarted(step="compare", title="comparing")
        with self._timing.phase("compare"), self._ws.database() as database:
            judgement = judge(self._before, self._after, database, how, written_between)
            if judgement.verdict in {"lost", "changed"} and how != "none":
                yield from self._watch(database, self._after)
                judgement = judge(self._before, self._after, database, how, written_between)
        judgement = with_new_collections(judgement, new.found)
        good = judgement.verdict in EQUAL
        yield StepFinished(step="compare", outcome="ok" if good else "failed", detail=judgement.reason)
        return judgement

    # -- the report -----------------------------------------------------------------------------------------------

    def _conclude(self, judgement: Judgement) -> Events:
        if judgement.verdict == "unchanged" and any(one.verdict == "persisted" for one in self._rounds):
            judgement = judgement._replace(verdict="persisted", reason=ALL_EQUAL)  # proven by another of the restarts
        cause, size = "", None
        fix: Fix = ""
        if judgement.verdict == "empty" and (known := known_before(self._ws.store, self._ws.settings.name)):
            when, points = f"{known[0].astimezone():%Y-%m-%d %H:%M}", counted(known[1], "point")
            reason = f"on {when} there were {points} here; today nothing is stored, and nobody can tell by what"
            judgement = judgement._replace(verdict="inconclusive", reason=reason)
            fix = Command("logs", tail=1000) if self._ws.runtime.capabilities.logs else Command("history", "trends")
        broken = any(name in self._before.collections for name in self._after.unreadable)
        if judgement.verdict in {"lost", "changed"} or broken:
            cause = likely_cause(self._state.storage, self._findings())
            fix = Command("doctor") if self._state.storage.sound is False else Command("logs", tail=200)
        with suppress(AdminError):  # a figure for the history, and no more
            size = self._ws.runtime.disk_bytes()
        yield Finished(report=self._report(judgement, cause=cause, fix=fix, storage_bytes=size))

    def _give_up(self, error: AdminError) -> Events:
        """The server did not come back, or could not be read: nothing was lost that anybody has seen."""
        profile = self._ws.settings.name
        fix = error.fix_on(profile)
        yield Notice(level="error", text=str(error), fix=fix)
        reason = f"the content could not be compared: {error}"
        judgement = Judgement("inconclusive", reason, unfinished_checks(self._before))
        try:
            self._ws.runtime.inspect()
            report = self._report(judgement, cause=likely_cause(self._state.storage, self._findings()), fix=fix)
        except AdminError as trouble:  # the engine is gone, and whatever else went wrong follows from that
            cause = f"{trouble}; start the engine, then finish the check"
            report = self._report(judgement, cause=cause, fix=Command("verify", finish=True))
        yield Finished(report=report)

    def _findings(self) -> Sequence[Diagnosis]:
        if not self._ws.runtime.capabilities.logs:
            return ()
        try:
            batches = self._ws.runtime.logs(tail=_LOG_LINES, follow=False, cancel=self._cancel)
            lines = [line for batch in batches for line in batch]
        except AdminError:
            return ()  # the log is only a help
        return decode_log(latest_start(lines) or lines, self._ws.settings.name)

    def _report(
        self, judgement: Judgement, *, cause: str = "", fix: Fix = "", storage_bytes: int | None = None
    ) -> VerifyReport:
        options, profile = self._options, self._ws.settings.name
        verdict, reason, baseline = judgement.verdict, judgement.reason, None
        if options.baseline is not None:
            started = self._state.started_at
            restarted = started is not None and started > options.baseline.at
            baseline = against(options.baseline, judgement.collections, options.collections, restarted=restarted)
            verdict = together(verdict, baseline.verdict)
            reason = with_baseline(reason, judgement.verdict, baseline)
        if not fix and judgement.verdict == "inconclusive":
            fix = self._again()
        return VerifyReport(
            profile=profile,
            how=options.how,
            verdict=verdict,
            reason=reason,
            collections=judgement.collections,
            chosen=options.collections,
            baseline=baseline,
            aliases=judgement.aliases,
            phases=tuple(self._timing.phases),
            rounds=tuple(self._rounds),
            fresh=self._restarts.found,
            ready_seconds=max((one.ready_seconds for one in self._rounds if one.ready_seconds), default=None),
            sample=options.sample,
            checks=tuple(self._checks()),
            cause=cause,
            fix=written(fix, profile),
            server_version=self._before.version,
            storage=f"{self._state.storage.kind} {self._state.storage.source}".strip(),
            storage_bytes=storage_bytes,
            at=self._timing.at,
            seconds=self._timing.seconds,
        )

    def _checks(self) -> Iterator[str]:
        scanned = self._before.collections.values()
        if self._options.sample is None:
            yield "id, payload and every vector's bytes of every point"
        else:
            looked = counted(sum(one.sampled for one in scanned), "point")
            yield f"every id, payload and every vector's bytes of a sample of {looked}"
        yield "exact counts"
        if filters := sum(len(one.filtered) for one in scanned):
            share = sum((one.filtered.share for one in scanned), Share())
            yield f"{counted(filters, 'filtered count')} of {share.words}"
        if searches := sum(len(one.searches) for one in scanned):
            yield counted(searches, "exact search", "exact searches")
        yield from ("configuration", "payload indexes", "aliases")
        if found := self._restarts.found:
            yield f"{counted(found.collections, 'collection')} created just before the restart"

    def _again(self) -> Command:
        options = self._options
        chosen = options.collections
        return Command("verify", how=options.how, collection=chosen, sample=options.sample, yes=options.confirmed)
