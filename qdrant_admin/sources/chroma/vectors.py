"""The HNSW files of one Chroma segment: which label holds which vector.

Layout (hnswlib as Chroma carries it): `header.bin` says where in each fixed-size element of `data_level0.bin` label and
vector lie; `length.bin` holds the length that a cosine vector had before it was normalised; `index_metadata.pickle`
maps ids to labels.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Floats
from qdrant_admin.sources.read_only import UNPICKLE_ERRORS, ReadOnlyDatabase, RestrictedUnpickler, marks, signature

_HEADER = struct.Struct("<iQQQQQQiIQQQdQ")
FILES = ("header.bin", "data_level0.bin", "length.bin", "link_lists.bin", "index_metadata.pickle")


class _PersistentData:
    """Stands in for the one class that chromadb pickled up to 0.5."""


_ALLOWED = {("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData"): _PersistentData}


class HnswSegment:
    """The vectors of a segment that Chroma has synced, from its HNSW files; empty when it never has."""

    def __init__(self, folder: Path, *, dimension: int | None, cosine: bool) -> None:
        self.folder = folder
        self.labels: dict[str, int] = {}
        self.max_seq_id: int | None = None
        """Up to which operation of the queue these files hold; None when only the database knows."""
        self._rows: dict[int, int] = {}
        pickled = folder / "index_metadata.pickle"
        self.synced = pickled.exists()
        if self.synced:
            self._read_metadata(pickled, dimension)
            self._map(dimension or 0, cosine=cosine)

    def signature(self) -> tuple[tuple[int, int] | None, ...]:
        return signature([self.folder / name for name in FILES])

    def vector(self, record: str) -> Floats | None:
        label = self.labels.get(record)
        if label is None:
            return None
        row = self._rows.get(label)
        if row is None:
            raise self._damaged(f"no element has the label {label} of the id {plain(record)}")
        vector: Floats = np.array(self._vectors[row], dtype=np.float32)
        return vector if self._lengths is None else vector * self._lengths[row]

    def matrix(self, records: Sequence[str]) -> Floats | None:
        """The vectors of these ids, a row each; None when these files do not hold all of them."""
        labels = [self.labels.get(record) for record in records]
        rows = [self._rows.get(label) for label in labels if label is not None]
        wanted = [row for row in rows if row is not None]
        if not wanted or len(wanted) < len(records):
            return None
        vectors: Floats = np.asarray(self._vectors[wanted], dtype=np.float32)
        return vectors if self._lengths is None else vectors * self._lengths[wanted][:, np.newaxis]

    def _read_metadata(self, path: Path, dimension: int | None) -> None:
        try:
            content = RestrictedUnpickler(path.read_bytes(), _ALLOWED).load()
            fields = content if isinstance(content, dict) else vars(content)
            labels, size, seq = fields["id_to_label"], fields.get("dimensionality"), fields.get("max_seq_id")
            self.labels = {str(record): int(label) for record, label in labels.items()}
            self.max_seq_id = None if seq is None else as_seq_id(seq)
        except UNPICKLE_ERRORS as error:
            raise self._damaged(f"index_metadata.pickle cannot be read: {error}") from error
        if size is not None and dimension is not None and size != dimension:
            raise self._damaged(f"its vectors have {size} components, the collection says {dimension}")

    def _map(self, dimension: int, *, cosine: bool) -> None:
        try:
            header = _HEADER.unpack((self.folder / "header.bin").read_bytes()[: _HEADER.size])
            data = self.folder / "data_level0.bin"
            count, element, label_at, vector_at = header[3], header[4], header[5], header[6]
            octets = data.stat().st_size
            if octets < count * element or vector_at + 4 * dimension > element or label_at + 8 > element:
                why = f"data_level0.bin holds {octets} bytes where {count} elements of {element} should be"
                raise self._damaged(why)
            fields = {"names": ["label", "vector"], "formats": ["<u8", ("<f4", (dimension,))]}
            layout = np.dtype(cast("Any", {**fields, "offsets": [label_at, vector_at], "itemsize": element}))
            elements: npt.NDArray[np.void] = (
                np.memmap(data, dtype=layout, mode="r", shape=(count,)) if count else np.empty(0, dtype=layout)
            )
            self._vectors = elements["vector"].view(np.ndarray)  # still the file; a memmap is slow to take rows of
            self._rows = {int(label): row for row, label in enumerate(elements["label"].tolist())}
            self._lengths: Floats | None = np.fromfile(self.folder / "length.bin", dtype="<f4") if cosine else None
        except (OSError, struct.error, ValueError, TypeError) as error:
            raise self._damaged(str(error)) from error
        if self._lengths is not None and len(self._lengths) < count:
            raise self._damaged(f"length.bin holds {len(self._lengths)} lengths for {count} vectors")

    def _damaged(self, why: str) -> SourceUnreadable:
        what = f"the vector index in {plain(self.folder)} is damaged"
        return SourceUnreadable(what, why=why, fix="restore the Chroma directory from a copy, and migrate that")


def as_seq_id(value: object) -> int:
    """A position in Chroma's queue: an integer, or big-endian bytes up to 0.4."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) else int(str(value))


