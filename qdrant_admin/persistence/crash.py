"""The crash test: write, kill the server in the middle of it, and look whether everything acknowledged is there.

It works in collections of its own, whose exact names are remembered before they are made, so that those of a test that
was itself killed are removed by the next one. What belongs to the user is only read: before the first kill every
acknowledged write of it is made durable.
"""

import contextlib
import random
import secrets
import statistics
import time
from collections.abc import Generator, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, Cancelled, DiskFull, ServerNotReady
from qdrant_admin.core.events import Event, Events, Finished, Notice, PartDone, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, duration, size
from qdrant_admin.lifecycle.findings import WRITES_REFUSED_BELOW
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.persistence.fingerprints import members_of, wait_for_wal
from qdrant_admin.persistence.reports import CrashLoss, CrashOptions, CrashReport, Cycle, Verdict, VerifyOptions
from qdrant_admin.persistence.restarts import check_health, check_server
from qdrant_admin.persistence.workload import SPEC, NameWriter, PointWriter, Writer, Writers, names_of
from qdrant_admin.server.runtime import RestartMethod
from qdrant_admin.state import canaries, run_locks
from qdrant_admin.workspace import Workspace, operation

STEP = "crash"
WRITES_FOR = (0.1, 1.5)
"""Seconds of writing before a kill: from hardly begun to several segments."""
_SHOWN = 100


@operation("crash-test")
def crash_test(ws: Workspace, options: CrashOptions, *, cancel: CancelToken) -> Events:
    """Kill the server under load, again and again. Ends with a `CrashReport`.

    A cancel is heard between two kills, with the server up again and the canaries removed.

    Raises:
        Unsupported, NotOurs, Refused, ServerUnreachable, ServerTrouble: before anything was touched.
    """
    yield from run_locks.check(ws.settings.name).during(_Test(ws, options, cancel).run())


class Outcome(NamedTuple):
    """What a test came to, and why."""

    verdict: Verdict
    reason: str = ""


def outcome(
    *, acknowledged: int, lost: int, failed_writers: Sequence[str], trouble: str = "", members: int = 1
) -> Outcome:
    """The verdict. `acknowledged` are changes of points, `trouble` is the error that ended the test early,
    `members` are the servers that hold the data together.

    Only a test with acknowledged changes of points, whose writers all worked until the crash, proves anything; a loss
    that was seen is a loss whatever else went wrong.
    """
    if members > 1:
        reason = f"it is one of {members} members of a cluster, and only one of them was killed and read"
        return Outcome("inconclusive", f"{reason}; {trouble}".removesuffix("; "))
    if lost:
        return Outcome("lost", trouble)
    if trouble:
        return Outcome("inconclusive", trouble)
    if failed_writers:
        return Outcome("inconclusive", f"a writer failed while the server was up: {failed_writers[0]}")
    if not acknowledged:
        return Outcome("inconclusive", "the server acknowledged no change of a point, so there was nothing to lose")
    return Outcome("persisted")


