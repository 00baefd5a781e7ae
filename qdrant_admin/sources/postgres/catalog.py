"""What a PostgreSQL says of its tables with vectors: columns, keys, and the distance of their indexes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from qdrant_admin.database.models import Distance
from qdrant_admin.sources.postgres.sessions import Sessions

VECTOR_TYPES = ("vector", "halfvec", "sparsevec")
VIEWS = "vf"
"""Kinds of relations that hold no rows of their own: views and foreign tables."""
_DISTANCES: dict[str, Distance] = {"l2": "Euclid", "ip": "Dot", "cosine": "Cosine", "l1": "Manhattan"}
_OPERATORS = re.compile(r"(?:vector|halfvec|sparsevec)_(l2|ip|cosine|l1)_ops")
_COLUMNS = """
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, has_table_privilege(c.oid, 'SELECT'),
       a.attname::text, format_type(a.atttypid, -1), t.typname::text, a.atttypmod, tn.nspname::text
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_namespace tn ON tn.oid = t.typnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND NOT c.relispartition
  AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND EXISTS (SELECT FROM pg_attribute va JOIN pg_type vt ON vt.oid = va.atttypid
              WHERE va.attrelid = c.oid AND NOT va.attisdropped AND vt.typname = ANY(%s))
ORDER BY n.nspname, c.relname, a.attnum
"""
_KEYS = """
SELECT i.indrelid, array_agg(a.attname::text ORDER BY k.place), bool_and(a.attnotnull), i.indisprimary
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
  AND k.place <= i.indnkeyatts AND i.indrelid = ANY(%s)
GROUP BY i.indexrelid, i.indrelid, i.indisprimary
ORDER BY i.indisprimary DESC, count(*), i.indexrelid
"""
_INDEXES = """
SELECT i.indrelid, pg_get_indexdef(i.indexrelid, k.place::int, true), o.opcname::text
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indclass) WITH ORDINALITY AS k(class, place)
JOIN pg_opclass o ON o.oid = k.class
WHERE i.indisvalid AND i.indrelid = ANY(%s)
ORDER BY i.indexrelid, k.place
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """Its type with its schema, as it can be cast to."""
    base: str
    """The bare name of the type."""
    size: int | None
    """Declared components of a vector; None when every row may have its own."""
    type_schema: str
    distances: tuple[Distance, ...] = ()
    """Of the indexes over it, each once."""

    @property
    def is_vector(self) -> bool:
        """Whether it is of one of pgvector's types."""
        return self.base in VECTOR_TYPES


@dataclass(frozen=True, slots=True)
class Table:
    """One table, or view, with at least one vector column."""

    oid: int
    schema: str
    name: str
    kind: str
    """`r` table, `p` partitioned, `m` materialised view, `v` view, `f` foreign table."""
    readable: bool
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    """Columns that tell rows apart, by a unique index without NULL; the primary key first."""

    @property
    def title(self) -> str:
        """Its name, with its schema where that is not the usual one."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


def tables(sessions: Sessions) -> list[Table]:
    """Every table and view with a vector column, by name."""
    found: dict[int, Table] = {}
    for oid, schema, name, kind, readable, *column in sessions.rows(_COLUMNS, (list(VECTOR_TYPES),)):
        table = found.setdefault(oid, Table(oid, schema, name, kind, readable, ()))
        found[oid] = replace(table, columns=(*table.columns, _column(*column)))
    keys, indexes = _keys(sessions, list(found)), _indexes(sessions, list(found))
    return [
        replace(
            table,
            keys=tuple(keys.get(oid, ())),
            columns=tuple(
                replace(one, distances=tuple(_distances(one, indexes.get(oid, [])))) for one in table.columns
            ),
        )
        for oid, table in found.items()
    ]


def _column(name: str, kind: str, base: str, modifier: int, schema: str) -> Column:
    size = modifier if base in VECTOR_TYPES and modifier > 0 else None
    return Column(name, kind, base, size, schema)


def _keys(sessions: Sessions, oids: list[int]) -> dict[int, list[tuple[str, ...]]]:
    keys: dict[int, list[tuple[str, ...]]] = {}
    for oid, names, never_null, _ in sessions.rows(_KEYS, (oids,)):
        if never_null:
            keys.setdefault(oid, []).append(tuple(names))
    return keys


def _indexes(sessions: Sessions, oids: list[int]) -> dict[int, list[tuple[str, str]]]:
    indexes: dict[int, list[tuple[str, str]]] = {}
    for oid, over, operators in sessions.rows(_INDEXES, (oids,)):
        indexes.setdefault(oid, []).append((over, operators))
    return indexes


def _distances(column: Column, indexes: list[tuple[str, str]]) -> Iterator[Distance]:
    """An index may also be over an expression of the column: `embedding::halfvec(3072)`."""
    word = re.compile(
        rf'(?<![\w"]){re.escape(column.name)}(?![\w"])|"{re.escape(column.name.replace(chr(34), 2 * chr(34)))}"'
    )
    seen: set[Any] = set()
    for over, operators in indexes:
        match = _OPERATORS.fullmatch(operators)
        if column.is_vector and match and word.search(over):
            distance = _DISTANCES[match[1]]
            if distance not in seen:
                seen.add(distance)
                yield distance
