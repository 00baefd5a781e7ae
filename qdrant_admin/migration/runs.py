"""The life of a migration run: started, resumed, listed, shown, discarded, and its rejects replayed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from qdrant_admin.core.blocks import Blocks, Commands, Facts, Headline, Paragraph, Step, Table
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, ConfirmationMissing, NotFound, Refused, Unsupported
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.core.formatting import counted, duration, number, plain
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.migration import checkpoint, messages
from qdrant_admin.migration.checkpoint import StoredRun
from qdrant_admin.migration.copy.indexing import Indexing
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.rejects import reject_file
from qdrant_admin.migration.reports import PlanReport
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.targets import release
from qdrant_admin.sources.base import FolderUri
from qdrant_admin.sources.uri import parse
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

RunState = Literal["running", "interrupted", "finished", "discarded", "unreadable"]
_LIST = Command("migrations", "list")


class Run(Frozen):
    """A migration run as it was stored."""

    run: str
    source: str
    target: str
    state: RunState
    """running: a process is working on it; unreadable: its plan is damaged, or a newer version stored it."""
    done: int
    """Records handled so far, stored or rejected."""
    total: int | None
    """Points to copy; None when the plan cannot be read."""
    age: float
    """Seconds since the last checkpoint."""
    trouble: str = ""
    """Why the plan cannot be read."""


class RunsReport(Report):
    """Runs that have not come to their end."""

    runs: tuple[Run, ...]

    def summary(self) -> str:
        return counted(len(self.runs), "unfinished run")

    def blocks(self) -> Blocks:
        if not self.runs:
            return (Paragraph("no unfinished migrations"),)
        rows = tuple(
            (
                one.run,
                one.source,
                f"{one.state}: {one.trouble}" if one.trouble else one.state,
                number(one.done),
                "unknown" if one.total is None else number(one.total),
                f"{duration(one.age)} ago",
            )
            for one in self.runs
        )
        steps = [Step("next", Command("migrate", resume=one.run)) for one in self.runs if one.state == "interrupted"][
            :1
        ]
        steps.append(Step("to discard it", Command("migrations", "discard", self.runs[0].run)))
        head = ("run", "source", "state", "handled", "of", "last")
        return Table(head, rows, right=frozenset({"handled", "of"})), Commands(tuple(steps))


class CollectionProgress(Frozen):
    """How far one collection of a run has come."""

    source: str
    target: str
    done: int
    total: int
    written: int
    rejected: int
    folded: int = 0
    """Rows of the source besides, whose id comes again in a later one."""
    copied: bool
    """Whether all of it was copied; the comparison comes after that."""
    left_out: bool


class RunReport(Run, Report):
    """One run, collection by collection."""

    created_at: datetime
    updated_at: datetime
    collections: tuple[CollectionProgress, ...]
    """Empty when the plan cannot be read."""
    reject_file: str | None
    """Path of the file with the rejected records; None when there are none."""

    @property
    def verdict_word(self) -> str:
        return self.state

    def summary(self) -> str:
        return f"{number(self.done)} of {counted(self.total, 'point') if self.total is not None else 'unknown'}"

    def blocks(self) -> Blocks:
        rows = tuple(
            (
                one.source,
                "left out" if one.left_out else one.target,
                *(number(figure) for figure in (one.done, one.total, one.written, one.rejected, one.folded)),
            )
            for one in self.collections
        )
        figures = ("handled", "of", "written", "rejected", "folded")
        facts = {
            "run": f"{self.run}, {self.state}",
            "source": self.source,
            "trouble": self.trouble,
            "rejected records": self.reject_file or "",
        }
        return Facts.of(facts), Table(("collection", "target", *figures), rows, right=frozenset(figures))


class DiscardReport(Report):
    """An interrupted migration that was discarded. Nothing that it has copied was removed."""

    run: str
    source: str
    target: str
    handled: int
    """Records, stored or rejected."""
    kept: tuple[str, ...] = ()
    """Collections that the run created in the target and that still exist there."""
    indexing_given_back: tuple[str, ...] = ()
    """Collections whose indexing the run had paused, and that index again."""

    def summary(self) -> str:
        return f"run {self.run} discarded; what it has copied stays"

    def blocks(self) -> Blocks:
        created = [Paragraph(f"it created {', '.join(self.kept)}")] if self.kept else []
        given = self.indexing_given_back
        resumed = [Paragraph(f"indexing resumed: {', '.join(given)}")] if given else []
        return Headline(self.verdict_word, self.summary()), *created, *resumed


def start(
    ws: Workspace,
    source: str,
    options: PlanOptions,
    *,
    cancel: CancelToken,
    collection: str | None = None,
    confirmed: bool = False,
    dry_run: bool = False,
) -> Events:
    """Plan a migration, and run the plan when nothing stands in the way; a dry run stops after the plan.

    `collection` narrows the source. The last event carries a `MigrationReport`, or the `PlanReport` of a dry run or of
    a plan that is refused.

    Raises:
        ConfirmationMissing: points would be overwritten or deleted, and the user has not `confirmed` that.
        AdminError: as `narrowed`, `plan` and `migrate` raise it.
    """
    planned = None
    for event in plan(ws, narrowed(source, collection), options, cancel=cancel):
        if isinstance(event, Finished) and isinstance(event.report, PlanReport):
            planned = event.report
        else:
            yield event
    assert planned is not None  # noqa: S101 # a plan ends with its report
    if dry_run or planned.exit_code:
        yield Finished(report=planned)
        return
    would = messages.destroys(planned)
    if would and not confirmed:
        again = messages.command(planned, yes=True).on(ws.settings.name)
        raise ConfirmationMissing(would, why="this needs a clear yes", fix=again)
    yield from migrate(ws, planned, cancel=cancel)


def replay(ws: Workspace, file: Path, options: PlanOptions, *, cancel: CancelToken, dry_run: bool = False) -> Events:
    """Migrate the repaired records of a reject file to their collections. Yields and raises as `start` does."""
    source = FolderUri(scheme="rejects", path=file.expanduser().absolute())
    # Rejected records were never stored: a point that is overwritten was written by an earlier replay.
    options = options.model_copy(update={"on_conflict": "overwrite"})
    yield from start(ws, str(source), options, cancel=cancel, confirmed=True, dry_run=dry_run)


def narrowed(source: str, collection: str | None) -> str:
    """A source's URI, narrowed to one collection; `BadInput` when it is narrowed to another one already."""
    if collection is None:
        return source
    uri = parse(source)
    if uri.collection not in {None, collection}:
        what = f"the source is already narrowed to collection {uri.collection}"
        raise BadInput(what, why=f"--collection asks for {collection}", fix=Command("migrate", uri))
    return str(uri.model_copy(update={"collection": collection}))


