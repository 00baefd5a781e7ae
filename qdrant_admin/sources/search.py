"""Elasticsearch and OpenSearch: every index with vectors is a collection.

Read at one point in time, in the order in which the documents were last written: `_seq_no` stays the same for as long
as a document does, so that a later run can go on where an earlier one stopped.
"""

import contextlib
import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec, Distance, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, Payload, Record, SourceCollection
from qdrant_admin.sources.files.values import floats_of
from qdrant_admin.sources.layouts import Layout
from qdrant_admin.sources.reader import once
from qdrant_admin.sources.servers import ServerReader
from qdrant_admin.sources.uri import source_key

KEPT_ALIVE = "10m"
_TYPES = {"dense_vector": "dims", "knn_vector": "dimension"}
"""Type of a vector's field to where its mapping says how many components it has."""
_DISTANCES: dict[str, Distance] = {
    "cosine": "Cosine", "dot_product": "Dot", "max_inner_product": "Dot", "l2_norm": "Euclid",  # of Elasticsearch
    "cosinesimil": "Cosine", "innerproduct": "Dot", "l2": "Euclid", "l1": "Manhattan",  # of OpenSearch
}  # fmt: skip
_PACKED = {"bit", "binary"}
"""Element types whose components are single bits."""
_TEXTS = ("text", "content", "page_content")
"""Where LangChain and LlamaIndex keep the text, beside a `metadata` of their own."""


def vector_fields(properties: Fields, asked: Distance | None, notes: list[str]) -> tuple[VectorSpec, ...]:
    """The fields of a mapping that hold vectors, called by their paths. Why others stay payload joins the notes."""
    found = []
    for path, field in _fields(properties, "", notes):
        size_key = _TYPES.get(str(field.get("type")))
        if size_key is None:
            continue
        if field.get("element_type") in _PACKED or field.get("data_type") in _PACKED:
            notes.append(f"field {plain(path)} holds bits, which are no vectors for Qdrant: it stays payload")
            continue
        said = field.get("similarity") or field.get("space_type") or (field.get("method") or {}).get("space_type")
        said = said or ("l2" if field["type"] == "knn_vector" else "cosine")
        distance = asked or _DISTANCES.get(str(said))
        if distance is None:
            notes.append(f"field {plain(path)} is compared by {plain(said)}, which Qdrant has not: it stays payload")
            continue
        if field.get("index") is False and asked is None:
            words = f"it is taken to be compared by {distance}, ?distance= says otherwise"
            notes.append(f"field {plain(path)} has no index: {words}")
        size = field.get(size_key)  # none while no document has been indexed yet
        found.append(VectorSpec(name=path, size=size, distance=distance))
    return tuple(found)


def _fields(properties: Fields, prefix: str, notes: list[str]) -> Iterator[tuple[str, Fields]]:
    for name, field in properties.items():
        path = f"{prefix}{name}"
        below = field.get("properties")
        if below and field.get("type") == "nested":
            if any(inner.get("type") in _TYPES for _, inner in _fields(below, f"{path}.", [])):
                notes.append(f"field {plain(path)} holds several vectors a document: they stay payload")
        elif below:
            yield from _fields(below, f"{path}.", notes)
        else:
            yield path, field


@dataclass(frozen=True)
class Shape:
    fields: tuple[VectorSpec, ...]
    layout: Layout

    @cached_property
    def slots(self) -> dict[str, str]:
        """Path of a field to the name of its vectors: none when there is but one."""
        return {field.name: "" if len(self.fields) == 1 else field.name for field in self.fields}

    def record(self, hit: Fields) -> Record:
        source, given = dict(hit.get("_source") or {}), hit.get("fields") or {}
        vectors: dict[str, Vector] = {}
        trouble = ""
        for path, slot in self.slots.items():
            value = given.get(path, _taken(source, path))
            try:
                if value is not None:
                    vectors[slot] = floats_of(value)
            except (TypeError, ValueError):
                trouble = f"its field {plain(path)} holds no vector"
        payload = source if self.layout == "plain" else layouts.lay_out(self.layout, *unwrapped(source))
        return Record(str(hit["_id"]), payload, vectors, trouble=trouble)


def layout_of(documents: list[Payload]) -> Layout:
    found = layouts.recognised([unwrapped(document)[0] for document in documents])
    if found == "plain" and documents and all(document.keys() == {"text", "metadata"} for document in documents):
        return "langchain"
    return found


