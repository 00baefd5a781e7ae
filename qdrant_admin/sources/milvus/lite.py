"""What Milvus Lite leaves on disk, read without it: the single file of version 2, and the folder of version 3.

The file is SQLite: one table a collection, each row a message of Milvus's. The folder holds Parquet files that never
change, and a log of what is not in them yet. A record is there when no later one has its key and no later deletion
names it; `_seq` says what is later. The same rules as Milvus Lite's own recovery, save that a file which is missing or
damaged ends the reading.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf.message import DecodeError

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.protobuf import message_classes
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, FolderUri, Payload, Record, SourceCollection, Span, cut
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.arrow import Read, arrow_faults, values_of, vectors_of
from qdrant_admin.sources.files.tables import damaged, json_object
from qdrant_admin.sources.files.values import Unfit, said
from qdrant_admin.sources.ids import Numbers, is_among, superseded
from qdrant_admin.sources.layouts import ColumnLayout
from qdrant_admin.sources.milvus.schema import SPARSE, Field, Schema, own_partitions, read_vector, record_of
from qdrant_admin.sources.read_only import LAST_ROW, changed, quoted, refuse_locked, signature
from qdrant_admin.sources.reader import FileReader, once

_EVERY = 1000
"""One row in so many is a place to cut at."""
_ROWS = 8192
_CONTENT = "CAST(data AS BLOB)"
"""Milvus Lite writes its messages as text, which they are not."""


class MilvusFile(FileReader):
    kind = "Milvus Lite file, format of version 2"

    def open(self) -> Iterable[str]:
        with self.path.open("rb") as file:
            if file.read(15) != b"SQLite format 3":
                raise wrong_kind(self.path, "a Milvus Lite folder or file")
        self._database = self.open_database(self.path)
        if "collection_name" not in self._database.columns("collection_meta"):
            raise wrong_kind(self.path, "a Milvus Lite folder or file")
        known = self._database.rows("SELECT DISTINCT collection_name FROM collection_meta WHERE meta_type = 'schema'")
        return sorted(str(name) for (name,) in known)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        numbered = f"SELECT id, row_number() OVER (ORDER BY id) AS number FROM {quoted(name)}"  # noqa: S608 # quoted
        rows = self._database.rows(f"SELECT id FROM ({numbered}) WHERE number % ? = 0", (_EVERY,))  # noqa: S608 # above
        return cut([int(row) for (row,) in rows], parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records in the order in which they were written; a cursor is the row's number in the file."""
        schema, layout, repeated = self._schema(name), self._layout(name), self._superseded(name)
        for rows in self._rows(name, _CONTENT, size, int(after or 0), until):
            live = [(row, octets) for row, octets in rows if not is_among(repeated, row)]
            records = [self._record(schema, layout, row, octets) for row, octets in live]
            self.check_unchanged()
            yield Batch(records, rows[-1][0])
        self.check_unchanged()

    def describe(self, name: str) -> SourceCollection:
        schema, layout = self._schema(name), self._layout(name).layout
        count = int(self._database.rows(f"SELECT count(*) FROM {quoted(name)}")[0][0])  # noqa: S608 # quoted
        spec = layouts.fitted(schema.spec(), layout, self.distance_asked)
        folded = len(self._superseded(name))
        return schema.described(name, count - folded, spec, layout, folded=folded)

    @once
    def _schema(self, name: str) -> Schema:
        question = "SELECT CAST(blob_field AS BLOB) FROM collection_meta WHERE collection_name = ? AND meta_type = ?"
        (schema,), *_ = self._database.rows(question, (name, "schema"))
        indexes = [octets for (octets,) in self._database.rows(question, (name, "index"))]
        try:
            return schema_of(schema, indexes)
        except (ValueError, IndexError, AttributeError, TypeError) as error:
            raise damaged(self.path, error) from error

    @once
    def _layout(self, name: str) -> ColumnLayout:
        schema, plainly = self._schema(name), ColumnLayout("plain", nested=False)
        rows = next(self._rows(name, _CONTENT, layouts.SAMPLE, 0, None), [])
        sample = [self._record(schema, plainly, row, octets).payload for row, octets in rows]
        return layouts.column_layout(sample, self.layout_asked, langchain=schema.langchain)

    @once
    def _superseded(self, name: str) -> Numbers:
        """Rows whose key is repeated further down: Milvus Lite 2 adds, and answers with the newest."""
        numbers: list[int] = []

        def entries() -> Iterator[tuple[list[int | str], Numbers]]:
            numbers.clear()
            for rows in self._rows(name, "milvus_id", _ROWS, 0, None):
                numbers.extend(row for row, _ in rows)
                yield [str(key) for _, key in rows], np.array([row for row, _ in rows], dtype=np.int64)

        return np.array([numbers[place] for place in superseded(entries).tolist()], dtype=np.int64)

    def _rows(self, name: str, column: str, size: int, after: int, until: Cursor) -> Iterator[list[tuple[int, Any]]]:
        query = f"SELECT id, {column} FROM {quoted(name)} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608 # quoted, and a name of ours
        end = LAST_ROW if until is None else until
        while rows := self._database.rows(query, (after, end, size)):
            after = int(rows[-1][0])
            yield [(int(row), value) for row, value in rows]

    def _record(self, schema: Schema, layout: ColumnLayout, row: int, octets: bytes) -> Record:
        try:
            fields = row_of(octets)
            return record_of(schema, layout, fields, fields, "")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(self.path, f"row {row} of {plain(schema.name)}: {error!r}") from error


