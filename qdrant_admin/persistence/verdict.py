"""From two surveys to a verdict, and the words for it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.serialization import jsonable
from qdrant_admin.database.fingerprint import NOT_A_SETTING, Comparison, Fingerprint, compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import PointId
from qdrant_admin.persistence.fingerprints import Survey
from qdrant_admin.persistence.reports import (
    CollectionCheck,
    CollectionVerdict,
    FreshCheck,
    PointDifference,
    Side,
    Verdict,
    Way,
)
from qdrant_admin.server.runtime import Diagnosis, Storage

Zeroed = Mapping[PointId, frozenset[str]]


class Judgement(NamedTuple):
    """What the comparison came to."""

    verdict: Verdict
    reason: str
    collections: tuple[CollectionCheck, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class AliasChange:
    """One alias that is not what it was."""

    words: str
    collections: frozenset[str]


def judge(before: Survey, after: Survey, database: Database, how: Way, written_between: Sequence[str]) -> Judgement:
    """Compare everything and give a verdict.

    A collection that is still there and cannot be read any more is `inconclusive`, not `lost`: its points may all lie
    on the disk behind one damaged file, and nobody has looked. The reason says it plainly, and it is no success.

    Args:
        before: the survey before the restart.
        after: the one after it.
        database: asked for the changed points, to tell zeroed vectors.
        how: of the restart.
        written_between: writing endpoints that were asked after the restart and before the second survey.
    """
    aliases = list(_alias_changes(before.aliases, after.aliases))
    names = sorted({*before.fingerprints, *before.unreadable, *after.fingerprints, *after.unreadable})
    checks = tuple(_check(name, before, after, database, aliases) for name in names)
    words = tuple(change.words for change in aliases)
    verdict = _verdict(checks, words)
    if verdict in {"lost", "changed"} and after.writers():
        reason = f"something wrote to the server while it was read ({', '.join(after.writers())})"
        return Judgement("inconclusive", reason, checks, words)
    reason = _reason(verdict, checks, words, how)
    if before.version != after.version:
        told = f"Qdrant {after.version or 'of an unknown version'} answers now, it was {before.version}"
        reason = told if verdict == "persisted" else f"{told}; {reason}"
        verdict = "changed" if verdict == "persisted" else verdict
    if verdict in {"lost", "changed"} and written_between:
        reason += "; the server was written to before it was read again, so another program may have done this"
    return Judgement(verdict, reason, checks, words)


def with_fresh(judgement: Judgement, fresh: FreshCheck | None) -> Judgement:
    """The judgement, with what came of the collections that were made a moment before the restart."""
    if fresh is None or not fresh.lost:
        return judgement
    told = f"made over the API a moment before the restart: {'; '.join(fresh.lost)}"
    reason = told if judgement.verdict == "persisted" else f"{judgement.reason}; {told}"
    return judgement._replace(verdict="lost", reason=reason)


def without_after(before: Survey) -> tuple[CollectionCheck, ...]:
    """The collections of a check that ended before there was anything to compare."""
    return tuple(
        CollectionCheck(name=name, verdict="inconclusive", before=_side(print_))
        for name, print_ in sorted(before.fingerprints.items())
    )


def settings_digest(print_: Fingerprint) -> str:
    """Of configuration, payload indexes and aliases, whatever the order in which the server tells them."""
    indexes = {
        field: {key: value for key, value in known.items() if key not in NOT_A_SETTING}
        for field, known in print_.payload_schema.items()
    }
    told = jsonable({"config": print_.config, "indexes": indexes, "aliases": sorted(print_.aliases)})
    return blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def likely_cause(storage: Storage, findings: Sequence[Diagnosis]) -> str:
    """Likely cause of a loss, from what the log and the storage show; empty when they show nothing."""
    severe = next((finding for finding in findings if finding.severe), None)
    if severe is not None:
        return f"{severe.what}: {severe.why}" if severe.why else severe.what
    if storage.sound is False:
        return storage.detail or f"the storage in {storage.source} is not sound"
    return ""


def _check(
    name: str, before: Survey, after: Survey, database: Database, aliases: Sequence[AliasChange]
) -> CollectionCheck:
    old, new = before.fingerprints.get(name), after.fingerprints.get(name)
    words = tuple(change.words for change in aliases if name in change.collections)
    if name in before.unreadable:
        told = (f"could not be read before: {before.unreadable[name]}", *words)
        return CollectionCheck(name=name, verdict="inconclusive", after=_side(new), settings=told)
    if old is None:
        extra = new.points if new else 0
        told = ("the collection was not there before", *words)
        return CollectionCheck(name=name, verdict="extra", after=_side(new), extra=extra, settings=told)
    if name in after.unreadable:
        told = (f"cannot be read any more: {after.unreadable[name]}", *words)
        return CollectionCheck(name=name, verdict="inconclusive", before=_side(old), settings=told)
    if new is None:
        told = ("the collection is gone", *words)
        return CollectionCheck(name=name, verdict="lost", before=_side(old), missing=old.points, settings=told)
    found = compare(old, new)
    return CollectionCheck(
        name=name,
        verdict=_collection_verdict(found, words),
        before=_side(old),
        after=_side(new),
        missing=found.missing,
        changed=found.changed,
        extra=found.extra,
        points=tuple(_named_points(found, _zeroed(database, name, found))),
        settings=(*found.settings, *words),
    )


def _collection_verdict(found: Comparison, aliases: Sequence[str]) -> CollectionVerdict:
    if found.missing:
        return "lost"
    if found.changed or found.settings or aliases:
        return "changed"
    return "extra" if found.extra else "same"


def _verdict(checks: Sequence[CollectionCheck], aliases: Sequence[str]) -> Verdict:
    seen = {check.verdict for check in checks}
    if "lost" in seen:
        return "lost"
    if aliases or seen & {"changed", "extra"}:
        return "changed"
    return "inconclusive" if "inconclusive" in seen else "persisted"


def _reason(verdict: Verdict, checks: Sequence[CollectionCheck], aliases: Sequence[str], how: Way) -> str:
    if verdict == "persisted":
        if not checks:
            return "nothing is stored yet, so there was nothing to prove"
        as_it_was = "every point, setting and alias is as it was"
        return f"{as_it_was}; the server was not restarted" if how == "none" else as_it_was
    if verdict == "inconclusive":
        return "; ".join(_unread_words(checks))
    parts = list(_loss_words(checks))
    untold = [words for words in aliases if not any(words in check.settings for check in checks)]
    return "; ".join((*parts, *untold))


def _unread_words(checks: Sequence[CollectionCheck]) -> Iterator[str]:
    for check in checks:
        if check.verdict == "inconclusive" and check.before is not None:
            held = counted(check.before.points, "point")
            yield f"{check.name} {', '.join(check.settings)}; nobody can tell whether its {held} are still there"
    names = [check.name for check in checks if check.verdict == "inconclusive" and check.before is None]
    if names:
        yield f"could not be read before the restart: {', '.join(names)}"


def _loss_words(checks: Sequence[CollectionCheck]) -> Iterator[str]:
    for check in checks:
        if check.verdict == "same":
            continue
        counts = [
            counted(value, "point") + f" {what}"
            for value, what in ((check.missing, "missing"), (check.changed, "changed"), (check.extra, "extra"))
            if value
        ]
        yield f"{check.name}: {', '.join((*counts, *check.settings))}"


def _alias_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[AliasChange]:
    for alias in sorted(before.keys() | after.keys()):
        old, new = before.get(alias), after.get(alias)
        if old == new:
            continue
        if new is None:
            words = f"alias {alias} is gone"
        elif old is None:
            words = f"alias {alias} is new"
        else:
            words = f"alias {alias} leads to {new}, was {old}"
        yield AliasChange(words, frozenset(name for name in (old, new) if name is not None))


def _named_points(found: Comparison, zeroed: Zeroed) -> Iterator[PointDifference]:
    for difference in found.points:
        zero = zeroed.get(difference.id, frozenset())
        parts = [f"{part}, all zeros now" if part in zero else part for part in difference.parts]
        yield PointDifference(
            id=str(difference.id),
            what=difference.what,
            detail="; ".join(parts),
            parts=tuple(parts),
            vectors=difference.vectors,
            fields=difference.fields,
        )


def _zeroed(database: Database, name: str, found: Comparison) -> Zeroed:
    """Which changed vectors are nothing but zeros: the mark of a bind mount that loses what is mapped into memory."""
    ids = [one.id for one in found.points if any(part.startswith("vector ") for part in one.parts)]
    if not ids:
        return {}
    try:
        points = database.retrieve(name, ids)
    except AdminError:
        return {}  # only a detail: that they changed is known already
    return {
        point.id: frozenset(
            f'vector "{slot}"'
            for slot, vector in point.vectors.items()
            if isinstance(vector, np.ndarray) and not vector.any()
        )
        for point in points
    }


def _side(print_: Fingerprint | None) -> Side | None:
    if print_ is None:
        return None
    sampled = None if print_.sample is None else print_.sampled
    return Side(
        points=print_.points,
        digest=print_.digest,
        sampled=sampled,
        settings=settings_digest(print_),
        scheme=print_.scheme,
    )
