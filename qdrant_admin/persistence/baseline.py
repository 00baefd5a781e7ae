"""Comparing with an earlier check, to tell whether everything is still as it was then.

An earlier report holds counts and digests, not the digest of every point: it shows that a collection differs, and not
which points.
"""

from collections.abc import Collection
from pathlib import Path

from pydantic import JsonValue

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.database.differences import Difference
from qdrant_admin.persistence.reports import (
    BaselineCheck,
    CollectionCheck,
    CollectionVerdict,
    Side,
    Verdict,
    VerifyReport,
    overall_verdict,
)
from qdrant_admin.state import records


def load(path: Path) -> VerifyReport:
    """An earlier report, as `verify --json` printed it.

    Raises:
        BadInput: there is none, or it is something else.
    """
    fix = f'{Command("verify", how="none", json=True)} > "{path.name}"'
    try:
        report = records.load(VerifyReport, path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or str(error), fix=fix) from error
    if isinstance(report, records.Unreadable):
        raise BadInput(f"{path} is not a report of verify --json", why=report.why, fix=fix)
    return report


def against(earlier: VerifyReport, now: tuple[CollectionCheck, ...], chosen: Collection[str]) -> BaselineCheck:
    """Compare what is there now, `before` being this check's first scan, with what an earlier check read.

    Only `chosen` collections are compared; all where none is.
    """
    then = {check.name: check.after or check.before for check in earlier.collections}
    sides = {check.name: check.before for check in now if check.before is not None}
    unread = {check.name for check in now if check.before is None and check.verdict == "inconclusive"}
    names = sorted({*then, *(sides if not earlier.chosen else ())})
    names = [name for name in names if not chosen or name in chosen]
    checks = tuple(_unread(name) if name in unread else _check(name, then.get(name), sides.get(name)) for name in names)
    return BaselineCheck(
        at=earlier.at,
        server_version=earlier.server_version,
        verdict=overall_verdict(checks),
        reason="; ".join(f"{check.name}: {', '.join(check.told)}" for check in checks if check.settings),
        collections=checks,
    )


def worse(left: Verdict, right: Verdict) -> Verdict:
    """The more serious of two verdicts."""
    order: tuple[Verdict, ...] = ("lost", "changed", "inconclusive", "persisted")
    return min(left, right, key=order.index)


def with_baseline(reason: str, verdict: Verdict, found: BaselineCheck) -> str:
    """The reason of a check, with what the comparison with an earlier one adds to it."""
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    if found.verdict == "persisted":
        return f"{reason}, and all of it is as it was at {when}"
    since = f"since {when}: {found.reason}"
    return since if verdict == "persisted" else f"{reason}; {since}"


def _unread(name: str) -> CollectionCheck:
    return CollectionCheck(name=name, verdict="inconclusive", settings=(Difference(code="since_unreadable"),))


def _check(name: str, then: Side | None, now: Side | None) -> CollectionCheck:
    if then is None:
        return CollectionCheck(name=name, verdict="extra", after=now, settings=(Difference(code="since_new"),))
    if now is None:
        gone = (Difference(code="since_gone"),)
        return CollectionCheck(name=name, verdict="lost", before=then, missing=then.points, settings=gone)
    verdict, differences = _compared(then, now)
    missing = max(0, then.points - now.points) if verdict == "lost" else 0
    return CollectionCheck(
        name=name, verdict=verdict, before=then, after=now, missing=missing, settings=tuple(differences)
    )


def _compared(then: Side, now: Side) -> tuple[CollectionVerdict, list[Difference]]:
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
