"""The components of many points at once, out of the pickles that qdrant-client's embedded mode writes.

Such a pickle is a dozen short fields and one long run of components, nine bytes each. The run is cut out and read as an
array; what is left is a pickle like the first, of a point whose vector is empty, and goes through the restricted reader
like any other. A pickle that does not begin exactly like one of the client's is not touched.
"""

import base64
import binascii
import contextlib
import datetime as dt
import decimal
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from qdrant_admin.core.errors import AdminError, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Floats, Vector, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Columns, Cursor, Payload, Record, SourceCollection, Span, cut
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.values import floats_of, sparse_of
from qdrant_admin.sources.ids import canonical_uuid
from qdrant_admin.sources.read_only import (
    HARMLESS,
    LAST_ROW,
    UNPICKLE_ERRORS,
    ReadOnlyDatabase,
    RestrictedUnpickler,
    StandIn,
    cannot_read,
    changed,
    refuse_locked,
    signature,
    with_journals,
)
from qdrant_admin.sources.reader import FileReader, once

_FRAME = slice(3, 11)
"""Where the length of the rest is, in a pickle that is all one frame."""
_BATCH = 1000
"""Components between two marks: pickles of a longer list have several runs."""
_BETWEEN = b"e("
_COMPONENT = np.dtype([("sign", "S1"), ("value", ">f8")])
_HEAD = (
    rb"\x80[\x04\x05]\x95.{8}\x8c\x20qdrant_client\.http\.models\.models\x94\x8c\x0bPointStruct\x94\x93\x94\)\x81\x94"
    rb"\}\x94\(\x8c\x08__dict__\x94\}\x94\(\x8c\x02id\x94"
    rb"(?:K.|M..|J.{4}|\x8a\x05.{5}|\x8a\x06.{6}|\x8a\x07.{7}|\x8a\x08.{8}|\x8a\x09.{9}|\x8c\x24.{36}\x94)"
    rb"\x8c\x06vector\x94"
)


class PointPickles:
    """Pickles of points with one dense vector of `size` components in the slot."""

    def __init__(self, slot: str, size: int) -> None:
        self.slot = slot
        name = slot.encode()
        named = b"\x8c" + bytes([len(name)]) + name if len(name) < 1 << 8 else b""
        self._head = re.compile(
            _HEAD + (rb"\}\x94" + re.escape(named) + rb"\x94" if slot else b"") + rb"\]\x94\(", re.DOTALL
        )
        self.empty = {slot: []} if slot else []
        """What is left of the vector."""
        edges = [*range(0, size, _BATCH), size]
        self._runs = [last - first for first, last in pairwise(edges)]
        self._octets = size * _COMPONENT.itemsize + (len(self._runs) - 1) * len(_BETWEEN)

    def split(self, pickles: Sequence[bytes]) -> tuple[list[bytes], Floats] | None:
        """The pickles without their components, and the components, a row a point; None when one has another form."""
        rests, runs = [], []
        for one in pickles:
            found = self._head.match(one) if isinstance(one, bytes) else None
            if found is None:
                return None
            start, end = found.end(), found.end() + self._octets
            framed = len(one) - _FRAME.stop
            if int.from_bytes(one[_FRAME], "little") != framed or one[end : end + 1] != b"e":
                return None
            length = (framed - self._octets).to_bytes(8, "little")
            rests.append(b"".join((one[: _FRAME.start], length, one[_FRAME.stop : start], one[end:])))
            runs.append(one[start:end])
        vectors = self._read(b"".join(runs), len(pickles))
        return None if vectors is None else (rests, vectors)

    def _read(self, octets: bytes, count: int) -> Floats | None:
        rows = np.frombuffer(octets, dtype=np.uint8).reshape(count, self._octets)
        parts, at = [], 0
        for run in self._runs:
            if at and (rows[:, at - len(_BETWEEN) : at] != list(_BETWEEN)).any():
                return None
            width = run * _COMPONENT.itemsize
            components = np.ascontiguousarray(rows[:, at : at + width]).view(_COMPONENT)
            if (components["sign"] != b"G").any():
                return None  # a whole number, say
            parts.append(components["value"])
            at += width + len(_BETWEEN)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")


_MODULES = ("qdrant_client.http.models.models", "qdrant_client.models", "qdrant_client.conversions.common_types")
_ALLOWED: dict[tuple[str, str], object] = {
    (module, name): StandIn for module in _MODULES for name in ("PointStruct", "SparseVector", "Record")
} | HARMLESS
_FILE, _OLDER = "storage.sqlite", "storage.dbm*"
"""The points of a collection, as clients keep them from 1.2 on and before."""
_VECTOR_FIELDS = {"size", "distance", "datatype"}
_JSON = frozenset({str, int, float, bool, type(None)})
_NOT_OF_A_SERVER = {"vectors", "sparse_vectors", "payload", "id_tracker"}