def resume(ws: Workspace, run: StoredRun, *, cancel: CancelToken) -> Events:
    """Resume a run that was stopped or killed.

    Raises:
        Refused: its target is not this profile's server, or was filled from another source since.
    """
    _check_same_server(ws, run)
    _check_not_overtaken(ws, run)
    yield from migrate(ws, run.plan, cancel=cancel)


def find_run(ws: Workspace, run: str | None = None, source: str | None = None) -> StoredRun:
    """The unfinished run with this id, or the latest; with a `source` (a URI), only among the runs that read it.

    Raises:
        BadInput: there is none, and never was.
        NotFound: it is over.
        Unsupported: it was stored by a newer version and cannot be read.
    """
    fitting = [
        one
        for one in checkpoint.stored(ws.store, state="running")
        if run in {None, one.run} and source in {None, one.source}
    ]
    for one in fitting:
        if not one.trouble:
            return one
    if fitting:
        raise Unsupported(f"run {fitting[0].run} cannot be read", why=fitting[0].trouble, fix=_LIST)
    known = ", ".join(one.run for one in checkpoint.unfinished(ws.store)) or "none"
    if run is not None and (over := checkpoint.stored(ws.store, run=run)) and over[0].state != "running":
        raise NotFound(f"run {run} is {over[0].state}", why=f"unfinished runs: {known}", fix=_LIST)
    what = "there is no unfinished run" + (f" {run}" if run else "") + (f" of {source}" if source else "")
    raise BadInput(what, why=f"unfinished runs: {known}", fix=_LIST)


