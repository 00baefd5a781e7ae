"""What the checks are asked to do, and what they report. Field names are a contract with scripts."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from qdrant_admin.core.blocks import Blocks
from qdrant_admin.core.document import Document
from qdrant_admin.core.formatting import counted, duration, number
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen, JsonValue
from qdrant_admin.database.differences import Difference, PointDifference
from qdrant_admin.persistence import blocks
from qdrant_admin.server.runtime import RestartMethod
from qdrant_admin.state import records

RoundMethod = RestartMethod | Literal["none"]
"""`none`: read twice, with no restart in between."""
VerifyMethod = RoundMethod | Literal["all"]
"""`all`: every restart method that this server supports, one after the other, until something is not as it was; but
`engine`, which reaches beyond the server, only where it is asked for."""
DONE: Mapping[VerifyMethod, str] = {
    "kill": "killed",
    "graceful": "restarted",
    "recreate": "recreated",
    "pause": "frozen",
    "engine": "restarted together with the container engine",
    "all": "restarted in every way",
    "none": "left running",
}
"""What was done to the server, in words."""
Verdict = Literal["persisted", "unchanged", "empty", "lost", "changed", "inconclusive"]
"""`unchanged`: two looks are equal and no process ended between them, which proves nothing about a restart. `empty`:
nothing is stored, so there was nothing to prove."""
EQUAL: frozenset[Verdict] = frozenset({"persisted", "unchanged", "empty"})
"""Nothing is missing and nothing has changed."""
Code = Literal["", "cluster", "written_meanwhile", "writers_unseen", "not_all_shown"]
"""Why it is inconclusive, for programs; empty for every other reason."""
CollectionVerdict = Literal["same", "lost", "changed", "extra", "inconclusive"]


class Side(Frozen):
    """One collection at one moment."""

    points: int
    digest: str
    """Hex; covers id, every vector's bytes and the payload of every point, independent of their order."""
    sampled: int | None = None
    """Points whose content the digest covers, besides every id; None: all of them."""
    settings: str = ""
    """Form and hex digest of configuration, payload indexes and aliases. Empty in reports of earlier versions."""
    scheme: str = "P1"
    """The form of a point that `digest` was taken of; reports of earlier versions do not say that it was P1."""
    buckets: tuple[str, ...] = ()
    """Which ids there were, see `database.buckets`; empty in reports of schema 2 and before."""


class CollectionCheck(Frozen):
    """One collection before and after."""

    name: str
    verdict: CollectionVerdict
    """Of a check with a baseline, the worse of two: between `before` and `after`, and since then (`baseline`)."""
    before: Side | None = None
    """None: it was not there."""
    after: Side | None = None
    missing: int = 0
    changed: int = 0
    extra: int = 0
    points: tuple[PointDifference, ...] = ()
    """At most the first hundred of each kind."""
    settings: tuple[Difference, ...] = ()
    """Whatever else differs: configuration, payload indexes, counts, searches, aliases."""

    @property
    def told(self) -> tuple[str, ...]:
        """`settings` in words."""
        return tuple(difference.words for difference in self.settings)


def _held(checks: Sequence[CollectionCheck], between: str = ", ") -> str:
    checks = [check for check in checks if check.before or check.after]  # others are named because they are gone
    points = sum(check.after.points for check in checks if check.after)
    return f"{counted(len(checks), 'collection')}{between}{counted(points, 'point')}"


def overall_verdict(
    checks: Sequence[CollectionCheck], aliases: Sequence[Difference] = (), *, restarted: bool = True
) -> Verdict:
    """The verdict that follows from those on single collections and from differences of the alias map.

    `restarted`: whether the server's process has ended between the two looks; without that nothing is proven.
    """
    seen = {check.verdict for check in checks}
    if "lost" in seen:
        return "lost"
    if aliases or seen & {"changed", "extra"}:
        return "changed"
    if "inconclusive" in seen:
        return "inconclusive"
    if not checks:
        return "empty"
    return "persisted" if restarted else "unchanged"


def upgrade_differences(values: dict[str, JsonValue]) -> None:
    """Give the differences of a stored report the form of schema 2; those that have it stay as they are."""
    values["aliases"] = [_difference_of_schema_1(one) for one in _items(values.get("aliases"))]
    for check in _items(values.get("collections")):
        if isinstance(check, dict):
            check["settings"] = [_difference_of_schema_1(one) for one in _items(check.get("settings"))]
            for point in _items(check.get("points")):
                if isinstance(point, dict):
                    detail = str(point.pop("detail", ""))
                    parts = _items(point.get("parts")) or (list[JsonValue](detail.split("; ")) if detail else [])
                    point["parts"] = [_part_of_schema_1(one) for one in parts]


