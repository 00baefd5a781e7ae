"""The content fingerprint: what a collection holds, point by point, and how it is set up.

The digest of a collection is the sum of its points' digests modulo 2^256 (not their XOR, in which pairs cancel), so it
does not depend on order, segments or transport. Memory stays flat: points pass by, a few bytes of each are kept.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import RequestRejected
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.buckets import Buckets
from qdrant_admin.database.canonical import (
    KEYED_SCHEME,
    SCHEME,
    SUM_MODULUS,
    PointHash,
    hash_parts,
    hash_point,
    in_shard,
)
from qdrant_admin.database.differences import Difference, PartDifference, PointDifference, What, changes
from qdrant_admin.database.digest_store import DigestStore, PointDigests, same, what_changed
from qdrant_admin.database.ids import id_key, id_of_key
from qdrant_admin.database.models import CollectionInfo, Fields, PointId, ShardKey, VectorKind
from qdrant_admin.database.probes import Counts, ProbeFinder, changed_counts, count_again
from qdrant_admin.database.schema import meant, refuses_exact
from qdrant_admin.database.searches import Answer, Search, ask, changed_searches, searches_of
from qdrant_admin.database.wire import Page

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_ALL_DIGESTS = 1 << 64
_COUNTED_FIRST = 10_000
"""A collection of more points is counted before it is read, for whoever waits."""
_PROBED = 5.0
"""Seconds that counts by filter may take; or a tenth of the time of reading."""
SHOWN = 100
"""Points of each kind of difference that are named one by one."""


class Sample(NamedTuple):
    """A share of all points, chosen by their ids alone: two readings of a collection take the same ones."""

    below: int
    """A point is taken when the digest of its id, as a number of 64 bits, is below this."""

    @classmethod
    def of(cls, wanted: int, points: int) -> "Sample":
        return cls(_ALL_DIGESTS if wanted >= points else _ALL_DIGESTS * wanted // points)

    def takes(self, point_id: PointId) -> bool:
        return int.from_bytes(blake2b(b"sample" + id_key(point_id), digest_size=8).digest(), "little") < self.below


@dataclass
class Fingerprint:
    """One collection at one moment. Close it: the store may hold a temporary file."""

    name: str
    points: int
    """Points that were read."""
    counted: int | None
    """The server's own exact count, taken after reading; None where strict mode refuses it."""
    digest: str
    digests: DigestStore
    config: Fields = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    shard_keys: Mapping[str, int] = field(default_factory=dict)
    """The keys of custom sharding, as JSON, each with its number of shards."""
    payload_schema: Mapping[str, Fields] = field(default_factory=dict)
    filtered: Counts = field(default_factory=Counts)
    """Exact counts by filters on the indexed fields."""
    searches: Mapping[Search, Answer] = field(default_factory=dict)
    """The answers to exact searches on every vector."""
    non_finite: int = 0
    """Points with NaN or an infinity in a vector."""
    sample: Sample | None = None
    """The points whose content was read; None: all. The digest covers every id in any case."""
    sampled: int = 0
    """Points whose content was read."""
    buckets: tuple[str, ...] = ()
    """Which ids there are, as `buckets.Buckets` tells it."""
    scheme: str = SCHEME
    """The form in which points were hashed."""

    @property
    def settings(self) -> Fields:
        """The configuration, by what it means."""
        return meant(self.config)

    @property
    def index_settings(self) -> dict[str, Fields]:
        """Of every payload index, by what they mean; its count of points is none, and lags during optimizations."""
        return {
            field: meant({key: value for key, value in known.items() if key != "points"})
            for field, known in self.payload_schema.items()
        }

    def close(self) -> None:
        self.digests.close()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two fingerprints of one collection differ."""

    missing: int = 0
    extra: int = 0
    changed: int = 0
    points: tuple[PointDifference, ...] = ()
    """The first hundred of each kind."""
    settings: tuple[Difference, ...] = ()
    """Configuration, payload indexes, counts and searches that differ."""

    @property
    def same(self) -> bool:
        return not (self.missing or self.extra or self.changed or self.settings)


class Reading:
    """Takes the fingerprint of a whole collection: `pages` to the end, then `finish`. Else close its `digests`."""

    def __init__(
        self,
        database: "Database",
        name: str,
        earlier: Fingerprint | None = None,
        sample: Callable[[int], Sample] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Look at the collection; raises what the gateway does when it cannot be read.

        With `earlier`, the fingerprint that this one will be compared with, the same filters are counted and the same
        searches made. `sample` makes a sample for a number of points. `aliases` of the whole server save a request.
        """
        self._database, self._name, self._earlier = database, name, earlier
        self._sampled, self._began = 0, time.monotonic()
        self.info: CollectionInfo = database.described(name, database.aliases() if aliases is None else aliases)
        self.expected = self.info.points_approximate
        """Points that will be read, about."""
        if sample is not None or self.expected > _COUNTED_FIRST:
            self.expected = self._count() or self.expected
        self._sum = self._points = self._non_finite = 0
        self._sample = sample(self.expected) if sample else None
        self._kinds: dict[str, VectorKind] = {spec.name: spec.kind for spec in self.info.vectors}
        self._keys: dict[ShardKey, int] | None = None
        """Of custom sharding; None without it. An id may be in the shards of several keys."""
        if (self.info.config.get("params") or {}).get("sharding_method") == "custom":
            self._keys = database.shard_keys(name)
        self.digests, self._buckets = DigestStore(), Buckets()
        strict = self.info.config.get("strict_mode_config") or {}
        limited = bool(strict.get("enabled") and strict.get("read_rate_limit"))
        self._finder = ProbeFinder(self.info.payload_schema, whole=sample is None, limited=limited)

    def pages(self, cancel: CancelToken) -> Iterator[int]:
        """Read on; yields the number of points after each page."""
        for shard in (None,) if self._keys is None else self._keys:
            for points, hashes in (
                self._whole(shard) if self._sample is None else self._sampled_only(self._sample, shard)
            ):
                cancel.check()
                page = hashes if shard is None else _keyed(hashes, shard)
                self._buckets.add(page)
                self.digests.add(page)
                self._sum += sum([int.from_bytes(one.whole, "little") for one in page])
                self._sum %= SUM_MODULUS
                self._non_finite += sum([one.non_finite for one in page])
                self._points += points
                if points:
                    yield points

    def _whole(self, shard: ShardKey | None) -> Iterator[tuple[int, list[PointHash]]]:
        for page in self._database.bulk.pages_of_one_size(self._name, self._kinds, shard):
            yield len(page), self._hashes(page, shard)

    def _sampled_only(self, sample: Sample, shard: ShardKey | None) -> Iterator[tuple[int, list[PointHash]]]:
        """Every point; those outside the sample are hashed by their id alone."""
        for ids in self._database.scan_ids(self._name, shard):
            chosen = [one for one in ids if sample.takes(one)]
            pages = self._database.bulk.retrieve(self._name, chosen, self._kinds, shard=shard)
            found = {hashed.key: hashed for page in pages for hashed in self._hashes(page, shard)}
            yield len(ids), [found.get(key) or hash_parts(key) for key in map(id_key, ids)]

    def _hashes(self, page: Page, shard: ShardKey | None) -> list[PointHash]:
        self._sampled += len(page)
        if self._earlier is None:
            self._finder.look(page)
        hashes, doubtful = page.hashes(self._kinds), page.doubtful()
        if doubtful:
            ids = doubtful.values()
            again = self._database.retrieve(self._name, ids, kinds=self._kinds, shard=shard)
            closer = {point.id: hash_point(point, self._kinds) for point in again}
            for place, point_id in doubtful.items():
                hashes[place] = closer.get(point_id, hashes[place])
        return hashes

    def finish(self) -> Fingerprint:
        """Search, count by filter, and put everything together."""
        self.digests.finish()
        searches = searches_of(self._database, self._name, self.info.vectors) if self._points else ()
        if self._earlier is not None:
            searches = tuple(self._earlier.searches)
        reading = time.monotonic() - self._began
        return Fingerprint(
            name=self._name,
            points=self._points,
            digest=f"{self._sum:064x}",
            digests=self.digests,
            config=self.info.config,
            aliases=self.info.aliases,
            shard_keys={json.dumps(key): shards for key, shards in (self._keys or {}).items()},
            scheme=SCHEME if self._keys is None else KEYED_SCHEME,
            payload_schema=self.info.payload_schema,
            searches=ask(self._database, self._name, searches),
            filtered=self._finder.count(self._database, self._name, seconds=max(_PROBED, 0.1 * reading))
            if self._earlier is None
            else count_again(self._database, self._name, self._earlier.filtered),
            non_finite=self._non_finite,
            buckets=self._buckets.told(),
            sample=self._sample,
            sampled=self._sampled,
            counted=self._count(),
        )

    def _count(self) -> int | None:
        """The server's own exact count; None where the strict mode of the collection refuses it."""
        try:
            return self._database.count(self._name)
        except RequestRejected:
            if not refuses_exact(self.info.config):
                raise
            return None


