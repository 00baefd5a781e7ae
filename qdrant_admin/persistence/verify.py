"""Restart and verify: read everything, restart the server, read everything again, and say what came of it."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled, NotFound, Refused
from qdrant_admin.core.events import Event, Events, Finished, Notice, PartDone, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.gateway import Database
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.restart import others_interrupted, others_words
from qdrant_admin.persistence.baseline import against, with_baseline, worse
from qdrant_admin.persistence.fingerprints import Survey, moved, read_counters, take, wait_for_wal
from qdrant_admin.persistence.new_collections import FreshCollections
from qdrant_admin.persistence.preconditions import check_health, check_names, check_server
from qdrant_admin.persistence.reports import FreshCheck, Phase, Round, VerifyOptions, VerifyReport, Way
from qdrant_admin.persistence.verdict import Judgement, judge, likely_cause, with_fresh, without_after
from qdrant_admin.server.decode import decode_log, latest_start
from qdrant_admin.server.runtime import Diagnosis, RestartMethod, RuntimeState
from qdrant_admin.state import canaries, resumable_runs, run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

__all__ = ["VerifyOptions", "verify"]

WATCH_SECONDS = 1.0
"""At least this long the write counters are watched: a program that writes now and then shall not go unseen."""
_DOING: dict[RestartMethod, str] = {
    "graceful": "stopped in order and started again",
    "kill": "killed (SIGKILL) and started again",
    "pause": "frozen and thawed",
    "recreate": "removed and made anew on the same data",
    "engine": "restarted together with the container engine itself",
}
_ALL: tuple[RestartMethod, ...] = ("graceful", "kill", "pause", "recreate")
"""In the order in which `all` takes them: the harshest to the storage last. `engine` reaches beyond the server."""
_LOG_LINES = 400


def verify(ws: Workspace, options: VerifyOptions, *, cancel: CancelToken) -> Events:
    """Prove that what the server holds survives a restart. Ends with a `VerifyReport`.

    Cancelling before the restart leaves everything as it was; during the restart it is heard once the server runs
    again.

    Raises:
        Unsupported, NotOurs, Refused, ServerUnreachable, ServerTrouble: before anything was touched; `Refused` also
            when another check of this server is at work.
        ConfirmationMissing: the engine itself would be restarted, and nobody said yes.
        NotFound: a collection that was asked for is not there.
    """
    return recorded(
        ws.store,
        "verify",
        ws.settings.name,
        run_locks.check(ws.settings.name).during(_Check(ws, options, cancel).run()),
    )


def finish(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Compare with the first look that was kept. Ends with a `VerifyReport`, whose `baseline` is that look.

    The server ran when that look was taken: one that the cut-off check left down is started first, and one that is
    just coming up (an engine that hung may start it late) is waited for.

    It is kept until there is a verdict. Points that differ are counted and not named: the first look of a process that
    was killed has left digests of collections, not of points.

    Raises:
        NotFound: no check of this profile was cut off.
    """
    kept = resumable_runs.interrupted_check(ws.store, ws.settings.name)
    if kept is None:
        raise NotFound(
            f"no check of profile {ws.settings.name} was cut off", fix=command(ws.settings, "verify --how kill")
        )
    earlier = VerifyReport.model_validate_json(kept.report)
    if ws.runtime.capabilities.start:
        state = ws.runtime.inspect().state
        if state == "stopped":
            yield from ws.runtime.start(cancel)
        if state in {"stopped", "running", "restarting"}:
            yield from wait_ready(ws, cancel=cancel)
    options = VerifyOptions(how="none", collections=earlier.chosen, baseline=earlier)
    for event in verify(ws, options, cancel=cancel):
        if isinstance(event, Finished) and event.report.verdict_word != "inconclusive":
            resumable_runs.forget_check(ws.store, ws.settings.name)
        yield event


