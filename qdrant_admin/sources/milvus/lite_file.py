"""The single file of Milvus Lite 2, read without it: one SQLite table a collection, each row a message of Milvus's."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from qdrant_admin.core.formatting import plain
from qdrant_admin.database.protobuf import message_classes
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, Payload, Record, SourceCollection, Span, cut
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.tables import damaged
from qdrant_admin.sources.ids import Numbers, is_among, superseded
from qdrant_admin.sources.layouts import ColumnLayout
from qdrant_admin.sources.milvus.schema import Field, Schema, record_of
from qdrant_admin.sources.read_only import LAST_ROW, quoted
from qdrant_admin.sources.reader import FileReader, once

_EVERY = 1000
"""One row in so many is a place to cut at."""
_ROWS = 10_000
_CONTENT = "CAST(data AS BLOB)"
"""Milvus Lite writes its messages as text, which they are not."""


class MilvusFile(FileReader):
    kind = "Milvus Lite file, format of version 2"

    def open(self) -> Iterable[str]:
        with self.path.open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                raise wrong_kind(self.path, "a Milvus Lite folder or file")
        self._database = self.open_database(self.path)
        if "collection_name" not in self._database.columns("collection_meta"):
            raise wrong_kind(self.path, "a Milvus Lite folder or file")
        known = self._database.rows("SELECT DISTINCT collection_name FROM collection_meta WHERE meta_type = 'schema'")
        return sorted(str(name) for (name,) in known)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        numbered = f"SELECT id, row_number() OVER (ORDER BY id) AS number FROM {quoted(name)}"  # noqa: S608 # quoted
        rows = self._database.rows(f"SELECT id FROM ({numbered}) WHERE number % ? = 0", (_EVERY,))  # noqa: S608 # above
        return cut([int(row) for (row,) in rows], parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records in the order in which they were written; a cursor is the row's number in the file."""
        schema, layout, repeated = self._schema(name), self._layout(name), self._superseded(name)
        for rows in self._rows(name, _CONTENT, size, int(after or 0), until):
            live = [(row, octets) for row, octets in rows if not is_among(repeated, row)]
            records = [self._record(schema, layout, row, octets) for row, octets in live]
            self.check_unchanged()
            yield Batch(records, rows[-1][0])
        self.check_unchanged()

    def describe(self, name: str) -> SourceCollection:
        schema, layout = self._schema(name), self._layout(name).layout
        count = int(self._database.rows(f"SELECT count(*) FROM {quoted(name)}")[0][0])  # noqa: S608 # quoted
        spec = layouts.fitted(schema.spec(), layout, self.distance_asked)
        return schema.described(name, count - len(self._superseded(name)), spec, layout)

    @once
    def _schema(self, name: str) -> Schema:
        question = "SELECT CAST(blob_field AS BLOB) FROM collection_meta WHERE collection_name = ? AND meta_type = ?"
        (schema,), *_ = self._database.rows(question, (name, "schema"))
        indexes = [octets for (octets,) in self._database.rows(question, (name, "index"))]
        try:
            return schema_of(schema, indexes)
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise damaged(self.path, error) from error

    @once
    def _layout(self, name: str) -> ColumnLayout:
        schema, plainly = self._schema(name), ColumnLayout("plain", nested=False)
        rows = next(self._rows(name, _CONTENT, layouts.SAMPLE, 0, None), [])
        sample = [self._record(schema, plainly, row, octets).payload for row, octets in rows]
        return layouts.column_layout(sample, self.layout_asked, langchain=schema.langchain)

    @once
    def _superseded(self, name: str) -> Numbers:
        """Rows whose key is repeated further down: Milvus Lite 2 adds, and answers with the newest."""
        numbers: list[int] = []

        def entries() -> Iterator[tuple[list[int | str], Numbers]]:
            numbers.clear()
            for rows in self._rows(name, "milvus_id", _ROWS, 0, None):
                numbers.extend(row for row, _ in rows)
                yield [str(key) for _, key in rows], np.array([row for row, _ in rows], dtype=np.int64)

        return np.array([numbers[place] for place in superseded(entries).tolist()], dtype=np.int64)

    def _rows(self, name: str, column: str, size: int, after: int, until: Cursor) -> Iterator[list[tuple[int, Any]]]:
        query = (
            f"SELECT id, {column} FROM {quoted(name)}"  # noqa: S608 # quoted, and a name of ours
            " WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"
        )
        end = LAST_ROW if until is None else until
        while rows := self._database.rows(query, (after, end, size)):
            after = int(rows[-1][0])
            yield [(int(row), value) for row, value in rows]

    def _record(self, schema: Schema, layout: ColumnLayout, row: int, octets: bytes) -> Record:
        try:
            fields = row_of(octets)
            return record_of(schema, layout, fields, fields, "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self.path, f"row {row} of {plain(schema.name)}: {error!r}") from error


_KINDS = {
    1: "bool",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    10: "float",
    11: "double",
    20: "varchar",
    21: "varchar",
    22: "array",
    23: "json",
    100: "binary_vector",
    101: "float_vector",
    102: "float16_vector",
    103: "bfloat16_vector",
    104: "sparse_float_vector",
    105: "int8_vector",
}
_FIRST_USER_FIELD = 100
"""Below are Milvus's own: row id and time."""


_PROTO = """
Pair        key 1 string, value 2 string
Field       number 1 int64, name 2 string, primary 3 bool, kind 5 int32, params 6 Pair*, dynamic 12 bool, \
            computed 16 bool
Schema      name 1 string, fields 4 Field*
Index       field 1 int64, params 5 Pair*
Bools       data 1 bool*
Integers    data 1 int32*
Longs       data 1 int64*
Floats      data 1 float*
Doubles     data 1 double*
Texts       data 1 string*
Octets      data 1 bytes*
Lists       data 1 Scalars*
Scalars     bools 1 Bools, integers 2 Integers, longs 3 Longs, floats 4 Floats, doubles 5 Doubles, texts 6 Texts, \
            lists 8 Lists, json 9 Octets
Components  data 1 bytes
Vectors     float_vector 2 Components, float16_vector 4 bytes, bfloat16_vector 5 bytes, \
            sparse_float_vector 6 Components, int8_vector 7 bytes
Cell        kind 1 int32, name 2 string, scalars 3 Scalars, vectors 4 Vectors
Row         cells 1 Cell*
"""
"""As much of Milvus's messages as a file holds: name, number and type of each field; with a star it is repeated."""


def _fields(text: str) -> tuple[tuple[str, int, str, bool], ...]:
    fields = (field.split() for field in text.split(","))
    return tuple((name, int(number), kind.rstrip("*"), kind.endswith("*")) for name, number, kind in fields)


@cache
def _messages() -> Fields:
    lines = (line.partition(" ") for line in _PROTO.split("\n") if line)
    return message_classes("qdrant_admin.milvus", {name: _fields(fields) for name, _, fields in lines})


def _parsed(kind: str, octets: bytes) -> Any:
    try:
        return _messages()[kind].FromString(octets)
    except DecodeError as error:
        raise ValueError(f"it is no message of Milvus ({error})") from error


def schema_of(message: bytes, indexes: list[bytes]) -> Schema:
    """A collection's schema with the metrics of its indexes; `ValueError` when these are none."""
    found = _parsed("Schema", message)
    fields: dict[int, Field] = {}
    for field in found.fields:
        kind = _KINDS.get(field.kind, f"type {field.kind}")
        if field.number < _FIRST_USER_FIELD or (kind == "json" and field.dynamic):
            continue  # Milvus's own, and the one for what no schema names
        size = {pair.key: pair.value for pair in field.params}.get("dim")
        fields[field.number] = Field(
            field.name, kind, int(size) if size else None, primary=field.primary, computed=field.computed
        )
    metrics = {}
    for octets in indexes:
        index = _parsed("Index", octets)
        metric = {pair.key: pair.value for pair in index.params}.get("metric_type")
        if metric and index.field in fields:
            metrics[fields[index.field].name] = metric.upper()
    key = next((field.name for field in fields.values() if field.primary), None)
    if key is None:
        raise ValueError("its schema has no primary field")
    return Schema(found.name, key, tuple(fields.values()), metrics)


def row_of(message: bytes) -> Payload:
    """One record, field by field, vectors as bytes; `ValueError` when it is none."""
    return {
        cell.name: _vector(cell) if cell.HasField("vectors") else next(_scalars(cell.scalars), None)
        for cell in _parsed("Row", message).cells
    }


def _vector(cell: Any) -> bytes | None:
    kind = _KINDS.get(cell.kind, "")
    content = next((value for field, value in cell.vectors.ListFields() if field.name == kind), None)
    return content if content is None or isinstance(content, bytes) else content.data


def _scalars(scalars: Any) -> Iterator[object]:
    """The values of a field: one for a scalar, several for a list."""
    for field, values in scalars.ListFields():
        for value in values.data:
            if field.name == "lists":
                yield list(_scalars(value))
            else:
                yield value.decode() if field.name == "json" else value
