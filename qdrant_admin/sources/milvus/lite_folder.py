"""One collection in a Milvus Lite 3 folder: Parquet files that never change, and a log of what is not in them yet.

A record is there when no later one has its key and no later deletion names it; `_seq` says what is later. The same
rules as Milvus Lite's own recovery, save that a file which is missing or damaged ends the reading.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, FolderUri, Payload, Record, Source, SourceCollection, Span, cut
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.arrow import arrow_faults, values_of, vectors_of
from qdrant_admin.sources.files.tables import damaged, json_object
from qdrant_admin.sources.files.values import Unfit, said
from qdrant_admin.sources.ids import Numbers, superseded
from qdrant_admin.sources.layouts import ColumnLayout
from qdrant_admin.sources.milvus.lite_file import MilvusFile
from qdrant_admin.sources.milvus.schema import SPARSE, Field, Schema, own_partitions, pairs_of
from qdrant_admin.sources.read_only import changed, refuse_locked, signature
from qdrant_admin.sources.reader import FileReader, once

SEQ, PARTITION = "_seq", "_partition"
_SCHEMA, _MANIFEST = "schema.json", "manifest.json"
_FORMATS = (1, 2)
_LOG = re.compile(r"wal_(data|delta)_(\d+)\.arrow")
_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Part:
    path: Path
    start: int
    """Number of the first row among those of the collection."""
    rows: int
    partition: str
    """Empty in a log, which has a column for it."""


class MilvusCollection:
    """One collection as it is when opened. `SourceUnreadable`: damaged, or of a newer Milvus Lite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken: list[Path] = []
        """Logs whose last entry was never finished: the program that wrote it was stopped in the middle."""
        self._mark = self.mark()
        manifest = read_object(folder / _MANIFEST)
        logs = sorted(path for path in folder.glob("wal/*.arrow") if _LOG.fullmatch(path.name))
        with arrow_faults(folder):
            self.schema = _schema(read_object(folder / _SCHEMA), manifest)
            self._parts = list(self._listed(manifest, logs))
            self._deletions = [
                *self._files(manifest, "delta_files"),
                *(path for path in logs if "_delta_" in path.name),
            ]
            self._gone = self._superseded()
        self.rows = sum(part.rows for part in self._parts)

    @property
    def count(self) -> int:
        return self.rows - len(self._gone)

    def changed(self) -> bool:
        return self.mark() != self._mark

    def mark(self) -> str:
        """A sign of what is in it: the files that say what belongs to it, and the logs."""
        files = [self.folder / _MANIFEST, self.folder / _SCHEMA, *sorted(self.folder.glob("wal/*"))]
        return hashlib.sha256(repr([(path.name, *signature([path])) for path in files]).encode()).hexdigest()[:16]

    def batches(self, size: int, start: int, stop: int) -> "Iterator[tuple[int, pa.RecordBatch, list[str]]]":
        """Rows from one number up to, but without, another: the number behind, what is there, and its partitions."""
        for part in self._parts:
            begin, end = max(start, part.start), min(stop, part.start + part.rows)
            if begin >= end:
                continue
            with arrow_faults(part.path):
                for number, batch in self._read(part, size, begin, end):
                    numbers = np.arange(number, number + batch.num_rows)
                    there = batch.filter(pa.array(~np.isin(numbers, self._gone)))
                    names = [part.partition] * there.num_rows if part.partition else there.column(PARTITION).to_pylist()
                    yield number + batch.num_rows, there, names

    def _read(self, part: Part, size: int, begin: int, end: int) -> "Iterator[tuple[int, pa.RecordBatch]]":
        number = part.start
        for batch in self._all(part, size):
            here, number = number, number + batch.num_rows
            first, last = max(begin, here), min(end, number)
            for at in range(first, last, size):
                yield at, batch.slice(at - here, min(size, last - at))
            if number >= end:
                return
        if number < end:
            raise damaged(part.path, f"it ends after {number - part.start} of its {part.rows} records")

    def _all(self, part: Part, size: int, columns: list[str] | None = None) -> "Iterator[pa.RecordBatch]":
        if not part.partition:
            yield from self._log(part.path)
            return
        # Buffered and not read ahead: a file is one row group, which would otherwise be in memory as a whole.
        with pq.ParquetFile(part.path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield from file.iter_batches(size, columns=columns)

    def _log(self, path: Path) -> "Iterator[pa.RecordBatch]":
        """The batches of a log, up to where its writer was stopped: so does Milvus Lite read it."""
        try:
            with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    batch.validate(full=True)
                    yield batch
        except (pa.ArrowException, OSError, EOFError):
            if path not in self.broken:
                self.broken.append(path)

    def _listed(self, manifest: Payload, logs: Sequence[Path]) -> Iterator[Part]:
        start = 0
        for path in self._files(manifest, "data_files"):
            with arrow_faults(path):
                rows = pq.read_metadata(path).num_rows
            yield Part(path, start, rows, path.parent.parent.name)
            start += rows
        for path in logs:
            if "_data_" in path.name:
                rows = sum(batch.num_rows for batch in self._log(path))
                yield Part(path, start, rows, "")
                start += rows

    def _files(self, manifest: Payload, kind: str) -> list[Path]:
        found = []
        root = (self.folder / "partitions").resolve()
        for partition, files in sorted(manifest["partitions"].items()):
            for name in files.get(kind, []):
                path = (root / partition / str(name).replace("\\", "/")).resolve()
                if not path.is_relative_to(root / partition):
                    raise damaged(self.folder, f"{name} lies outside of it")
                found.append(path)
        return found

    def _superseded(self) -> Numbers:
        """Rows that a later row or deletion of the same key has undone."""
        if not self._deletions and len(self._parts) < 2 and all(part.partition for part in self._parts):
            return np.empty(0, dtype=np.int64)  # within one Parquet file every key is there once
        rows = sum(part.rows for part in self._parts)
        outdone = superseded(self._keys)
        return outdone[outdone < rows]

    def _keys(self) -> Iterator[tuple[list[int | str], Numbers]]:
        """Keys and sequence numbers of every row, and behind them of every deletion."""
        columns = [self.schema.key, SEQ]
        parts = [*self._parts, *(Part(path, 0, 0, "" if ".arrow" in path.name else "-") for path in self._deletions)]
        for part in parts:
            with arrow_faults(part.path):
                for batch in self._all(part, _ROWS, columns):
                    ranks = batch.column(SEQ).to_numpy(zero_copy_only=False).astype(np.int64)
                    yield values_of(batch.column(self.schema.key)), ranks


def read_object(path: Path) -> Payload:
    """A JSON file of Milvus Lite. `SourceUnreadable`: damaged, or of a format newer than is known here."""
    found = json_object(path)
    versions = [found.get(f"{kind}_format_version", 1) for kind in ("manifest", "schema")]
    if any(version not in _FORMATS for version in versions):
        raise SourceUnreadable(
            f"{plain(path)} was written by another Milvus Lite than is known here",
            why=f"its format is {plain(max(map(str, versions)))}, known are {', '.join(map(str, _FORMATS))}",
            fix=install_command("--upgrade", "qdrant-admin"),
        )
    return found


def _schema(schema: Payload, manifest: Payload) -> Schema:
    try:
        made = {name for function in schema.get("functions", []) for name in function["output_field_names"]}
        fields = tuple(
            Field(
                name=str(field["name"]),
                kind=str(field["dtype"]),
                size=field.get("dim"),
                primary=bool(field.get("is_primary")),
                default=field.get("default_value"),
                computed=field["name"] in made,
            )
            for field in schema["fields"]
        )
        specs = manifest.get("index_specs") or {}
        return Schema(
            name=str(schema["collection_name"]),
            key=next(field.name for field in fields if field.primary),
            fields=fields,
            metrics={str(name): str(spec["metric_type"]).upper() for name, spec in specs.items()},
            partitions=own_partitions(manifest["partitions"]),
        )
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"its schema lacks {error!r}") from error


