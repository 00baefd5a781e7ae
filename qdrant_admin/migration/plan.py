"""A migration before its first write: what would become of each collection, and every reason not to begin."""

import functools
import statistics
import uuid
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from msgspec import Meta

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Option
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.core.events import Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, plain, size
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionInfo, CollectionSpec, parsed_version
from qdrant_admin.database.names import MAX_LENGTH, check_stored_name, safe_name, unique_name
from qdrant_admin.database.pending import applied
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.change_tracking import was_filled
from qdrant_admin.migration.compare.equality import sample_of
from qdrant_admin.migration.copy.checks import incompatibilities
from qdrant_admin.migration.reports import (
    DEFAULT_BATCH,
    WORKERS,
    Action,
    CollectionPlan,
    ConflictPolicy,
    Method,
    MethodChoice,
    MigrationReport,
    PlanReport,
    Problem,
    ProblemLevel,
    RejectPolicy,
)
from qdrant_admin.migration.targets import ended, held_by
from qdrant_admin.sources import ids
from qdrant_admin.sources.base import (
    WHOLE,
    Searches,
    ServerUri,
    Source,
    SourceCollection,
    SourceUri,
    Span,
    mark_of,
    strays_of,
)
from qdrant_admin.sources.reader import no_such_collection
from qdrant_admin.sources.registry import UNTESTED, kind_of, open_source
from qdrant_admin.sources.uri import parse
from qdrant_admin.state import records
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

MAX_BATCH, MAX_WORKERS = 10_000, 32
_NO_ALIAS = (
    "is a collection in the target, not an alias, and no alias can have a collection's name. "
    "Choose another name for the alias and point the application at that, or delete the collection first"
)
_PAYLOAD_GUESS = 1024
"""Bytes per point, for the estimate of space: text and metadata of a short memory, and the graph."""
_SPANS_PER_WORKER = 4
_SPAN_POINTS = 256
"""A span of fewer points costs more than it saves."""
_GUESSED: dict[Method, float] = {"stream": 20e6, "snapshot": 60e6}
"""Bytes per second, as a plan estimates bytes: measured on two shared cores, both ends on the same machine."""
_RUNS = 5
"""Only the latest runs count; a year ago it may have been another machine."""
_LISTED = 100
_FEWEST_POINTS = 1000
"""A smaller run mostly measures how long it takes to start and to end."""


class PlanOptions(Frozen):
    """What the user may choose."""

    to: str | None = None
    """Name of the target, when the source is one collection; the source's own name otherwise."""
    on_conflict: ConflictPolicy = "fail"
    """When a target holds points already. fail: nothing is written; skip: that collection is left as it is; overwrite:
    points with the same id are overwritten, others stay; rename: a new name is chosen."""
    batch_size: int = DEFAULT_BATCH
    on_reject: RejectPolicy = "continue"
    """When a record cannot be stored as it is. continue: it goes to the reject file; fail: then the run stops, too."""
    names: dict[str, str] = {}
    """Target names by source name, where they differ."""
    conflicts: dict[str, ConflictPolicy] = {}
    """Conflict policies by source name, where they differ from `on_conflict`."""
    skip_collections: tuple[str, ...] = ()
    """Source names that are left out."""
    verify: str = "full"
    """full: every point is compared with the source; sample:N: the content of N points, and every id."""
    workers: Annotated[int, Meta(ge=0, le=MAX_WORKERS)] = 0
    """Requests in parallel; 0: as many as help on one machine."""
    into_staging: bool = False
    """Fill a collection of another name, and switch an alias of the target's name to it once it is verified."""
    catch_up: bool = False
    """For a source that keeps changing: after the copy, read it again and copy what differs, until nothing does. A
    target that this source has filled before is not copied again, only caught up."""
    delete_gone: bool = False
    """Let these passes delete points that came from this source and no longer exist there."""
    method: MethodChoice = "auto"
    """stream: point by point; snapshot: the server's own files, whole, from one Qdrant server to another; auto: as a
    snapshot where possible, else point by point."""


def plan(ws: Workspace, source: str, options: PlanOptions, *, cancel: CancelToken) -> Events:
    """Say what a migration would do; writes nothing. Ends with a `PlanReport`, not run while it holds a refusal.

    Raises:
        BadInput: the source's URI, the name, the batch size or `verify` is wrong.
        SourceUnreadable, ServerUnreachable: the source or the target cannot be read.
    """
    uri = parse(source)
    sample_of(options.verify)
    if options.delete_gone and not options.catch_up:
        what = "points are deleted in the target only while it catches up with its source"
        raise BadInput(what, fix=Command("migrate", uri, catch_up=True, delete_gone=True))
    if not 1 <= options.batch_size <= MAX_BATCH:
        what, why = f"a batch of {options.batch_size} points is refused", f"1 to {MAX_BATCH} are allowed"
        raise BadInput(what, why=why, fix=Command("migrate", uri, batch_size=DEFAULT_BATCH))
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
            report = _Planner(ws, uri, opened, options, database).report(found)
        yield StepFinished(step="target", outcome="failed" if report.exit_code else "ok")
    finally:
        opened.close()
    yield from _earlier(ws, report)
    yield Finished(report=report)


