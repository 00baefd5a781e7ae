"""How a Chroma record becomes a payload: metadata flat, the text beside it.

Flat is what filters in Qdrant expect and what Mem0 wrote in the first place. Nothing is lost: the text has a field of
its own, and where metadata has taken that name, the text takes the name that Chroma itself reserves for it.
"""

from typing import Any

from qdrant_admin.database.models import Distance

DOCUMENT = "document"
RESERVED_DOCUMENT = "chroma:document"
URI = "chroma:uri"
WORDS = f"metadata flat, the text in payload field {DOCUMENT}"
DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "ip": "Dot", "l2": "Euclid"}
"""Chroma's l2 is the square of Qdrant's Euclid: the order of the results is the same."""


def payload_of(metadata: dict[str, Any], document: str | None) -> dict[str, Any]:
    """Metadata and text of one record as a payload."""
    payload = dict(metadata)
    if document is not None:
        payload[RESERVED_DOCUMENT if DOCUMENT in payload else DOCUMENT] = document
    return payload


def space_of(configuration: Any) -> str | None:
    """The distance inside a collection's schema or configuration, in any of the forms Chroma has used."""
    paths = (
        ("keys", "#embedding", "float_list", "vector_index", "config", "space"),
        ("hnsw", "space"),
        ("hnsw_configuration", "space"),
        ("spann", "space"),
    )
    for path in paths:
        value = configuration
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, str):
            return value
    return None
