"""The schema of a Milvus collection, as Milvus Lite's files and a server's answers both say it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import CollectionSpec, Distance, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Fields, Payload, Record, SourceCollection, free_name
from qdrant_admin.sources.files.values import Unfit, narrow, read_json, said, sparse_of
from qdrant_admin.sources.layouts import ColumnLayout, Layout

META = "$meta"
"""Where Milvus keeps the fields that no schema names."""
PARTITION = "partition"
"""Payload field for the name of the partition, where people have made partitions."""
DENSE = {"float_vector", "float16_vector", "bfloat16_vector", "int8_vector"}
SPARSE = "sparse_float_vector"
_UNKNOWN = {"binary_vector": "binary vectors", "array_of_vector": "arrays of vectors", "array_of_struct": "structs"}
_DISTANCES: dict[str, Distance] = {"COSINE": "Cosine", "IP": "Dot", "L2": "Euclid"}
"""Milvus's L2 is the square of Qdrant's Euclid: the order of the results is the same."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    kind: str
    """Milvus's name of the type in lower case: `varchar`, `float_vector`."""
    size: int | None = None
    primary: bool = False
    default: object = None
    computed: bool = False
    """Whether a function of Milvus makes it, such as BM25."""


@dataclass(frozen=True)
class Schema:
    name: str
    key: str
    fields: tuple[Field, ...]
    metrics: Mapping[str, str]
    """Vector field to the metric of its index, in upper case; one without index is missing."""
    partitions: frozenset[str] = frozenset()

    @cached_property
    def vectors(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.kind in DENSE or field.kind == SPARSE)

    @cached_property
    def slots(self) -> dict[str, str]:
        """Vector field to its name in Qdrant: a single one has none."""
        names = [field.name for field in self.vectors]
        return {name: "" if len(names) == 1 and self.vectors[0].kind != SPARSE else name for name in names}

    def kind(self, name: str) -> str:
        return next(field.kind for field in self.fields if field.name == name)

    @property
    def langchain(self) -> bool:
        return self.key == "pk" and {"text", "vector"} <= {field.name for field in self.fields}

    def spec(self) -> CollectionSpec:
        """What an equal collection of Qdrant is made with. `SourceUnreadable`: Qdrant cannot hold it."""
        for field in self.fields:
            if field.kind in _UNKNOWN:
                raise self._refused(f"field {plain(field.name)} holds {_UNKNOWN[field.kind]}, and Qdrant has none")
        if not self.vectors:
            raise self._refused("it has no field of vectors that Qdrant could hold")
        return CollectionSpec(vectors=tuple(self._slot(field) for field in self.vectors))

    def _warnings(self) -> Iterator[str]:
        for field in self.vectors:
            if field.computed:
                words = "is made by a function of Milvus: only queries of that function find anything by it"
                yield f"{plain(field.name)} {words}"
            if field.kind in DENSE and field.name not in self.metrics:
                words = f"no index says how {plain(field.name)} is compared, so it is by Cosine, as Milvus would"
                yield f"{words}; ?distance= asks for another"

    def described(
        self,
        name: str,
        count: int,
        spec: CollectionSpec,
        layout: Layout,
        aliases: tuple[str, ...] = (),
        *,
        folded: int = 0,
    ) -> SourceCollection:
        words = "every field under its own name" if layout == "plain" else layouts.words(layout)
        words += f"; the name of the partition in {PARTITION}" if self.partitions else ""
        warnings = tuple(self._warnings())
        return SourceCollection(
            name=name, count=count, folded=folded, spec=spec, payload=words, aliases=aliases, warnings=warnings
        )

    @cached_property
    def _others(self) -> tuple[Field, ...]:
        known = {self.key, META, *(field.name for field in self.vectors)}
        return tuple(field for field in self.fields if field.name not in known)

    def _slot(self, field: Field) -> VectorSpec:
        name = self.slots[field.name]
        if field.kind == SPARSE:
            return VectorSpec(name=name, kind="sparse", params={"modifier": "idf"} if field.computed else {})
        metric = self.metrics.get(field.name, "COSINE")  # as Milvus does where nothing is said
        if metric not in _DISTANCES:
            raise self._refused(f"{plain(field.name)} is compared by {plain(metric)}, which Qdrant does not have")
        return VectorSpec(name=name, size=field.size, distance=_DISTANCES[metric])

    def _refused(self, why: str) -> SourceUnreadable:
        what = f"collection {plain(self.name)} cannot be migrated"
        return SourceUnreadable(what, why=why, fix="name another one by ?collection=NAME")

    def columns(self, row: Fields, partition: str) -> Payload:
        """The fields of a record that are neither its id nor a vector, as JSON can say them."""
        found = {field.name: _value(field, row) for field in self._others}
        for name, value in _dynamic(row.get(META)).items():
            found[free_name(name, found)] = value
        if partition in self.partitions:
            found[free_name(PARTITION, found)] = partition
        return found


