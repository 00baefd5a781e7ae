"""Payloads as the bytes that they are on the wire, in their canonical form.

A scalar is taken as it came. Only what holds an object is put together anew: the order in it differs from read to read.
"""

import re
from collections.abc import Iterable
from typing import Any

from qdrant_admin.database.canonical import KEY, LIST, NULL, OBJECT, entry_bytes, list_bytes, object_bytes
from qdrant_admin.database.grpc_reading import value_in
from qdrant_admin.database.wire_messages import messages

_DOUBLE = b"\x09\x11"
_ROUNDED = re.compile(rb"\x09\x11(?:.{6}[\xe0-\xff]\x43|.{7}[\x44-\x7f])", re.DOTALL)
"""A number of 2^63 or more as a double: an integer beyond 2^63-1 comes over gRPC like that. It is a message of its own,
so its length (9) stands before it."""
_NESTING = re.compile(rb"\x12[\x80-\xff]*[\x00-\x7f][\x32\x3a]")
"""The value of an entry, with its length, that is an object or a list. Text may look like it; nothing is lost then."""


def may_be_rounded(raw: bytes) -> bool:
    """Whether a payload, or a part of it, holds what may have been a larger integer."""
    return _DOUBLE in raw and _ROUNDED.search(raw) is not None


def needs_order(raw: bytes) -> bool:
    """Whether some sorted entries may differ from their canonical form.

    Args:
        raw: of one payload or of several, one behind the other.
    """
    return _NESTING.search(raw) is not None


def canonical_entries(entries: Iterable[bytes]) -> list[bytes]:
    """The entries of a payload as `canonical.payload_entries` makes them of the same one."""
    return sorted(map(_canonical_entry, entries))


def value_of(entry: bytes) -> Any:
    """The value of an entry, as Python has it; None of one that is nested more deeply than protobuf reads."""
    from google.protobuf.message import DecodeError
    from qdrant_client import grpc

    try:
        return value_in(grpc.Value.FromString(messages()["Entry"].FromString(entry).value), [])
    except DecodeError:
        return None


def _canonical_entry(entry: bytes) -> bytes:
    if entry[:1] == KEY and not needs_order(entry):
        return entry
    found = messages()["Entry"].FromString(entry)
    return entry_bytes(found.key, _canonical_value(found.value))


def _canonical_value(raw: bytes) -> bytes:
    if raw[:1] == LIST and OBJECT not in raw:
        return raw
    if raw[:1] not in (OBJECT, LIST):
        return raw or NULL
    found = messages()["Value"].FromString(raw)
    if found.HasField("object"):
        return object_bytes(map(_canonical_entry, found.object.entries))
    return list_bytes(map(_canonical_value, found.list.values))
