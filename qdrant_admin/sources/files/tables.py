"""One file of rows: what every kind of file has to answer, so that `file_source.py` can make a source of it."""

import json
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.base import Columns, Fields, Payload, Record
from qdrant_admin.sources.files.columns import Column, Layout, OwnLayout, Slot, check
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, vector_of
from qdrant_admin.sources.read_only import cannot_read


class Place(NamedTuple):
    """Where reading goes on."""

    row: int = 0
    offset: int = 0
    """Its first byte, where a file is read by bytes."""


START = Place()


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file, one behind the other; never none. A row without an id has `NO_ID`."""

    first: int
    """Number of the first row."""
    rows: list[Record] | Columns
    offset: int = 0
    """The first byte behind them, where a file is read by bytes."""

    @property
    def records(self) -> list[Record]:
        return self.rows.records() if isinstance(self.rows, Columns) else self.rows

    @property
    def behind(self) -> Place:
        return Place(self.first + len(self.rows), self.offset)


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

    def add(self, identity: int | str, place: Place | None = None) -> None:
        """Count a row by its id; `place` is where it begins, if the file can be cut there."""
        every = 256 if self.rows < 1 << 20 else 4096
        if place is not None and self.rows % every == 0:
            self.places.append(place)
        if identity == NO_ID:
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


class Table(ABC):
    """One file. It is opened for each pass and closed after it."""

    flat = False
    """Whether it has columns, each of a type: then each vector has one of its own in an export of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def own(self) -> OwnLayout | None:
        """What an export of ours says of itself."""
        return None

    @abstractmethod
    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        """Columns that could be vectors, and the names of all. `asked`: columns that are vectors by any name."""

    @abstractmethod
    def survey(self, layout: Layout) -> Tally:
        """Count, and look at every id. `SourceUnreadable`: damaged or cut off."""

    @abstractmethod
    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        """Row number and id of every row that has one, in order."""

    @abstractmethod
    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """Rows from a place on, `size` at most at a time, up to but without the row of the number `until`."""


def key_of(value: int | str) -> int | str:
    """Ids with the same key become the same point: -1 and "-1" are both hashed as text."""
    return value if isinstance(value, str) or 0 <= value < 1 << 64 else str(value)


def take_apart(values: Fields, layout: Layout) -> Record:
    """A row of plain values as a record: id, vectors, and everything else as payload."""
    record, taken = Record(NO_ID), layout.taken
    try:
        record.id = identity(values.get(layout.id)) if layout.id else NO_ID
    except Unfit as error:
        record.trouble = f"its id {error}"
        record.unread["id"] = values.get(str(layout.id))
    for slot in layout.slots:
        _put_vector(record, slot, values, layout)
    for name, known in layout.objects.items():
        _strangers(record, values.get(name), known)
    record.payload = {name: value for name, value in values.items() if name not in taken}
    if layout.payload:
        record.payload = _whole(record, record.payload.get(layout.payload), layout.payload)
    return record


def _cell_of(values: Fields, slot: Slot) -> object:
    """What lies where a vector should be; None when nothing does."""
    if slot.parts:
        parts = [values.get(part) for part in slot.parts]
        return None if all(part is None for part in parts) else parts
    cell = values.get(slot.column.name)
    if not slot.column.keyed or cell is None:
        return cell
    if not isinstance(cell, dict):
        raise Unfit("does not lie in an object of vectors, as others do")
    return cell.get(slot.column.key)


def _put_vector(record: Record, slot: Slot, values: Fields, layout: Layout) -> None:
    """Read one vector into a record, or say what is wrong with it."""
    cell = None
    try:
        cell = _cell_of(values, slot)
        if cell is not None:
            check(cell, slot)
            record.vectors[slot.name] = vector_of(cell, slot.column.kind or "dense", layout.octets)
    except Unfit as error:
        refuse_vector(record, slot.name, cell, error)


def refuse_vector(record: Record, name: str, cell: object, why: object) -> None:
    """A vector that cannot be read: the record is rejected, and the cell kept as it is."""
    record.trouble = record.trouble or f"{f'vector {name}' if name else 'its vector'} {why}"
    record.unread[name or "vector"] = cell


def _strangers(record: Record, cell: Any, known: set[str]) -> None:
    for key in cell if isinstance(cell, dict) else ():
        if key not in known:
            refuse_vector(record, str(key), cell[key], "does not occur in the first rows")


def _whole(record: Record, payload: object, name: str) -> Payload:
    if payload is None or isinstance(payload, dict):
        return payload or {}
    record.trouble = record.trouble or f"its {name} is no object"
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
