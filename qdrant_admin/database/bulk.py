"""Bulk reads and writes by the fastest way that answers: gRPC with compression off, else REST.

One decision for the life of a gateway: asked once, kept, and told in words.
"""

import itertools
import secrets
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.errors import AccessDenied, AdminError, Unsupported
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.database import encoding
from qdrant_admin.database.ids import id_key, point_id
from qdrant_admin.database.models import Feature, Kinds, Point, PointId, ShardKey
from qdrant_admin.database.names import check_collection_name
from qdrant_admin.database.rest_points import RestPoints, check_point, in_shard
from qdrant_admin.database.wire import MadePage, Page, WirePage

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_admin.database.gateway import Database
    from qdrant_admin.database.grpc_points import GrpcPoints
    from qdrant_admin.database.rest import Rest

MAX_BATCH_POINTS = 1000
_PROBE_SECONDS = 3.0
_LEAST_KNOCKS = 4
_BURSTS = 2
"""Of health checks, in each of which all have to be counted: one could agree by chance with those of a monitor."""
_TRIES = 3
"""Somebody else's health check or new collection may come between."""
_SCANS = 16
"""Scans that can read ahead at the same time; more of them wait for each other."""
_FIRST_POINTS, _MOST_POINTS, _USUAL_POINTS = 64, 2048, 512
_PAGE_OCTETS = 2 * 1024 * 1024
"""About the size of a page to be hashed. The next one is fetched meanwhile, by a thread that waits for its turn."""
_Item = TypeVar("_Item")


