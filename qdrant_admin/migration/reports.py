"""The plan and the report of a migration. Field names are a contract with scripts."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from qdrant_admin.core.formatting import counted, duration, number
from qdrant_admin.core.reports import Frozen, Report
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources.base import WHOLE, Span

if TYPE_CHECKING:
    from qdrant_admin.core.document import Document

ConflictPolicy = Literal["fail", "skip", "overwrite", "rename"]
RejectPolicy = Literal["continue", "fail"]
Method = Literal["stream", "snapshot"]
MethodChoice = Literal["auto", "stream", "snapshot"]
Verdict = Literal["verified", "differs", "unverified", "failed", "cancelled", "skipped"]


class Problem(Frozen):
    """Something about a source or a target that a person should know before anything is written."""

    level: Literal["warning", "refused"]
    """`refused`: the migration does not start while this stands."""
    collection: str = ""
    text: str
    fix: str = ""


class CollectionPlan(Frozen):
    """What becomes of one source collection."""

    source: str
    target: str
    count: int
    """Points in the source."""
    count_exact: bool = True
    vectors: tuple[VectorSpec, ...]
    """As the source has them."""
    spec: CollectionSpec
    """What the target is made with, when it is made."""
    target_exists: bool = False
    target_points: int = 0
    action: Literal["create", "append", "replace", "skip"] = "create"
    ids: str = ""
    """How ids are mapped, in words: `kept`, `UUIDv5 of the source id, original in payload field source_id`."""
    payload: str = ""
    """How payload is mapped, in words."""
    aliases: tuple[str, ...] = ()
    estimated_bytes: int = 0
    on_conflict: ConflictPolicy = "fail"
    """What was asked for, should the target hold points."""
    left_out: str = ""
    """Why nothing of it is copied, in words, when somebody wanted it so."""
    spans: tuple[Span, ...] = WHOLE
    """The parts it is read in, side by side and each with a checkpoint of its own. Frozen: a resumed run reads the same
    ones, whatever the source would answer then."""
    in_order: bool = False
    """Whether batches are written one after another, because ids come again and the last one has to win."""
    source_mark: str = ""
    """A sign of the source's content when it was planned; a run refuses when it is another. Empty: none is given."""
    method: Method = "stream"
    """How it is copied. stream: point by point; snapshot: the server's own files, whole."""
    method_why: str = ""
    """Why in this way, in words."""
    only_differences: bool = False
    """Whether the target was filled from this source before, so that nothing is copied but what differs."""
    alias: str = ""
    """The alias that is switched to the target once it is verified: the target is filled beside what is in use. Empty:
    the target is filled under its own name."""
    replaces: str = ""
    """What that alias pointed to when this was planned; empty when there was none of that name."""
    estimated_seconds: float | None = None
    """How long it takes from the first point to the verdict; None when there is nothing to tell it from."""
    estimated_from: int = 0
    """How many earlier migrations of the same kind of source say so; 0: it is a guess."""


class PlanReport(Report):
    """A migration before its first write."""

    run: str
    """Id of the run; a resumed run keeps it."""
    source: str
    """The source's URI without any secret."""
    source_kind: str
    """In words: `Chroma directory, format of chromadb 1.5`."""
    target: str
    """URL of the server."""
    on_conflict: ConflictPolicy = "fail"
    on_reject: RejectPolicy = "continue"
    batch_size: int = 256
    """Points a request, at most; fewer when they are large, or the target slow."""
    verify: str = "full"
    """full: every point is compared with the source; sample:N: the content of N, and every id."""
    workers: int = 1
    """Requests under way at the same time, at most."""
    method: MethodChoice = "auto"
    """How collections are copied, as asked; each says how it is and why."""
    catch_up: bool = False
    """Whether passes follow that copy what differs, until nothing does."""
    delete_gone: bool = False
    """Whether they delete what came from this source and is there no more."""
    collections: tuple[CollectionPlan, ...]
    problems: tuple[Problem, ...] = ()
    resumes: bool = False
    """Whether a checkpoint of an earlier, unfinished run is taken up."""
    already_written: int = 0
    created_at: datetime
    source_options: dict[str, Any] = {}

    @property
    def overwrites(self) -> tuple[str, ...]:
        """Targets whose points would be written over."""
        return tuple(
            plan.target
            for plan in self.collections
            if plan.on_conflict == "overwrite" and plan.target_points and plan.action != "skip"
        )

    @property
    def exit_code(self) -> int:
        return 4 if any(problem.level == "refused" for problem in self.problems) else 0

    @property
    def verdict_word(self) -> str:
        return "refused" if self.exit_code else "planned"

    def summary(self) -> str:
        taken = [plan for plan in self.collections if plan.action != "skip"]
        told = f"{counted(sum(plan.count for plan in taken), 'point')} in {counted(len(taken), 'collection')}"
        left = len(self.collections) - len(taken)
        return f"{told}, {number(left)} left out" if left else told


