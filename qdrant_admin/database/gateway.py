"""The one narrow gateway to what a Qdrant holds. No type of gRPC or of the HTTP client leaves it."""

import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotFound
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.catalog import Catalog, Filter
from qdrant_admin.database.ids import id_key, point_id
from qdrant_admin.database.models import Feature, Fields, Floats, Kinds, Point, PointId, PointPage, Sparse, Vector
from qdrant_admin.database.snapshots import Snapshots

if TYPE_CHECKING:
    from qdrant_admin.database.bulk import Bulk

_IDS_A_PAGE = 10_000


class Database(Catalog):
    """What one server holds. Cheap to make: nothing is contacted before it is needed. Safe to use from threads."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self.snapshots = Snapshots(self._rest)
        """Of its collections, as files."""
        self._endpoint = endpoint
        self._opening = threading.Lock()
        self._opened: Bulk | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        super().close()

    @property
    def bulk(self) -> "Bulk":
        """Points in bulk, as bytes where they can be; loaded when it is wanted: it brings numpy along."""
        with self._opening:
            if self._opened is None:
                from qdrant_admin.database.bulk import Bulk

                self._opened = Bulk(self._endpoint, self, self._rest, self._slow)
            return self._opened

    # -- points -------------------------------------------------------------------------------------------------

    def page(
        self,
        name: str,
        *,
        limit: int,
        offset: PointId | None = None,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
        with_vectors: bool = False,
    ) -> PointPage:
        """One page in the server's order (integers ascending, then UUIDs), from `offset` on."""
        kinds = self._kinds(name)
        return self.bulk.rest.page(
            name, kinds, limit=limit, offset=offset, payload=True, vectors=with_vectors, filter=filter
        )

    def retrieve(
        self, name: str, ids: Iterable[PointId], *, with_vectors: bool = True, kinds: Kinds | None = None
    ) -> list[Point]:
        """The points of these ids that exist, in the order asked for.

        A caller that knows the kinds of the vectors saves a request.
        """
        wanted = [point_id(one) for one in ids]
        if not wanted:
            return []
        kinds = kinds or self._kinds(name)
        pages = self.bulk.retrieve(name, wanted, kinds, vectors=with_vectors)
        found = {point.id: point for page in pages for point in self.bulk.points(name, page, kinds)}
        return [found[one] for one in dict.fromkeys(wanted) if one in found]

    def point(self, name: str, id: PointId) -> Point:  # noqa: A002 - Qdrant's own word
        """One point whole. Raises `NotFound` where there is no such collection, or no such point in it."""
        found = self.retrieve(name, [id])
        if not found:
            what = f"there is no point {plain(id)} in “{plain(name)}”"
            raise NotFound(what, fix=Command("points", "list", plain(name)))
        return found[0]

    def scan(self, name: str, *, page_size: int = 512, after: PointId | None = None) -> Iterator[list[Point]]:
        """Every point, a page at a time, in the server's order; never an empty page.

        `after` is the last id of an earlier scan, to go on behind it; it need not exist any more.
        """
        kinds = self._kinds(name)
        behind = None if after is None else point_id(after)
        for page in self.bulk.pages(name, kinds, limit=page_size, offset=behind):
            points = self.bulk.points(name, page, kinds)
            if behind is not None:
                points = [point for point in points if point.id != behind]
            behind = None
            if points:
                yield points

    def scan_ids(self, name: str) -> Iterator[list[PointId]]:
        """Every id, a page at a time, in the server's order; never an empty page."""
        pages = self.bulk.pages(name, {}, limit=_IDS_A_PAGE, content=False)
        return (page.ids() for page in pages if len(page))

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool = True, checked: bool = False) -> None:
        """Write points, in their order, in requests cut to size. Not atomic: after an error, read back what is there.

        Args:
            name: the collection.
            points: whole.
            wait: whether to wait until they are applied and durable.
            checked: whether the caller has checked every vector and payload already.

        Raises:
            BadInput: an id, payload or vector that a server would refuse or change in silence; nothing was sent.
        """
        self.bulk.upsert(name, points, wait=wait, checked=checked)

    def sample_ids(self, name: str, count: int) -> list[PointId]:
        """Ids of points taken at random, at most so many, in the server's own order."""
        found = self._query(name, {"query": {"sample": "random"}, "limit": count, "with_payload": False})["points"]
        return sorted({point_id(one["id"]) for one in found}, key=id_key)

    def delete_points(self, name: str, ids: Iterable[PointId], *, wait: bool = True) -> None:
        """Delete points by id; ids that are not there are no error."""
        wanted = [point_id(one) for one in ids]
        for start in range(0, len(wanted), 1000):
            self._slowly("POST", name, "/points/delete", {"points": wanted[start : start + 1000]}, wait=wait)

    def set_payload(self, name: str, ids: Iterable[PointId], payload: Fields, *, wait: bool = True) -> None:
        """Write these fields into the payload of points that are there; others of their fields stay."""
        body = {"payload": dict(payload), "points": [point_id(one) for one in ids]}
        self._slowly("POST", name, "/points/payload", body, wait=wait)

    def search(
        self,
        name: str,
        *,
        vector: Floats | Sparse | None = None,
        id: PointId | None = None,  # noqa: A002 - Qdrant's own word
        using: str = "",
        limit: int = 10,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
    ) -> list[tuple[Point, float]]:
        """The points nearest to a vector or to another point, with their scores, the best first."""
        from qdrant_admin.database.rest_points import point_from_json, vector_to_json

        query = vector_to_json(vector) if vector is not None else point_id(id)
        body: dict[str, object] = {"query": query, "limit": limit, "with_payload": True}
        if using:
            body["using"] = using
        if filter:
            body["filter"] = dict(filter)
        found, kinds = self._query(name, body)["points"], self._kinds(name)
        return [(point_from_json(raw, kinds), float(raw["score"])) for raw in found]

    def nearest(
        self, name: str, vectors: Sequence[Vector], *, using: str = "", limit: int, exact: bool
    ) -> list[list[tuple[PointId, float]]]:
        """Ids and scores of the points nearest to each of some vectors, the best first; all in one request.

        With `exact` the server looks at every point, as it is stored, instead of following the index.
        """
        from qdrant_admin.database.rest_points import vector_to_json

        params: dict[str, object] = {"exact": True, "quantization": {"ignore": True}} if exact else {"exact": False}
        each: dict[str, object] = {"limit": limit, "with_payload": False, "params": params}
        each |= {"using": using} if using else {}
        body = {"searches": [{"query": vector_to_json(vector), **each} for vector in vectors]}
        answers = self._query(name, body, "/points/query/batch")
        return [[(point_id(one["id"]), _score(one["score"])) for one in answer["points"]] for answer in answers]

    def _query(self, name: str, body: Mapping[str, object], path: str = "/points/query") -> Any:
        Feature.QUERY.require(self.server().version)
        return self._slowly("POST", name, path, body)


def _score(said: float | None) -> float:
    return math.nan if said is None else float(said)
