"""Parquet, Arrow files, streams and Feather, and what Hugging Face's `save_to_disk` leaves: a folder of streams."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as t
from pyarrow import ipc

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Floats, Vector, VectorKind
from qdrant_admin.sources.base import Columns, Payload, Record
from qdrant_admin.sources.files import tables
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.files.tables import Column, Layout, OwnLayout, Part, Place, Slot, Table, Tally
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, narrow_rows, read_json, said, vector_of

_T = TypeVar("_T")
Read = Vector | Unfit | None


def columns_of(schema: pa.Schema, head: pa.RecordBatch | None, asked: Collection[str]) -> list[Column]:
    """The columns that could be vectors, by their types; text is looked into."""
    found = []
    for field in schema:
        column = _column(field.name, _stored_type(field.type))
        if column is not None and (column.form is not bytes or column.called or field.name in asked):
            found.append(column)
        elif head is not None and _is_text(field.type):
            values = head.column(field.name).to_pylist()
            found += tables.sniff([{field.name: value} for value in values], asked)
    return found


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What an extension type is stored as; any other type itself."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _stored(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array.type, pa.BaseExtensionType) else array


def _is_list(kind: pa.DataType) -> bool:
    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(t.is_floating(kind) or t.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(t.is_string(kind) or t.is_large_string(kind))


def _is_octets(kind: pa.DataType) -> bool:
    return bool(t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind))


def _is_plain(kind: pa.DataType) -> bool:
    """Whether Python's own value of it is what JSON says."""
    if t.is_list(kind) or t.is_large_list(kind):
        kind = kind.value_type
    others = (t.is_integer, t.is_boolean, t.is_null, t.is_float32, t.is_float64)
    return _is_text(kind) or any(is_it(kind) for is_it in others)


def _column(name: str, kind: pa.DataType) -> Column | None:
    if t.is_struct(kind):
        inner = {kind.field(index).name: kind.field(index).type for index in range(kind.num_fields)}
        sparse = inner.keys() == {"indices", "values"} and all(_is_list(one) for one in inner.values())
        return Column(name, kind="sparse", form=dict, certain=True) if sparse else None
    if _is_octets(kind):
        return Column(name, kind="dense", form=bytes)
    if not _is_list(kind):
        return None
    item = _stored_type(kind.value_type)
    if _is_list(item):
        number = item.value_type
        size = item.list_size if t.is_fixed_size_list(item) else None
        return Column(name, kind="multi", size=size, certain=t.is_floating(number)) if _is_number(number) else None
    fixed = t.is_fixed_size_list(kind)
    size = kind.list_size if fixed else None
    column = Column(name, kind="dense", size=size, certain=fixed and t.is_floating(item))
    return column if t.is_floating(item) or (_is_number(item) and column.called) else None


@contextlib.contextmanager
def arrow_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceUnreadable:
        raise
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise tables.damaged(path, error) from error


def part_of(batch: pa.RecordBatch, layout: Layout, first: int) -> Part:
    """The rows of a batch, the first of which has the number `first`: side by side when nothing is wrong with any."""
    ids, payloads = _ids(batch, layout), _payloads(batch, layout)
    vectors = _only_vectors(batch, layout)
    odd = _unfit(ids) or _unfit(chain.from_iterable(map(dict.values, payloads)))
    if vectors is not None and not odd:
        sound = [one for one in ids if not isinstance(one, Unfit)]
        return Part(first, Columns(sound, [_whole(one, layout) for one in payloads], vectors, layout.slots[0].name))
    records = [Record(NO_ID) for _ in payloads]
    if layout.id:
        _put_ids(records, ids, batch.column(layout.id))
    for slot in layout.slots:
        _put_vectors(records, batch, slot, layout)
    for record, payload in zip(records, payloads, strict=True):
        _put_payload(record, payload, layout)
    return Part(first, records)


def _parts(
    batches: Iterable[pa.RecordBatch], number: int, layout: Layout, size: int, start: int, until: int | None
) -> Iterator[Part]:
    """The rows from `start` up to, but without, `until`; `number` is that of the first row of the first batch."""
    for batch in batches:
        end = number + batch.num_rows if until is None else min(until, number + batch.num_rows)
        for first in range(max(number, start), end, size):
            yield part_of(batch.slice(first - number, min(size, end - first)), layout, first)
        number += batch.num_rows
        if until is not None and number >= until:
            return


