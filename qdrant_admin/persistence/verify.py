"""Restart and verify: read everything, restart the server, read everything again, and say what came of it."""

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial

from qdrant_admin.collections.named import named
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.errors import AdminError, BadInput, Cancelled
from qdrant_admin.core.events import Event, Events, Finished, Notice, PartDone, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.probes import Share
from qdrant_admin.database.scoped_keys import collections_opened
from qdrant_admin.lifecycle.memory import Memory
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.restart import others_interrupted
from qdrant_admin.persistence import known
from qdrant_admin.persistence.fingerprints import Scanner, ServerScan, wait_for_wal
from qdrant_admin.persistence.interrupted import Bookkeeping, counters_since, interrupted
from qdrant_admin.persistence.past_checks import Place, of_both, since, together, with_baseline
from qdrant_admin.persistence.reports import EQUAL, Counted, Round, RoundMethod, VerifyOptions, VerifyReport
from qdrant_admin.persistence.restarts import (
    Restarts,
    Timing,
    WrittenMeanwhile,
    announcement,
    check_server,
    log_or_list,
    restart_methods,
)
from qdrant_admin.persistence.verdict import (
    ALL_EQUAL,
    Judgement,
    judge,
    likely_cause,
    of_one_member,
    unfinished_checks,
    weighed,
    with_new_collections,
    within_scope,
)
from qdrant_admin.persistence.writers import UNSEEN_PROCESS, Counters, read_counters, told
from qdrant_admin.server.decode import decode_log, latest_start
from qdrant_admin.server.runtime import DELETED, Diagnosis, RuntimeState
from qdrant_admin.state import canaries, records, resumable_runs, run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace, operation

__all__ = ["VerifyOptions", "finish", "verify"]

WATCH_SECONDS = 1.0
"""The write counters are watched at least this long, to see also a program that writes now and then."""
_LOG_LINES = 400


@operation("verify")
def verify(ws: Workspace, options: VerifyOptions, *, cancel: CancelToken) -> Events:
    """Prove that what the server holds survives a restart. Ends with a `VerifyReport`.

    Cancelling before the restart leaves everything as it was; during the restart it is heard once the server runs
    again, and the first scan is kept for `finish`. A check that was interrupted is finished before the next restart:
    unless all is as it was then, its report is the last event, and the server is not restarted.

    Raises:
        Unsupported, NotOurs, Refused, ServerUnreachable, ServerTrouble: before anything was touched; `Refused` also
            when another check of this server is at work.
        ConfirmationMissing: the engine itself would be restarted, and that was not confirmed.
        NotFound: a collection that was asked for was here once and is gone.
        BadInput: there is none of that name, and never was.
    """
    earlier = None
    if options.how != "none":  # a mere look is not the second scan of anything
        try:
            earlier = interrupted(ws)
        except AdminError as error:
            yield Notice(level="warning", text=f"an interrupted check is dropped: {error}")
    yield from run_locks.check(ws.settings.name).during(_verify(ws, options, earlier, cancel))


def _verify(ws: Workspace, options: VerifyOptions, earlier: VerifyReport | None, cancel: CancelToken) -> Events:
    if earlier is not None:
        when = f"{earlier.at.astimezone():%Y-%m-%d %H:%M}"
        yield Notice(text=f"the check of {when} was interrupted before its second scan: it is finished first")
        for event in recorded(ws.store, "verify", ws.settings.name, _finish(ws, earlier, cancel)):
            if not isinstance(event, Finished):
                yield event
            elif event.report.verdict_word not in EQUAL:
                yield event
                return
            else:
                yield Notice(text=f"the check of {when}: {event.report.verdict_word}")
    timing = Timing()
    state = yield from _looked_at(ws, options)
    others: tuple[str, ...] = ()
    if options.how == "engine":
        others = others_interrupted(ws, "engine", confirmed=options.confirmed, doing="verify")
    with closing(_Check(ws, options, state, timing, cancel)) as check:
        yield from check.run(others)


