"""Comparing with an earlier check, which answers whether everything is still as it was on Monday.

An earlier report holds counts and digests, not the digest of every point: it tells that a collection differs, and no
more of what.
"""

from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.text import plain
from qdrant_admin.persistence.reports import BaselineCheck, CollectionCheck, Side, Verdict, VerifyReport


def load(path: Path) -> VerifyReport:
    """An earlier report, as `verify --json` printed it.

    Raises:
        BadInput: there is none, or it is something else.
    """
    fix = f'qdrant-admin verify --how none --json > "{path.name}"'
    try:
        return VerifyReport.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or str(error), fix=fix) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        why = f"{where}: {first['msg']}" if where else first["msg"]
        raise BadInput(f"{path} is no report of a check", why=plain(why), fix=fix) from error


def against(earlier: VerifyReport, now: tuple[CollectionCheck, ...], chosen: Collection[str]) -> BaselineCheck:
    """Compare what is there now with what an earlier check read.

    Args:
        earlier: that check.
        now: the collections as this check has read them, `before` being its first look.
        chosen: names of the collections that are to be compared; empty for all.
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
        verdict=_verdict(checks),
        reason="; ".join(f"{check.name}: {', '.join(check.settings)}" for check in checks if check.settings),
        collections=checks,
    )


def worse(left: Verdict, right: Verdict) -> Verdict:
    """The one of two verdicts that must be told."""
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
    return CollectionCheck(name=name, verdict="inconclusive", settings=("it cannot be read now",))


def _check(name: str, then: Side | None, now: Side | None) -> CollectionCheck:
    if then is None:
        return CollectionCheck(name=name, verdict="extra", after=now, settings=("it was not there then",))
    if now is None:
        told = ("it is not there any more",)
        return CollectionCheck(name=name, verdict="lost", before=then, missing=then.points, settings=told)
    if now.scheme != then.scheme:
        told = (_of_another_scheme(then, now),)
        return CollectionCheck(name=name, verdict="inconclusive", before=then, after=now, settings=told)
    if now.points < then.points:
        told = (f"{counted(then.points - now.points, 'point')} fewer than then",)
        return CollectionCheck(
            name=name, verdict="lost", before=then, after=now, missing=then.points - now.points, settings=told
        )
    if then.points == now.points and then.sampled != now.sampled:
        told = ("one of the two looked at a sample, the other did not, or at another one: not comparable",)
        return CollectionCheck(name=name, verdict="inconclusive", before=then, after=now, settings=told)
    changes = tuple(_changes(then, now))
    return CollectionCheck(
        name=name, verdict="changed" if changes else "same", before=then, after=now, settings=changes
    )


def _of_another_scheme(then: Side, now: Side) -> str:
    """What can be said where the digests cannot be compared."""
    content = "" if then.points == now.points else f"; it had {counted(then.points, 'point')}, it has {now.points}"
    taken = f"another version took that fingerprint in another way ({then.scheme}, now {now.scheme})"
    return f"{taken}, so the content cannot be compared{content}"


def _changes(then: Side, now: Side) -> list[str]:
    told = []
    if now.points > then.points:
        told.append(f"{counted(now.points - then.points, 'point')} more than then")
    elif now.digest != then.digest:
        told.append("as many points as then, and other content")
    if then.settings and now.settings and then.settings != now.settings:
        told.append("other configuration, payload indexes or aliases than then")
    return told


def _verdict(checks: tuple[CollectionCheck, ...]) -> Verdict:
    seen = {check.verdict for check in checks}
    if "lost" in seen:
        return "lost"
    if seen & {"changed", "extra"}:
        return "changed"
    return "inconclusive" if "inconclusive" in seen else "persisted"
