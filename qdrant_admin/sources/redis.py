"""Redis with vectors in hashes: each prefix of keys is a collection.

Keys are listed once, on disk: SCAN keeps no order and may give a key twice, and memory is for batches.

What their fields become: text as text, other bytes as base64, JSON in the usual fields as it says. The hashes of
LangChain and Mem0 are known by their fields and laid out as the two read them in Qdrant.
"""

import base64
import os
import sqlite3
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from qdrant_admin.core import errors
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Payload, Record, ServerUri, SourceCollection, Span, between, option
from qdrant_admin.sources.files.values import Unfit, vector_of, with_json_opened
from qdrant_admin.sources.layouts import Layout, lay_out
from qdrant_admin.sources.octets import doubt, fitting
from qdrant_admin.sources.read_only import marks
from qdrant_admin.sources.servers import ServerReader
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

FLOATS = {"float32": "<f4", "float64": "<f8", "float16": "<f2"}
_MEM0 = {"memory_id", "memory", "hash", "metadata"}
_MEM0_OWN = {"memory_id", "memory", "metadata", "created_at", "updated_at"}
_TEXTS = ("content", "text", "page_content", "document")
_JSON = ("_metadata_json", "metadata")
_VECTORS = ("embedding", "content_vector", "vector", "text_vector", "embeddings")
"""What programs call the field of the vector; `?vector=` names another one, or several."""
_MANY = 100
"""More prefixes than that are no collections: the keys have more parts than one."""
_SPREAD = 1000
_ENOUGH = 100
"""Vectors under a prefix that show in which field they are."""


