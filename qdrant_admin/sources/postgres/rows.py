"""The queries over one table, and what a row of them becomes."""

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
from psycopg.sql import SQL, Composed, Identifier

from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.sources.base import Record
from qdrant_admin.sources.layouts import lay_out
from qdrant_admin.sources.postgres.catalog import VIEWS, Column, Table
from qdrant_admin.sources.postgres.tables import Reading

_INTEGERS = {"int2", "int4", "int8"}
_PLACE = "ctid"
"""Where a row lies: the id, and the order, of a table that has nothing else."""


class Rows:
    """Queries of one reading. Every identifier is quoted, every value a parameter."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def page(self, after: list[str], until: list[str]) -> tuple[Composed, tuple[object, ...]]:
        """Rows behind one key, up to another; each an empty list for none."""
        wheres, values = self._scope()
        for key, sign in ((after, ">"), (until, "<=")):
            if key:
                wheres.append(SQL("({}) {} ({})").format(self._key(), SQL(sign), self._casts()))
                values += key
        order = SQL(" ORDER BY {}").format(self._key()) if self.reading.key else SQL("")
        query = SQL("SELECT {} FROM {} AS t {}{}").format(
            self._select(), relation(self.reading.table), _and(wheres), order
        )
        return query, tuple(values)

    def counts(self) -> tuple[Composed, tuple[object, ...]]:
        """How many rows there are, and how many of them have no vector at all."""
        nulls = SQL(" AND ").join(SQL("{} IS NULL").format(_of(column.name)) for column in self.reading.vectors)
        wheres, values = self._scope()
        query = SQL("SELECT count(*), count(*) FILTER (WHERE {}) FROM {} AS t {}").format(
            nulls, relation(self.reading.table), _and(wheres)
        )
        return query, tuple(values)

    def sizes(self, column: Column) -> tuple[Composed, tuple[object, ...]]:
        """How many rows have how many components, the most frequent first."""
        wheres, values = self._scope()
        size = SQL("{}.vector_dims({})").format(name(column.type_schema), _of(column.name))
        wheres.append(SQL("{} IS NOT NULL").format(_of(column.name)))
        query = SQL("SELECT {}, count(*) FROM {} AS t {} GROUP BY 1 ORDER BY 2 DESC, 1").format(
            size, relation(self.reading.table), _and(wheres)
        )
        return query, tuple(values)

    def doubles(self) -> tuple[Composed, tuple[object, ...]]:
        """How many rows have no id, or one that another row has."""
        wheres, values = self._scope()
        query = SQL("SELECT count(*) - count(DISTINCT {}) FROM {} AS t {}").format(
            _of(self.reading.id[0].name), relation(self.reading.table), _and(wheres)
        )
        return query, tuple(values)

    def borders(self, places: list[int]) -> tuple[Composed, tuple[object, ...]]:
        """The keys of the rows at these places of the order, the first being 1."""
        wheres, values = self._scope()
        keys = SQL(", ").join(
            SQL("{}::text AS {}").format(_of(column.name), name(f"key{place}"))
            for place, column in enumerate(self.reading.key)
        )
        query = SQL(
            "SELECT * FROM (SELECT {}, row_number() OVER (ORDER BY {}) AS n FROM {} AS t {}) AS s"
            " WHERE n = ANY(%s) ORDER BY n"
        ).format(keys, self._key(), relation(self.reading.table), _and(wheres))
        return query, (*values, places)

    def cursor(self, row: tuple[Any, ...]) -> list[str]:
        """The key of a row that `page` gave."""
        return [str(value) for value in row[: max(1, len(self.reading.key))]]

    def record(self, row: tuple[Any, ...]) -> Record:
        """A row that `page` gave, as a record."""
        reading = self.reading
        keys, ids = max(1, len(reading.key)), max(1, len(reading.id))
        identity = _identity(reading.id, row[keys : keys + ids])
        vectors = {
            reading.slot(column): _VECTORS[column.base](value)
            for column, value in zip(reading.vectors, row[keys + ids : -1], strict=True)
            if value is not None
        }
        try:
            record = Record(identity, payload_of(reading, loads(row[-1])), vectors)
        except RecursionError:
            return Record(identity, vectors=vectors, trouble="its payload nests deeper than can be read")
        if not vectors:
            record.trouble = f"it has no vector: {', '.join(column.name for column in reading.vectors)} is NULL"
        return record

    def _select(self) -> Composed:
        place = [SQL("t.ctid::text")]
        keys = [SQL("{}::text").format(_of(column.name)) for column in self.reading.key] or place
        ids = [SQL("{}::text").format(_of(column.name)) for column in self.reading.id] or place
        vectors = [_of(column.name) for column in self.reading.vectors]
        fields = SQL(", ").join(_field(column) for column in self.reading.fields)
        payload = SQL("(SELECT row_to_json(p)::text FROM (SELECT {}) AS p)").format(fields)
        return SQL(", ").join([*keys, *ids, *vectors, payload if self.reading.fields else SQL("'{}'")])

    def _key(self) -> Composed:
        return SQL(", ").join([_of(column.name) for column in self.reading.key] or [_of(_PLACE)])

    def _casts(self) -> Composed:
        kinds = [column.type for column in self.reading.key] or ["tid"]
        return SQL(", ").join(SQL("CAST(%s AS {})").format(SQL(kind.replace("%", "%%"))) for kind in kinds)

    def _scope(self) -> tuple[list[Composed], list[object]]:
        """The rows of this collection among all of the table."""
        if self.reading.only is None:
            return [], []
        column, value = self.reading.only
        return [SQL("{} = CAST(%s AS uuid)").format(_of(column))], [value]


def collections_of(table: Table) -> Composed:
    """Names and ids of the collections that LangChain keeps in one table."""
    return SQL("SELECT name::text, uuid::text FROM {} ORDER BY 1, 2").format(
        name(table.schema, "langchain_pg_collection")
    )


def orphans_of(table: Table) -> Composed:
    """How many rows of that table belong to none of them."""
    return SQL(
        "SELECT count(*) FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS c WHERE c.uuid = t.collection_id)"
    ).format(relation(table), name(table.schema, "langchain_pg_collection"))


def name(*parts: str) -> Any:
    """An identifier of a query that has parameters, where a per cent sign stands twice."""
    return Identifier(*(part.replace("%", "%%") for part in parts))


def relation(table: Table) -> Composed:
    """A table in FROM: without the tables that inherit from it, which are read for themselves."""
    only = SQL("ONLY " if table.kind not in {*VIEWS, "p"} else "")
    return SQL("{}{}").format(only, name(table.schema, table.name))


def loads(text: str) -> dict[str, Any]:
    """A row as PostgreSQL writes it in JSON; a number that would lose digits stays text."""
    row: dict[str, Any] = _DECODER.raw_decode(text)[0]
    return row


def payload_of(reading: Reading, row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a row, laid out."""
    text = row.pop(reading.text, None) if reading.text else None
    metadata = row.pop(reading.metadata, None) if reading.metadata else None
    if reading.layout != "plain":
        row = {field: value for field, value in row.items() if value is not None}
    if isinstance(metadata, dict):
        row |= metadata
    elif metadata is not None and reading.metadata:
        row[reading.metadata] = metadata
    return row if reading.layout == "plain" else lay_out(reading.layout, row, text, field=reading.text or "document")