_UPDATE, _DELETE = 1, 3
"""Operations of the queue; 0 adds and 2 upserts."""
_ENCODINGS = {"FLOAT32": "<f4", "INT32": "<i4"}


class ChromaVectors:
    """The vectors of one collection as they are now: HNSW files, with the newer operations of the queue over them."""

    def __init__(self, database: ReadOnlyDatabase, collection: str, segment: HnswSegment, start: int) -> None:
        self._database = database
        self._segment = segment
        self.signature = segment.signature()
        self._queued: dict[str, int | None] = {}
        """Id to the operation that holds its vector; None where it was deleted."""
        self.newest = 0
        self._replay(collection, start)

    def segment_changed(self) -> bool:
        return self._segment.signature() != self.signature

    def read(self, ids: list[str]) -> dict[str, Floats | str]:
        """The vectors of these ids, or why there is none."""
        queued = {self._queued[record]: record for record in ids if self._queued.get(record) is not None}
        found: dict[str, Floats | str] = {}
        if queued:
            query = f"SELECT seq_id, vector, encoding FROM embeddings_queue WHERE seq_id IN ({marks(queued)})"  # noqa: S608 # marks only
            for seq, blob, encoding in self._database.rows(query, tuple(queued)):
                found[queued[seq]] = _decode(blob, encoding)
        for record in ids:
            if record not in self._queued:
                vector = self._segment.vector(record)
                if vector is not None:
                    found[record] = vector
        return found

    def matrix(self, ids: list[str]) -> Floats | None:
        """The vectors of these ids, a row each; None when they have to be looked at one by one."""
        if self._queued.keys().isdisjoint(ids):
            return self._segment.matrix(ids)
        found = self.read(ids)
        rows = [row for row in map(found.get, ids) if isinstance(row, np.ndarray)]
        return np.stack(rows) if len(rows) == len(ids) and len({row.shape for row in rows}) == 1 else None

    def _replay(self, collection: str, start: int) -> None:
        query = "SELECT seq_id, operation, id, vector IS NOT NULL FROM embeddings_queue"
        query += " WHERE topic = ? AND seq_id > ? ORDER BY seq_id"
        for (topic,) in self._database.rows("SELECT DISTINCT topic FROM embeddings_queue"):
            rows = self._database.rows(query, (topic, start)) if topic.endswith(collection) else []
            for seq, operation, record, has_vector in rows:
                self.newest = max(self.newest, seq)
                self._apply(seq, operation, record, has_vector=bool(has_vector))

    def _apply(self, seq: int, operation: int, record: str, *, has_vector: bool) -> None:
        there = self._queued[record] is not None if record in self._queued else record in self._segment.labels
        if operation == _DELETE:
            self._queued[record] = None
        elif not has_vector or (operation == 0 and there) or (operation == _UPDATE and not there):
            return  # adding what is there, and updating what is not, change nothing in Chroma
        else:
            self._queued[record] = seq


def _decode(blob: bytes, encoding: str | None) -> Floats | str:
    kind = _ENCODINGS.get(encoding or "FLOAT32")
    if kind is None:
        return f"its vector is stored as {plain(encoding)}, which is not known here"
    if len(blob) % 4:
        return f"its vector is cut short: {len(blob)} bytes"
    vector: Floats = np.frombuffer(blob, dtype=kind).astype(np.float32)
    return vector
