"""What a PostgreSQL says of its tables with vectors: columns, keys, and the distance of their indexes."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AccessDenied, BadInput, NotFound
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance
from qdrant_admin.sources import HELP
from qdrant_admin.sources.layouts import Layout, layout_option
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
    name: str
    type: str
    """Its type with its schema, as it can be cast to."""
    base: str
    size: int | None
    """Declared components of a vector; None when every row may have its own."""
    type_schema: str
    distances: tuple[Distance, ...]
    """Of the indexes over it, each once."""

    @property
    def is_vector(self) -> bool:
        return self.base in VECTOR_TYPES


@dataclass(frozen=True, slots=True)
class Table:
    oid: int
    schema: str
    name: str
    kind: str
    """`r` table, `p` partitioned, `m` materialised view, `v` view, `f` foreign table."""
    readable: bool
    columns: list[Column]
    keys: list[tuple[str, ...]]
    """Columns that tell rows apart, by a unique index without NULL; the primary key first."""

    @property
    def title(self) -> str:
        """Its name, with its schema where that is not the usual one."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


def tables(sessions: Sessions) -> list[Table]:
    """Every table and view with a vector column, by name."""
    rows = sessions.rows(_COLUMNS, (list(VECTOR_TYPES),))
    oids = list({row[0] for row in rows})
    keys: defaultdict[int, list[tuple[str, ...]]] = defaultdict(list)
    for oid, names, never_null, _ in sessions.rows(_KEYS, (oids,)):
        if never_null:
            keys[oid].append(tuple(names))
    indexes: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for oid, over, operators in sessions.rows(_INDEXES, (oids,)):
        indexes[oid].append((over, operators))
    found: dict[int, Table] = {}
    for oid, schema, name, kind, readable, column, cast, base, modifier, type_schema in rows:
        table = found.setdefault(oid, Table(oid, schema, name, kind, readable, [], keys[oid]))
        size = modifier if base in VECTOR_TYPES and modifier > 0 else None
        distances = _distances(column, indexes[oid]) if base in VECTOR_TYPES else ()
        table.columns.append(Column(column, cast, base, size, type_schema, distances))
    return list(found.values())


def _distances(column: str, indexes: list[tuple[str, str]]) -> tuple[Distance, ...]:
    """An index may also be over an expression of the column: `embedding::halfvec(3072)`."""
    bare, quoted = re.escape(column), re.escape(column.replace('"', '""'))
    word = re.compile(rf'(?<![\w"]){bare}(?![\w"])|"{quoted}"')
    matches = [_OPERATORS.fullmatch(operators) for over, operators in indexes if word.search(over)]
    return tuple(dict.fromkeys(_DISTANCES[match[1]] for match in matches if match))


_TEXTS = ("document", "content", "text", "page_content", "data")
_METADATA = ("cmetadata", "langchain_metadata", "metadata_", "metadata", "meta", "payload")


class _Roles(NamedTuple):
    layout: Layout
    text: str | None = None
    metadata: str | None = None
    id: str | None = None


_LANGCHAIN_V2 = {"langchain_id", "content", "embedding"}
_KNOWN: tuple[tuple[set[str], _Roles], ...] = (
    ({"collection_id", "embedding", "document", "cmetadata"}, _Roles("langchain", "document", "cmetadata")),
    ({*_LANGCHAIN_V2, "langchain_metadata"}, _Roles("langchain", "content", "langchain_metadata", "langchain_id")),
    (_LANGCHAIN_V2, _Roles("langchain", "content", None, "langchain_id")),
    ({"id", "text", "metadata_", "node_id", "embedding"}, _Roles("llamaindex", "text", "metadata_", "node_id")),
    ({"id", "vector", "payload"}, _Roles("mem0", None, "payload")),
)
"""Columns that a program's tables have, all of them, and what they are to it."""
_BOOKKEEPING: dict[Layout, tuple[str, ...]] = {"langchain": ("collection_id",), "llamaindex": ("id", "text_search_tsv")}
"""What such a program keeps elsewhere in Qdrant, or nowhere."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the rows of one table become records of one collection."""

    name: str
    table: Table
    vectors: tuple[Column, ...]
    key: tuple[Column, ...]
    """What rows are ordered by, and gone on behind; empty: the place where a row lies."""
    id: tuple[Column, ...]
    """What makes the id; empty: the place where a row lies."""
    certain: bool
    """Whether the id is unique by an index."""
    layout: Layout = "plain"
    text: str | None = None
    metadata: str | None = None
    left_out: tuple[str, ...] = ()
    only: tuple[str, str] | None = None
    """The one value that a column has in this collection."""
    note: str = ""

    @property
    def fields(self) -> tuple[Column, ...]:
        gone = {column.name for column in (*self.vectors, *(self.id if len(self.id) == 1 else ()))} | {*self.left_out}
        return tuple(column for column in self.table.columns if column.name not in gone)

    def slot(self, column: Column) -> str:
        """The name of a column's vector in the target: one dense vector has none."""
        return "" if len(self.vectors) == 1 and column.base != "sparsevec" else column.name


