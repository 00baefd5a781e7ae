"""Exporting a collection to a file, which is read back and compared before it is renamed into place."""

import contextlib
import gzip
import json
import os
import shlex
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast

import numpy as np

from qdrant_admin.collections.named import named
from qdrant_admin.core.blocks import Blocks, Digest, Facts, Headline, Paragraph, Step, Words
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import (
    AdminError,
    BadInput,
    ConfirmationMissing,
    Failed,
    ServerTrouble,
    ServerUnreachable,
    StorageUnusable,
)
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, duration, plain, size
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.core.reports import Report
from qdrant_admin.core.serialization import to_json as as_json
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.canonical import SUM_MODULUS, hash_point
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionInfo, Floats, Point, Sparse, Vector, VectorKind, VectorSpec
from qdrant_admin.database.names import safe_name
from qdrant_admin.migration.rejects import vector_json
from qdrant_admin.sources.base import FolderUri
from qdrant_admin.sources.files.tables import EXPORT_KEY, START, OwnLayout, Table, column_of, sidecar
from qdrant_admin.sources.files.text import JsonLinesFile
from qdrant_admin.sources.files.values import NO_ID
from qdrant_admin.sources.qdrant.server import spec_of
from qdrant_admin.sources.registry import BUILT_IN, check_installed
from qdrant_admin.state.history import recorded
from qdrant_admin.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


ExportFormat = Literal["parquet", "jsonl"]
_ENDINGS: dict[str, ExportFormat] = {".parquet": "parquet", ".jsonl": "jsonl", ".jsonl.gz": "jsonl"}
_PAGE = 512
_GROUP_POINTS, _GROUP_BYTES = 8192, 32 * 1024 * 1024
"""A row group is written when it has so many points, or about so many bytes: no more is held in memory."""
_LEVEL = 1
"""Digits of vectors hardly get any smaller with more work: 1 takes a tenth of the time of 9 for a tenth more bytes."""
_SAYS = {
    "verified": "The file holds exactly what the collection holds.",
    "changed": "The file is whole, and the collection is no longer what it was.",
}


class ExportOptions(Frozen):
    """What a person may choose."""

    to: Path
    """A file, or an existing folder, in which the file is named after the collection."""
    format: ExportFormat | None = None
    """None: by the file's extension, else Parquet."""
    overwrite: bool = False


class ExportReport(Report):
    """What was written, after it was read back."""

    collection: str
    file: str
    format: ExportFormat
    points: int
    bytes: int
    digest: str
    """The content fingerprint of the points in the file, computed as `verify` does."""
    verdict: Literal["verified", "changed"]
    """verified: the file holds exactly what the collection holds; changed: the collection was written to meanwhile."""
    note: str = ""
    source: str
    """The URI from which `migrate` restores the collection."""
    seconds: float

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict == "verified" else 1

    @property
    def verdict_word(self) -> str:
        return self.verdict

    def summary(self) -> str:
        return f"{counted(self.points, 'point')} in {size(self.bytes)}, {duration(self.seconds)}"

    def blocks(self) -> Blocks:
        rows: dict[str, Words] = {
            "collection": self.collection,
            "file": self.file,
            "holds": f"{counted(self.points, 'point')} in {size(self.bytes)}",
            "content": Digest(self.digest),
            "took": duration(self.seconds),
        }
        note = [Paragraph(self.note, "warn")] if self.note else []
        return Headline(self.verdict, _SAYS[self.verdict]), Facts.of(rows), *note

    def next_step(self) -> Step:
        return Step("to restore it", Command("migrate", self.source))


def export(ws: Workspace, name: str, options: ExportOptions, *, cancel: CancelToken) -> Events:
    """Write a collection with its configuration to a file, and read the file back. Ends with an `ExportReport`.

    Raises as `named`, and besides:
        ConfirmationMissing: the file exists.
        StorageUnusable: the file cannot be written.
        Failed: the file does not hold what was written. No file is left behind then, nor after a cancel.
    """
    return recorded(ws.store, "export", ws.settings.name, _export(ws, name, options, cancel))