def _earlier(ws: Workspace, report: PlanReport) -> Events:
    for run in checkpoint.unfinished(ws.store):
        if (run.source, run.target) == (report.source, report.target):
            text = f"an earlier run of this migration stopped after {counted(run.done, 'point')}"
            fix = str(Command("migrate", resume=run.run).on(ws.settings.name))
            yield Notice(level="warning", text=text, fix=fix)
            return


class Chosen(NamedTuple):
    """How one collection is copied."""

    method: Method
    why: str
    refused: bool = False
    """Whether a snapshot was asked for, and `why` is what stands in the way."""


class Named(NamedTuple):
    """The name of a target."""

    name: str
    warnings: tuple[str, ...] = ()
    clash: str = ""
    """Another source collection that would get the same name; empty when there is none."""


def choose_name(
    source: str, wanted: str, *, prefix: str, taken: Mapping[str, str], there: Collection[str], renamed: Collection[str]
) -> Named:
    """What a collection is called in the target.

    `taken`: names in this plan, each with its source. `there`: existing names to be avoided. `renamed`: sources whose
    target the user has named, which is then final.
    """
    wanted, warnings = wanted if wanted.startswith(prefix) else prefix + wanted, list[str]()
    try:
        check_stored_name(wanted)
    except BadInput as error:
        safe = safe_name(wanted)
        warnings.append(f"no collection may be called {plain(wanted)}, so it becomes {safe}: {error.why}")
        wanted = safe
    other = taken.get(wanted)
    if other is not None and {source, other} & set(renamed):
        return Named(wanted, tuple(warnings), other)
    name = unique_name(wanted, {*taken, *there})
    if name != wanted:
        warnings.append(f"{plain(wanted)} is taken, so it becomes {plain(name)}")
    return Named(name, tuple(warnings))