def _items(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


_OLD_PART = re.compile(
    r'(?:vector "(?P<vector>.*?)"|payload field (?P<field>.*?))(?P<change> is gone| is new|, all zeros now|)', re.DOTALL
)
_OLD_CHANGES = {" is gone": "gone", " is new": "new", ", all zeros now": "zeroed", "": "changed"}


def _difference_of_schema_1(told: JsonValue) -> JsonValue:
    """A difference as schema 1 wrote it, which was words alone."""
    return {"code": "told", "name": told} if isinstance(told, str) else told


def _part_of_schema_1(told: JsonValue) -> JsonValue:
    """A part of a point as schema 1 wrote it: `vector "" is gone`, `payload field title`."""
    if not isinstance(told, str):
        return told
    found = _OLD_PART.fullmatch(told)
    if found is None:
        return {"kind": "payload" if told == "payload" else "content"}
    kind = "field" if found["vector"] is None else "vector"
    return {"kind": kind, "name": found[kind], "change": _OLD_CHANGES[found["change"]]}


class Phase(Frozen):
    """One timed part of the check."""

    name: str
    at: datetime
    seconds: float


class Restarted(Frozen):
    """One restart, if any, and what was found after it."""

    how: RoundMethod

    @property
    def done(self) -> str:
        """What was done to the server, in words."""
        return DONE[self.how]


class Round(Restarted):
    """One restart of a check."""

    verdict: Verdict
    ready_seconds: float | None = None
    """From the stop to truly ready; None without a restart, or when it did not come back."""


class BaselineCheck(Frozen):
    """What is there now against what an earlier check has read."""

    at: datetime
    """Of that check."""
    server_version: str = ""
    verdict: Verdict
    reason: str = ""
    collections: tuple[CollectionCheck, ...]
    """`before` is what was there then, `after` what is there now."""
    beyond: tuple[str, ...] = ()
    """Collections that are looked at now, and that the earlier check left out: nothing is proven of them since then."""
    taken_of: str = ""
    """The other server or storage that the earlier check looked at, in words; empty when it is this one."""

    @property
    def when(self) -> str:
        """`2026-11-23 09:14`, and of what where that is not this server."""
        moment = f"{self.at.astimezone():%Y-%m-%d %H:%M}"
        return f"{moment} on another server or storage ({self.taken_of})" if self.taken_of else moment

    @property
    def proof(self) -> Verdict:
        """What its verdict says of all that is looked at now."""
        return "unchanged" if self.verdict == "persisted" and self.beyond else self.verdict


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
        return 0 if self.verdict in EQUAL else 1

    @property
    def verdict_word(self) -> str:
        return self.verdict


class NewCollectionsCheck(Frozen):
    """Collections that the check itself created over the API just before the restart, and deleted afterwards."""

    collections: int
    points: int
    aliases: int
    lost: tuple[str, ...] = ()
    """What of them did not survive, in words."""


class Counted(Frozen):
    """The server's counters of writing requests at one moment."""

    process: datetime | None = None
    """When the process that counted was started; None where that is unknown."""
    requests: dict[str, int] | None = None
    """By endpoint; None where the server does not tell."""
    ending: bool = False
    """Whether that process was about to be ended by the check itself, and so counted no more."""


class VerifyReport(Proof):
    """What a restart did to what the server holds."""

    SCHEMA: ClassVar[int] = 3

    how: VerifyMethod
    collections: tuple[CollectionCheck, ...]
    chosen: tuple[str, ...] = ()
    """Names of the collections that were asked for; empty: all."""
    sample: int | None = None
    """Of about how many points of each collection the content was read; None: of all."""
    baseline: BaselineCheck | None = None
    """Against an earlier report; a difference counts in `verdict`."""
    aliases: tuple[Difference, ...] = ()
    """Differences of the alias map."""
    phases: tuple[Phase, ...] = ()
    rounds: tuple[Round, ...] = ()
    """In their order; `verdict` and `collections` are those of the last, which is the first that is not persisted."""
    fresh: NewCollectionsCheck | None = None
    """Of the last restart that ends the process; None without one, and where the server made none."""
    ready_seconds: float | None = None
    """From the stop to truly ready, of the slowest round."""
    storage_bytes: int | None = None
    """What the storage occupied on the disk at the end; None where that is unknown."""
    checks: tuple[str, ...] = ()
    """What the verdict rests on, in words."""
    code: Code = ""
    writers: dict[str, int] = {}
    """Requests of other programs that may have changed something since the first scan, by endpoint."""
    counted: Counted | None = None
    """The counters that requests of others are told from; for a check that is interrupted."""
    scope: tuple[str, ...] = ()
    """The only collections that the API key opens; empty: it opens all."""
    cause: str = ""
    """Likely cause of a loss, where one was found."""
    since: tuple[str, ...] = ()
    """What requests took away since the earlier look, and what is not as it was, in words: told once, and no fault."""

    @classmethod
    def upgraded(cls, values: dict[str, JsonValue], schema: int) -> dict[str, JsonValue]:  # noqa: ARG003 # alike
        """Schema 1 told differences and checks in words."""
        upgrade_differences(values)
        if isinstance(baseline := values.get("baseline"), dict):
            upgrade_differences(baseline)
        if isinstance(checks := values.get("checks"), str):
            values["checks"] = [checks] if checks else []
        return values

    def model_dump(self) -> dict[str, Any]:
        """With a checksum of itself, so that what happens to a kept report is noticed."""
        values = super().model_dump()
        return {**values, "checksum": records.checksum(values)}

    def summary(self) -> str:
        text = _held(self.collections)
        text += f", a sample of {number(self.sample)} each" if self.sample else ""
        if self.how == "none" or self.ready_seconds is None:
            return text
        if self.how == "all":
            methods = ", ".join(one.done for one in self.rounds if one.how != "none")
            return f"{text}, {methods}, and back in at most {duration(self.ready_seconds)}"
        return f"{text}, {self.done} and back in {duration(self.ready_seconds)}"

    def sentence(self) -> str:
        if self.verdict not in EQUAL or not self.collections:
            return self.reason or self.summary()
        held = _held(self.collections, " and ")
        if self.sample:
            held = f"{held}, as far as every id and a sample of {counted(self.sample, 'point')} each can tell,"
        if self.baseline is not None and not self.baseline.beyond:
            held = f"{held} are exactly what they were at {self.baseline.when}, and"
        beyond = " The API key opens no other collection, so nothing is said of any." if self.scope else ""
        if self.how == "none":
            return f"{held} were read twice and are exactly the same. The server was not restarted.{beyond}"
        return f"{held} are exactly what they were before the server was {self.done}.{beyond}"

    @property
    def tells_since_alone(self) -> bool:
        """Whether its own two looks are equal, so that only then and now have something to tell."""
        equal = all(one.before == one.after and not one.settings for one in self.collections)
        return self.baseline is not None and equal

    def blocks(self) -> Blocks:
        return blocks.verification(self)

    def document(self, when: datetime | None = None) -> Document:  # noqa: ARG002 # it says itself when it was
        return blocks.certificate(self)

    @property
    def done(self) -> str:
        """What was done to the server, in words."""
        return DONE[self.how]


class Cycle(Restarted):
    """One restart under load."""

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
        return f"{self._kills}, {counted(self.acknowledged, 'change')} acknowledged, {number(self.lost)} lost"

    def sentence(self) -> str:
        if self.verdict == "persisted":
            return f"Everything that was acknowledged was there after each of {self._kills}."
        if self.verdict == "lost":
            changes = counted(self.lost, "acknowledged change")
            return f"{changes} {'was' if self.lost == 1 else 'were'} gone after {self._kills}."
        return self.reason or "The test could not be finished, so nothing is claimed."

    @property
    def _kills(self) -> str:
        return counted(sum(one.how == "kill" for one in self.cycles), "kill")

    def blocks(self) -> Blocks:
        return blocks.crash(self)

    def document(self, when: datetime | None = None) -> Document:  # noqa: ARG002 # it says itself when it was
        return blocks.crash_certificate(self)


class VerifyOptions(Frozen):
    """How the server is restarted, and what is looked at."""

    how: VerifyMethod
    """`none`: two fingerprints and nothing in between."""
    confirmed: bool = False
    """Whether somebody said yes to interrupting what else runs on the container engine, for `engine`."""
    collections: tuple[str, ...] = ()
    """Names; empty for all of them."""
    sample: Annotated[int, Meta(ge=1)] | None = None
    """Of about how many points of each collection the content is read, besides every id; None: of all."""
    baseline: VerifyReport | None = None
    """An earlier report to compare with as well."""


class CrashOptions(Frozen):
    """How often the server is killed, and under what load."""

    cycles: Annotated[int, Meta(ge=1, le=1000)] = 10
    writers: Annotated[int, Meta(ge=1, le=32)] = 4
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
    """What the copy takes; None when that is unknown."""
    free_bytes: int | None
    steps: tuple[str, ...]
    """In words, in their order."""
    left: str
    """Where the old data would still lie."""

    @property
    def verdict_word(self) -> str:
        return "planned"

    def summary(self) -> str:
        return f"{self.storage} to volume {self.volume}"

    def blocks(self) -> Blocks:
        return blocks.move_plan(self)


class MoveReport(Proof):
    """What came of moving the data to a volume."""

    SCHEMA: ClassVar[int] = 2

    moved: bool
    """Whether the server runs on the volume now; otherwise it is on its old storage, as it was found."""
    volume: str
    collections: tuple[CollectionCheck, ...] = ()
    """`before` is the old storage, `after` the volume."""
    aliases: tuple[Difference, ...] = ()
    """Differences of the alias map."""
    copied_bytes: int = 0
    interrupted_seconds: float | None = None
    """How long the server could not be reached; None when it was not stopped."""
    left: str = ""
    """Where the old data still lies, in words."""
    remove: str = ""
    """The command that removes the old data; empty unless `moved`."""

    @classmethod
    def upgraded(cls, values: dict[str, JsonValue], schema: int) -> dict[str, JsonValue]:  # noqa: ARG003 # alike
        upgrade_differences(values)
        return values

    def summary(self) -> str:
        if not self.moved:
            return "the server is on its old storage, as it was"
        away = "" if self.interrupted_seconds is None else f", away for {duration(self.interrupted_seconds)}"
        return f"{_held(self.collections)} in volume {self.volume}{away}"

    def blocks(self) -> Blocks:
        return blocks.moved(self)
