"""Verification: both sides are read again, every id is looked for both ways, and the content is compared.

A verdict is given for what was read to its end and stood still meanwhile. Whatever else happens, none is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from random import Random
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events
from qdrant_admin.core.formatting import counted, number
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import Floats, VectorSpec
from qdrant_admin.migration import checkpoint
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.compare import search_quality
from qdrant_admin.migration.compare.comparer import Chunk, Comparer, ComparisonResult
from qdrant_admin.migration.compare.counters import Counters
from qdrant_admin.migration.compare.search_quality import Quality, Truth
from qdrant_admin.migration.copy.retry import TRANSIENT, RetryPolicy
from qdrant_admin.migration.pipeline import Ended, Pipeline, Settled
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult
from qdrant_admin.sources.base import Searches, Source, mark_of

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_LOOKS = 3
"""How often a collection is read at most while somebody writes to its server. Nobody can tell to which collection, so
it is read again: what has changed in this one meanwhile is then found."""
_WORKERS = 4


@dataclass
class Verifier:
    """Compares one collection of the target with its source.

    Args:
        checkpoints: of the copy, one a span.
        sample: of how many points the content is compared; None for all. Ids are compared all the same, all of them.
        seed: of the sample; the same one chooses the same points.
    """

    source: Source
    database: "Database"
    plan: CollectionPlan
    slots: Mapping[str, VectorSpec]
    retry: RetryPolicy
    cancel: CancelToken
    checkpoints: Sequence[Checkpoint]
    sample: int | None = None
    seed: str = ""
    _counters: Counters = field(init=False)
    _starts: list[int] = field(default_factory=list, init=False)
    """Records in front of each span."""
    _comparer: Comparer = field(init=False)
    _queries: dict[str, Floats] = field(default_factory=dict, init=False)
    _quality: Quality | None = field(default=None, init=False)
    _moved: bool = field(default=False, init=False)
    """Whether the source has changed while it was read."""

    def run(self) -> Events:
        """Read both sides whole.

        Raises:
            Cancelled, SourceUnreadable, ServerUnreachable: there is no verdict then.
        """
        pace = ProgressMeter("verify", self.plan.count, item=self.plan.target)
        yield pace.event()
        yield from self.retry.run(self._ask)
        mark = mark_of(self.source, self.plan.source)
        for _ in range(_LOOKS):
            written = self._writes()
            yield from self._look(pace)
            if self._writes() == written:
                break
        self._moved = mark_of(self.source, self.plan.source) != mark
        yield pace.event()

    def result(self) -> CollectionResult:
        """The verdict, in figures."""
        copied, found = checkpoint.total(self.plan.source, self.checkpoints), self._counters
        notes = list(self._unsound(copied))
        sound = not (found.missing.count or found.different.count or notes)
        if found.extra.count and self.plan.action != "create":
            notes.append(f"{counted(found.extra.count, 'point')} were in the target before")
        if self._quality is not None and self._quality.words:
            notes.append(self._quality.words)
        return CollectionResult(
            source=self.plan.source,
            target=self.plan.target,
            read=copied.read,
            written=copied.written,
            rejected=copied.rejected,
            verified=found.equal,
            verdict="verified" if sound else "differs",
            missing=tuple(found.missing.shown),
            different=tuple(found.different.shown),
            extra=found.extra.count,
            extra_ids=tuple(found.extra.shown),
            search_quality=None if self._quality is None else self._quality.ordinary,
            sampled=None if self.sample is None else found.compared,
            note="; ".join(notes),
        )

    def _unsound(self, copied: Checkpoint) -> Iterator[str]:
        """What keeps a copy from being called verified, besides points that are missing or different."""
        found = self._counters
        if copied.rejected:
            yield f"{counted(copied.rejected, 'record')} could not be stored as they are, see the reject file"
        if found.read != copied.read:
            yield f"the source had {counted(copied.read, 'record')} when it was copied and has {number(found.read)} now"
        if self._moved:
            yield "the source has changed while it was compared"
        if found.extra.count and self.plan.action == "create":
            extra = counted(found.extra.count, "point")
            yield f"{extra} in the target are not of this source: somebody else wrote there"
        if found.met != found.points:
            yield f"the target had {counted(found.met, 'point')} when it was read and has {number(found.points)} now"
        if self._quality is not None and not self._quality.sound:
            yield "searching it does not find what it should"

    def _writes(self) -> Mapping[str, int]:
        """How often the server was written to; nothing where it does not tell."""
        try:
            return self.database.write_counters()
        except AdminError:
            return {}

    def _ask(self) -> Events:
        self._queries = search_quality.queries(self.database, self.plan.target, self.slots)
        yield from ()

    def _look(self, pace: ProgressMeter) -> Events:
        """Read both sides once, from the first record to the last."""
        pace.done = 0
        reads = [one.read for one in self.checkpoints]
        self._starts = [0, *accumulate(reads)]
        chosen = None
        if self.sample is not None:
            # Not for secrets: the same run has to choose the same points again.
            chosen = sorted(Random(self.seed).sample(range(sum(reads)), min(self.sample, sum(reads))))  # noqa: S311
        truth = Truth(self.slots, self._queries)
        self._comparer = Comparer(self.source, self.database, self.plan, self.slots, chosen, truth)
        with Counters(len(self.plan.spans)) as self._counters:
            yield from self.retry.run(lambda: self._pass(pace))
            yield from self.retry.run(lambda: self._end(truth))

    def _pass(self, pace: ProgressMeter) -> Events:
        """Until everything is compared, or somebody fails; what was compared by then need not be read again."""
        try:
            with Pipeline(
                self._counters.open, read=self._chunks, write=self._comparer.look, writers=_WORKERS
            ) as pipeline:
                for told in pipeline.news():
                    self.cancel.check()
                    if told is not None:
                        yield from self._settle(told, pace)
        except TRANSIENT as error:
            yield pace.event(note=error.what)
            raise

    def _chunks(self, span: int) -> Iterator[Chunk]:
        at = self._counters.at[span]
        return self._comparer.chunks(span, at.cursor, self._starts[span] + at.read)

    def _settle(self, told: Settled[ComparisonResult] | Ended, pace: ProgressMeter) -> Events:
        yield from self.retry.succeeded()
        if isinstance(told, Ended):
            self._counters.ended(told.span)
            return
        self._counters.take(told.span, told.cursor, told.outcome)
        moved = pace.advance(told.outcome.read)
        if moved:
            yield moved

    def _end(self, truth: Truth) -> Events:
        """What can only be told when everything was read."""
        self._counters.points = self.database.count(self.plan.target)
        if not self._comparer.in_order:
            ids = chain.from_iterable(self.database.scan_ids(self.plan.target))
            self._counters.match_ids(map(id_key, ids), self.cancel)
        if isinstance(self.source, Searches) and self._comparer.in_order:
            truth.ask(self.source.database, self.plan.source)
        if not (
            self._counters.extra.count or self._counters.superseded
        ):  # else the nearest are not those of the source
            self._quality = truth.compare(self.database, self.plan.target)
        yield from ()
