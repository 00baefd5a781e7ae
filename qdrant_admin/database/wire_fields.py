"""Payloads and vectors as bytes on the wire: their canonical form, and the values in them.

A scalar of a payload is taken as it came. Only values that contain objects are encoded anew, as the order in an object
differs from read to read. The messages of dense vectors of one name nearly always differ in their floats alone, so
those of a whole page are read as one array.
"""

import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from qdrant_admin.database.canonical import (
    VectorPart,
    dense_shape,
    entry_bytes,
    list_bytes,
    object_bytes,
    plain_floats,
    vector_head,
    vector_part,
)
from qdrant_admin.database.models import Fields, Floats, Kinds, Sparse, Vector, VectorKind
from qdrant_admin.database.protobuf import (
    DOUBLE,
    FIRST,
    INTEGER,
    KEY,
    LIST,
    NULL,
    OBJECT,
    TEXT,
    TRUE,
    messages,
    number_at,
)

_MAYBE_ROUNDED = b"\x09" + DOUBLE
_ROUNDED = re.compile(_MAYBE_ROUNDED + rb"(?:.{6}[\xe0-\xff]\x43|.{7}[\x44-\x7f])", re.DOTALL)
"""A double of 2^63 or more: an integer beyond 2^63-1 comes over gRPC like that. Its length (9) stands before it."""
_NESTING = re.compile(rb"\x12[\x80-\xff]*[\x00-\x7f][\x32\x3a]")
"""The value of an entry, with its length, that is an object or a list. Text that looks like it only costs time."""
_SHORT = 0x7F
"""The greatest length of one byte."""
_TAG = 0x0D
"""Stands before each float that is sent by itself, as 1.16.3 sends them."""
_FLOAT = np.dtype("<f4")
_double = struct.Struct("<d").unpack_from
_Parts = tuple[Iterable[VectorPart], Sequence[int]]
"""Vectors, and the places of those that are not finite."""


def may_be_rounded(raw: bytes) -> bool:
    """Whether a payload, or a part of it, holds a double that may have been an integer of 2^63 or more."""
    return _MAYBE_ROUNDED in raw and _ROUNDED.search(raw) is not None


def needs_order(raw: bytes) -> bool:
    """Whether the sorted entries of one payload, or of several joined, may differ from their canonical form."""
    return _NESTING.search(raw) is not None


def canonical_entries(entries: Iterable[bytes]) -> list[bytes]:
    """The entries of a payload, as `canonical.payload_entries` makes them of its values."""
    return sorted(map(_canonical_entry, entries))


def _canonical_entry(entry: bytes) -> bytes:
    if entry[:1] == KEY and not needs_order(entry):
        return entry
    found = messages()["Entry"].FromString(entry)
    return entry_bytes(found.key, _canonical_value(found.value))


def _canonical_value(raw: bytes) -> bytes:
    if raw[:1] == LIST and OBJECT not in raw:
        return raw
    if raw[:1] not in (OBJECT, LIST):
        return raw or NULL
    found = messages()["Nested"].FromString(raw)
    if found.HasField("object"):
        return object_bytes(map(_canonical_entry, found.object.entries))
    return list_bytes(map(_canonical_value, found.list.values))


def payload_of(entries: Iterable[bytes]) -> Fields:
    """The payload of these entries, or an object in it, however deep it is."""
    parse = messages()["Entry"].FromString
    return {found.key.decode(): _value(found.value) for found in map(parse, entries)}


def _value(raw: bytes) -> Any:
    tag = raw[:1]
    if tag == TEXT:
        return raw[number_at(raw, 1)[1] :].decode()
    if tag == INTEGER:
        number = number_at(raw, 1)[0]
        return number - (1 << 64) if number >= 1 << 63 else number
    if tag == DOUBLE:
        return _double(raw, 1)[0]
    if tag == TRUE[:1]:
        return raw == TRUE
    if tag == OBJECT:
        return payload_of(messages()["Nested"].FromString(raw).object.entries)
    return list(map(_value, messages()["Nested"].FromString(raw).list.values)) if tag == LIST else None


class _Group(NamedTuple):
    """Vectors of one name that came in one of the two forms."""

    name: str
    form: str
    """The message that a vector lies in."""


class Column(NamedTuple):
    """The vectors of one name of some points."""

    name: str
    parts: Iterable[VectorPart | None]
    """In the order of the points; None for a point that has none. Can be iterated once."""
    odd: frozenset[int]
    """Places of the points in which it is not finite."""


def vector_columns(raws: Sequence[bytes], kinds: Kinds) -> list[Column]:
    """The vectors of some points, sorted by name, from a `VectorsOutput` for each point; empty for none."""
    groups = _groups(raws)
    return [_column(group, groups[group], len(raws), kinds.get(group.name, "dense")) for group in sorted(groups)]


