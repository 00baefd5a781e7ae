"""Milvus Lite's folder, read without Milvus Lite: opening it there cleans up, rewrites and locks."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.core.formatting import counted
from qdrant_admin.database.models import Sparse, Vector
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import (
    Batch,
    Cursor,
    Record,
    Source,
    SourceCollection,
    Span,
    cut,
    no_such_collection,
)
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files import column_layout
from qdrant_admin.sources.files.arrow_values import arrow_faults, values_of, vectors_of
from qdrant_admin.sources.files.column_layout import ColumnLayout
from qdrant_admin.sources.files.paths import changed, refuse_locked
from qdrant_admin.sources.files.values import Unfit, said
from qdrant_admin.sources.milvus.file import MilvusFile
from qdrant_admin.sources.milvus.files import PARTITION, SEQ, MilvusCollection, read_object
from qdrant_admin.sources.milvus.schema import PARTITION as OWN_PARTITION
from qdrant_admin.sources.milvus.schema import SPARSE, Schema
from qdrant_admin.sources.milvus.values import pairs_of
from qdrant_admin.sources.uri import SourceUri

if TYPE_CHECKING:
    import pyarrow as pa

_DEFAULT = "default"


def open_milvus_lite(uri: SourceUri) -> Source:
    """A folder, as Milvus Lite 3 keeps it, or the single file of version 2."""
    return MilvusFile(uri) if uri.path is not None and uri.path.is_file() else MilvusFolder(uri)


class MilvusFolder:
    """A `Source` over one folder, with all of its databases."""

    kind = "Milvus Lite folder"
    vectorless = False
    folds_uuids = False

    def __init__(self, uri: SourceUri) -> None:
        assert uri.path is not None  # noqa: S101 # the parser gives every folder scheme a path
        self.path: Path = uri.path
        self._uri = uri
        self._layout_asked = layouts.layout_option(uri.options)
        self._distance_asked = layouts.distance_option(uri.options)
        if not (self.path / "collections").is_dir() or not any(self.path.glob("**/schema.json")):
            raise wrong_kind(self.path, "a Milvus Lite folder")
        refuse_locked(self.path / "LOCK", self.path, "Milvus Lite")
        self._folders = self._found()
        if uri.collection is not None and uri.collection not in self._folders:
            raise no_such_collection(uri.collection, sorted(self._folders))
        self._names = [name for name in sorted(self._folders) if uri.collection in (None, name)]
        self._opened: dict[str, MilvusCollection] = {}
        self._layouts: dict[str, ColumnLayout] = {}

    def collections(self) -> list[SourceCollection]:
        """Every collection; all keys are looked at where anything was ever overwritten or deleted."""
        return [self._describe(name) for name in self._names]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Rows as they lie in the files, cut evenly."""
        return cut(range(1, self._collection(name).rows + 1), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Records in the order of the files; a cursor is the number of the row behind."""
        collection, layout = self._collection(name), self._layout(name)
        stop = collection.rows if until is None else int(until)
        for behind, batch, partitions in collection.batches(size, int(after or 0), stop):
            with arrow_faults(collection.folder):
                records = _records(collection.schema, layout, batch, partitions)
            self._check_unchanged(collection)
            yield Batch(records, behind)
        self._check_unchanged(collection)

    def mark(self, name: str) -> str:
        """A sign of the files that say what belongs to the collection."""
        return self._collection(name).mark()

    def close(self) -> None:
        """Nothing stays open."""
        self._opened.clear()

    def _describe(self, name: str) -> SourceCollection:
        collection = self._collection(name)
        schema, layout = collection.schema, self._layout(name)
        words = [layouts.words(layout.layout)] if layout.layout != "plain" else ["every field under its own name"]
        if schema.partitions:
            words.append(f"the name of the partition in {OWN_PARTITION}")
        warnings = schema.warnings()
        if collection.broken:
            logs = counted(len(collection.broken), "log")
            warnings.append(f"{logs} cut off in its last entry, when a writer was stopped: what is whole is migrated")
        return SourceCollection(
            name=name,
            count=collection.count,
            spec=layouts.fitted(schema.spec(), layout.layout, self._distance_asked),
            payload="; ".join(words),
            aliases=self._aliases(name),
            warnings=tuple(warnings),
        )

    def _collection(self, name: str) -> MilvusCollection:
        if name not in self._opened:
            self._opened[name] = MilvusCollection(self._folders[name])
        return self._opened[name]

    def _layout(self, name: str) -> ColumnLayout:
        if name not in self._layouts:
            collection, sample = self._collection(name), []
            plainly = ColumnLayout("plain", nested=False)
            for _, batch, partitions in collection.batches(layouts.SAMPLE, 0, collection.rows):
                sample += [record.payload for record in _records(collection.schema, plainly, batch, partitions)]
                if len(sample) >= layouts.SAMPLE:
                    break
            asked = self._layout_asked
            self._layouts[name] = column_layout.recognised(sample, asked, langchain=collection.schema.langchain)
        return self._layouts[name]

    def _found(self) -> dict[str, Path]:
        """Collections by name; one whose name several databases have is called after its database as well."""
        asked = self._uri.options.get("database")
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
    """Rows as records; what of a row cannot be read rejects that row alone."""
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
