"""Exact searches that a collection must go on answering alike.

Every vector is compared bit by bit as it is read; a search reads them in another way. It follows no index and asks no
quantized copy, so the answer depends on the content alone, but for two things: scores may differ in their last bits
from one segment to another, and points of the same score come in any order.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from qdrant_admin.core.errors import AdminError, ServerTrouble
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference, SearchCode
from qdrant_admin.database.models import PointId, Vector, VectorSpec

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

SEARCHES = 3
"""For each named vector."""
NEAREST = 10
"""Points that each asks for."""
_ROWS = 2
_TOLERANCE = 1e-4
"""Of the greatest score. Rounding is a hundred times less, damage far more."""


@dataclass(frozen=True, slots=True)
class Search:
    """One question."""

    using: str
    """Name of the vector."""
    number: int
    """From 1 on."""
    query: Vector = field(hash=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    hits: tuple[tuple[PointId, float], ...] = ()
    """The best first."""
    trouble: str = ""
    """Why it could not answer, in words."""


def searches_of(database: "Database", name: str, slots: Sequence[VectorSpec]) -> tuple[Search, ...]:
    """The searches that belong to a collection: always the same ones, as long as its first points stay."""
    return tuple(
        Search(slot.name, number, query)
        for slot in slots
        for number, query in enumerate(_queries(database, name, slot), start=1)
    )


def ask(database: "Database", name: str, searches: Sequence[Search]) -> dict[Search, Answer]:
    found: dict[Search, Answer] = {}
    for using in dict.fromkeys(search.using for search in searches):
        own = [search for search in searches if search.using == using]
        try:
            hits = database.nearest(name, [one.query for one in own], using=using, limit=NEAREST, exact=True)
        except ServerTrouble as error:
            found |= dict.fromkeys(own, Answer(trouble=error.why or error.what))
        except AdminError:
            continue  # an old server, strict mode, too slow: no sign of damage
        else:
            found |= {search: Answer(tuple(each)) for search, each in zip(own, hits, strict=True)}
    return found


def changed_searches(before: Mapping[Search, Answer], after: Mapping[Search, Answer]) -> Iterator[Difference]:
    """The searches that are answered in another way now."""
    for search, old in before.items():
        new = after.get(search)
        found = None if new is None or old.trouble else _difference(old, new)
        if found is not None:
            code, facts = found
            yield Difference(code=code, name=search.using, facts={"number": search.number, **facts})


def _queries(database: "Database", name: str, slot: VectorSpec) -> Iterator[Vector]:
    if slot.kind == "sparse":
        if slot.params.get("modifier", "none") != "none":
            return  # such scores depend on how often a word occurs, and count deleted points until they are cleared
        yield from _stored(database, name, slot.name)
        return
    for number in range(SEARCHES):
        seed = sha256(f"{name}\0{slot.name}\0{number}".encode("utf-8", "surrogatepass")).digest()
        rng = np.random.default_rng(int.from_bytes(seed[:8], "little"))
        size = (_ROWS, slot.size or 0) if slot.kind == "multi" else slot.size
        numbers = rng.uniform(0, 255, size) if slot.datatype == "uint8" else rng.normal(size=size)
        yield numbers.astype(np.float32)


def _stored(database: "Database", name: str, using: str) -> Iterator[Vector]:
    """Vectors of the first points: a search with indices that no point has would find nothing."""
    try:
        page = database.page(name, limit=SEARCHES, filter={"must": [{"has_vector": using}]}, with_vectors=True)
    except AdminError:
        return  # a server too old for the question; anything worse shows in the next request
    yield from (point.vectors[using] for point in page.points if using in point.vectors)


def _difference(old: Answer, new: Answer) -> tuple[SearchCode, dict[str, JsonValue]] | None:
    if new.trouble:
        return "search_unanswered", {"why": new.trouble}
    scores = [[score for _, score in answer.hits] for answer in (old, new)]
    if not all(map(math.isfinite, scores[0] + scores[1])):
        return None  # a vector holds NaN or an infinity: nothing is near or far then
    if len(old.hits) != len(new.hits):
        return "search_count", {"before": len(old.hits), "after": len(new.hits)}
    tolerance = _TOLERANCE * max(map(abs, scores[0] + scores[1]), default=0.0)
    if _sure(old, new, tolerance) or _sure(new, old, tolerance):
        return "search_points", {}
    if any(abs(one - two) > tolerance for one, two in zip(*scores, strict=True)):
        return "search_scores", {}
    return None


def _sure(one: Answer, other: Answer, tolerance: float) -> set[PointId]:
    """The points that one found and the other did not, but for ties in last place."""
    cut = one.hits[-1][1] if len(one.hits) >= NEAREST else math.inf
    return {point for point, score in one.hits if abs(score - cut) > 2 * tolerance} - {point for point, _ in other.hits}
