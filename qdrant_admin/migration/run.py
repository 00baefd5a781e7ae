"""Running a plan: create the targets, copy, restore aliases, verify, and only then report."""

import contextlib
import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from functools import partial

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    AdminError,
    BadInput,
    Cancelled,
    DiskFull,
    Failed,
    QuotaReached,
    Refused,
    RequestRejected,
)
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, plain, size
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.models import VectorSpec
from qdrant_admin.database.retry import RetryPolicy
from qdrant_admin.lifecycle.observation import observe
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.change_tracking import ChangeTracker
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare import equality
from qdrant_admin.migration.compare.verify import Rows, Verifier
from qdrant_admin.migration.copy import snapshot
from qdrant_admin.migration.copy.checks import incompatibilities
from qdrant_admin.migration.copy.indexing import Indexing
from qdrant_admin.migration.copy.stream import Copier, CopyJob
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult, MigrationReport, PlanReport, Verdict
from qdrant_admin.migration.targets import Planned, Targets
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import WHOLE, Source, mark_of
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

_ROOM_FACTOR, _ROOM_TO_BREATHE = 2.2, 1 << 26
"""Space to ask for per estimated byte, and on top: the server keeps log and segments, and refuses to write when less
than two segments of log are free."""
_COMPARED_A_SECOND = 500
"""Points, on a slow machine: so long nobody takes a target over while it is compared."""
_WORST: tuple[Verdict, ...] = ("failed", "cancelled", "differs", "unverified", "verified", "skipped")


def migrate(ws: Workspace, plan: PlanReport, *, cancel: CancelToken) -> Events:
    """Do what a plan says; a run that is stored already resumes where it stopped. What was acknowledged always stays.

    Ends with a `MigrationReport`, also after a cancel.

    Raises:
        Refused: the plan holds a refusal, or another process is running it.
        SourceUnreadable, ServerUnreachable, ServerTrouble: with the command that resumes the run.
    """
    return recorded(ws.store, "migrate", ws.settings.name, _migrate(ws, plan, cancel))


def _migrate(ws: Workspace, plan: PlanReport, cancel: CancelToken) -> Events:
    refused = [problem for problem in plan.problems if problem.level == "refused"]
    if refused:
        why = "\n".join(f"{plain(problem.collection)}: {problem.text}".removeprefix(": ") for problem in refused)
        raise Refused("the migration does not start", why=why, fix=refused[0].fix or HELP)
    with contextlib.ExitStack() as stack:
        stack.enter_context(run_locks.migration(plan.run).held())
        database = stack.enter_context(ws.database())
        doctor = str(Command("doctor").on(ws.settings.name))
        indexing = Indexing(ws.store, plan.run, database, cancel, doctor)
        with indexing.restored_on_failure():
            source = stack.enter_context(contextlib.closing(open_source(parse(plan.source))))
        targets = stack.enter_context(Targets(database, plan.run, len(plan.taken), plan.source))
        run = _Run(ws, plan, source, indexing, targets, cancel)
        yield from database.bulk.told()
        try:
            with indexing.restored_on_failure():
                yield from run.events()
            observe(ws)  # what it has brought is known from now on
        except Cancelled:
            yield Finished(report=run.report(cancelled=True))
        except DiskFull as error:
            raise run.short_of_room(error) from error
        except QuotaReached as error:
            raise error.with_fix(f"{error.way_out}, then: {run.how_to_resume}") from error
        except AdminError as error:
            if error.way_out:
                raise
            raise error.with_fix(run.how_to_resume) from error
        finally:
            run.changes.close()


