"""From tables to collections: which column is the id, which are vectors, and where text and metadata are.

The tables of LangChain, LlamaIndex and Mem0 are known by their columns. Anything else keeps its columns as fields.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from qdrant_admin.core.errors import AccessDenied, BadInput, NotFound
from qdrant_admin.core.text import plain
from qdrant_admin.sources.layouts import Layout, layout_option
from qdrant_admin.sources.postgres.catalog import VIEWS, Column, Table

_TEXTS = ("document", "content", "text", "page_content", "data")
_METADATA = ("cmetadata", "langchain_metadata", "metadata_", "metadata", "meta", "payload")


class _Roles(NamedTuple):
    """What the columns of a table are to the program that made it."""

    layout: Layout
    text: str | None = None
    metadata: str | None = None
    id: str | None = None


_KNOWN: tuple[tuple[set[str], _Roles], ...] = (
    ({"collection_id", "embedding", "document", "cmetadata"}, _Roles("langchain", "document", "cmetadata")),
    (
        {"langchain_id", "content", "embedding", "langchain_metadata"},
        _Roles("langchain", "content", "langchain_metadata", "langchain_id"),
    ),
    ({"langchain_id", "content", "embedding"}, _Roles("langchain", "content", None, "langchain_id")),
    ({"id", "text", "metadata_", "node_id", "embedding"}, _Roles("llamaindex", "text", "metadata_", "node_id")),
    ({"id", "vector", "payload"}, _Roles("mem0", None, "payload")),
)
"""Columns that a program's tables have, all of them."""
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
    """Columns that are not copied."""
    only: tuple[str, str] | None = None
    """The one value that a column has in this collection."""

    @property
    def fields(self) -> tuple[Column, ...]:
        """Columns that go into the payload."""
        gone = {column.name for column in (*self.vectors, *(self.id if len(self.id) == 1 else ()))} | {*self.left_out}
        return tuple(column for column in self.table.columns if column.name not in gone)

    def slot(self, column: Column) -> str:
        """The name of a column's vector in the target: one dense vector has none."""
        return "" if len(self.vectors) == 1 and column.base != "sparsevec" else column.name


def chosen(tables: list[Table], options: Mapping[str, str]) -> list[Table]:
    """The tables that a URI asks for: one by `?table=`, otherwise all that hold rows of their own.

    Raises:
        NotFound: there is no such table with vectors.
        AccessDenied: this user may not read one of them.
    """
    wanted = options.get("table")
    if wanted is None:
        found = [table for table in tables if table.kind not in VIEWS]
    else:
        found = [table for table in tables if wanted in {table.title, f"{table.schema}.{table.name}"}]
        if not found:
            shown = ", ".join(plain(table.title) for table in tables[:10]) or "none at all"
            raise NotFound(
                f"there is no table {plain(wanted)} with a vector column",
                why=f"there is {shown}",
                fix="qdrant-admin migrate --help",
            )
    for table in found:
        if not table.readable:
            raise AccessDenied(
                f"this user may not read the table {plain(table.title)}",
                why="what it holds would be missing in silence",
                fix=f"psql -c 'GRANT SELECT ON {_quoted(table)} TO ...'  # or ?table= for another one",
            )
    return found


def readings(tables: list[Table], options: Mapping[str, str]) -> list[Reading]:
    """One a table; those of LangChain's two tables are split up later, by their collections.

    Raises:
        BadInput: an option names a column that is not there, or a view has no id.
    """
    found = [_reading(table, options) for table in tables]
    titles = [reading.name for reading in found]
    # A table called `a.b` in public beside a table b in the schema a.
    return [
        replace(reading, name=f"{reading.table.schema}.{reading.table.name}")
        if titles.count(reading.name) > 1
        else reading
        for reading in found
    ]


def has_collections(reading: Reading) -> bool:
    """Whether this is LangChain's table that holds many collections."""
    table = reading.table
    return reading.layout == "langchain" and table.name == "langchain_pg_embedding" and reading.metadata == "cmetadata"


def of_collection(reading: Reading, name: str, identity: str) -> Reading:
    """The part of LangChain's table that is one of its collections."""
    return replace(reading, name=name, only=("collection_id", identity))


def words(reading: Reading) -> str:
    """How the payload is laid out that is not one of a known program."""
    skipped = f", without {', '.join(plain(name) for name in reading.left_out)}" if reading.left_out else ""
    return (
        f"a field a column{skipped}; dates as RFC 3339 text, bytea as base64,"
        " numbers with more digits than 64 bits hold as text"
    )


def _reading(table: Table, options: Mapping[str, str]) -> Reading:
    vectors = tuple(_vectors(table, options.get("vector")))
    roles = _roles(table, layout_option(options))
    known = options.get("id", roles.id)
    key = table.keys[0] if table.keys else ()
    if known is not None:
        _column(table, known)
        key = key or ((known,) if table.kind in VIEWS else ())
    elif table.kind in VIEWS or (table.kind == "p" and not key):
        kind = (
            "a view" if table.kind == "v" else "a foreign table" if table.kind == "f" else "partitioned, without a key"
        )
        raise BadInput(
            f"{plain(table.title)} is {kind}, and nothing tells its rows apart",
            why="a point needs an id that stays the same",
            fix=f"qdrant-admin migrate 'postgresql://...?table={table.title}&id=COLUMN'",
        )
    names = (known,) if known is not None else key
    return Reading(
        name=table.title,
        table=table,
        vectors=vectors,
        key=tuple(_column(table, name) for name in key),
        id=tuple(_column(table, name) for name in names),
        certain=not names or names in table.keys,
        layout=roles.layout,
        text=roles.text,
        metadata=roles.metadata,
        left_out=tuple(_left_out(table, vectors, roles.layout)),
    )


def _left_out(table: Table, vectors: tuple[Column, ...], layout: Layout) -> Iterator[str]:
    """Vectors that nobody asked for, and the bookkeeping of the program whose table it is."""
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
            raise BadInput(
                f"column {plain(name)} of {plain(table.title)} is no vector",
                why=f"it is of type {column.base}",
                fix="qdrant-admin migrate --help",
            )
        yield column


def _column(table: Table, name: str) -> Column:
    column = table.column(name)
    if column is None:
        shown = ", ".join(plain(one.name) for one in table.columns)
        raise BadInput(
            f"{plain(table.title)} has no column {plain(name)}",
            why=f"it has {shown}",
            fix="qdrant-admin migrate --help",
        )
    return column


def _quoted(table: Table) -> str:
    return f'"{table.schema}"."{table.name}"'
