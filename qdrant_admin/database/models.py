"""The values that the gateway takes and returns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.values import Frozen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Indices = npt.NDArray[np.uint32]
else:  # numpy is loaded by what computes, and not by what asks a server for its collections
    Floats = Indices = Any

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A payload value."""
Fields = dict[str, Any]
"""A JSON object: a payload, or settings as the server knows them."""
PointId = int | str
"""Unsigned 64-bit integer, or a UUID in its lower-case form with hyphens."""
ShardKey = int | str
"""Name of a shard of a collection with custom sharding: 7 and "7" are two."""
VectorKind = Literal["dense", "sparse", "multi"]
Kinds = Mapping[str, VectorKind]
"""Vector name to kind, from the collection's configuration: over gRPC a multivector of one row looks dense (1.16.3)."""
Distance = Literal["Cosine", "Dot", "Euclid", "Manhattan"]
CollectionStatus = Literal["green", "yellow", "grey", "red"]


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse vector; indices ascending and unique, as the server returns them."""

    indices: Indices
    values: Floats


Vector = Floats | Sparse
"""Dense: one axis. Multi: two axes (rows, size). Sparse: its own class."""


@dataclass(slots=True)
class Point:
    """One point whole. The unnamed vector has the name `""`. Not a `Frozen`: millions of them pass through."""

    id: PointId
    payload: Fields = field(default_factory=dict)
    vectors: dict[str, Vector] = field(default_factory=dict)


class VectorSpec(Frozen):
    """One vector slot of a collection."""

    name: str = ""
    kind: VectorKind = "dense"
    size: int | None = None
    """None for sparse."""
    distance: Distance | None = None
    """None for sparse."""
    datatype: str = "float32"
    params: Fields = {}
    """The server's other parameters of the vector (on_disk, hnsw_config, modifier, ...), as JSON."""

    @property
    def words(self) -> str:
        """`384 Cosine`, `title 384 Cosine`, `text sparse`."""
        kind = "" if self.kind == "dense" else self.kind
        datatype = "" if self.datatype == "float32" else self.datatype
        return " ".join(str(part) for part in (self.name, self.size, kind, self.distance, datatype) if part)


class CollectionSpec(Frozen):
    """What a collection is to be made with."""

    vectors: tuple[VectorSpec, ...]
    params: Fields = {}
    """Further top-level fields of the create request (hnsw_config, optimizers_config, metadata, ...), as JSON."""
    payload_indexes: dict[str, Fields] = {}
    """Field name to index parameters, `{"type": "keyword", "is_tenant": true}`."""


class Pending(Frozen):
    """What a collection has acknowledged and does not show yet; nothing of the kind before Qdrant 1.17."""

    queued: int = 0
    """Requests that wait to be applied: after a crash a server answers before it has replayed all of them."""
    deferred: int = 0
    """Points that are stored and hidden from every read until they are optimized (`prevent_unoptimized`)."""

    @property
    def left(self) -> int:
        """How much there is to wait for."""
        return self.queued + self.deferred

    @property
    def words(self) -> str:
        """`3 acknowledged requests are not applied yet`; empty where nothing is pending."""
        told = []
        if self.queued:
            requests = counted(self.queued, "acknowledged request")
            told.append(f"{requests} {'is' if self.queued == 1 else 'are'} not applied yet")
        if self.deferred:
            points = counted(self.deferred, "point")
            told.append(f"{points} {'is' if self.deferred == 1 else 'are'} stored and hidden until optimized")
        return ", ".join(told)


class CollectionInfo(Frozen):
    """What the server says of one collection, and its exact count."""

    name: str
    status: CollectionStatus
    optimizer_error: str = ""
    points: int | None = None
    """Exact count; None when it could not be counted (see `trouble`), or when its strict mode refuses that."""
    points_approximate: int = 0
    indexed_vectors: int = 0
    segments: int = 0
    vectors: tuple[VectorSpec, ...] = ()
    aliases: tuple[str, ...] = ()
    payload_schema: dict[str, Fields] = {}
    """Indexed field to what the server says of its index: type, params, points."""
    metadata: Fields = {}
    pending: Pending = Pending()
    config: Fields = {}
    """The server's whole `config` object, save for a claim of ours on the collection."""
    disk_bytes: int | None = None
    trouble: str = ""
    """Why this collection could not be read, in words; empty when it could."""


class ServerInfo(Frozen):
    """Who answers at an endpoint."""

    title: str
    version: str
    commit: str = ""


@dataclass(frozen=True, slots=True)
class PointPage:
    """One page of points in the server's order."""

    points: list[Point]
    next_offset: PointId | None


class Feature(Enum):
    """What came with a version of the server: in words, and the first version that has it.

    Old servers ignore fields that they do not know, and do not say so.
    """

    QUERY = ("search by the Query API", (1, 10, 0))
    GRPC_VECTORS = ("typed vectors over gRPC", (1, 13, 0))
    METADATA = ("metadata of a collection", (1, 16, 0))

    def known_to(self, version: str) -> bool:
        return parsed_version(version) >= self.value[1]

    def require(self, version: str) -> None:
        """Raise `Unsupported` before a request that a server of that version would misunderstand."""
        if not self.known_to(version):
            words, since = self.value[0], ".".join(map(str, self.value[1][:2]))
            raise Unsupported(
                f"this server is too old for {words}",
                why=f"it is {version or 'of an unknown version'}; {words} came with {since}",
                fix=Command("status"),
            )


def parsed_version(text: str) -> tuple[int, int, int]:
    """`1.16.3` or `1.17.0-dev` as three numbers; (0, 0, 0) when it is not a version."""
    match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)
