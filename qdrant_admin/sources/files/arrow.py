"""Arrow's types: which of them can be vectors, and which are what JSON knows."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as t

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.database.models import Floats, Vector, VectorKind
from qdrant_admin.sources.base import Payload
from qdrant_admin.sources.files.columns import Column, Layout, Slot, sniff
from qdrant_admin.sources.files.tables import Chunk, Part, Place, Row, Tally, damaged, refuse_vector
from qdrant_admin.sources.files.values import Unfit, identity, narrow_rows, read_json, said, vector_of

Read = Vector | Unfit | None


def columns_of(schema: pa.Schema, head: pa.RecordBatch | None, asked: Collection[str]) -> list[Column]:
    """The columns that could be vectors, by their types; text is looked into."""
    found = []
    for field in schema:
        column = _column(field.name, storage(field.type))
        if column is not None and (column.form is not bytes or column.called or field.name in asked):
            found.append(column)
        elif head is not None and (t.is_string(field.type) or t.is_large_string(field.type)):
            values = head.column(field.name).to_pylist()
            found += sniff([{field.name: value} for value in values], asked)
    return found


def storage(kind: pa.DataType) -> pa.DataType:
    """What an extension type is stored as; any other type itself."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def is_list(kind: pa.DataType) -> bool:
    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def is_number(kind: pa.DataType) -> bool:
    return bool(t.is_floating(kind) or t.is_integer(kind))


def is_plain(kind: pa.DataType) -> bool:
    """Whether Python's own value of it is what JSON says."""
    if t.is_list(kind) or t.is_large_list(kind):
        kind = kind.value_type
    return bool(
        t.is_string(kind)
        or t.is_large_string(kind)
        or t.is_integer(kind)
        or t.is_boolean(kind)
        or t.is_null(kind)
        or t.is_float32(kind)
        or t.is_float64(kind)
    )


def _column(name: str, kind: pa.DataType) -> Column | None:
    if t.is_struct(kind):
        inner = {kind.field(index).name: kind.field(index).type for index in range(kind.num_fields)}
        sparse = inner.keys() == {"indices", "values"} and all(is_list(one) for one in inner.values())
        return Column(name, kind="sparse", form=dict, certain=True) if sparse else None
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind):
        return Column(name, kind="dense", form=bytes)
    if not is_list(kind):
        return None
    item = storage(kind.value_type)
    if is_list(item):
        number = item.value_type
        size = item.list_size if t.is_fixed_size_list(item) else None
        return Column(name, kind="multi", size=size, certain=t.is_floating(number)) if is_number(number) else None
    fixed = t.is_fixed_size_list(kind)
    size = kind.list_size if fixed else None
    column = Column(name, kind="dense", size=size, certain=fixed and t.is_floating(item))
    return column if t.is_floating(item) or (is_number(item) and column.called) else None


@contextlib.contextmanager
def arrow_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except SourceUnreadable:
        raise
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        raise damaged(path, error) from error


def part_of(batch: pa.RecordBatch, layout: Layout, first: int) -> Part:
    """The rows of a batch, the first of which has the number `first`: side by side when nothing is wrong with any."""
    ids, payloads = _ids(batch, layout), _payloads(batch, layout)
    vectors = _only_vectors(batch, layout)
    odd = _unfit(ids) or _unfit(chain.from_iterable(map(dict.values, payloads)))
    if vectors is not None and not odd:
        sound = [one for one in ids if not isinstance(one, Unfit)]
        return Chunk(first, sound, [_whole(one, layout) for one in payloads], vectors, layout.slots[0].name)
    rows = [Row(number, Place(number + 1)) for number in range(first, first + batch.num_rows)]
    if layout.id:
        _put_ids(rows, ids, batch.column(layout.id))
    for slot in layout.slots:
        _put_vectors(rows, batch, slot, layout)
    for row, payload in zip(rows, payloads, strict=True):
        _put_payload(row, payload, layout)
    return rows


def tally_batch(tally: Tally, batch: pa.RecordBatch, layout: Layout) -> None:
    """Count ids, and the dimensions of vectors whose type does not say them; the batch has no other columns."""
    for found in ids_of(batch.column(layout.id)) if layout.id else [None] * batch.num_rows:
        tally.add(None if isinstance(found, Unfit) else found)
    for slot in layout.slots:
        if slot.column.name in batch.schema.names and slot.column.kind != "sparse":
            for vector in vectors_of(batch.column(slot.column.name), slot.column.kind or "dense", layout.octets):
                if isinstance(vector, np.ndarray):
                    tally.saw(slot.name, vector.shape[-1])


def columns_to_count(layout: Layout) -> list[str]:
    unknown = [slot.column.name for slot in layout.slots if slot.column.size is None and slot.column.kind != "sparse"]
    return unknown + ([layout.id] if layout.id else [])


def vectors_of(array: pa.Array, kind: VectorKind, octets: str) -> list[Read]:
    """The vectors of a column: None for null, `Unfit` for what is none."""
    if storage(array.type) is not array.type:
        array = array.storage
    quick = _quick(array) if kind == "dense" else None
    return quick if quick is not None else [_read(value, kind, octets) for value in array.to_pylist()]


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
    return values if is_plain(kind) else [said(value) for value in values]


