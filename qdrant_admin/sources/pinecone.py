"""A Pinecone index, through Pinecone's own client: every namespace a collection of its own.

Ids are listed first and fetched by a hundred. Listing is a feature of serverless indexes; one of pods cannot be read.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AccessDenied, BadInput
from qdrant_admin.database.models import CollectionSpec, Distance, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Payload, Record, SourceCollection
from qdrant_admin.sources.files.values import floats_of, sparse_of
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.servers import ListedReader
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key

_FETCHED = 100
"""Ids per request: they travel in its address."""
_DEFAULT = {"", "__default__"}
"""What the namespace without a name is called."""
_DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "dotproduct": "Dot", "euclidean": "Euclid"}
_SPARSE = "sparse"
"""Name of the sparse slot; dense vectors stay unnamed."""


class PineconeIndex(ListedReader):
    kind = title = "Pinecone index"

    def open(self) -> Iterable[str]:
        from pinecone import Pinecone

        key = source_key()
        if key is None:
            raise AccessDenied(f"the {self.title} at {self.url} asks for a key", fix=f"export {KEY_VARIABLE}=...")
        client = Pinecone(api_key=key)
        self._index: Any = client.Index(host=self.url)
        for opened in (client, self._index):
            if hasattr(opened, "close"):
                self.resources.callback(opened.close)
        self._stats = self.ask(self._index.describe_index_stats)
        index = (urlsplit(self.url).hostname or "pinecone").partition(".")[0]
        self._namespaces = {
            index if namespace in _DEFAULT else f"{index}.{namespace}": namespace
            for namespace in self._stats.namespaces
        }
        return sorted(self._namespaces)

    def describe(self, name: str) -> SourceCollection:
        """Its ids are listed, so the count is that of what will be read."""
        ids, layout = self.ids(name), self._layout_of(name)
        spec = layouts.fitted(self._spec(self._first(name)), layout) if ids else None
        words = self.layout_words(layout, "what its records hold")
        return SourceCollection(name=name, count=len(ids), spec=spec, payload=words)

    def _spec(self, first: list[Any]) -> CollectionSpec:
        slots = []
        kind = getattr(self._stats, "vector_type", None) or "dense"
        if kind == "dense":
            metric = getattr(self._stats, "metric", None)
            distance = self.distance_asked or _DISTANCES.get(str(metric))
            if distance is None:
                raise BadInput(
                    f"the {self.title} does not say which distance it compares by",
                    why="Pinecone's console does, as the metric of the index",
                    fix=Command("migrate", self.uri.asking(distance="Cosine")),
                )
            slots.append(VectorSpec(size=self._stats.dimension, distance=distance))
        if kind == "sparse" or any(vector.sparse_values is not None for vector in first):
            slots.append(VectorSpec(name=_SPARSE, kind="sparse"))
        return CollectionSpec(vectors=tuple(slots))

    @once
    def _layout_of(self, name: str) -> Layout:
        return self.layout_asked or layouts.recognised([vector.metadata or {} for vector in self._first(name)])

    def _first(self, name: str) -> list[Any]:
        return list(self._found(name, self.ids(name)[: layouts.SAMPLE]).values())

    @once
    def ids(self, name: str) -> list[str]:
        ids: set[str] = set()
        token = None
        while True:
            more: dict[str, str] = {"pagination_token": token} if token else {}
            page = self.ask(self._index.list_paginated, namespace=self._namespaces[name], **more)
            ids.update(str(item.id) for item in page.vectors)
            token = page.pagination.next if page.pagination else None
            if not token:
                return sorted(ids)

    def fetched(self, name: str, ids: list[str]) -> dict[str, Record]:
        layout = self._layout_of(name)
        return {record: _record(record, found, layout) for record, found in self._found(name, ids).items()}

    def _found(self, name: str, ids: list[str]) -> Payload:
        found: Payload = {}
        for at in range(0, len(ids), _FETCHED):
            answer = self.ask(self._index.fetch, ids=ids[at : at + _FETCHED], namespace=self._namespaces[name])
            found |= answer.vectors
        return found


def _record(record: str, found: Any, layout: Layout) -> Record:
    metadata = dict(found.metadata or {})
    beside = layout == "langchain" and isinstance(metadata.get("text"), str)  # LangChain keeps it among the metadata
    text = metadata.pop("text") if beside else None
    vectors: dict[str, Vector] = {}
    if found.values:
        vectors[""] = floats_of(found.values)
    if found.sparse_values is not None:
        vectors[_SPARSE] = sparse_of(found.sparse_values.indices, found.sparse_values.values)
    return Record(record, layouts.lay_out(layout, metadata, text), vectors)