def own_partitions(names: Fields | list[str]) -> frozenset[str]:
    """Those that people have made, if any: then the default one is one of them."""
    # Those that begin with `_pk_` are Milvus's own: buckets of a partition key, which is a field anyway.
    made = {name for name in names if name != "_default" and not name.startswith("_pk_")}
    return frozenset(made and {*names})


def _value(field: Field, row: Fields) -> object:
    value = row.get(field.name, field.default)
    if field.kind == "json" and isinstance(value, str | bytes):
        try:
            return read_json(value)
        except (ValueError, RecursionError):
            return said(value)
    if field.kind == "array" and value is not None:
        return said(list(value))  # a server's answer has a sequence of its own
    return said(value)


def _dynamic(value: object) -> Payload:
    try:
        found = json.loads(value) if isinstance(value, str | bytes) else value
    except (ValueError, RecursionError):
        return {META: said(value)}
    return found if isinstance(found, dict) else {}


_BYTES = {"float16_vector": "<f2", "bfloat16_vector": "<u2", "int8_vector": "|i1", "float_vector": "<f4"}
_PAIR = np.dtype([("index", "<u4"), ("value", "<f4")])
"""Of a sparse vector: a dimension and a number."""


def record_of(schema: Schema, layout: ColumnLayout, row: Fields, columns: Fields, partition: str) -> Record:
    """A record from its fields. `columns` is the same row with the dynamic fields in a field of their own."""
    record = Record(row[schema.key], layout.payload(schema.columns(columns, partition)))
    for field in schema.vectors:
        vector = read_vector(field.kind, row.get(field.name))
        if isinstance(vector, Unfit):
            record.trouble = f"vector {field.name} {vector}"
            record.unread[field.name] = said(row[field.name])
        elif vector is not None:
            record.vectors[schema.slots[field.name]] = vector
    return record


def read_vector(kind: str, value: object) -> Vector | Unfit | None:
    """A vector, or why it is none; None where none is given."""
    try:
        return None if value is None else vector_of(kind, value)
    except Unfit as error:
        return error


def vector_of(kind: str, value: object) -> Vector:
    """A vector from numbers, bytes (also as the one element of a list) or numbers by dimension; else `Unfit`."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], bytes):
        value = value[0]
    if kind == SPARSE and isinstance(value, bytes):
        if len(value) % _PAIR.itemsize:
            raise Unfit(f"has {len(value)} bytes, not a whole number of pairs")
        pairs = np.frombuffer(value, dtype=_PAIR)
        return sparse_of(pairs["index"], pairs["value"])
    if kind == SPARSE and isinstance(value, Mapping):
        return sparse_of(list(value.keys()), list(value.values()))
    if kind not in DENSE or isinstance(value, str | Mapping):
        raise Unfit(f"is a {type(value).__name__}, which is no {kind.replace('_', ' ')}")
    if isinstance(value, bytes):
        width = int(_BYTES[kind][-1])
        if len(value) % width:
            raise Unfit(f"has {len(value)} bytes, not a whole number of components of {width} bytes")
        numbers = np.frombuffer(value, dtype=_BYTES[kind])
        if kind == "bfloat16_vector":  # the upper half of a float of 32 bits
            return (numbers.astype(np.uint32) << 16).view(np.float32)
        return numbers.astype(np.float32)
    return narrow(np.asarray(value, dtype=np.float64))
