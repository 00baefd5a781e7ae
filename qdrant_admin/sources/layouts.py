"""How text and metadata lie in a payload, so that the program that wrote them elsewhere finds them again in Qdrant.

LangChain reads `page_content` and a nested `metadata`; LlamaIndex rebuilds its nodes from `_node_content`, the text
inside; Mem0 reads `data` and its own fields flat. Anything else is flat metadata with the text beside it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.database.models import CollectionSpec, Distance, Floats, VectorSpec
from qdrant_admin.sources.base import Fields, Payload, free_name, option

Layout = Literal["plain", "langchain", "llamaindex", "mem0"]
SAMPLE = 16
"""Records looked at to recognise a layout. All of them have to agree."""
DOCUMENT = "document"
"""Where the text is in a plain payload."""
LANGCHAIN_COLLECTION = "langchain"
"""What LangChain calls a collection when it is not told otherwise: where it leaves no other trace, this is one."""

_WORDS: dict[Layout, str] = {
    "plain": f"metadata flat, the text in payload field {DOCUMENT}",
    "langchain": "as LangChain reads it: the text in page_content, metadata nested in metadata",
    "llamaindex": "as LlamaIndex reads it: metadata flat, the node with its text in _node_content",
    "mem0": "as Mem0 reads it: the text in data, hash, user_id and the rest flat beside it",
}
_TITLES: dict[Layout, str] = {"langchain": "LangChain", "llamaindex": "LlamaIndex", "mem0": "Mem0"}
_MEM0_FIELDS = ("user_id", "agent_id", "run_id", "actor_id")
"""The fields of which Mem0 itself makes keyword indexes."""
_MD5 = re.compile(r"[0-9a-f]{32}")
_LAYOUTS: dict[str, Layout] = {name: name for name in get_args(Layout)}
_DISTANCES: dict[str, Distance] = {name: name for name in get_args(Distance)}


def layout_option(options: Mapping[str, str]) -> Layout | None:
    """The layout that a URI asks for with `?layout=`; None when the records are to tell it."""
    return option(options, "layout", _LAYOUTS, None)


def distance_option(options: Mapping[str, str]) -> Distance | None:
    """The distance that a URI asks for with `?distance=`; None when it does not."""
    return option(options, "distance", _DISTANCES, None)


def recognised(records: Sequence[Fields]) -> Layout:
    """The layout that these records (metadata or payloads) were written in; plain when they do not agree on one."""
    for layout, told in (("llamaindex", _is_llamaindex), ("mem0", _is_mem0), ("langchain", _is_langchain)):
        if records and all(told(record) for record in records):
            return layout  # type: ignore[return-value] # the three are layouts
    return "plain"


def words(layout: Layout, *, by: str = "") -> str:
    """Where things are in the payload, for the plan. `by`: what it was recognised by, if nobody asked for it."""
    recognised_by = f" (recognised by {by}; ?layout=plain leaves it alone)" if by and layout != "plain" else ""
    return _WORDS[layout] + recognised_by


def words_kept(payloads: Sequence[Fields]) -> str:
    """For a source whose payload is copied as it is: whose it is, as far as these payloads tell."""
    layout = recognised(payloads)
    return "kept as it is" if layout == "plain" else f"kept as it is, {_WORDS[layout]}"


def lay_out(layout: Layout, metadata: Fields, text: str | None, *, field: str = DOCUMENT) -> Payload:
    """One record as a payload; a plain text goes into `field`. Where a field is taken, the text gets one of its own."""
    if layout == "langchain":
        return {"metadata": dict(metadata)} | ({} if text is None else {"page_content": text})
    if layout == "llamaindex":
        return _llamaindex(metadata, text, field)
    if layout == "mem0" and (not text or metadata.get("data") in {None, text}):
        return dict(metadata) | ({"data": text} if text else {})
    return _beside(metadata, text, field)


def payload_indexes(layout: Layout) -> dict[str, Payload]:
    """The payload indexes that the program makes for itself in Qdrant."""
    return {field: {"type": "keyword"} for field in _MEM0_FIELDS} if layout == "mem0" else {}


def fitted(spec: CollectionSpec, layout: Layout, distance: Distance | None = None) -> CollectionSpec:
    """A collection as the program of this layout makes it: its payload indexes, its slots, the distance asked for."""
    vectors = spec.vectors
    if distance is not None:
        asked = {"distance": distance}
        vectors = tuple(slot if slot.kind == "sparse" else slot.model_copy(update=asked) for slot in vectors)
    if layout == "mem0" and all(slot.kind != "sparse" for slot in vectors):
        # Without this slot Mem0 searches by meaning only, for as long as the collection lives.
        vectors = (*vectors, VectorSpec(name="bm25", kind="sparse", params={"modifier": "idf"}))
    indexes = payload_indexes(layout) | spec.payload_indexes
    return spec.model_copy(update={"vectors": vectors, "payload_indexes": indexes})


def unit_length(vectors: Sequence[Floats]) -> bool:
    """Whether all of these vectors have length one, as most models make them."""
    return bool(vectors) and all(abs(float(np.linalg.norm(vector)) - 1) < 1e-4 for vector in vectors)


def distance_notes(own: Distance, asked: Distance | None, *, unit: bool, layout: Layout = "plain") -> Iterator[str]:
    """What a person should know of the distance in the target. `unit`: the vectors looked at have length one."""
    if asked in {None, own}:
        if own != "Cosine" and layout in _TITLES:
            order = "in the same order" if unit else "and other points, as these do not all have length one"
            yield f"{_TITLES[layout]} compares by Cosine in Qdrant: ?distance=Cosine asks for it, {order}"
        elif own == "Euclid" and unit:
            yield "its vectors have length one: Cosine finds the same in the same order, ?distance=Cosine asks for it"
        return
    same = unit and "Manhattan" not in {own, asked}
    order = "length one: the order of what is found stays" if same else "what is found, and its order, may change"
    yield f"compared by {own} at the source and by {asked} in the target, as asked ({order})"


def unknown_distance(what: str) -> SourceUnreadable:
    """For a store that compares in a way that Qdrant has not, while no other one is asked for."""
    fix = "add ?distance=Euclid, or another of these, to the source"
    return SourceUnreadable(what, why="Qdrant has Cosine, Dot, Euclid and Manhattan", fix=fix)


def _beside(metadata: Fields, text: str | None, field: str) -> Payload:
    payload = dict(metadata)
    if text is not None:
        payload[free_name(field, payload)] = text
    return payload


def _llamaindex(metadata: Fields, text: str | None, field: str) -> Payload:
    """Other stores keep the text beside the node; in Qdrant LlamaIndex looks for it inside."""
    if text is None:
        return dict(metadata)
    try:
        node = json.loads(metadata["_node_content"])
    except (KeyError, TypeError, ValueError):
        return _beside(metadata, text, field)
    if not isinstance(node, dict):
        return _beside(metadata, text, field)
    if metadata.get("_node_type") == "Node":
        node["text_resource"] = {"text": text}
    else:
        node["text"] = text
    return {**metadata, "_node_content": json.dumps(node, ensure_ascii=False)}


def _is_llamaindex(record: Fields) -> bool:
    return isinstance(record.get("_node_content"), str) and isinstance(record.get("_node_type"), str)


def _is_mem0(record: Fields) -> bool:
    hashed = record.get("hash")
    owned = any(field in record for field in _MEM0_FIELDS)
    return owned and isinstance(record.get("data"), str) and isinstance(hashed, str) and bool(_MD5.fullmatch(hashed))


def _is_langchain(record: Fields) -> bool:
    return isinstance(record.get("page_content"), str) and isinstance(record.get("metadata"), dict)


_TEXT, _METADATA = "text", "metadata"
"""What LangChain, LlamaIndex and Mem0 call these columns in LanceDB and in Milvus."""


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """How the columns of a table become a payload."""

    layout: Layout
    nested: bool
    """Whether the metadata is an object in a column of its own."""

    def payload(self, columns: Fields) -> Payload:
        """The payload of one record, from the columns that are neither its id nor a vector."""
        if self.layout == "plain":
            return dict(columns)
        rest = dict(columns)
        text = rest.pop(_TEXT, None) if self.layout != "mem0" and isinstance(rest.get(_TEXT), str) else None
        inner = rest.get(_METADATA)
        if self.nested and isinstance(inner, Mapping):
            del rest[_METADATA]
            rest = _joined(rest, inner)
        return lay_out(self.layout, rest, text)


def column_layout(samples: Sequence[Fields], asked: Layout | None, *, langchain: bool = False) -> ColumnLayout:
    """The layout of a table, by the columns of some records. `langchain`: the table looks like one of LangChain."""
    nested = bool(samples) and all(isinstance(one.get(_METADATA), Mapping) for one in samples)
    found = recognised([one[_METADATA] for one in samples] if nested else samples)
    if found == "plain" and samples:
        paired = nested and all(one.keys() == {_TEXT, _METADATA} for one in samples)
        found = "langchain" if paired or langchain else found
    return ColumnLayout(asked or found, nested)


def _joined(columns: Payload, inner: Fields) -> Payload:
    """Both on one level; what has a namesake of another value keeps a name of its own."""
    joined = dict(inner)
    for name, value in columns.items():
        free = name
        while free in joined and joined[free] != value:
            free += "_"
        joined[free] = value
    return joined
