"""Arrow's types: which of them can be vectors, and which are what JSON knows."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from qdrant_admin.sources.files.columns import Column, sniff

if TYPE_CHECKING:
    import pyarrow as pa


def columns_of(schema: "pa.Schema", head: "pa.RecordBatch | None", asked: Collection[str]) -> list[Column]:
    """The columns that could be vectors, by their types; text is looked into."""
    import pyarrow as pa

    found = []
    for field in schema:
        column = _column(field.name, storage(field.type))
        if column is not None and (column.form is not bytes or column.called or field.name in asked):
            found.append(column)
        elif head is not None and (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            values = head.column(field.name).to_pylist()
            found += sniff([{field.name: value} for value in values], asked)
    return found


def storage(kind: "pa.DataType") -> "pa.DataType":
    """What an extension type is stored as; any other type itself."""
    import pyarrow as pa

    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def is_list(kind: "pa.DataType") -> bool:
    """Whether its values are lists, of whatever length."""
    import pyarrow.types as t

    return bool(t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind))


def is_number(kind: "pa.DataType") -> bool:
    """Whether its values are integers or floats."""
    import pyarrow.types as t

    return bool(t.is_floating(kind) or t.is_integer(kind))


def is_plain(kind: "pa.DataType") -> bool:
    """Whether Python's own value of it is what JSON says."""
    import pyarrow.types as t

    if t.is_list(kind) or t.is_large_list(kind):
        kind = kind.value_type
    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_integer(kind) or t.is_boolean(kind) or t.is_null(kind)
        or t.is_float32(kind) or t.is_float64(kind)
    )  # fmt: skip


def _column(name: str, kind: "pa.DataType") -> Column | None:
    import pyarrow.types as t

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
