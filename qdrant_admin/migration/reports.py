"""The plan and the report of a migration. Field names are a contract with scripts."""

from datetime import datetime
from typing import Literal

from qdrant_admin.core.blocks import Blocks, Step
from qdrant_admin.core.document import Document
from qdrant_admin.core.formatting import counted, duration, number
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources.base import WHOLE, Span

ConflictPolicy = Literal["fail", "skip", "overwrite", "rename"]
RejectPolicy = Literal["continue", "fail"]
Method = Literal["stream", "snapshot"]
MethodChoice = Literal["auto", "stream", "snapshot"]
ProblemLevel = Literal["warning", "refused"]
Action = Literal["create", "append", "skip"]
Verdict = Literal["verified", "differs", "unverified", "failed", "cancelled", "skipped"]

DEFAULT_BATCH, WORKERS = 256, 4
"""Points per request, and requests in parallel: on two cores more would only wait for Python's lock."""


class Problem(Frozen):
    """Something about a source or a target that the user should know before anything is written."""

    level: ProblemLevel
    """`refused`: the migration does not start while this stands."""
    collection: str = ""
    text: str
    fix: str = ""

    @property
    def words(self) -> str:
        return f"{self.collection}: {self.text}" if self.collection else self.text


class CollectionPlan(Frozen):
    """What becomes of one source collection."""

    source: str
    target: str
    count: int
    """Points in the source: its rows, without those that it folds itself."""
    folded: int = 0
    """Rows of the source that are not read, because their id comes again in a later one."""
    vectors: tuple[VectorSpec, ...]
    spec: CollectionSpec
    """What the target is created with, if this run creates it."""
    target_exists: bool = False
    target_points: int = 0
    action: Action = "create"
    ids: str = ""
    """How ids are mapped, in words: `kept`, `UUIDv5 of the source id, original in payload field source_id`."""
    payload: str = ""
    """How payload is mapped, in words."""
    aliases: tuple[str, ...] = ()
    estimated_bytes: int = 0
    on_conflict: ConflictPolicy = "fail"
    left_out: str = ""
    """Why nothing of it is copied, in words, when the user excluded it."""
    spans: tuple[Span, ...] = WHOLE
    """The parts in which the source is read, in parallel, each with its own checkpoint. A resumed run reads the same
    spans, even if the source would be divided differently by then."""
    in_order: bool = False
    """Whether batches are written one after another, because ids repeat and the last one has to win."""
    source_mark: str = ""
    """A token of the source's content; a run whose source has another one by then is refused. Empty: unknown."""
    method: Method = "stream"
    """stream: point by point; snapshot: the server's own files, whole."""
    method_why: str = ""
    only_differences: bool = False
    """Whether the target was filled from this source before, so that only what differs is copied."""
    alias: str = ""
    """The alias that is switched to the target (a staging collection) once it is verified; empty: no staging."""
    replaces: str = ""
    """What that alias pointed to when this was planned; empty when it did not exist."""
    estimated_seconds: float | None = None
    """From the first point to the verdict; None: unknown."""
    estimated_from: int = 0
    """On how many earlier migrations of the same kind of source the estimate rests; 0: it is a guess."""

    @property
    def seen(self) -> int:
        """Rows of the source."""
        return self.count + self.folded


class PlanReport(Report):
    """A migration before its first write."""

    run: str
    """A resumed run keeps its id."""
    source: str
    """URI without any secret."""
    source_kind: str
    """In words: `Chroma directory, format of chromadb 1.5`."""
    target: str
    on_conflict: ConflictPolicy = "fail"
    on_reject: RejectPolicy = "continue"
    batch_size: int = DEFAULT_BATCH
    """Points per request, at most; fewer when they are large, or the target slow."""
    verify: str = "full"
    workers: int = WORKERS
    """Requests in parallel, at most."""
    method: MethodChoice = "auto"
    """What the user chose; each collection says how it is copied, and why."""
    catch_up: bool = False
    delete_gone: bool = False
    collections: tuple[CollectionPlan, ...]
    problems: tuple[Problem, ...] = ()
    strays: tuple[str, ...] = ()
    """What lies in the source and belongs to none of its collections, in words; nothing of it is copied."""
    created_at: datetime

    @property
    def taken(self) -> tuple[CollectionPlan, ...]:
        return tuple(plan for plan in self.collections if plan.action != "skip")

    @property
    def total(self) -> int:
        return sum(plan.count for plan in self.taken)

    @property
    def overwrites(self) -> tuple[str, ...]:
        """Targets that hold points which may be overwritten."""
        return tuple(plan.target for plan in self.taken if plan.on_conflict == "overwrite" and plan.target_points)

    @property
    def exit_code(self) -> int:
        return 4 if any(problem.level == "refused" for problem in self.problems) else 0

    @property
    def ready(self) -> bool:
        """Whether it can be run, and there is something to do."""
        return bool(self.taken) and not self.exit_code

    @property
    def verdict_word(self) -> str:
        if self.exit_code:
            return "refused"
        return "planned" if self.taken else "skipped"

    def summary(self) -> str:
        words = f"{counted(self.total, 'point')} in {counted(len(self.taken), 'collection')}"
        left = len(self.collections) - len(self.taken)
        folded = sum(plan.folded for plan in self.taken)
        words += f" ({counted(folded, 'row')} more folded: their ids come again)" if folded else ""
        return f"{words}, {number(left)} left out" if left else words

    def blocks(self) -> Blocks:
        from qdrant_admin.migration.messages import plan_blocks

        return plan_blocks(self)

    def next_step(self) -> Step | None:
        from qdrant_admin.migration.messages import command

        return Step("next", command(self)) if self.ready else None


