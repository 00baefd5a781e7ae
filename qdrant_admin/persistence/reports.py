"""What the checks are asked to do, and what they report. Field names are a contract with scripts."""

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qdrant_admin.core.formatting import counted, duration, number
from qdrant_admin.core.reports import Frozen, Report

if TYPE_CHECKING:
    from qdrant_admin.core.document import Document

VerifyHow = Literal["graceful", "kill", "recreate", "pause", "engine", "all", "none"]
"""`all`: every way that this server can be restarted in, one after the other, until something is not as it was; but
`engine`, which reaches beyond the server, only where it is asked for."""
Way = Literal["graceful", "kill", "recreate", "pause", "engine", "none"]
Verdict = Literal["persisted", "lost", "changed", "inconclusive"]
CollectionVerdict = Literal["same", "lost", "changed", "extra", "inconclusive"]


class Side(Frozen):
    """One collection at one moment."""

    points: int
    digest: str
    """Hex; covers id, every vector's bytes and the payload of every point, independent of their order."""
    sampled: int | None = None
    """Points whose content the digest covers, besides every id; None: all of them."""
    settings: str = ""
    """Hex; covers configuration, payload indexes and aliases. Empty in reports of earlier versions."""
    scheme: str = "P1"
    """The form of a point that `digest` was taken of; reports of earlier versions do not say that it was P1."""


class PointDifference(Frozen):
    """One point that is not what it was."""

    id: str
    what: Literal["missing", "extra", "changed"]
    detail: str = ""
    """What of it changed, in words: `vector ""`, `payload field title`."""
    parts: tuple[str, ...] = ()
    """The same, one by one."""
    vectors: tuple[str, ...] = ()
    """Names of the vectors that it had before."""
    fields: tuple[str, ...] | None = None
    """Its payload fields before; None where they are not known: of their values only digests were kept."""


class CollectionCheck(Frozen):
    """One collection before and after."""

    name: str
    verdict: CollectionVerdict
    before: Side | None = None
    """None: it was not there."""
    after: Side | None = None
    missing: int = 0
    changed: int = 0
    extra: int = 0
    points: tuple[PointDifference, ...] = ()
    """At most the first hundred of each kind."""
    settings: tuple[str, ...] = ()
    """Configuration, payload indexes and aliases that differ, in words: `alias memories is gone`."""


class Phase(Frozen):
    """One timed part of the check."""

    name: str
    at: datetime
    seconds: float


class Round(Frozen):
    """One restart of the check, and what was found behind it."""

    how: Way
    verdict: Verdict
    ready_seconds: float | None = None
    """From the stop to truly ready; None without a restart, or when it did not come back."""


class BaselineCheck(Frozen):
    """What is there now against what an earlier check has read."""

    at: datetime
    """When that check was made."""
    server_version: str = ""
    verdict: Verdict
    reason: str = ""
    collections: tuple[CollectionCheck, ...]
    """`before` is what was there then, `after` what is there now."""


class Proof(Report):
    """What every check ends with."""

    profile: str
    verdict: Verdict
    reason: str = ""
    """Why it is inconclusive, or what was lost, in one sentence."""
    fix: str = ""
    server_version: str = ""
    storage: str = ""
    at: datetime
    seconds: float

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict == "persisted" else 1

    @property
    def verdict_word(self) -> str:
        return self.verdict

    def document(self, when: datetime | None = None) -> "Document | None":  # noqa: ARG002 # it says itself when it was
        from qdrant_admin.persistence.certificate import certificate

        return certificate(self) if isinstance(self, VerifyReport | CrashReport) else None


class FreshCheck(Frozen):
    """Collections that the check itself made over the API a moment before the restart, and removed behind it."""

    collections: int
    points: int
    aliases: int
    lost: tuple[str, ...] = ()
    """What of them did not survive, in words."""


class VerifyReport(Proof):
    """What a restart did to what the server holds."""

    how: VerifyHow
    collections: tuple[CollectionCheck, ...]
    chosen: tuple[str, ...] = ()
    """Names of the collections that were asked for; empty: all."""
    sample: int | None = None
    """Of about how many points of each collection the content was read; None: of all."""
    baseline: BaselineCheck | None = None
    """Against an earlier report; a difference counts in `verdict`."""
    aliases: tuple[str, ...] = ()
    """Differences of the alias map, in words."""
    phases: tuple[Phase, ...] = ()
    rounds: tuple[Round, ...] = ()
    """In their order; `verdict` and `collections` are those of the last, which is the first that is not persisted."""
    fresh: FreshCheck | None = None
    """Of the last restart that ends the process; None without one, and where the server made none."""
    ready_seconds: float | None = None
    """From the stop to truly ready, of the slowest round."""
    storage_bytes: int | None = None
    """What the storage occupied on the disk at the end; None where nobody could tell."""
    checks: str = ""
    """What the verdict rests on, in words."""
    cause: str = ""
    """Likely cause of a loss, where one was found."""

    def summary(self) -> str:
        points = sum(check.after.points for check in self.collections if check.after)
        text = f"{counted(len(self.collections), 'collection')}, {counted(points, 'point')}"
        text += f", a sample of {number(self.sample)} each" if self.sample else ""
        if self.how == "none" or self.ready_seconds is None:
            return text
        done = {
            "kill": "killed",
            "graceful": "restarted",
            "recreate": "recreated",
            "pause": "frozen",
            "engine": "restarted with its engine",
        }
        if self.how == "all":
            ways = ", ".join(done[round_.how] for round_ in self.rounds if round_.how != "none")
            return f"{text}, {ways}, and back in at most {duration(self.ready_seconds)}"
        return f"{text}, {done[self.how]} and back in {duration(self.ready_seconds)}"