def vectors_of(raws: Sequence[bytes], kinds: Kinds) -> list[dict[str, Vector]]:
    """The vectors of some points, those of each by name; read-only. See `vector_columns`."""
    found: list[dict[str, Vector]] = [{} for _ in raws]
    for group, units in _groups(raws).items():
        kind = kinds.get(group.name, "dense")
        rows = _array(group, list(units.values())) if kind == "dense" else None
        if rows is not None:
            rows = np.ascontiguousarray(rows)
            rows.flags.writeable = False
        each = rows if rows is not None else [_vector(group, unit, kind) for unit in units.values()]
        for place, vector in zip(units, each, strict=True):
            found[place][group.name] = vector
    return found


def dense_rows(raws: Sequence[bytes], name: str) -> Floats | None:
    """The dense vectors of that name, a row per point; None unless every point has it, in one size, and no other."""
    groups = _groups(raws)
    for group, units in groups.items():
        if group.name == name and len(groups) == 1 and len(units) == len(raws):
            return _array(group, list(units.values()))
    return None


def _column(group: _Group, units: Mapping[int, bytes], points: int, kind: VectorKind) -> Column:
    parts = _alike(group, list(units.values())) if kind == "dense" else None
    if parts is None:
        each = [vector_part(group.name, _vector(group, unit, kind), kind) for unit in units.values()]
        parts = [part for part, _ in each], [place for place, (_, finite) in enumerate(each) if not finite]
    found, odd = parts
    places = list(units)
    not_finite = frozenset(places[one] for one in odd)
    if len(places) == points:
        return Column(group.name, found, not_finite)
    by_place = dict(zip(places, found, strict=True))
    return Column(group.name, [by_place.get(place) for place in range(points)], not_finite)


def _groups(raws: Sequence[bytes]) -> dict[_Group, dict[int, bytes]]:
    """For each group, the bytes of the points that have it, by their place."""
    alone, parse = _Group("", "FoundVectors"), messages()["FoundVectors"].FromString
    found: dict[_Group, dict[int, bytes]] = {}
    for place, raw in enumerate(raws):
        if raw.startswith(FIRST):
            found.setdefault(alone, {})[place] = raw
        elif raw:
            for entry in parse(raw).several.entries:
                found.setdefault(_Group(_name(entry), "Entry"), {})[place] = entry
    return found


def _name(entry: bytes) -> str:
    if entry.startswith(FIRST) and entry[1] <= _SHORT:
        return entry[2 : 2 + entry[1]].decode()
    return str(messages()["Entry"].FromString(entry).key.decode())


def _vector(group: _Group, unit: bytes, kind: VectorKind) -> Vector:
    raw = messages()["Vector"].FromString(messages()[group.form].FromString(unit).value)
    if kind == "sparse":
        new = raw.HasField("sparse")
        indices, values = (raw.sparse.indices, raw.sparse.values) if new else (raw.indices.data, raw.data)
        keys, floats = np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32)
        order = np.argsort(keys, kind="stable")
        return Sparse(keys[order], floats[order])
    if raw.HasField("multi"):
        return np.array([_floats(row) for row in raw.multi.vectors], dtype=np.float32)
    typed = raw.HasField("dense")
    dense = _floats(raw.dense if typed else raw)
    if kind == "multi":
        # A multivector of one row looks dense over gRPC; only the collection's config tells.
        return dense.reshape(1 if typed else max(1, raw.vectors_count), -1)
    return dense


def _floats(message: Any) -> Floats:
    """The floats of a message whose field 1 holds them; read-only."""
    packed = message.SerializeToString()
    octets, start = number_at(packed, 1) if packed.startswith(FIRST) else (0, 0)
    return np.frombuffer(packed, _FLOAT, octets >> 2, start)


def _alike(group: _Group, units: Sequence[bytes]) -> _Parts | None:
    """The vectors, and places of those that are not finite; None unless `_array` can read them at once."""
    found = _array(group, units)
    if found is None:
        return None
    octets = 4 * found.shape[1]
    head = vector_head(group.name, dense_shape(found.shape[1]), octets)
    floats, finite = plain_floats(found)
    raw = memoryview(floats.view(np.uint8).data).cast("B")
    rows = ((head, raw[start : start + octets]) for start in range(0, len(raw), octets))
    return rows, [] if finite else np.flatnonzero(~np.isfinite(floats).all(axis=1)).tolist()


def _array(group: _Group, units: Sequence[bytes]) -> Floats | None:
    """A row for each unit; None unless they are dense, and the same bytes but for the floats at their end."""
    first = np.asarray(_vector(group, units[0], "dense"), _FLOAT).tobytes()
    width, size = len(units[0]), len(first) >> 2
    if not size or set(map(len, units)) != {width}:
        return None
    joined = b"".join(units)
    octets = np.frombuffer(joined, np.uint8).reshape(-1, width)
    for step in (5, 4):  # each float with a tag, or all of them packed
        start = width - step * size
        if start <= 0 or not (octets[:, :start] == octets[0, :start]).all():
            continue
        if step == 5 and not (octets[:, start::step] == _TAG).all():
            continue
        floats = np.ndarray((len(units), size), _FLOAT, joined, start + step - 4, (width, step))
        if floats[0].tobytes() == first:
            return floats
    return None
