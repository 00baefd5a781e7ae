"""The mapping of an Elasticsearch or OpenSearch index: which fields are vectors, and what a hit becomes."""

from collections.abc import Iterator
from dataclasses import dataclass

from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Fields, Payload, Record
from qdrant_admin.sources.files.values import floats_of
from qdrant_admin.sources.layouts import Layout

_TYPES = {"dense_vector": "dims", "knn_vector": "dimension"}
"""Type of a vector's field to where its mapping says how many components it has."""
_DISTANCES: dict[str, Distance] = {
    "cosine": "Cosine",
    "dot_product": "Dot",
    "max_inner_product": "Dot",
    "l2_norm": "Euclid",
    "cosinesimil": "Cosine",
    "innerproduct": "Dot",
    "l2": "Euclid",
    "l1": "Manhattan",
}
_PACKED = {"bit", "binary"}
"""Element types whose components are single bits."""
_TEXTS = ("text", "content", "page_content")
"""Where LangChain and LlamaIndex keep the text, beside a `metadata` of their own."""
_NESTS = ("metadata", "payload")


@dataclass(frozen=True)
class VectorField:
    """One field with vectors, by its path in a document."""

    path: str
    size: int | None
    """None while no document has been indexed yet."""
    distance: Distance


def vector_fields(properties: Fields, asked: Distance | None, notes: list[str]) -> tuple[VectorField, ...]:
    """The fields of a mapping that hold vectors; what is left as payload goes into the notes."""
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
        found.append(VectorField(path, field.get(size_key), distance))
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
    """What the documents of one index become."""

    fields: tuple[VectorField, ...]
    layout: Layout

    def slot(self, field: VectorField) -> str:
        """The name of its vectors: none when there is but one field."""
        return "" if len(self.fields) == 1 else field.path

    def slots(self) -> tuple[VectorSpec, ...]:
        return tuple(VectorSpec(name=self.slot(one), size=one.size, distance=one.distance) for one in self.fields)

    def record(self, hit: Fields) -> Record:
        source, given = dict(hit.get("_source") or {}), hit.get("fields") or {}
        vectors: dict[str, Vector] = {}
        trouble = ""
        for field in self.fields:
            value = given.get(field.path, _taken(source, field.path))
            try:
                if value is not None:
                    vectors[self.slot(field)] = floats_of(value)
            except (TypeError, ValueError):
                trouble = f"its field {plain(field.path)} holds no vector"
        return Record(str(hit["_id"]), self._payload(source), vectors, trouble=trouble)

    def _payload(self, source: Payload) -> Payload:
        if self.layout == "plain":
            return source
        metadata, text = unwrapped(source)
        return layouts.lay_out(self.layout, metadata, text)


def layout_of(documents: list[Payload]) -> Layout:
    found = layouts.recognised([unwrapped(document)[0] for document in documents])
    if found == "plain" and documents and all(document.keys() == {"text", "metadata"} for document in documents):
        return "langchain"
    return found


def without_vectors(hit: Fields, fields: tuple[VectorField, ...]) -> Payload:
    source = dict(hit.get("_source") or {})
    for field in fields:
        _taken(source, field.path)
    return source


def unwrapped(document: Fields) -> tuple[Payload, str | None]:
    """Metadata and text of a document of a framework; what lies beside the two stays with the metadata."""
    rest = dict(document)
    nest = next((name for name in _NESTS if isinstance(rest.get(name), dict)), None)
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
