"""Earlier checks of a profile: what is there now compared with one of them, and how all of them have gone over time.

An earlier report holds counts and digests, not the digest of every point: it shows that a collection differs, and not
which points.
"""

import itertools
import json
import statistics
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from qdrant_admin.core.blocks import Blocks, Commands, Facts, Sparkline, StateWord, Step, Table, Words
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import clock, counted, duration, number, size
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen, JsonValue
from qdrant_admin.database.differences import Difference, SinceCode
from qdrant_admin.persistence.reports import (
    DONE,
    EQUAL,
    BaselineCheck,
    CollectionCheck,
    CollectionVerdict,
    Side,
    Verdict,
    VerifyMethod,
    VerifyReport,
    overall_verdict,
)
from qdrant_admin.state import records
from qdrant_admin.state.store import HistoryEntry, StateStore

if TYPE_CHECKING:
    from qdrant_admin.database.buckets import BucketDifference

_CHECKSUM_SINCE = 3
"""The first schema of reports with a checksum of themselves, and with buckets of ids."""
_STRENGTH: tuple[VerifyMethod, ...] = ("graceful", "kill", "recreate", "engine")
"""Ways of restarting, the one that asks most of the storage last."""
_NO_PROOF = EQUAL - {"persisted"}
"""Verdicts of a mere look."""
_UNDECIDED = {*_NO_PROOF, "inconclusive"}
_TRIED = 3
"""Reports of one kind that are read to find one: others may be of a version that is not understood."""
_SPARKS = 40
"""As many bars as go beside their words into 80 columns."""


def load(path: Path) -> VerifyReport:
    """An earlier report, as `verify --json` printed it.

    Raises:
        BadInput: there is none, or one that cannot be relied on. What it tells to do leaves the file as it is.
    """
    fix = f'{Command("verify", how="none", json=True)} > "{_free_name(path)}"'
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or str(error), fix=fix) from error
    report = records.load(VerifyReport, text)
    if isinstance(report, records.Unreadable):
        raise BadInput(f"{path} cannot be used as a baseline", why=report.why, fix=fix)
    if why := _not_as_written(json.loads(text)):
        raise BadInput(f"{path} cannot be used as a baseline", why=why, fix=fix)
    return report


def _not_as_written(values: dict[str, JsonValue]) -> str:
    """Why a report is not the one that was written; empty when it is. Reports before schema 3 have no checksum.

    The number of the schema can be changed as well: what only a later report holds tells its age.
    """
    schema, said = values.get("schema", 0), values.get("checksum")
    if said is None:
        newer = (isinstance(schema, int) and schema >= _CHECKSUM_SINCE) or '"buckets"' in json.dumps(values)
        return "its checksum is missing: it was changed after it was written" if newer else ""
    return "" if said == records.checksum(values) else "its checksum differs: it was changed after it was written"


def _free_name(path: Path) -> Path:
    """Beside a file, where there is none yet: `monday-2.json`."""
    if not path.exists() and not path.is_symlink():
        return path
    names = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(name for name in names if not name.exists() and not name.is_symlink())


def against(
    earlier: VerifyReport, now: tuple[CollectionCheck, ...], chosen: Collection[str], *, restarted: bool = True
) -> BaselineCheck:
    """Compare what is there now, `before` being this check's first scan, with what an earlier check read.

    Only `chosen` collections are compared; all where none is. Of an earlier check for some collections only, by choice
    or by its API key, nothing is known of others. `restarted`: whether the same server has another process than then.
    """
    then_only = earlier.chosen or earlier.scope
    then = {check.name: check.after or check.before for check in earlier.collections if not _was_gone(check)}
    sides = {check.name: check.before for check in now if check.before is not None}
    unread = {check.name for check in now if check.before is None and check.verdict == "inconclusive"}
    names = sorted({*then, *(sides if not then_only else ()), *(chosen if then_only else ())})
    names = [name for name in names if not chosen or name in chosen]
    unknown: dict[str, SinceCode] = dict.fromkeys(unread, "since_unreadable")
    unknown |= {name: "since_unread_then" for name, side in then.items() if side is None}
    unknown |= {name: "since_not_chosen" for name in names if then_only and name not in then}
    checks = tuple(
        CollectionCheck(name=name, verdict="inconclusive", settings=(Difference(code=unknown[name]),))
        if name in unknown
        else _check(name, then.get(name), sides.get(name))
        for name in names
    )
    return BaselineCheck(
        at=earlier.at,
        server_version=earlier.server_version,
        verdict=overall_verdict(checks, restarted=restarted),
        reason="; ".join(f"{check.name}: {', '.join(check.told)}" for check in checks if check.settings),
        collections=checks,
        beyond=tuple(sorted(sides.keys() - set(names))),
    )


class Place(NamedTuple):
    """What a check looks at."""

    profile: str
    storage: str
    """In words, as a report has it."""
    started: datetime | None
    """The server's process; None where that is unknown."""

    def other_than(self, earlier: VerifyReport) -> str:
        """Which other server, or which other storage, an earlier check has looked at; empty when it is this one."""
        same_storage = not (earlier.storage and self.storage) or earlier.storage == self.storage
        if earlier.profile == self.profile and same_storage:
            return ""
        return f"profile {earlier.profile}" + (f", {earlier.storage}" if earlier.storage else "")