_KINDS = {
    1: "bool", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 10: "float", 11: "double", 20: "varchar", 21: "varchar",
    22: "array", 23: "json", 100: "binary_vector", 101: "float_vector", 102: "float16_vector", 103: "bfloat16_vector",
    104: "sparse_float_vector", 105: "int8_vector",
}  # fmt: skip
_FIRST_USER_FIELD = 100
"""Below are Milvus's own: row id and time."""
_PROTO = """
Pair        key 1 string, value 2 string
Field       number 1 int64, name 2 string, primary 3 bool, kind 5 int32, params 6 Pair*, dynamic 12 bool, \
            computed 16 bool
Schema      name 1 string, fields 4 Field*
Index       field 1 int64, params 5 Pair*
Bools       data 1 bool*
Integers    data 1 int32*
Longs       data 1 int64*
Floats      data 1 float*
Doubles     data 1 double*
Texts       data 1 string*
Octets      data 1 bytes*
Lists       data 1 Scalars*
Scalars     bools 1 Bools, integers 2 Integers, longs 3 Longs, floats 4 Floats, doubles 5 Doubles, texts 6 Texts, \
            lists 8 Lists, json 9 Octets
Components  data 1 bytes
Vectors     float_vector 2 Components, float16_vector 4 bytes, bfloat16_vector 5 bytes, \
            sparse_float_vector 6 Components, int8_vector 7 bytes
Cell        kind 1 int32, name 2 string, scalars 3 Scalars, vectors 4 Vectors
Row         cells 1 Cell*
"""
"""As much of Milvus's messages as a file holds: name, number and type of each field; with a star it is repeated."""


@cache
def _messages() -> Fields:
    return message_classes("qdrant_admin.milvus", _PROTO)


def _parsed(kind: str, octets: bytes) -> Any:
    try:
        return _messages()[kind].FromString(octets)
    except DecodeError as error:
        raise ValueError(f"it is not a message of Milvus ({error})") from error


def schema_of(message: bytes, indexes: list[bytes]) -> Schema:
    """A collection's schema with the metrics of its indexes; `ValueError` when these are none."""
    found = _parsed("Schema", message)
    fields: dict[int, Field] = {}
    for field in found.fields:
        kind = _KINDS.get(field.kind, f"type {field.kind}")
        if field.number < _FIRST_USER_FIELD or (kind == "json" and field.dynamic):
            continue  # Milvus's own, and the one for what no schema names
        size = {pair.key: pair.value for pair in field.params}.get("dim")
        fields[field.number] = Field(
            field.name, kind, int(size) if size else None, primary=field.primary, computed=field.computed
        )
    metrics = {}
    for octets in indexes:
        index = _parsed("Index", octets)
        metric = {pair.key: pair.value for pair in index.params}.get("metric_type")
        if metric and index.field in fields:
            metrics[fields[index.field].name] = metric.upper()
    key = next((field.name for field in fields.values() if field.primary), None)
    if key is None:
        raise ValueError("its schema has no primary field")
    return Schema(found.name, key, tuple(fields.values()), metrics)


def row_of(message: bytes) -> Payload:
    """One record, field by field, vectors as bytes; `ValueError` when it is none."""
    return {
        cell.name: _vector(cell) if cell.HasField("vectors") else next(_scalars(cell.scalars), None)
        for cell in _parsed("Row", message).cells
    }


def _vector(cell: Any) -> bytes | None:
    kind = _KINDS.get(cell.kind, "")
    content = next((value for field, value in cell.vectors.ListFields() if field.name == kind), None)
    return content if content is None or isinstance(content, bytes) else content.data