_DEFAULT = "default"


def open_milvus_lite(uri: FolderUri) -> Source:
    """A folder, as Milvus Lite 3 keeps it, or the single file of version 2."""
    return MilvusFile(uri) if uri.path.is_file() else MilvusFolder(uri)


class MilvusFolder(FileReader):
    """A `Source` over one folder, with all of its databases."""

    kind = "Milvus Lite folder"

    def open(self) -> Iterable[str]:
        if not (self.path / "collections").is_dir() or not any(self.path.glob("**/schema.json")):
            raise wrong_kind(self.path, "a Milvus Lite folder")
        refuse_locked(self.path / "LOCK", self.path, "Milvus Lite")
        self._folders = self._found()
        return sorted(self._folders)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        return cut(range(1, self._collection(name).rows + 1), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        collection, layout = self._collection(name), self._layout(name)
        stop = collection.rows if until is None else int(until)
        for behind, batch, partitions in collection.batches(size, int(after or 0), stop):
            with arrow_faults(collection.folder):
                records = _records(collection.schema, layout, batch, partitions)
            self._check_unchanged(collection)
            yield Batch(records, behind)
        self._check_unchanged(collection)

    def mark(self, name: str) -> str:
        return self._collection(name).mark()

    def describe(self, name: str) -> SourceCollection:
        """Every key is looked at where anything was ever overwritten or deleted."""
        collection = self._collection(name)
        schema, layout = collection.schema, self._layout(name).layout
        logs = counted(len(collection.broken), "log")
        broken = f"{logs} cut off in its last entry, when a writer was stopped: what is whole is migrated"
        spec = layouts.fitted(schema.spec(), layout, self.distance_asked)
        return schema.described(
            name, collection.count, spec, layout, self._aliases(name), (broken,) if collection.broken else ()
        )

    @once
    def _collection(self, name: str) -> MilvusCollection:
        return MilvusCollection(self._folders[name])

    @once
    def _layout(self, name: str) -> ColumnLayout:
        collection, sample = self._collection(name), []
        plainly = ColumnLayout("plain", nested=False)
        for _, batch, partitions in collection.batches(layouts.SAMPLE, 0, collection.rows):
            sample += [record.payload for record in _records(collection.schema, plainly, batch, partitions)]
            if len(sample) >= layouts.SAMPLE:
                break
        return layouts.column_layout(sample, self.layout_asked, langchain=collection.schema.langchain)

    def _found(self) -> dict[str, Path]:
        """Folders by collection name; with the name of its database when several databases have one of that name."""
        asked = self.uri.options.get("database")
        places = [(_DEFAULT, self.path), *((path.name, path) for path in sorted(self.path.glob("databases/*")))]
        found = [
            (database, schema.parent)
            for database, place in places
            if asked in (None, database)
            for schema in sorted(place.glob("collections/*/schema.json"))
        ]
        names = [folder.name for _, folder in found]
        return {
            folder.name if names.count(folder.name) == 1 else f"{database}/{folder.name}": folder
            for database, folder in found
        }

    def _aliases(self, name: str) -> tuple[str, ...]:
        folder = self._folders[name]
        file = folder.parent.parent / "aliases.json"
        if not file.is_file():
            return ()
        return tuple(sorted(alias for alias, target in read_object(file).items() if target == folder.name))

    def _check_unchanged(self, collection: MilvusCollection) -> None:
        if collection.changed():
            raise changed(collection.folder)


def _records(schema: Schema, layout: ColumnLayout, batch: "pa.RecordBatch", partitions: list[str]) -> list[Record]:
    """Rows as records; a value that cannot be read rejects its row alone."""
    ids = values_of(batch.column(schema.key))
    slots = {
        name: _vectors(batch.column(name), schema.kind(name)) for name in schema.slots if name in batch.schema.names
    }
    names = [name for name in batch.schema.names if name not in {SEQ, PARTITION, schema.key, *slots}]
    columns = [values_of(batch.column(name)) for name in names]
    records = []
    for row, identity in enumerate(ids):
        record = Record(identity)
        for name, vectors in slots.items():
            vector = vectors[row]
            if isinstance(vector, Unfit):
                record.trouble = f"vector {name} {vector}"
                record.unread[name] = said(batch.column(name)[row].as_py())
            elif vector is not None:
                record.vectors[schema.slots[name]] = vector
        cells = {name: column[row] for name, column in zip(names, columns, strict=True)}
        record.payload = layout.payload(schema.columns(cells, partitions[row]))
        records.append(record)
    return records


def _vectors(column: "pa.Array", kind: str) -> "list[Vector | Unfit | None]":
    if kind != SPARSE:
        return vectors_of(column, "dense", "<f4")
    return [None if value is None else _pairs(value) for value in column.to_pylist()]


def _pairs(octets: bytes) -> Sparse | Unfit:
    try:
        return pairs_of(octets)
    except Unfit as error:
        return error