def since(
    earlier: VerifyReport, now: tuple[CollectionCheck, ...], chosen: Collection[str], place: Place
) -> BaselineCheck:
    """As `against`: nothing has outlived a restart where the earlier check was of another server or storage."""
    other = place.other_than(earlier)
    restarted = not other and place.started is not None and place.started > earlier.at
    return against(earlier, now, chosen, restarted=restarted).model_copy(update={"taken_of": other})


def _was_gone(check: CollectionCheck) -> bool:
    """Whether an earlier check names it only because it was gone by then."""
    gone = check.verdict == "lost" or any(one.code == "known_gone" for one in check.settings)
    return gone and check.before is None and check.after is None


def of_both(looks: tuple[CollectionCheck, ...], then: BaselineCheck) -> tuple[CollectionCheck, ...]:
    """The collections of a check, each with the worse of its verdicts: between its two looks, and since `then`.

    One that was there then and is not now is among them, without figures: those of then are in the baseline.
    """
    order: tuple[CollectionVerdict, ...] = ("lost", "changed", "extra", "inconclusive", "same")
    checks = {check.name: check for check in looks}
    for since in then.collections:
        found = checks.get(since.name) or CollectionCheck(name=since.name, verdict=since.verdict)
        worse = min(found.verdict, since.verdict, key=order.index)
        checks[since.name] = found.model_copy(update={"verdict": worse})
    return tuple(checks[name] for name in sorted(checks))


def together(left: Verdict, right: Verdict) -> Verdict:
    """What two comparisons come to: the more serious one, else the stronger proof."""
    order: tuple[Verdict, ...] = ("lost", "changed", "inconclusive", "persisted", "unchanged", "empty")
    return min(left, right, key=order.index)


def with_baseline(reason: str, verdict: Verdict, found: BaselineCheck) -> str:
    """The reason of a check, with what the comparison with an earlier one adds to it."""
    if found.verdict in EQUAL:
        if not found.beyond:
            return f"{reason}, and all of it is as it was at {found.when}"
        names = ", ".join(found.beyond)
        return f"{reason}, and what was looked at then is as it was at {found.when}; not looked at then: {names}"
    told = f"since {found.when}: {found.reason}"
    return told if verdict in EQUAL else f"{reason}; {told}"


def _check(name: str, then: Side | None, now: Side | None) -> CollectionCheck:
    verdict: CollectionVerdict
    if then is None:
        verdict, differences, missing = "extra", [Difference(code="since_new")], 0
    elif now is None:
        verdict, differences, missing = "lost", [Difference(code="since_gone")], then.points
    else:
        verdict, differences, missing = _compared(then, now)
    return CollectionCheck(
        name=name, verdict=verdict, before=then, after=now, missing=missing, settings=tuple(differences)
    )


def _compared(then: Side, now: Side) -> tuple[CollectionVerdict, list[Difference], int]:
    """Verdict, what it is made of, and how many points of then are missing at least."""
    from qdrant_admin.database import buckets

    if now.scheme != then.scheme:
        facts: dict[str, JsonValue] = {"before": then.scheme, "after": now.scheme}
        counts = Difference(code="since_counts", facts={"before": then.points, "after": now.points})
        other = Difference(code="since_scheme", facts=facts)
        return "inconclusive", [other] if then.points == now.points else [other, counts], 0
    ids = buckets.compared(then.buckets, now.buckets)
    fewer = then.points - now.points
    missing = max(fewer, ids.missing if ids else 0, 0)
    found = [*_other_points(fewer, missing)]
    content = "" if missing else _other_content(then, now, ids)
    settings = _other_settings(then, now)
    found += [Difference(code=code) for code in (content, settings) if code]
    if missing:
        return "lost", found, missing
    if content == "since_sample":
        return "inconclusive", found, 0
    if fewer or content or settings == "since_settings":
        return "changed", found, 0
    return "inconclusive" if settings else "same", found, 0


def _other_points(fewer: int, missing: int) -> Iterator[Difference]:
    if fewer > 0:
        yield Difference(code="since_fewer", facts={"points": fewer})
    elif fewer < 0:
        yield Difference(code="since_more", facts={"points": -fewer})
    if missing > fewer and missing > 0:  # beneath new ones
        yield Difference(code="since_missing", facts={"missing": missing})


def _other_content(then: Side, now: Side, ids: "BucketDifference | None") -> SinceCode | Literal[""]:
    """What is to be said of points that are there as then, as far as their ids can tell."""
    if now.points > then.points:
        same_share = then.sampled == now.sampled
        return "since_other" if ids is not None and ids.content and same_share else ""
    if then.sampled != now.sampled:
        return "since_sample"
    return "" if now.digest == then.digest else "since_content"


def _other_settings(then: Side, now: Side) -> SinceCode | Literal[""]:
    if then.settings == now.settings:
        return ""
    forms = {side.settings.rpartition(":")[0] for side in (then, now)}
    known = then.settings and now.settings and len(forms) == 1
    return "since_settings" if known else "since_settings_unknown"


