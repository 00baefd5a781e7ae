"""One version of one LanceDB table. A version never changes, so a writer meanwhile makes no difference."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, FolderUri, Record, SourceCollection, Span, cut
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.arrow import columns_of, part_of, values_of
from qdrant_admin.sources.files.tables import Column, Layout, check_identity, choose, damaged, key_of, no_vectors
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity
from qdrant_admin.sources.ids import Numbers, is_among, superseded
from qdrant_admin.sources.layouts import ColumnLayout
from qdrant_admin.sources.read_only import changed, signature
from qdrant_admin.sources.reader import Reader

ROW = "_rowid"
SUFFIX = ".lance"
_LAST_VERSION = (1 << 64) - 1
_ROWS = 8192
_WINDOW, _NARROW_WINDOW = 4096, 65_536
"""Rows asked for at a time, whole or a column of theirs: Lance reads far ahead of who takes them, all into memory."""


class LanceTable:
    """A table, held at one version: one of an earlier `LanceTable`, or the newest."""

    def __init__(self, folder: Path, version: str = "") -> None:
        import lancedb

        self.folder = folder
        with lance_faults(folder):
            self._table: Any = lancedb.connect(str(folder.parent)).open_table(folder.name.removesuffix(SUFFIX))
            newest = int(self._table.version)
            self.number = int(version.partition("@")[0]) if version else newest
            self.version = f"{self.number}@{self._sign()}"
            if version and self.version != version:
                raise changed(folder)
            # Without a word of it, an older version would be opened when the newest is missing.
            if _hint(folder) > newest:
                raise damaged(folder, f"its version {_hint(folder)} is missing")
            self._table.checkout(self.number)
            self.rows = int(self._table.count_rows())
            self.schema: pa.Schema = self._table.schema

    def batches(self, size: int, start: int, stop: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Rows from one number up to, but without, another, with Lance's own row ids in a column of their own."""
        window = _WINDOW if columns is None else _NARROW_WINDOW
        for begin in range(start, stop, window):
            done, end = begin, min(begin + window, stop)
            with lance_faults(self.folder):
                query = self._table.search().with_row_id(True).offset(begin).limit(end - begin)
                for batch in (query.select(columns) if columns is not None else query).to_batches(size):
                    done += batch.num_rows
                    yield from (batch.slice(at, size) for at in range(0, batch.num_rows, size))
            if done != end:
                raise damaged(self.folder, f"it ends after {done} of its {self.rows} records")

    def repeated(self, column: str) -> Numbers:
        """Numbers of the rows whose id is repeated further down."""

        def entries() -> Iterator[tuple[list[int | str], Numbers]]:
            number = 0
            for batch in self.batches(_ROWS, 0, self.rows, [column]):
                numbers = np.arange(number, number + batch.num_rows)
                number += batch.num_rows
                ids = zip(values_of(batch.column(column)), numbers, strict=True)
                yield [_key(value, at) for value, at in ids], numbers

        return superseded(entries)

    def metrics(self) -> dict[str, str]:
        """Vector column to the metric of its index, in lower case; one without an index is missing."""
        found = {}
        with lance_faults(self.folder):
            for index in self._table.list_indices():
                statistics = self._table.index_stats(index.name)
                if statistics is not None and statistics.distance_type:
                    found[str(index.columns[0])] = str(statistics.distance_type).lower()
        return found

    def _sign(self) -> str:
        """What tells this version from one of the same number in a table that was made again."""
        versions = self.folder / "_versions"
        names = (f"{_LAST_VERSION - self.number:020d}.manifest", f"{self.number}.manifest")  # of newer, of older tables
        file = next((versions / name for name in names if (versions / name).is_file()), None)
        if file is None:
            raise SourceUnreadable(
                f"version {self.number} of {plain(self.folder)} no longer exists",
                why="the migration reads one version from beginning to end, and another program has removed it",
                fix="plan the migration again, and keep old versions until it is done",
            )
        return "-".join(str(part) for found in signature([file]) for part in found or ())


