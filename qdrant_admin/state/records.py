"""What is stored outlives the build that wrote it: each record carries the number of its schema.

Writing is strict: a report holds no field that it does not declare. Reading is tolerant: fields that this build does
not know are passed over, older schemas are brought up to date, and what cannot be read says why and stays where it is.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from qdrant_admin.core.formatting import plain
from qdrant_admin.core.serialization import jsonable, to_json
from qdrant_admin.core.values import Frozen, Invalid

RecordT = TypeVar("RecordT", bound=Frozen)


class Unreadable(msgspec.Struct, frozen=True):
    """A stored record that this build cannot read. The row itself stays as it is."""

    why: str
    """In words: `it was written by a newer qdrant-admin (schema 3; this one reads up to 2)`."""


def checksum(values: Mapping[str, Any]) -> str:
    """Of a record as it is written, whatever the order of its fields; the number of its schema is no part of it."""
    import hashlib

    told = {key: value for key, value in jsonable(values).items() if key not in {"schema", "checksum"}}
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def dump(record: Frozen) -> str:
    """A report, plan or run as it is stored: JSON with `schema` first."""
    return to_json({"schema": record.SCHEMA, **record.model_dump()})


def load(kind: type[RecordT], text: str | bytes) -> RecordT | Unreadable:
    """A stored record of that kind, or why it cannot be had.

    Args:
        kind: the class that it was written from; its `SCHEMA` is the newest that can be read.
        text: what `dump` returned, in this build or in an earlier one. A record without `schema` has schema 0.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"it is not JSON: {error}")
    if not isinstance(values, dict):
        return Unreadable("it is no record of qdrant-admin")
    schema = values.pop("schema", 0)
    if not isinstance(schema, int) or not 0 <= schema <= kind.SCHEMA:
        newest = f"schema {plain(schema)}; this one reads up to {kind.SCHEMA}"
        return Unreadable(f"it was written by a newer qdrant-admin ({newest})")
    return _built(kind, values, schema)


def _built(kind: type[RecordT], values: dict[str, Any], schema: int) -> RecordT | Unreadable:
    try:
        for before in range(schema, kind.SCHEMA):
            values = kind.upgraded(values, before)
        return kind.model_validate(values)
    except Invalid as error:
        return Unreadable(plain(error))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        return Unreadable(f"it is not a {kind.__name__} of schema {schema}: {plain(error)}")
