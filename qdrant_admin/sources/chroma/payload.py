"""What a Chroma collection becomes in Qdrant: its payload, its distance.

Payload is laid out as the program that wrote it reads it in Qdrant, else metadata flat and the text beside it. Nothing
is lost: where metadata has taken the name of the text's field, the text takes the name that Chroma reserves for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec, Distance, Floats, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Fields, Payload
from qdrant_admin.sources.layouts import DOCUMENT, Layout

RESERVED_DOCUMENT = "chroma:document"
DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "ip": "Dot", "l2": "Euclid"}
"""Chroma's l2 is the square of Qdrant's Euclid: the order of the results is the same."""


@dataclass(frozen=True)
class Sample:
    """The first records of a collection, as Chroma has them."""

    metadatas: Sequence[Fields] = ()
    documents: Sequence[str | None] = ()
    vectors: Sequence[Floats] = ()


@dataclass(frozen=True)
class Shape:
    layout: Layout
    words: str
    spec: CollectionSpec | None
    warnings: tuple[str, ...] = ()

    def payload(self, metadata: Fields, document: str | None) -> Payload:
        text_field = RESERVED_DOCUMENT if DOCUMENT in metadata else DOCUMENT
        return layouts.lay_out(self.layout, metadata, document, field=text_field)


def shape(
    name: str, *, space: str, said: str | None, dimension: int | None, sample: Sample, options: Mapping[str, str]
) -> Shape:
    """What a collection becomes, by what it holds and its URI's options. `said`: the distance in its metadata."""
    if space not in DISTANCES:
        what = f"collection {plain(name)} uses the distance {plain(space)}"
        raise SourceUnreadable(what, why=f"known are {', '.join(DISTANCES)}")
    asked, by = layouts.layout_option(options), "what its records hold"
    layout = asked or layouts.recognised(sample.metadatas)
    if asked is not None:
        by = ""
    elif layout == "plain" and name == layouts.LANGCHAIN_COLLECTION and None not in sample.documents:
        layout, by = "langchain", "its name"
    distance = layouts.distance_option(options)
    unit = layouts.unit_length(sample.vectors)
    notes = list(layouts.distance_notes(DISTANCES[space], distance, unit=unit, layout=layout))
    if said in DISTANCES and said != space and distance is None:
        words = f"Chroma compares by {space}, though its metadata says {said}"
        notes.append(f"{words}: ?distance={DISTANCES[said]} asks for that")
    spec = None
    if dimension:
        spec = CollectionSpec(vectors=(VectorSpec(size=dimension, distance=DISTANCES[space]),))
        spec = layouts.fitted(spec, layout, distance)
    return Shape(layout, layouts.words(layout, by=by), spec, tuple(notes))


def space_of(*configurations: object, metadata: str | None) -> str:
    """The distance of a collection: by its configurations, in any form that Chroma has used, or by its metadata."""
    # chromadb 0.5 wrote a configuration that says l2 whatever the collection was made with, and went by the metadata.
    found = (_at(configuration, path) for path in _CONFIGURED for configuration in configurations)
    legacy = (_at(configuration, ("hnsw_configuration", "space")) for configuration in configurations)
    return next((space for space in (*found, metadata, *legacy) if space), "l2")


_TYPED = ("keys", "#embedding", "float_list", "vector_index", "config", "space")
_CONFIGURED = (_TYPED, ("hnsw", "space"), ("spann", "space"))
"""Where Chroma 1.x keeps a collection's distance."""


def _at(value: object, path: Sequence[str]) -> str | None:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
