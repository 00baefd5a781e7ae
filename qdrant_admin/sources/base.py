"""What a source is: its URI, its collections and batches, and the protocol that every reader fulfils."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, runtime_checkable
from urllib.parse import quote, urlencode

import numpy as np

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionSpec, Floats, Vector
from qdrant_admin.sources import HELP

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.database.wire import WirePage

_A = TypeVar("_A")
_B = TypeVar("_B")
Payload = dict[str, Any]
"""Field to a value that JSON can express."""
Fields = Mapping[str, Any]
"""The same, only to be read; also fields as a store has them."""


class _Uri(Frozen):
    scheme: str
    collection: str | None = None
    """The one collection it is narrowed to."""
    options: dict[str, str] = {}

    def asking(self, **options: str) -> Self:
        return self.model_copy(update={"options": self.options | options})

    def _query(self) -> str:
        query = self.options | ({"collection": self.collection} if self.collection is not None else {})
        return f"?{urlencode(query, quote_via=quote)}" if query else ""


class FolderUri(_Uri):
    """A parsed source that is a file or a folder. `str()` gives it back as it can be typed."""

    path: Path
    """Absolute."""

    def __str__(self) -> str:
        path = str(self.path)
        if "?" in path or "%" in path:  # would be read as a query, or as an escape
            path = path.replace("%", "%25").replace("?", "%3F")
        return f"{self.scheme}:{path}{self._query()}"


class ServerUri(_Uri):
    """A parsed source that is a server or a database. It never holds a secret."""

    url: str
    """Without a trailing slash."""

    def __str__(self) -> str:
        product, plus, _ = self.scheme.partition("+")
        return f"{product}{plus}{self.url}{self._query()}" if plus else f"{self.url}{self._query()}"


SourceUri = FolderUri | ServerUri
Cursor = int | str | None
"""Where to go on. Only the source that gave it can read it; None is the beginning."""


class Span(Frozen):
    """One part of a collection, frozen in a plan, so that parts can be read side by side and resumed apart."""

    after: Cursor = None
    """Begins behind this cursor; None: with the first record."""
    until: Cursor = None
    """Ends with this cursor, which is part of it; None: with the last record."""


WHOLE = (Span(),)
"""What a source that cannot be read in parts answers."""


class SourceCollection(Frozen):
    """One collection of a source, looked at and counted."""

    name: str
    count: int
    """Records that `batches` gives."""
    spec: CollectionSpec | None
    """What an equal collection is made with; None when the source itself does not know a dimension yet."""
    payload: str = "kept as it is"
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    colliding_ids: tuple[str, ...] = ()
    """Ids of the source that would become one point."""
    folded: int = 0
    """Rows besides, which `batches` does not give, because their id comes again in a later one."""
    absent: str = ""
    """What of it the store names and does not have, in words: that is no empty collection, and is refused."""
    duplicate_ids: int | None = 0
    """Records whose id comes again behind them, so that a later one wins. None: nobody has looked. Unless it is 0, the
    records are read in one part and written in their order, since the last has to be written last."""


def between(edges: Sequence[Cursor]) -> tuple[Span, ...]:
    """Spans with these cursors as inner edges: one ends with it, the next begins behind it."""
    return tuple(Span(after=left, until=right) for left, right in pairwise([None, *edges, None]))


def cut(cursors: Sequence[Cursor], parts: int) -> tuple[Span, ...]:
    """At most so many spans with about as many of these cursors each; they stand in the order of the collection."""
    wanted = min(parts, len(cursors))
    return between([cursors[len(cursors) * part // wanted - 1] for part in range(1, wanted)])


@dataclass(slots=True)
class Record:
    """One record as the source has it, with its payload already laid out for Qdrant."""

    id: int | str
    payload: Payload = field(default_factory=dict)
    vectors: dict[str, Vector] = field(default_factory=dict)
    trouble: str = ""
    """Why the record could not be read whole; it is then rejected with this reason."""
    unread: Payload = field(default_factory=dict)
    """What could not be read, as it was, by vector name or by a word for it: the reject file keeps it."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Records with nothing wrong and one dense vector each, side by side: what nearly every record of a store is.

    A source that has them like that anyway may hand them on so: then nothing is made of each by itself.
    """

    ids: Sequence[int | str]
    payloads: Sequence[Payload]
    vectors: Floats
    slot: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def records(self) -> list[Record]:
        rows = zip(self.ids, self.payloads, self.vectors, strict=True)
        return [Record(one, payload, {self.slot: vector}) for one, payload, vector in rows]


class Batch:
    """Some records in the source's stable order, and where to go on behind them."""

    def __init__(self, records: list[Record] | Columns, cursor: Cursor) -> None:
        self.cursor = cursor
        self._given = records

    def __len__(self) -> int:
        return len(self._given)

    @cached_property
    def records(self) -> list[Record]:
        return self._given.records() if isinstance(self._given, Columns) else self._given

    @cached_property
    def columns(self) -> Columns | None:
        """Side by side; None where one of them has to be looked at by itself."""
        return self._given if isinstance(self._given, Columns) else _side_by_side(self._given)