def _keyed(hashes: Iterable[PointHash], shard: ShardKey) -> list[PointHash]:
    label = json.dumps(shard)
    return [in_shard(hashed, label) for hashed in hashes]


def compare(before: Fingerprint, after: Fingerprint) -> Comparison:
    """Name every difference between two fingerprints; the stores are only read when something differs."""
    settings = tuple(_settings(before, after))
    if before.digest == after.digest and before.points == after.points:
        return Comparison(settings=settings)
    counts: Counter[What] = Counter()
    named: list[PointDifference] = []
    for difference in differences(before.digests, after.digests):
        counts[difference.what] += 1
        if counts[difference.what] <= SHOWN:
            named.append(difference)
    if not counts:
        settings = (*settings, Difference(code="content_unnamed"))
    return Comparison(counts["missing"], counts["extra"], counts["changed"], tuple(named), settings)


def differences(before: DigestStore, after: DigestStore) -> Iterator[PointDifference]:
    left, right = iter(before), iter(after)
    old, new = next(left, None), next(right, None)
    while old is not None or new is not None:
        if old is not None and (new is None or old.key < new.key):
            yield _difference(old, "missing")
            old = next(left, None)
        elif new is not None and (old is None or new.key < old.key):
            yield PointDifference(id=str(id_of_key(new.key)), what="extra")
            new = next(right, None)
        elif old is not None and new is not None:
            if not same(old, new):
                yield _difference(old, "changed", what_changed(old, new))
            old, new = next(left, None), next(right, None)


