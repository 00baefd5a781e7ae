"""Verification: both sides are read again, all ids are matched in both directions, and the content is compared.

A verdict is only given for a collection that was read to its end and did not change meanwhile.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from random import Random
from typing import NamedTuple

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events
from qdrant_admin.core.formatting import counted, number
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.ids import id_key, id_of_key
from qdrant_admin.database.models import Floats, Pending, VectorSpec
from qdrant_admin.database.pending import wait_applied
from qdrant_admin.database.retry import TRANSIENT, RetryPolicy
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare import search_quality
from qdrant_admin.migration.compare.comparer import Chunk, Comparer, ComparisonResult, Id, IdSet, Named
from qdrant_admin.migration.compare.search_quality import Quality, Truth
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult
from qdrant_admin.sources.base import Cursor, Searches, Source, mark_of

_LOOKS = 3
"""How often a collection is read at most while the server is written to: it does not say to which collection."""
_WORKERS = 4
_NAMES = 10_000
"""How many of the source's own ids are kept for the report; beyond that, the id in the target is shown."""
_CHECK_EVERY = 50_000


class Rows(NamedTuple):
    """The rows of a collection, as its source counts them."""

    seen: int
    folded: int
    """Those that the source does not give, because their id comes again."""


class Figures(NamedTuple):
    """What became of the rows of a collection; see `CollectionResult`."""

    seen: int
    read: int
    written: int
    folded: int
    skipped: int
    rejected: int


@dataclass(slots=True)
class At:
    """How far the comparison of a span has come."""

    cursor: Cursor = None
    read: int = 0
    done: bool = False


class Counters:
    """The totals of one comparison."""

    def __init__(self, spans: int, ids: IdSet) -> None:
        self.at = [At() for _ in range(spans)]
        self.read = self.rejected = self.compared = self.equal = 0
        self.superseded = 0
        """Records with an id that a later record has too."""
        self.missing, self.different, self.extra = Named(), Named(), Named()
        self.points = 0
        """The target's exact count, taken after everything was read."""
        self.met = 0
        """Points of the target that were seen."""
        self._ids = ids
        self._names: dict[bytes, str] = {}

    def take(self, span: int, cursor: Cursor, seen: ComparisonResult) -> None:
        at = self.at[span]
        at.cursor, at.read = cursor, at.read + seen.read
        self.read += seen.read
        self.rejected += seen.rejected
        self.compared += seen.compared
        self.equal += seen.equal
        self.met += seen.met
        self.missing.take(seen.missing)
        self.different.take(seen.different)
        self.extra.take(seen.extra)
        self._ids.add(seen.ids)
        for key, name in seen.names.items():
            if len(self._names) < _NAMES:
                self._names[key] = name

    def match_ids(self, target: Iterator[bytes], cancel: CancelToken) -> None:
        """Match all ids of the target with those of a source whose order is not the server's."""
        self.equal = self.superseded = self.met = 0
        self.missing, self.different, self.extra = Named(), Named(), Named()
        for place, one in enumerate(self._ids.against(target)):
            if place % _CHECK_EVERY == 0:
                cancel.check()
            self.met += one.there
            self.superseded += max(0, one.records - 1)
            if one.state is None:
                self.extra.add(id_of_key(one.key))
            elif not one.there:
                self.missing.add(self._name(one))
            elif one.state == "equal":
                self.equal += 1
            elif one.state != "unseen":  # including one that was missing and was written since
                self.different.add(self._name(one))

    def _name(self, one: Id) -> object:
        return self._names.get(one.key, id_of_key(one.key))


