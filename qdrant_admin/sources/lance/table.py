"""One version of one LanceDB table. A version never changes, so a writer meanwhile makes no difference."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.sources.files.arrow_values import values_of
from qdrant_admin.sources.files.paths import changed, signature
from qdrant_admin.sources.files.superseded import Numbers, superseded
from qdrant_admin.sources.files.tables import damaged, key_of
from qdrant_admin.sources.files.values import Unfit, identity

if TYPE_CHECKING:
    import pyarrow as pa

ROW = "_rowid"
SUFFIX = ".lance"
_LAST_VERSION = (1 << 64) - 1
_ROWS = 8192
_WINDOW, _NARROW_WINDOW = 4096, 65_536
"""Rows asked for at a time, whole or a column of theirs: Lance reads far ahead of who takes them, all into memory."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a table, and what tells it from one of the same number in a table that was made anew."""

    number: int
    sign: str

    def __str__(self) -> str:
        return f"{self.number}@{self.sign}"


class LanceTable:
    """A table, held at one version.

    Args:
        folder: the table's own, `<name>.lance`.
        version: as an earlier `version` said in text; empty: the newest.

    Raises:
        SourceUnreadable: damaged, or that version is not there any more.
    """

    def __init__(self, folder: Path, version: str = "") -> None:
        import lancedb

        self.folder = folder
        with lance_faults(folder):
            self._table: Any = lancedb.connect(str(folder.parent)).open_table(folder.name.removesuffix(SUFFIX))
            newest = int(self._table.version)
            self.version = self._signed(int(version.partition("@")[0]) if version else newest)
            if version and str(self.version) != version:
                raise changed(folder)
            # Without a word of it, an older version would be opened when the newest is missing.
            if _hint(folder) > newest:
                raise damaged(folder, f"its version {_hint(folder)} is missing")
            self._table.checkout(self.version.number)
            self.rows = int(self._table.count_rows())
            self.schema: pa.Schema = self._table.schema

    def batches(self, size: int, start: int, stop: int, columns: list[str] | None = None) -> "Iterator[pa.RecordBatch]":
        """Rows from one number up to, but without, another, with Lance's own row ids in a column of their own."""
        window = _WINDOW if columns is None else _NARROW_WINDOW
        for begin in range(start, stop, window):
            done, end = begin, min(begin + window, stop)
            with lance_faults(self.folder):
                query = self._table.search().with_row_id(True).offset(begin).limit(end - begin)
                for batch in (query.select(columns) if columns is not None else query).to_batches(size):
                    done += batch.num_rows
                    yield from (batch.slice(at, size) for at in range(0, batch.num_rows, size))
            if done != end:
                raise damaged(self.folder, f"it ends after {done} of its {self.rows} records")

    def repeated(self, column: str) -> Numbers:
        """Numbers of the rows whose id comes again further down."""

        def entries() -> Iterator[tuple[list[int | str], Numbers]]:
            number = 0
            for batch in self.batches(_ROWS, 0, self.rows, [column]):
                numbers = np.arange(number, number + batch.num_rows)
                number += batch.num_rows
                yield (
                    [_key(value, at) for value, at in zip(values_of(batch.column(column)), numbers, strict=True)],
                    numbers,
                )

        return superseded(entries)

    def metrics(self) -> dict[str, str]:
        """Vector column to the metric of its index, in lower case; one without an index is missing."""
        found = {}
        with lance_faults(self.folder):
            for index in self._table.list_indices():
                statistics = self._table.index_stats(index.name)
                if statistics is not None and statistics.distance_type:
                    found[str(index.columns[0])] = str(statistics.distance_type).lower()
        return found

    def _signed(self, number: int) -> Version:
        versions = self.folder / "_versions"
        names = (f"{_LAST_VERSION - number:020d}.manifest", f"{number}.manifest")  # of newer tables, of older ones
        file = next((versions / name for name in names if (versions / name).is_file()), None)
        if file is None:
            raise SourceUnreadable(
                f"version {number} of {plain(self.folder)} is not there any more",
                why="the migration reads one version from beginning to end, and another program has removed it",
                fix="plan the migration again, and let old versions be until it is done",
            )
        (found,) = signature([file])
        return Version(number, "-".join(str(part) for part in found or ()))


@contextlib.contextmanager
def lance_faults(folder: Path) -> Iterator[None]:
    """What LanceDB raises, in the user's terms."""
    import pyarrow as pa

    try:
        yield
    except (RuntimeError, ValueError, OSError, pa.ArrowException) as error:
        raise damaged(folder, str(error).partition(", /")[0]) from error


def _hint(folder: Path) -> int:
    """The newest version, as far as a writer has left word of it; 0 when none has."""
    try:
        return int(json.loads((folder / "_versions" / "latest_version_hint.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _key(value: Any, number: int) -> int | str:
    """An id to compare others with; of a row without one, something that no other has."""
    try:
        found = None if isinstance(value, Unfit) else identity(value)
    except Unfit:
        found = None
    return f"\x00{number}" if found is None else key_of(found)