class TrendPoint(Frozen):
    """One check."""

    entry: int
    """Its number in the history."""
    at: datetime
    how: VerifyMethod
    verdict: Verdict
    points: int
    """Of all collections that it read, as they were when it began."""
    ready_seconds: float | None = None
    """From the stop to truly ready; None when it restarted nothing, or when the server did not come back."""
    storage_bytes: int | None = None
    """What the storage occupied on the disk; None where that is unknown."""


class TrendReport(Report):
    """The checks that the history keeps of a profile, oldest first."""

    profile: str
    points: tuple[TrendPoint, ...] = ()

    @property
    def ready_median_seconds(self) -> float | None:
        """None when there is no time to ready."""
        known = [one.ready_seconds for one in self.points if one.ready_seconds is not None]
        return statistics.median(known) if known else None

    def summary(self) -> str:
        told = [counted(len(self.points), "check")]
        if self.ready_median_seconds is not None:
            told.append(f"ready again after {duration(self.ready_median_seconds)} (median)")
        last = next((one.storage_bytes for one in reversed(self.points) if one.storage_bytes is not None), None)
        if last is not None:
            told.append(f"{size(last)} on disk")
        return ", ".join(told)

    def blocks(self) -> Blocks:
        """The figures over time, and below them every check on a line."""
        if not self.points:
            return (Commands((Step("nothing has been checked yet; do now", Command("verify").on(self.profile)),)),)
        checks = tuple(
            (
                str(one.entry),
                clock(one.at),
                one.how,
                StateWord(one.verdict),
                "" if one.ready_seconds is None else duration(one.ready_seconds),
                number(one.points),
                "" if one.storage_bytes is None else size(one.storage_bytes),
            )
            for one in self.points
        )
        head = ("check", "when", "how", "verdict", "ready after", "points", "on disk")
        table = Table(head, checks, right=frozenset({"check", "ready after", "points", "on disk"}))
        return Facts.of(self._figures()), table

    def _figures(self) -> dict[str, Words]:
        figures: tuple[tuple[str, list[float | None], Callable[[float], str]], ...] = (
            ("ready again after", [one.ready_seconds for one in self.points], duration),
            ("points", [one.points for one in self.points], lambda value: number(round(value))),
            ("on disk", [one.storage_bytes for one in self.points], lambda value: size(round(value))),
        )
        rows: dict[str, Words] = {}
        for label, values, told in figures:
            known = tuple(value for value in values if value is not None)[-_SPARKS:]
            if known:
                rows[label] = Sparkline(known), f"  last {told(known[-1])}, median {told(statistics.median(known))}"
        return rows


class PastProof(NamedTuple):
    """A check that could prove something, and by which of its restarts it did."""

    entry: HistoryEntry
    how: VerifyMethod

    @property
    def strength(self) -> int:
        return _STRENGTH.index(self.how) if self.how in _STRENGTH else -1


def proofs(store: StateStore, profile: str) -> tuple[PastProof, ...]:
    """The newest check of a profile, and the strongest where that is another one. None of a mere look.

    A newer one replaces one of the same or of a weaker way of restarting, and of each way the newest few are looked at:
    no number of weaker checks makes a stronger one forgotten.
    """
    newest = _latest(store, profile, _NO_PROOF)[:1]
    decided = [one for how in DONE for one in _latest(store, profile, _UNDECIDED, how)]
    strongest = max(decided, key=lambda one: (one.strength, one.entry.id), default=None)
    if strongest is None or strongest in newest:
        return tuple(newest)
    return (*newest, strongest)


def _latest(store: StateStore, profile: str, without: Collection[str], how: str | None = None) -> list[PastProof]:
    """The newest few that this version can read."""
    past = store.reports("verify", profile, _TRIED, without=without, how=how)
    return [proof for entry, report in past if (proof := _proof(entry, report))]


def _proof(entry: HistoryEntry, text: str) -> PastProof | None:
    report = records.load(VerifyReport, text)
    if isinstance(report, records.Unreadable):
        return None
    held = [one.how for one in report.rounds if one.verdict == "persisted" and one.how in _STRENGTH]
    strongest = max(held, key=_STRENGTH.index) if held and report.how == "all" else report.how
    return PastProof(entry, strongest)


def trends(store: StateStore, profile: str, limit: int = 100) -> TrendReport:
    """The latest `limit` checks of a profile. A report that this version cannot read is left out."""
    points = []
    for entry, report in reversed(store.reports("verify", profile, limit)):
        kept = records.load(VerifyReport, report)
        if isinstance(kept, records.Unreadable):
            continue
        points.append(
            TrendPoint(
                entry=entry.id,
                at=kept.at,
                how=kept.how,
                verdict=kept.verdict,
                points=sum(one.before.points for one in kept.collections if one.before),
                ready_seconds=kept.ready_seconds,
                storage_bytes=kept.storage_bytes,
            )
        )
    return TrendReport(profile=profile, points=tuple(points))