class Cycle(Frozen):
    """One restart under load."""

    how: Way
    acknowledged: int
    """Changes that the server has acknowledged since the restart before."""
    unanswered: int
    """Changes that were under way at the crash: they may be there or not."""
    lost: int
    recovery_seconds: float
    """From the kill to truly ready."""


class CrashLoss(Frozen):
    """Something that is not as it was acknowledged."""

    what: str
    """`point 12`, `collection …`, `collection or alias …`."""
    acknowledged: str
    found: str


class CrashReport(Proof):
    """What a server kept of what it had acknowledged when it was killed."""

    wait: bool
    seed: int
    cycles: tuple[Cycle, ...]
    """The last one is an orderly restart."""
    acknowledged: int
    unanswered: int
    lost: int
    losses: tuple[CrashLoss, ...] = ()
    """The first hundred."""
    failed_writers: tuple[str, ...] = ()
    """Why writers ended that were not ended by the crash, in words: such a test proves nothing."""
    recovery_median_seconds: float | None = None
    recovery_max_seconds: float | None = None
    left: tuple[str, ...] = ()
    """Canary collections that could not be removed."""

    def summary(self) -> str:
        kills = counted(sum(one.how == "kill" for one in self.cycles), "kill")
        return f"{kills}, {counted(self.acknowledged, 'change')} acknowledged, {number(self.lost)} lost"


class VerifyOptions(Frozen):
    """How the server is restarted, and what is looked at."""

    how: VerifyHow
    """`none`: two fingerprints and nothing in between."""
    confirmed: bool = False
    """Whether somebody said yes to interrupting what else runs on the container engine, for `engine`."""
    collections: tuple[str, ...] = ()
    """Names; empty for all of them."""
    sample: int | None = Field(default=None, ge=1)
    """Of about how many points of each collection the content is read, besides every id; None: of all."""
    baseline: VerifyReport | None = None
    """An earlier report to compare with as well."""


class CrashOptions(Frozen):
    """How often the server is killed, and under what load."""

    cycles: int = Field(default=10, ge=1, le=1000)
    writers: int = Field(default=4, ge=1, le=32)
    """Writers of points; one more makes and deletes collections."""
    wait: bool = True
    """Whether a write is acknowledged once it is applied and logged, or (False) once it is taken."""
    seed: int = 0
    """Of the moments and the changes. The server's own pace is not seeded: two runs are alike, not the same."""


class MovePlanReport(Report):
    """What a move would do."""

    profile: str
    storage: str
    """Where the data lies, in words."""
    volume: str
    """Where it would go."""
    needed_bytes: int | None
    """What the copy takes; None when nobody can tell from here."""
    free_bytes: int | None
    steps: tuple[str, ...]
    """In words, in their order."""
    left: str
    """Where the old data would still lie."""

    @property
    def verdict_word(self) -> str:
        """Nothing was done."""
        return "planned"

    def summary(self) -> str:
        """From where to where."""
        return f"{self.storage} to volume {self.volume}"


class MoveReport(Proof):
    """What came of moving the data to a volume."""

    moved: bool
    """Whether the server runs on the volume now; otherwise it is on its old storage, as it was found."""
    volume: str
    collections: tuple[CollectionCheck, ...] = ()
    """`before` is the old storage, `after` the volume."""
    aliases: tuple[str, ...] = ()
    """Differences of the alias map, in words."""
    copied_bytes: int = 0
    interrupted_seconds: float | None = None
    """How long the server could not be reached; None when it was not stopped."""
    left: str = ""
    """Where the old data still lies, in words."""
    remove: str = ""
    """The command that removes the old data; empty unless `moved`."""

    def summary(self) -> str:
        """What is in the volume, and how long the server was away."""
        if not self.moved:
            return "the server is on its old storage, as it was"
        points = sum(check.after.points for check in self.collections if check.after)
        held = f"{counted(len(self.collections), 'collection')}, {counted(points, 'point')}"
        away = "" if self.interrupted_seconds is None else f", away for {duration(self.interrupted_seconds)}"
        return f"{held} in volume {self.volume}{away}"