def _export(ws: Workspace, name: str, options: ExportOptions, cancel: CancelToken) -> Events:
    with ws.database() as database:
        found = named(ws, database, name)
        if found.alias:
            yield Notice(text=found.words)
        info = database.collection(found.name)
        if info.trouble:
            raise ServerTrouble(f"{plain(name)} cannot be read", why=info.trouble, fix=Command("doctor"))
        path, chosen = _place(info.name, options)
        yield from database.bulk.told()
        part = path.with_name(f".{path.name}.part")
        with _disk(path), contextlib.ExitStack() as stack:
            stack.callback(part.unlink, missing_ok=True)
            yield from _Export(database, info, path, chosen, cancel).events(part)


class _Export:
    """One export, from the first point to the finished file."""

    def __init__(
        self, database: Database, info: CollectionInfo, path: Path, chosen: ExportFormat, cancel: CancelToken
    ) -> None:
        self._database, self._info, self._cancel = database, info, cancel
        self._path, self._format = path, chosen
        self._kinds: dict[str, VectorKind] = {slot.name: slot.kind for slot in info.vectors}
        self._start = time.monotonic()

    def events(self, part: Path) -> Events:
        info = self._info
        yield StepStarted(step="export", title=f"writing {plain(info.name)} to {plain(self._path)}")
        counters = _writes(self._database)
        writer = self._writer(part)
        try:
            held = yield from self._summed("export", info.points, self._scanned(), writer.write)
            own = self._own(held)
            writer.finish(own)
        finally:
            writer.close()
        yield StepFinished(step="export", detail=counted(held.points, "point"))
        yield from self._read_again(writer, own)
        changed = yield from self._changed(held, counters)
        writer.publish(self._path)
        yield Finished(report=self._report(held, changed))

    def _scanned(self) -> Iterator[list[Point]]:
        return self._database.scan(self._info.name, page_size=_PAGE)

    def _summed(
        self,
        step: str,
        total: int | None,
        pages: Iterable[list[Point]],
        write: Callable[[list[Point]], None] = lambda _: None,
    ) -> Generator[Event, None, "_Sum"]:
        """The fingerprint of all pages; each is given to `write` first."""
        found, pace = _Sum(self._kinds), ProgressMeter(step, total, item=self._info.name)
        for points in pages:
            self._cancel.check()
            write(points)
            found.add(points)
            if event := pace.advance(len(points)):
                yield event
        yield pace.event()
        return found

    def _writer(self, part: Path) -> "_Writer":
        if self._format == "parquet":
            return _ParquetWriter(part, self._info.vectors)
        return _JsonLinesWriter(part, packed=self._path.name.endswith(".gz"))

    def _own(self, held: "_Sum") -> OwnLayout:
        return OwnLayout(
            collection=self._info.name,
            points=held.points,
            digest=held.digest,
            spec=spec_of(self._info),
            aliases=self._info.aliases,
            server=self._database.server().version,
            exported_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _read_again(self, writer: "_Writer", own: OwnLayout) -> Events:
        yield StepStarted(step="verify", title="reading the file back")
        table = writer.reader()
        pages = (
            [Point(row.id, row.payload, row.vectors) for row in part.records if row.id != NO_ID and not row.trouble]
            for part in table.rows(own.layout(flat=table.flat), _PAGE, START, None)
        )
        found = yield from self._summed("verify", own.points, pages)
        if (found.points, found.digest) != (own.points, own.digest):
            why = f"{counted(own.points, 'point')} were written, and the {found.points} read back are not the same"
            raise Failed(f"{plain(self._path)} was not written", why=why, fix=Command("doctor"))
        yield StepFinished(step="verify", detail="equal")

    def _changed(self, held: "_Sum", counters: dict[str, int] | None) -> Generator[Event, None, str]:
        now = self._database.count(self._info.name)
        if now == held.points and counters is not None and counters == _writes(self._database):
            return ""
        yield StepStarted(step="compare", title="the collection may have changed meanwhile: reading it again")
        found = yield from self._summed("compare", now, self._scanned())
        same = found.digest == held.digest
        yield StepFinished(step="compare", outcome="ok" if same else "warning", detail="equal" if same else "changed")
        words = "the collection was written to meanwhile: each point is as it was when it was read"
        return "" if same else f"{words}; it has {counted(found.points, 'point')} now"

    def _report(self, held: "_Sum", changed: str) -> ExportReport:
        odd = f"{counted(held.non_finite, 'point')} with NaN or infinity in a vector" if held.non_finite else ""
        return ExportReport(
            collection=self._info.name,
            file=str(self._path),
            format=self._format,
            points=held.points,
            bytes=self._path.stat().st_size,
            digest=held.digest,
            verdict="changed" if changed else "verified",
            note="; ".join(filter(None, (changed, odd))),
            source=str(FolderUri(scheme=self._format, path=self._path)),
            seconds=time.monotonic() - self._start,
        )


class _Sum:
    """The content fingerprint of a stream of points."""

    def __init__(self, kinds: dict[str, VectorKind]) -> None:
        self._kinds, self._sum = kinds, 0
        self.points = self.non_finite = 0

    @property
    def digest(self) -> str:
        return f"{self._sum:064x}"

    def add(self, points: list[Point]) -> None:
        for point in points:
            hashed = hash_point(point, self._kinds)
            self._sum += int.from_bytes(hashed.whole, "little")
            self.non_finite += hashed.non_finite
        self._sum %= SUM_MODULUS
        self.points += len(points)


def _writes(database: Database) -> dict[str, int] | None:
    try:
        return dict(database.write_counters())
    except ServerUnreachable:
        raise
    except AdminError:
        return None


def _place(name: str, options: ExportOptions) -> tuple[Path, ExportFormat]:
    path = options.to.expanduser().absolute()
    if path.is_dir():
        path /= f"{safe_name(name)}.{options.format or 'parquet'}"
    by_name = next((chosen for ending, chosen in _ENDINGS.items() if path.name.lower().endswith(ending)), None)
    if by_name and options.format and by_name != options.format:
        what = f"{plain(path.name)} is not named like a {options.format} file"
        raise BadInput(what, fix=Command("export", help=True))
    chosen: ExportFormat = by_name or options.format or "parquet"
    if not path.parent.is_dir():
        raise BadInput(f"there is no folder {plain(path.parent)}", fix=shlex.join(["mkdir", "-p", str(path.parent)]))
    if chosen == "parquet":
        check_installed(next(kind for kind in BUILT_IN if kind.scheme == "parquet"))
    there = [one for one in (path, sidecar(path)) if one.exists()]
    if there and not options.overwrite:
        again = Command("export", name, to=str(path), yes=True)
        raise ConfirmationMissing(f"{plain(there[0])} already exists", why="it would be replaced", fix=again)
    return path, chosen


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why, fix = error.strerror or str(error), shlex.join(["df", "-h", str(path.parent)])
        raise StorageUnusable(f"{plain(path)} cannot be written", why=why, fix=fix) from error


class _ParquetWriter:
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
        self._writer.add_key_value_metadata({EXPORT_KEY: as_json(own)})
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


class _JsonLinesWriter:
    """An object per line, `{"id": ..., "payload": {...}, "vectors": {...}}`; the rest goes to a file beside it."""

    def __init__(self, part: Path, *, packed: bool) -> None:
        self._part = part
        self._own: OwnLayout | None = None
        self._raw = part.open("wb")
        packing = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_LEVEL, mtime=0) if packed else self._raw
        self._file = cast("IO[bytes]", packing)

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
        """The lines first: they can be read without the file beside them, but not the other way round."""
        beside = sidecar(path)
        part = beside.with_name(f"{beside.name}.part")
        with contextlib.ExitStack() as stack, part.open("wb") as file:
            stack.callback(part.unlink, missing_ok=True)
            file.write((as_json(self._own, indent=2) if self._own else "").encode())
            _sync(file)
            self._part.replace(path)
            part.replace(beside)


_Writer = _ParquetWriter | _JsonLinesWriter


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
