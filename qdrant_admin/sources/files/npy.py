"""NumPy arrays: a row a vector. `.npz` may hold ids and payload beside them; `.npy` takes both from a sidecar."""

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Columns, Record
from qdrant_admin.sources.files.file_source import FileSource, Group
from qdrant_admin.sources.files.tables import Column, Layout, Part, Place, Table, Tally, damaged, refuse_vector
from qdrant_admin.sources.files.text import CsvFile, JsonLinesFile
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, narrow, narrow_rows, said

_STEP = 4096
_MAIN = "vector"
_Array = npt.NDArray[Any]


class NumpyFiles(FileSource):
    kind = "NumPy array"
    suffixes = (".npy", ".npz")

    def open(self) -> Iterable[str]:
        given = self.uri.options.get("payload")
        self._sidecar = Path(given).expanduser().absolute() if given else None
        if self._sidecar and self.uri.path.is_dir():
            fix = "name one file of the folder as the source"
            raise BadInput(f"{plain(given)} belongs to one array", why=f"{plain(self.uri.path)} is a folder", fix=fix)
        if self._sidecar and not self._sidecar.is_file():
            raise SourceUnreadable(f"there is no file {plain(self._sidecar)}", fix=f'ls "{self._sidecar.parent}"')
        return super().open()

    def table(self, path: Path) -> "NumpyTable":
        return NumpyTable(path, _sidecar(self._sidecar) if self._sidecar else None)

    def watched(self, group: Group) -> list[Path]:
        """The sidecar is a part of the source as well."""
        return super().watched(group) + ([self._sidecar] if self._sidecar else [])


def _sidecar(path: Path) -> Table:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq", ".parq")):
        from qdrant_admin.sources.files.arrow import ParquetTable

        return ParquetTable(path)
    return CsvFile(path) if name.endswith((".csv", ".tsv")) else JsonLinesFile(path)


class NumpyTable(Table):
    """One file; `beside` has ids and payload, in as many rows as there are vectors."""

    flat = True

    def __init__(self, path: Path, beside: Table | None) -> None:
        super().__init__(path)
        self._beside = beside

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:  # noqa: ARG002 # shapes tell
        with self._arrays() as arrays:
            wide = {name: array for name, array in arrays.items() if array.ndim > 1}
            found = [_column(name, array, certain=len(wide) == 1) for name, array in wide.items()]
            if not found:
                shapes = ", ".join(f"{plain(name)} {array.dtype} {array.shape}" for name, array in arrays.items())
                raise self._unfit(f"vectors need two dimensions, and it holds {shapes or 'no arrays'}")
            return found, list(dict.fromkeys((*arrays, *self._names_beside())))

    def survey(self, layout: Layout) -> Tally:
        """Lengths are compared, ids are looked at."""
        with self._arrays() as arrays:
            lengths = {name: len(array) for name, array in arrays.items()}
            if len(set(lengths.values())) > 1:
                shown = ", ".join(f"{plain(name)} {length}" for name, length in lengths.items())
                raise self._unfit(f"its arrays have different numbers of rows: {shown}")
            rows = next(iter(lengths.values()))
            tally = self._ids_tally(arrays, layout, rows)
        for slot in layout.slots:
            if slot.column.size is not None and rows:
                tally.saw(slot.name, slot.column.size, rows)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        if self._beside:
            yield from self._beside.ids(self._beside_layout(layout))
            return
        with self._arrays() as arrays:
            found = _all_ids(arrays[layout.id]) if layout.id else ()
            yield from ((number, one) for number, one in enumerate(found) if one != NO_ID)

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        with self._arrays() as arrays:
            if self._beside:
                for beside in self._beside.rows(self._beside_layout(layout), size, at, until):
                    rows = _filled(beside.records, _slices(arrays, beside.first, beside.behind.row), layout)
                    yield replace(beside, rows=rows)
                return
            end = min(map(len, arrays.values())) if until is None else until
            for first in range(at.row, end, size):
                last = min(first + size, end)
                some, records = _slices(arrays, first, last), [Record(NO_ID) for _ in range(first, last)]
                yield Part(first, _side_by_side(some, layout) or _filled(records, some, layout))

    def _ids_tally(self, arrays: dict[str, _Array], layout: Layout, rows: int) -> Tally:
        if self._beside:
            tally = self._beside.survey(self._beside_layout(layout))
            if tally.rows != rows:
                what = f"{plain(self._beside.path)} does not belong to {plain(self.path)}"
                why = f"it has {counted(tally.rows, 'row')}, the array has {rows}"
                raise SourceUnreadable(what, why=why, fix="name the right file in ?payload=")
            return tally
        tally = Tally(places=[Place(row) for row in range(0, rows, _STEP)])
        if layout.id is None:
            tally.rows = tally.without_id = rows
            return tally
        for found in _all_ids(arrays[layout.id]):
            tally.add(found)
        return tally

    def _names_beside(self) -> list[str]:
        return self._beside.columns(())[1] if self._beside else []

    def _beside_layout(self, layout: Layout) -> Layout:
        return Layout(layout.id if layout.id in self._names_beside() else None, (), vectorless=True)

    @contextmanager
    def _arrays(self) -> Iterator[dict[str, _Array]]:
        """Every array, mapped. Pickled objects are never loaded."""
        with tempfile.TemporaryDirectory(prefix="qdrant-admin-", ignore_cleanup_errors=True) as folder:
            try:
                packed = zipfile.is_zipfile(self.path)
                yield _unpacked(self.path, Path(folder)) if packed else {_MAIN: _mapped(self.path)}
            except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
                raise damaged(self.path, error) from error

    def _unfit(self, why: str) -> SourceUnreadable:
        return SourceUnreadable(f"{plain(self.path)} holds no vectors", why=why, fix=HELP)


