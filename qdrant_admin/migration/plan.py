"""A migration before its first write: what would be made of what, and every reason not to begin."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, size
from qdrant_admin.core.reports import Frozen
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import CollectionInfo, CollectionSpec
from qdrant_admin.database.names import check_stored_name, safe_name, unique_name
from qdrant_admin.migration import checkpoint, staging
from qdrant_admin.migration.compare.equality import sample_of
from qdrant_admin.migration.estimates import Estimates
from qdrant_admin.migration.methods import Chosen, Methods
from qdrant_admin.migration.provenance import was_filled
from qdrant_admin.migration.reports import (
    CollectionPlan,
    ConflictPolicy,
    MethodChoice,
    PlanReport,
    Problem,
    RejectPolicy,
)
from qdrant_admin.migration.schema_compat import incompatibilities
from qdrant_admin.sources import ids
from qdrant_admin.sources.base import (
    WHOLE,
    ServerUri,
    Source,
    SourceCollection,
    SourceUri,
    Span,
    mark_of,
    no_such_collection,
)
from qdrant_admin.sources.registry import UNTESTED, kind_of, open_source
from qdrant_admin.sources.uri import command, parse
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

DEFAULT_BATCH = 256
MAX_BATCH = 10_000
WORKERS = 4
"""What a prototype in one process did best with on two cores; more would wait for Python's lock."""
MAX_WORKERS = 32
_PAYLOAD_GUESS = 1024
"""Bytes a point, for the estimate of space: text and metadata of a short memory, and the graph."""
_SPANS_A_WORKER = 4
_SPAN_POINTS = 256
"""A span of fewer points costs more than it brings."""


class PlanOptions(Frozen):
    """What a person may choose."""

    to: str | None = None
    """Name of the target, when the source is one collection; the source's own name otherwise."""
    on_conflict: ConflictPolicy = "fail"
    """What happens when a target holds points already. fail: nothing is written; skip: that collection is left as it
    is; overwrite: points are written over those of the same id, others stay; rename: a new name is taken."""
    batch_size: int = DEFAULT_BATCH
    on_reject: RejectPolicy = "continue"
    """What happens when a record cannot be stored as it is. continue: it goes to the reject file; fail: there as well,
    and the run stops."""
    names: dict[str, str] = {}
    """Target names by source name, where they are not the same."""
    conflicts: dict[str, ConflictPolicy] = {}
    """Conflict policies by source name, where one of its own is wanted."""
    skip_collections: tuple[str, ...] = ()
    """Source names that are left out."""
    verify: str = "full"
    """How the copy is compared with its source. full: every point; sample:N: the content of N, and every id."""
    workers: int = Field(default=0, ge=0, le=MAX_WORKERS)
    """Requests under way at the same time; 0: as many as do some good on one machine."""
    into_staging: bool = False
    """Fill a collection of another name, and give the target's name to it as an alias once it is verified. What the
    alias pointed to before stays."""
    catch_up: bool = False
    """For a source that goes on changing: after the copy, read it again and again and copy what differs, until nothing
    does. A target that this source has filled before is not copied anew, only caught up."""
    delete_gone: bool = False
    """Let these passes delete points that came from this source and are there no more."""
    method: MethodChoice = "auto"
    """How collections are copied. stream: point by point; snapshot: the server's own files, whole, from one Qdrant
    server to another; auto: as a snapshot where one will do, else point by point."""


