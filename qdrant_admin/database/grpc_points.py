"""Points over gRPC, as bytes in and bytes out, compression off: the fast way to read and write in bulk.

qdrant-client leaves compression on, which makes reading about 16 times slower on one machine.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from qdrant_admin.config import trust
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.errors import AdminError, NotQdrant, OutcomeUnknown, ServerUnreachable
from qdrant_admin.database import encoding, faults
from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import PointId, ShardKey
from qdrant_admin.database.protobuf import id_bytes, messages, shards_bytes
from qdrant_admin.database.wire import WirePage

_HEALTH = "/qdrant.Qdrant/HealthCheck"
_RECONNECT_SECONDS = 2.0
_Metadata = tuple[tuple[str, str], ...]
_WAIT_TIMEOUT = 4
"""`UpdateStatus` of a write that is in the log and was not applied in time (since 1.17, points.proto)."""
_OPTIONS = [
    ("grpc.compression_enabled_algorithms_bitset", 1),  # identity only
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class GrpcPoints:
    """Bulk reads and writes over one gRPC channel. Safe to use from several threads.

    Requests raise an `AdminError` when nobody answers in time, or something that is not a Qdrant server. The channel
    connects again by itself, and does not tell: so another connection is kept, which ends with the server's process,
    and once it has, `look` (see `Database`) is called before the next request.
    """

    def __init__(self, endpoint: Endpoint, timeout: float, look: Callable[[], object] | None = None) -> None:
        address = f"{endpoint.grpc_host}:{endpoint.grpc_port}"
        if endpoint.tls:
            credentials = grpc.ssl_channel_credentials(trust.own_roots())
            self._channel = grpc.secure_channel(address, credentials, options=_OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, options=_OPTIONS)
        key = endpoint.api_key.get_secret_value() if endpoint.api_key is not None else ""
        self._where = f"{address} (gRPC)"
        self._metadata: _Metadata = (("api-key", key),) if key else ()
        self._timeout = timeout
        self.upserts = 0
        """Those that the server has answered."""
        self._counting = threading.Lock()
        self._look, self._looking = look, threading.Lock()
        self._address = (endpoint.grpc_host, endpoint.grpc_port)
        self._witness: socket.socket | None = None
        """Connected to the process that was looked at last."""

    def _make_sure(self, look: Callable[[], object]) -> None:
        """Connect, without the key, and have a look at who has taken the connection, unless that is known."""
        if _is_open(self._witness):
            return
        with self._looking:
            if _is_open(self._witness):
                return
            self._forget_witness()
            self._send(_HEALTH, b"", self._timeout, ())
            witness = _connected(self._address)
            try:
                look()
            except BaseException:
                witness.close()
                raise
            self._witness = witness

    def _forget_witness(self) -> None:
        witness, self._witness = self._witness, None
        if witness is not None:
            witness.close()

    def close(self) -> None:
        self._channel.close()
        self._forget_witness()

    def knock(self, timeout: float) -> tuple[str, str]:
        """Version and commit of whoever answers. A health check, which a Qdrant answers without a key: it has none."""
        said = self._once(_HEALTH, b"", timeout, metadata=())
        health = self._parsed("Health", said)
        return health.version, health.commit

    def names(self, timeout: float) -> frozenset[str]:
        """Of every collection."""
        listed = self._parsed("Listed", self._once("/qdrant.Collections/List", b"", timeout))
        return frozenset(one.name for one in listed.collections)

    def _parsed(self, message: str, said: bytes) -> Any:
        try:
            return messages()[message].FromString(said)
        except DecodeError as error:
            raise faults.make(NotQdrant, str(error), self._where) from error

    def page(
        self, name: str, *, limit: int, offset: PointId | None, content: bool = True, shard: ShardKey | None = None
    ) -> WirePage:
        """One page in the server's order, from `offset` on; without `content` the points have nothing but ids.

        With `shard` only of the shards of this key.
        """
        request = messages()["Scroll"](
            collection=name,
            limit=limit,
            offset=b"" if offset is None else id_bytes(point_id(offset)),
            payload=_selector(content),
            vectors=_selector(content),
            shards=shards_bytes(shard),
        )
        return WirePage(self._call("Scroll", request.SerializeToString()))

    def retrieve(
        self, name: str, ids: Iterable[PointId], *, vectors: bool = True, shard: ShardKey | None = None
    ) -> WirePage:
        """The points of these ids (as a server keeps them) that exist, in no order."""
        request = messages()["Get"](
            collection=name, payload=_selector(True), vectors=_selector(vectors), shards=shards_bytes(shard)
        )
        # The ids are appended as bytes: a message object for each of them would cost more than all the rest.
        return WirePage(self._call("Get", request.SerializeToString() + encoding.ids_bytes(ids)), "Points")

    def upsert_page(self, name: str, page: WirePage, *, wait: bool) -> None:
        """Write the points of a page that came from another server."""
        self._write(page.request(name, wait=wait))

    def upsert(self, name: str, points: Sequence[bytes], *, wait: bool) -> None:
        """Write points that `encoding` made, in as many requests as their size asks for."""
        for request in encoding.requests(name, points, wait=wait):
            self._write(request)

    def _write(self, request: bytes) -> None:
        """One upsert. Raises `OutcomeUnknown` where the server stopped waiting for it, or did not answer in time."""
        try:
            answer = self._call("Upsert", request, changes=True)
        except ServerUnreachable:
            raise
        except AdminError:
            self._count()
            raise
        self._count()
        if messages()["Written"].FromString(answer).result.status == _WAIT_TIMEOUT:
            raise faults.make(OutcomeUnknown, "wait_timeout", self._where)

    def _count(self) -> None:
        with self._counting:
            self.upserts += 1

    def _call(self, method: str, request: bytes, *, changes: bool = False) -> bytes:
        """One request; once more when the connection was lost, as the channel may not have seen the server come back.

        Every request here can be repeated: reads, and upserts of whole points.
        """
        path = f"/qdrant.Points/{method}"
        try:
            return self._ask(path, request, self._timeout)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or not self._connected():
                raise faults.from_grpc(error, self._where, changes=changes) from error
        return self._once(path, request, self._timeout, changes=changes)

    def _once(
        self, path: str, request: bytes, timeout: float, metadata: _Metadata | None = None, *, changes: bool = False
    ) -> bytes:
        try:
            return self._ask(path, request, timeout, metadata)
        except grpc.RpcError as error:
            raise faults.from_grpc(error, self._where, changes=changes) from error

    def _ask(self, path: str, request: bytes, timeout: float, metadata: _Metadata | None = None) -> bytes:
        if self._look is not None:
            self._make_sure(self._look)
        return self._send(path, request, timeout, self._metadata if metadata is None else metadata)

    def _send(self, path: str, request: bytes, timeout: float, metadata: _Metadata) -> bytes:
        ask: Any = self._channel.unary_unary(path, request_serializer=None, response_deserializer=None)
        answer: bytes = ask(request, timeout=timeout, metadata=metadata)
        return answer

    def _connected(self) -> bool:
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=_RECONNECT_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        finally:
            ready.cancel()
        return True


def _connected(address: tuple[str, int | None]) -> socket.socket:
    try:
        made = socket.create_connection(address, timeout=_RECONNECT_SECONDS)
    except OSError as error:
        where = f"{address[0]}:{address[1]} (gRPC)"
        raise faults.make(ServerUnreachable, str(error), where) from error
    made.setblocking(False)
    return made


def _is_open(connection: socket.socket | None) -> bool:
    """Whether the other side has not ended it; what it says is of no interest."""
    if connection is None:
        return False
    try:
        return bool(connection.recv(4096))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _selector(wanted: bool) -> bytes:
    """The message that says whether payload or vectors come along; a “no” has to be sent as well."""
    return b"\x08\x01" if wanted else b"\x08\x00"
