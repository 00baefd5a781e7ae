"""What a Redis with a query engine says of the vectors that it searches: how they are compared.

A hash does not say it, and a Redis without the engine has no such index.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from qdrant_admin.database.models import Distance
from qdrant_admin.sources.redis.rows import text_of

_DISTANCES: dict[bytes, Distance] = {b"COSINE": "Cosine", b"IP": "Dot", b"L2": "Euclid"}


class SearchIndex(NamedTuple):
    """One index over hashes."""

    name: str
    prefixes: tuple[bytes, ...]
    """Of the keys that are in it."""
    distances: dict[str, Distance]
    """By the field of the vector."""


def search_indexes(client: Any) -> list[SearchIndex]:
    """Every index that has vectors; none where there is no query engine, or this user may not ask it."""
    try:
        names: Any = client.execute_command("FT._LIST")
        found = [index_of(client.execute_command("FT.INFO", name)) for name in names]
    except ResponseError:
        return []
    return [one for one in found if one.distances]


def index_of(answer: Sequence[Any]) -> SearchIndex:
    """Understand an answer to FT.INFO: names and values by turns, some of which are lists of that kind again."""
    told = _pairs(answer)
    prefixes = _pairs(told.get(b"index_definition", ())).get(b"prefixes", ())
    fields = [_pairs(field) for field in told.get(b"attributes", ())]
    distances = {
        text_of(field.get(b"identifier", b"")): _DISTANCES[metric]
        for field in fields
        if (metric := bytes(field.get(b"distance_metric", b""))) in _DISTANCES
    }
    return SearchIndex(text_of(told.get(b"index_name", b"")), tuple(prefixes), distances)


def compared(indexes: Iterable[SearchIndex], prefix: bytes, field: str) -> tuple[Distance, str] | None:
    """How a field of all keys of this prefix is compared, and which index says so; None when none does."""
    for one in indexes:
        if field in one.distances and any(prefix.startswith(covered) for covered in one.prefixes):
            return one.distances[field], one.name
    return None


def _pairs(values: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(values[::2], values[1::2], strict=False))