class Bulk:
    """Pages, points by id and upserts of one server; every collection name is checked before any request."""

    def __init__(
        self,
        endpoint: Endpoint,
        database: "Database",
        rest: "Rest",
        timeout: float,
        look: "Callable[[], object] | None" = None,
    ) -> None:
        self._endpoint, self._database, self._timeout, self._look = endpoint, database, timeout, look
        self.rest = RestPoints(rest, timeout)
        """The way that is always open."""
        self._lock = threading.Lock()
        self._grpc: GrpcPoints | None = None
        self._decided, self._another = "", False
        self._readers = ThreadPoolExecutor(_SCANS, thread_name_prefix="read-ahead")

    def close(self) -> None:
        """Wait for the pages that are being read ahead, and close the channel, if there is one."""
        self._readers.shutdown(cancel_futures=True)
        with self._lock:
            if self._grpc is not None:
                self._grpc.close()
                self._grpc = None
                self._decided = ""

    @property
    def transport(self) -> str:
        """Which way bulk data goes, in words: `gRPC (port 6334)`, or REST and why."""
        self._way()
        return self._decided

    @property
    def leads_elsewhere(self) -> bool:
        """Whether another server than the one that answers over REST was found at the gRPC port."""
        self._way()
        return self._another

    def told(self) -> Events:
        """A warning where a gRPC port is known and not used, with the reason."""
        if self._endpoint.grpc_port is not None and not self.carries_wire:
            yield Notice(level="warning", text=f"everything goes over {self.transport}")

    @property
    def upserts(self) -> int:
        """Upserts over gRPC that the server has answered."""
        return self._grpc.upserts if self._grpc is not None else 0

    @property
    def carries_wire(self) -> bool:
        """Whether points can pass as the bytes that they are."""
        return self._way() is not None

    # -- reading --------------------------------------------------------------------------------------------------

    def pages(
        self,
        name: str,
        kinds: Kinds,
        *,
        limit: int,
        offset: PointId | None = None,
        content: bool = True,
        shard: ShardKey | None = None,
    ) -> Iterator[Page]:
        """Pages in the server's order, from `offset` on; without `content` the points have nothing but ids.

        With `shard` only the points of the shards of this key. Without it a point whose id is in several shards comes
        once.
        """
        check_collection_name(name)
        ask = partial(self._page, name, kinds, limit=limit, content=content, shard=shard)
        return self._ahead(ask(offset=offset), lambda page: ask(offset=page.next_offset))

    def pages_of_one_size(self, name: str, kinds: Kinds, shard: ShardKey | None = None) -> Iterator[Page]:
        """Every point in the server's order, in pages of about as many bytes, to be hashed; the last may be empty."""
        check_collection_name(name)
        ask = partial(self._page, name, kinds, content=True, shard=shard)
        first = ask(limit=_FIRST_POINTS, offset=None)
        return self._ahead(first, lambda page: ask(limit=_points_like(page), offset=page.next_offset))

    def _ahead(self, page: Page, ask: "Callable[[Page], Page]") -> Iterator[Page]:
        """A page and all behind it. From the second on, the next is read ahead; not before, as many want only one."""
        coming: Future[Page] | None = None
        try:
            while True:
                yield page
                if page.next_offset is None:
                    return
                page = ask(page) if coming is None else coming.result()
                coming = None if page.next_offset is None else self._readers.submit(ask, page)
        finally:
            if coming is not None:
                coming.cancel()

    def _page(
        self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None, content: bool, shard: ShardKey | None
    ) -> Page:
        way = self._way()
        if way is not None:
            return way.page(name, limit=limit, offset=offset, content=content, shard=shard)
        only = in_shard(shard)
        page = self.rest.page(name, kinds, limit=limit, offset=offset, payload=content, vectors=content, only=only)
        return MadePage(page.points, page.next_offset)

    def retrieve(
        self,
        name: str,
        ids: Sequence[PointId],
        kinds: Kinds,
        *,
        vectors: bool = True,
        shard: ShardKey | None = None,
    ) -> Iterator[Page]:
        """The points of these ids (as a server keeps them) that exist, in no order."""
        check_collection_name(name)
        return self._retrieve(name, ids, kinds, vectors=vectors, shard=shard)

    def _retrieve(
        self, name: str, ids: Sequence[PointId], kinds: Kinds, *, vectors: bool, shard: ShardKey | None
    ) -> Iterator[Page]:
        way = self._way()
        for part in _parts(ids):
            if way is not None:
                yield way.retrieve(name, part, vectors=vectors, shard=shard)
            else:
                yield MadePage(self.rest.retrieve(name, part, kinds, vectors=vectors, shard=shard))

    def points(self, name: str, page: Page, kinds: Kinds, shard: ShardKey | None = None) -> list[Point]:
        """The points of a page. Every payload that gRPC may have rounded (integers above 2^63-1) is read again."""
        points, doubtful = page.points(kinds), list(page.doubtful().values())
        if doubtful:
            again = self.rest.retrieve(name, doubtful, kinds, vectors=False, shard=shard)
            payloads = {point.id: point.payload for point in again}
            for point in points:
                point.payload = payloads.get(point.id, point.payload)
        return points

    def wire_pages(
        self, name: str, *, page_size: int, after: PointId | None = None, until: PointId | None = None
    ) -> Iterator[WirePage]:
        """The points behind the id `after` up to `until`, neither of which has to exist, as they came, page by page.

        In the server's order, never an empty page. `Unsupported` where `carries_wire` says no.
        """
        check_collection_name(name)
        offset, behind = after, after
        while True:
            page = self._wire_way().page(name, limit=page_size, offset=offset)
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

    def found(self, name: str, ids: Sequence[PointId]) -> WirePage:
        """The points of these ids (as a server keeps them) that exist, as they came. Only where `carries_wire`."""
        check_collection_name(name)
        return self._wire_way().retrieve(name, ids)

    # -- writing --------------------------------------------------------------------------------------------------

    def upsert_wire(self, name: str, page: WirePage, *, wait: bool = True) -> None:
        """Write a page of another server as it came, unchecked; see `WirePage.look`."""
        check_collection_name(name)
        self._wire_way().upsert_page(name, page, wait=wait)

    def upsert_encoded(self, name: str, points: Sequence[bytes], *, wait: bool = True) -> None:
        """Write points that `encoding.matrix_bytes` made, unchecked. Only where `carries_wire`."""
        check_collection_name(name)
        self._wire_way().upsert(name, points, wait=wait)

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool, checked: bool) -> None:
        """Write the points, in their order, cut to what a server takes; see `Database.upsert`."""
        check_collection_name(name)
        for point in () if checked else points:
            check_point(point)
        for part in _parts(points):
            way = self._way()
            if way is None:
                self.rest.upsert(name, part, wait=wait)
                continue
            # Runs, not two heaps: of two points with one id the last must win.
            for by_rest, run in itertools.groupby(map(_encoded, part), key=lambda made: isinstance(made, Point)):
                if by_rest:
                    self.rest.upsert(name, [one for one in run if isinstance(one, Point)], wait=wait)
                else:
                    way.upsert(name, [one for one in run if isinstance(one, bytes)], wait=wait)

    # -- the way --------------------------------------------------------------------------------------------------

    def _wire_way(self) -> "GrpcPoints":
        way = self._way()
        if way is None:
            raise Unsupported("points cannot pass as they are", why=f"they go over {self._decided}")
        return way

    def _way(self) -> "GrpcPoints | None":
        with self._lock:
            if not self._decided:
                self._decided = self._decide()
            return self._grpc

    def _decide(self) -> str:
        port = self._endpoint.grpc_port
        if port is None:
            return "REST (gRPC is closed)"
        if stranger := self._endpoint.grpc_stranger:
            return f"REST ({stranger} listens at gRPC port {port})"
        version = self._database.server().version
        if not Feature.GRPC_VECTORS.known_to(version):
            return f"REST (the server is {version or 'of an unknown version'}, too old for typed vectors over gRPC)"
        from qdrant_admin.database.grpc_points import GrpcPoints

        way = GrpcPoints(self._endpoint, self._timeout, self._look)
        try:
            doubt = self._doubt(way)
        except AccessDenied:
            way.close()
            raise
        except AdminError as error:
            doubt = f"gRPC port {port} does not answer: {error.why or error.what}"
        if doubt:
            way.close()
            return f"REST ({doubt})"
        self._grpc = way
        return f"gRPC (port {port})"

    def _doubt(self, way: "GrpcPoints") -> str:
        """Why both ports may be different servers, in words; empty when they are surely one.

        Two servers can be alike in version, collections and points. So the server at the REST port has to count the
        health checks that are sent to the gRPC port, whose number is random. They go without the key: it is for nobody
        but the server that has shown itself.
        """
        port = self._endpoint.grpc_port
        another = f"another server answers at gRPC port {port}"
        info, (version, commit) = self._database.server(), way.knock(_PROBE_SECONDS)
        if version != info.version or (commit and info.commit and commit != info.commit):
            self._another = True
            return another
        for _ in range(_TRIES):
            names = frozenset(self._database.names())  # a wrong key is told before anything else
            sent = [_LEAST_KNOCKS + secrets.randbelow(_LEAST_KNOCKS) for _ in range(_BURSTS)]
            counted = [self._counted(way, knocks) for knocks in sent]
            if None in counted:
                return f"the server does not tell whether gRPC port {port} is its own"
            if counted == sent and way.names(_PROBE_SECONDS) == names:
                return ""
        self._another = True
        return another

    def _counted(self, way: "GrpcPoints", knocks: int) -> int | None:
        """How many health checks the server at the REST port counted while so many were sent to the gRPC port."""
        before = self._database.health_checks()
        for _ in range(knocks):
            way.knock(_PROBE_SECONDS)
        after = self._database.health_checks()
        return None if before is None or after is None else after - before


def _encoded(point: Point) -> bytes | Point:
    """The bytes of a point; itself when its payload has what gRPC cannot carry (beyond 64 bits, nested deeply)."""
    try:
        return encoding.point_bytes(point_id(point.id), point.payload, point.vectors)
    except (encoding.NotEncodable, UnicodeEncodeError):
        return point


def _points_like(page: Page) -> int:
    if not page.octets or not len(page):
        return _USUAL_POINTS
    return max(1, min(_MOST_POINTS, _PAGE_OCTETS * len(page) // page.octets))


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), MAX_BATCH_POINTS):
        yield items[start : start + MAX_BATCH_POINTS]