class Reject(Frozen):
    """One record that cannot be stored as it is."""

    collection: str
    id: str
    reason: str


EXACT_LEAST = 0.9
"""Of the ten nearest, what exact search has to find: all of them, save where 8 or 16 bits a component change ranks. An
ordinary search that finds less is told of in the `note`."""


class CollectionResult(Frozen):
    """What became of one source collection, after having looked."""

    source: str
    target: str
    read: int = 0
    written: int = 0
    skipped: int = 0
    rejected: int = 0
    verified: int = 0
    """Points compared with the source, content and all, and found equal."""
    verdict: Verdict = "unverified"
    missing: tuple[str, ...] = ()
    """Ids in the source and not in the target; at most the first hundred."""
    different: tuple[str, ...] = ()
    """Ids whose content differs; at most the first hundred."""
    extra: int = 0
    """Points of the target that are not of this source."""
    extra_ids: tuple[str, ...] = ()
    """Their ids; at most the first hundred."""
    sampled: int | None = None
    """Of how many points the content was compared, when not of all of them. Ids are always compared, all of them."""
    search_quality: float | None = None
    """How much of the ten nearest points of the source a search in the target finds, 0 to 1; None: not told."""
    note: str = ""
    passes: int = 0
    """How often the source was read again for what differs, after the first copy."""
    caught_up: int = 0
    """Points that these passes have written."""
    deleted: int = 0
    """Points that they have deleted, because the source has them no more."""
    alias: str = ""
    """The alias that was switched to the target; empty when none was."""
    kept: str = ""
    """The collection that this alias pointed to before, which is still there."""
    method: Method = "stream"
    retries: int = 0
    """How often the copy had to begin anew behind its checkpoint, because somebody did not answer."""
    bytes: int = 0
    """What was sent to the target, in this run of the program."""


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
    checks: str = ""
    """What the verdict rests on, in words: `exact counts and every vector and payload compared`."""

    @property
    def exit_code(self) -> int:
        if self.verdict == "cancelled":
            return 130
        return 0 if self.verdict in {"verified", "skipped"} else 1

    @property
    def verdict_word(self) -> str:
        return self.verdict

    def summary(self) -> str:
        read = sum(result.read for result in self.collections)
        verified = sum(result.verified for result in self.collections)
        return f"{number(verified)} of {counted(read, 'point')} verified in {duration(self.seconds)}"

    def document(self, when: datetime | None = None) -> "Document":
        from qdrant_admin.migration.document import document

        return document(self, when=when)


class DiscardReport(Report):
    """A stopped migration that was given up. Nothing that it has copied was removed."""

    run: str
    source: str
    target: str
    handled: int
    """Records that it had handled."""
    kept: tuple[str, ...] = ()
    """Collections in the target that it has made, as far as they are still there: they hold what was copied."""
    indexing_given_back: tuple[str, ...] = ()
    """Those of its collections that index again, as they did before it held their indexing back."""

    def summary(self) -> str:
        return f"run {self.run} given up; what it has copied stays"