def _side_by_side(records: list[Record]) -> Columns | None:
    slot = next(iter(records[0].vectors), None) if records else None
    if slot is None:
        return None
    found = [record.vectors.get(slot) for record in records if len(record.vectors) == 1 and not record.trouble]
    rows = [row for row in found if isinstance(row, np.ndarray) and row.ndim == 1 and row.dtype == np.float32]
    if len(rows) < len(records) or len({len(row) for row in rows}) > 1:
        return None
    return Columns([one.id for one in records], [one.payload for one in records], np.stack(rows), slot)


class Source(Protocol):
    """Something that holds vectors. Read-only by contract: nothing in it changes, no file appears in it.

    Opened in one thread and read in others: its batches in one at a time, and in several at the same time when `spans`
    answers more than one.
    """

    kind: str
    """In words: `Chroma directory, format of chromadb 1.x`."""
    vectorless: bool
    """Whether a record without any vector is something ordinary there."""
    folds_uuids: bool
    """Whether every spelling of a UUID means the same point there, as in Qdrant itself."""

    def collections(self) -> list[SourceCollection]:
        """Every collection the URI covers, with exact counts."""

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut a collection into at most so many spans of about the same size, which together are all of it.

        Safe to ask for again: what it answered once stays readable, whatever it answers next time.
        """

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records of one collection behind a cursor, at most `size` at a time, in an order that does not change.

        `after` is a cursor of an earlier batch, or the start of a span, and `until` the end of one; only cursors that
        `spans` gave out are asked for. Raises `SourceUnreadable`: it is damaged, or changed while it was read.
        """

    def close(self) -> None:
        """Give back files and connections."""


@dataclass(frozen=True, slots=True)
class WireBatch:
    """Points that are in a Qdrant already, as the bytes that they are on the wire."""

    cursor: Cursor
    page: "WirePage"
    records: Callable[[], list[Record]]
    """The same, read once more and taken apart."""


@runtime_checkable
class CarriesWire(Protocol):
    """What a `Source` may do besides: give points as they are, so that nobody takes them apart and together again."""

    @property
    def carries_wire(self) -> bool:
        """Whether it can, here and now."""

    def wire_batches(
        self, name: str, *, size: int, after: Cursor = None, until: Cursor = None
    ) -> Iterator[WireBatch]: ...


@runtime_checkable
class Searches(Protocol):
    """What a `Source` may be besides: a Qdrant server."""

    @property
    def database(self) -> "Database": ...


@runtime_checkable
class Tidy(Protocol):
    """What a `Source` may do besides: tell what lies in the store and belongs to none of its collections."""

    def strays(self) -> Iterable[str]:
        """In words, by name; nothing of it is migrated."""


def strays_of(source: Source) -> tuple[str, ...]:
    return tuple(source.strays()) if isinstance(source, Tidy) else ()


@runtime_checkable
class Marked(Protocol):
    """What a `Source` may do besides: tell that it is no longer what it was."""

    def mark(self, name: str) -> str:
        """A sign of what a collection holds, cheap to take; another one means that it has changed."""


def mark_of(source: Source, name: str) -> str:
    return source.mark(name) if isinstance(source, Marked) else ""


def option(options: Mapping[str, str], name: str, known: Mapping[str, _A], otherwise: _B) -> _A | _B:
    """What an option of a URI asks for, by one of the known words in any case; `otherwise` when it is not given."""
    given = options.get(name)
    if given is None:
        return otherwise
    for word, asked in known.items():
        if word.lower() == given.lower():
            return asked
    raise BadInput(f"{name}={plain(given)} is not known", why=f"known are {', '.join(known)}", fix=HELP)


def free_name(name: str, taken: Container[str]) -> str:
    """The name, with as many underscores behind it as it takes to be another one than all of these."""
    while name in taken:
        name += "_"
    return name
