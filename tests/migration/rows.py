"""What the tests of files share: the same rows in every kind of file, and reading them back."""

import contextlib
import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather, ipc

from qdrant_admin.sources.base import Cursor, Record, SourceCollection
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse

_SCHEMES = {"stream": "arrow", "feather": "arrow", "json": "jsonl", "jsonl.gz": "jsonl", "npz": "npy"}
Rows = Sequence[Mapping[str, Any]]
KINDS = ("parquet", "arrow", "stream", "feather", "jsonl", "jsonl.gz", "json", "csv", "npz")


def rows(count: int) -> list[dict[str, Any]]:
    """Records with an id, a text and a vector of four numbers."""
    return [{"id": f"r{n}", "text": f"row {n}", "vector": [float(n), 1.0, 0.5, -2.0]} for n in range(count)]


def write(path: Path, kind: str, content: Rows) -> str:
    """Write rows as one kind of file; returns the URI."""
    _WRITERS[kind](path, content)
    return f"{_SCHEMES.get(kind, kind)}:{path}"


def read(uri: str, *, size: int = 7, after: Cursor = None, until: Cursor = None) -> list[Record]:
    """All records of the one collection of a source."""
    with contextlib.closing(open_source(parse(uri))) as source:
        (found,) = source.collections()
        batches = source.batches(found.name, size=size, after=after, until=until)
        return [record for batch in batches for record in batch.records]


def look(uri: str) -> SourceCollection:
    """The one collection of a source."""
    with contextlib.closing(open_source(parse(uri))) as source:
        (found,) = source.collections()
        return found


def table(content: Rows) -> pa.Table:
    """Rows in Arrow, their vectors as lists of a fixed size."""
    found = pa.Table.from_pylist([dict(row) for row in content])
    if content and "vector" in content[0]:
        kind = pa.list_(pa.float32(), len(content[0]["vector"]))
        at = found.schema.get_field_index("vector")
        found = found.set_column(at, pa.field("vector", kind), found["vector"].cast(kind))
    return found


def _stream(path: Path, content: Rows) -> None:
    whole = table(content)
    with path.open("wb") as file, ipc.new_stream(file, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=10)


def _file(path: Path, content: Rows) -> None:
    whole = table(content)
    with path.open("wb") as file, ipc.new_file(file, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=10)


def _csv(path: Path, content: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, content[0].keys())
        writer.writeheader()
        writer.writerows({key: json.dumps(value) if isinstance(value, list) else value for key, value in row.items()}
                         for row in content)  # fmt: skip


def _npz(path: Path, content: Rows) -> None:
    columns: dict[str, Any] = {name: np.array([row[name] for row in content]) for name in content[0]}
    np.savez(path, **columns | {"vector": columns["vector"].astype(np.float32)})


def _lines(content: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in content).encode()


_WRITERS: dict[str, Any] = {
    "parquet": lambda path, content: pq.write_table(table(content), path, row_group_size=10),
    "arrow": _file,
    "stream": _stream,
    "feather": lambda path, content: feather.write_feather(table(content), path),
    "jsonl": lambda path, content: path.write_bytes(_lines(content)),
    "jsonl.gz": lambda path, content: path.write_bytes(gzip.compress(_lines(content))),
    "json": lambda path, content: path.write_text(json.dumps(content, indent=1)),
    "csv": _csv,
    "npz": _npz,
}