def unwrapped(document: Fields) -> tuple[Payload, str | None]:
    """Metadata and text of a document of a framework; what lies beside the two stays with the metadata."""
    rest = dict(document)
    nest = next((name for name in ("metadata", "payload") if isinstance(rest.get(name), dict)), None)
    if nest is None:
        return rest, None
    metadata = rest.pop(nest)
    text_field = next((name for name in _TEXTS if isinstance(rest.get(name), str)), None)
    text = rest.pop(text_field) if text_field else None
    return {**rest, **metadata}, text


def _taken(document: Payload, path: str) -> object:
    """Take the value at a path out of a document; the way to it is copied, so that nobody else's is changed."""
    if path in document:  # a field may be written with its dots
        return document.pop(path)
    head, dot, rest = path.partition(".")
    below = document.get(head)
    if not dot or not isinstance(below, dict):
        return None
    document[head] = copy = dict(below)
    return _taken(copy, rest)


class SearchServer(ServerReader):
    vectorless = True

    def open(self) -> Iterable[str]:
        self._client = self._connected()
        self.resources.callback(self._client.close)
        self.kind = f"{self.title} {plain(self.ask(self._client.info)['version']['number'])}"
        self._known: dict[str, tuple[tuple[VectorSpec, ...], list[str]]] = {}
        """Of every index with vectors its fields, and what is to be known of them."""
        for name, index in self.ask(self._client.indices.get_mapping).items():
            notes: list[str] = []
            properties = (index.get("mappings") or {}).get("properties") or {}
            fields = vector_fields(properties, self.distance_asked, notes)
            if fields and not name.startswith("."):  # those are the server's own
                self._known[str(name)] = fields, notes
        return sorted(self._known)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one span
        shape = self._shape(name)
        behind = None if after is None else json.loads(str(after))
        for hits in self._hits(name, shape, size, behind):
            yield Batch([shape.record(hit) for hit in hits], json.dumps(self._behind(hits[-1])))

    @abstractmethod
    def _connected(self) -> Any: ...

    @abstractmethod
    def _open_point(self, index: str) -> str: ...

    @abstractmethod
    def _close_point(self, point: str) -> None: ...

    @abstractmethod
    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> Any: ...

    def _behind(self, hit: Payload) -> list[object]:
        """Where to go on behind a hit, in any later point in time."""
        return list(hit["sort"])

    @cached_property
    def _aliases(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for index, known in self.ask(self._client.indices.get_alias).items():
            for alias in known.get("aliases") or {}:
                found.setdefault(str(alias), []).append(str(index))
        return found

    def describe(self, name: str) -> SourceCollection:
        shape, aliases = self._shape(name), self._aliases
        own = sorted(alias for alias, indices in aliases.items() if name in indices)
        shared = [alias for alias in own if len(aliases[alias]) > 1]
        notes = [f"the alias {plain(alias)} stands for several indices, which Qdrant has not" for alias in shared]
        names, notes = tuple(alias for alias in own if alias not in shared), [*self._known[name][1], *notes]
        count = int(self.ask(self._client.count, index=name)["count"])
        words = self.layout_words(shape.layout, "what its records hold")
        spec = None
        if all(field.size for field in shape.fields):
            slots = (field.model_copy(update={"name": shape.slots[field.name]}) for field in shape.fields)
            spec = layouts.fitted(CollectionSpec(vectors=tuple(slots)), shape.layout)
        return SourceCollection(name=name, count=count, spec=spec, payload=words, aliases=names, warnings=tuple(notes))

    @once
    def _shape(self, name: str) -> Shape:
        fields, _ = self._known[name]
        plainly = Shape(fields, "plain")
        first = next(self._hits(name, plainly, layouts.SAMPLE, None), [])
        layout = self.layout_asked or layout_of([plainly.record(hit).payload for hit in first])
        return Shape(fields, layout)

    def _hits(self, name: str, shape: Shape, size: int, behind: list[Any] | None) -> Iterator[list[Payload]]:
        point = self.ask(self._open_point, index=name)
        try:
            while True:
                held = {"id": point, "keep_alive": KEPT_ALIVE}
                answer = self.ask(partial(self._search, held, shape, size, behind))
                self._whole(name, answer)
                hits = list(answer["hits"]["hits"])
                if not hits:
                    return
                yield hits
                point, behind = answer.get("pit_id", point), self._behind(hits[-1])
        finally:
            with contextlib.suppress(AdminError):  # the server lets go of it by itself a little later
                self.ask(self._close_point, point=point)

    def _whole(self, name: str, answer: Any) -> None:
        """Refuse an answer that a shard is missing from: it looks like one with fewer documents."""
        shards = answer.get("_shards") or {}
        if answer.get("timed_out") or shards.get("failed"):
            failed = f"{shards.get('failed')} of {shards.get('total')} shards failed"
            raise SourceUnreadable(
                f"{plain(name)} did not answer completely",
                why="it timed out" if answer.get("timed_out") else failed,
                fix=f"curl {self.url}/_cluster/health",
            )

    def translated(self, error: Exception) -> AdminError:
        if type(error).__name__ == "UnsupportedProductError":
            return SourceUnreadable(f"what answers at {self.url} is no {self.title}", why=plain(str(error))[:200])
        return super().translated(error)

    def _access(self, basic: str, token: Callable[[str], Payload]) -> Payload:
        """Options of a client, whose names differ. A key of the form USER:PASSWORD is sent as these two."""
        key, certificates = source_key() or "", self.uri.options.get("ca_certs")
        access: Payload = {} if certificates is None else {"ca_certs": certificates}
        user, colon, password = key.partition(":")
        return access | ({basic: (user, password)} if colon else token(key) if key else {})


_LATEST_OF_SHARD = 0xFFFF_FFFF
"""Behind every document of one shard, in the lower half of `_shard_doc`."""


class ElasticsearchServer(SearchServer):
    title = "Elasticsearch"

    def _connected(self) -> object:
        from elasticsearch import Elasticsearch

        access = self._access("basic_auth", lambda key: {"api_key": key})
        return Elasticsearch(self.url, request_timeout=60, **access)

    def _open_point(self, index: str) -> str:
        return str(self._client.open_point_in_time(index=index, keep_alive=KEPT_ALIVE)["id"])

    def _close_point(self, point: str) -> None:
        self._client.close_point_in_time(id=point)

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> object:
        paths = [field.name for field in shape.fields]
        # Newer versions leave vectors out of `_source`; asked for as fields, every version gives them.
        return self._client.search(
            pit=point,
            size=size,
            sort=[{"_seq_no": "asc"}, {"_shard_doc": "asc"}],
            search_after=behind,
            source={"excludes": paths},
            fields=paths,
            track_total_hits=False,
        ).body

    def _behind(self, hit: Payload) -> list[object]:
        """In a shard no two documents have the same `_seq_no`, and where they lie in it changes: behind all of them."""
        number, place = hit["sort"]
        return [number, place | _LATEST_OF_SHARD]

    def translated(self, error: Exception) -> AdminError:
        """Also when it is the client that is too new."""
        if "media_type_header_exception" in str(error) or "compatible-with" in str(error):
            return SourceUnreadable(
                f"the {self.title} at {self.url} is older than its client here",
                why="a client of version 9 is not understood by a server of version 8",
                fix=install_command("elasticsearch>=8,<9"),
            )
        return super().translated(error)


class OpenSearchServer(SearchServer):
    title = "OpenSearch"

    def _connected(self) -> object:
        from opensearchpy import OpenSearch

        parts = urlsplit(self.url)
        access = self._access("http_auth", lambda key: {"headers": {"Authorization": f"Bearer {key}"}})
        return OpenSearch(
            hosts=[{"host": parts.hostname, "port": parts.port, "url_prefix": parts.path}],
            use_ssl=parts.scheme == "https",
            timeout=60,
            **access,
        )

    def _open_point(self, index: str) -> str:
        return str(self._client.create_pit(index=index, params={"keep_alive": KEPT_ALIVE})["pit_id"])

    def _close_point(self, point: str) -> None:
        self._client.delete_pit(body={"pit_id": [point]})

    def _search(self, point: dict[str, str], shape: Shape, size: int, behind: list[object] | None) -> object:  # noqa: ARG002 # vectors are in `_source`
        body: Payload = {
            "pit": point,
            "size": size,
            "sort": [{"_seq_no": "asc"}, {"_id": "asc"}],  # before 3.3 it has no `_shard_doc`
            "track_total_hits": False,
        }
        return self._client.search(body=body | ({"search_after": behind} if behind else {}))