def plan(ws: Workspace, source: str, options: PlanOptions, *, cancel: CancelToken) -> Events:
    """Look at source and target, and say what a migration would do. Writes nothing.

    Yields:
        Events; the last carries a `PlanReport`. One with problems of level `refused` is not run.

    Raises:
        BadInput: the source's URI, the name, the batch size or the way of verifying is wrong.
        SourceUnreadable, ServerUnreachable: one of the two cannot be looked at.
    """
    uri = parse(source)
    sample_of(options.verify)
    if options.delete_gone and not options.catch_up:
        raise BadInput(
            "points are deleted in the target only while it catches up with its source",
            fix=command(uri, "--catch-up", "--delete-gone"),
        )
    if not 1 <= options.batch_size <= MAX_BATCH:
        raise BadInput(
            f"a batch of {options.batch_size} points is refused",
            why=f"1 to {MAX_BATCH} are possible",
            fix=command(uri, "--batch-size", str(DEFAULT_BATCH)),
        )
    yield StepStarted(step="source", title=f"reading {plain(uri)}")
    opened = open_source(uri)
    try:
        found = opened.collections()
        total = sum(collection.count for collection in found)
        yield StepFinished(
            step="source", detail=f"{opened.kind}: {counted(total, 'point')} in {counted(len(found), 'collection')}"
        )
        cancel.check()
        yield StepStarted(step="target", title=f"looking at {ws.runtime.endpoint.url}")
        with ws.database() as database:
            report = _Planner(ws, uri, opened, options).report(database, found)
        yield StepFinished(step="target", outcome="failed" if report.exit_code else "ok")
    finally:
        opened.close()
    yield from _earlier(ws, report)
    yield Finished(report=report)


def _earlier(ws: Workspace, report: PlanReport) -> Events:
    for run in checkpoint.unfinished(ws.store):
        if (run.source, run.target) == (report.source, report.target):
            yield Notice(
                level="warning",
                text=f"an earlier run of this migration stopped after {counted(run.done, 'point')}",
                fix=command(run.source, "--resume"),
            )
            return


