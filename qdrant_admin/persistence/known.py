"""What a check reads, held against everything that was known to be here, and kept for the next look."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference, KnownCode
from qdrant_admin.lifecycle import noting
from qdrant_admin.lifecycle.finding_words import in_words, of_missing, of_storage
from qdrant_admin.lifecycle.memory import Kind, Memory, Missing
from qdrant_admin.persistence.fingerprints import ServerScan
from qdrant_admin.persistence.past_checks import together
from qdrant_admin.persistence.reports import EQUAL, CollectionCheck, CollectionVerdict
from qdrant_admin.persistence.verdict import Judgement, settings_digest
from qdrant_admin.server.health import TAKES_AWAY, Probe, probe
from qdrant_admin.state.inventory import KnownCollection
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    from qdrant_admin.database.fingerprint import Fingerprint


_CODES: dict[Kind, KnownCode] = {
    "gone": "known_gone",
    "emptied": "known_emptied",
    "fewer": "known_fewer",
    "remade": "known_remade",
}


def remember(ws: Workspace, scan: ServerScan, there: Iterable[str], chosen: Collection[str]) -> Memory:
    """Hold a scan against what was known, and keep it with its digests.

    Args:
        ws: the profile.
        scan: what was read.
        there: every name that the server lists: what is listed and was not read is out of sight, and not gone.
        chosen: the collections that were to be read; empty: all.

    Raises:
        AdminError: the state, the storage or the log cannot be read.
    """
    aliases: dict[str, tuple[str, ...]] = {}
    for alias, name in scan.aliases.items():
        aliases[name] = (*aliases.get(name, ()), alias)
    seen = noting.seen_whole(
        ws.runtime,
        _before(scan, probe(ws.runtime.endpoint)),
        (_known(name, one, scan.began) for name, one in scan.collections.items()),
        aliases=aliases,
        uncertain=frozenset(there) - scan.collections.keys(),
        only=frozenset(chosen) or None,
    )
    return Memory() if seen is None else noting.remember(ws, seen)


def _before(scan: ServerScan, now: Probe) -> Probe:
    """With the deletes that were counted before the scan: one that came while it read is of later."""
    counters = scan.counters_before
    if counters is None:
        return now.model_copy(update={"deletes": None, "grpc_deletes": None})
    deletes = {name: count for name, count in counters.items() if TAKES_AWAY.search(name)}
    over_grpc = sum(count for name, count in deletes.items() if name.startswith("gRPC "))
    return now.model_copy(update={"deletes": sum(deletes.values()), "grpc_deletes": over_grpc})


def weighed(judgement: Judgement, memory: Memory) -> Judgement:
    """A judgement, with what is missing of all that was known to be here before the check began."""
    missing = {one.name: one for one in memory.missing if one.word != "told"}
    if not missing:
        return judgement
    words = list(_sentences(memory))
    checks = {check.name: check for check in judgement.collections}
    checks |= {name: _check(checks.get(name), one) for name, one in missing.items()}
    return judgement._replace(
        verdict=together(judgement.verdict, "lost" if memory.word == "lost" else "inconclusive"),
        reason="; ".join(words if judgement.verdict in EQUAL else [judgement.reason, *words]),
        collections=tuple(checks[name] for name in sorted(checks)),
    )


def since(memory: Memory, after: Memory) -> tuple[str, ...]:
    """What is to be told of the time since the earlier look, in words.

    Args:
        memory: what the first scan was held against.
        after: the same of the second; in what it has other than the first the two are compared anyway.
    """
    return (*in_words(memory), *in_words(after.model_copy(update={"others": ()})))


def _sentences(memory: Memory) -> Iterator[str]:
    if memory.earlier and memory.having("lost"):
        yield of_storage(memory)
        return
    yield from map(of_missing, (*memory.having("lost"), *memory.having("inconclusive")))


def _check(check: CollectionCheck | None, one: Missing) -> CollectionCheck:
    verdict: CollectionVerdict = "lost" if one.word == "lost" else "inconclusive"
    found = check or CollectionCheck(name=one.name, verdict=verdict)
    facts: dict[str, JsonValue] = {
        "before": one.points,
        "after": one.now,
        "at": one.at.isoformat(),
        "evidence": one.because,
    }
    difference = Difference(code=_CODES[one.kind], facts=facts)
    missing = max(found.missing, one.points - one.now) if verdict == "lost" else found.missing
    settings = (*found.settings, difference)
    return found.model_copy(update={"verdict": verdict, "missing": missing, "settings": settings})


def _known(name: str, one: "Fingerprint", now: datetime) -> KnownCollection:
    whole = "" if one.sample is not None else f"{one.scheme}:{one.digest}"
    return KnownCollection(
        name=name, points=one.points, exact=True, settings=settings_digest(one), digest=whole, at=now
    )