def _scalars(scalars: Any) -> Iterator[object]:
    """The values of a field: one for a scalar, several for a list."""
    for field, values in scalars.ListFields():
        for value in values.data:
            if field.name == "lists":
                yield list(_scalars(value))
            else:
                yield value.decode() if field.name == "json" else value


_SEQ, _PARTITION = "_seq", "_partition"
_SCHEMA, _MANIFEST = "schema.json", "manifest.json"
_FORMATS = (1, 2)
_LOG = re.compile(r"wal_(data|delta)_(\d+)\.arrow")


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    start: int
    """Number of the first row among those of the collection."""
    rows: int
    partition: str
    """Empty in a log, which has a column for it."""


class _Collection:
    """One collection as it is when opened. `SourceUnreadable`: damaged, or of a newer Milvus Lite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broken: set[Path] = set()
        """Logs whose last entry was never finished: the program that wrote it was stopped in the middle."""
        self._mark = self.mark()
        manifest = _read_object(folder / _MANIFEST)
        logs = sorted(path for path in folder.glob("wal/*.arrow") if _LOG.fullmatch(path.name))
        with arrow_faults(folder):
            self.schema = _schema(_read_object(folder / _SCHEMA), manifest)
            self._parts = list(self._listed(manifest, logs))
            self.rows = sum(part.rows for part in self._parts)
            deletions = (path for path in logs if "_delta_" in path.name)
            self._deletions = [*self._files(manifest, "delta_files"), *deletions]
            self._gone = self._superseded()
            self.folded = len(superseded(self._keys_of_rows)) if self._deletions else len(self._gone)
            """Rows whose key comes again in a later one, whether or not that one was deleted."""
        self.count = self.rows - len(self._gone)

    def check_unchanged(self) -> None:
        if self.mark() != self._mark:
            raise changed(self.folder)

    def mark(self) -> str:
        """A sign of what is in it: the files that say what belongs to it, and the logs."""
        files = [self.folder / _MANIFEST, self.folder / _SCHEMA, *sorted(self.folder.glob("wal/*"))]
        return hashlib.sha256(repr([(path.name, *signature([path])) for path in files]).encode()).hexdigest()[:16]

    def batches(self, size: int, start: int, stop: int) -> Iterator[tuple[int, pa.RecordBatch, list[str]]]:
        """Rows from one number up to, but without, another: the number behind, what is there, and its partitions."""
        for part in self._parts:
            begin, end = max(start, part.start), min(stop, part.start + part.rows)
            if begin >= end:
                continue
            with arrow_faults(part.path):
                for number, batch in self._read(part, size, begin, end):
                    numbers = np.arange(number, number + batch.num_rows)
                    there = batch.filter(pa.array(~np.isin(numbers, self._gone)))
                    own = [part.partition] * there.num_rows if part.partition else there[_PARTITION].to_pylist()
                    yield number + batch.num_rows, there, own

    def _read(self, part: _Part, size: int, begin: int, end: int) -> Iterator[tuple[int, pa.RecordBatch]]:
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

    def _all(self, part: _Part, size: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        if not part.partition:
            yield from self._log(part.path)
            return
        # Buffered and not read ahead: a file is one row group, which would otherwise be in memory as a whole.
        with pq.ParquetFile(part.path, buffer_size=1 << 20, pre_buffer=False) as file:
            yield from file.iter_batches(size, columns=columns)

    def _log(self, path: Path) -> Iterator[pa.RecordBatch]:
        """The batches of a log, up to where its writer was stopped: so does Milvus Lite read it."""
        try:
            with pa.OSFile(str(path), "rb") as file, pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    batch.validate(full=True)
                    yield batch
        except (pa.ArrowException, OSError, EOFError):
            self.broken.add(path)

    def _listed(self, manifest: Payload, logs: Sequence[Path]) -> Iterator[_Part]:
        start = 0
        for path in self._files(manifest, "data_files"):
            with arrow_faults(path):
                rows = pq.read_metadata(path).num_rows
            yield _Part(path, start, rows, path.parent.parent.name)
            start += rows
        for path in logs:
            if "_data_" in path.name:
                rows = sum(batch.num_rows for batch in self._log(path))
                yield _Part(path, start, rows, "")
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
        outdone = superseded(self._keys)
        return outdone[outdone < self.rows]

    def _keys(self) -> Iterator[tuple[list[int | str], Numbers]]:
        """Keys and sequence numbers of every row, and behind them of every deletion."""
        yield from self._keys_of_rows()
        deletions = (_Part(path, 0, 0, "" if ".arrow" in path.name else "-") for path in self._deletions)
        yield from self._keys_in(deletions)

    def _keys_of_rows(self) -> Iterator[tuple[list[int | str], Numbers]]:
        yield from self._keys_in(self._parts)

    def _keys_in(self, parts: Iterable[_Part]) -> Iterator[tuple[list[int | str], Numbers]]:
        columns = [self.schema.key, _SEQ]
        for part in parts:
            with arrow_faults(part.path):
                for batch in self._all(part, _ROWS, columns):
                    ranks = batch.column(_SEQ).to_numpy(zero_copy_only=False).astype(np.int64)
                    yield values_of(batch.column(self.schema.key)), ranks


def _read_object(path: Path) -> Payload:
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


class MilvusFolder(FileReader):
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
            collection.check_unchanged()
            yield Batch(records, behind)
        collection.check_unchanged()

    def mark(self, name: str) -> str:
        return self._collection(name).mark()

    def describe(self, name: str) -> SourceCollection:
        """Every key is looked at where anything was ever overwritten or deleted."""
        collection = self._collection(name)
        schema, layout = collection.schema, self._layout(name).layout
        spec = layouts.fitted(schema.spec(), layout, self.distance_asked)
        found = schema.described(name, collection.count, spec, layout, self._aliases(name), folded=collection.folded)
        if not collection.broken:
            return found
        logs = counted(len(collection.broken), "log")
        broken = f"{logs} cut off in its last entry, when a writer was stopped: what is whole is migrated"
        return found.model_copy(update={"warnings": (*found.warnings, broken)})

    @once
    def _collection(self, name: str) -> _Collection:
        return _Collection(self._folders[name])

    @once
    def _layout(self, name: str) -> ColumnLayout:
        collection, sample = self._collection(name), []
        plainly = ColumnLayout("plain", nested=False)
        for _, batch, partitions in collection.batches(layouts.SAMPLE, 0, collection.rows):
            sample += [record.payload for record in _records(collection.schema, plainly, batch, partitions)]
            if len(sample) >= layouts.SAMPLE:
                break
        return layouts.column_layout(sample, self.layout_asked, langchain=collection.schema.langchain)

    def strays(self) -> Iterator[str]:
        """Folders of collections that have no schema any more."""
        for folder in sorted(self.path.glob("**/collections/*/")):
            if not (folder / _SCHEMA).is_file() and any(folder.glob("**/*.parquet")):
                yield f"the folder {plain(folder.name)} holds records, and has no {_SCHEMA}: not copied"

    def _found(self) -> dict[str, Path]:
        """Folders by collection name; with the name of its database when several databases have one of that name."""
        asked = self.uri.options.get("database")
        places = [("default", self.path), *((path.name, path) for path in sorted(self.path.glob("databases/*")))]
        found = [
            (database, schema.parent)
            for database, place in places
            if asked in (None, database)
            for schema in sorted(place.glob("collections/*/schema.json"))
        ]
        counts = Counter(folder.name for _, folder in found)
        return {one.name if counts[one.name] == 1 else f"{database}/{one.name}": one for database, one in found}

    def _aliases(self, name: str) -> tuple[str, ...]:
        folder = self._folders[name]
        file = folder.parent.parent / "aliases.json"
        found = _read_object(file) if file.is_file() else {}
        return tuple(sorted(alias for alias, target in found.items() if target == folder.name))


def _records(schema: Schema, layout: ColumnLayout, batch: pa.RecordBatch, partitions: list[str]) -> list[Record]:
    """Rows as records; a value that cannot be read rejects its row alone."""
    ids = values_of(batch.column(schema.key))
    own = batch.schema.names
    slots = {name: _vectors(batch.column(name), schema.kind(name)) for name in schema.slots if name in own}
    names = [name for name in own if name not in {_SEQ, _PARTITION, schema.key, *slots}]
    columns = [values_of(batch.column(name)) for name in names]
    records = []
    for row, identity in enumerate(ids):
        cells = {name: column[row] for name, column in zip(names, columns, strict=True)}
        record = Record(identity, layout.payload(schema.columns(cells, partitions[row])))
        for name, vectors in slots.items():
            vector = vectors[row]
            if isinstance(vector, Unfit):
                record.trouble = f"vector {name} {vector}"
                record.unread[name] = said(batch.column(name)[row].as_py())
            elif vector is not None:
                record.vectors[schema.slots[name]] = vector
        records.append(record)
    return records


def _vectors(column: pa.Array, kind: str) -> list[Read]:
    if kind != SPARSE:
        return vectors_of(column, "dense", "<f4")
    return [read_vector(kind, value) for value in column.to_pylist()]


def open_milvus_lite(uri: FolderUri) -> MilvusFile | MilvusFolder:
    return MilvusFile(uri) if uri.path.is_file() else MilvusFolder(uri)
