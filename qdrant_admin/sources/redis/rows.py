"""What the fields of a Redis hash become: text as text, other bytes as base64, JSON in the usual fields as it says.

The hashes of LangChain and Mem0 are known by their fields and laid out as the two read them in Qdrant.
"""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from qdrant_admin.database.models import Floats
from qdrant_admin.sources.files.json_text import opened
from qdrant_admin.sources.files.values import Unfit, narrow
from qdrant_admin.sources.layouts import Layout, lay_out

FLOATS = {"float32": "<f4", "float64": "<f8", "float16": "<f2"}
_MEM0 = {"memory_id", "memory", "hash", "metadata"}
_MEM0_OWN = {"memory_id", "memory", "metadata", "created_at", "updated_at"}
_TEXTS = ("content", "text", "page_content", "document")
_JSON = ("_metadata_json", "metadata")
_OWN = "_index_name"
_PLAUSIBLE = 1e6
"""No component of an embedding is longer than that; a double read as two floats soon is."""


def text_of(octets: bytes) -> str:
    """Text, or base64 of what is none."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return base64.b64encode(octets).decode()


def identity_of(octets: bytes) -> int | str:
    """The end of a key as an id: a plain number is one."""
    # What is no text becomes halves of surrogate pairs, and the record is rejected for it.
    text = octets.decode("utf-8", "surrogateescape")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
    return number if str(number) == text and number < 1 << 64 else text


def payload_of(layout: Layout, fields: Mapping[bytes, bytes], vectors: Sequence[str]) -> dict[str, Any]:
    """A hash as a payload, without its vectors."""
    gone = {vector.encode() for vector in vectors}
    payload: dict[str, Any] = {
        name.decode("utf-8", "surrogateescape"): text_of(value) for name, value in fields.items() if name not in gone
    }
    opened(payload)
    if layout == "mem0":
        return _mem0(payload)
    if layout == "plain":
        return payload
    payload.pop(_OWN, None)
    text = next((payload.pop(name) for name in _TEXTS if name in payload), None)
    given: dict[str, Any] = {}
    for name in _JSON:
        if isinstance(payload.get(name), dict):
            given = payload.pop(name)
            break
    return lay_out(layout, {**payload, **given}, text)


def recognised(hashes: Sequence[Mapping[bytes, bytes]]) -> Layout:
    """Whose hashes these are, when all of them agree."""
    names = [{name.decode("utf-8", "replace") for name in fields} for fields in hashes]
    if names and all(known >= _MEM0 for known in names):
        return "mem0"
    if names and all({"content", "content_vector"} <= known or {"text", "_metadata_json"} <= known for known in names):
        return "langchain"
    return "plain"


def floats_of(octets: bytes, kind: str) -> Floats | str:
    """A vector out of its bytes, or why it is none."""
    width = np.dtype(FLOATS[kind]).itemsize
    if len(octets) % width:
        return f"has {len(octets)} bytes, which are no whole number of components of {width} bytes"
    try:
        return narrow(np.frombuffer(octets, dtype=FLOATS[kind]))
    except Unfit as unfit:
        return str(unfit)


def plausible(vectors: Sequence[bytes], kind: str) -> bool:
    """Whether these bytes read like embeddings in that kind of numbers."""
    for octets in vectors:
        if len(octets) % np.dtype(FLOATS[kind]).itemsize:
            return False
        numbers = np.abs(np.frombuffer(octets, dtype=FLOATS[kind]).astype(np.float64))
        given = numbers[numbers > 0]
        if not np.isfinite(numbers).all() or (given > _PLAUSIBLE).any() or (given < 1 / _PLAUSIBLE**2).any():
            return False
    return True


def _mem0(payload: dict[str, Any]) -> dict[str, Any]:
    """As Mem0 itself reads its hashes: times are seconds here, and text everywhere else."""
    metadata = payload.get("metadata")
    laid_out = {name: value for name, value in payload.items() if name not in _MEM0_OWN}
    laid_out["data"] = payload.get("memory", "")
    for name in ("created_at", "updated_at"):
        seconds = str(payload.get(name, "0"))
        if seconds.isdecimal() and int(seconds):
            laid_out[name] = datetime.fromtimestamp(int(seconds), tz=UTC).isoformat(timespec="microseconds")
    return laid_out | (metadata if isinstance(metadata, dict) else {})
