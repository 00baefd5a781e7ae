"""Points over gRPC stubs, compression off: the fast way to read and write in bulk.

qdrant-client leaves compression on, which makes reading about 16 times slower on one machine. What gRPC cannot carry
(integers beyond 2^63-1 and deep nesting in a payload) is told apart here, and the caller sends it over REST.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import numpy as np
from qdrant_client import grpc as wire

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.database import faults
from qdrant_admin.database.ids import point_id
from qdrant_admin.database.models import Point, PointId, PointPage, Sparse, Vector, VectorKind
from qdrant_admin.database.rest_points import MAX_BATCH_BYTES, Kinds

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 24
"""Nested lists and objects; protobuf stops at 100 messages, and each level takes up to three."""
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
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(), options=_OPTIONS)
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

    def page(
        self, name: str, kinds: Kinds, *, limit: int, offset: PointId | None, payload: bool, vectors: bool
    ) -> PointPage:
        """One page in the server's order, from `offset` on.

        Raises:
            NotCarried: a point of this page is nested too deeply for protobuf.
        """
        request = wire.ScrollPoints(
            collection_name=name,
            limit=limit,
            offset=None if offset is None else _id_out(offset),
            with_payload=wire.WithPayloadSelector(enable=payload),
            with_vectors=wire.WithVectorsSelector(enable=vectors),
        )
        answer = self._call(self._points.Scroll, request)
        following = _id_in(answer.next_page_offset) if answer.HasField("next_page_offset") else None
        return PointPage([_point_in(raw, kinds) for raw in answer.result], following)

    def retrieve(self, name: str, ids: Sequence[PointId], kinds: Kinds, *, payload: bool, vectors: bool) -> list[Point]:
        """The points of these ids that exist, in no order.

        Raises:
            NotCarried: as `page`.
        """
        request = wire.GetPoints(
            collection_name=name,
            ids=[_id_out(one) for one in ids],
            with_payload=wire.WithPayloadSelector(enable=payload),
            with_vectors=wire.WithVectorsSelector(enable=vectors),
        )
        return [_point_in(raw, kinds) for raw in self._call(self._points.Get, request).result]

    def upsert(self, name: str, points: Sequence[Point], *, wait: bool) -> None:
        """Write points that `carries` accepts, in as many requests as their size asks for."""
        for batch in _batches(points):
            self._call(self._points.Upsert, wire.UpsertPoints(collection_name=name, wait=wait, points=batch))

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


def carries(payload: dict[str, Any]) -> bool:
    """Whether gRPC can carry this payload."""
    stack: list[tuple[Any, int]] = [(payload, 1)]
    while stack:
        item, depth = stack.pop()
        if isinstance(item, dict):
            if depth > MAX_DEPTH:
                return False
            stack += [(child, depth + 1) for child in item.values()]
        elif isinstance(item, list | tuple):
            if depth > MAX_DEPTH:
                return False
            stack += [(child, depth + 1) for child in item]
        elif isinstance(item, int) and item > MAX_INTEGER:
            return False
    return True


def suspicious(value: Any) -> bool:
    """Whether a payload read over gRPC may have lost something: an integer above 2^63-1 arrives as a float."""
    if isinstance(value, float):
        return value >= 2.0**63
    if isinstance(value, dict):
        return any(suspicious(child) for child in value.values() if isinstance(child, float | dict | list))
    if isinstance(value, list):
        return any(suspicious(child) for child in value if isinstance(child, float | dict | list))
    return False


def _batches(points: Sequence[Point]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for point in points:
        raw = _point_out(point)
        octets = raw.ByteSize()
        if batch and size + octets > MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += octets
    if batch:
        yield batch


def _id_in(raw: Any) -> PointId:
    return int(raw.num) if raw.WhichOneof("point_id_options") == "num" else str(raw.uuid)


def _id_out(value: PointId) -> Any:
    one = point_id(value)
    return wire.PointId(num=one) if isinstance(one, int) else wire.PointId(uuid=one)


def _point_in(raw: Any, kinds: Kinds) -> Point:
    vectors: dict[str, Vector] = {}
    if raw.HasField("vectors"):
        if raw.vectors.WhichOneof("vectors_options") == "vector":
            vectors[""] = _vector_in(raw.vectors.vector, kinds.get("", "dense"))
        else:
            for name, vector in raw.vectors.vectors.vectors.items():
                vectors[name] = _vector_in(vector, kinds.get(name, "dense"))
    return Point(
        id=_id_in(raw.id), payload={key: _value_in(value) for key, value in raw.payload.items()}, vectors=vectors
    )


def _vector_in(raw: Any, kind: VectorKind) -> Vector:
    form = raw.WhichOneof("vector")
    if kind == "sparse":
        indices, values = (raw.sparse.indices, raw.sparse.values) if form == "sparse" else (raw.indices.data, raw.data)
        keys, floats = np.array(indices, dtype=np.uint32), np.array(values, dtype=np.float32)
        order = np.argsort(keys, kind="stable")
        return Sparse(keys[order], floats[order])
    if form == "multi_dense":
        return np.array([row.data for row in raw.multi_dense.vectors], dtype=np.float32)
    floats = np.array(raw.dense.data if form == "dense" else raw.data, dtype=np.float32)
    if kind == "multi":
        # A multivector of one row looks dense over gRPC; only the collection's config tells.
        return floats.reshape(max(1, raw.vectors_count) if form is None else 1, -1)
    return floats


def _value_in(raw: Any) -> Any:
    kind = raw.WhichOneof("kind")
    if kind == "string_value":
        return raw.string_value
    if kind == "struct_value":
        return {key: _value_in(value) for key, value in raw.struct_value.fields.items()}
    if kind == "list_value":
        return [_value_in(value) for value in raw.list_value.values]
    return None if kind in {None, "null_value"} else getattr(raw, kind)


def _point_out(point: Point) -> Any:
    raw = wire.PointStruct(id=_id_out(point.id))
    for key, value in point.payload.items():
        _fill(raw.payload[key], value)
    if set(point.vectors) == {""} and not isinstance(point.vectors[""], Sparse):
        raw.vectors.vector.CopyFrom(_vector_out(point.vectors[""]))
    else:
        raw.vectors.vectors.SetInParent()
        for name, vector in point.vectors.items():
            raw.vectors.vectors.vectors[name].CopyFrom(_vector_out(vector))
    return raw


def _vector_out(vector: Vector) -> Any:
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        indices, values = vector.indices[order].tolist(), vector.values[order].tolist()
        return wire.Vector(sparse=wire.SparseVector(indices=indices, values=values))
    if vector.ndim == 2:
        rows = [wire.DenseVector(data=row.tolist()) for row in vector]
        return wire.Vector(multi_dense=wire.MultiDenseVector(vectors=rows))
    return wire.Vector(dense=wire.DenseVector(data=vector.tolist()))


def _fill(raw: Any, value: Any) -> None:
    if value is None:
        raw.null_value = 0
    elif isinstance(value, bool):
        raw.bool_value = value
    elif isinstance(value, str):
        raw.string_value = value
    elif isinstance(value, int):
        raw.integer_value = value
    elif isinstance(value, float):
        raw.double_value = value if math.isfinite(value) else math.nan
    elif isinstance(value, dict):
        raw.struct_value.SetInParent()
        for key, child in value.items():
            _fill(raw.struct_value.fields[key], child)
    else:
        raw.list_value.SetInParent()
        for child in value:
            _fill(raw.list_value.values.add(), child)
