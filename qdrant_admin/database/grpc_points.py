"""Points over gRPC stubs, compression off: the fast way to read and write in bulk.

qdrant-client leaves compression on, which makes reading about 16 times slower on one machine. What gRPC cannot carry
(integers beyond 2^63-1 and deep nesting in a payload) is told apart here, and the caller sends it over REST.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from qdrant_client import grpc as wire

from qdrant_admin.config import trust
from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.database import encoding, faults
from qdrant_admin.database.found_points import FoundPoints
from qdrant_admin.database.grpc_reading import id_in, points_in
from qdrant_admin.database.grpc_writing import id_out, requests
from qdrant_admin.database.models import IdPage, Point, PointId, UnreadPage
from qdrant_admin.database.pages import WirePoints
from qdrant_admin.database.rest_points import Kinds
from qdrant_admin.database.wire import WirePage

_POINTS = "/qdrant.Points"
_RECONNECT_SECONDS = 2.0
_OPTIONS = [
    ("grpc.compression_enabled_algorithms_bitset", 1),  # identity only
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class NotCarried(Exception):
    """The answer holds something that gRPC cannot carry; ask again over REST."""


def open_points(endpoint: Endpoint, timeout: float) -> "GrpcPoints":
    """The bulk transport of an endpoint whose gRPC port is known."""
    address = f"{endpoint.grpc_host}:{endpoint.grpc_port}"
    if endpoint.tls:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(trust.own_roots()), options=_OPTIONS)
    else:
        channel = grpc.insecure_channel(address, options=_OPTIONS)
    key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else ""
    return GrpcPoints(channel, f"{address} (gRPC)", (("api-key", key),) if key else (), timeout)


class GrpcPoints:
    """Bulk reads and writes over one gRPC channel. Safe to use from several threads."""

    def __init__(
        self, channel: grpc.Channel, where: str, metadata: tuple[tuple[str, str], ...], timeout: float
    ) -> None:
        self._channel = channel
        self._where = where
        self._options: dict[str, Any] = {"metadata": metadata, "timeout": timeout}
        self._metadata = metadata
        self._points = _stub("PointsStub", channel)
        answer = wire.PointsOperationResponse.FromString
        self._send = channel.unary_unary(f"{_POINTS}/Upsert", request_serializer=None, response_deserializer=answer)
        self._fetch = channel.unary_unary(
            f"{_POINTS}/Scroll", request_serializer=wire.ScrollPoints.SerializeToString, response_deserializer=None
        )
        self._get = channel.unary_unary(f"{_POINTS}/Get", request_serializer=None, response_deserializer=None)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()

    def identity(self, timeout: float) -> tuple[str, str, frozenset[str]]:
        """Version, commit and collection names of whoever answers at the gRPC port.

        Raises:
            AdminError: nobody answers in time, or it is no Qdrant.
        """
        with faults.translated(self._where):
            options: dict[str, Any] = {"metadata": self._metadata, "timeout": timeout}
            health = _stub("QdrantStub", self._channel).HealthCheck(wire.HealthCheckRequest(), **options)
            listed = _stub("CollectionsStub", self._channel).List(wire.ListCollectionsRequest(), **options)
        return health.version, health.commit, frozenset(entry.name for entry in listed.collections)

    def page(self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None) -> UnreadPage:
        """One page in the server's order, from `offset` on.

        Raises:
            NotCarried: a point of this page is nested too deeply for protobuf.
        """
        answer = self._call(self._points.Scroll, _scroll(name, limit, offset))
        following = id_in(answer.next_page_offset) if answer.HasField("next_page_offset") else None
        return UnreadPage(following, lambda: points_in(answer.result, kinds))

    def retrieve(
        self, name: str, ids: Sequence[PointId], kinds: Kinds, *, payload: bool, vectors: bool
    ) -> tuple[list[Point], list[PointId]]:
        """The points of these ids that exist, in no order, and the ids of those whose payload may be rounded.

        Raises:
            NotCarried: as `page`.
        """
        request = wire.GetPoints(
            collection_name=name,
            ids=[id_out(one) for one in ids],
            with_payload=wire.WithPayloadSelector(enable=payload),
            with_vectors=wire.WithVectorsSelector(enable=vectors),
        )
        return points_in(self._call(self._points.Get, request).result, kinds)

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool) -> None:
        """Write points that `carries` accepts, in as many requests as their size asks for."""
        for request in requests(name, points, wait=wait):
            self._call(self._send, request)

    def wire_page(self, name: str, *, limit: int, offset: PointId | None) -> WirePage:
        """One page in the server's order, from `offset` on, left as it came."""
        return WirePage(self._scrolled(name, limit, offset))

    def id_page(self, name: str, *, limit: int, offset: PointId | None) -> IdPage:
        """The ids of one page in the server's order, from `offset` on."""
        page = WirePage(self._scrolled(name, limit, offset, content=False))
        return IdPage(page.next_offset, page.ids())

    def page_to_hash(self, name: str, *, limit: int, offset: PointId | None) -> WirePoints:
        """The same page, for who wants its hashes."""
        return WirePoints(self._scrolled(name, limit, offset))

    def points_to_hash(self, name: str, ids: Sequence[PointId]) -> WirePoints:
        """The points of these ids that exist, in no order, for who wants their hashes."""
        return WirePoints(self._got(name, ids), "SeenPoints")

    def found(self, name: str, ids: Sequence[PointId]) -> FoundPoints:
        """The points of these ids that exist, in no order, side by side."""
        return FoundPoints(self._got(name, ids))

    def _got(self, name: str, ids: Sequence[PointId]) -> Any:
        request = wire.GetPoints(
            collection_name=name,
            with_payload=wire.WithPayloadSelector(enable=True),
            with_vectors=wire.WithVectorsSelector(enable=True),
        )
        # The ids are put behind it as bytes: a message object for each of them costs more than all the rest.
        return self._call(self._get, request.SerializeToString() + encoding.ids_bytes(ids))

    def _scrolled(self, name: str, limit: int, offset: PointId | None, *, content: bool = True) -> Any:
        return self._call(self._fetch, _scroll(name, limit, offset, content=content))

    def upsert_wire(self, name: str, page: WirePage, *, wait: bool) -> None:
        """Write the points of a page that came from another server."""
        self._call(self._send, page.request(name, wait=wait))

    def upsert_encoded(self, name: str, points: Sequence[bytes], *, wait: bool) -> None:
        """Write points that are bytes already, in as many requests as their size asks for."""
        for request in encoding.requests(name, points, wait=wait):
            self._call(self._send, request)

    def _call(self, method: Any, request: Any) -> Any:
        try:
            return self._patiently(method, request)
        except grpc.RpcError as error:
            if "deserializing response" in _details(error):
                raise NotCarried from error
            raise faults.from_grpc(error, self._where) from error

    def _patiently(self, method: Any, request: Any) -> Any:
        """One request; once more when the connection was lost, as the channel may not have seen the server come back.

        Every request here can be repeated: reads, and upserts of whole points.
        """
        try:
            return method(request, **self._options)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            lost = error
        try:
            _connected(self._channel)
        except grpc.FutureTimeoutError:
            raise lost from None
        return method(request, **self._options)


def _scroll(name: str, limit: int, offset: PointId | None, *, content: bool = True) -> Any:
    """The request for one page."""
    return wire.ScrollPoints(
        collection_name=name,
        limit=limit,
        offset=None if offset is None else id_out(offset),
        with_payload=wire.WithPayloadSelector(enable=content),
        with_vectors=wire.WithVectorsSelector(enable=content),
    )


def _connected(channel: grpc.Channel) -> None:
    """Wait a moment for a lost connection.

    Raises:
        grpc.FutureTimeoutError: nobody listens.
    """
    ready = grpc.channel_ready_future(channel)
    try:
        ready.result(timeout=_RECONNECT_SECONDS)
    finally:
        ready.cancel()


def _details(error: grpc.RpcError) -> str:
    return str(getattr(error, "details", lambda: "")() or "")


def _stub(name: str, channel: grpc.Channel) -> Any:
    """One of qdrant-client's generated stubs, which have no types."""
    return getattr(wire, name)(channel)