def chosen(tables: list[Table], options: Mapping[str, str]) -> list[Table]:
    """The tables that a URI asks for: one by `?table=`, otherwise all that hold rows of their own."""
    wanted = options.get("table")
    if wanted is None:
        found = [table for table in tables if table.kind not in VIEWS]
    else:
        found = [table for table in tables if wanted in {table.title, f"{table.schema}.{table.name}"}]
        if not found:
            shown = ", ".join(plain(table.title) for table in tables[:10]) or "none at all"
            raise NotFound(f"there is no table {plain(wanted)} with a vector column", why=f"there is {shown}", fix=HELP)
    for table in found:
        if not table.readable:
            grant = f"""psql -c 'GRANT SELECT ON "{table.schema}"."{table.name}" TO ...'"""
            raise AccessDenied(
                f"this user may not read the table {plain(table.title)}",
                why="its rows would be missing without a word",
                fix=f"{grant}  # or ?table= for another one",
            )
    return found


def readings(tables: list[Table], options: Mapping[str, str]) -> list[Reading]:
    """One per table; LangChain's table is split up by its collections later."""
    titles = [table.title for table in tables]
    # A table called `a.b` in public may stand beside a table b in the schema a.
    names = [one.title if titles.count(one.title) == 1 else f"{one.schema}.{one.name}" for one in tables]
    return [_reading(table, name, options) for table, name in zip(tables, names, strict=True)]


def has_collections(reading: Reading) -> bool:
    """Whether this is LangChain's table that holds many collections."""
    table = reading.table
    return reading.layout == "langchain" and table.name == "langchain_pg_embedding" and reading.metadata == "cmetadata"


def words(reading: Reading) -> str:
    """How the payload is laid out that is not one of a known program."""
    skipped = f", without {', '.join(plain(name) for name in reading.left_out)}" if reading.left_out else ""
    numbers = "numbers with more digits than 64 bits hold as text"
    return f"one field per column{skipped}; dates as RFC 3339 text, bytea as base64, {numbers}"


def _reading(table: Table, name: str, options: Mapping[str, str]) -> Reading:
    vectors = tuple(_vectors(table, options.get("vector")))
    roles = _roles(table, layout_option(options))
    known = options.get("id", roles.id)
    key = table.keys[0] if table.keys else ()
    if known is not None:
        _column(table, known)
        key = key or ((known,) if table.kind in VIEWS else ())
    elif table.kind in VIEWS or (table.kind == "p" and not key):
        kind = {"v": "a view", "f": "a foreign table"}.get(table.kind, "partitioned, without a key")
        raise BadInput(
            f"{plain(table.title)} is {kind}, and nothing distinguishes its rows",
            why="a point needs an id that stays the same",
            fix=Command("migrate", f"postgresql://...?table={table.title}&id=COLUMN"),
        )
    names = (known,) if known is not None else key
    return Reading(
        name=name,
        table=table,
        vectors=vectors,
        key=tuple(_column(table, one) for one in key),
        id=tuple(_column(table, one) for one in names),
        certain=not names or names in table.keys,
        layout=roles.layout,
        text=roles.text,
        metadata=roles.metadata,
        left_out=tuple(_left_out(table, vectors, roles.layout)),
    )


def _left_out(table: Table, vectors: tuple[Column, ...], layout: Layout) -> Iterator[str]:
    """Vectors that nobody asked for, and columns that only serve the program whose table it is."""
    yield from (column.name for column in table.columns if column.is_vector and column not in vectors)
    yield from (name for name in _BOOKKEEPING.get(layout, ()) if table.column(name))


def _roles(table: Table, asked: Layout | None) -> _Roles:
    names = {column.name for column in table.columns}
    if asked is None:
        return next((roles for known, roles in _KNOWN if names >= known), _Roles("plain"))
    if asked == "plain":
        return _Roles("plain")
    text = next((name for name in _TEXTS if name in names), None)
    return _Roles(asked, text, next((name for name in _METADATA if name in names), None))


def _vectors(table: Table, wanted: str | None) -> Iterator[Column]:
    if wanted is None:
        yield from (column for column in table.columns if column.is_vector)
        return
    for name in wanted.split(","):
        column = _column(table, name)
        if not column.is_vector:
            what = f"column {plain(name)} of {plain(table.title)} is no vector"
            raise BadInput(what, why=f"it is of type {column.base}", fix=HELP)
        yield column


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        shown = ", ".join(plain(one.name) for one in table.columns)
        raise BadInput(f"{plain(table.title)} has no column {plain(name)}", why=f"it has {shown}", fix=HELP)
    return column