def list_runs(ws: Workspace) -> RunsReport:
    return RunsReport(runs=tuple(_run(one) for one in checkpoint.stored(ws.store, state="running")))


def show_run(ws: Workspace, run: str) -> RunReport:
    """One run, finished or not, with its collections; `BadInput` when there is no such run."""
    found = checkpoint.stored(ws.store, run=run)
    if not found:
        raise BadInput(f"there is no run {run}", fix=_LIST)
    one, collections = found[0], list[CollectionProgress]()
    for planned in () if one.trouble else one.plan.collections:
        at = checkpoint.total(planned.source, (span for span in one.checkpoints if span.collection == planned.source))
        collections.append(
            CollectionProgress(
                source=planned.source,
                target=planned.target,
                done=at.read,
                total=planned.count,
                written=at.written,
                rejected=at.rejected,
                folded=planned.folded,
                copied=at.done,
                left_out=planned.action == "skip",
            )
        )
    file = reject_file(run)
    return RunReport(
        **_run(one).model_dump(),
        created_at=one.created_at,
        updated_at=one.updated_at,
        collections=tuple(collections),
        reject_file=str(file) if file.exists() else None,
    )


def discard(ws: Workspace, run: StoredRun, *, cancel: CancelToken) -> Events:
    """Forget how far a run has come; what it has copied stays, and so do its rejects. Ends with a `DiscardReport`.

    Raises:
        Refused: its target is not this profile's server, or another process is running it.
        ServerUnreachable: the target's indexing cannot be restored; the run stays as it is.
    """
    return recorded(ws.store, "discard", ws.settings.name, _discard(ws, run, cancel))


def _discard(ws: Workspace, run: StoredRun, cancel: CancelToken) -> Events:
    _check_same_server(ws, run)
    with run_locks.migration(run.run).held(), ws.database() as database:
        given = Indexing(ws.store, run.run, database, cancel).restore()
        there = set(database.names())
        for planned in run.plan.taken:
            release(database, planned.target, run.run)
        checkpoint.discard(ws.store, run.run)
    made = [planned.target for planned in run.plan.collections if planned.action == "create"]
    yield Finished(
        report=DiscardReport(
            run=run.run,
            source=run.source,
            target=run.target,
            handled=run.done,
            kept=tuple(name for name in made if name in there),
            indexing_given_back=given,
        )
    )


def _check_same_server(ws: Workspace, run: StoredRun) -> None:
    here = ws.runtime.endpoint.url
    if run.target != here:
        why = f"this profile's server is {here}; half of the data would be in each"
        raise Refused(f"run {run.run} wrote to {run.target}", why=why, fix=Command("profiles", "list"))


def _check_not_overtaken(ws: Workspace, run: StoredRun) -> None:
    """What a later run has brought into a target is not written over by the rest of an earlier one."""
    names = {planned.target: planned.source for planned in run.plan.taken}
    for other in checkpoint.stored(ws.store):
        if other.run == run.run or other.target != run.target or other.trouble or other.updated_at <= run.updated_at:
            continue
        begun = {one.collection for one in other.checkpoints}
        for planned in other.plan.taken:
            elsewhere = (other.source, planned.source) != (run.source, names.get(planned.target))
            written = planned.source in begun or other.state == "discarded"
            if planned.target in names and written and elsewhere:
                raise Refused(
                    f"{plain(planned.target)} was filled from {plain(other.source)} since",
                    why=f"by run {other.run}; the rest of run {run.run} would be written over that",
                    fix=Command("migrations", "discard", run.run),
                )


def _run(one: StoredRun) -> Run:
    return Run(
        run=one.run,
        source=one.source,
        target=one.target,
        state=_state(one),
        done=one.done,
        total=None if one.trouble else one.plan.total,
        age=max(0.0, (datetime.now(UTC) - one.updated_at).total_seconds()),
        trouble=one.trouble,
    )


def _state(one: StoredRun) -> RunState:
    if one.state != "running":
        return one.state
    if one.trouble:
        return "unreadable"
    return "running" if run_locks.migration(one.run).busy else "interrupted"
