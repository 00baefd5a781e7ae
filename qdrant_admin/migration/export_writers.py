"""Points into a file, with everything that is needed to make an equal collection of them again."""

import contextlib
import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from qdrant_admin.database.models import Floats, Point, Sparse, Vector, VectorSpec
from qdrant_admin.migration.rejects import vector_json
from qdrant_admin.sources.files.columns import EXPORT_KEY, OwnLayout, column_of, sidecar
from qdrant_admin.sources.files.tables import Table
from qdrant_admin.sources.files.text import JsonLinesFile

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_POINTS, _GROUP_BYTES = 8192, 32 * 1024 * 1024
"""A row group is written when it has so many points, or about so many bytes: that is what is held in memory."""
_LEVEL = 1
"""Digits of vectors hardly get any smaller with more work: 1 takes a tenth of the time of 9 for a tenth more bytes."""


class ParquetWriter:
    """A column for the id, one for the payload as JSON, one for each vector; the rest is in the footer."""

    def __init__(self, part: Path, slots: Sequence[VectorSpec]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._part, self._slots = part, slots
        fields = [pa.field("id", pa.string(), nullable=False), pa.field("payload", pa.string(), nullable=False)]
        fields += [pa.field(column_of(slot.name), _type(slot)) for slot in slots]
        self._schema = pa.schema(fields)
        self._file = part.open("wb")
        # A dictionary helps neither vectors nor texts that are all different.
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd", use_dictionary=False)
        self._held: list[Point] = []
        self._payloads: list[str] = []
        self._octets = 0

    def write(self, points: Sequence[Point]) -> None:
        for point in points:
            payload = json.dumps(point.payload, ensure_ascii=False)
            self._held.append(point)
            self._payloads.append(payload)
            self._octets += len(payload) + sum(_size(vector) for vector in point.vectors.values())
            if len(self._held) >= _GROUP_POINTS or self._octets >= _GROUP_BYTES:
                self._flush()

    def finish(self, own: OwnLayout) -> None:
        self._flush()
        self._writer.add_key_value_metadata({EXPORT_KEY: own.model_dump_json()})
        self._writer.close()
        _sync(self._file)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()
        self._file.close()

    def reader(self) -> Table:
        from qdrant_admin.sources.files.arrow import ParquetTable

        return ParquetTable(self._part)

    def publish(self, path: Path) -> None:
        self._part.replace(path)

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._held:
            return
        columns = [pa.array([str(point.id) for point in self._held]), pa.array(self._payloads)]
        columns += [_column(slot, [point.vectors.get(slot.name) for point in self._held]) for slot in self._slots]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._held, self._payloads, self._octets = [], [], 0


class JsonLinesWriter:
    """An object a line, `{"id": ..., "payload": {...}, "vectors": {...}}`; the rest lies in a file beside it."""

    def __init__(self, part: Path, *, packed: bool) -> None:
        self._part = part
        self._own: OwnLayout | None = None
        self._raw = part.open("wb")
        self._file = (
            cast("IO[bytes]", gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_LEVEL, mtime=0))
            if packed
            else self._raw
        )

    def write(self, points: Sequence[Point]) -> None:
        from pydantic_core import to_json

        for point in points:
            vectors = {name: vector_json(vector) for name, vector in point.vectors.items()}
            line = {"id": point.id, "payload": point.payload, "vectors": vectors}
            self._file.write(to_json(line, inf_nan_mode="constants") + b"\n")

    def finish(self, own: OwnLayout) -> None:
        self._own = own
        if self._file is not self._raw:
            self._file.close()
        _sync(self._raw)

    def close(self) -> None:
        self._file.close()
        self._raw.close()

    def reader(self) -> Table:
        return JsonLinesFile(self._part)

    def publish(self, path: Path) -> None:
        """The lines first: they can be read without what lies beside them, and not the other way round."""
        beside = sidecar(path)
        part = beside.with_name(f"{beside.name}.part")
        with written_whole(part), part.open("wb") as file:
            file.write((self._own.model_dump_json(indent=2) if self._own else "").encode())
            _sync(file)
            self._part.replace(path)
            part.replace(beside)


Writer = ParquetWriter | JsonLinesWriter


@contextlib.contextmanager
def written_whole(part: Path) -> Iterator[None]:
    """Nothing of an unfinished file stays behind."""
    try:
        yield
    finally:
        part.unlink(missing_ok=True)


def _sync(file: IO[bytes]) -> None:
    if not file.closed:
        file.flush()
        os.fsync(file.fileno())


def _type(slot: VectorSpec) -> "pa.DataType":
    import pyarrow as pa

    if slot.kind == "sparse":
        return pa.struct([("indices", pa.list_(pa.uint32())), ("values", pa.list_(pa.float32()))])
    row = pa.list_(pa.float32(), slot.size or -1)
    return pa.list_(row) if slot.kind == "multi" else row


def _column(slot: VectorSpec, vectors: Sequence[Vector | None]) -> "pa.Array":
    import pyarrow as pa

    if slot.kind != "dense" or slot.size is None:
        return pa.array([None if one is None else vector_json(one) for one in vectors], type=_type(slot))
    nothing = np.zeros(slot.size, dtype=np.float32)
    flat = np.concatenate([nothing if one is None else cast("Floats", one) for one in vectors])
    absent = pa.array([one is None for one in vectors])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), slot.size, mask=absent)


def _size(vector: Vector) -> int:
    return vector.values.nbytes * 2 if isinstance(vector, Sparse) else vector.nbytes
