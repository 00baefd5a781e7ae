"""Arrow files, streams and Feather, and what Hugging Face's `save_to_disk` leaves: a folder of streams."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.files import arrow
from qdrant_admin.sources.files.columns import HEAD, Column, Layout
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.files.own_layout import KEY, OwnLayout, read_own
from qdrant_admin.sources.files.tables import FileTable, Part, Place, Tally, damaged, json_object

STATE, SPLITS = "state.json", "dataset_dict.json"
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_FILE_MAGIC, _FEATHER_1 = b"ARROW1", b"FEA1"


class ArrowTable(FileTable):
    flat = True

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        with self._opened() as (schema, batches):
            return arrow.columns_of(schema, next(batches, None), asked), list(schema.names)

    def survey(self, layout: Layout) -> Tally:
        """Every batch is walked through: a stream has no count, and no other sign that it is whole."""
        tally = Tally()
        wanted, is_file = arrow.columns_to_count(layout), self._is_file()
        with self._opened(mapped=all(slot.column.size is not None for slot in layout.slots)) as (_, batches):
            for batch in batches:
                if is_file or not tally.rows:
                    tally.places.append(Place(tally.rows))
                if wanted:
                    arrow.tally_batch(tally, batch.select(wanted), layout)
                else:
                    tally.rows += batch.num_rows
                    tally.without_id += batch.num_rows
        tally.saw_declared(layout)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        if layout.id:
            with self._opened(mapped=True) as (_, batches):
                yield from arrow.numbered_ids(batch.column(layout.id) for batch in batches)

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """A file has an index of its batches, a stream is read from its beginning."""
        skipped, number = self._skipped(at)
        with self._opened(skipped) as (_, batches):
            for batch in batches:
                end = number + batch.num_rows if until is None else min(until, number + batch.num_rows)
                for first in range(max(number, at.row), end, size):
                    part = batch.slice(first - number, min(size, end - first))
                    yield arrow.part_of(part, layout, first)
                number += batch.num_rows
                if until is not None and number >= until:
                    return

    def _skipped(self, at: Place) -> tuple[int, int]:
        skipped = number = 0
        if at.row and self._is_file():
            with self._opened(mapped=True) as (_, batches):
                for batch in batches:
                    if number + batch.num_rows > at.row:
                        break
                    skipped, number = skipped + 1, number + batch.num_rows
        return skipped, number

    @contextmanager
    def _opened(
        self, skipped: int = 0, *, mapped: bool = False
    ) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
        """The schema, and the batches after those skipped (a stream has them all). Mapping a file is right for a few
        columns; one that is read whole that way would count as memory of ours.
        """
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was given back, and grows with the file
        with arrow.arrow_faults(self.path):
            is_file = self._is_file()
            if not is_file:
                self._check_end()
            with pa.memory_map(str(self.path)) if mapped else pa.OSFile(str(self.path)) as opened:
                if is_file:
                    reader = ipc.open_file(opened)
                    yield reader.schema, (reader.get_batch(at) for at in range(skipped, reader.num_record_batches))
                else:
                    stream = ipc.open_stream(opened)
                    yield stream.schema, iter(stream)

    def _is_file(self) -> bool:
        with self.path.open("rb") as file:
            magic = file.read(len(_FILE_MAGIC))
        if magic.startswith(_FEATHER_1):
            raise SourceUnreadable(
                f"{plain(self.path)} is Feather of version 1",
                why="only version 2 is Arrow",
                fix="pip install pandas  # read_feather, then to_parquet",
            )
        return magic == _FILE_MAGIC

    def _check_end(self) -> None:
        """A stream that was cut between two batches reads as a whole one, save for the mark at its end."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_END)))
            tail = file.read()
        # Writers before version 0.15 of the format leave only the four zero bytes.
        if size and not (tail == _END or tail.endswith(_END[4:])):
            raise damaged(self.path, "it has no mark at its end, so its writer was stopped, or it was not copied whole")


class ArrowFiles(FileSource):
    """A `Source` over Arrow files. Each split of a Hugging Face data set is a collection."""

    kind = "Arrow file"
    table = ArrowTable
    suffixes = (".arrow", ".feather", ".arrows", ".ipc", ".arrow_stream")

    def files(self) -> list[Path]:
        """Of a saved data set those that it names itself, in its own order."""
        if (self.path / SPLITS).is_file():
            splits = json_object(self.path / SPLITS).get("splits", [])
            return [path for split in splits for path in _saved(self.path, str(split))]
        return _saved(self.path) if (self.path / STATE).is_file() else super().files()

    def name_of(self, path: Path) -> str:
        """With the split's name behind it, where there are several."""
        name = super().name_of(path)
        return f"{name}_{path.parent.name}" if (self.path / SPLITS).is_file() else name


def _saved(folder: Path, split: str = "") -> list[Path]:
    folder = folder / split if split else folder
    found = []
    for entry in json_object(folder / STATE).get("_data_files", []):
        name = str(entry.get("filename"))
        path = folder / name
        if path.parent.resolve() != folder.resolve() or not path.is_file():
            raise SourceUnreadable(
                f"{plain(folder)} is not whole", why=f"it has no file {plain(name)}", fix=f'ls -l "{folder}"'
            )
        found.append(path)
    return found


_PAGE = 4096


class ParquetTable(FileTable):
    flat = True

    def own(self) -> OwnLayout | None:
        with self._opened() as file:
            said = (file.metadata.metadata or {}).get(KEY.encode())
        return read_own(said, self.path) if said else None

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        with self._opened() as file:
            head = next(file.iter_batches(HEAD, row_groups=[0]), None) if file.num_row_groups else None
            return arrow.columns_of(file.schema_arrow, head, asked), list(file.schema_arrow.names)

    def survey(self, layout: Layout) -> Tally:
        """The footer counts; ids, and vectors whose type does not tell their size, are read."""
        tally = Tally()
        wanted = arrow.columns_to_count(layout)
        with self._opened() as file:
            if wanted:
                for batch in file.iter_batches(_PAGE, columns=wanted):
                    arrow.tally_batch(tally, batch, layout)
                if tally.rows != file.metadata.num_rows:
                    raise damaged(self.path, f"it says {file.metadata.num_rows} rows and holds {tally.rows}")
            else:
                tally.rows = tally.without_id = file.metadata.num_rows
            tally.places = [Place(row) for row in self._groups(file)[:-1]]
        tally.saw_declared(layout)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        if layout.id:
            with self._opened() as file:
                yield from arrow.numbered_ids(
                    batch.column(0) for batch in file.iter_batches(_PAGE, columns=[layout.id])
                )

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        with self._opened() as file:
            edges = self._groups(file)
            end = edges[-1] if until is None else until
            groups = [group for group, edge in enumerate(edges[1:]) if edge > at.row and edges[group] < end]
            number = edges[groups[0]] if groups else 0
            for whole in file.iter_batches(size, row_groups=groups) if groups else ():
                first, last = max(number, at.row), min(number + whole.num_rows, end)
                if first < last:
                    yield arrow.part_of(whole.slice(first - number, last - first), layout, first)
                number += whole.num_rows

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was given back, and grows with the file
        # Without pre_buffer=False it holds what it has read until the end.
        with arrow.arrow_faults(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
            yield file

    @staticmethod
    def _groups(file: pq.ParquetFile) -> list[int]:
        """The first row of each row group, and the number of all rows."""
        counts = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
        return [0, *accumulate(counts)]


class ParquetFiles(FileSource):
    kind = "Parquet file"
    table = ParquetTable
    suffixes = (".parquet", ".parq", ".pq")
