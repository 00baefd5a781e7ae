"""Bulk reads and writes by the fastest way that answers: gRPC with compression off, else REST.

One decision for the life of a gateway: asked once, kept, and told in words.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.core.errors import AccessDenied, AdminError, Unsupported
from qdrant_admin.database import versions
from qdrant_admin.database.models import IdPage, Point, PointId, ServerInfo, UnreadPage
from qdrant_admin.database.pages import MadePage, Page
from qdrant_admin.database.rest_points import Kinds, RestPoints, check_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_admin.database.found_points import FoundPoints
    from qdrant_admin.database.grpc_points import GrpcPoints
    from qdrant_admin.database.wire import WirePage

MAX_BATCH_POINTS = 1000
_PROBE_SECONDS = 3.0
_SCANS = 16
"""Scans that can read ahead at the same time; more of them wait for each other."""
_FIRST_POINTS, _MOST_POINTS, _USUAL_POINTS = 64, 2048, 512
_PAGE_OCTETS = 1024 * 1024
"""A page to be hashed is about so large, whatever the points: a server gives small pages more slowly."""
_Item = TypeVar("_Item")
_Page = TypeVar("_Page", Page, IdPage)


class Bulk:
    """Pages, points by id and upserts of one server.

    Args:
        endpoint: where it answers.
        rest: the way that is always open.
        ask: who answers over REST, and its collections; asked once, to be sure that both ports are one server.
        timeout: seconds for one bulk request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        rest: RestPoints,
        ask: "Callable[[], tuple[ServerInfo, frozenset[str]]]",
        timeout: float,
    ) -> None:
        self._endpoint = endpoint
        self._rest = rest
        self._ask = ask
        self._timeout = timeout
        self._lock = threading.Lock()
        self._grpc: GrpcPoints | None = None
        self._decided = ""
        self._readers = ThreadPoolExecutor(_SCANS, thread_name_prefix="read-ahead")

    def close(self) -> None:
        """Close the channel, if there is one."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._grpc is not None:
                self._grpc.close()
                self._grpc = None
                self._decided = ""

    @property
    def transport(self) -> str:
        """Which way bulk data goes, and why, in words."""
        self._way()
        return self._decided

    def pages(self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None) -> Iterator[list[Point]]:
        """Pages in the server's order, from `offset` on. From the second one on, the next is on its way meanwhile."""
        ask = partial(self._page, name, kinds, limit=limit)
        coming: Future[UnreadPage] | None = None
        page = ask(offset=offset)
        try:
            while True:
                points, doubtful = page.read()
                self._mend(name, points, doubtful, kinds)
                yield points
                if page.next_offset is None:
                    return
                page = coming.result() if coming is not None else ask(offset=page.next_offset)
                following = page.next_offset
                coming = None if following is None else self._readers.submit(ask, offset=following)
        finally:
            if coming is not None:
                coming.cancel()

    def pages_to_hash(self, name: str, kinds: Kinds) -> Iterator[Page]:
        """Every point, for who wants its hash. The next page is on its way meanwhile."""
        ask = partial(self._page_to_hash, name, kinds)
        first = ask(limit=_FIRST_POINTS, offset=None)
        return self._ahead(first, lambda page: ask(limit=_points_like(page), offset=page.next_offset))

    def id_pages(self, name: str, *, limit: int) -> Iterator[IdPage]:
        """Every id, in the server's order. The next page is on its way meanwhile."""
        ask = partial(self._id_page, name, limit)
        return self._ahead(ask(None), lambda page: ask(page.next_offset))

    def _ahead(self, page: _Page, ask: "Callable[[_Page], _Page]") -> Iterator[_Page]:
        """A page and all behind it, each asked for while the one before it is looked at."""
        coming: Future[_Page] | None = None
        try:
            while True:
                if page.next_offset is not None:
                    coming = self._readers.submit(ask, page)
                yield page
                if coming is None:
                    return
                page, coming = coming.result(), None
        finally:
            if coming is not None:
                coming.cancel()

    def _id_page(self, name: str, limit: int, offset: PointId | None) -> IdPage:
        way = self._way()
        if way is not None:
            return way.id_page(name, limit=limit, offset=offset)
        page = self._rest.page(name, {}, limit=limit, offset=offset, payload=False, vectors=False)
        return IdPage(page.next_offset, [point.id for point in page.points])

    def _page_to_hash(self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None) -> Page:
        way = self._way()
        if way is not None:
            return way.page_to_hash(name, limit=limit, offset=offset)
        page = self._rest.page(name, kinds, limit=limit, offset=offset, payload=True, vectors=True)
        return MadePage(page.points, page.next_offset)

    def points_to_hash(self, name: str, ids: Sequence[PointId], kinds: Kinds) -> Iterator[Page]:
        """The points of these ids that exist, in no order, for who wants their hashes."""
        way = self._way()
        for part in _parts(ids):
            if way is not None:
                yield way.points_to_hash(name, part)
            else:
                yield MadePage(self._rest.retrieve(name, part, kinds, payload=True, vectors=True))

    def _page(self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None) -> UnreadPage:
        way = self._way()
        if way is not None:
            from qdrant_admin.database.grpc_points import NotCarried

            with contextlib.suppress(NotCarried):
                return way.page(name, kinds, limit=limit, offset=offset)
        return self._rest.unread(name, kinds, limit=limit, offset=offset, payload=True, vectors=True)

    def retrieve(self, name: str, ids: Sequence[PointId], kinds: Kinds, *, vectors: bool) -> list[Point]:
        """The points of these ids that exist, in the order asked for."""
        found: dict[PointId, Point] = {}
        for part in _parts(ids):
            found |= {point.id: point for point in self._retrieve(name, part, kinds, vectors=vectors)}
        return [found[one] for one in dict.fromkeys(ids) if one in found]

    def _retrieve(self, name: str, ids: Sequence[PointId], kinds: Kinds, *, vectors: bool) -> list[Point]:
        way = self._way()
        if way is not None:
            from qdrant_admin.database.grpc_points import NotCarried

            try:
                points, doubtful = way.retrieve(name, ids, kinds, payload=True, vectors=vectors)
            except NotCarried:
                pass
            else:
                self._mend(name, points, doubtful, kinds)
                return points
        return self._rest.retrieve(name, ids, kinds, payload=True, vectors=vectors)

    @property
    def carries_wire(self) -> bool:
        """Whether points can pass as the bytes that they are."""
        return self._way() is not None

    def wire_page(self, name: str, *, limit: int, offset: PointId | None) -> "WirePage":
        """One page in the server's order, from `offset` on, left as it came. Only where `carries_wire`."""
        return self._wire_way().wire_page(name, limit=limit, offset=offset)

    def found(self, name: str, ids: Sequence[PointId]) -> "FoundPoints":
        """The points of these ids that exist, left as they came. Only where `carries_wire`."""
        return self._wire_way().found(name, ids)

    def upsert_wire(self, name: str, page: "WirePage", *, wait: bool) -> None:
        """Write a page of another server. Only where `carries_wire`."""
        self._wire_way().upsert_wire(name, page, wait=wait)

    def upsert_encoded(self, name: str, points: Sequence[bytes], *, wait: bool) -> None:
        """Write points that are bytes already. Only where `carries_wire`."""
        self._wire_way().upsert_encoded(name, points, wait=wait)

    def _wire_way(self) -> "GrpcPoints":
        way = self._way()
        if way is None:
            raise Unsupported("points cannot pass as they are", why=f"they go over {self._decided}")
        return way

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool, checked: bool) -> None:
        """Write the points, in their order, cut to what a server takes; nothing at all for no points."""
        for point in () if checked else points:
            check_point(point)
        way = self._way()
        for part in _parts(points):
            if way is None:
                self._rest.upsert(name, part, wait=wait)
                continue
            from qdrant_admin.database.grpc_writing import carries

            # Runs, not two heaps: of two points with one id the last must win.
            for carried, run in itertools.groupby(part, key=lambda point: carries(point.payload)):
                (way if carried else self._rest).upsert(name, list(run), wait=wait)

    def _mend(self, name: str, points: list[Point], doubtful: Sequence[PointId], kinds: Kinds) -> None:
        """Read every payload again that gRPC may have rounded (integers above 2^63-1)."""
        if not doubtful:
            return
        again = self._rest.retrieve(name, doubtful, kinds, payload=True, vectors=False)
        payloads = {point.id: point.payload for point in again}
        for point in points:
            point.payload = payloads.get(point.id, point.payload)

    def _way(self) -> "GrpcPoints | None":
        with self._lock:
            if not self._decided:
                self._decided = self._decide()
            return self._grpc

    def _decide(self) -> str:
        port = self._endpoint.grpc_port
        if port is None:
            return "REST (gRPC is closed)"
        info, names = self._ask()
        if not versions.has(info.version, versions.Feature.GRPC_VECTORS):
            return (
                f"REST (the server is {info.version or 'of an unknown version'}, too old for typed vectors over gRPC)"
            )
        from qdrant_admin.database.grpc_points import open_points

        way = open_points(self._endpoint, self._timeout)
        try:
            version, commit, listed = way.identity(_PROBE_SECONDS)
        except AccessDenied:
            way.close()
            raise
        except AdminError as error:
            way.close()
            return f"REST (gRPC port {port} does not answer: {error.why or error.what})"
        if version != info.version or (commit and info.commit and commit != info.commit) or listed != names:
            way.close()
            return f"REST (another server answers at gRPC port {port})"
        self._grpc = way
        return f"gRPC (port {port})"


def _points_like(page: Page) -> int:
    """How many points like those of a page make one of the size that is wanted."""
    if not page.octets or not len(page):
        return _USUAL_POINTS
    return max(1, min(_MOST_POINTS, _PAGE_OCTETS * len(page) // page.octets))


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), MAX_BATCH_POINTS):
        yield items[start : start + MAX_BATCH_POINTS]
