"""JSON lines beside a FAISS index: only where each line begins is kept in memory, 16 bytes a line."""

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.text import plain
from qdrant_admin.sources.faiss.rows import Ids, Rows
from qdrant_admin.sources.files.text_lines import lines
from qdrant_admin.sources.files.values import read_json

_ID = "id"


@dataclass
class Lines:
    """A file of JSON lines, and which line goes with which row of the index."""

    path: Path
    words: str
    warnings: tuple[str, ...]
    begins: Ids
    """First byte of every line; by ascending id when there are ids."""
    ids: Ids | None
    """None: line n belongs to row n."""

    def at(self, row: int, own: int) -> tuple[int | str, dict[str, Any]]:
        """Id and payload of a row.

        Raises:
            ValueError: its line is no JSON object.
        """
        if self.ids is None:
            return own, self._line(int(self.begins[row]))
        place = int(np.searchsorted(self.ids, own, side="right")) - 1  # the last line of an id holds
        if place < 0 or self.ids[place] != own:
            return own, {}
        return own, self._line(int(self.begins[place]))

    def _line(self, begins: int) -> dict[str, Any]:
        with self.path.open("rb") as file:
            file.seek(begins)
            octets = file.readline()
        try:
            value = read_json(octets)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        raise ValueError(f"its line in {self.path.name} (from byte {begins}) is no JSON object")


def open_lines(path: Path, rows: Rows) -> Lines:
    """Look through the file once.

    Raises:
        SourceUnreadable: it cannot be read, or belongs to another index.
    """
    begins, ids = _scan(path)
    if ids is not None:
        bare, spare = strangers(ids, rows)
        # As many lines as rows, and other ids: numbers of somebody else, such as 1, 2, 3, ... for rows 0, 1, 2, ...
        if bare + spare == 0 or (bare < rows.count and len(begins) != rows.count):
            order = np.argsort(ids, kind="stable")
            warnings = stranger_words(path, "line", bare, spare)
            return Lines(path, f"{plain(path.name)}, by id", warnings, begins[order], ids[order])
    if len(begins) != rows.count:
        raise SourceUnreadable(
            f"{plain(path)} does not belong to this index",
            why=f"it has {len(begins)} lines, the index {rows.count} vectors, and its lines name no ids of the index",
            fix="name another file by ?payload=FILE, or take the vectors alone by ?payload=none",
        )
    return Lines(path, f"{plain(path.name)}, line n for row n", (), begins, None)


def strangers(known: Ids, rows: Rows) -> tuple[int, int]:
    """How many rows of an index are not among these ids, and how many of the ids are in no row."""
    there = rows.ids(0, rows.count)
    return int((~np.isin(there, known)).sum()), int((~np.isin(known, there)).sum())


def stranger_words(path: Path, what: str, bare: int, spare: int) -> tuple[str, ...]:
    """These in words, as warnings."""
    without = f"{counted(bare, 'vector')} without {what} in {plain(path.name)}: the payload is empty" if bare else ""
    unused = f"{counted(spare, what)} of {plain(path.name)} without vector in the index: not migrated" if spare else ""
    return tuple(filter(None, (without, unused)))


def _scan(path: Path) -> tuple[Ids, Ids | None]:
    begins, ids = array("q"), array("q")
    keyed = True
    for line in lines(path):
        if line.octets.strip():
            begins.append(line.begins)
            identity = _id_of(line.octets) if keyed else None
            keyed = identity is not None
            ids.append(identity or 0)
    return np.array(begins, dtype=np.int64), np.array(ids, dtype=np.int64) if keyed and ids else None


def _id_of(octets: bytes) -> int | None:
    try:
        value = read_json(octets)
    except (ValueError, RecursionError):
        return None
    identity = value.get(_ID) if isinstance(value, dict) else None
    return identity if type(identity) is int and -(1 << 63) <= identity < 1 << 63 else None