class KeyList:
    """Keys by prefix, with the length of each field that may be a vector. Removed when it is closed.

    `thorough`: every field is asked of every hash, not only those that the hashes of a prefix usually have.
    """

    def __init__(self, fields: Sequence[str], *, thorough: bool) -> None:
        self.fields = tuple(fields)
        self._thorough = thorough
        self._votes: dict[bytes, Counter[str]] = {}
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="qdrant-admin-")
        place = Path(self._folder.name) / "keys.db"
        self._database = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        lengths = ", ".join(f"length{number} INTEGER" for number in range(len(self.fields)))
        self._database.execute(
            f"CREATE TABLE keys (prefix BLOB, key BLOB, {lengths}, PRIMARY KEY (prefix, key)) WITHOUT ROWID"
        )
        self._database.execute("CREATE TABLE others (prefix BLOB, key BLOB, PRIMARY KEY (prefix, key)) WITHOUT ROWID")

    def fill(self, client: Any, match: bytes, prefix: bytes | None) -> None:
        """List every key that fits a pattern, once. `prefix`: what all of them belong to; None when each key tells."""
        keys = client.scan_iter(match=match, count=_SPREAD)
        while page := list(islice(keys, _SPREAD)):
            self._look(client, page, prefix)

    def prefixes(self) -> list[tuple[bytes, int, list[int]]]:
        """Each prefix, its number of hashes, and how many of them have each of the fields."""
        counts = ", ".join(f"sum(length{number} > 0)" for number in range(len(self.fields)))
        rows = self._rows(f"SELECT prefix, count(*), {counts} FROM keys GROUP BY prefix ORDER BY prefix")  # noqa: S608 # numbers
        return [(prefix, count, list(found)) for prefix, count, *found in rows]

    def others(self, prefix: bytes) -> int:
        return int(self._rows("SELECT count(*) FROM others WHERE prefix = ?", (prefix,))[0][0])

    def lengths(self, prefix: bytes, field: str) -> list[tuple[int, int]]:
        """Lengths of one field in bytes, and how many hashes have it so long; the most frequent first."""
        column = f"length{self.fields.index(field)}"
        query = f"SELECT {column}, count(*) FROM keys WHERE prefix = ? AND {column} > 0 GROUP BY 1 ORDER BY 2 DESC, 1"  # noqa: S608 # a number
        return self._rows(query, (prefix,))

    def page(self, prefix: bytes, after: bytes, until: bytes | None, size: int) -> list[bytes]:
        """Keys behind one, in the order of their bytes."""
        end, ends = ("", ()) if until is None else (" AND key <= ?", (until,))
        query = f"SELECT key FROM keys WHERE prefix = ? AND key > ?{end} ORDER BY key LIMIT ?"  # noqa: S608 # a constant
        return [key for (key,) in self._rows(query, (prefix, after, *ends, size))]

    def borders(self, prefix: bytes, places: Sequence[int]) -> list[bytes]:
        """The keys at these places, the first being 1."""
        numbered = "SELECT key, row_number() OVER (ORDER BY key) AS n FROM keys WHERE prefix = ?"
        query = f"SELECT key FROM ({numbered}) WHERE n IN ({marks(places)}) ORDER BY n"  # noqa: S608 # marks
        return [key for (key,) in self._rows(query, (prefix, *places))]

    def close(self) -> None:
        with self._lock:
            self._database.close()
            self._folder.cleanup()

    def _look(self, client: Any, page: list[bytes], prefix: bytes | None) -> None:
        own = [key.rpartition(b":")[0] if prefix is None else prefix for key in page]
        asked = [self._asked(one) for one in own]
        pipeline = client.pipeline(transaction=False)
        for key, fields in zip(page, asked, strict=True):
            for field in fields:
                pipeline.hstrlen(key, field)
        answers = iter(pipeline.execute(raise_on_error=False))
        hashes, others = [], []
        for one, key, fields in zip(own, page, asked, strict=True):
            lengths = dict(zip(fields, answers, strict=False))
            if self._is_hash(lengths.values()):
                hashes.append((one, key, *(lengths.get(field, 0) for field in self.fields)))
                self._votes.setdefault(one, Counter()).update(field for field, octets in lengths.items() if octets)
            else:
                others.append((one, key))
        self._add(f"INSERT OR IGNORE INTO keys VALUES (?, ?, {marks(self.fields)})", hashes)  # noqa: S608 # marks
        self._add("INSERT OR IGNORE INTO others VALUES (?, ?)", others)

    def _is_hash(self, lengths: Iterable[object]) -> bool:
        for length in lengths:
            if isinstance(length, exceptions.NoPermissionError):
                raise length
            if isinstance(length, exceptions.ResponseError):
                return False
        return True

    def _asked(self, prefix: bytes) -> tuple[str, ...]:
        """Once enough hashes of a prefix have shown their fields, the rest is only asked for those: that is quicker."""
        votes = self._votes.get(prefix)
        if self._thorough or votes is None or votes.total() < _ENOUGH:
            return self.fields
        return tuple(field for field in self.fields if votes[field])

    def _add(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany(query, rows)
            self._database.execute("COMMIT")

    def _rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(query, parameters).fetchall()


@dataclass(frozen=True, slots=True)
class _Prefix:
    octets: bytes
    count: int
    without: int
    vectors: tuple[str, ...]
    kind: str
    layout: Layout
    note: str
    """What is to be known of the kind of its numbers."""
    doubt: str
    """Why that kind is not known; empty where it is."""
    besides: tuple[str, ...] = ()
    """Fields that have the name of a vector as well, and stay what they are."""

    def slot(self, field: str) -> str:
        return "" if len(self.vectors) == 1 else field


class RedisHashes(ServerReader):
    def open(self) -> Iterable[str]:
        """Connect. Keys are listed at the first need of them, as that may take long."""
        self._kind = option(self.uri.options, "dtype", {kind: kind for kind in FLOATS}, None)
        self._client = _connected(self.uri)
        self.resources.callback(self._client.close)
        self._lock = threading.Lock()
        self._keys: KeyList | None = None
        self._known: dict[str, _Prefix] = {}
        server: Any = self.ask(self._client.info, section="server")
        cluster: Any = self.ask(self._client.info, section="cluster")
        self.kind = f"Redis {plain(server.get('redis_version', 'of an unknown version'))}"
        if cluster.get("cluster_enabled"):
            raise SourceUnreadable(
                f"{plain(self.url)} is one node of a Redis cluster",
                why="it lists its own keys alone, and those of the others would be missing",
                fix="redis-cli --cluster backup HOST:PORT FOLDER  # load the copies into one Redis, and migrate that",
            )
        return [self.uri.collection] if self.uri.collection is not None else []

    def collections(self) -> list[SourceCollection]:
        """Every prefix under which hashes have a vector. All keys are listed for it."""
        self._listed()
        return [self.describe(name) for name in self._known]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        prefix, keys = self._prefix(name), self._listed()
        places = sorted({prefix.count * part // parts for part in range(1, parts)} - {0, prefix.count})
        borders: list[Cursor] = [key.hex() for key in keys.borders(prefix.octets, places)] if places else []
        return between(borders)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        prefix, keys = self._prefix(name), self._listed()
        at, end = bytes.fromhex(str(after or "")), bytes.fromhex(str(until)) if until else None
        while page := keys.page(prefix.octets, at, end, size):
            at = page[-1]
            hashes = self._hashes(page)
            yield Batch([self._record(prefix, key, fields) for key, fields in zip(page, hashes, strict=True)], at.hex())

    def mark(self, name: str) -> str:
        """How its hashes are read. They may come and go: a key that is gone when it is read is rejected."""
        prefix, keys = self._prefix(name), self._listed()
        octets = [keys.lengths(prefix.octets, field)[0][0] for field in prefix.vectors]
        return f"{prefix.layout}, {prefix.vectors} of {octets} bytes as {prefix.kind}"

    def _prefix(self, name: str) -> _Prefix:
        self._listed()
        return self._known[name]

    def _listed(self) -> KeyList:
        with self._lock:
            if self._keys is None:
                asked = self.uri.options.get("vector")
                keys = KeyList(asked.split(",") if asked else _VECTORS, thorough=bool(asked))
                prefix = self.uri.options.get("prefix", "").rstrip(":")
                self.resources.callback(keys.close)
                match = _escaped(prefix) + b":*" if prefix else b"*"
                self.ask(keys.fill, client=self._client, match=match, prefix=prefix.encode() or None)
                found = dict(self._found(keys))
                self._known = {name: found[name] for name in self.narrowed(found)}
                self._keys = keys
            return self._keys

    def _found(self, keys: KeyList) -> Iterator[tuple[str, _Prefix]]:
        asked = "vector" in self.uri.options
        prefixes = [one for one in keys.prefixes() if any(one[2])]
        self._check_some(keys, prefixes)
        for octets, count, having in prefixes:
            best = keys.fields[having.index(max(having))]
            several = tuple(field for field, number in zip(keys.fields, having, strict=True) if number)
            vectors = several if asked else (best,)
            sample = [fields for fields in self._hashes(keys.page(octets, b"", None, layouts.SAMPLE)) if fields]
            name = text_of(octets) or f"redis-{_database(self.uri)}"
            told = _Kind(self._kind) if self._kind else _told_kind(vectors, sample)
            layout = self.layout_asked or _layout(sample)
            yield (
                name,
                _Prefix(
                    octets,
                    count,
                    count - max(having),
                    vectors,
                    told.word,
                    layout,
                    told.note,
                    told.doubt,
                    tuple(field for field in several if field not in vectors),
                ),
            )

    def _check_some(self, keys: KeyList, prefixes: list[tuple[bytes, int, list[int]]]) -> None:
        if not prefixes:
            prefix = self.uri.options.get("prefix", "").rstrip(":")
            where = f" whose key begins with {plain(prefix)}:" if prefix else ""
            raise SourceUnreadable(
                f"no hash in {plain(self.url)}{where} has a vector",
                why=f"looked for {', '.join(plain(field) for field in keys.fields)}",
                fix=Command("migrate", self.uri.asking(vector="FIELD")),
            )
        if len(prefixes) > _MANY:
            first = text_of(prefixes[0][0].partition(b":")[0])
            raise BadInput(
                f"{counted(len(prefixes), 'prefix', 'prefixes')} in {plain(self.url)} have vectors under them",
                why="each would become a collection; a key is taken apart at its last colon when nobody says where",
                fix=Command("migrate", self.uri.asking(prefix=first)),
            )

    def describe(self, name: str) -> SourceCollection:
        prefix, keys = self._known[name], self._listed()
        if prefix.doubt:
            what = f"it is not known what kind of numbers the vectors of {plain(name)} are"
            raise SourceUnreadable(what, why=prefix.doubt, fix=Command("migrate", self.uri.asking(dtype="float16")))
        warnings = [prefix.note] if prefix.note else []
        slots = tuple(self._slot(prefix, field, keys, warnings) for field in prefix.vectors)
        if prefix.without and len(prefix.vectors) == 1:
            warnings.append(f"{counted(prefix.without, 'hash', 'hashes')} without a vector will be rejected")
        if prefix.besides:
            both = ",".join(map(plain, (*prefix.vectors, *prefix.besides)))
            besides = ", ".join(map(plain, prefix.besides))
            warnings.append(f"{besides} may hold vectors, too, and stays in the payload; ?vector={both} takes all")
        others = keys.others(prefix.octets)
        if others:
            warnings.append(f"{counted(others, 'key')} of this prefix are not hashes, and are skipped")
        words = "as in the hash; bytes that are not text as base64, JSON in metadata as what it says"
        words = self.layout_words(prefix.layout, "the fields of its hashes", words)
        spec = layouts.fitted(CollectionSpec(vectors=slots), prefix.layout)
        return SourceCollection(name=name, count=prefix.count, spec=spec, payload=words, warnings=tuple(warnings))

    def _slot(self, prefix: _Prefix, field: str, keys: KeyList, warnings: list[str]) -> VectorSpec:
        width = np.dtype(FLOATS[prefix.kind]).itemsize
        lengths = keys.lengths(prefix.octets, field)
        if len(lengths) > 1:
            odd = sum(number for _, number in lengths[1:])
            rejected = f"{counted(odd, 'hash', 'hashes')} will be rejected"
            warnings.append(f"{plain(field)} is not always {lengths[0][0]} bytes long: {rejected}")
        size = max(1, lengths[0][0] // width)
        return VectorSpec(name=prefix.slot(field), size=size, distance=self._compared(prefix, field, warnings))

    def _compared(self, prefix: _Prefix, field: str, warnings: list[str]) -> Distance:
        if self.distance_asked is not None:
            return self.distance_asked
        indexes = self.ask(_search_indexes, client=self._client)
        found = compared(indexes, prefix.octets + b":" if prefix.octets else b"", field)
        if found is None:
            words = f"no index says how {plain(field)} is compared"
            warnings.append(f"{words}: Cosine is taken, ?distance= chooses another")
            return "Cosine"
        warnings.append(f"{plain(field)} is compared by {found[0]}, as its index {plain(found[1])} does")
        return found[0]

    def _hashes(self, page: list[bytes]) -> list[dict[bytes, bytes]]:
        """The hashes of these keys; an empty one for a key that is gone."""
        pipeline = self._client.pipeline(transaction=False)
        for key in page:
            pipeline.hgetall(key)
        answers = self.ask(pipeline.execute, raise_on_error=False)
        for answer in answers:
            if isinstance(answer, exceptions.NoPermissionError):
                raise self.translated(answer) from answer
        return [answer if isinstance(answer, dict) else {} for answer in answers]

    def translated(self, error: Exception) -> AdminError:
        """Faults that may pass by themselves become those of ours that are waited for."""
        parts = urlsplit(self.url)
        at = f"-h {parts.hostname} -p {parts.port}" + (" --tls" if parts.scheme == "rediss" else "")
        ours, what, asked = next((ours, what, asked) for kind, ours, what, asked in _FAULTS if isinstance(error, kind))
        fix = f"redis-cli {at} {asked}" if asked else f"export {KEY_VARIABLE}=..."
        return ours(what.format(plain(self.url)), why=plain(error), fix=fix)

    def _record(self, prefix: _Prefix, key: bytes, fields: Mapping[bytes, bytes]) -> Record:
        rest = key.removeprefix(prefix.octets)
        identity = _identity(rest.removeprefix(b":") if prefix.octets else rest)
        if not fields:
            return Record(identity, trouble="it is gone: it expired, or was deleted, since its key was listed")
        record = Record(identity, _payload(prefix.layout, fields, prefix.vectors))
        for field in prefix.vectors:
            octets = fields.get(field.encode())
            try:
                if octets:
                    record.vectors[prefix.slot(field)] = vector_of(octets, "dense", FLOATS[prefix.kind])
            except Unfit as unfit:
                record.trouble = f"its {field} {unfit}"
        return record


def _identity(octets: bytes) -> int | str:
    """The end of a key as an id: a plain number is one."""
    # What is not text becomes halves of surrogate pairs, and the record is rejected for it.
    text = octets.decode("utf-8", "surrogateescape")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
    return number if str(number) == text and number < 1 << 64 else text


def _payload(layout: Layout, fields: Mapping[bytes, bytes], vectors: Sequence[str]) -> Payload:
    gone = {vector.encode() for vector in vectors}
    payload: Payload = {
        name.decode("utf-8", "surrogateescape"): text_of(value) for name, value in fields.items() if name not in gone
    }
    with_json_opened(payload)
    if layout == "mem0":
        return _mem0(payload)
    if layout == "plain":
        return payload
    payload.pop("_index_name", None)
    text = next((payload.pop(name) for name in _TEXTS if name in payload), None)
    nested = next((name for name in _JSON if isinstance(payload.get(name), dict)), None)
    given = payload.pop(nested) if nested else {}
    return lay_out(layout, {**payload, **given}, text)


def _layout(hashes: Sequence[Mapping[bytes, bytes]]) -> Layout:
    names = [{name.decode("utf-8", "replace") for name in fields} for fields in hashes]
    if names and all(known >= _MEM0 for known in names):
        return "mem0"
    if names and all({"content", "content_vector"} <= known or {"text", "_metadata_json"} <= known for known in names):
        return "langchain"
    return "plain"


def _mem0(payload: Payload) -> Payload:
    """As Mem0 itself reads its hashes: times are seconds here, and text everywhere else."""
    metadata = payload.get("metadata")
    laid_out = {name: value for name, value in payload.items() if name not in _MEM0_OWN}
    laid_out["data"] = payload.get("memory", "")
    for name in ("created_at", "updated_at"):
        seconds = str(payload.get(name, "0"))
        if seconds.isdecimal() and int(seconds):
            laid_out[name] = datetime.fromtimestamp(int(seconds), tz=UTC).isoformat(timespec="microseconds")
    return laid_out | (metadata if isinstance(metadata, dict) else {})


class _Kind(NamedTuple):
    """What the numbers of vectors are, what is to be said of that, and why it may be wrong."""

    word: str
    note: str = ""
    doubt: str = ""


def _told_kind(vectors: Sequence[str], sample: Sequence[Mapping[bytes, bytes]]) -> _Kind:
    """The type of the numbers, by whether the bytes make plausible vectors, as nothing else tells it."""
    values = [fields[field.encode()] for fields in sample for field in vectors if fields.get(field.encode())]
    why = doubt(values) if values else ""
    if not why:
        return _Kind("float32", "its vectors are read as floats of 32 bits, as nothing says; ?dtype= says otherwise")
    if fitting(values)[0] == "float64":
        return _Kind("float64", "its vectors read like floats of 64 bits; ?dtype=float32 says that they are not")
    return _Kind("float32", doubt=f"they {why}; ?dtype=float32, float64 or float16 says what they are")


def _connected(uri: ServerUri) -> redis.Redis:
    """A client of the database that a URI names. Connects at its first command."""
    parts = urlsplit(uri.url)
    return redis.Redis(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 6379,
        db=_database(uri),
        username=unquote(parts.username) if parts.username else None,
        password=source_key() or os.environ.get("REDISCLI_AUTH") or None,  # where redis-cli looks for it
        ssl=parts.scheme == "rediss",
        protocol=2,
        socket_timeout=60.0,
        socket_connect_timeout=10.0,
        retry=Retry(NoBackoff(), 0),  # who reads waits, and says so
    )


def _database(uri: ServerUri) -> int:
    text = urlsplit(uri.url).path.removeprefix("/") or "0"
    if not (text.isascii() and text.isdigit()):
        what = f"{plain(text)} is not a database of a Redis"
        raise BadInput(what, why="they have numbers", fix=Command("migrate", "redis://HOST:6379/0"))
    return int(text)


def text_of(octets: bytes) -> str:
    """Text, or base64 of what is none."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return base64.b64encode(octets).decode()


def _escaped(prefix: str) -> bytes:
    """Text as a pattern that means just that."""
    return "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in prefix).encode()


_RIGHTS = "ACL SETUSER NAME +info +scan +hstrlen +hgetall +select ~*"
_FAULTS: tuple[tuple[type[Exception], type[AdminError], str, str], ...] = (
    (exceptions.NoPermissionError, errors.AccessDenied, "this user may not read {}", _RIGHTS),
    (exceptions.AuthenticationError, errors.AccessDenied, "{} does not accept the password", ""),
    (exceptions.AuthorizationError, errors.AccessDenied, "{} does not accept the password", ""),
    (exceptions.BusyLoadingError, errors.ServerNotReady, "the Redis at {} is loading its data", "INFO persistence"),
    (exceptions.OutOfMemoryError, errors.ServerTrouble, "the Redis at {} has no memory left", "INFO memory"),
    (exceptions.ConnectionError, errors.ServerUnreachable, "no Redis answers at {}", "PING"),
    (exceptions.TimeoutError, errors.ServerUnreachable, "no Redis answers at {}", "PING"),
    (Exception, SourceUnreadable, "what answers at {} cannot be read", "PING"),
)
"""The first that fits counts: some of them are kinds of others. Last: what redis-cli is asked."""
_DISTANCES: dict[bytes, Distance] = {b"COSINE": "Cosine", b"IP": "Dot", b"L2": "Euclid"}


class SearchIndex(NamedTuple):
    name: str
    prefixes: tuple[bytes, ...]
    distances: dict[str, Distance]


def _search_indexes(client: Any) -> list[SearchIndex]:
    """Every index; none where there is no query engine, or this user may not ask it."""
    try:
        return [index_of(client.execute_command("FT.INFO", name)) for name in client.execute_command("FT._LIST")]
    except exceptions.ResponseError:
        return []


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