class _Run:
    """One run, from its checkpoints to its report."""

    def __init__(
        self,
        ws: Workspace,
        plan: PlanReport,
        source: Source,
        indexing: Indexing,
        targets: Targets,
        cancel: CancelToken,
    ) -> None:
        self._store, self._plan, self._source, self._cancel = ws.store, plan, source, cancel
        self._indexing, self._targets, self._database = indexing, targets, indexing.database
        self._rejects = RejectFile(plan)
        self._start = time.monotonic()
        self._checkpoints: dict[str, list[Checkpoint]] = {}
        self._jobs: dict[str, CopyJob] = {}
        self._results: dict[str, CollectionResult] = {}
        self._resumed = False
        self._profile = ws.settings.name
        self.how_to_resume = str(Command("migrate", resume=plan.run).on(self._profile))
        self._retry = RetryPolicy(cancel, fix=self.how_to_resume)
        self.changes = ChangeTracker(plan, self._database, self._rejects, self._retry, cancel)

    def events(self) -> Events:
        checkpoint.begin(self._store, self._plan)
        self._checkpoints = checkpoint.checkpoints(self._store, self._plan.run)
        self._resumed = bool(self._checkpoints)
        if self._resumed:
            done = sum(found.read for found in self._all())
            yield Notice(text=f"resuming after {counted(done, 'point')}")
        self._rejects.cut(max((found.reject_bytes for found in self._all()), default=0))
        wanted = list(self._plan.taken)
        slots = {}
        for planned in wanted:
            self._cancel.check()
            slots[planned.source] = yield from self._target(planned)
        self._targets.settle()
        yield from self._copy(wanted, slots)
        yield from self._index(wanted)
        if any(planned.aliases for planned in wanted):
            yield from self._retry.run(lambda: self._aliases(wanted))
        wanted = yield from self._catch_up(wanted, slots)
        self._targets.check()
        with self._targets.at_rest(time.monotonic() - self._start + self._plan.total / _COMPARED_A_SECOND):
            yield from self._verify(wanted, slots)
        yield from self._switch(wanted)
        checkpoint.finish(self._store, self._plan.run)
        yield Finished(report=self.report())

    def short_of_room(self, error: DiskFull) -> DiskFull:
        left = sum(
            planned.estimated_bytes * (1 - min(1.0, self._total(planned).read / max(1, planned.count)))
            for planned in self._plan.taken
        )
        why = f"{error.why}; the rest needs about {size(int(_ROOM_FACTOR * left) + _ROOM_TO_BREATHE)}"
        fix = f"free some space where the server keeps its data, then: {self.how_to_resume}"
        return DiskFull(error.what, why=why, fix=fix)

    def report(self, *, cancelled: bool = False) -> MigrationReport:
        """The results so far; a collection that was not verified is reported as such."""
        results = tuple(
            self._result(one, cancelled=cancelled).model_copy(update={"ids": one.ids, "payload": one.payload})
            for one in self._plan.collections
        )
        rejects = self._rejects.first()
        return MigrationReport(
            run=self._plan.run,
            source=self._plan.source,
            source_kind=self._plan.source_kind,
            target=self._plan.target,
            collections=results,
            rejects=rejects,
            reject_file=str(self._rejects.path) if rejects else None,
            verdict="cancelled" if cancelled else _verdict(results),
            seconds=time.monotonic() - self._start,
            resumed=self._resumed,
            warnings=tuple(problem.words for problem in self._plan.problems if problem.level == "warning"),
            strays=self._plan.strays,
            checks="" if cancelled else equality.words(results),
        )

    def _result(self, planned: CollectionPlan, *, cancelled: bool) -> CollectionResult:
        if planned.source in self._results:
            return self._results[planned.source]
        at = self._total(planned)
        if planned.action == "skip":
            left = planned.left_out or ("left as it is" if planned.target_exists else "left out: it holds no vector")
            figure = "left_out" if planned.left_out else "skipped"
            return CollectionResult(
                source=planned.source, target=planned.target, seen=planned.seen, verdict="skipped", note=left
            ).model_copy(update={figure: planned.seen})
        return CollectionResult(
            source=planned.source,
            target=planned.target,
            seen=planned.seen,
            read=at.read,
            written=at.written,
            rejected=at.rejected,
            verdict="cancelled" if cancelled else "unverified",
            note=self.how_to_resume,
        )

    def _target(self, planned: CollectionPlan) -> Generator[Event, None, dict[str, VectorSpec]]:
        """Create the target, or claim the existing one if it is still as it was planned; returns its vectors."""
        step, name = f"target:{planned.target}", plain(planned.target)
        yield StepStarted(step=step, title=f"preparing {name}")
        self._check_source_unchanged(planned)
        exists = self._database.exists(planned.target)
        if exists:
            begun = planned.source in self._checkpoints
            yield from self._targets.take(planned.target, self._found(planned), begun=begun)
            if self._total(planned).written and not self._database.count(planned.target):
                raise self._gone(planned, "is empty in the target")
        else:
            yield from self._create(planned)
        info = self._database.collection(planned.target)
        for reason in incompatibilities(planned.spec.vectors, info.vectors):
            renaming = Command("migrate", self._plan.source, on_conflict="rename")
            raise Refused(f"{name} in the target is not compatible", why=reason, fix=renaming)
        self._begin(planned, parts=len(planned.spans))
        yield StepFinished(step=step, detail="exists" if exists else "created")
        return {slot.name: slot for slot in info.vectors}

    def _begin(self, planned: CollectionPlan, *, parts: int) -> None:
        """Save the first checkpoints of a collection, unless the run is resumed and has them already."""
        if planned.source not in self._checkpoints:
            self.changes.begin(planned)
            self._save([Checkpoint(collection=planned.source, span=number) for number in range(parts)])

    def _create(self, planned: CollectionPlan) -> Events:
        if self._total(planned).read:
            raise self._gone(planned, "no longer exists in the target")
        yield from self._targets.create(planned.target, planned.spec)

    def _gone(self, planned: CollectionPlan, how: str) -> Failed:
        why = "this run has written to it before, and it was deleted, emptied or made again since"
        return Failed(f"{plain(planned.target)} {how}", why=why, fix=Command("migrate", self._plan.source))

    def _check_source_unchanged(self, planned: CollectionPlan) -> None:
        if planned.source_mark and mark_of(self._source, planned.source) != planned.source_mark:
            what = f"{plain(planned.source)} has changed since the migration was planned"
            why = "the plan no longer describes it, and half of it may have been copied before"
            raise Refused(what, why=why, fix=Command("migrate", self._plan.source))

    def _found(self, planned: CollectionPlan) -> Planned:
        """What the plan has found in the place of the target; anything will do once this run has put something in."""
        at = self._checkpoints.get(planned.source)
        if at and (planned.method != "snapshot" or at[0].read or at[0].cursor == snapshot.RESTORING):
            return "anything"
        if planned.action == "create":
            return "nothing"
        asked = planned.on_conflict in {"fail", "skip"} and not planned.target_points
        return "empty" if asked else "anything"

    def _save(self, moved: Sequence[Checkpoint]) -> None:
        for one in moved:
            spans = self._checkpoints.setdefault(one.collection, [])
            spans[one.span : one.span + 1] = [one]
        checkpoint.save(self._store, self._plan.run, moved)
        self._targets.check()

    def _all(self) -> Iterator[Checkpoint]:
        return itertools.chain.from_iterable(self._checkpoints.values())

    def _total(self, planned: CollectionPlan) -> Checkpoint:
        return checkpoint.total(planned.source, self._checkpoints.get(planned.source, ()))

    def _copy(self, wanted: list[CollectionPlan], slots: dict[str, dict[str, VectorSpec]]) -> Events:
        yield StepStarted(step="copy", title=f"copying into {self._plan.target}")
        total, done = sum(planned.count for planned in wanted), sum(at.read for at in self._all())
        whole = ProgressMeter("copy", total, done=done)
        for planned in wanted:
            if planned.only_differences:
                continue
            job = CopyJob(
                migration=self._plan,
                plan=planned,
                source=self._source,
                database=self._database,
                slots=slots[planned.source],
                rejects=self._rejects,
                save=self._save,
                retry=self._retry,
                whole=whole,
                cancel=self._cancel,
                checkpoints=list(self._checkpoints[planned.source]),
                store=self._store,
                record=self.changes.recorder(planned),
                method=planned.method,
            )
            self._jobs[planned.source] = job
            if planned.method == "stream" and not self._total(planned).done:
                self._indexing.pause(planned)
            yield from snapshot.copy(job) if planned.method == "snapshot" else Copier(job).run()
        yield whole.event()
        rejected = sum(at.rejected for at in self._all())
        outcome = f"{counted(rejected, 'record')} rejected" if rejected else ""
        yield StepFinished(step="copy", outcome="warning" if rejected else "ok", detail=outcome)

    def _index(self, wanted: list[CollectionPlan]) -> Events:
        """Restore the indexing, and wait until every collection is green."""
        yield StepStarted(step="indexing", title="indexing")
        for planned in wanted:
            pace = ProgressMeter("indexing", planned.count * len(planned.vectors), item=planned.target)
            yield from self._retry.run(partial(self._indexing.finish, planned, pace))
        yield StepFinished(step="indexing")

    def _aliases(self, wanted: list[CollectionPlan]) -> Events:
        """Restore the aliases that are free; the plan has named the others."""
        taken = self._database.aliases()
        names = set(self._database.names())
        for planned in wanted:
            free = [alias for alias in planned.aliases if alias not in taken and alias not in names]
            for alias in [] if planned.alias else free:
                try:
                    self._database.set_alias(alias, planned.target)
                except (RequestRejected, BadInput) as error:
                    text = f"alias {plain(alias)} was not created: {error}"
                    yield Notice(level="warning", text=text, fix=error.fix_on(self._profile))

    def _catch_up(
        self, wanted: list[CollectionPlan], slots: dict[str, dict[str, VectorSpec]]
    ) -> Generator[Event, None, list[CollectionPlan]]:
        """Catch up with a source that keeps changing; returns the plans as they are to be verified afterwards."""
        if not self._plan.catch_up:
            return wanted
        plans = []
        for planned in wanted:
            yield from self.changes.follow(planned, slots[planned.source])
            caught_up = self.changes.done[planned.source]
            self._checkpoints[planned.source] = [caught_up.checkpoint(self._total(planned))]
            plans.append(planned.model_copy(update={"spans": WHOLE, "count": caught_up.passes[-1].read}))
        self._source = self.changes.source()
        return plans

    def _verify(self, wanted: list[CollectionPlan], slots: dict[str, dict[str, VectorSpec]]) -> Events:
        sample = equality.sample_of(self._plan.verify)
        what = "every point" if sample is None else "every id, and a sample of points,"
        yield StepStarted(step="verify", title=f"comparing {what} with the source")
        counted_again = yield from self._count_again()
        for planned in wanted:
            verifier = Verifier(
                self._source,
                self._database,
                planned,
                slots[planned.source],
                self._retry,
                self._cancel,
                self._checkpoints[planned.source],
                sample=sample,
                seed=self._plan.run,
                rows=counted_again.get(planned.source, Rows(0, 0)),
                follows=planned.source in self.changes.done,
            )
            yield from verifier.run()
            result = verifier.result()
            if job := self._jobs.get(planned.source):
                result = result.model_copy(update={"method": job.method, "retries": job.retries, "bytes": job.octets})
            if caught_up := self.changes.done.get(planned.source):
                result = caught_up.with_outcome(result)
            self._results[planned.source] = result
        sound = all(result.verdict == "verified" for result in self._results.values())
        verified = sum(result.verified for result in self._results.values())
        equal = f"{counted(verified, 'point')} equal"
        yield StepFinished(step="verify", outcome="ok" if sound else "failed", detail=equal)

    def _count_again(self) -> Generator[Event, None, dict[str, Rows]]:
        """The rows of each collection, as the source counts them by now: what was read is held against that."""
        found: dict[str, Rows] = {}

        def count() -> Events:
            found.update({one.name: Rows(one.count + one.folded, one.folded) for one in self._source.collections()})
            yield from ()

        yield from self._retry.run(count)
        return found

    def _switch(self, wanted: list[CollectionPlan]) -> Events:
        """Switch the alias of each staging collection that is verified."""
        for planned in wanted:
            result = self._results[planned.source]
            if planned.alias and result.verdict == "verified":
                yield from self._retry.run(partial(self._switch_alias, planned, result))
            elif planned.alias:
                still = f"still points to {plain(planned.replaces)}" if planned.replaces else "was not created"
                words = f"{plain(planned.alias)} {still}: {plain(planned.target)} is not verified"
                self._results[planned.source] = result.noted(words)

    def _switch_alias(self, planned: CollectionPlan, result: CollectionResult) -> Events:
        """Point the alias to the staging collection, and those of the source that are free or pointed where it did.

        All in one request: applications see the new collection from one request to the next, the old collection stays.
        Repeated after a kill, it changes nothing.
        """
        alias, target, step = plain(planned.alias), plain(planned.target), f"switch:{planned.target}"
        yield StepStarted(step=step, title=f"switching {alias} to {target}")
        aliases, names = self._database.aliases(), set(self._database.names())
        before = aliases.get(planned.alias)
        if before not in {None, planned.replaces, planned.target}:
            was = f"pointed to {plain(planned.replaces)}" if planned.replaces else "did not exist"
            raise Refused(
                f"{alias} points to {plain(before)} by now",
                why=f"it {was} when this was planned; {target} is verified, and no alias was switched to it",
                fix=Command("migrate", self._plan.source, into_staging=True),
            )
        kept = planned.replaces if planned.replaces in names else ""
        wanted = [planned.alias, *(one for one in planned.aliases if one not in names)]
        free = {None, before, planned.target}
        self._database.set_aliases({one: planned.target for one in wanted if aliases.get(one) in free})
        words = f"{alias} points to {target} now"
        if kept:
            deleting = str(Command("collections", "delete", kept).on(self._profile))
            words += f"; {plain(kept)} is kept, to delete it: {deleting}"
            yield Notice(text=f"{plain(kept)} is kept as it was; to delete it", fix=deleting)
        yield StepFinished(step=step, detail=f"{alias} pointed to {plain(kept)}" if kept else f"{alias} is new")
        self._results[planned.source] = result.noted(words).model_copy(update={"alias": planned.alias, "kept": kept})


def _verdict(results: Sequence[CollectionResult]) -> Verdict:
    """The worst of them; a run that found no row in its source has compared nothing, and claims nothing."""
    verdicts = {result.verdict for result in results}
    if verdicts <= {"verified", "skipped"} and not any(result.verified or result.written for result in results):
        return "skipped"
    return next(word for word in _WORST if word in verdicts)