def _difference(old: PointDigests, what: What, parts: tuple[PartDifference, ...] = ()) -> PointDifference:
    fields = None if old.fields is None else tuple(old.fields)
    vectors = tuple(old.vectors or ())
    return PointDifference(id=str(id_of_key(old.key)), what=what, parts=parts, vectors=vectors, fields=fields)


def _settings(before: Fingerprint, after: Fingerprint) -> Iterator[Difference]:
    yield from changes("shard_key", before.shard_keys, after.shard_keys)
    yield from changes("setting", dict(_flat(before.settings)), dict(_flat(after.settings)))
    indexes = tuple(changes("index", before.index_settings, after.index_settings))
    yield from indexes
    if not _content_differs(before, after):  # other points have other counts and neighbours, which says nothing new
        yield from changed_counts(before.filtered, after.filtered, {one.name for one in indexes})
        if after.counted != after.points and before.counted == before.points:
            yield Difference(code="total_count", facts={"counted": after.counted, "read": after.points})
        yield from changed_searches(before.searches, after.searches)


def _content_differs(before: Fingerprint, after: Fingerprint) -> bool:
    return before.digest != after.digest or before.points != after.points


def _flat(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every value with its path: `a.b` is b in a, `"a.b"` a key with a dot in it."""
    if isinstance(value, dict) and value:
        for key in value:
            name = json.dumps(key, ensure_ascii=False) if not key or "." in key or '"' in key else key
            yield from _flat(value[key], f"{path}.{name}" if path else name)
    else:
        yield path, value
