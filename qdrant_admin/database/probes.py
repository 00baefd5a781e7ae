"""Counts by filter that every payload index must go on answering alike.

A damaged payload index leaves every point intact and answers filters wrongly, in silence: of 23 damages that a server
started with, content hashes and lists found 17, with these counts 23. An index of integers has two parts, a map (asked
by `match`) and an order (asked by `range`), in files of their own: both are asked.

Every value is asked for where that is cheap: by one exact facet, which the server answers by counting each value as
`match` does; of an order by ranges that leave nothing out. Of text, places, and fields with very many values only some
are asked for, and `Share` says how many.
"""

import math
import re
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

from qdrant_admin.core.errors import BadInput, NotFound, RequestRejected, Unsupported
from qdrant_admin.core.formatting import number
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.differences import Difference
from qdrant_admin.database.models import Fields
from qdrant_admin.database.wire import Page
from qdrant_admin.database.wire_fields import payload_of

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

ASKED = 500
"""Values of a field that are asked for one by one, where there are more than a facet or ranges can cover."""
ASKED_LIMITED = 5
"""The same where strict mode limits the rate of reads."""
FACET_VALUES = 5000
"""Up to so many different values a facet covers all (20 ms for a thousand of them)."""
RANGES = 100
"""That an order is cut into where its values are more than `ASKED`."""
PLACES = 100
PAIRS = 20
"""Texts of which two words are asked for together."""
_LOOKED_AT = 20_000
"""Different values of a field that are looked at, and distinct entries of payloads that they are taken from."""
_LETTERS = 4_000_000
"""Of texts that are looked at."""
_LONGEST = 200
"""Longer values are not asked for: keyword fields hold names, not novels."""
_AT_ONCE = 4
_SHOWN = 100
_WORD = re.compile(r"\w{1,40}")
_MATCHED = frozenset({"keyword", "uuid", "integer", "bool"})
_ORDERED = frozenset({"integer", "float", "datetime"})
_NOT_ASKABLE = (RequestRejected, BadInput, NotFound, Unsupported)
"""An old server, strict mode, an index that was dropped: the schema tells of it."""
_Value = str | int | float | tuple[float, float]


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a payload index."""

    path: str
    """The indexed field."""
    words: str
    """The question in words: `section = games`."""
    filter: Mapping[str, object] = field(hash=False, compare=False)
    of_values: int = field(default=1, hash=False, compare=False)
    """How many of the field's values it asks for, that no other question does."""


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the different values of indexed fields were asked for."""

    asked: int = 0
    known: int = 0
    more: bool = False
    """Whether there may be more than are known."""

    def __add__(self, other: "Share") -> "Share":
        return Share(self.asked + other.asked, self.known + other.known, self.more or other.more)

    @property
    def words(self) -> str:
        """`every indexed value`, `500 of 12 000 indexed values`."""
        if self.asked == self.known and not self.more:
            return "every indexed value"
        known = f"{'more than ' if self.more else ''}{number(self.known)}"
        return f"{number(self.asked)} of {known} indexed values"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the indexes of a collection answered."""

    asked: Mapping[Probe, int] = field(default_factory=dict)
    facets: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Indexed field to each of its values, as text, to the points that have it."""
    share: Share = field(default_factory=Share)

    def __len__(self) -> int:
        return len(self.asked) + sum(map(len, self.facets.values()))

    def words(self) -> dict[str, int]:
        """Every question in words, with its count."""
        each = {_match_words(name, value): count for name, of in self.facets.items() for value, count in of.items()}
        return {probe.words: count for probe, count in self.asked.items()} | each


class ProbeFinder:
    """Looks at points as they pass, and keeps the different values of every indexed field."""

    def __init__(self, schema: Mapping[str, Fields], *, whole: bool = True, limited: bool = False) -> None:
        """`schema`: indexed field to what the server says of its index; `whole`: whether every point will pass."""
        self._fields = {name: _Field(name, index) for name, index in sorted(schema.items())}
        self._whole, self._limited = whole, limited

    def look(self, page: Page) -> None:
        for one in self._fields.values():
            one.look(page)

    def count(self, database: "Database", collection: str, *, seconds: float = math.inf) -> Counts:
        """Ask for everything that was found, of every field in turn, until about so many seconds are over.

        While a segment is made anew it may have no index yet, and every question takes a look at each of its points.
        """
        most = ASKED_LIMITED if self._limited else ASKED
        facets: dict[str, Mapping[str, int]] = {}
        for one in self._fields.values():
            if one.is_matched and self._whole and not one.more and len(one.values) <= FACET_VALUES:
                facet = _facet(database, collection, one.name)
                facets |= {one.name: facet} if facet is not None else {}
        probes = {name: one.probes(most, faceted=name in facets) for name, one in self._fields.items()}
        in_turn = [probe for row in zip_longest(*probes.values()) for probe in row if probe is not None]
        asked = _counted(database, collection, in_turn, seconds)
        share = Share()
        for name, one in self._fields.items():
            of_values = sum(probe.of_values for probe in asked if probe.path == name)
            covered = len(one.values) if name in facets else min(of_values, len(one.values))
            share += Share(covered, len(one.values), more=one.more or not self._whole)
        return Counts(asked, facets, share)


def count_again(database: "Database", collection: str, earlier: Counts) -> Counts:
    """The same questions as in an earlier reading."""
    facets = {name: _facet(database, collection, name) for name in earlier.facets}
    found = {name: facet for name, facet in facets.items() if facet is not None}
    return Counts(_counted(database, collection, earlier.asked), found, earlier.share)


def changed_counts(before: Counts, after: Counts, others: Collection[str]) -> Iterator[Difference]:
    """The counts that differ, but for fields (`others`) of which it is known that their index is another."""
    for probe, count in before.asked.items():
        now = after.asked.get(probe)
        if now is not None and now != count and probe.path not in others:
            yield _difference(probe.path, probe.words, count, now)
    for name in sorted((before.facets.keys() & after.facets.keys()) - set(others)):
        old, new = before.facets[name], after.facets[name]
        values = [value for value in sorted(old.keys() | new.keys()) if old.get(value, 0) != new.get(value, 0)]
        for value in values[:_SHOWN]:
            yield _difference(name, _match_words(name, value), old.get(value, 0), new.get(value, 0))


def _difference(path: str, words: str, before: int, after: int) -> Difference:
    facts: dict[str, JsonValue] = {"filter": words, "before": before, "after": after}
    return Difference(code="filter_count", name=path, facts=facts)


def _facet(database: "Database", collection: str, name: str) -> dict[str, int] | None:
    """Points by value; None where the server has no answer. Values of no point are left out: they come and go."""
    try:
        return {str(value): count for value, count in database.facet(collection, name, limit=2 * FACET_VALUES) if count}
    except _NOT_ASKABLE:
        return None


def _counted(
    database: "Database", collection: str, probes: Collection[Probe], seconds: float = math.inf
) -> dict[Probe, int]:
    def count(probe: Probe) -> int | None:
        if time.monotonic() > end:
            return None
        try:
            return database.count(collection, filter=probe.filter)
        except _NOT_ASKABLE:
            return None

    end = time.monotonic() + seconds
    if len(probes) < 2 * _AT_ONCE:  # threads cost more than they bring
        counts = [count(probe) for probe in probes]
    else:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="count") as pool:
            counts = list(pool.map(count, probes))
    return {probe: found for probe, found in zip(probes, counts, strict=True) if found is not None}


class _Field:
    """What was seen of one indexed field."""

    def __init__(self, name: str, index: Fields) -> None:
        self.name = name
        self.more = False
        """Whether not everything was looked at."""
        params = index.get("params") or {}
        self._kind = str(index.get("type") or index.get("data_type") or "")
        self.is_matched = self._kind in _MATCHED and params.get("lookup") is not False
        self._is_ordered = self._kind in _ORDERED and params.get("range") is not False
        self._met: set[int] = set()
        self._letters = 0
        self._pairs: list[str] = []
        self.values: dict[_Value, None] = {}

    def look(self, page: Page) -> None:
        if self.more:
            return
        for entry in dict.fromkeys(page.entries(keys_of(self.name)[0])):
            if (known := hash(entry)) in self._met:
                continue
            if len(self._met) >= _LOOKED_AT or len(self.values) >= _LOOKED_AT or self._letters >= _LETTERS:
                self.more = True
                return
            self._met.add(known)
            for value in values_at(payload_of([entry]), self.name):
                self.values |= dict.fromkeys(self._askable(value))

    def _askable(self, value: object) -> Iterator[_Value]:
        if isinstance(value, bool):
            if self._kind == "bool":
                yield value
        elif isinstance(value, str):
            yield from self._askable_text(value)
        elif isinstance(value, int | float):
            if (self._kind == "float" or (self._kind == "integer" and isinstance(value, int))) and abs(value) < 2**63:
                yield value
        elif isinstance(value, Mapping) and self._kind == "geo" and {"lon", "lat"} <= value.keys():
            yield value["lon"], value["lat"]

    def _askable_text(self, text: str) -> Iterator[str]:
        if self._kind == "text":
            self._letters += len(text)
            words = _WORD.findall(text)
            if len(words) > 1 and len(self._pairs) < PAIRS:
                self._pairs.append(f"{words[0]} {words[-1]}")
            yield from words
        elif self._kind in {"keyword", "uuid", "datetime"} and len(text) <= _LONGEST:
            yield text

    def probes(self, most: int, *, faceted: bool) -> list[Probe]:
        """The questions to this index. `faceted`: its values were asked for by a facet already."""
        return [*self._of_values(most, faceted=faceted), *self._of_emptiness()]

    def _of_values(self, most: int, *, faceted: bool) -> Iterator[Probe]:
        some = list(self.values)[:most]
        if self.is_matched and not faceted:
            yield from (self._probe(_match_words(self.name, one), {"match": {"value": one}}) for one in some)
        if self._is_ordered:
            covered = 0 if self.is_matched else len(self.values)
            ranges = list(_ranges(list(self.values), most))
            yield from (self._range(*ends, of_values=-(-covered // len(ranges))) for ends in ranges)
        if self._kind == "text":
            yield from (self._probe(f"{self.name} has {one}", {"match": {"text": one}}) for one in some)
            yield from (self._probe(f"{self.name} has {two}", {"match": {"text": two}}, 0) for two in self._pairs)
        if self._kind == "geo":
            yield from (self._near(*one) for one in some[:PLACES] if isinstance(one, tuple))

    def _of_emptiness(self) -> Iterator[Probe]:
        for words in ("empty", "null"):
            condition = {"must": [{f"is_{words}": {"key": self.name}}]}
            yield Probe(self.name, f"{self.name} is {words}", condition, 0)

    def _probe(self, words: str, condition: Mapping[str, object], of_values: int = 1) -> Probe:
        return Probe(self.name, words, {"must": [{"key": self.name, **condition}]}, of_values)

    def _range(self, first: _Value | None, last: _Value | None, of_values: int) -> Probe:
        ends = {"gte": first, "lte" if first == last else "lt": last}
        words = f"{'' if first is None else first}..{'' if last is None else last}"
        condition = {"range": {key: end for key, end in ends.items() if end is not None}}
        return self._probe(f"{self.name} in {words}", condition, of_values)

    def _near(self, lon: float, lat: float) -> Probe:
        condition = {"geo_radius": {"center": {"lon": lon, "lat": lat}, "radius": 1000.0}}
        return self._probe(f"{self.name} = {lon}, {lat}", condition)


def _match_words(name: str, value: object) -> str:
    return f"{name} = {value}"


def _ranges(values: list[_Value], most: int) -> Iterator[tuple[_Value | None, _Value | None]]:
    """First and last of each range. Each value alone where they are few; else ranges that leave nothing out.

    The last of a range does not belong to it, unless it is the only one; None: no end.
    """
    ordered = sorted(values, key=_order)
    if len(ordered) <= most:
        yield from zip(ordered, ordered, strict=True)
        return
    ranges = min(most, RANGES)
    cuts = [ordered[len(ordered) * number // ranges] for number in range(1, ranges)]
    yield from zip([None, *cuts], [*cuts, None], strict=True)


def _order(value: _Value) -> tuple[float, str]:
    if isinstance(value, int | float):
        return float(value), ""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return 0.0, str(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp(), ""


def values_at(payload: Mapping[str, object], path: str) -> Iterator[object]:
    """The values a payload path leads to, `a.b` and `a[].b` alike; a list stands for each of its items."""
    found: list[object] = [payload]
    for key in keys_of(path):
        found = [item[key] for item in found if isinstance(item, Mapping) and key in item]
        found = [one for item in found for one in (item if isinstance(item, list) else [item])]
    yield from found


def keys_of(path: str) -> list[str]:
    return path.replace("[]", "").split(".")