class _Test:
    """One run: its writers, and what it has seen so far."""

    def __init__(self, ws: Workspace, options: CrashOptions, cancel: CancelToken) -> None:
        self._ws, self._options, self._cancel = ws, options, cancel
        self._at, self._begun = datetime.now(UTC), time.monotonic()
        self._url = ws.runtime.endpoint.url
        self._rng = random.Random(options.seed)  # noqa: S311 # moments and choices, no secret
        self._prefix = f"{canaries.PREFIX}{secrets.token_hex(4)}"
        self._names = names_of(self._prefix)
        self._writers: list[Writer] = [
            PointWriter(number, self._prefix, random.Random(self._rng.random()), wait=options.wait)  # noqa: S311
            for number in range(options.writers)
        ]
        self._writers.append(NameWriter(self._names, random.Random(self._rng.random())))  # noqa: S311
        self._cycles: list[Cycle] = []
        self._losses: list[CrashLoss] = []
        self._failed_writers: list[str] = []
        self._lost = 0
        self._version = ""
        self._members = 1

    def run(self) -> Events:
        yield StepStarted(step="check", title="looking at the server")
        state = check_server(self._ws, VerifyOptions(how="kill"))
        yield StepFinished(step="check", detail=f"{state.name}, {state.state}")
        text = f"{state.name} will be killed {counted(self._options.cycles, 'time')}: nobody can reach it meanwhile"
        yield Notice(level="warning", text=text)
        trouble: AdminError | None = None
        try:
            yield from self._prepare()
            yield from self._all_cycles()
        except Cancelled:
            raise
        except AdminError as error:
            trouble = self._named(error)
            yield from self._bring_back()
            if not self._cycles:
                raise trouble from error
        finally:
            left = self._clean()
        if trouble is not None:
            yield Notice(level="error", text=str(trouble), fix=trouble.fix_on(self._ws.settings.name))
        if left:
            text = f"canary collections are left: {', '.join(left)}; the next test removes them"
            yield Notice(level="warning", text=text)
        yield Finished(report=self._report(trouble, left, f"{state.storage.kind} {state.storage.source}".strip()))

    def _prepare(self) -> Generator[Event, None, None]:
        with self._ws.database() as database:
            self._version = database.server().version
            self._members = members_of(database)
            yield from wait_for_wal(database)
            canaries.remove(self._ws.store, database.delete_collection, self._url)
            canaries.remember(self._ws.store, self._url, (self._prefix, *self._names))
            database.create_collection(self._prefix, SPEC)

    def _all_cycles(self) -> Generator[Event, None, None]:
        yield StepStarted(step=STEP, title="writing, killing, and looking")
        for number in range(self._options.cycles):
            self._cancel.check()
            self._cycle("kill")
            yield PartDone(part=self._cycles[-1])
            note = f"back in {duration(self._cycles[-1].recovery_seconds)}"
            yield Progress(step=STEP, done=number + 1, total=self._options.cycles, unit="steps", note=note)
        self._cycle("graceful")  # what survived a crash must survive an orderly stop as well
        yield PartDone(part=self._cycles[-1])
        acknowledged, unanswered = self._counts()
        told = f"{counted(acknowledged, 'change')} acknowledged, {self._lost} lost"
        good = self._outcome().verdict == "persisted"
        detail = f"{told}, {unanswered} unanswered at the crash"
        yield StepFinished(step=STEP, outcome="ok" if good else "failed", detail=detail)

    def _cycle(self, how: RestartMethod) -> None:
        unheard = CancelToken()
        before = self._counts()
        writers = Writers(self._writers, self._ws.database)
        try:
            unheard.wait(self._rng.uniform(*WRITES_FOR))
            if how == "graceful":  # a server that is asked to end waits half a minute for whoever goes on writing
                writers.stop()
            writers.expect_crash()
            begun = time.monotonic()
            _drain(self._ws.runtime.restart(how, unheard))
        finally:
            writers.stop()
            self._failed_writers += writers.failures[: _SHOWN - len(self._failed_writers)]
        _drain(wait_ready(self._ws, cancel=unheard))
        check_health(self._ws)
        recovery = time.monotonic() - begun
        lost = self._look()
        acknowledged, unanswered = (now - then for now, then in zip(self._counts(), before, strict=True))
        cycle = Cycle(how=how, acknowledged=acknowledged, unanswered=unanswered, lost=lost, recovery_seconds=recovery)
        self._cycles.append(cycle)

    def _look(self) -> int:
        """Compare with what is there; returns how much is not as it was acknowledged."""
        found: list[CrashLoss] = []
        with self._ws.database() as database:
            there = self._prefix in database.names()
            if there and (pending := database.pending(self._prefix)).left:
                raise ServerNotReady("the server does not get on with what it has acknowledged", why=pending.words)
            if not there:
                found.append(CrashLoss(what=f"collection {self._prefix}", acknowledged="there", found="absent"))
            for writer in self._writers:
                found += writer.losses(database) if there or isinstance(writer, NameWriter) else ()
            if not there:
                database.create_collection(self._prefix, SPEC)
        self._losses += found[: _SHOWN - len(self._losses)]
        self._lost += len(found)
        return len(found)

    def _counts(self) -> tuple[int, int]:
        """Changes of all writers: acknowledged, and not answered."""
        counts = [writer.counts for writer in self._writers]
        return sum(one.acknowledged for one in counts), sum(one.unanswered for one in counts)

    def _named(self, error: AdminError) -> AdminError:
        """The error; a disk without room as that, whatever the server died of."""
        with contextlib.suppress(AdminError):
            place = self._ws.runtime.inspect().storage
            if place.free_bytes is not None and place.free_bytes < WRITES_REFUSED_BELOW:
                why = f"{size(place.free_bytes)} are free where the data lies ({place.source}); {error}"
                return DiskFull("the server's disk is full", why=why, fix=f'df -h "{place.source or "."}"')
        return error

    def _bring_back(self) -> Events:
        """Whatever went wrong, the server runs again as it was found, if it can; otherwise that is said."""
        try:
            if self._ws.runtime.inspect().state == "stopped":
                _drain(self._ws.runtime.start(CancelToken()))
                _drain(wait_ready(self._ws, cancel=CancelToken()))
        except AdminError as error:
            fix = str(Command("up").on(self._ws.settings.name))
            yield Notice(level="error", text=f"the server does not come up again: {error}", fix=fix)

    def _clean(self) -> list[str]:
        """Remove the canaries; returns those that could not be."""
        try:
            with self._ws.database() as database:
                return canaries.remove(self._ws.store, database.delete_collection, self._url)
        except AdminError:
            return [self._prefix]

    def _outcome(self, trouble: str = "") -> Outcome:
        of_points = sum(one.counts.acknowledged for one in self._writers if isinstance(one, PointWriter))
        return outcome(
            acknowledged=of_points,
            lost=self._lost,
            failed_writers=self._failed_writers,
            trouble=trouble,
            members=self._members,
        )

    def _report(self, trouble: AdminError | None, left: list[str], storage: str) -> CrashReport:
        profile = self._ws.settings.name
        acknowledged, unanswered = self._counts()
        found = self._outcome(str(trouble) if trouble else "")
        recoveries = [one.recovery_seconds for one in self._cycles]
        logs = "" if found.verdict == "persisted" else str(Command("logs", tail=200).on(profile))
        return CrashReport(
            profile=profile,
            verdict=found.verdict,
            reason=found.reason,
            wait=self._options.wait,
            seed=self._options.seed,
            cycles=tuple(self._cycles),
            acknowledged=acknowledged,
            unanswered=unanswered,
            lost=self._lost,
            losses=tuple(self._losses),
            failed_writers=tuple(self._failed_writers),
            recovery_median_seconds=statistics.median(recoveries) if recoveries else None,
            recovery_max_seconds=max(recoveries, default=None),
            left=tuple(left),
            fix=(trouble.fix_on(profile) if trouble else "") or logs,
            server_version=self._version,
            storage=storage,
            at=self._at,
            seconds=time.monotonic() - self._begun,
        )


def _drain(events: Iterator[Event]) -> None:
    for _ in events:
        pass