def _tally_batch(tally: Tally, batch: pa.RecordBatch, layout: Layout) -> None:
    """Count ids, and the dimensions of vectors whose type does not say them; the batch has no other columns."""
    for found in _ids_of(batch.column(layout.id)) if layout.id else [NO_ID] * batch.num_rows:
        tally.add(NO_ID if isinstance(found, Unfit) else found)
    for slot in layout.slots:
        if slot.column.name in batch.schema.names and slot.column.kind != "sparse":
            if slot.column.form is bytes:
                cells = _stored(batch.column(slot.column.name))
                places = range(0, len(cells), max(1, len(cells) // tables.CELLS))
                tally.saw_octets(slot.column.name, [cells[place].as_py() for place in places])
            for vector in vectors_of(batch.column(slot.column.name), slot.column.kind or "dense", layout.octets):
                if isinstance(vector, np.ndarray):
                    tally.saw(slot.name, vector.shape[-1])


def _columns_to_count(layout: Layout) -> list[str]:
    unknown = [slot.column.name for slot in layout.slots if slot.column.size is None and slot.column.kind != "sparse"]
    return unknown + ([layout.id] if layout.id else [])


def vectors_of(array: pa.Array, kind: VectorKind, octets: str) -> list[Read]:
    """The vectors of a column: None for null, `Unfit` for what is none."""
    array = _stored(array)
    quick = _quick(array) if kind == "dense" else None
    return quick if quick is not None else _read(array.to_pylist(), kind, octets)


def values_of(array: pa.Array) -> list[Any]:
    """The values of a column as JSON can say them; `Unfit` for one that cannot be had at all."""
    kind = array.type
    if t.is_timestamp(kind) or t.is_date(kind):
        return _moments(array)
    if t.is_map(kind):
        return [_mapping(pairs) for pairs in array.to_pylist()]
    try:
        values: list[object] = array.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):  # nanoseconds, years beyond 9999: one at a time
        return [_one(array, index) for index in range(len(array))]
    return values if _is_plain(kind) else [said(value) for value in values]


def _ids_of(array: pa.Array) -> list[int | str | Unfit]:
    """The ids in a column: `Unfit` for what is none."""
    kind = _stored_type(array.type)
    if t.is_integer(kind):
        return [NO_ID if one is None else one for one in array.to_pylist()]
    values = array.to_pylist() if _is_octets(kind) else values_of(array)
    return [one if isinstance(one, Unfit) else _tried(identity, one) for one in values]


def _numbered_ids(arrays: Iterable[pa.Array]) -> Iterator[tuple[int, int | str]]:
    for number, found in enumerate(chain.from_iterable(map(_ids_of, arrays))):
        if found != NO_ID and not isinstance(found, Unfit):
            yield number, found


def _tried(read: Callable[..., _T], *given: Any) -> _T | Unfit:
    try:
        return read(*given)
    except Unfit as error:
        return error


def _one(array: pa.Array, index: int) -> object:
    try:
        return said(array[index].as_py())
    except (ValueError, OverflowError, pa.ArrowException) as error:
        return Unfit(f"holds a {array.type} that cannot be read ({error})")


def _moments(array: pa.Array) -> list[str | None]:
    """Dates and moments as text, of any year and with every digit."""
    unit = "D" if t.is_date32(array.type) else "ms" if t.is_date64(array.type) else array.type.unit
    wide = pa.int32() if unit == "D" else pa.int64()
    numbers = _numbers(array.cast(wide).fill_null(0)).astype(np.int64)
    texts = np.datetime_as_string(numbers.astype(f"datetime64[{unit}]")).tolist()
    if t.is_date(array.type):
        texts = [text[: text.find("T", 4)] if "T" in text else text for text in texts]
    else:
        texts = [f"{text.rstrip('0').rstrip('.') if '.' in text else text}Z" for text in texts]
    return [text if valid else None for text, valid in zip(texts, array.is_valid().to_pylist(), strict=True)]


def _mapping(pairs: Sequence[tuple[object, object]] | None) -> object:
    if pairs is None:
        return None
    keyed = dict(pairs) if all(isinstance(key, str) for key, _ in pairs) else {}
    return said(keyed if len(keyed) == len(pairs) else pairs)


def _ids(batch: pa.RecordBatch, layout: Layout) -> list[int | str | Unfit]:
    if not layout.id:
        return [NO_ID] * batch.num_rows
    found = _ids_of(batch.column(layout.id))
    return [int(one) if isinstance(one, str) and one.isdigit() else one for one in found] if layout.own else found


def _payloads(batch: pa.RecordBatch, layout: Layout) -> list[Payload]:
    """A payload per row; a value that cannot be read at all is an `Unfit` in it."""
    if layout.own:
        return [_own_payload(text) for text in batch.column(str(layout.payload)).to_pylist()]
    names = [name for name in batch.schema.names if name not in layout.taken]
    if not names:
        return [{} for _ in range(batch.num_rows)]
    columns = [values_of(batch.column(name)) for name in names]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _own_payload(text: str | None) -> Payload:
    found = read_json(text or "")
    if isinstance(found, dict):
        return found
    raise ValueError("a payload is not an object")


def _only_vectors(batch: pa.RecordBatch, layout: Layout) -> Floats | None:
    """The vectors as one matrix, when each row has exactly one, dense, with nothing wrong; else None."""
    slot = layout.slots[0] if len(layout.slots) == 1 else None
    if slot is None or slot.parts or slot.column.kind not in {None, "dense"}:
        return None
    array = _stored(batch.column(slot.column.name))
    return None if array.null_count else _narrowed(array)


def _unfit(values: Iterable[object]) -> bool:
    return Unfit in set(map(type, values))


def _whole(payload: Payload, layout: Layout) -> Payload:
    """The object in the payload column, when one column is the whole payload."""
    inner = payload.get(layout.payload) if layout.payload and not layout.own else None
    return inner if isinstance(inner, dict) else payload


def _put_ids(records: list[Record], ids: list[int | str | Unfit], array: pa.Array) -> None:
    for index, (record, found) in enumerate(zip(records, ids, strict=True)):
        if isinstance(found, Unfit):
            record.trouble = f"its id {found}"
            record.unread["id"] = str(array[index])
        else:
            record.id = found


def _put_payload(record: Record, payload: Payload, layout: Layout) -> None:
    strange = [cell for cell in payload.values() if isinstance(cell, Unfit)]
    if strange:
        record.trouble = record.trouble or f"its payload {strange[0]}"
        payload = {name: str(cell) if isinstance(cell, Unfit) else cell for name, cell in payload.items()}
    record.payload = _whole(payload, layout)


def _put_vectors(records: list[Record], batch: pa.RecordBatch, slot: Slot, layout: Layout) -> None:
    kind = slot.column.kind or "dense"
    if slot.parts:
        rows = zip(*(batch.column(part).to_pylist() for part in slot.parts), strict=True)
        read = _read([None if all(cell is None for cell in row) else list(row) for row in rows], kind, layout.octets)
    else:
        read = vectors_of(batch.column(slot.column.name), kind, layout.octets)
    for index, (record, vector) in enumerate(zip(records, read, strict=True)):
        if isinstance(vector, Unfit):
            kept = [batch.column(name)[index].as_py() for name in slot.parts or (slot.column.name,)]
            tables.refuse_vector(record, slot.name, said(kept if slot.parts else kept[0]), vector)
        elif vector is not None:
            record.vectors[slot.name] = vector


def _read(values: Iterable[object], kind: VectorKind, octets: str) -> list[Read]:
    return [None if value is None else _tried(vector_of, value, kind, octets) for value in values]


def _quick(array: pa.Array) -> list[Read] | None:
    """All vectors of a column at once; None when one has to be looked at by itself."""
    narrowed = _narrowed(array)
    if narrowed is None:
        return None
    rows = iter(narrowed)
    return [next(rows) if there else None for there in array.is_valid().to_pylist()] if array.null_count else list(rows)


def _narrowed(array: pa.Array) -> Floats | None:
    """The lists of a column that are not null, when they are of one length and there is nothing wrong with a number."""
    count = len(array) - array.null_count
    if not count or not _is_list(array.type) or not _is_number(array.type.value_type):
        return None
    flat = array.flatten()  # leaves out what lies under a list that is null
    size, rest = divmod(len(flat), count)
    if flat.null_count or rest:
        return None
    lengths = _numbers(array.value_lengths().drop_null())
    return narrow_rows(_numbers(flat).reshape(count, size)) if (lengths == size).all() else None


def _numbers(array: pa.Array) -> Any:
    """The numbers of a column without nulls, as they lie in memory; `to_numpy` would import pandas where it is."""
    buffer, kind = array.buffers()[1], np.dtype(array.type.to_pandas_dtype())
    if buffer is None:
        return np.empty(0, dtype=kind)
    return np.frombuffer(buffer, dtype=kind, offset=array.offset * kind.itemsize, count=len(array))


STATE, SPLITS = "state.json", "dataset_dict.json"
_Batches = tuple[pa.Schema, Iterator[pa.RecordBatch]]
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_FILE_MAGIC, _FEATHER_1 = b"ARROW1", b"FEA1"


def _octets(arrays: Iterable[pa.Array]) -> list[bytes]:
    """The first cells of a column of bytes that hold any."""
    cells = (cell for array in arrays for cell in _stored(array).to_pylist() if cell)
    return list(islice(cells, tables.HEAD))


class ArrowTable(Table):
    flat = True

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        with self._opened() as (schema, batches):
            return columns_of(schema, next(batches, None), asked), list(schema.names)

    def octets(self, column: str) -> list[bytes]:
        with self._opened(mapped=True) as (_, batches):
            return _octets(batch.column(column) for batch in batches)

    def survey(self, layout: Layout) -> Tally:
        """Every batch is walked through: a stream has no count, and no other sign that it is whole."""
        tally = Tally()
        wanted, is_file = _columns_to_count(layout), self._is_file()
        with self._opened(mapped=all(slot.column.size is not None for slot in layout.slots)) as (_, batches):
            for batch in batches:
                if is_file or not tally.rows:
                    tally.places.append(Place(tally.rows))
                if wanted:
                    _tally_batch(tally, batch.select(wanted), layout)
                else:
                    tally.rows += batch.num_rows
                    tally.without_id += batch.num_rows
        tally.saw_declared(layout)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        if layout.id:
            with self._opened(mapped=True) as (_, batches):
                yield from _numbered_ids(batch.column(layout.id) for batch in batches)

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """A file has an index of its batches, a stream is read from its beginning."""
        skipped, number = self._skipped(at)
        with self._opened(skipped) as (_, batches):
            yield from _parts(batches, number, layout, size, at.row, until)

    def _skipped(self, at: Place) -> tuple[int, int]:
        skipped = number = 0
        if at.row and self._is_file():
            with self._opened(mapped=True) as (_, batches):
                for batch in batches:
                    if number + batch.num_rows > at.row:
                        break
                    skipped, number = skipped + 1, number + batch.num_rows
        return skipped, number

    @contextlib.contextmanager
    def _opened(self, skipped: int = 0, *, mapped: bool = False) -> Iterator[_Batches]:
        """The schema, and the batches after those skipped (a stream has them all). Mapping a file is right for a few
        columns; one that is read whole that way would count as memory of ours.
        """
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was given back, and grows with the file
        with arrow_faults(self.path):
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
            what, why = f"{plain(self.path)} is Feather of version 1", "only version 2 is Arrow"
            raise SourceUnreadable(what, why=why, fix="pip install pandas  # read_feather, then to_parquet")
        return magic == _FILE_MAGIC

    def _check_end(self) -> None:
        """A stream that was cut between two batches reads as a whole one, save for the mark at its end."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_END)))
            tail = file.read()
        # Writers before version 0.15 of the format leave only the four zero bytes.
        if size and not (tail == _END or tail.endswith(_END[4:])):
            why = "it has no mark at its end, so its writer was stopped, or it was not copied whole"
            raise tables.damaged(self.path, why)


class ArrowFiles(FileSource):
    """A `Source` over Arrow files. Each split of a Hugging Face data set is a collection."""

    kind = "Arrow file"
    table = ArrowTable
    suffixes = (".arrow", ".feather", ".arrows", ".ipc", ".arrow_stream")

    def files(self) -> list[Path]:
        """Of a saved data set those that it names itself, in its own order."""
        if (self.path / SPLITS).is_file():
            splits = tables.json_object(self.path / SPLITS).get("splits", [])
            return [path for split in splits for path in _saved(self.path, str(split))]
        return _saved(self.path) if (self.path / STATE).is_file() else super().files()

    def name_of(self, path: Path) -> str:
        """With the split's name behind it, where there are several."""
        name = super().name_of(path)
        return f"{name}_{path.parent.name}" if (self.path / SPLITS).is_file() else name


def _saved(folder: Path, split: str = "") -> list[Path]:
    folder = folder / split if split else folder
    found = []
    for entry in tables.json_object(folder / STATE).get("_data_files", []):
        name = str(entry.get("filename"))
        path = folder / name
        if path.parent.resolve() != folder.resolve() or not path.is_file():
            why, fix = f"it has no file {plain(name)}", f'ls -l "{folder}"'
            raise SourceUnreadable(f"{plain(folder)} is not whole", why=why, fix=fix)
        found.append(path)
    return found


_PAGE = 4096
_SUMMARY = "_metadata"
"""Where some writers say which files with which row groups a folder has."""


class ParquetTable(Table):
    flat = True

    def own(self) -> OwnLayout | None:
        with self._opened() as file:
            said = (file.metadata.metadata or {}).get(tables.EXPORT_KEY.encode())
        return tables.read_own(said, self.path) if said else None

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        with self._opened() as file:
            head = next(file.iter_batches(tables.HEAD, row_groups=[0]), None) if file.num_row_groups else None
            return columns_of(file.schema_arrow, head, asked), list(file.schema_arrow.names)

    def octets(self, column: str) -> list[bytes]:
        with self._opened() as file:
            return _octets(batch.column(0) for batch in file.iter_batches(tables.HEAD, columns=[column]))

    def survey(self, layout: Layout) -> Tally:
        """The footer counts; ids, and vectors whose type does not tell their size, are read."""
        tally = Tally()
        wanted = _columns_to_count(layout)
        with self._opened() as file:
            if wanted:
                for batch in file.iter_batches(_PAGE, columns=wanted):
                    _tally_batch(tally, batch, layout)
                if tally.rows != file.metadata.num_rows:
                    raise tables.damaged(self.path, f"it says {file.metadata.num_rows} rows and holds {tally.rows}")
            else:
                tally.rows = tally.without_id = file.metadata.num_rows
            tally.places = [Place(row) for row in self._groups(file)[:-1]]
        tally.saw_declared(layout)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        if layout.id:
            with self._opened() as file:
                yield from _numbered_ids(batch.column(0) for batch in file.iter_batches(_PAGE, columns=[layout.id]))

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        with self._opened() as file:
            edges = self._groups(file)
            end = edges[-1] if until is None else until
            groups = [group for group, edge in enumerate(edges[1:]) if edge > at.row and edges[group] < end]
            if groups:
                batches = file.iter_batches(size, row_groups=groups)
                yield from _parts(batches, edges[groups[0]], layout, size, at.row, end)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own keeps what was given back, and grows with the file
        # Without pre_buffer=False it holds what it has read until the end.
        with arrow_faults(self.path), pq.ParquetFile(self.path, pre_buffer=False) as file:
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

    def files(self) -> list[Path]:
        """Those below the folder; `SourceUnreadable`: one of which its summary speaks is missing."""
        found, summary = super().files(), self.path / _SUMMARY
        if summary.is_file():
            with arrow_faults(summary):
                said = pq.read_metadata(summary)
            named = {said.row_group(group).column(0).file_path for group in range(said.num_row_groups)}
            missing = sorted(name for name in named if name and not (self.path / name).is_file())
            if missing:
                why, fix = f"{_SUMMARY} names {plain(missing[0])}, which is missing", f'ls -l "{self.path}"'
                raise SourceUnreadable(f"{plain(self.path)} is not whole", why=why, fix=fix)
        return found
