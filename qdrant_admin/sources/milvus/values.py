"""Vectors as Milvus gives them: over the wire, through pymilvus, and in its files."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.files.column_layout import ColumnLayout
from qdrant_admin.sources.files.values import Unfit, narrow, said
from qdrant_admin.sources.milvus.schema import DENSE, SPARSE, Schema

_BYTES = {"float16_vector": "<f2", "bfloat16_vector": "<u2", "int8_vector": "|i1", "float_vector": "<f4"}
_PAIR = np.dtype([("index", "<u4"), ("value", "<f4")])


def record_of(
    schema: Schema, layout: ColumnLayout, row: Mapping[str, Any], columns: Mapping[str, Any], partition: str
) -> Record:
    """A record; a vector in it that is none rejects it.

    Args:
        schema: of its collection.
        layout: of its payload.
        row: every field.
        columns: the same, with what no schema names where Milvus keeps it.
        partition: it lies in.
    """
    record = Record(row[schema.key])
    for field in schema.vectors:
        value = row.get(field.name)
        if value is None:
            continue
        try:
            record.vectors[schema.slots[field.name]] = vector_of(field.kind, value)
        except Unfit as error:
            record.trouble = f"vector {field.name} {error}"
            record.unread[field.name] = said(value)
    record.payload = layout.payload(schema.columns(columns, partition))
    return record


def vector_of(kind: str, value: Any) -> Vector:
    """A vector: numbers, bytes (also as the one element of a list), or numbers by dimension.

    Raises:
        Unfit: it is none of these.
    """
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], bytes):
        value = value[0]
    if kind == SPARSE and isinstance(value, bytes):
        return pairs_of(value)
    if kind == SPARSE and isinstance(value, Mapping):
        indices = np.array(sorted(value), dtype=np.uint32)
        return Sparse(indices, np.array([value[index] for index in sorted(value)], dtype=np.float32))
    if kind not in DENSE or isinstance(value, str | Mapping):
        raise Unfit(f"is a {type(value).__name__}, which is no {kind.replace('_', ' ')}")
    if isinstance(value, bytes):
        width = int(_BYTES[kind][-1])
        if len(value) % width:
            raise Unfit(f"has {len(value)} bytes, which are no whole number of components of {width} bytes")
        numbers = np.frombuffer(value, dtype=_BYTES[kind])
        if kind == "bfloat16_vector":  # the upper half of a float of 32 bits
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers.astype(np.float32)
    return narrow(np.asarray(value, dtype=np.float64))


def pairs_of(octets: bytes) -> Sparse:
    """A sparse vector from pairs of a dimension and a number.

    Raises:
        Unfit: these are none.
    """
    if len(octets) % _PAIR.itemsize:
        raise Unfit(f"has {len(octets)} bytes, which are no whole number of pairs")
    pairs = np.sort(np.frombuffer(octets, dtype=_PAIR), order="index")
    return Sparse(pairs["index"].astype(np.uint32), pairs["value"].astype(np.float32))
