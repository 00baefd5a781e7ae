"""What the objects of a Weaviate class become: their vectors, their payload, their ids."""

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Distance, Floats, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.layouts import Layout

TENANT = "tenant"
"""Payload field that the name of an object's tenant goes into."""
_DEFAULT = "default"
"""What the client calls the vector of a class that has but one, without a name."""
_TEXT = "text"
"""Where LangChain and LlamaIndex keep the text among the properties."""
_DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "dot": "Dot", "l2-squared": "Euclid", "manhattan": "Manhattan"}


@dataclass(frozen=True)
class Shape:
    """What the objects of one class become."""

    slots: tuple[VectorSpec, ...]
    layout: Layout
    tenants: bool = False
    """Whether objects of several tenants come together."""
    notes: list[str] = field(default_factory=list)

    def words(self, *, asked: bool) -> str:
        """How payload is laid out."""
        by = "" if asked else "what its records hold"
        own = "properties as they are" if self.layout == "plain" else layouts.words(self.layout, by=by)
        return f"{own}; the tenant in payload field {TENANT}, and before the id" if self.tenants else own

    def record(self, found: Any, tenant: str) -> Record:
        """One object as a record."""
        properties = {str(key): _plain(value) for key, value in found.properties.items()}
        text = None
        if self.layout in {"langchain", "llamaindex"} and isinstance(properties.get(_TEXT), str):
            text = properties.pop(_TEXT)
        payload = layouts.lay_out(self.layout, properties, text)
        identity = str(found.uuid)
        if self.tenants:
            payload, identity = _with_tenant(payload, tenant), f"{tenant}/{identity}"
        unnamed = any(slot.name == "" for slot in self.slots)
        vectors: dict[str, Vector] = {}
        for name, value in (found.vector or {}).items():
            vector: Floats = np.asarray(value, dtype=np.float32)
            vectors["" if unnamed and name == _DEFAULT else name] = vector
        return Record(identity, payload, vectors)


def slots_of(config: Any, first: list[Any]) -> tuple[tuple[VectorSpec, ...], list[str]]:
    """The vectors of a class, and what is to be known of them. The schema tells no dimension: the first objects do."""
    slots, notes = [], []
    named = config.vector_config
    indexes = (
        {_DEFAULT: config.vector_index_config}
        if not named
        else {name: slot.vector_index_config for name, slot in named.items()}
    )
    for name, index in indexes.items():
        value = next((found.vector[name] for found in first if (found.vector or {}).get(name)), None)
        metric = str(getattr(index.distance_metric, "value", index.distance_metric)) if index else "cosine"
        if value is None:
            notes += [f"none of the first objects has a vector {plain(name)}: it is left out"] if named else []
            continue
        if metric not in _DISTANCES:
            notes.append(f"vector {plain(name)} is compared by {plain(metric)}, which Qdrant has not: Cosine is taken")
        multi = isinstance(value[0], list)
        slots.append(
            VectorSpec(
                name=name if named else "",
                kind="multi" if multi else "dense",
                size=len(value[0]) if multi else len(value),
                distance=_DISTANCES.get(metric, "Cosine"),
            )
        )
    return tuple(slots), notes


def _with_tenant(payload: dict[str, Any], tenant: str) -> dict[str, Any]:
    name = TENANT
    while name in payload:
        name += "_"
    return {**payload, name: tenant}


def _plain(value: Any) -> Any:
    """A property as JSON says it: dates as text, places as Qdrant has them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime | uuid.UUID):
        return value.isoformat() if isinstance(value, dt.datetime) else str(value)
    if hasattr(value, "latitude"):
        return {"lat": value.latitude, "lon": value.longitude}
    if hasattr(value, "international_formatted"):
        return {key: item for key, item in vars(value).items() if item is not None}
    return value