class QdrantLocal(FileReader):
    kind = "folder of qdrant-client's embedded mode"
    vectorless = True
    folds_uuids = True

    def open(self) -> Iterable[str]:
        meta = self.path / "meta.json"
        if not meta.is_file():
            raise wrong_kind(self.path, "a folder of qdrant-client's embedded mode")
        try:
            content = json.loads(meta.read_bytes())
            self._configs: dict[str, Payload] = dict(content["collections"])
            self._aliases: dict[str, str] = dict(content.get("aliases") or {})
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise wrong_kind(self.path, "a whole folder of qdrant-client's embedded mode") from error
        refuse_locked(self.path / ".lock", self.path, "qdrant-client's embedded mode")
        return sorted(self._configs)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        return cut(list(self._points(name).live), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        return self._points(name).batches(size, int(after or 0), until, self.path)

    def mark(self, name: str) -> str:
        return str(signature(with_journals(self.path / "collection" / name / _FILE)))

    def describe(self, name: str) -> SourceCollection:
        points = self._points(name)
        folded = Counter(_folded(record) for record in points.live.values())
        colliding = tuple(str(record) for record in points.live.values() if folded[_folded(record)] > 1)
        first = next(points.batches(layouts.SAMPLE, 0, None, self.path), Batch([], None))
        payloads = [record.payload for record in first.records]
        spec = _spec(self._configs[name], self.path)
        indexes = layouts.payload_indexes(layouts.recognised(payloads))  # embedded mode keeps none
        spec = spec.model_copy(update={"payload_indexes": indexes})
        aliases = tuple(sorted(alias for alias, target in self._aliases.items() if target == name))
        count, words = len(points.live), layouts.words_kept(payloads)
        return SourceCollection(
            name=name,
            count=count,
            folded=points.rows - count,
            spec=spec,
            payload=words,
            aliases=aliases,
            colliding_ids=colliding,
            absent=_absent(self.path / "collection" / name, count),
        )

    def strays(self) -> Iterator[str]:
        """Folders of collections that `meta.json` does not name, and aliases of collections that it does not."""
        for alias, target in sorted(self._aliases.items()):
            if target not in self._configs:
                yield f"the alias {plain(alias)} points to {plain(target)}, which is not in meta.json: not copied"
        named = {Path(name).parts[0] for name in self._configs if name}
        for folder in sorted((self.path / "collection").glob("*/")):
            held = _held_points(folder) if folder.name not in named else ""
            if held:
                yield f"the folder collection/{plain(folder.name)} holds {held}, and is not in meta.json: not copied"

    @once
    def _points(self, name: str) -> "_Points":
        file = self.path / "collection" / name / _FILE
        if not file.resolve().is_relative_to(self.path.resolve()):
            raise SourceUnreadable(f"collection {plain(name)} lies outside of {plain(self.path)}")
        slots = _spec(self._configs[name], self.path).vectors
        points = _Points(file, slots)
        if points.database:
            self.resources.callback(points.database.close)
        return points


class _Points:
    """The one table of one collection. Older clients could leave several rows for a point: the last one is it."""

    def __init__(self, file: Path, slots: tuple[VectorSpec, ...]) -> None:
        self._file = file
        only = slots[0] if len(slots) == 1 and slots[0].kind == "dense" else None
        self._pickles = PointPickles(only.name, only.size) if only and only.size else None
        self.signature = signature(with_journals(file))
        self.database = ReadOnlyDatabase(file) if file.exists() else None
        rows = self.database.rows("SELECT rowid, id FROM points ORDER BY rowid") if self.database else []
        self.rows = len(rows)
        last = {self._decode_id(key): int(row) for row, key in rows}
        self.live = {row: record for record, row in sorted(last.items(), key=lambda item: item[1])}

    def batches(self, size: int, after: int, until: Cursor, folder: Path) -> Iterator[Batch]:
        while self.database:
            rows = self.database.rows(
                "SELECT rowid, point FROM points WHERE rowid > ? AND rowid <= ? ORDER BY rowid LIMIT ?",
                (after, LAST_ROW if until is None else until, size),
            )
            if signature(with_journals(self._file)) != self.signature:
                raise changed(folder)
            if not rows:
                return
            after = int(rows[-1][0])
            live = [(int(row), blob) for row, blob in rows if row in self.live]
            yield Batch(self._columns(live) or [self._record(row, blob) for row, blob in live], after)

    def _columns(self, rows: list[tuple[int, bytes]]) -> Columns | None:
        """All of them side by side; None when one has another form than the client writes."""
        split = self._pickles.split([blob for _, blob in rows]) if self._pickles and rows else None
        if self._pickles is None or split is None:
            return None
        rests, vectors = split
        try:
            fields = [RestrictedUnpickler(rest, _ALLOWED).load().fields for rest in rests]
            payloads = [_payload(one) for one in fields]
        except UNPICKLE_ERRORS:
            return None
        if any(one.get("vector") != self._pickles.empty for one in fields):
            return None
        return Columns([self.live[row] for row, _ in rows], payloads, vectors, self._pickles.slot)

    def _record(self, row: int, blob: bytes) -> Record:
        try:
            fields = RestrictedUnpickler(blob, _ALLOWED).load().fields
            return Record(self.live[row], _payload(fields), _vectors(fields.get("vector")))
        except UNPICKLE_ERRORS as error:
            raise _hostile(self._file, f"row {row}: {error}") from error

    def _decode_id(self, key: str) -> int | str:
        try:
            decoded = RestrictedUnpickler(base64.b64decode(key, validate=True), _ALLOWED).load()
        except (binascii.Error, *UNPICKLE_ERRORS) as error:
            raise _hostile(self._file, f"id {plain(key)}: {error}") from error
        return decoded if isinstance(decoded, int) else str(decoded)


def _absent(folder: Path, count: int) -> str:
    """What is missing of a collection that `meta.json` names: the client makes both at the same time."""
    if not folder.is_dir():
        return f"meta.json names it, and its folder {plain(folder)} is missing"
    older = sorted(file.name for file in folder.glob(_OLDER))
    if older and not count:
        where = f"its points lie in {', '.join(map(plain, older))} of {plain(folder)}, as clients up to 1.1 wrote them"
        return f"{where}: a newer qdrant-client moves them over when it opens a copy of the folder"
    return "" if (folder / _FILE).is_file() else f"meta.json names it, and {plain(folder / _FILE)} is missing"


def _held_points(folder: Path) -> str:
    """What a folder of a collection holds, in words; empty when nothing."""
    if any(folder.glob(_OLDER)):
        return "points of an old qdrant-client"
    if not (folder / _FILE).is_file():
        return ""
    try:
        with contextlib.closing(ReadOnlyDatabase(folder / _FILE)) as database:
            count = int(database.rows("SELECT count(DISTINCT id) FROM points")[0][0])
    except AdminError:
        return f"a {_FILE} that cannot be read"
    return counted(count, "point") if count else ""


def _folded(record: int | str) -> int | str:
    return record if isinstance(record, int) else canonical_uuid(record) or record


def _payload(fields: Payload) -> Payload:
    payload = fields.get("payload") or {}
    return {str(key): value if type(value) in _JSON else _plain(value) for key, value in payload.items()}


def _vectors(value: object) -> dict[str, Vector]:
    named = value if isinstance(value, dict) else {} if value is None else {"": value}
    return {str(name): _vector(vector) for name, vector in named.items()}


def _vector(value: object) -> Vector:
    if isinstance(value, StandIn):
        return sparse_of(value.fields["indices"], value.fields["values"])
    return floats_of(value)


def _plain(value: object) -> object:
    """Payload as the client would have sent it to a server: dates and the like as text, sets as lists."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, uuid.UUID | decimal.Decimal | dt.timedelta):
        return str(value)
    return value


def _spec(config: Payload, folder: Path) -> CollectionSpec:
    try:
        vectors = config.get("vectors") or {}
        named = {"": vectors} if "size" in vectors else vectors
        slots = [_dense(name, params) for name, params in named.items()]
        for name, params in (config.get("sparse_vectors") or {}).items():
            slots.append(VectorSpec(name=name, kind="sparse", params=_without_nulls(params or {})))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceUnreadable(f"{plain(folder)}/meta.json cannot be read", why=f"it is damaged ({error!r})") from error
    rest = {key: value for key, value in config.items() if key not in _NOT_OF_A_SERVER}
    return CollectionSpec(vectors=tuple(slots), params=_without_nulls(rest))


def _dense(name: str, params: Payload) -> VectorSpec:
    rest = _without_nulls({key: value for key, value in params.items() if key not in {*_VECTOR_FIELDS, "memory"}})
    return VectorSpec(
        name=name,
        kind="multi" if params.get("multivector_config") else "dense",
        size=params["size"],
        distance=params["distance"],
        datatype=params.get("datatype") or "float32",
        params=rest,
    )


def _without_nulls(values: Payload) -> Payload:
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def _hostile(file: Path, why: str) -> SourceUnreadable:
    fix = "restore the folder from a copy, and migrate that"
    return cannot_read(file, f"it is damaged, or made to harm: {why}. Nothing in it was run", fix)