class _Planner:
    """Gathers plans and problems; nothing here writes."""

    def __init__(self, ws: Workspace, uri: SourceUri, source: Source, options: PlanOptions, database: Database) -> None:
        self._ws, self._uri, self._source, self._options, self._database = ws, uri, source, options, database
        self._problems: list[Problem] = []
        self._taken: dict[str, str] = {}
        self._workers = options.workers or WORKERS
        self._run = uuid.uuid4().hex[:12]
        self._target = ws.runtime.endpoint.url
        self._methods = Methods(options.method, source, database)
        self._estimates = Estimates(ws.store, profile=ws.settings.name, target=self._target, scheme=uri.scheme)

    def report(self, found: list[SourceCollection]) -> PlanReport:
        options = self._options
        if options.to is not None and len(found) != 1:
            why = f"the source has {counted(len(found), 'collection')}"
            fix = Command("migrate", self._uri, collection="NAME", to="NAME")
            raise BadInput("one target name cannot take several collections", why=why, fix=fix)
        names = {collection.name for collection in found}
        for asked in (*options.names, *options.conflicts, *options.skip_collections):
            if asked not in names:  # a typing error must not leave out, or copy, the wrong collection
                raise no_such_collection(asked, names)
        self._existing = {info.name: info for info in self._database.collections()}
        self._aliases = self._database.aliases()
        plans = tuple(
            self._left_out(one) if one.name in options.skip_collections else self._collection(one) for one in found
        )
        kind = kind_of(self._uri.scheme)
        if kind is not None and not kind.tested:
            self._problem("warning", "", f"reading a {kind.title} is {UNTESTED}: check the result carefully")
        strays = strays_of(self._source)
        for stray in strays:
            self._problem("warning", "", stray)
        if not found:
            self._problem("warning", "", "the source has no collection")
        elif all(planned.action == "skip" for planned in plans) and not any(
            problem.level == "refused" for problem in self._problems
        ):
            self._problem("warning", "", "every collection is left out: nothing would be copied, and nothing compared")
        self._space(sum(planned.estimated_bytes for planned in plans if planned.action != "skip"))
        return PlanReport(
            run=self._run,
            source=str(self._uri),
            source_kind=self._source.kind,
            target=self._target,
            on_conflict=options.on_conflict,
            on_reject=options.on_reject,
            batch_size=options.batch_size,
            verify=options.verify,
            workers=self._workers,
            method=options.method,
            catch_up=options.catch_up,
            delete_gone=options.delete_gone,
            collections=plans,
            problems=tuple(self._problems),
            strays=strays,
            created_at=datetime.now(UTC),
        )

    def _left_out(self, found: SourceCollection) -> CollectionPlan:
        """A collection that the user excluded: nothing about it is looked at."""
        spec = found.spec or CollectionSpec(vectors=())
        return CollectionPlan(
            source=found.name,
            target=self._options.names.get(found.name, found.name),
            count=found.count,
            folded=found.folded,
            vectors=spec.vectors,
            spec=spec,
            action="skip",
            on_conflict=self._policy(found.name),
            left_out="left out, as asked",
        )

    def _collection(self, found: SourceCollection) -> CollectionPlan:
        name = self._name(found.name)
        staged = self._options.into_staging
        target = _staging_name(name, self._run) if staged else name
        info = self._existing.get(target)
        spec = found.spec or CollectionSpec(vectors=())
        self._source_problems(found)
        self._target_problems(found, name, target)
        self._repeated_ids(found)
        again = self._fills_again(found.name, info)
        action = self._action(found, info, fills_again=again)
        chosen = self._method(found.name, info) if action != "skip" else Chosen("stream", "")
        octets = found.count * (_PAYLOAD_GUESS + 4 * sum(slot.size or 64 for slot in spec.vectors))
        seconds, runs = self._estimates.of(octets, chosen.method)
        return CollectionPlan(
            source=found.name,
            target=target,
            count=found.count,
            folded=found.folded,
            vectors=spec.vectors,
            spec=spec,
            target_exists=info is not None,
            target_points=(info.points or 0) if info else 0,
            action=action,
            only_differences=again,
            on_conflict="overwrite" if again else self._policy(found.name),
            ids=ids.WORDS_FOLDING if self._source.folds_uuids else ids.WORDS_MIXED,
            payload=found.payload,
            aliases=found.aliases,
            estimated_bytes=octets,
            estimated_seconds=seconds,
            estimated_from=runs,
            method=chosen.method,
            method_why=chosen.why,
            spans=self._spans(found) if action != "skip" and chosen.method == "stream" else WHOLE,
            alias=name if staged else "",
            replaces=self._aliases.get(name, "") if staged else "",
            in_order=found.duplicate_ids != 0,
            source_mark="" if self._options.catch_up or found.absent else mark_of(self._source, found.name),
        )

    def _name(self, source: str) -> str:
        asked = self._options.names.get(source, self._options.to)
        if asked is not None:
            check_stored_name(asked)
        named = choose_name(
            source,
            source if asked is None else asked,
            prefix=self._ws.settings.profile.collection_prefix,
            taken=self._taken,
            there={*self._existing, *self._aliases} if self._policy(source) == "rename" else (),
            renamed=self._options.names,
        )
        for warning in named.warnings:
            self._problem("warning", source, warning)
        if named.clash:
            words = f"{plain(named.clash)} and {plain(source)} would both become {plain(named.name)}"
            self._problem("refused", source, words, rename=f"{source}=NAME")
        else:
            self._taken[named.name] = source
        return named.name

    def _source_problems(self, found: SourceCollection) -> None:
        for warning in found.warnings:
            self._problem("warning", found.name, warning)
        if found.absent:
            self._problem("refused", found.name, found.absent, exclude=[found.name])
        if found.colliding_ids:
            shown = ", ".join(plain(record) for record in found.colliding_ids[:5])
            count = counted(len(found.colliding_ids), "id")
            words = f"{count} spell the same UUIDs and would become fewer points: {shown}"
            self._problem("refused", found.name, words)

    def _target_problems(self, found: SourceCollection, name: str, target: str) -> None:
        """Problems with what has the names already that this collection and its aliases would get."""
        staged, aliases = self._options.into_staging, self._aliases
        for alias in found.aliases:
            free = {None, target, aliases.get(name)} if staged else {None, target}
            if alias in self._existing or aliases.get(alias) not in free:
                words = f"the alias {plain(alias)} is taken in the target and stays as it is there"
                self._problem("warning", found.name, words)
        if staged:
            if name in self._existing:
                other = unique_name(f"{name}-live", self._taken)
                words = f"{plain(name)} {_NO_ALIAS}"
                self._problem("refused", found.name, words, into_staging=True, rename=f"{found.name}={other}")
        elif target in aliases:
            self._problem("refused", found.name, f"{plain(target)} is an alias in the target", on_conflict="rename")
        elif self._is_itself(found.name, target):
            words = "source and target are the same collection"
            self._problem("refused", found.name, words, on_conflict="rename")

    def _repeated_ids(self, found: SourceCollection) -> None:
        if self._options.catch_up and found.duplicate_ids != 0:
            words = "ids may repeat in this source: nothing tells what differs, and no pass would be the last"
            self._problem("refused", found.name, words, catch_up=False)
        if found.duplicate_ids:
            words = f"{counted(found.duplicate_ids, 'record')} whose id occurs again: the last one of each is kept"
            self._problem("warning", found.name, words)

    def _action(self, found: SourceCollection, info: CollectionInfo | None, *, fills_again: bool) -> Action:
        if found.absent:
            return "skip"
        if found.spec is None:
            words = "it holds no vector yet, so its dimension is not known; it is left out"
            self._problem("refused" if found.count else "warning", found.name, words)
            return "skip"
        if info is None:
            return "create"
        policy, name = self._policy(found.name), plain(info.name)
        if info.points == 0 and info.pending.left:
            info = self._applied(found.name, info)
        holds = f"{name} holds {counted(info.points or 0, 'point')} already"
        if policy == "skip" and info.points != 0:
            self._problem("warning", found.name, f"{holds} and is left as it is")
            return "skip"
        self._claims(found.name, info.name)
        if info.trouble:
            words = f"{name} in the target cannot be read: {info.trouble}"
            doctor = str(Command("doctor").on(self._ws.settings.name))
            self._problems.append(Problem(level="refused", collection=found.name, text=words, fix=doctor))
        for reason in incompatibilities(found.spec.vectors, info.vectors):
            words = f"{name} in the target is not compatible: {reason}"
            self._problem("refused", found.name, words, on_conflict="rename")
        if info.points != 0 and policy == "fail" and not fills_again:
            words = f"{holds}; overwrite, skip or rename?"
            if self._options.catch_up:
                words += " It is not known that this source has filled it"
            self._problem("refused", found.name, words, on_conflict="rename")
        return "append"

    def _applied(self, source: str, info: CollectionInfo) -> CollectionInfo:
        """A target that shows nothing and has acknowledged something, once that has been applied."""
        pending = applied(self._database, info.name)
        if pending.left:
            self._problem("refused", source, f"{plain(info.name)} may not be empty: {pending.words}")
        return self._database.collection(info.name)

    def _claims(self, source: str, target: str) -> None:
        """Another migration may be filling the target, or have been stopped while it did."""
        claim = self._database.claim(target)
        if claim is None:
            return
        if over := ended(claim, self._database):
            self._problem("warning", source, f"{plain(target)} is taken over from another migration: {over}")
        else:
            words = f"another migration is filling {plain(target)}: {held_by(claim)}"
            self._problem("refused", source, words, on_conflict="rename")

    def _method(self, name: str, target: CollectionInfo | None) -> Chosen:
        chosen = self._methods.choose(name, target)
        if chosen.refused:
            self._problem("refused", name, f"a snapshot is not possible: {chosen.why}", method="auto")
        return chosen

    def _spans(self, found: SourceCollection) -> tuple[Span, ...]:
        """The parts in which it is read: enough to keep every worker busy to the end, none of them tiny."""
        if found.duplicate_ids != 0:
            return WHOLE
        parts = min(_SPANS_PER_WORKER * self._workers, found.count // _SPAN_POINTS)
        return self._source.spans(found.name, max(1, parts))

    def _policy(self, source: str) -> ConflictPolicy:
        return self._options.conflicts.get(source, self._options.on_conflict)

    def _fills_again(self, source: str, info: CollectionInfo | None) -> bool:
        """Whether this source has filled the target before, and it only has to catch up."""
        if not self._options.catch_up or info is None or info.points == 0:
            return False
        return was_filled(self._ws.store, str(self._uri), self._target, source, info.name)

    def _is_itself(self, source: str, target: str) -> bool:
        if not isinstance(self._uri, ServerUri) or source != target:
            return False
        ours, theirs = (url.replace("//localhost:", "//127.0.0.1:").lower() for url in (self._target, self._uri.url))
        return ours == theirs

    def _space(self, needed: int) -> None:
        try:
            free = self._ws.runtime.inspect().storage.free_bytes
        except AdminError:
            return  # not known: the server reports a full disk itself
        if free is not None and needed > free:
            words = f"about {size(needed)} are needed, and {size(free)} are free where the server keeps its data"
            self._problem("refused", "", words)

    def _problem(self, level: ProblemLevel, collection: str, text: str, **options: Option) -> None:
        """Add one; `options`: with these the migration solves it."""
        again = str(Command("migrate", self._uri, **options).on(self._ws.settings.name)) if options else ""
        self._problems.append(Problem(level=level, collection=collection, text=text, fix=again))


def _staging_name(alias: str, run: str) -> str:
    """The collection that is filled: `notes-staging-1a2b3c4d`."""
    ending = f"-staging-{run[:8]}"
    return alias.encode()[: MAX_LENGTH - len(ending)].decode(errors="ignore") + ending


class Methods:
    """Chooses how each collection of one source is copied. The two servers are compared once."""

    def __init__(self, asked: MethodChoice, source: Source, database: Database) -> None:
        self._asked, self._source, self._database = asked, source, database

    def choose(self, name: str, target: CollectionInfo | None) -> Chosen:
        """`target`: the collection that has the name already."""
        if self._asked == "stream":
            return Chosen("stream", "as asked")
        reason = self._servers[0] or self._collection(name, target)
        if not reason:
            return Chosen("snapshot", self._servers[1])
        return Chosen("stream", reason, refused=self._asked == "snapshot")

    @functools.cached_property
    def _servers(self) -> tuple[str, str]:
        """Why these two servers cannot use a snapshot, empty when they can; and why they should."""
        if not isinstance(self._source, Searches):
            return "only a Qdrant server writes snapshots", ""
        try:
            here, there = self._source.database.server().version, self._database.server().version
            peers = self._source.database.snapshots.peers(), self._database.snapshots.peers()
        except AdminError as error:
            return f"it is not known whether a snapshot is possible: {error.what}", ""
        if not readable(here, there):
            return f"a snapshot of Qdrant {plain(here)} may not be readable by Qdrant {plain(there)}", ""
        if max(peers) > 1:
            return "a cluster needs a snapshot of each of its nodes", ""
        words = f"Qdrant {plain(there)} reads what {plain(here)} writes"
        words = f"both servers are Qdrant {plain(here)}" if here == there else words
        return "", f"{words}: its files are copied with a checksum, and are not indexed again"

    def _collection(self, name: str, target: CollectionInfo | None) -> str:
        if target is not None:
            return "a snapshot would replace the existing collection and its settings"
        if not isinstance(self._source, Searches):
            return ""
        params = self._source.database.collection(name).config.get("params")
        params = params if isinstance(params, dict) else {}
        if params.get("sharding_method") == "custom":
            return "it has custom shard keys"
        shards = params.get("shard_number") or 1
        return f"it has {shards} shards" if shards != 1 else ""


def readable(source: str, target: str) -> bool:
    """Whether the target reads the source's snapshots: those of its own minor version and of the one before."""
    one, other = parsed_version(source), parsed_version(target)
    return one != (0, 0, 0) and one[0] == other[0] and 0 <= other[1] - one[1] <= 1


class Estimates:
    """How long a collection takes, judging by earlier migrations from the same kind of source into the same server."""

    def __init__(self, store: StateStore, *, profile: str, target: str, scheme: str) -> None:
        self._scheme, self._rates = scheme, dict[Method, list[float]]()
        plans = {plan.run: plan for plan in checkpoint.plans(store, target)}
        for _, kept in store.reports("migrate", profile, _LISTED) if plans else ():
            report = records.load(MigrationReport, kept)
            if isinstance(report, records.Unreadable) or (plan := plans.get(report.run)) is None:
                continue
            for method, rate in self._rate(plan, report):
                self._rates.setdefault(method, []).append(rate)

    def of(self, octets: int, method: Method) -> tuple[float, int]:
        """Seconds from the first point to the verdict, and on how many earlier runs that rests; 0: it is a guess.

        `octets` are bytes as a plan estimates them.
        """
        rates = self._rates.get(method, [])[:_RUNS]
        rate = statistics.median(rates) if rates else _GUESSED[method]
        return octets / rate, len(rates)

    def _rate(self, plan: PlanReport, report: MigrationReport) -> Iterator[tuple[Method, float]]:
        """Bytes per second of a run that copied everything, uninterrupted and by one method."""
        results = [one for one in report.collections if one.verdict != "skipped"]
        methods = {one.method for one in results}
        whole = report.verdict in {"verified", "differs"} and not report.resumed and len(methods) == 1
        if not whole or plan.source.partition(":")[0] != self._scheme:
            return
        octets = sum(one.estimated_bytes for one in plan.taken)
        differing = any(one.only_differences for one in plan.collections)
        if sum(one.read for one in results) >= _FEWEST_POINTS and report.seconds > 0 and octets and not differing:
            yield methods.pop(), octets / report.seconds
