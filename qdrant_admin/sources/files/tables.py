"""One file of rows: what every kind of file has to answer, so that `file_source.py` can make a source of it."""

import json
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Floats, Sparse, Vector
from qdrant_admin.sources.base import Fields, Payload
from qdrant_admin.sources.files.columns import Column, Layout, Slot, check
from qdrant_admin.sources.files.own_layout import OwnLayout
from qdrant_admin.sources.files.values import Unfit, identity, vector_of
from qdrant_admin.sources.read_only import cannot_read


class Place(NamedTuple):
    """Where reading goes on."""

    row: int = 0
    offset: int = 0
    """Its first byte, where a file is read by bytes."""


START = Place()
_NO_OBJECT = object()


@dataclass(slots=True)
class Row:
    number: int
    behind: Place
    id: int | str | None = None
    payload: Payload = field(default_factory=dict)
    vectors: dict[str, Vector] = field(default_factory=dict)
    trouble: str = ""
    unread: Payload = field(default_factory=dict)


@dataclass(slots=True)
class Chunk:
    """Rows with nothing wrong and one dense vector each, side by side; see `Columns`."""

    first: int
    ids: Sequence[int | str | None]
    payloads: Sequence[Payload]
    vectors: Floats
    slot: str

    @property
    def behind(self) -> Place:
        return Place(self.first + len(self.ids))

    def rows(self) -> list[Row]:
        rows = zip(self.ids, self.payloads, self.vectors, strict=True)
        return [
            Row(number, Place(number + 1), one, payload, {self.slot: vector})
            for number, (one, payload, vector) in enumerate(rows, start=self.first)
        ]


Part = Chunk | list[Row]
"""Some rows; never none."""


@dataclass
class Tally:
    """What one pass over a file has counted, so that nothing of it need be guessed."""

    rows: int = 0
    keys: "array[int]" = field(default_factory=lambda: array("q"))
    """A hash of each row's id, 8 bytes a row; of a row without one, of its number."""
    sizes: dict[str, Counter[int]] = field(default_factory=dict)
    """Slot to how often which dimension was seen."""
    without_id: int = 0
    troubled: int = 0
    """Rows that could not be read at all."""
    places: list[Place] = field(default_factory=list)

    def add(self, identity: int | str | None, place: Place | None = None) -> None:
        """Count a row by its id (None: it has none); `place` is where it begins, if the file can be cut there."""
        if place is not None and self.rows % self._every() == 0:
            self.places.append(place)
        if identity is None:
            self.without_id += 1
            self.keys.append(hash(("no id", id(self), self.rows)))
        else:
            self.keys.append(hash(key_of(identity)))
        self.rows += 1

    def saw(self, slot: str, size: int, times: int = 1) -> None:
        self.sizes.setdefault(slot, Counter())[size] += times

    def saw_declared(self, layout: Layout) -> None:
        """Count the dimensions that the types of columns say by themselves."""
        for slot in layout.slots:
            if slot.column.size is not None and self.rows:
                self.saw(slot.name, slot.column.size)

    def _every(self) -> int:
        return 256 if self.rows < 1 << 20 else 4096


class Table(Protocol):
    """One file. It is opened for each pass and closed after it."""

    path: Path
    flat: bool
    """Whether it has columns, each of a type: then each vector has one of its own in an export of ours."""

    def own(self) -> OwnLayout | None:
        """What an export of ours says of itself."""

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        """Columns that could be vectors, and the names of all. `asked`: columns that are vectors by any name."""

    def survey(self, layout: Layout) -> Tally:
        """Count, and look at every id. `SourceUnreadable`: damaged or cut off."""

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        """Row number and id of every row that has one, in order."""

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """Rows from a place on, `size` at most at a time, up to but without the row of the number `until`."""


class FileTable:
    """What most kinds of file have in common: no export of ours, and no columns with a type each."""

    flat = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def own(self) -> OwnLayout | None:
        return None


def rows_of(part: Part) -> list[Row]:
    return part.rows() if isinstance(part, Chunk) else part


def key_of(value: int | str) -> int | str:
    """Ids with the same key become the same point: -1 and "-1" are both hashed as text."""
    return value if isinstance(value, str) or 0 <= value < 1 << 64 else str(value)


def take_apart(values: Fields, layout: Layout, number: int, behind: Place) -> Row:
    """A row of plain values as a record: id, vectors, and everything else as payload."""
    row = Row(number, behind)
    taken = layout.taken
    try:
        row.id = identity(values.get(layout.id)) if layout.id else None
    except Unfit as error:
        row.trouble = f"its id {error}"
        row.unread["id"] = values.get(str(layout.id))
    for slot in layout.slots:
        cell = cell_of(values, slot)
        if cell is not None:
            put_vector(row, slot, cell, layout)
    for name, known in layout.objects.items():
        _strangers(row, values.get(name), known)
    row.payload = {name: value for name, value in values.items() if name not in taken}
    if layout.payload:
        row.payload = _whole(row, row.payload.get(layout.payload), layout.payload)
    return row


def cell_of(values: Fields, slot: Slot) -> object:
    """What lies where a vector should be; None when nothing does."""
    if slot.parts:
        parts = [values.get(part) for part in slot.parts]
        return None if all(part is None for part in parts) else parts
    cell = values.get(slot.column.name)
    if not slot.column.keyed or cell is None:
        return cell
    return cell.get(slot.column.key) if isinstance(cell, dict) else _NO_OBJECT


def put_vector(row: Row, slot: Slot, cell: object, layout: Layout) -> None:
    """Read one vector into a row, or say what is wrong with it."""
    if cell is _NO_OBJECT:
        refuse_vector(row, slot.name, None, "does not lie in an object of vectors, as others do")
        return
    try:
        check(cell, slot)
        row.vectors[slot.name] = vector_of(cell, slot.column.kind or "dense", layout.octets)
    except Unfit as error:
        refuse_vector(row, slot.name, cell, str(error))


def refuse_vector(row: Row, name: str, cell: object, why: str) -> None:
    """A vector that cannot be read: the row is rejected, and the cell kept as it is."""
    row.trouble = row.trouble or f"{f'vector {name}' if name else 'its vector'} {why}"
    row.unread[name or "vector"] = cell


def count(tally: Tally, row: Row, layout: Layout) -> None:
    """Count the dimensions of one row's vectors, and whether it will be rejected for what is wrong with it."""
    tally.troubled += bool(row.trouble) or not (row.vectors or layout.vectorless)
    for name, vector in row.vectors.items():
        if not isinstance(vector, Sparse):
            tally.saw(name, vector.shape[-1])


def _strangers(row: Row, cell: Any, known: set[str]) -> None:
    for key in cell if isinstance(cell, dict) else ():
        if key not in known:
            refuse_vector(row, str(key), cell[key], "does not occur in the first rows")


def _whole(row: Row, payload: object, name: str) -> Payload:
    if payload is None or isinstance(payload, dict):
        return payload or {}
    row.trouble = row.trouble or f"its {name} is no object"
    return {name: payload}


def damaged(path: Path, why: object, *, fix: str = "") -> SourceUnreadable:
    return cannot_read(path, f"it is damaged or cut off: {plain(why)}", fix)


def json_object(path: Path) -> Payload:
    """The object in a JSON file. `SourceUnreadable`: there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if not isinstance(found, dict):
        raise damaged(path, "it is no object")
    return found
