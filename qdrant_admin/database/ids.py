"""Point ids: an unsigned integer of 64 bits, or a UUID in its lower-case form with hyphens; and their order."""

import operator
import re
import uuid
from typing import Any

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import PointId

MAX_INTEGER = 2**64 - 1
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def point_id(value: Any) -> PointId:
    """The id as the server keeps it; takes numpy's integers and every spelling of a UUID.

    Raises:
        BadInput: neither an unsigned integer of 64 bits nor a UUID.
    """
    if type(value) is str and _CANONICAL.fullmatch(value):
        return value
    if isinstance(value, uuid.UUID):
        return str(value)
    try:
        if isinstance(value, str):
            return str(uuid.UUID(value))
        number = -1 if isinstance(value, bool) else operator.index(value)
    except (ValueError, TypeError):
        raise _refusal(value) from None
    if not 0 <= number <= MAX_INTEGER:
        raise _refusal(value)
    return number


def parse_id(text: str) -> PointId:
    """An id that a person typed: `42` is the integer, a UUID is a UUID; `BadInput` for anything else."""
    text = text.strip()
    return point_id(int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else text)


def id_key(point_id: PointId) -> bytes:
    """17 bytes that sort as the server sorts ids: integers ascending, then UUIDs."""
    if isinstance(point_id, int):
        return b"\0" + point_id.to_bytes(16, "big")
    digits = point_id.replace("-", "")
    return b"\1" + (bytes.fromhex(digits) if len(digits) == 32 else uuid.UUID(point_id).bytes)


def id_of_key(key: bytes) -> PointId:
    return int.from_bytes(key[1:], "big") if key[0] == 0 else str(uuid.UUID(bytes=key[1:]))


def _refusal(value: object) -> BadInput:
    return BadInput(
        f"“{plain(value)[:80]}” is not a point id",
        why="an id is an integer from 0 to 18446744073709551615, or a UUID",
        fix="such as 42 or 5c56c793-69f3-4fbf-87e6-c4bf54c28c26",
    )
