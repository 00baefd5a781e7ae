"""Another Qdrant server, through the same gateway as the target; its configuration is copied whole."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from qdrant_admin.config.endpoint import Endpoint
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionInfo, CollectionSpec
from qdrant_admin.migration import layouts
from qdrant_admin.migration.sources.base import WHOLE, Batch, Cursor, Record, SourceCollection, Span, no_such_collection
from qdrant_admin.migration.uri import SourceUri, source_key

_TOP_LEVEL = ("hnsw_config", "wal_config", "quantization_config", "strict_mode_config", "metadata")
_NOT_COPIED = {"vectors", "sparse_vectors", "sharding_method"}
"""Shards by key belong to a cluster; the points of all of them are copied."""


class QdrantServer:
    """A `Source` over one server."""

    vectorless = True
    folds_uuids = True

    def __init__(self, uri: SourceUri) -> None:
        self._uri = uri
        self._database = Database(_endpoint(uri))
        try:
            self.kind = f"Qdrant server {self._database.server().version}"
            self._names = self._database.names()
        except AdminError:
            self._database.close()
            raise
        if uri.collection is not None and uri.collection not in self._names:
            self._database.close()
            raise no_such_collection(uri.collection, self._names)

    def collections(self) -> list[SourceCollection]:
        """Every collection with its exact count."""
        return [self._describe(name) for name in self._names if self._uri.collection in (None, name)]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:  # noqa: ARG002 # the protocol's signature
        """One: the whole."""
        return WHOLE

    def batches(
        self,
        name: str,
        *,
        size: int,
        after: Cursor = None,
        until: Cursor = None,  # noqa: ARG002 # it has but one span
    ) -> Iterator[Batch]:
        """Points in the server's own order."""
        for points in self._database.scan(name, page_size=size, after=after):
            yield Batch([Record(point.id, point.payload, point.vectors) for point in points], points[-1].id)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _describe(self, name: str) -> SourceCollection:
        info = self._database.collection(name)
        if info.points is None:
            raise SourceUnreadable(
                f"collection {plain(name)} of {self._uri.url} cannot be read",
                why=info.trouble,
                fix="qdrant-admin migrate --help",
            )
        first = next(self._database.scan(name, page_size=layouts.SAMPLE), [])
        words = layouts.words_kept([point.payload for point in first])
        return SourceCollection(name=name, count=info.points, spec=spec_of(info), payload=words, aliases=info.aliases)


def spec_of(info: CollectionInfo) -> CollectionSpec:
    """What a collection like this one is made with."""
    params = {key: value for key, value in (info.config.get("params") or {}).items() if key not in _NOT_COPIED}
    params |= {key: info.config.get(key) for key in _TOP_LEVEL}
    params["optimizers_config"] = info.config.get("optimizer_config")
    indexes = {
        field: dict(known.get("params") or {"type": known["data_type"]}) for field, known in info.payload_schema.items()
    }
    slots = tuple(slot.model_copy(update={"params": _given(slot.params)}) for slot in info.vectors)
    return CollectionSpec(vectors=slots, params=_given(params), payload_indexes=indexes)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _endpoint(uri: SourceUri) -> Endpoint:
    parts = urlsplit(uri.url)
    key = source_key()
    given = uri.options.get("grpc_port")
    try:
        grpc_port = int(given) if given else 6334 if parts.port == 6333 else None
    except ValueError as error:
        raise BadInput(f"grpc_port={plain(given)} is no port", fix="qdrant-admin migrate --help") from error
    return Endpoint(
        url=uri.url,
        grpc_host=parts.hostname or "127.0.0.1",
        grpc_port=grpc_port,
        tls=parts.scheme == "https",
        api_key=SecretStr(key) if key else None,
    )