class _Planner:
    """Gathers plans and problems; nothing here writes."""

    def __init__(self, ws: Workspace, uri: SourceUri, source: Source, options: PlanOptions) -> None:
        self._ws, self._uri, self._source, self._options = ws, uri, source, options
        self._problems: list[Problem] = []
        self._taken: dict[str, str] = {}
        self._workers = options.workers or WORKERS
        self._run = uuid.uuid4().hex[:12]

    def report(self, database: "Database", found: list[SourceCollection]) -> PlanReport:
        if self._options.to is not None and len(found) != 1:
            raise BadInput(
                "one target name cannot take several collections",
                why=f"the source has {counted(len(found), 'collection')}",
                fix=command(self._uri, "--collection", "NAME", "--to", "NAME"),
            )
        self._known({collection.name for collection in found})
        existing = {info.name: info for info in database.collections()}
        aliases = database.aliases()
        self._methods = Methods(self._options.method, self._source, database)
        self._estimates = Estimates(
            self._ws.store,
            profile=self._ws.settings.name,
            target=self._ws.runtime.endpoint.url,
            scheme=self._uri.scheme,
        )
        plans = tuple(self._collection(collection, existing, aliases) for collection in found)
        kind = kind_of(self._uri.scheme)
        if kind is not None and not kind.tested:
            self._problem("warning", "", f"reading a {kind.title} is {UNTESTED}: look at the result twice")
        if not found:
            self._problem("warning", "", "the source has no collection")
        self._space(sum(planned.estimated_bytes for planned in plans if planned.action != "skip"))
        return PlanReport(
            run=self._run,
            source=str(self._uri),
            source_kind=self._source.kind,
            target=self._ws.runtime.endpoint.url,
            on_conflict=self._options.on_conflict,
            on_reject=self._options.on_reject,
            batch_size=self._options.batch_size,
            verify=self._options.verify,
            workers=self._workers,
            method=self._options.method,
            catch_up=self._options.catch_up,
            delete_gone=self._options.delete_gone,
            collections=plans,
            problems=tuple(self._problems),
            created_at=datetime.now(UTC),
        )

    def _known(self, names: set[str]) -> None:
        """Whatever is asked for by name is there: a slip of the pen must not leave out, or take, the wrong one."""
        options = self._options
        for asked in (*options.names, *options.conflicts, *options.skip_collections):
            if asked not in names:
                raise no_such_collection(asked, sorted(names))

    def _policy(self, source: str) -> ConflictPolicy:
        return self._options.conflicts.get(source, self._options.on_conflict)

    def _left_out(self, found: SourceCollection) -> CollectionPlan:
        """A collection that nobody wants: nothing about it is looked at."""
        spec = found.spec or CollectionSpec(vectors=())
        return CollectionPlan(
            source=found.name,
            target=self._options.names.get(found.name, found.name),
            count=found.count,
            vectors=spec.vectors,
            spec=spec,
            action="skip",
            on_conflict=self._policy(found.name),
            left_out="left out, as asked",
        )

    def _collection(
        self, found: SourceCollection, existing: dict[str, CollectionInfo], aliases: dict[str, str]
    ) -> CollectionPlan:
        if found.name in self._options.skip_collections:
            return self._left_out(found)
        name = self._name(found.name, {*existing, *aliases})
        staged = self._options.into_staging
        target = staging.staging_name(name, self._run) if staged else name
        info = existing.get(target)
        spec = found.spec or CollectionSpec(vectors=())
        octets = found.count * (_PAYLOAD_GUESS + 4 * sum(slot.size or 64 for slot in spec.vectors))
        for warning in found.warnings:
            self._problem("warning", found.name, warning)
        if found.colliding_ids:
            shown = ", ".join(plain(record) for record in found.colliding_ids[:5])
            words = (
                f"{counted(len(found.colliding_ids), 'id')} spell the same UUIDs and would become fewer points: {shown}"
            )
            self._problem("refused", found.name, words, "")
        self._target_problems(found, name, target, existing, aliases)
        if self._options.catch_up and found.duplicate_ids != 0:
            words = "ids may come again in this source: nobody could tell what differs, and no pass would be the last"
            self._problem("refused", found.name, words, command(self._uri))
        if found.duplicate_ids:
            again = f"{counted(found.duplicate_ids, 'record')} whose id comes again: the last one of each is kept"
            self._problem("warning", found.name, again)
        action = self._action(found, info)
        chosen = self._method(found.name, info) if action != "skip" else Chosen("stream", "")
        estimate = self._estimates.of(octets, chosen.method)
        return CollectionPlan(
            source=found.name,
            target=target,
            count=found.count,
            vectors=spec.vectors,
            spec=spec,
            target_exists=info is not None,
            target_points=(info.points or 0) if info else 0,
            action=action,
            only_differences=self._fills_again(found.name, info),
            on_conflict="overwrite" if self._fills_again(found.name, info) else self._policy(found.name),
            ids=ids.WORDS_FOLDING if self._source.folds_uuids else ids.WORDS_MIXED,
            payload=found.payload,
            aliases=found.aliases,
            estimated_bytes=octets,
            estimated_seconds=estimate.seconds,
            estimated_from=estimate.runs,
            method=chosen.method,
            method_why=chosen.why,
            spans=self._spans(found) if action != "skip" and chosen.method == "stream" else WHOLE,
            alias=name if staged else "",
            replaces=aliases.get(name, "") if staged else "",
            in_order=found.duplicate_ids != 0,
            source_mark="" if self._options.catch_up else mark_of(self._source, found.name),
        )

    def _target_problems(
        self,
        found: SourceCollection,
        name: str,
        target: str,
        existing: dict[str, CollectionInfo],
        aliases: dict[str, str],
    ) -> None:
        """What is there under the names that this collection, and its aliases, would take."""
        staged = self._options.into_staging
        for alias in found.aliases:
            free = {None, target, aliases.get(name)} if staged else {None, target}
            if alias in existing or aliases.get(alias) not in free:
                words = f"the alias {plain(alias)} is taken in the target and stays as it is there"
                self._problem("warning", found.name, words)
        rename = self._again("--on-conflict", "rename")
        if staged:
            if name in existing:
                self._problem("refused", found.name, staging.taken(name), self._other_alias(found.name, name))
        elif target in aliases:
            self._problem("refused", found.name, f"{plain(target)} is an alias in the target", rename)
        elif self._is_itself(found.name, target):
            self._problem("refused", found.name, "source and target are the same collection", rename)

    def _other_alias(self, source: str, name: str) -> str:
        return command(self._uri, "--into-staging", "--rename", f"{source}={unique_name(f'{name}-live', self._taken)}")

    def _method(self, name: str, target: CollectionInfo | None) -> Chosen:
        chosen = self._methods.choose(name, target)
        if chosen.refused:
            self._problem("refused", name, f"no snapshot will do: {chosen.why}", self._again("--method", "auto"))
        return chosen

    def _spans(self, found: SourceCollection) -> tuple[Span, ...]:
        """The parts it is read in: enough to keep every worker busy to the end, none of them tiny."""
        if found.duplicate_ids != 0:
            return WHOLE
        return self._source.spans(found.name, max(1, min(_SPANS_A_WORKER * self._workers, found.count // _SPAN_POINTS)))

    def _name(self, source: str, there: set[str]) -> str:
        prefix = self._ws.settings.profile.collection_prefix
        chosen = self._options.names.get(source, self._options.to)
        if chosen is not None:
            check_stored_name(chosen)
        wanted = source if chosen is None else chosen
        wanted = wanted if wanted.startswith(prefix) else prefix + wanted
        try:
            check_stored_name(wanted)
        except BadInput as error:
            name = safe_name(wanted)
            self._problem(
                "warning", source, f"no collection may be called {plain(wanted)}, so it becomes {name}: {error.why}"
            )
            wanted = name
        other = self._taken.get(wanted)
        if other is not None and {source, other} & self._options.names.keys():
            words = f"{plain(other)} and {plain(source)} would both become {plain(wanted)}"
            self._problem("refused", source, words, self._again("--rename", f"{source}=NAME"))
            return wanted
        taken: set[str] = set(self._taken)
        if self._policy(source) == "rename":
            taken |= there
        name = unique_name(wanted, taken)
        if name != wanted:
            self._problem("warning", source, f"{plain(wanted)} is taken, so it becomes {plain(name)}")
        self._taken[name] = source
        return name

    def _action(self, found: SourceCollection, info: CollectionInfo | None) -> Literal["create", "append", "skip"]:
        if found.spec is None:
            level: Literal["warning", "refused"] = "refused" if found.count else "warning"
            self._problem(level, found.name, "it holds no vector yet, so its dimension is not known; it is left out")
            return "skip"
        if info is None:
            return "create"
        if self._policy(found.name) == "skip" and info.points != 0:
            words = f"{plain(info.name)} holds {counted(info.points or 0, 'point')} already and is left as it is"
            self._problem("warning", found.name, words)
            return "skip"
        if info.trouble:
            self._problem(
                "refused",
                found.name,
                f"{plain(info.name)} in the target cannot be read: {info.trouble}",
                "qdrant-admin doctor",
            )
        for incompatibility in incompatibilities(found.spec.vectors, info.vectors):
            self._problem(
                "refused",
                found.name,
                f"{plain(info.name)} in the target does not fit: {incompatibility}",
                self._again("--on-conflict", "rename"),
            )
        if info.points != 0 and self._policy(found.name) == "fail" and not self._fills_again(found.name, info):
            words = f"{plain(info.name)} holds {counted(info.points or 0, 'point')} already; overwrite, skip or rename?"
            if self._options.catch_up:
                words += " It is not known that this source has filled it"
            self._problem("refused", found.name, words, self._again("--on-conflict", "rename"))
        return "append"

    def _fills_again(self, source: str, info: CollectionInfo | None) -> bool:
        """Whether the target holds what this source gave it earlier, and is to catch up."""
        if not self._options.catch_up or info is None or info.points == 0:
            return False
        target = self._ws.runtime.endpoint.url
        return was_filled(self._ws.store, str(self._uri), target, source, info.name)

    def _is_itself(self, source: str, target: str) -> bool:
        if not isinstance(self._uri, ServerUri) or source != target:
            return False
        return _same_server(self._uri.url, self._ws.runtime.endpoint.url)

    def _space(self, needed: int) -> None:
        try:
            free = self._ws.runtime.inspect().storage.free_bytes
        except AdminError:
            return  # nobody can look: the server will say so itself
        if free is not None and needed > free:
            words = f"some {size(needed)} are needed, and {size(free)} are free where the server keeps its data"
            self._problem("refused", "", words)

    def _again(self, option: str, value: str) -> str:
        """The command that goes round a problem."""
        return command(self._uri, option, value)

    def _problem(self, level: Literal["warning", "refused"], collection: str, text: str, fix: str = "") -> None:
        self._problems.append(Problem(level=level, collection=collection, text=text, fix=fix))


def _same_server(left: str, right: str) -> bool:
    return left.replace("//localhost:", "//127.0.0.1:").lower() == right.replace("//localhost:", "//127.0.0.1:").lower()
