"""Values out of files, one at a time: what is an id, what is a vector, and what JSON can say of the rest."""

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.database.models import Floats, Sparse, Vector, VectorKind
from qdrant_admin.sources.base import Payload

WORDS = "dates as RFC 3339 text (those without a zone as UTC), decimals as text, bytes as base64"
NO_ID = ""
"""What `identity` says of a row that has none."""
_NUMBERS = {int, float}
_UINT32 = 1 << 32


class Unfit(ValueError):
    """A value that is not a vector, or not an id. Its text goes on where `its vector` ends: `holds null`."""


def read_json(text: bytes | str) -> Any:
    """JSON with every number exact and NaN allowed: the fast parser first, the tolerant one for what it refuses."""
    from pydantic_core import from_json

    try:
        return from_json(text)
    except ValueError:  # half of a surrogate pair, or nested deeper than 200 levels: the check of the payload says so
        return json.loads(text)


def vector_of(value: object, kind: VectorKind, octets: str = "<f4") -> Vector:
    """A vector from numbers, indices and values, JSON text of these, or bytes (`octets`: NumPy's name for the numbers).

    Raises `Unfit` when it is none, or 32 bits cannot hold it.
    """
    if isinstance(value, str):
        try:
            value = read_json(value)
        except (ValueError, RecursionError):
            raise Unfit("is text, and not the JSON of a vector") from None
    if isinstance(value, bytes):
        width = int(octets[-1])
        if kind != "dense" or len(value) % width:
            raise Unfit(f"has {len(value)} bytes, not a whole number of components of {width} bytes")
        return narrow(np.frombuffer(value, dtype=octets))
    if kind == "sparse":
        return _sparse(value)
    return _multi(value) if kind == "multi" else _dense(value)


def narrow(numbers: npt.NDArray[Any]) -> Floats:
    """Any numbers in 32 bits; `Unfit` when a finite one would become infinite, or all of them zero."""
    if numbers.dtype == np.float32:
        return np.ascontiguousarray(numbers)
    with np.errstate(over="ignore", under="ignore"):
        narrowed = numbers.astype(np.float32)
    largest = np.abs(narrowed).max(initial=0.0)  # one look for both faults; NaN comes through
    if not largest < np.inf and np.isfinite(numbers).all():
        raise Unfit("holds a number that is infinite in 32 bits")
    if largest == 0 and numbers.any():
        raise Unfit("is so small that it would be all zero in 32 bits")
    return narrowed


def narrow_rows(rows: npt.NDArray[Any]) -> Floats | None:
    """Many vectors in 32 bits, a row each; None when one of them has to be looked at by itself."""
    try:
        narrowed = narrow(rows)
    except Unfit:
        return None
    # One row may have become zero, which `narrow` sees only of all of them together.
    return narrowed if rows.dtype.itemsize <= 4 or narrowed.any(axis=1).all() else None


def floats_of(numbers: object) -> Floats:
    """Numbers in 32 bits, as a store that checks its vectors itself gives them."""
    return np.asarray(numbers, dtype=np.float32)


def sparse_of(indices: object, numbers: object) -> Sparse:
    """A sparse vector, its indices put in order."""
    places = np.asarray(indices, dtype=np.uint32)
    order = np.argsort(places, kind="stable")
    return Sparse(places[order], floats_of(numbers)[order])


def _dense(value: object) -> Floats:
    if isinstance(value, np.ndarray):
        return narrow(value)
    if not isinstance(value, list):
        raise Unfit(f"is {_word(value)}, not a list of numbers")
    return _numbers(value, value)


def _multi(value: object) -> Floats:
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise Unfit(f"is {_word(value)}, not a list of rows of numbers")
    if not value:
        raise Unfit("has no row")
    if len({len(row) for row in value}) > 1:
        raise Unfit("has rows of different lengths")
    return _numbers(value, chain.from_iterable(value))


def _sparse(value: object) -> Sparse:
    if not isinstance(value, Mapping) or value.keys() != {"indices", "values"}:
        raise Unfit(f"is {_word(value)}, not indices and values")
    indices, values = value["indices"], value["values"]
    if not isinstance(indices, list) or not all(type(index) is int and 0 <= index < _UINT32 for index in indices):
        raise Unfit("has an index that is not an unsigned integer of 32 bits")
    if not isinstance(values, list) or len(values) != len(indices):
        raise Unfit("has another number of indices than of values")
    return sparse_of(indices, _numbers(values, values))


def _numbers(values: list[object], flat: Iterable[object]) -> Floats:
    """A list of numbers, or of lists of them, in 32 bits; `flat` are the numbers alone."""
    strange = set(map(type, flat)) - _NUMBERS
    if strange:
        kind = "null" if type(None) in strange else f"a {next(iter(strange)).__name__}"
        raise Unfit(f"holds {kind} where a number should be")
    try:
        return narrow(np.array(values, dtype=np.float64))
    except OverflowError:
        raise Unfit("holds a number that is infinite in 32 bits") from None


def _word(value: object) -> str:
    return {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}.get(
        type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}"
    )


def identity(value: object) -> int | str:
    """A value as an id; `NO_ID` when it is empty, `Unfit` when it is a list or an object."""
    if value is None or value == "" or (isinstance(value, float) and value != value):  # noqa: PLR0124 # NaN: a gap
        return NO_ID
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)  # integers beside gaps become floats in many a program
    if isinstance(value, bool | list | Mapping):
        raise Unfit(f"is {_word(value)}, which is not an id")
    if isinstance(value, int | str):
        return value
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value)) if len(value) == 16 else _text(value)
    return str(said(value))


def said(value: object) -> Any:
    """A value as JSON can say it: see `WORDS`."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): said(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [said(item) for item in value]
    return next((say(value) for kind, say in _SAYINGS if isinstance(value, kind)), str(value))


def _moment(value: dt.datetime) -> str:
    return value.isoformat().replace("+00:00", "Z") if value.tzinfo else f"{value.isoformat()}Z"


_SAYINGS: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (bytes, lambda value: base64.b64encode(value).decode("ascii")),
    (dt.datetime, _moment),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    (np.generic, lambda value: said(value.item())),
)
"""How other kinds are said; a datetime is a date as well, so it stands before it. Anything else is `str` of it."""


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


FIELDS = ("metadata", "meta", "payload", "cmetadata", "_metadata_json")
"""Where it is taken for what it says. Text elsewhere stays text, whatever it looks like."""


def with_json_opened(payload: Payload) -> Payload:
    """The payload with JSON objects and lists in `FIELDS` as what they say; changed in place."""
    for field in FIELDS:
        text = payload.get(field)
        if isinstance(text, str) and text.lstrip()[:1] in {"{", "["}:
            try:
                payload[field] = read_json(text)
            except (ValueError, RecursionError):
                continue
    return payload