def _mapped(path: Path) -> _Array:
    with path.open("rb") as file:
        if file.read(6) != b"\x93NUMPY":
            raise ValueError("it does not begin like an array")
    array: _Array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind in "cV" or not array.ndim:
        held = f"an array of {array.dtype}" if array.ndim else "a single number"
        raise SourceUnreadable(f"{plain(path)} holds {held}", why="no vector and no payload can hold that", fix=HELP)
    if isinstance(array, np.memmap) and (behind := path.stat().st_size - array.offset - array.nbytes):
        raise ValueError(f"{counted(behind, 'byte')} lie behind the end of its array, and only the first is read")
    return array


def _slices(arrays: dict[str, _Array], first: int, last: int) -> dict[str, _Array]:
    return {name: _slice(array, first, last) for name, array in arrays.items()}


def _slice(array: _Array, first: int, last: int) -> _Array:
    """Some rows, read and not mapped where they lie together: pages of a mapped file count as memory of ours."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous or not len(array):
        return array[first:last]
    width = array.nbytes // len(array)
    items = (last - first) * width // array.dtype.itemsize
    flat = np.fromfile(str(array.filename), array.dtype, items, offset=array.offset + first * width)
    return flat.reshape(last - first, *array.shape[1:])


def _all_ids(array: _Array) -> Iterator[int | str]:
    for first in range(0, len(array), _STEP):
        yield from map(_identity, _values(_slice(array, first, min(first + _STEP, len(array)))))


def _unpacked(path: Path, folder: Path) -> dict[str, _Array]:
    """The arrays of an archive, each as a file of its own: a packed one cannot be mapped."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        for number, name in enumerate(name for name in archive.namelist() if name.endswith(".npy")):
            copy = folder / f"{number}.npy"  # a name from an archive is never used as a path
            with archive.open(name) as packed, copy.open("wb") as file:
                shutil.copyfileobj(packed, file)
            found[name.removesuffix(".npy")] = _mapped(copy)
    return found


def _column(name: str, array: _Array, *, certain: bool) -> Column:
    if array.ndim > 3 or array.dtype.kind not in "fiu":
        return Column(name)
    certain = certain or array.dtype.kind == "f"
    return Column(name, kind="multi" if array.ndim == 3 else "dense", size=array.shape[-1], certain=certain)


def _side_by_side(arrays: dict[str, _Array], layout: Layout) -> Columns | None:
    """None where a vector has to be looked at by itself."""
    slot = layout.slots[0]
    block = arrays[slot.column.name]
    vectors = narrow_rows(block) if len(layout.slots) == 1 and block.ndim == 2 else None
    if vectors is None:
        return None
    ids = map(_identity, _values(arrays[layout.id])) if layout.id in arrays else [NO_ID] * len(block)
    columns = {name: _values(array) for name, array in arrays.items() if name not in layout.taken}
    payloads = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return Columns(list(ids), payloads or [{} for _ in block], vectors, slot.name)


def _filled(records: list[Record], arrays: dict[str, _Array], layout: Layout) -> list[Record]:
    for slot in layout.slots:
        for record, vector in zip(records, arrays[slot.column.name], strict=True):
            try:
                record.vectors[slot.name] = narrow(np.array(vector))
            except Unfit as error:
                refuse_vector(record, slot.name, vector.tolist(), error)
    if layout.id in arrays:
        for record, value in zip(records, _values(arrays[layout.id]), strict=True):
            record.id = _identity(value)
    for name in arrays.keys() - layout.taken:
        for record, value in zip(records, _values(arrays[name]), strict=True):
            record.payload[name] = value
    return records


def _values(array: _Array) -> list[object]:
    if array.dtype.kind == "M":
        texts = np.datetime_as_string(array).tolist()
        return [None if text == "NaT" else f"{text}Z" if "T" in text else text for text in texts]
    if array.dtype.kind == "S":
        return [value.decode("utf-8", "backslashreplace") for value in array.tolist()]
    return [said(value) for value in array.tolist()]


def _identity(value: object) -> int | str:
    try:
        return identity(value)
    except Unfit:
        return NO_ID  # a truth value or a list: as good as none
