"""The life of a migration run: started, resumed, listed, shown, discarded, and its rejects replayed."""

from datetime import UTC, datetime
from pathlib import Path

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, ConfirmationMissing, NotFound, Refused, Unsupported
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.migration import checkpoint, messages
from qdrant_admin.migration.checkpoint import StoredRun, UnfinishedRun
from qdrant_admin.migration.copy.indexing import Indexing
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.rejects import reject_file
from qdrant_admin.migration.reports import (
    CollectionProgress,
    DiscardReport,
    PlanReport,
    Run,
    RunReport,
    RunsReport,
    RunState,
)
from qdrant_admin.migration.run import migrate
from qdrant_admin.sources.base import FolderUri
from qdrant_admin.sources.uri import parse
from qdrant_admin.state import run_locks
from qdrant_admin.state.history import recorded
from qdrant_admin.state.records import Unreadable
from qdrant_admin.workspace import Workspace


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
    """Plan a migration, and run the plan when nothing stands in the way.

    Args:
        ws: whose server is the target.
        source: URI.
        options: what the user chose.
        cancel: stops it between two batches.
        collection: narrows the source to one of its collections.
        confirmed: whether the user agreed to points being overwritten or deleted.
        dry_run: stop after the plan.

    Yields:
        Events; the last carries a `MigrationReport`, or the `PlanReport` of a dry run or of a plan that is refused.

    Raises:
        BadInput: the source is narrowed to another collection already, or as `plan` raises it.
        ConfirmationMissing: points would be overwritten or deleted, and it was not confirmed.
        AdminError: as `plan` and `migrate` raise it.
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
    """Migrate the records of a reject file, mended, to where they were going. Yields and raises as `start` does."""
    source = FolderUri(scheme="rejects", path=file.expanduser().absolute())
    # What was rejected was never stored, so a point that is overwritten is one that this has written before.
    options = options.model_copy(update={"on_conflict": "overwrite"})
    yield from start(ws, str(source), options, cancel=cancel, confirmed=True, dry_run=dry_run)


def narrowed(source: str, collection: str | None) -> str:
    """A source's URI, narrowed to one collection.

    Raises:
        BadInput: it is narrowed to another one already.
    """
    if collection is None:
        return source
    uri = parse(source)
    if uri.collection not in {None, collection}:
        raise BadInput(
            f"the source is already narrowed to collection {uri.collection}",
            why=f"--collection asks for {collection}",
            fix=Command("migrate", uri),
        )
    return str(uri.model_copy(update={"collection": collection}))


def resume(ws: Workspace, run: UnfinishedRun, *, cancel: CancelToken) -> Events:
    """Resume a run that was stopped or killed.

    Raises:
        Refused: its target is another server than that of this profile.
    """
    _check_same_server(ws, run)
    yield from migrate(ws, run.plan, cancel=cancel)


def find_run(ws: Workspace, run: str | None = None, source: str | None = None) -> UnfinishedRun:
    """The run that can be resumed or discarded.

    Args:
        ws: whose runs they are.
        run: its id; None for the latest.
        source: URI; only runs that read it are looked at.

    Raises:
        NotFound: there is no such run, or it is over.
        Unsupported: it was stored by a newer version and cannot be read.
    """
    fitting = [
        one
        for one in checkpoint.stored(ws.store, state="running")
        if run in {None, one.run} and source in {None, one.source}
    ]
    for one in fitting:
        if unfinished := one.unfinished:
            return unfinished
    if fitting and isinstance(fitting[0].plan, Unreadable):
        raise Unsupported(f"run {fitting[0].run} cannot be read", why=fitting[0].plan.why, fix=_LIST)
    known = ", ".join(one.run for one in checkpoint.unfinished(ws.store)) or "none"
    what = "there is no unfinished run" + (f" {run}" if run else "") + (f" of {source}" if source else "")
    raise NotFound(what, why=f"unfinished runs: {known}", fix=_LIST)


def list_runs(ws: Workspace) -> RunsReport:
    return RunsReport(runs=tuple(_run(one) for one in checkpoint.stored(ws.store, state="running")))


def show_run(ws: Workspace, run: str) -> RunReport:
    """One run with its collections, whatever became of it.

    Raises:
        NotFound: there is no such run.
    """
    found = checkpoint.stored(ws.store, run=run)
    if not found:
        raise NotFound(f"there is no run {run}", fix=_LIST)
    one, collections = found[0], list[CollectionProgress]()
    for planned in () if isinstance(one.plan, Unreadable) else one.plan.collections:
        at = checkpoint.total(planned.source, (span for span in one.checkpoints if span.collection == planned.source))
        collections.append(
            CollectionProgress(
                source=planned.source,
                target=planned.target,
                done=at.read,
                total=planned.count,
                written=at.written,
                rejected=at.rejected,
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


def discard(ws: Workspace, run: UnfinishedRun, *, cancel: CancelToken) -> Events:
    """Forget how far a run has come. What it has copied stays, and so do its rejects.

    Yields:
        One event, with a `DiscardReport`.

    Raises:
        Refused: its target is another server than that of this profile, or another process is at it.
        ServerUnreachable: the target cannot be given its indexing back; the run stays as it is.
    """
    return recorded(ws.store, "discard", ws.settings.name, _discard(ws, run, cancel))


_LIST = Command("migrations", "list")


def _discard(ws: Workspace, run: UnfinishedRun, cancel: CancelToken) -> Events:
    _check_same_server(ws, run)
    with run_locks.migration(run.run).held(), ws.database() as database:
        given = Indexing(ws.store, run.run, database, cancel).restore()
        there = set(database.names())
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


def _check_same_server(ws: Workspace, run: UnfinishedRun) -> None:
    here = ws.runtime.endpoint.url
    if run.target != here:
        raise Refused(
            f"run {run.run} wrote to {run.target}",
            why=f"this profile's server is {here}; half of the data would be in each",
            fix=Command("profiles", "list"),
        )


def _run(one: StoredRun) -> Run:
    plan = one.plan
    return Run(
        run=one.run,
        source=one.source,
        target=one.target,
        state=_state(one),
        done=one.done,
        total=None if isinstance(plan, Unreadable) else plan.total,
        age=max(0.0, (datetime.now(UTC) - one.updated_at).total_seconds()),
        trouble=plan.why if isinstance(plan, Unreadable) else "",
    )


def _state(one: StoredRun) -> RunState:
    if one.state == "finished":
        return "finished"
    if one.state == "discarded":
        return "discarded"
    if isinstance(one.plan, Unreadable):
        return "unreadable"
    return "running" if run_locks.migration(one.run).busy else "interrupted"
