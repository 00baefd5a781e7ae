"""Stores without a type for JSON keep it as text, in fields that programs have agreed on."""

from typing import Any

from qdrant_admin.sources.files.values import read_json

FIELDS = ("metadata", "meta", "payload", "cmetadata", "_metadata_json")
"""Where it is taken for what it says. Text elsewhere stays text, whatever it looks like."""


def opened(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload with JSON objects and lists in `FIELDS` as what they say; changed in place."""
    for field in FIELDS:
        text = payload.get(field)
        if isinstance(text, str) and text.lstrip()[:1] in {"{", "["}:
            try:
                payload[field] = read_json(text)
            except (ValueError, RecursionError):
                continue
    return payload
