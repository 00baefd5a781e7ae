"""The one narrow gateway to what a Qdrant holds. No type of gRPC or of the HTTP client leaves it."""

import math
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    NotFound,
)
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.catalog import Catalog, Filter
from qdrant_admin.database.ids import id_key, point_id
from qdrant_admin.database.models import (
    Feature,
    Fields,
    Floats,
    Hit,
    Kinds,
    Point,
    PointId,
    PointPage,
    Sparse,
    Vector,
)
from qdrant_admin.database.names import check_collection_name
from qdrant_admin.database.snapshots import Snapshots

if TYPE_CHECKING:
    from qdrant_admin.database.bulk import Bulk
    from qdrant_admin.database.wire import Page, WirePage

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
    def _bulk(self) -> "Bulk":
        """Loaded when points are wanted: it brings numpy along."""
        with self._opening:
            if self._opened is None:
                from qdrant_admin.database.bulk import Bulk

                self._opened = Bulk(self._endpoint, self, self._rest, self._slow)
            return self._opened

    @property
    def transport(self) -> str:
        """Which way bulk data goes, in words: `gRPC (port 6334)`, or REST and why."""
        return self._bulk.transport

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
        return self._bulk.rest.page(
            name, kinds, limit=limit, offset=offset, payload=True, vectors=with_vectors, filter=filter
        )

    def retrieve(
        self, name: str, ids: Iterable[PointId], *, with_vectors: bool = True, kinds: Kinds | None = None
    ) -> list[Point]:
        """The points of these ids that exist, in the order asked for.

        Args:
            name: collection or alias.
            ids: which ones.
            with_vectors: whether to read vectors.
            kinds: of its vectors by name, where the caller knows them already: it saves a request.
        """
        wanted = [point_id(one) for one in ids]
        if not wanted:
            return []
        kinds = kinds or self._kinds(name)
        pages = self._bulk.retrieve(name, wanted, kinds, vectors=with_vectors)
        found = {point.id: point for page in pages for point in self._bulk.points(name, page, kinds)}
        return [found[one] for one in dict.fromkeys(wanted) if one in found]

    def point(self, name: str, id: PointId) -> Point:  # noqa: A002 - Qdrant's own word
        """One point whole.

        Raises:
            NotFound: no such collection, or no such point in it.
        """
        found = self.retrieve(name, [id])
        if not found:
            raise NotFound(
                f"there is no point {plain(id)} in “{plain(name)}”", fix=Command("points", "list", plain(name))
            )
        return found[0]

    def scan(self, name: str, *, page_size: int = 512, after: PointId | None = None) -> Iterator[list[Point]]:
        """Every point, a page at a time, in the server's order; never an empty page.

        Args:
            name: collection or alias.
            page_size: points a request.
            after: the last id of an earlier scan, to go on behind it; it need not exist any more.
        """
        kinds = self._kinds(name)
        behind = None if after is None else point_id(after)
        for page in self._bulk.pages(name, kinds, limit=page_size, offset=behind):
            points = self._bulk.points(name, page, kinds)
            if behind is not None:
                points = [point for point in points if point.id != behind]
            behind = None
            if points:
                yield points

    def pages_to_hash(self, name: str, kinds: Kinds) -> Iterator["Page"]:
        """Every point, a page at a time, in the server's order, for who wants hashes; the last page may be empty.

        Args:
            name: collection or alias.
            kinds: of its vectors by name.
        """
        check_collection_name(name)
        return self._bulk.pages_of_one_size(name, kinds)

    def points_to_hash(self, name: str, ids: Sequence[PointId], kinds: Kinds) -> Iterator["Page"]:
        """The points of these ids that exist, in no order, for who wants their hashes."""
        check_collection_name(name)
        return self._bulk.retrieve(name, ids, kinds)

    def scan_ids(self, name: str) -> Iterator[list[PointId]]:
        """Every id, a page at a time, in the server's order; never an empty page."""
        check_collection_name(name)
        pages = self._bulk.pages(name, {}, limit=_IDS_A_PAGE, content=False)
        return (page.ids() for page in pages if len(page))

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool = True, checked: bool = False) -> None:
        """Write points, in their order, in requests cut to size. Not atomic: after an error, read back what is there.

        Args:
            name: the collection.
            points: whole.
            wait: whether to wait until they are applied and durable.
            checked: that the caller has looked at every vector and payload, so that it need not be done again.

        Raises:
            BadInput: an id, payload or vector that a server would refuse or change in silence; nothing was sent.
        """
        check_collection_name(name)
        if points:
            self._bulk.upsert(name, points, wait=wait, checked=checked)

    @property
    def carries_wire(self) -> bool:
        """Whether points can pass from and to this server as the bytes that they are on the wire."""
        return self._bulk.carries_wire

    def wire_pages(
        self, name: str, *, page_size: int, after: PointId | None = None, until: PointId | None = None
    ) -> Iterator["WirePage"]:
        """Every point of a span, a page at a time, in the server's order, left as it came; never an empty page.

        Args:
            name: collection or alias.
            page_size: points a request.
            after: go on behind this id; it need not exist any more.
            until: the last id that belongs to it; it need not exist either.

        Raises:
            Unsupported: `carries_wire` says no.
        """
        check_collection_name(name)
        offset, behind = after, after
        while True:
            page = self._bulk.wire_page(name, limit=page_size, offset=offset)
            following = page.next_offset
            if behind is not None and len(page) and page.first() == behind:
                page.drop(first=1)
            if until is not None and len(page) and id_key(page.last()) >= id_key(until):
                end = id_key(until)
                if id_key(page.last()) > end:
                    page.drop(last=sum(id_key(one) > end for one in page.ids()))
                following = None
            if len(page):
                yield page
            if following is None:
                return
            offset, behind = following, None

    def found(self, name: str, ids: Sequence[PointId]) -> "WirePage":
        """The points of these ids (as a server keeps them) that exist, left as they came; only where `carries_wire`."""
        check_collection_name(name)
        return self._bulk.found(name, ids)

    def upsert_wire(self, name: str, page: "WirePage", *, wait: bool = True) -> None:
        """Write a page of another server as it came. Nothing in it is looked at; see `WirePage.look`."""
        check_collection_name(name)
        self._bulk.upsert_wire(name, page, wait=wait)

    def upsert_encoded(self, name: str, points: Sequence[bytes], *, wait: bool = True) -> None:
        """Write points that `encoding.matrix_bytes` made. Nothing in them is looked at; only where `carries_wire`."""
        check_collection_name(name)
        self._bulk.upsert_encoded(name, points, wait=wait)

    def sample_ids(self, name: str, count: int) -> list[PointId]:
        """Ids of points taken at random, at most so many, in the server's own order."""
        Feature.QUERY.require(self.server().version)
        body = {"query": {"sample": "random"}, "limit": count, "with_payload": False, "with_vector": False}
        found = self._rest.call("POST", f"{self._path(name)}/points/query", body, timeout=self._slow)["points"]
        return sorted({point_id(one["id"]) for one in found}, key=id_key)

    def delete_points(self, name: str, ids: Iterable[PointId], *, wait: bool = True) -> None:
        """Delete points by id; ids that are not there are no error."""
        wanted = [point_id(one) for one in ids]
        for start in range(0, len(wanted), 1000):
            body = {"points": wanted[start : start + 1000]}
            self._rest.call("POST", f"{self._path(name)}/points/delete", body, timeout=self._slow, params=_wait(wait))

    def set_payload(self, name: str, ids: Iterable[PointId], payload: Fields, *, wait: bool = True) -> None:
        """Write these fields into the payload of points that are there; others of their fields stay."""
        body = {"payload": dict(payload), "points": [point_id(one) for one in ids]}
        self._rest.call("POST", f"{self._path(name)}/points/payload", body, timeout=self._slow, params=_wait(wait))

    def search(
        self,
        name: str,
        *,
        vector: Floats | Sparse | None = None,
        id: PointId | None = None,  # noqa: A002 - Qdrant's own word
        using: str = "",
        limit: int = 10,
        filter: Filter | None = None,  # noqa: A002 - Qdrant's own word
    ) -> list[Hit]:
        Feature.QUERY.require(self.server().version)
        from qdrant_admin.database.rest_points import point_from_json, vector_to_json

        query = vector_to_json(vector) if vector is not None else point_id(id)
        body: dict[str, object] = {"query": query, "limit": limit, "with_payload": True, "with_vector": False}
        if using:
            body["using"] = using
        if filter:
            body["filter"] = dict(filter)
        kinds = self._kinds(name)
        found = self._rest.call("POST", f"{self._path(name)}/points/query", body, timeout=self._slow)["points"]
        return [Hit(point_from_json(raw, kinds), float(raw["score"])) for raw in found]

    def nearest(
        self, name: str, vectors: Sequence[Vector], *, using: str = "", limit: int, exact: bool
    ) -> list[list[tuple[PointId, float]]]:
        """Ids and scores of the points nearest to each of some vectors, the best first; all in one request.

        Args:
            name: collection or alias.
            vectors: of any kind.
            using: name of the vector that is searched.
            limit: points for each.
            exact: whether every point is looked at, as it is stored, instead of following the index.
        """
        Feature.QUERY.require(self.server().version)
        from qdrant_admin.database.rest_points import vector_to_json

        params: dict[str, object] = {"exact": True, "quantization": {"ignore": True}} if exact else {"exact": False}
        each: dict[str, object] = {"limit": limit, "with_payload": False, "with_vector": False, "params": params}
        each |= {"using": using} if using else {}
        body = {"searches": [{"query": vector_to_json(vector), **each} for vector in vectors]}
        answers = self._rest.call("POST", f"{self._path(name)}/points/query/batch", body, timeout=self._slow)
        return [[(point_id(one["id"]), _score(one["score"])) for one in answer["points"]] for answer in answers]


def _score(said: float | None) -> float:
    return math.nan if said is None else float(said)


def _wait(wait: bool) -> dict[str, str]:  # the flag itself is the word
    return {"wait": str(wait).lower()}