def ids_of(array: pa.Array) -> list[int | str | Unfit | None]:
    """The ids in a column: None for a row without one, `Unfit` for what is none."""
    kind = storage(array.type)
    if t.is_integer(kind):
        numbers: list[int | str | Unfit | None] = array.to_pylist()
        return numbers
    octets = t.is_binary(kind) or t.is_large_binary(kind) or t.is_fixed_size_binary(kind)
    return [_identity(value) for value in (array.to_pylist() if octets else values_of(array))]


def numbered_ids(arrays: Iterable[pa.Array]) -> Iterator[tuple[int, int | str]]:
    for number, found in enumerate(found for array in arrays for found in ids_of(array)):
        if found is not None and not isinstance(found, Unfit):
            yield number, found


def _identity(value: object) -> int | str | Unfit | None:
    try:
        return value if isinstance(value, Unfit) else identity(value)
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


def _ids(batch: pa.RecordBatch, layout: Layout) -> list[int | str | Unfit | None]:
    if not layout.id:
        return [None] * batch.num_rows
    found = ids_of(batch.column(layout.id))
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
    raise ValueError("a payload is no object")


def _only_vectors(batch: pa.RecordBatch, layout: Layout) -> Floats | None:
    """The vectors as one matrix, when each row has exactly one, dense, with nothing wrong; else None."""
    slot = layout.slots[0] if len(layout.slots) == 1 else None
    if slot is None or slot.parts or slot.column.kind not in {None, "dense"}:
        return None
    array = batch.column(slot.column.name)
    if storage(array.type) is not array.type:
        array = array.storage
    return None if array.null_count else _narrowed(array)


def _unfit(values: Iterable[object]) -> bool:
    return Unfit in set(map(type, values))


def _whole(payload: Payload, layout: Layout) -> Payload:
    """The object in the payload column, when one column is the whole payload."""
    inner = payload.get(layout.payload) if layout.payload and not layout.own else None
    return inner if isinstance(inner, dict) else payload


def _put_ids(rows: list[Row], ids: list[int | str | Unfit | None], array: pa.Array) -> None:
    for index, (row, found) in enumerate(zip(rows, ids, strict=True)):
        if isinstance(found, Unfit):
            row.trouble = f"its id {found}"
            row.unread["id"] = str(array[index])
        else:
            row.id = found


def _put_payload(row: Row, payload: Payload, layout: Layout) -> None:
    strange = [cell for cell in payload.values() if isinstance(cell, Unfit)]
    if strange:
        row.trouble = row.trouble or f"its payload {strange[0]}"
        payload = {name: str(cell) if isinstance(cell, Unfit) else cell for name, cell in payload.items()}
    row.payload = _whole(payload, layout)


def _put_vectors(rows: list[Row], batch: pa.RecordBatch, slot: Slot, layout: Layout) -> None:
    kind = slot.column.kind or "dense"
    if slot.parts:
        cells = zip(*(batch.column(part).to_pylist() for part in slot.parts), strict=True)
        read = [None if all(cell is None for cell in row) else _read(list(row), kind, layout.octets) for row in cells]
        array = None
    else:
        array = batch.column(slot.column.name)
        read = vectors_of(array, kind, layout.octets)
    for index, (row, vector) in enumerate(zip(rows, read, strict=True)):
        if isinstance(vector, Unfit):
            cell = [batch.column(part)[index].as_py() for part in slot.parts] if array is None else array[index].as_py()
            refuse_vector(row, slot.name, said(cell), str(vector))
        elif vector is not None:
            row.vectors[slot.name] = vector


def _quick(array: pa.Array) -> list[Read] | None:
    """All vectors of a column at once; None when one has to be looked at by itself."""
    narrowed = _narrowed(array)
    if narrowed is None:
        return None
    rows = iter(narrowed)
    return [next(rows) if there else None for there in array.is_valid().to_pylist()] if array.null_count else list(rows)


def _narrowed(array: pa.Array) -> Floats | None:
    matrix = _matrix(array, len(array) - array.null_count)
    return None if matrix is None else narrow_rows(matrix)


def _matrix(array: pa.Array, count: int) -> Any:
    """The numbers of `count` lists of one length; None when they are of several, or one of them is null."""
    if not count or not is_list(array.type) or not is_number(array.type.value_type):
        return None
    flat = array.flatten()  # leaves out what lies under a list that is null
    size, rest = divmod(len(flat), count)
    if flat.null_count or rest:
        return None
    lengths = _numbers(array.value_lengths().drop_null())
    return _numbers(flat).reshape(count, size) if (lengths == size).all() else None


def _numbers(array: pa.Array) -> Any:
    """The numbers of a column without nulls, as they lie in memory; `to_numpy` would import pandas where it is."""
    buffer, kind = array.buffers()[1], np.dtype(array.type.to_pandas_dtype())
    if buffer is None:
        return np.empty(0, dtype=kind)
    return np.frombuffer(buffer, dtype=kind, offset=array.offset * kind.itemsize, count=len(array))


def _read(value: object, kind: VectorKind, octets: str) -> Read:
    try:
        return None if value is None else vector_of(value, kind, octets)
    except Unfit as error:
        return error