@dataclass
class Verifier:
    """Compares one collection of the target with its source.

    Args:
        checkpoints: of the copy, one per span.
        rows: of the collection, as the source counts them.
        sample: how many points have their content compared; None: all. All ids are compared in any case.
        seed: of the sample; the same seed chooses the same points.
        follows: whether passes came after the copy, or in its place, that wrote what differed.
    """

    source: Source
    database: Database
    plan: CollectionPlan
    slots: Mapping[str, VectorSpec]
    retry: RetryPolicy
    cancel: CancelToken
    checkpoints: Sequence[Checkpoint]
    rows: Rows
    sample: int | None = None
    seed: str = ""
    follows: bool = False
    _counters: Counters = field(init=False)
    _starts: list[int] = field(default_factory=list, init=False)
    """Records before each span."""
    _comparer: Comparer = field(init=False)
    _queries: dict[str, Floats] = field(default_factory=dict, init=False)
    _quality: Quality | None = field(default=None, init=False)
    _pending: Pending = field(default=Pending(), init=False)
    """What the target had acknowledged and did not show when it was read."""
    _moved: bool = field(default=False, init=False)
    """Whether the source changed while it was read."""

    def run(self) -> Events:
        """Read both sides whole. When this raises, there is no verdict."""
        pace = ProgressMeter("verify", self.plan.count, item=self.plan.target)
        yield pace.event()
        yield from self.retry.run(self._wait_applied)
        yield from self.retry.run(self._ask)
        mark = mark_of(self.source, self.plan.source)
        for _ in range(_LOOKS):
            yield from self.retry.run(self._wait_applied)
            written = self._writes()
            yield from self._look(pace)
            if self._writes() == written:
                break
        self._moved = mark_of(self.source, self.plan.source) != mark
        yield pace.event()

    def result(self) -> CollectionResult:
        copied, found = checkpoint.total(self.plan.source, self.checkpoints), self._counters
        notes = list(self._unsound(copied))
        sound = not (found.missing.count or found.different.count or notes)
        if found.extra.count and self.plan.action != "create":
            notes.append(f"{counted(found.extra.count, 'point')} were in the target before")
        if self._quality is not None and self._quality.words:
            notes.append(self._quality.words)
        figures = self._figures(copied)
        return CollectionResult(
            source=self.plan.source,
            target=self.plan.target,
            seen=figures.seen,
            read=figures.read,
            written=figures.written,
            folded=figures.folded,
            skipped=figures.skipped,
            rejected=figures.rejected,
            verified=found.equal,
            verdict="verified" if sound else "differs",
            missing=tuple(found.missing.shown),
            missing_count=found.missing.count,
            different=tuple(found.different.shown),
            different_count=found.different.count,
            extra=found.extra.count,
            extra_ids=tuple(found.extra.shown),
            search_quality=None if self._quality is None else self._quality.ordinary,
            sampled=None if self.sample is None else found.compared,
            note="; ".join(notes),
        )

    def _figures(self, copied: Checkpoint) -> Figures:
        """What became of every row. A run that follows its source writes a point as often as it changes, or not at all
        where the target had it: each point counts once, as written or as skipped.
        """
        again = self._counters.superseded
        points, written = copied.read - copied.rejected - again, copied.written - again
        written = min(written, points) if self.follows else written
        return Figures(
            seen=self.rows.seen,
            read=copied.read + self.rows.folded,
            written=written,
            folded=self.rows.folded + again,
            skipped=points - written if self.follows else 0,
            rejected=copied.rejected,
        )

    def _unaccounted(self, copied: Checkpoint) -> Iterator[str]:
        """What the figures do not explain. They come from apart: the source's own count, the writes that the server
        acknowledged, and the points that the target was found to hold.
        """
        figures = self._figures(copied)
        known = figures.written + figures.folded + figures.skipped + figures.rejected
        if known != figures.seen:
            yield f"the source has {counted(figures.seen, 'row')}, and what became of {number(known)} is known"
        wanted, found = figures.written + figures.skipped, self._counters
        there = found.met - found.extra.count
        if there != wanted and not found.missing.count:
            yield f"{counted(wanted, 'point')} should have arrived, and the target holds {number(there)} of them"
        if self.sample is None and found.equal + found.different.count != there:
            yield f"{number(found.equal)} of {counted(there, 'point')} were compared"

    def _unsound(self, copied: Checkpoint) -> Iterator[str]:
        """Reasons against `verified`, besides points that are missing or different."""
        found = self._counters
        yield from self._unaccounted(copied)
        if copied.rejected:
            yield f"{counted(copied.rejected, 'record')} could not be stored as they are, see the reject file"
        if found.read != copied.read:
            yield f"the source had {counted(copied.read, 'record')} when it was copied and has {number(found.read)} now"
        if self._moved:
            yield "the source changed while it was compared"
        if found.extra.count and self.plan.action == "create":
            extra = counted(found.extra.count, "point")
            yield f"{extra} in the target did not come from this source: another program wrote them"
        if found.met != found.points:
            yield f"the target had {counted(found.met, 'point')} when it was read and has {number(found.points)} now"
        if self._pending.left:
            yield f"not every point of the target could be read: {self._pending.words}"
        if self._quality is not None and not self._quality.sound:
            yield "searches in the target do not find what they should"

    def _writes(self) -> Mapping[str, int]:
        """Requests that wrote to the server, by endpoint; empty where it keeps no such count."""
        try:
            return self.database.write_counters()
        except AdminError:
            return {}

    def _wait_applied(self) -> Events:
        self._pending = yield from wait_applied(self.database, self.plan.target, self.cancel, step="verify")

    def _ask(self) -> Events:
        self._queries = search_quality.queries(self.database, self.plan.target, self.slots)
        yield from ()

    def _look(self, pace: ProgressMeter) -> Events:
        pace.done = 0
        reads = [one.read for one in self.checkpoints]
        self._starts = [0, *accumulate(reads)]
        chosen = None
        if self.sample is not None:
            # Not for secrets: the same run has to choose the same points again.
            chosen = frozenset(Random(self.seed).sample(range(sum(reads)), min(self.sample, sum(reads))))  # noqa: S311
        truth = Truth(self.slots, self._queries)
        self._comparer = Comparer(self.source, self.database, self.plan, self.slots, chosen, truth)
        with IdSet() as ids:
            self._counters = Counters(len(self.plan.spans), ids)
            yield from self.retry.run(lambda: self._pass(pace))
            yield from self.retry.run(lambda: self._end(truth))

    def _pass(self, pace: ProgressMeter) -> Events:
        """Compare until the end or an error; the next pass goes on after the chunks that were compared by then."""
        spans = [span for span, at in enumerate(self._counters.at) if not at.done]
        try:
            with Pipeline(spans, read=self._chunks, write=self._comparer.look, writers=_WORKERS) as pipeline:
                for came in pipeline.news():
                    self.cancel.check()
                    if came is not None:
                        yield from self._settle(came, pace)
        except TRANSIENT as error:
            yield pace.event(note=error.what)
            raise

    def _chunks(self, span: int) -> Iterator[Chunk]:
        at = self._counters.at[span]
        return self._comparer.chunks(span, at.cursor, self._starts[span] + at.read)

    def _settle(self, came: Settled[ComparisonResult] | Ended, pace: ProgressMeter) -> Events:
        yield from self.retry.succeeded()
        if isinstance(came, Ended):
            self._counters.at[came.span].done = True
            return
        self._counters.take(came.span, came.cursor, came.outcome)
        if moved := pace.advance(came.outcome.read):
            yield moved

    def _end(self, truth: Truth) -> Events:
        """What is only known once everything was read."""
        self._counters.points = self.database.count(self.plan.target)
        if not self._comparer.in_order:
            ids = chain.from_iterable(self.database.scan_ids(self.plan.target))
            self._counters.match_ids(map(id_key, ids), self.cancel)
        if isinstance(self.source, Searches) and self._comparer.in_order:
            truth.ask(self.source.database, self.plan.source)
        # The nearest points are those of the source only where the target holds nothing else.
        if not (self._counters.extra.count or self._counters.superseded):
            self._quality = truth.compare(self.database, self.plan.target)
        yield from ()
