"""The vectors of one Chroma collection as they are now: its HNSW files, with the operations of the queue over them."""

import numpy as np

from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Floats
from qdrant_admin.sources.chroma.hnsw import HnswSegment
from qdrant_admin.sources.files.paths import ReadOnlyDatabase

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
        """Whether somebody wrote to the vector files since they were opened."""
        return self._segment.signature() != self.signature

    def read(self, ids: list[str]) -> dict[str, Floats | str]:
        """The vectors of these ids, or why there is none."""
        queued = {self._queued[record]: record for record in ids if self._queued.get(record) is not None}
        found: dict[str, Floats | str] = {}
        if queued:
            marks = ",".join("?" * len(queued))
            query = f"SELECT seq_id, vector, encoding FROM embeddings_queue WHERE seq_id IN ({marks})"  # noqa: S608 # marks only
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
        topics = [
            topic
            for (topic,) in self._database.rows("SELECT DISTINCT topic FROM embeddings_queue")
            if topic.endswith(collection)
        ]
        for topic in topics:
            rows = self._database.rows(
                "SELECT seq_id, operation, id, vector IS NOT NULL FROM embeddings_queue"
                " WHERE topic = ? AND seq_id > ? ORDER BY seq_id",
                (topic, start),
            )
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
