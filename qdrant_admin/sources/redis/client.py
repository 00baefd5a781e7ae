"""The connection to a Redis, and its faults in our words."""

import base64
import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ResponseError,
)
from redis.retry import Retry

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    BadInput,
    ServerNotReady,
    ServerTrouble,
    ServerUnreachable,
    SourceUnreadable,
)
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance
from qdrant_admin.sources.base import ServerUri
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

_CLIENT_VARIABLE = "REDISCLI_AUTH"
"""Where redis-cli itself looks for the password."""
_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_EXPORT = f"export {KEY_VARIABLE}=..."
_CLI = "redis-cli {at}"
_PING = f"{_CLI} PING"
_RIGHTS = "+info +scan +hstrlen +hgetall +select ~*"


def connect(uri: ServerUri) -> redis.Redis:
    """A client of the database that a URI names. Connects at its first command."""
    parts = urlsplit(uri.url)
    return redis.Redis(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        db=database(uri),
        username=unquote(parts.username) if parts.username else None,
        password=source_key() or os.environ.get(_CLIENT_VARIABLE) or None,
        ssl=parts.scheme == "rediss",
        protocol=2,
        socket_timeout=_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # who reads waits, and says so
    )


def database(uri: ServerUri) -> int:
    text = urlsplit(uri.url).path.removeprefix("/") or "0"
    if not (text.isascii() and text.isdigit()):
        what = f"{plain(text)} is no database of a Redis"
        raise BadInput(what, why="they have numbers", fix=Command("migrate", "redis://HOST:6379/0"))
    return int(text)


def text_of(octets: bytes) -> str:
    """Text, or base64 of what is none."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return base64.b64encode(octets).decode()


def escaped(prefix: str) -> bytes:
    """Text as a pattern that means just that."""
    return "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix).encode()


@contextlib.contextmanager
def translated(uri: ServerUri) -> Iterator[None]:
    """Faults of redis as ours. Those that may pass by themselves are of the classes that are waited for."""
    try:
        yield
    except exceptions.RedisError as error:
        raise _fault(error, uri) from error


def _fault(error: exceptions.RedisError, uri: ServerUri) -> AdminError:
    where, why, parts = plain(uri.url), plain(error), urlsplit(uri.url)
    at = f"-h {parts.hostname} -p {parts.port}" + (" --tls" if parts.scheme == "rediss" else "")
    ours, what, fix = next((ours, what, fix) for kinds, ours, what, fix in _FAULTS if isinstance(error, kinds))
    return ours(what.format(where=where), why=why, fix=fix.format(at=at))


_FAULTS: tuple[tuple[tuple[type[Exception], ...], type[AdminError], str, str], ...] = (
    ((NoPermissionError,), AccessDenied, "this user may not read {where}", f"{_CLI} ACL SETUSER NAME {_RIGHTS}"),
    ((AuthenticationError, AuthorizationError), AccessDenied, "{where} does not accept the password", _EXPORT),
    ((BusyLoadingError,), ServerNotReady, "the Redis at {where} is loading its data", f"{_CLI} INFO persistence"),
    ((OutOfMemoryError,), ServerTrouble, "the Redis at {where} has no memory left", f"{_CLI} INFO memory"),
    ((exceptions.ConnectionError, exceptions.TimeoutError), ServerUnreachable, "no Redis answers at {where}", _PING),
    ((Exception,), SourceUnreadable, "what answers at {where} cannot be read", _PING),
)
"""The first that fits counts: some of them are kinds of others."""


_DISTANCES: dict[bytes, Distance] = {b"COSINE": "Cosine", b"IP": "Dot", b"L2": "Euclid"}


class SearchIndex(NamedTuple):
    """One index over hashes."""

    name: str
    prefixes: tuple[bytes, ...]
    distances: dict[str, Distance]


def search_indexes(client: Any) -> list[SearchIndex]:
    """Every index that has vectors; none where there is no query engine, or this user may not ask it."""
    try:
        names: Any = client.execute_command("FT._LIST")
        found = [index_of(client.execute_command("FT.INFO", name)) for name in names]
    except ResponseError:
        return []
    return [one for one in found if one.distances]


def index_of(answer: Sequence[object]) -> SearchIndex:
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
