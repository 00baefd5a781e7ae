"""Vectors as the bytes that they are on the wire, in their canonical form, a page at a time.

Nearly always the dense vectors of one name are alike but for their floats, and all of a page are one array.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qdrant_admin.database.canonical import Kinds, VectorPart, dense_shape, plain_floats, vector_head, vector_part
from qdrant_admin.database.grpc_reading import vector_in
from qdrant_admin.database.models import Floats, Vector, VectorKind
from qdrant_admin.database.wire_messages import messages

_FIRST = b"\x0a"
"""How a message begins that has its first field: the only vector of a point, or the name of one of several."""
_SHORT = 0x7F
"""The greatest length of one byte."""
_TAG = 0x0D
"""Stands before each float that is sent by itself, as 1.16.3 sends them."""
_FLOAT = np.dtype("<f4")
_Parts = tuple[Iterable[VectorPart], Sequence[int]]
"""Vectors, and the places of those that are not finite."""


class _Group(NamedTuple):
    """Vectors of one name, and of one of the two ways in which they come."""

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
    """The vectors of some points, sorted by name.

    Args:
        raws: a `VectorsOutput` for each point; empty for none.
        kinds: of vectors by name.
    """
    groups = _groups(raws)
    return [_column(group, groups[group], len(raws), kinds.get(group.name, "dense")) for group in sorted(groups)]


def dense_rows(raws: Sequence[bytes], name: str) -> Floats | None:
    """The vectors of some points, a row each.

    Args:
        raws: as for `vector_columns`.
        name: of the vector.

    Returns:
        None unless each point has this dense one and no other, all of a size.
    """
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
    """What each point has of each group, by its place."""
    alone = _Group("", "SeenVectors")
    found: dict[_Group, dict[int, bytes]] = {}
    for place, raw in enumerate(raws):
        if raw.startswith(_FIRST):
            found.setdefault(alone, {})[place] = raw
        elif raw:
            for entry in messages()["SeenVectors"].FromString(raw).several.entries:
                found.setdefault(_Group(_name(entry), "Entry"), {})[place] = entry
    return found


def _name(entry: bytes) -> str:
    if entry.startswith(_FIRST) and entry[1] <= _SHORT:
        return entry[2 : 2 + entry[1]].decode()
    return str(messages()["Entry"].FromString(entry).key.decode())


def _vector(group: _Group, unit: bytes, kind: VectorKind) -> Vector:
    from qdrant_client import grpc

    return vector_in(grpc.VectorOutput.FromString(messages()[group.form].FromString(unit).value), kind)


def _alike(group: _Group, units: Sequence[bytes]) -> _Parts | None:
    """Dense vectors that are the same bytes but for their floats, and which of them are odd; None when they are not."""
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
