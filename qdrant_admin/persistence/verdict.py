"""From two scans of a server to a verdict and its reason."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.serialization import jsonable
from qdrant_admin.database.differences import Difference, PartKind, PointDifference, changes
from qdrant_admin.database.fingerprint import Comparison, Fingerprint, compare
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.ids import parse_id
from qdrant_admin.persistence.fingerprints import ServerScan
from qdrant_admin.persistence.reports import (
    EQUAL,
    Code,
    CollectionCheck,
    CollectionVerdict,
    NewCollectionsCheck,
    RoundMethod,
    Side,
    Verdict,
    overall_verdict,
)
from qdrant_admin.persistence.writers import Writes, told
from qdrant_admin.server.runtime import Diagnosis, Storage

_SETTINGS_FORM = "S2"
"""Since settings are taken by what they mean."""
ALL_EQUAL = "every point, setting and alias is as it was"
UNPROVEN: dict[RoundMethod, str] = {
    "none": "; the server was not restarted",
    "pause": "; its process was frozen and did not end, which proves nothing about a restart",
}
"""Ways after which no process has ended, and what the reason says of that."""


class Judgement(NamedTuple):
    """What the comparison came to."""

    verdict: Verdict
    reason: str
    collections: tuple[CollectionCheck, ...]
    aliases: tuple[Difference, ...] = ()
    code: Code = ""


def judge(before: ServerScan, after: ServerScan, database: Database, how: RoundMethod, writes: Writes) -> Judgement:
    """Compare everything and give a verdict.

    A collection that is still there and can no longer be read is `inconclusive`, not `lost`: its points may all lie
    on the disk behind one damaged file, and were not read. The reason says it plainly, and it is not a success.

    The database is asked for the changed points, to tell zeroed vectors. `writes` are the requests of others since the
    first scan.
    """
    aliases = tuple(changes("alias", before.aliases, after.aliases))
    names = sorted({*before.collections, *before.unreadable, *after.collections, *after.unreadable})
    checks = tuple(_check(name, before, after, database, aliases) for name in names)
    verdict = overall_verdict(checks, aliases, restarted=how not in UNPROVEN)
    if verdict in EQUAL and (short := _short(before)):
        return Judgement(
            "inconclusive", f"not every point was given: {'; '.join(short)}", checks, aliases, "not_all_shown"
        )
    if hidden := {**before.hidden, **after.hidden}:
        told_of = "; ".join(f"{name}: {words}" for name, words in sorted(hidden.items()))
        unread = f"not every point could be read: {told_of}"
        others = tuple(check for check in checks if check.name not in hidden)
        verdict = overall_verdict(others, aliases, restarted=how not in UNPROVEN)
        if verdict in {"inconclusive", *EQUAL}:
            return Judgement("inconclusive", unread, checks, aliases, "not_all_shown")
        reason = f"{_reason(verdict, others, aliases, how)}; {unread}"
        return weighed(Judgement(verdict, reason, checks, aliases), writes)
    found = weighed(Judgement(verdict, _reason(verdict, checks, aliases, how), checks, aliases), writes)
    return _with_versions(found, before.version, after.version)


def weighed(judgement: Judgement, writes: Writes) -> Judgement:
    """The judgement, as far as it holds in view of what others wrote, or of nobody having seen whether they did."""
    verdict, reason = judgement.verdict, judgement.reason
    altering = writes.that_alter()
    if verdict == "persisted" and altering:
        reason = (
            f"all is as it was, but something wrote meanwhile ({told(altering)}) and may have put back what was lost"
        )
        return judgement._replace(verdict="inconclusive", reason=reason, code="written_meanwhile")
    if verdict not in {"lost", "changed"}:
        return judgement
    if blamed := writes.that_take() if verdict == "lost" else altering:
        reason += f"; something wrote meanwhile ({told(blamed)}), and may have done this"
        return judgement._replace(verdict="inconclusive", reason=reason, code="written_meanwhile")
    if writes.blind:
        return judgement._replace(verdict="inconclusive", reason=f"{reason}; {writes.why_blind}", code="writers_unseen")
    if altering:
        reason += f"; something wrote meanwhile ({told(altering)}), which takes nothing away"
    return judgement._replace(reason=reason)


def _with_versions(judgement: Judgement, before: str, after: str) -> Judgement:
    """The judgement, with another version than before as a change of its own."""
    if before == after:
        return judgement
    words, equal = f"Qdrant {after or 'of an unknown version'} answers now, it was {before}", judgement.verdict in EQUAL
    reason = words if equal else f"{words}; {judgement.reason}"
    return judgement._replace(verdict="changed" if equal else judgement.verdict, reason=reason)


def with_new_collections(judgement: Judgement, found: NewCollectionsCheck | None, writes: Writes) -> Judgement:
    """The judgement, with what came of the collections that were created just before the restart."""
    if found is None or not found.lost:
        return judgement
    loss = f"created over the API just before the restart: {'; '.join(found.lost)}"
    reason = loss if judgement.verdict in EQUAL else f"{judgement.reason}; {loss}"
    if judgement.code in {"written_meanwhile", "writers_unseen"}:
        return judgement._replace(reason=reason)
    return weighed(judgement._replace(verdict="lost", reason=reason), writes)


def of_one_member(judgement: Judgement, members: int) -> Judgement:
    """The judgement on a server that is one of so many: it has read one replica of each shard, whatever was found."""
    if members <= 1 or judgement.verdict == "empty":
        return judgement
    words = f"it is one of {members} members of a cluster, and one replica of each shard was read"
    return judgement._replace(verdict="inconclusive", reason=f"{words}: {judgement.reason}", code="cluster")


def within_scope(judgement: Judgement, scope: Sequence[str]) -> Judgement:
    """The judgement, without a word on collections that the API key does not open."""
    if not scope or judgement.verdict not in EQUAL:
        return judgement
    seen = f"every point, setting and alias of {', '.join(scope)} is as it was"
    reason = judgement.reason.replace(ALL_EQUAL, seen).replace(
        "nothing is stored", f"nothing is stored in {', '.join(scope)}"
    )
    return judgement._replace(reason=f"{reason}; other collections are out of sight of this API key")


def unfinished_checks(before: ServerScan) -> tuple[CollectionCheck, ...]:
    """The collections of a check that ended before there was anything to compare."""
    return tuple(
        CollectionCheck(name=name, verdict="inconclusive", before=_side(fingerprint))
        for name, fingerprint in sorted(before.collections.items())
    )


def settings_digest(fingerprint: Fingerprint) -> str:
    """Covers configuration, payload indexes and aliases, whatever the order in which the server tells them.

    Before the colon stands the form: digests of two forms cannot be compared.
    """
    indexes, aliases = fingerprint.index_settings, sorted(fingerprint.aliases)
    told = jsonable({"config": fingerprint.settings, "indexes": indexes, "aliases": aliases})
    if fingerprint.shard_keys:
        told["shard_keys"] = jsonable(fingerprint.shard_keys)
    return f"{_SETTINGS_FORM}:{blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()}"


def likely_cause(storage: Storage, findings: Sequence[Diagnosis]) -> str:
    """Likely cause of a loss, from what the log and the storage show; empty when they show nothing."""
    severe = next((finding for finding in findings if finding.severe), None)
    if severe is not None:
        return f"{severe.what}: {severe.why}" if severe.why else severe.what
    if storage.sound is False:
        return storage.detail or f"the storage in {storage.source} is not sound"
    return ""


def _check(
    name: str, before: ServerScan, after: ServerScan, database: Database, changed_aliases: Sequence[Difference]
) -> CollectionCheck:
    old, new = before.collections.get(name), after.collections.get(name)
    aliases = tuple(alias for alias in changed_aliases if name in alias.facts.values())
    if old is None or new is None:
        verdict, difference = _alone(name, before, after)
        return CollectionCheck(
            name=name,
            verdict=verdict,
            before=_side(old),
            after=_side(new),
            missing=old.points if old and verdict == "lost" else 0,
            extra=new.points if new and verdict == "extra" else 0,
            settings=(difference, *aliases),
        )
    found = compare(old, new)
    if not (found.settings or aliases) and settings_digest(old) != settings_digest(new):
        found = replace(found, settings=(Difference(code="settings_unnamed"),))
    return CollectionCheck(
        name=name,
        verdict=_collection_verdict(found, aliases),
        before=_side(old),
        after=_side(new),
        missing=found.missing,
        changed=found.changed,
        extra=found.extra,
        points=tuple(_named_points(database, name, found)),
        settings=(*found.settings, *aliases),
    )


def _alone(name: str, before: ServerScan, after: ServerScan) -> tuple[CollectionVerdict, Difference]:
    """The verdict on a collection that was not read both times, and what is said of it."""
    if name in before.unreadable:
        return "inconclusive", Difference(code="unreadable_before", facts={"why": before.unreadable[name]})
    if name not in before.collections:
        return "extra", Difference(code="collection_new")
    if name in after.unreadable:
        return "inconclusive", Difference(code="unreadable_now", facts={"why": after.unreadable[name]})
    return "lost", Difference(code="collection_gone")


def _collection_verdict(found: Comparison, aliases: Sequence[Difference]) -> CollectionVerdict:
    if found.missing:
        return "lost"
    if found.changed or found.settings or aliases:
        return "changed"
    return "extra" if found.extra else "same"


def _short(scan: ServerScan) -> list[str]:
    """Collections of which the server counts other points than it gives when all are read."""
    return [
        f"{name}: the server counts {counted(one.counted, 'point')} and gives {one.points}"
        for name, one in scan.collections.items()
        if one.counted is not None and one.counted != one.points
    ]


def _reason(
    verdict: Verdict, checks: Sequence[CollectionCheck], aliases: Sequence[Difference], how: RoundMethod
) -> str:
    if verdict == "empty":
        return "nothing is stored, so there was nothing to prove"
    if verdict in EQUAL:
        return f"{ALL_EQUAL}{UNPROVEN.get(how, '')}"
    if verdict == "inconclusive":
        return "; ".join(_unread_words(checks))
    untold = [alias.words for alias in aliases if not any(alias in check.settings for check in checks)]
    return "; ".join((*_loss_words(checks), *untold))


def _unread_words(checks: Sequence[CollectionCheck]) -> Iterator[str]:
    for check in checks:
        if check.verdict == "inconclusive" and check.before is not None:
            held = counted(check.before.points, "point")
            yield f"{check.name} {', '.join(check.told)}; it is unknown whether its {held} are still there"
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
        yield f"{check.name}: {', '.join((*counts, *check.told))}"


def _named_points(database: Database, name: str, found: Comparison) -> Iterator[PointDifference]:
    """The points that differ; a changed vector that is nothing but zeros now is told as such."""
    zeroed = _zeroed_vectors(database, name, found)
    for point in found.points:
        parts = tuple(
            part.model_copy(update={"change": "zeroed"}) if (point.id, part.kind, part.name) in zeroed else part
            for part in point.parts
        )
        yield point.model_copy(update={"parts": parts})


def _zeroed_vectors(database: Database, name: str, found: Comparison) -> set[tuple[str, PartKind, str]]:
    """Which changed vectors are nothing but zeros: the mark of a bind mount that loses what is mapped into memory."""
    ids = [parse_id(one.id) for one in found.points if any(part.kind == "vector" for part in one.parts)]
    try:
        points = database.retrieve(name, ids)
    except AdminError:
        return set()  # only a detail: that they changed is known already
    return {
        (str(point.id), "vector", slot)
        for point in points
        for slot, vector in point.vectors.items()
        if isinstance(vector, np.ndarray) and not vector.any()
    }


def _side(fingerprint: Fingerprint | None) -> Side | None:
    if fingerprint is None:
        return None
    return Side(
        points=fingerprint.points,
        digest=fingerprint.digest,
        sampled=None if fingerprint.sample is None else fingerprint.sampled,
        settings=settings_digest(fingerprint),
        scheme=fingerprint.scheme,
        buckets=fingerprint.buckets,
    )