def _looked_at(ws: Workspace, options: VerifyOptions) -> Generator[Event, None, RuntimeState]:
    yield StepStarted(step="check", title="looking at the server")
    state = check_server(ws, options)
    yield StepFinished(step="check", detail=f"{state.name}, {state.state}")
    return state


@operation("verify")
def finish(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Compare with the first scan that was kept. Ends with a `VerifyReport`, whose `baseline` is that scan.

    The server ran when that scan was taken: one that the interrupted check left down or frozen is started or thawed
    first, and one that is just coming up (an engine that hung may start it late) is waited for.

    It is kept until there is a verdict, or one that no further look would change. Points that differ are counted and
    not named: the first scan of a process that was killed has left digests of collections, not of points.

    Raises:
        BadInput: no check of this profile was interrupted.
        Failed: the first scan was kept by another version and cannot be read.
    """
    profile = ws.settings.name
    earlier = interrupted(ws)
    if earlier is None:
        again = Command("verify", how="kill").on(profile)
        raise BadInput(f"no check of profile {profile} was interrupted", why="there is nothing to finish", fix=again)
    yield from run_locks.check(profile).during(_finish(ws, earlier, cancel))


def _finish(ws: Workspace, earlier: VerifyReport, cancel: CancelToken) -> Events:
    if ws.runtime.capabilities.start:
        state = ws.runtime.inspect().state
        if state in {"stopped", "paused"}:
            yield from ws.runtime.start(cancel)
        if state in {"stopped", "paused", "running", "restarting"}:
            yield from wait_ready(ws, cancel=cancel)
    timing = Timing()
    options = VerifyOptions(how="none", collections=earlier.chosen, sample=earlier.sample, baseline=earlier)
    state_now = yield from _looked_at(ws, options)
    with closing(_Check(ws, options, state_now, timing, cancel, finishing=True)) as check:
        yield from check.run(())


class _Check:
    """One check of a server that may be restarted: what it has seen so far."""

    def __init__(
        self,
        ws: Workspace,
        options: VerifyOptions,
        state: RuntimeState,
        timing: Timing,
        cancel: CancelToken,
        *,
        finishing: bool = False,
    ) -> None:
        self._ws, self._options, self._state, self._timing, self._cancel = ws, options, state, timing, cancel
        self._finishing = finishing
        """Whether the baseline is the first scan of a check that was interrupted."""
        self._methods = restart_methods(ws, options.how, state)
        self._scanner = Scanner(ws.settings.name, options.collections, options.sample, cancel)
        self._bookkeeping = Bookkeeping(ws.settings.name)
        self._restarts = Restarts(ws, timing, self._bookkeeping, cancel, partial(self._keep_first_scan, ending=True))
        self._writes = self._restarts.writes
        self._scope = collections_opened(ws.runtime.endpoint.api_key)
        self._before, self._after = ServerScan(), ServerScan()
        self._rounds: list[Round] = []
        self._done = False
        """Whether there is nothing left that a second scan could tell."""
        self._memory, self._memory_after = Memory(), Memory()

    def close(self) -> None:
        self._before.close()
        self._after.close()

    def run(self, others: tuple[str, ...]) -> Events:
        """Scan, restart and scan again, as often as was asked for. `others` on the engine are interrupted as well."""
        yield from self._scan_before(others)
        if writes := self._before.writes():
            yield from self._not_restarted(f"something writes to the server ({told(writes)}); it was not restarted")
            return
        if self._methods:
            self._keep_first_scan(self._before.counters_after)
        ended = True
        try:
            ended = yield from self._all_rounds()
        finally:  # a process that is killed does not come by here
            if self._methods and (self._done if self._restarts.begun else ended):  # a mere scan ends no other check
                self._forget()

    def _not_restarted(self, reason: str) -> Events:
        judgement = Judgement("inconclusive", f"{reason}: stop what writes", unfinished_checks(self._before))
        yield from self._bookkeeping.notices()
        yield Finished(report=self._report(judgement))

    def _keep_first_scan(self, counters: Counters | None, *, ending: bool = False) -> None:
        """For `finish`, should there be no second scan; whoever writes is told from these counters on."""
        reason = "it was interrupted before its second scan"
        fix = Command("verify", finish=True)
        report = self._report(Judgement("inconclusive", reason, unfinished_checks(self._before)), fix=fix)
        requests = None if counters is None else dict(counters)
        with self._bookkeeping:
            started = self._ws.runtime.inspect().started_at
            counted = Counted(process=started, requests=requests, ending=ending)
            self._keep(report.model_copy(update={"counted": counted}))

    def _keep(self, scan: VerifyReport) -> None:
        with self._bookkeeping:
            resumable_runs.keep_first_scan(self._ws.store, self._ws.settings.name, records.dump(scan))

    def _forget(self) -> None:
        with self._bookkeeping:
            resumable_runs.forget_check(self._ws.store, self._ws.settings.name)

    def _all_rounds(self) -> Generator[Event, None, bool]:
        """Returns whether it came to its end, so that there is nothing left for `finish`."""
        methods: tuple[RoundMethod, ...] = self._methods or ("none",)
        for how in methods:
            try:
                judgement = yield from self._round(how)
            except Cancelled:
                raise
            except WrittenMeanwhile as error:
                self._done = True
                self._rounds.append(Round(how=how, verdict="inconclusive"))
                yield from self._not_restarted(error.what)
                return True
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
        counters, own = self._before.counters_after, dict[str, int]()
        if self._rounds:
            counters = self._after.counters_after
            with self._ws.database() as database:  # make what is acknowledged durable, as before the first restart
                yield from wait_for_wal(database)
                own = database.own_writes()
        if how != "none":
            ready = yield from self._restarts.restart(how, counters, own)
            counters = self._restarts.counters
            self._keep_first_scan(counters)
            self._cancel.check()
        self._after.close()
        self._after = ServerScan()
        with self._timing.phase("fingerprint_after"), self._ws.database() as database:
            yield from self._scanner.fingerprint_all(self._after, database, "fingerprint_after", self._before)
        self._writes.see(counters, self._after.counters_before)
        judgement = yield from self._compare(how)
        round_ = Round(how=how, verdict=judgement.verdict, ready_seconds=ready)
        self._rounds.append(round_)
        yield PartDone(part=round_)
        return judgement

    def _scan_before(self, others: tuple[str, ...]) -> Generator[Event, None, None]:
        with self._ws.database() as database:
            yield from self._choose(database)
            yield from database.bulk.told()
            if self._finishing and self._options.baseline is not None:
                self._see_writes_since(self._options.baseline, database)
            elif self._methods:  # a mere look leaves to `finish` what an interrupted check has left
                self._remove_canaries(database)
            if self._methods:
                yield announcement(self._state, self._methods, len(database.names()), others)
                with self._timing.phase("barrier"):
                    yield from wait_for_wal(database)
            with self._timing.phase("fingerprint_before"):
                yield from self._scanner.fingerprint_all(self._before, database, "fingerprint_before")
                yield from self._watch(database, self._before)
            self._memory = self._remember(self._before, database)

    def _remember(self, scan: ServerScan, database: Database) -> Memory:
        """Hold a scan against what was known to be here, and keep it."""
        with self._bookkeeping:
            return known.remember(self._ws, scan, database.names(), self._options.collections)
        return Memory()

    def _choose(self, database: Database) -> Iterator[Event]:
        """Look at the collections that the names which were asked for mean today."""
        baseline = self._options.baseline
        then = {check.name for check in baseline.collections} if baseline else set()  # that one is gone is told later
        found = [named(self._ws, database, one, known=then) for one in self._options.collections]
        yield from (Notice(text=one.words) for one in found if one.alias)
        chosen = tuple(dict.fromkeys(one.name for one in found))
        self._options = self._options.model_copy(update={"collections": chosen})
        self._scanner = Scanner(self._ws.settings.name, chosen, self._options.sample, self._cancel)

    def _see_writes_since(self, earlier: VerifyReport, database: Database) -> None:
        """What others wrote since an interrupted check's only scan; the collections that it has left are removed."""
        counters = counters_since(self._ws, earlier, self._state.started_at)
        if counters is None and earlier.counted is not None and earlier.counted.requests is not None:
            self._writes.why_blind = UNSEEN_PROCESS
        self._writes.see(counters, read_counters(database))
        self._remove_canaries(database)
        if counters is not None and (own := database.own_writes()):  # should this scan have to be made again
            requests = dict(Counter(counters) + Counter(own))
            counted = Counted(process=self._state.started_at, requests=requests)
            self._keep(earlier.model_copy(update={"counted": counted}))

    def _remove_canaries(self, database: Database) -> None:
        with self._bookkeeping:
            canaries.remove(self._ws.store, database.delete_collection, self._ws.runtime.endpoint.url)

    def _watch(self, database: Database, scan: ServerScan) -> Generator[Event, None, None]:
        """Look at the write counters for a while longer, where reading took but a moment."""
        left = WATCH_SECONDS - self._timing.seconds_of_phase
        if left > 0 and scan.counters_before is not None and not scan.writes():
            yield StepStarted(step="watch", title="watching for writes")
            self._cancel.wait(left)
            scan.counters_after = read_counters(database)
            seen = scan.writes()
            words = told(seen) or "nobody writes"
            yield StepFinished(step="watch", outcome="warning" if seen else "ok", detail=words)

    def _compare(self, how: RoundMethod) -> Generator[Event, None, Judgement]:
        yield StepStarted(step="compare", title="comparing")
        with self._timing.phase("compare"), self._ws.database() as database:
            judgement = self._judged(database, how)
            if judgement.verdict in {"lost", "changed"} and how != "none":
                yield from self._watch(database, self._after)
                judgement = self._judged(database, how)
        judgement = with_new_collections(judgement, self._restarts.found, self._writes)
        judgement = of_one_member(judgement, max(self._before.members, self._after.members))
        judgement = within_scope(judgement, self._scope)
        good = judgement.verdict in EQUAL
        yield StepFinished(step="compare", outcome="ok" if good else "failed", detail=judgement.reason)
        return judgement

    def _judged(self, database: Database, how: RoundMethod) -> Judgement:
        self._writes.see_scan(self._after.counters_before, self._after.counters_after)
        return judge(self._before, self._after, database, how, self._writes)

    # -- the report -----------------------------------------------------------------------------------------------

    def _conclude(self, judgement: Judgement) -> Events:
        if judgement.verdict == "unchanged" and any(one.verdict == "persisted" for one in self._rounds):
            judgement = judgement._replace(verdict="persisted", reason=ALL_EQUAL)  # proven by another of the restarts
            judgement = within_scope(judgement, self._scope)
        cause, size = "", None
        fix: Fix = ""
        if judgement.verdict in EQUAL:  # what is lost by this very restart stays known
            with self._ws.database() as database:
                self._memory_after = self._remember(self._after, database)
        if judgement.verdict == "empty" and (faults := self._bookkeeping.faults):
            reason = f"nothing is stored, and what was known to be here could not be read: {faults[0]}"
            judgement = judgement._replace(verdict="inconclusive", reason=reason)
        gone = next((one for one in self._state.storage.faults if one.code == DELETED), None)
        if gone is not None:  # a mere look: every restart is refused
            reason = f"{gone.what}: {gone.why}"
            judgement = judgement._replace(verdict=together(judgement.verdict, "inconclusive"), reason=reason)
            fix = gone.fix
        elif self._memory.word in {"lost", "inconclusive"}:
            fix = Command("logs", tail=1000) if self._ws.runtime.capabilities.logs else Command("verify", accept=True)
        broken = any(name in self._before.collections for name in self._after.unreadable)
        if judgement.verdict in {"lost", "changed"} or broken:
            cause = likely_cause(self._state.storage, self._findings())
            fix = Command("doctor") if self._state.storage.sound is False else log_or_list(self._ws)
        with suppress(AdminError):  # a figure for the history, and no more
            size = self._ws.runtime.disk_bytes()
        self._done = True
        report = self._report(judgement, cause=cause, fix=fix, storage_bytes=size)
        if self._methods or (self._finishing and report.baseline and report.baseline.verdict != "inconclusive"):
            self._forget()
        yield from self._bookkeeping.notices()
        yield Finished(report=report.model_copy(update={"checks": tuple(self._checks())}))

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
        gone = [one for one in self._ws.runtime.inspect().storage.faults if one.code == DELETED]
        return (*gone, *decode_log(latest_start(lines) or lines, self._ws.settings.name))

    def _report(
        self, judgement: Judgement, *, cause: str = "", fix: Fix = "", storage_bytes: int | None = None
    ) -> VerifyReport:
        options, profile = self._options, self._ws.settings.name
        storage = f"{self._state.storage.kind} {self._state.storage.source}".strip()
        judgement = known.weighed(judgement, self._memory)
        verdict, reason, code, baseline = judgement.verdict, judgement.reason, judgement.code, None
        if options.baseline is not None:
            place = Place(profile, storage, self._state.started_at)
            baseline = since(options.baseline, judgement.collections, options.collections or self._scope, place)
            verdict = together(verdict, baseline.proof)
            reason = with_baseline(reason, judgement.verdict, baseline)
            judged = judgement._replace(verdict=verdict, reason=reason)
            if self._finishing:
                judged = weighed(judged, self._writes)
            if judgement.code == "cluster":
                judged = judged._replace(verdict="inconclusive")
            verdict, reason, code = judged.verdict, judged.reason, judged.code
        if not fix and verdict not in EQUAL:
            fix = self._again() if verdict == "inconclusive" else log_or_list(self._ws)
        return VerifyReport(
            profile=profile,
            how=options.how,
            verdict=verdict,
            reason=reason,
            collections=judgement.collections if baseline is None else of_both(judgement.collections, baseline),
            chosen=options.collections,
            baseline=baseline,
            aliases=judgement.aliases,
            phases=tuple(self._timing.phases),
            rounds=tuple(self._rounds),
            fresh=self._restarts.found,
            ready_seconds=max((one.ready_seconds for one in self._rounds if one.ready_seconds), default=None),
            sample=options.sample,
            checks=tuple(self._checks()),
            code=code,
            writers=self._writes.all | self._before.writes(),
            scope=self._scope,
            cause=cause,
            since=known.since(self._memory, self._memory_after),
            fix=written(fix, profile),
            server_version=self._before.version,
            storage=storage,
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
        if uncounted := [one.name for one in scanned if one.counted is None]:
            yield f"but not exact counts and exact searches of {', '.join(uncounted)}: its strict mode refuses them"
        if self._scope:
            yield f"but only of {', '.join(self._scope)}: the API key opens no other collection"
        if self._before.counters_after is None or self._writes.blind:
            yield f"but {self._writes.why_blind}"
        for fault in self._bookkeeping.faults:
            yield f"but not noted in the state: {fault}"

    def _again(self) -> Command:
        options = self._options
        chosen, earlier = options.collections, options.baseline if self._finishing else None
        how = earlier.how if earlier else options.how  # what only looks, to finish, would prove nothing
        return Command("verify", how=how, collection=chosen, sample=options.sample, yes=options.confirmed)
