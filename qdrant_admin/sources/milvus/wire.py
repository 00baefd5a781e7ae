"""Just as much of Protocol Buffers, and of Milvus's messages, as a file of Milvus Lite 2 holds."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from qdrant_admin.sources.milvus.schema import Field, Schema

Fields = dict[int, list[Any]]
"""Number of a field to its values: integers, or bytes."""
_KINDS = {1: "bool", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 10: "float", 11: "double", 20: "varchar",
          21: "varchar", 22: "array", 23: "json", 100: "binary_vector", 101: "float_vector", 102: "float16_vector",
          103: "bfloat16_vector", 104: "sparse_float_vector", 105: "int8_vector"}  # fmt: skip
"""Numbers of Milvus's types."""
_VECTOR_FIELDS = {
    "float_vector": 2,
    "float16_vector": 4,
    "bfloat16_vector": 5,
    "sparse_float_vector": 6,
    "int8_vector": 7,
}
_BOOLS, _INTEGERS, _LONGS, _FLOATS, _DOUBLES, _TEXTS, _ARRAYS, _JSON = 1, 2, 3, 4, 5, 6, 8, 9
_FIRST_USER_FIELD = 100
"""Below are Milvus's own: row id and time."""


def fields_of(message: bytes) -> Fields:
    """A message taken apart.

    Raises:
        ValueError: it is none.
    """
    found: Fields = {}
    at = 0
    value: int | bytes
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        else:
            if kind == 2:
                length, at = _varint(message, at)
            elif kind in {1, 5}:
                length = 8 if kind == 1 else 4
            else:
                raise ValueError(f"there is no field of the type {kind}")
            value, at = message[at : at + length], at + length
            if at > len(message):
                raise ValueError("it is cut off")
        found.setdefault(tag >> 3, []).append(value)
    return found


def schema_of(message: bytes, indexes: list[bytes]) -> Schema:
    """A collection's schema, and the metrics of its indexes.

    Raises:
        ValueError, IndexError: these are none.
    """
    found = fields_of(message)
    fields, auto = [], {}
    for octets in found.get(4, []):
        field = fields_of(octets)
        number = _first(field, 1, 0)
        name, kind = _first(field, 2, b"").decode(), _first(field, 5, 0)
        if number < _FIRST_USER_FIELD or (kind == _NUMBERS["json"] and _first(field, 12, 0)):
            continue  # Milvus's own, and the one for what no schema names
        size = _pairs(field, 6).get("dim")
        auto[number] = name
        fields.append(
            Field(
                name=name,
                kind=_KINDS.get(kind, f"type {kind}"),
                size=int(size) if size else None,
                primary=bool(_first(field, 3, 0)),
                computed=bool(_first(field, 16, 0)),
            )
        )
    metrics = {}
    for octets in indexes:
        index = fields_of(octets)
        metric = _pairs(index, 5).get("metric_type")
        if metric and _first(index, 1, 0) in auto:
            metrics[auto[_first(index, 1, 0)]] = metric.upper()
    key = next((field.name for field in fields if field.primary), None)
    if key is None:
        raise ValueError("its schema has no primary field")
    return Schema(_first(found, 1, b"").decode(), key, tuple(fields), metrics)


def row_of(message: bytes) -> dict[str, Any]:
    """One record: field to value; vectors as bytes.

    Raises:
        ValueError: it is none.
    """
    return dict(_cell(octets) for octets in fields_of(message).get(1, []))


def _cell(octets: bytes) -> tuple[str, Any]:
    field = fields_of(octets)
    kind, name = _KINDS.get(_first(field, 1, 0), ""), _first(field, 2, b"").decode()
    if 4 in field:
        return name, _vector(kind, fields_of(field[4][0]))
    return name, next(_scalars(fields_of(_first(field, 3, b""))), None)


def _vector(kind: str, field: Fields) -> Any:
    content = _first(field, _VECTOR_FIELDS.get(kind, 0), None)
    inside = kind in {"float_vector", "sparse_float_vector"}  # these two are messages, the others are bytes
    return _first(fields_of(content), 1, b"") if inside and content is not None else content


def _scalars(field: Fields) -> Iterator[Any]:
    """The values in a field of scalars, of which one record has one, and a list in it several."""
    for number, contents in field.items():
        values = fields_of(contents[0]).get(1, []) if isinstance(contents[0], bytes) else []
        for value in values:
            if number in {_BOOLS, _INTEGERS, _LONGS}:
                yield from (bool(one) if number == _BOOLS else _signed(one) for one in _packed(value))
            elif number in {_FLOATS, _DOUBLES}:
                yield from np.frombuffer(value, dtype="<f4" if number == _FLOATS else "<f8").tolist()
            elif number == _ARRAYS:
                yield list(_scalars(fields_of(value)))
            elif number in {_TEXTS, _JSON}:
                yield value.decode()


def _packed(value: int | bytes) -> Iterator[int]:
    if isinstance(value, int):
        yield value
        return
    at = 0
    while at < len(value):
        number, at = _varint(value, at)
        yield number


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError("it is cut off")
        octet = message[at]
        number |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return number, at


def _signed(number: int) -> int:
    return int(struct.unpack("<q", struct.pack("<Q", number & 0xFFFF_FFFF_FFFF_FFFF))[0])


def _pairs(field: Fields, number: int) -> dict[str, str]:
    pairs = [fields_of(octets) for octets in field.get(number, [])]
    return {_first(pair, 1, b"").decode(): _first(pair, 2, b"").decode() for pair in pairs}


def _first(field: Fields, number: int, otherwise: Any) -> Any:
    return field[number][0] if number in field else otherwise


_NUMBERS = {kind: number for number, kind in _KINDS.items()}
