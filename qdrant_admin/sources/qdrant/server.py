"""Another Qdrant server, through the same gateway as the target; its configuration is copied whole."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.errors import AccessDenied, NotFound, RequestRejected, ServerTrouble, Unsupported
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import CollectionInfo, CollectionSpec
from qdrant_admin.database.pending import applied
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import WHOLE, Batch, Cursor, Record, ServerUri, SourceCollection, Span, WireBatch, cut
from qdrant_admin.sources.servers import ServerReader, port_option
from qdrant_admin.sources.uri import source_key

if TYPE_CHECKING:
    from qdrant_admin.database.wire import WirePage

_OVER_REST = "read over REST alone; ?grpc_port= names the port of its gRPC, which is faster"
_SAMPLED_A_PART = 32
"""Ids looked at for each span: its size is then right to about a fifth."""
_TOP_LEVEL = ("hnsw_config", "wal_config", "quantization_config", "strict_mode_config", "metadata")
_NOT_COPIED = {"vectors", "sparse_vectors", "sharding_method"}
"""Shards by key belong to a cluster; the points of all of them are copied."""


class QdrantServer(ServerReader):
    vectorless = True
    folds_uuids = True

    def open(self) -> Iterable[str]:
        self.database = Database(_endpoint(self.uri))
        self.resources.callback(self.database.close)
        self.kind = f"Qdrant server {self.database.server().version}"
        return self.database.names()

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut at ids taken at random: nothing else tells cheaply how integers and UUIDs are spread."""
        if parts == 1:
            return WHOLE
        try:
            return cut(self.database.sample_ids(name, _SAMPLED_A_PART * parts), parts)
        except (Unsupported, RequestRejected):
            return WHOLE  # an older server, or one that is strict

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        for points in self.database.scan(name, page_size=size, after=after):
            within = points if until is None else [one for one in points if id_key(one.id) <= id_key(until)]
            if within:
                yield Batch([Record(point.id, point.payload, point.vectors) for point in within], within[-1].id)
            if len(within) < len(points):
                return

    @property
    def carries_wire(self) -> bool:
        return self.database.bulk.carries_wire

    def wire_batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[WireBatch]:
        for page in self.database.bulk.wire_pages(name, page_size=size, after=after, until=until):
            yield WireBatch(page.last(), page, partial(self._asked_again, name, page))

    def _asked_again(self, name: str, page: "WirePage") -> list[Record]:
        """What gRPC cannot carry comes over REST then."""
        return [Record(point.id, point.payload, point.vectors) for point in self.database.retrieve(name, page.ids())]

    def mark(self, name: str) -> str:
        """The exact count and the vectors' shape: cheap to ask for, and steady.

        The server counts its writes too, but those to all collections together and since its start. A point that was
        overwritten is found by the verification, which reads the source again.
        """
        info = self.database.collection(name)
        shape = hashlib.sha256(repr(info.vectors).encode()).hexdigest()
        return f"{info.points} points of {shape[:16]}"

    def describe(self, name: str) -> SourceCollection:
        try:
            info = self.database.collection(name)
        except (NotFound, RequestRejected, ServerTrouble, AccessDenied) as error:  # others are of the whole server
            return SourceCollection(name=name, count=0, spec=None, absent=f"it cannot be read: {plain(error)}")
        if info.points is None:
            why = info.trouble or "its strict mode refuses exact counts"
            return SourceCollection(name=name, count=0, spec=None, absent=f"it cannot be read: {why}")
        pending = applied(self.database, name) if info.pending.left else info.pending
        if pending != info.pending:
            info = self.database.collection(name)
        absent = f"the server does not show all that it holds of it: {pending.words}" if pending.left else ""
        first = next(self.database.scan(name, page_size=layouts.SAMPLE), [])
        words = layouts.words_kept([point.payload for point in first])
        slow = () if "grpc_port" in self.uri.options else (_OVER_REST,)
        return SourceCollection(
            name=name,
            count=info.points or 0,
            spec=spec_of(info),
            payload=words,
            aliases=info.aliases,
            warnings=slow,
            absent=absent,
        )


def spec_of(info: CollectionInfo) -> CollectionSpec:
    params = {key: value for key, value in (info.config.get("params") or {}).items() if key not in _NOT_COPIED}
    params |= {key: info.config.get(key) for key in _TOP_LEVEL}
    params["optimizers_config"] = info.config.get("optimizer_config")
    indexes = {
        field: dict(known.get("params") or {"type": known["data_type"]}) for field, known in info.payload_schema.items()
    }
    slots = tuple(slot.model_copy(update={"params": _given(slot.params)}) for slot in info.vectors)
    return CollectionSpec(vectors=slots, params=_given(params), payload_indexes=indexes)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _endpoint(uri: ServerUri) -> Endpoint:
    parts = urlsplit(uri.url)
    key = source_key()
    return Endpoint(
        url=uri.url,
        grpc_host=parts.hostname or "127.0.0.1",
        grpc_port=port_option(uri.options, "grpc_port"),  # one that nobody gave is never guessed
        tls=parts.scheme == "https",
        api_key=SecretStr(key) if key else None,
    )