class _Check:
    """One run: what it has seen so far."""

    def __init__(self, ws: Workspace, options: VerifyOptions, cancel: CancelToken) -> None:
        self._ws, self._options, self._cancel = ws, options, cancel
        self._at, self._begun = datetime.now(UTC), time.monotonic()
        self._phases: list[Phase] = []
        self._before, self._after = Survey(), Survey()
        self._phase_begun = self._begun
        self._rounds: list[Round] = []
        self._written_between: tuple[str, ...] = ()
        self._fresh = FreshCollections(ws)
        self._fresh_found: FreshCheck | None = None
        self._gave_up = False
        self._others: tuple[str, ...] = ()
        self._storage_bytes: int | None = None

    def run(self) -> Events:
        """The whole story."""
        yield StepStarted(step="check", title="looking at the server")
        state = check_server(self._ws, self._options)
        if self._options.how == "engine":
            self._others = others_interrupted(self._ws, "engine", confirmed=self._options.confirmed, doing="verify")
        yield StepFinished(step="check", detail=f"{state.name}, {state.state}")
        with closing(self._before), closing(self):
            yield from self._look_before(state)
            writers = self._before.writers()
            if writers:
                reason = f"something writes to the server ({', '.join(writers)}); it was not restarted"
                fix = "stop the program that writes, then: " + self._again()
                judgement = Judgement("inconclusive", reason, without_after(self._before))
                yield Finished(report=self._report(state, judgement, fix=fix))
                return
            self._keep_first_look(state)
            try:
                yield from self._all_rounds(state)
            finally:  # a process that is killed does not come by here
                if not self._gave_up and self._options.how != "none":  # a mere look ends no other check
                    resumable_runs.forget_check(self._ws.store, self._ws.settings.name)

    def _keep_first_look(self, state: RuntimeState) -> None:
        """So that `finish` can compare with it, should there be no second look."""
        if self._options.how != "none":
            judgement = Judgement("inconclusive", "it was cut off before its second look", without_after(self._before))
            report = self._report(state, judgement, fix=command(self._ws.settings, "verify --finish"))
            resumable_runs.keep_first_scan(self._ws.store, self._ws.settings.name, to_json(report))

    def _all_rounds(self, state: RuntimeState) -> Events:
        for how in self._ways(state):
            try:
                judgement = yield from self._round(how)
            except Cancelled:
                raise
            except AdminError as error:
                self._rounds.append(Round(how=how, verdict="inconclusive"))
                self._gave_up = self._options.how != "none"
                yield from self._gave_out(state, error)
                return
            if judgement.verdict != "persisted":
                break
        yield from self._conclude(state, judgement)

    def _ways(self, state: RuntimeState) -> tuple[Way, ...]:
        """The restarts to make, one after the other."""
        if self._options.how != "all":
            return (self._options.how,)
        possible = self._ws.runtime.capabilities.restart
        without_loss = (how for how in _ALL if how != "recreate" or state.storage.kind != "container")
        return tuple(how for how in without_loss if how in possible)

    def _round(self, how: Way) -> Generator[Event, None, Judgement]:
        """One restart, and what is there behind it."""
        ready = None
        if self._rounds:
            yield from self._settle()
        if how != "none":
            ready = yield from self._restart(how)
        self._after.close()
        self._after = Survey()
        yield from self._look_after(how)
        judgement = yield from self._compare(how)
        round_ = Round(how=how, verdict=judgement.verdict, ready_seconds=ready)
        self._rounds.append(round_)
        yield PartDone(part=round_)
        return judgement

    def _settle(self) -> Generator[Event, None, None]:
        """Between two restarts: nobody may have written, and what is acknowledged is made durable."""
        with self._ws.database() as database:
            written = moved(self._after.counters_after, read_counters(database))
            if written:
                raise Refused(
                    f"something wrote to the server between two restarts ({', '.join(written)})",
                    fix="stop the program that writes, then: " + self._again(),
                )
            yield from wait_for_wal(database)

    def close(self) -> None:
        """Give the latest survey's files back."""
        self._after.close()

    # -- before ---------------------------------------------------------------------------------------------------

    def _look_before(self, state: RuntimeState) -> Generator[Event, None, None]:
        with self._ws.database() as database:
            check_names(self._ws, database, self._options)
            canaries.remove(
                self._ws.store, database.delete_collection, self._ws.runtime.endpoint.url
            )  # of a check that was cut off
            ways = [how for how in self._ways(state) if how != "none"]
            if ways:
                yield self._announcement(database, state, ways)
                with self._phase("barrier"):
                    yield from wait_for_wal(database)
            with self._phase("fingerprint_before"):
                chosen = self._options.collections
                sample = self._options.sample
                yield from take(
                    self._before, database, chosen, "fingerprint_before", cancel=self._cancel, sample=sample
                )
                yield from self._watch(database, self._before)

    def _announcement(self, database: Database, state: RuntimeState, ways: Sequence[RestartMethod]) -> Notice:
        held = counted(len(database.names()), "collection")
        doing = ", then ".join(_DOING[how] for how in ways)
        text = f"{state.name} will be {doing}: {held} cannot be reached meanwhile{others_words(self._others)}"
        if state.storage.kind == "container":
            text += "; its data lies inside the container and would not survive a recreate"
        return Notice(level="warning", text=text)

    def _watch(self, database: Database, survey: Survey) -> Generator[Event, None, None]:
        """Look at the write counters for a while longer, where reading took but a moment."""
        left = WATCH_SECONDS - self._seconds_of_phase()
        if left > 0 and survey.counters_before is not None and not survey.writers():
            yield StepStarted(step="watch", title="looking whether anybody writes")
            self._cancel.wait(left)
            survey.counters_after = read_counters(database)
            seen = survey.writers()
            yield StepFinished(
                step="watch", outcome="warning" if seen else "ok", detail=", ".join(seen) or "nobody does"
            )

    # -- the restart ----------------------------------------------------------------------------------------------

    def _restart(self, how: RestartMethod) -> Generator[Event, None, float]:
        """From here on a cancel is only heard once the server can be used again, as it was found.

        Returns:
            seconds from the stop to truly ready.
        """
        self._cancel.check()
        self._fresh, unheard = FreshCollections(self._ws), CancelToken()
        if how != "pause":  # which loses nothing that a process holds
            with self._phase("fresh"):
                yield from self._fresh.make()
        begun = time.monotonic()
        with self._phase("restart"):
            yield from self._to_the_end(self._ws.runtime.restart(how, unheard))
        with self._phase("ready"):
            yield from wait_ready(self._ws, cancel=unheard)
            check_health(self._ws)
        ready = time.monotonic() - begun
        self._fresh.look()
        self._fresh_found = self._fresh.found or self._fresh_found
        self._cancel.check()
        return ready

    def _to_the_end(self, events: Events) -> Generator[Event, None, None]:
        """Pass events through; whoever stops listening, and whatever fails, the server is brought back first."""
        try:
            for event in events:  # noqa: UP028 # `yield from` would end the restart half-way with its listener
                yield event
        except GeneratorExit:
            for _ in events:
                pass
            raise
        except AdminError:
            if self._ws.runtime.inspect().state == "stopped":
                yield from self._ws.runtime.start(CancelToken())
            raise

    # -- after ----------------------------------------------------------------------------------------------------

    def _look_after(self, how: Way) -> Generator[Event, None, None]:
        with self._ws.database() as database:
            chosen = self._options.collections
            with self._phase("fingerprint_after"):
                yield from take(
                    self._after,
                    database,
                    chosen,
                    "fingerprint_after",
                    cancel=self._cancel,
                    earlier=self._before,
                    sample=self._options.sample,
                )
        # Counters begin at nothing when a server starts; a process that was not ended goes on counting.
        start = self._before.counters_after if how in {"none", "pause"} else self._fresh.counters
        self._written_between = (*self._fresh.strangers, *moved(start, self._after.counters_before))

    def _compare(self, how: Way) -> Generator[Event, None, Judgement]:
        yield StepStarted(step="compare", title="comparing")
        with self._phase("compare"), self._ws.database() as database:
            judgement = judge(self._before, self._after, database, how, self._written_between)
            if judgement.verdict in {"lost", "changed"} and how != "none":
                yield from self._watch(database, self._after)
                judgement = judge(self._before, self._after, database, how, self._written_between)
        judgement = with_fresh(judgement, self._fresh.found)
        good = judgement.verdict == "persisted"
        yield StepFinished(step="compare", outcome="ok" if good else "failed", detail=judgement.reason)
        return judgement

    def _conclude(self, state: RuntimeState, judgement: Judgement) -> Events:
        cause, fix = "", ""
        if judgement.verdict in {"lost", "changed"} or self._broken():
            cause = likely_cause(state.storage, self._findings())
            fix = command(self._ws.settings, "doctor" if state.storage.sound is False else "logs --tail 200")
        elif judgement.verdict == "inconclusive":
            fix = self._again()
        with suppress(AdminError):  # a figure for the history, and no more
            self._storage_bytes = self._ws.runtime.disk_bytes()
        yield Finished(report=self._report(state, judgement, cause=cause, fix=fix))

    def _broken(self) -> bool:
        """Whether a collection that could be read before the restart cannot be read any more."""
        return any(name in self._before.fingerprints for name in self._after.unreadable)

    def _gave_out(self, state: RuntimeState, error: AdminError) -> Events:
        """The server did not come back, or could not be read: nothing was lost that anybody has seen."""
        yield Notice(level="error", text=str(error), fix=error.fix)
        reason = f"the content could not be compared: {error}"
        judgement = Judgement("inconclusive", reason, without_after(self._before))
        fix = error.fix or self._again()
        try:
            self._ws.runtime.inspect()
            cause = likely_cause(state.storage, self._findings())
        except AdminError as trouble:  # the engine is gone, and whatever else went wrong follows from that
            cause = str(trouble)
            fix = "start the engine, then: " + command(self._ws.settings, "verify --finish")
        yield Finished(report=self._report(state, judgement, cause=cause, fix=fix))

    def _findings(self) -> Sequence[Diagnosis]:
        """What the server's log says of its latest start."""
        if not self._ws.runtime.capabilities.logs:
            return ()
        lines: list[str] = []
        try:
            for batch in self._ws.runtime.logs(tail=_LOG_LINES, follow=False, cancel=self._cancel):
                lines += batch
        except AdminError:
            return ()  # the log is only a help
        return decode_log(latest_start(lines) or lines)

    def _report(self, state: RuntimeState, judgement: Judgement, *, cause: str = "", fix: str = "") -> VerifyReport:
        verdict, reason, baseline = judgement.verdict, judgement.reason, None
        if self._options.baseline is not None:
            chosen = self._options.collections
            baseline = against(self._options.baseline, judgement.collections, chosen)
            verdict = worse(verdict, baseline.verdict)
            reason = with_baseline(reason, judgement.verdict, baseline)
        fresh = self._fresh_found
        filters = sum(len(print_.filtered) for print_ in self._before.fingerprints.values())
        searches = sum(len(print_.searches) for print_ in self._before.fingerprints.values())
        return VerifyReport(
            profile=self._ws.settings.name,
            how=self._options.how,
            verdict=verdict,
            reason=reason,
            collections=judgement.collections,
            chosen=self._options.collections,
            baseline=baseline,
            aliases=judgement.aliases,
            phases=tuple(self._phases),
            rounds=tuple(self._rounds),
            fresh=fresh,
            ready_seconds=max((one.ready_seconds for one in self._rounds if one.ready_seconds), default=None),
            storage_bytes=self._storage_bytes,
            sample=self._options.sample,
            checks=self._looked_at()
            + (f", {counted(filters, 'filtered count')}" if filters else "")
            + (f", {counted(searches, 'exact search', 'exact searches')}" if searches else "")
            + ", configuration, payload indexes, aliases"
            + (f", {counted(fresh.collections, 'collection')} made a moment before" if fresh else ""),
            cause=cause,
            fix=fix,
            server_version=self._before.version,
            storage=f"{state.storage.kind} {state.storage.source}".strip(),
            at=self._at,
            seconds=time.monotonic() - self._begun,
        )

    def _looked_at(self) -> str:
        content = "payload and every vector's bytes"
        if self._options.sample is None:
            return f"id, {content} of every point, exact counts"
        looked = sum(one.sampled for one in self._before.fingerprints.values())
        return f"every id, {content} of a sample of {counted(looked, 'point')}, exact counts"

    def _again(self) -> str:
        yes = " --yes" if self._options.confirmed else ""
        return command(self._ws.settings, f"verify --how {self._options.how}{yes}")

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        at, begun = datetime.now(UTC), time.monotonic()
        self._phase_begun = begun
        try:
            yield
        finally:
            self._phases.append(Phase(name=name, at=at, seconds=time.monotonic() - begun))

    def _seconds_of_phase(self) -> float:
        return time.monotonic() - self._phase_begun
