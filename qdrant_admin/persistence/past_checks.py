"""Earlier checks of a profile: what is there now compared with one of them, and how all of them have gone over time.

An earlier report holds counts and digests, not the digest of every point: it shows that a collection differs, and not
which points.
"""

import statistics
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from qdrant_admin.core.blocks import Blocks, Commands, Facts, Sparkline, StateWord, Step, Table, Words
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import clock, counted, duration, number, size
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import Frozen, JsonValue
from qdrant_admin.database.differences import Difference, SinceCode
from qdrant_admin.persistence.reports import (
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
from qdrant_admin.state.store import StateStore

_LOOKED_BACK = 1000
"""Entries of the history in which an earlier check is looked for."""
_SPARKS = 40
"""As many bars as go beside their words into 80 columns."""


def load(path: Path) -> VerifyReport:
    """An earlier report, as `verify --json` printed it; `BadInput` where there is none, or something else."""
    fix = f'{Command("verify", how="none", json=True)} > "{path.name}"'
    try:
        report = records.load(VerifyReport, path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or str(error), fix=fix) from error
    if isinstance(report, records.Unreadable):
        raise BadInput(f"{path} is not a report of verify --json", why=report.why, fix=fix)
    return report


def against(
    earlier: VerifyReport, now: tuple[CollectionCheck, ...], chosen: Collection[str], *, restarted: bool = True
) -> BaselineCheck:
    """Compare what is there now, `before` being this check's first scan, with what an earlier check read.

    Only `chosen` collections are compared; all where none is. `restarted`: whether the server's process is another
    than then.
    """
    then = {check.name: check.after or check.before for check in earlier.collections}
    sides = {check.name: check.before for check in now if check.before is not None}
    unread = {check.name for check in now if check.before is None and check.verdict == "inconclusive"}
    names = sorted({*then, *(sides if not earlier.chosen else ()), *(chosen if earlier.chosen else ())})
    names = [name for name in names if not chosen or name in chosen]
    unknown: dict[str, SinceCode] = dict.fromkeys(unread, "since_unreadable")
    unknown |= {name: "since_unread_then" for name, side in then.items() if side is None}
    unknown |= {name: "since_not_chosen" for name in names if earlier.chosen and name not in then}
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
    )


def together(left: Verdict, right: Verdict) -> Verdict:
    """What two comparisons come to: the more serious one, else the stronger proof."""
    order: tuple[Verdict, ...] = ("lost", "changed", "inconclusive", "persisted", "unchanged", "empty")
    return min(left, right, key=order.index)


def known_before(store: StateStore, profile: str) -> tuple[datetime, int] | None:
    """When a check has last read points here, and how many; None where nothing was known, or we have deleted since."""
    for entry in store.history(_LOOKED_BACK):
        if entry.profile == profile and entry.operation in {"delete", "demo"}:
            return None
        if entry.profile == profile and entry.operation == "verify":
            kept = records.load(VerifyReport, store.report_json(entry.id))
            if isinstance(kept, VerifyReport) and (
                points := sum(one.before.points for one in kept.collections if one.before)
            ):
                return kept.at, points
    return None


def with_baseline(reason: str, verdict: Verdict, found: BaselineCheck) -> str:
    """The reason of a check, with what the comparison with an earlier one adds to it."""
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    if found.verdict in EQUAL:
        return f"{reason}, and all of it is as it was at {when}"
    since = f"since {when}: {found.reason}"
    return since if verdict in EQUAL else f"{reason}; {since}"


def _check(name: str, then: Side | None, now: Side | None) -> CollectionCheck:
    verdict, differences = _compared(then, now)
    missing = then.points - (now.points if now else 0) if then and verdict == "lost" else 0
    return CollectionCheck(
        name=name, verdict=verdict, before=then, after=now, missing=missing, settings=tuple(differences)
    )


def _compared(then: Side | None, now: Side | None) -> tuple[CollectionVerdict, list[Difference]]:
    if then is None:
        return "extra", [Difference(code="since_new")]
    if now is None:
        return "lost", [Difference(code="since_gone")]
    if now.scheme != then.scheme:
        facts: dict[str, JsonValue] = {"before": then.scheme, "after": now.scheme}
        counts = Difference(code="since_counts", facts={"before": then.points, "after": now.points})
        other = Difference(code="since_scheme", facts=facts)
        return "inconclusive", [other] if then.points == now.points else [other, counts]
    if now.points < then.points:
        return "lost", [Difference(code="since_fewer", facts={"points": then.points - now.points})]
    if then.points == now.points and then.sampled != now.sampled:
        return "inconclusive", [Difference(code="since_sample")]
    changes = []
    if now.points > then.points:
        changes.append(Difference(code="since_more", facts={"points": now.points - then.points}))
    elif now.digest != then.digest:
        changes.append(Difference(code="since_content"))
    if then.settings and now.settings and then.settings != now.settings:
        changes.append(Difference(code="since_settings"))
    return "changed" if changes else "same", changes


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
