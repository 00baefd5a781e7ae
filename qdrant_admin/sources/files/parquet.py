"""Parquet files, and folders of them: row groups are the parts, the footer has the count."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.sources.files.arrow_types import columns_of
from qdrant_admin.sources.files.arrow_values import (
    arrow_faults,
    columns_to_count,
    numbered_ids,
    part_of,
    tally_batch,
)
from qdrant_admin.sources.files.columns import HEAD, Column, Layout
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.files.own_layout import KEY, OwnLayout, read_own
from qdrant_admin.sources.files.tables import Part, Place, Tally, damaged

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_PAGE = 4096


class ParquetFiles(FileSource):
    """A `Source` over Parquet files."""

    kind = "Parquet file"
    suffixes = (".parquet", ".parq", ".pq")

    def open(self, path: Path) -> "ParquetTable":
        """One of them."""
        return ParquetTable(path)


class ParquetTable:
    """One file."""

    flat = True

    def __init__(self, path: Path) -> None:
        self.path = path

    def own(self) -> OwnLayout | None:
        """From the metadata in its footer."""
        with self._opened() as file:
            said = (file.metadata.metadata or {}).get(KEY.encode())
        return read_own(said, self.path) if said else None

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        """From its schema."""
        with self._opened() as file:
            head = next(file.iter_batches(HEAD, row_groups=[0]), None) if file.num_row_groups else None
            return columns_of(file.schema_arrow, head, asked), list(file.schema_arrow.names)

    def survey(self, layout: Layout) -> Tally:
        """The footer counts; ids, and vectors whose type does not tell their size, are read."""
        tally = Tally()
        wanted = columns_to_count(layout)
        with self._opened() as file:
            if wanted:
                for batch in file.iter_batches(_PAGE, columns=wanted):
                    tally_batch(tally, batch, layout)
                if tally.rows != file.metadata.num_rows:
                    raise damaged(self.path, f"it says {file.metadata.num_rows} rows and holds {tally.rows}")
            else:
                tally.rows = tally.without_id = file.metadata.num_rows
            tally.places = [Place(row) for row in self._groups(file)[:-1]]
        for slot in layout.slots:
            if slot.column.size is not None and tally.rows:
                tally.saw(slot.name, slot.column.size)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        """The column of the id alone."""
        if layout.id:
            with self._opened() as file:
                yield from numbered_ids(batch.column(0) for batch in file.iter_batches(_PAGE, columns=[layout.id]))

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """From the row group on in which the place lies."""
        with self._opened() as file:
            edges = self._groups(file)
            end = edges[-1] if until is None else until
            groups = [group for group, edge in enumerate(edges[1:]) if edge > at.row and edges[group] < end]
            number = edges[groups[0]] if groups else 0
            for whole in file.iter_batches(size, row_groups=groups) if groups else ():
                first, last = max(number, at.row), min(number + whole.num_rows, end)
                if first < last:
                    yield part_of(whole.slice(first - number, last - first), layout, first)
                number += whole.num_rows

    @contextmanager
    def _opened(self) -> Iterator["pq.ParquetFile"]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was given back, and grows with the file
        # Without pre_buffer=False it holds what it has read until the end.
        with arrow_faults(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            yield file

    @staticmethod
    def _groups(file: "pq.ParquetFile") -> list[int]:
        """The first row of each row group, and the number of all rows."""
        counts = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
        return [0, *accumulate(counts)]