class Reject(Frozen):
    """One record that cannot be stored as it is."""

    collection: str
    id: str
    reason: str


EXACT_LEAST = 0.9
"""Share of the ten nearest points that an exact search has to find: all, unless 8 or 16 bits a component change ranks.
When an ordinary search finds less, the `note` says so."""


class CollectionResult(Frozen):
    """What became of one source collection, after having looked.

    `verified` only where `seen` is `accounted`: every row of the source is in exactly one of these figures.
    """

    source: str
    target: str
    seen: int = 0
    """Rows of the source, as it counts them itself; not the sum of what was read. 0 in reports of earlier versions."""
    read: int = 0
    """Rows that were decoded."""
    written: int = 0
    """Points that were written, each counted once."""
    folded: int = 0
    """Rows whose id comes again in a later row of the same collection: the last one is the point."""
    skipped: int = 0
    """Rows that were not written because the target had them, or was to be left as it is."""
    rejected: int = 0
    """Rows that cannot be stored as they are; the reject file has them."""
    left_out: int = 0
    """Rows of a collection that the user excluded."""
    verified: int = 0
    """Points compared with the source, content and all, and found equal."""
    verdict: Verdict = "unverified"
    missing: tuple[str, ...] = ()
    """Ids in the source and not in the target; like all ids here, at most the first hundred."""
    missing_count: int = 0
    different: tuple[str, ...] = ()
    """Ids whose content differs."""
    different_count: int = 0
    extra: int = 0
    """Points of the target that are not of this source."""
    extra_ids: tuple[str, ...] = ()
    sampled: int | None = None
    """How many points had their content compared; None: all. Ids are always all compared."""
    ids: str = ""
    """How ids were mapped, in words."""
    payload: str = ""
    """How payload was mapped, in words."""
    search_quality: float | None = None
    """How much of the ten nearest points of the source a search in the target finds, 0 to 1; None: unknown."""
    note: str = ""
    passes: int = 0
    """How often the source was read again for what differs, after the first copy."""
    caught_up: int = 0
    """Points that these passes have written."""
    deleted: int = 0
    """Points that these passes have deleted, because the source no longer has them."""
    alias: str = ""
    """The alias that was switched to the target; empty when none was."""
    kept: str = ""
    """The collection that this alias pointed to before, which still exists."""
    method: Method = "stream"
    retries: int = 0
    """How often the copy had to resume from its checkpoint, because a server did not answer."""
    bytes: int = 0
    """Sent to the target since the run was last started or resumed."""

    @property
    def accounted(self) -> int:
        """Rows of which it is known what became of them."""
        return self.written + self.folded + self.skipped + self.rejected + self.left_out

    def noted(self, *words: str) -> "CollectionResult":
        """The same result, with more to say in its note."""
        return self.model_copy(update={"note": "; ".join(filter(None, (self.note, *words)))})


class MigrationReport(Report):
    """What a migration did."""

    run: str
    source: str
    source_kind: str
    target: str
    collections: tuple[CollectionResult, ...]
    rejects: tuple[Reject, ...] = ()
    """The first hundred; the rest is in `reject_file`."""
    reject_file: str | None = None
    verdict: Verdict
    seconds: float
    resumed: bool = False
    warnings: tuple[str, ...] = ()
    """What the plan had to say before the run: what was taken for granted, and what was left aside."""
    strays: tuple[str, ...] = ()
    """What lies in the source and belongs to none of its collections, in words; nothing of it was copied."""
    checks: str = ""
    """What the verdict is based on, in words: `exact counts and every vector and payload compared`."""

    @property
    def exit_code(self) -> int:
        if self.verdict == "cancelled":
            return 130
        return 0 if self.verdict in {"verified", "skipped"} else 1

    @property
    def verdict_word(self) -> str:
        return self.verdict

    def summary(self) -> str:
        points = sum(result.read - result.folded for result in self.collections)
        verified, folded = (sum(getattr(one, figure) for one in self.collections) for figure in ("verified", "folded"))
        if self.verdict == "skipped":
            return f"nothing to copy, in {duration(self.seconds)}"
        words = f"{number(verified)} of {counted(points, 'point')} verified in {duration(self.seconds)}"
        return f"{words}, {counted(folded, 'row')} folded" if folded else words

    def document(self, when: datetime | None = None) -> Document:
        from qdrant_admin.migration.messages import document

        return document(self, when)

    def blocks(self) -> Blocks:
        from qdrant_admin.migration.messages import result_blocks

        return result_blocks(self)

    def next_step(self) -> Step | None:
        from qdrant_admin.migration.messages import next_steps

        return next(iter(next_steps(self)), None)