@contextlib.contextmanager
def lance_faults(folder: Path) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, OSError, pa.ArrowException) as error:
        raise damaged(folder, str(error).partition(", /")[0]) from error


def _hint(folder: Path) -> int:
    """The newest version according to the hint that writers leave; 0 without one."""
    try:
        return int(json.loads((folder / "_versions" / "latest_version_hint.json").read_bytes())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _key(value: object, number: int) -> int | str:
    """An id to compare with others; a row without one gets a key that no other row has."""
    try:
        found = NO_ID if isinstance(value, Unfit) else identity(value)
    except Unfit:
        found = NO_ID
    return f"\x00{number}" if found == NO_ID else key_of(found)


_DISTANCES: dict[str, Distance] = {"cosine": "Cosine", "dot": "Dot", "l2": "Euclid"}
"""LanceDB's l2 is the square of Qdrant's Euclid: the order of the results is the same."""


@dataclass(frozen=True)
class _Opened:
    table: LanceTable
    layout: Layout
    payload: ColumnLayout
    repeated: Numbers
    """Numbers of rows whose id is repeated further down: that one holds."""
    sample: list[Record]


class LanceFolder(Reader):
    kind = "LanceDB folder"
    uri: FolderUri

    def open(self) -> Iterable[str]:
        """Find the tables. lancedb makes a folder that is not there, so nothing of it is called before this."""
        path = self.uri.path
        folders = [path] if path.suffix == SUFFIX else sorted(path.glob(f"*{SUFFIX}"))
        self._folders = {one.name.removesuffix(SUFFIX): one for one in folders if (one / "_versions").is_dir()}
        if not self._folders:
            raise wrong_kind(path, "a LanceDB folder")
        self._versions: dict[str, str] = {}
        """Table to the version that is read: that of the cursors, once there are any."""
        self._opened: dict[tuple[str, str], _Opened] = {}
        self.resources.callback(self._opened.clear)
        return self._folders

    def collections(self) -> list[SourceCollection]:
        found, without = [], []
        for name in self.names:
            if self._layout(LanceTable(self._folders[name])) is None:
                without.append(name)
            else:
                found.append(self.describe(name))
        if not found:
            raise SourceUnreadable(
                f"{plain(self.uri.path)} holds no vectors",
                why=f"its tables are {', '.join(map(plain, without[:10]))}",
                fix="add ?collection=TABLE&vector=COLUMN to the source, if a column of lists is meant",
            )
        if without:
            names = ", ".join(map(plain, without[:10]))
            left = f"left out, as {'it has' if len(without) == 1 else 'they have'} no column of vectors: {names}"
            found[0] = found[0].model_copy(update={"warnings": (*found[0].warnings, left)})
        return found

    def strays(self) -> Iterator[str]:
        """Folders of tables that have no versions any more."""
        folder = self.uri.path if self.uri.path.suffix != SUFFIX else self.uri.path.parent
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if path not in self._folders.values() and not (path / "_versions").is_dir():
                held = "holds records" if any(path.glob("data/*")) else "is a table of LanceDB by its name"
                yield f"the folder {plain(path.name)} {held}, and has no _versions: not copied"

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Rows of the version that is read, cut evenly. A cursor names the version, so that no other one is read."""
        opened = self._open(name)
        edge = f"{opened.table.version}/"
        return tuple(
            Span(after=f"{edge}{span.after or 0}", until=f"{edge}{span.until or opened.table.rows}")
            for span in cut(range(1, opened.table.rows + 1), parts)
        )

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        version, start = _place(after)
        if version:
            self._versions[name] = version
        opened = self._open(name)
        stop = opened.table.rows if until is None else _place(until)[1]
        for batch in opened.table.batches(size, start, stop):
            part = part_of(batch.drop_columns([ROW]), opened.layout, start)
            numbered = zip(part.records, batch.column(ROW).to_pylist(), strict=True)
            records = [
                _finished(opened, row, number)
                for place, (row, number) in enumerate(numbered, start)
                if not is_among(opened.repeated, place)
            ]
            start += batch.num_rows
            yield Batch(records, f"{opened.table.version}/{start}")

    def _open(self, name: str) -> _Opened:
        version = self._versions.get(name, "")
        if (name, version) not in self._opened:
            table = LanceTable(self._folders[name], version)
            layout = self._layout(table)
            if layout is None:
                raise no_vectors(table.folder, table.schema.names)
            repeated = table.repeated(layout.id) if layout.id else np.empty(0, dtype=np.int64)
            check_identity(table.folder, layout, len(repeated), self.uri)
            head = next(table.batches(layouts.SAMPLE, 0, min(layouts.SAMPLE, table.rows)), None)
            sample = part_of(head.drop_columns([ROW]), layout, 0).records if head is not None else []
            payload = layouts.column_layout([row.payload for row in sample], self.layout_asked)
            opened = _Opened(table, layout, payload, repeated, sample)
            self._versions[name] = table.version
            self._opened[name, version] = self._opened[name, table.version] = opened
        return self._opened[name, version]

    def _layout(self, table: LanceTable) -> Layout | None:
        asked = self.uri.options.get("vector", "").split(",")
        found = columns_of(table.schema, None, asked)
        return choose([one for one in found if _is_vector(one, asked)], table.schema.names, self.uri.options)

    def describe(self, name: str) -> SourceCollection:
        opened = self._open(name)
        layout = opened.payload.layout
        spec, warnings = self._spec(name, opened)
        made = "Lance's own row id (UUIDv5), ?id=COLUMN takes a column instead"
        words = [opened.layout.words(made=made)]
        if layout != "plain":
            words.insert(0, layouts.words(layout))
        words.append(f"version {opened.table.number} of the table, whatever is written meanwhile")
        if len(opened.repeated):
            again = f"{counted(len(opened.repeated), 'row')} whose id is repeated further down"
            warnings.append(f"{again}: the last one of each is taken, ?id=none takes Lance's own row ids")
        return SourceCollection(
            name=name,
            count=opened.table.rows - len(opened.repeated),
            folded=len(opened.repeated),
            spec=layouts.fitted(spec, layout, self.distance_asked),
            payload="; ".join(words),
            warnings=tuple(warnings),
        )

    def _spec(self, name: str, opened: _Opened) -> tuple[CollectionSpec, list[str]]:
        metrics, slots, warnings = opened.table.metrics(), [], []
        for slot in opened.layout.slots:
            column = slot.column
            seen = [np.asarray(row.vectors[slot.name]) for row in opened.sample if slot.name in row.vectors]
            metric = metrics.get(column.name)
            own = _DISTANCES.get(metric or "l2")  # by which LanceDB itself searches where there is no index
            if own is None and self.distance_asked is None:
                what = f"table {plain(name)} compares {plain(column.name)} by {plain(metric)}"
                raise layouts.unknown_distance(what)
            if metric is None and self.distance_asked is None:
                words = f"no index says how {plain(column.name)} is compared"
                warnings.append(f"{words}: by Euclid, as LanceDB itself would")
            if own is not None:
                unit = column.kind == "dense" and layouts.unit_length(seen)
                warnings += layouts.distance_notes(own, self.distance_asked, unit=unit, layout=opened.payload.layout)
            size = column.size or next((vector.shape[-1] for vector in seen), None)
            distance = self.distance_asked or own
            slots.append(VectorSpec(name=slot.name, kind=column.kind or "dense", size=size, distance=distance))
        return CollectionSpec(vectors=tuple(slots)), warnings


def _finished(opened: _Opened, row: Record, number: int) -> Record:
    if row.id == NO_ID:
        row.id = f"row {number}"
        row.trouble = row.trouble or (f"it has no id in {opened.layout.id}" if opened.layout.id else "")
    row.payload = opened.payload.payload(row.payload)
    return row


def _is_vector(column: Column, asked: list[str]) -> bool:
    """What LanceDB itself takes for a vector: lists of one length; any other list only when it was named."""
    return column.name in asked or (column.kind in {"dense", "multi"} and column.size is not None)


def _place(cursor: Cursor) -> tuple[str, int]:
    version, _, row = str(cursor or "0").rpartition("/")
    return version, int(row)