def _of(column: str) -> Composed:
    return SQL("t.{}").format(name(column))


def _field(column: Column) -> Composed:
    if column.base == "bytea":
        return SQL("translate(encode({}, 'base64'), E'\\n', '') AS {}").format(_of(column.name), name(column.name))
    return _of(column.name)


def _and(wheres: list[Composed]) -> Composed:
    return SQL("{}{}").format(SQL("WHERE " if wheres else ""), SQL(" AND ").join(wheres))


def _identity(columns: tuple[Column, ...], values: tuple[str, ...]) -> int | str:
    """One column is the id itself, several are their texts as a JSON list."""
    if len(columns) > 1:
        return json.dumps(values, ensure_ascii=False)
    return int(values[0]) if columns and columns[0].base in _INTEGERS else values[0]


def _integer(text: str) -> int | str:
    value = int(text) if len(text) < 40 else None
    return value if value is not None and -(1 << 63) <= value < 1 << 63 else text


def _number(text: str) -> float | str:
    value = float(text)
    return value if Decimal(text) == Decimal(repr(value)) else text


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_number)


def _dense(octets: bytes, *, kind: str) -> Vector:
    return np.frombuffer(octets, dtype=kind, offset=4).astype(np.float32)


def _sparse(octets: bytes) -> Vector:
    """Components, how many of them are given, a spare word; then the places, counted from 0, and the values."""
    given = int(np.frombuffer(octets, dtype=">i4", count=1, offset=4)[0])
    indices = np.frombuffer(octets, dtype=">i4", count=given, offset=12).astype(np.uint32)
    return Sparse(indices, np.frombuffer(octets, dtype=">f4", offset=12 + 4 * given).astype(np.float32))


_VECTORS: dict[str, Callable[[bytes], Vector]] = {
    "vector": partial(_dense, kind=">f4"),
    "halfvec": partial(_dense, kind=">f2"),
    "sparsevec": _sparse,
}
"""From the form in which pgvector sends a value in binary."""
