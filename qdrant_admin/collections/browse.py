"""Looking at collections and points. Reads only."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qdrant_admin.collections.named import named
from qdrant_admin.collections.reports import (
    CollectionReport,
    CollectionsReport,
    PointReport,
    PointsReport,
    ShownPoint,
    ShownVector,
)
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.values import JsonValue

if TYPE_CHECKING:
    from qdrant_admin.database.models import Floats, Point, PointId, Sparse, Vector
    from qdrant_admin.workspace import Workspace

_CLAUSES = ("must", "should", "must_not", "min_should")
_EXAMPLE = '{"must": [{"key": "lang", "match": {"value": "en"}}]}'
_FILTER_FIX = Command("points", "list", "memories", filter=_EXAMPLE)
_VECTOR_FIX = Command("points", "search", "memories", vector="[0.1, 0.2, 0.3]")
_SPARSE_FIX = Command("points", "search", "memories", vector='{"indices": [1, 7], "values": [0.5, 0.25]}')
Filter = Mapping[str, JsonValue]


def list_collections(ws: "Workspace") -> CollectionsReport:
    with ws.database() as database:
        return CollectionsReport(collections=tuple(database.collections()))


def show_collection(ws: "Workspace", name: str) -> CollectionReport:
    """One collection, by its name or an alias. Raises as `named`."""
    with ws.database() as database:
        found = named(ws, database, name)
        return CollectionReport(collection=database.collection(found.name), alias=found.alias)


def list_points(
    ws: "Workspace",
    name: str,
    *,
    filter: Filter | str | None = None,  # noqa: A002 - Qdrant's own word
    limit: int = 20,
    offset: "PointId | None" = None,
    with_vectors: bool = False,
) -> PointsReport:
    """One page of points in the server's order, from the id `offset` on: `next_offset` of the page before.

    Raises as `named`, and `BadInput` when the filter is not one of Qdrant's, or the offset is not a point id.
    """
    where = read_filter(filter)
    start = None if offset is None else _id(offset)
    with ws.database() as database:
        found = named(ws, database, name)
        page = database.page(found.name, limit=limit, offset=start, filter=where, with_vectors=with_vectors)
    points = tuple(map(shown_point, page.points))
    return PointsReport(collection=found.name, alias=found.alias, points=points, next_offset=page.next_offset)


def show_point(ws: "Workspace", name: str, id: "PointId") -> PointReport:  # noqa: A002 - Qdrant's own word
    """One point whole. Raises as `named`, `BadInput` for what is not an id, `NotFound` where there is no such point."""
    wanted = _id(id)
    with ws.database() as database:
        found = named(ws, database, name)
        point = shown_point(database.point(found.name, wanted))
    return PointReport(collection=found.name, alias=found.alias, point=point)


def search_points(
    ws: "Workspace",
    name: str,
    *,
    point: "PointId | None" = None,
    vector: object = None,
    using: str = "",
    limit: int = 10,
    filter: Filter | str | None = None,  # noqa: A002 - Qdrant's own word
) -> PointsReport:
    """The nearest points to one that is there, or to a vector, nearest first.

    The point to compare with is not among those found. Vector and filter are as `read_vector` and `read_filter` take
    them; `using` is the name of the vector to search by, empty for the unnamed one.

    Raises as `named`, and besides:
        BadInput: not exactly one of point and vector, or one that cannot be read.
        NotFound: no such point.
        RequestRejected: the vector does not fit the collection.
    """
    if (point is None) == (vector is None):
        raise BadInput("a search needs a point or a vector, and not both", fix=Command("points", "search", help=True))
    where = read_filter(filter)
    query = None if vector is None else read_vector(vector)
    wanted = None if point is None else _id(point)
    with ws.database() as database:
        found = named(ws, database, name)
        hits = database.search(found.name, vector=query, id=wanted, using=using, limit=limit, filter=where)
    points = tuple(shown_point(hit, score=score) for hit, score in hits)
    return PointsReport(collection=found.name, alias=found.alias, points=points)


def read_filter(given: Filter | str | None) -> dict[str, JsonValue] | None:
    """A payload filter from an object or its JSON text, checked as far as it can be without the server.

    Raises:
        BadInput: not a JSON object, or one with another key than a filter's clauses: the server ignores unknown ones
            and would answer with every point.
    """
    if given is None or given == "":
        return None
    value: object = _json(given, "the filter", _FILTER_FIX) if isinstance(given, str) else given
    if not isinstance(value, Mapping):
        raise BadInput("the filter is not a JSON object", why=plain(given)[:120], fix=_FILTER_FIX)
    unknown = [key for key in value if key not in _CLAUSES]
    if unknown:
        why = f"it has “{plain(unknown[0])[:60]}”, and its clauses are {', '.join(_CLAUSES)}"
        raise BadInput("the filter is not one of Qdrant's", why=why, fix=_FILTER_FIX)
    return dict(value)


def read_vector(given: object) -> "Floats | Sparse":
    """A query vector: a list of numbers, a list of rows or `{"indices": ..., "values": ...}`, or its JSON text.

    Raises `BadInput` for anything else, and for a number that float32 cannot hold.
    """
    import numpy as np

    from qdrant_admin.database.models import Sparse

    value = _json(given, "the vector", _VECTOR_FIX) if isinstance(given, str) else given
    if isinstance(value, Mapping):
        indices, values = value.get("indices"), value.get("values")
        if not isinstance(indices, list) or not all(type(one) is int and 0 <= one < 2**32 for one in indices):
            raise BadInput("the sparse vector has no indices", why="they are integers from 0 up", fix=_SPARSE_FIX)
        if len(set(indices)) != len(indices) or not isinstance(values, list) or len(values) != len(indices):
            raise BadInput("the sparse vector has not one value for each index", fix=_SPARSE_FIX)
        return Sparse(np.array(indices, dtype=np.uint32), _floats(values))
    return _floats(value)


def _floats(value: object) -> "Floats":
    import numpy as np

    multi = isinstance(value, list) and value and all(isinstance(row, list) for row in value)
    rows = [row for row in (value if isinstance(value, list) and multi else [value]) if isinstance(row, list)]
    numbers = all(row and all(type(one) in {int, float} for one in row) for row in rows)
    if not numbers or len({len(row) for row in rows}) != 1:
        raise BadInput("the vector is no list of numbers", why=plain(value)[:120], fix=_VECTOR_FIX)
    largest = float(np.finfo(np.float32).max)
    if not all(abs(one) <= largest for row in rows for one in row):  # NaN is in no order
        raise BadInput("the vector has a component that float32 cannot hold", fix=_VECTOR_FIX)
    return np.array(value, dtype=np.float32)


def shown_point(point: "Point", *, score: float | None = None) -> ShownPoint:
    """A point as JSON, its vectors by name."""
    vectors = tuple(shown_vector(name, point.vectors[name]) for name in sorted(point.vectors))
    return ShownPoint(id=point.id, payload=point.payload, vectors=vectors, score=score)


def shown_vector(name: str, vector: "Vector") -> ShownVector:
    """A vector as JSON. Its size is the number of dimensions; of a sparse one, of entries."""
    from qdrant_admin.database.models import Sparse

    if isinstance(vector, Sparse):
        values = {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
        zero = vector.values.size > 0 and not vector.values.any()
        return ShownVector(name=name, kind="sparse", size=len(vector.indices), values=values, zero=zero)
    kind, size = "multi" if vector.ndim == 2 else "dense", int(vector.shape[-1])
    zero = vector.size > 0 and not vector.any()
    return ShownVector(name=name, kind=kind, size=size, values=vector.tolist(), zero=zero)


def _id(given: "PointId") -> "PointId":
    from qdrant_admin.database.ids import parse_id, point_id

    return parse_id(given) if isinstance(given, str) else point_id(given)


def _json(text: str, what: str, fix: Command) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what} is not JSON", why=plain(error), fix=fix) from error
