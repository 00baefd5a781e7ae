"""Whether a search in the target finds the nearest points of the source: the recall of the ten best of some queries.

The ten best are taken from all vectors of the source, which verification reads anyway, or from an exact search if the
source is a Qdrant. Where an ordinary search in the target (an approximate one) finds too little, an exact one follows.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import BadInput, RequestRejected, Unsupported
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Distance, Floats, Point, PointId, Sparse, VectorSpec
from qdrant_admin.migration.reports import EXACT_LEAST

Wide = npt.NDArray[np.float32] | npt.NDArray[np.float64]
QUERIES = 16
TOP = 10
ORDINARY_LEAST = 0.2
"""Lowest recall of an ordinary search. Low, because no index does well on random vectors of many dimensions: real ones
reach 0.95 and more, and a broken index finds next to nothing."""
_TIE = 1e-4
"""A point whose score is this close to the tenth best one counts as well."""
_ONE_THREAD = 1 << 18
"""Multiplications up to which OpenBLAS starts no threads (its GEMM_MULTITHREAD_THRESHOLD, 4, times 65,536)."""
_NOT_TOLD = (BadInput, RequestRejected, Unsupported)
"""The answers of an old server, or of one in strict mode."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Recall of the nearest points, 0 to 1; the lowest of the collection's vectors."""

    ordinary: float
    exact: float | None = None
    """None: it was not needed, or the server refuses it."""

    @property
    def sound(self) -> bool:
        return self.ordinary >= ORDINARY_LEAST and (self.exact is None or self.exact >= EXACT_LEAST)

    @property
    def words(self) -> str:
        """A remark for the report; empty when all is well."""
        found = f"a search finds {self.ordinary:.0%} of the {TOP} nearest"
        if self.exact is None:
            return "" if self.ordinary >= EXACT_LEAST else found
        if self.exact < EXACT_LEAST:
            return f"{found}, and an exact one {self.exact:.0%}: the target does not find what the source holds"
        return f"{found}, an exact one {self.exact:.0%}: a larger hnsw_ef finds more"


class Truth:
    """The nearest points of the source for some queries, collected batch by batch. Safe for threads."""

    def __init__(self, slots: Mapping[str, VectorSpec], queries: Mapping[str, Floats]) -> None:
        self._lock = threading.Lock()
        self._nearest = {name: _Nearest(slots[name].distance or "Dot", rows) for name, rows in queries.items()}

    def add(self, points: Sequence[Point]) -> None:
        for name in self._nearest:
            mine = [(point.id, point.vectors[name]) for point in points if name in point.vectors]
            dense = [(one, vector) for one, vector in mine if not isinstance(vector, Sparse) and vector.ndim == 1]
            if dense:
                self.add_rows(name, [one for one, _ in dense], np.stack([vector for _, vector in dense]))

    def add_rows(self, name: str, ids: Sequence[PointId], rows: Floats) -> None:
        nearest = self._nearest.get(name)
        if nearest is not None:
            scores = nearest.scores(rows)
            with self._lock:
                nearest.take(ids, scores)

    def ask(self, source: Database, collection: str) -> None:
        """Take the nearest points from an exact search of a Qdrant source, unless it refuses."""
        for name, nearest in self._nearest.items():
            with contextlib.suppress(*_NOT_TOLD):
                nearest.know(source.nearest(collection, list(nearest.queries), using=name, limit=TOP, exact=True))

    def compare(self, database: Database, target: str) -> Quality | None:
        """The recall of searches in the target; None when there are no queries, or the server refuses."""
        try:
            ordinary = self._found(database, target, exact=False)
        except _NOT_TOLD:
            return None
        if ordinary is None or ordinary >= EXACT_LEAST:
            return None if ordinary is None else Quality(ordinary)
        try:
            return Quality(ordinary, self._found(database, target, exact=True))
        except _NOT_TOLD:
            return Quality(ordinary)

    def _found(self, database: Database, target: str, *, exact: bool) -> float | None:
        shares = [
            nearest.share(database.nearest(target, list(nearest.queries), using=name, limit=TOP, exact=exact))
            for name, nearest in self._nearest.items()
        ]
        return min((share for share in shares if share is not None), default=None)


def queries(database: Database, target: str, slots: Mapping[str, VectorSpec]) -> dict[str, Floats]:
    """The vectors of some points of the target, by vector name, to search with."""
    dense = [name for name, slot in slots.items() if slot.kind == "dense"]
    if not dense:
        return {}
    try:
        found = database.retrieve(target, database.sample_ids(target, QUERIES))
    except _NOT_TOLD:
        found = next(database.scan(target, page_size=QUERIES), [])
    usable = {name: [row for row in _rows(found, name) if row.any() and np.isfinite(row).all()] for name in dense}
    return {name: np.stack(some) for name, some in usable.items() if some}


def _rows(points: Sequence[Point], name: str) -> list[Floats]:
    found = (point.vectors.get(name) for point in points)
    return [vector for vector in found if vector is not None and not isinstance(vector, Sparse)]


def _products(vectors: Wide, queries: Wide) -> Wide:
    """All dot products of rows; in blocks, because the threads of BLAS would compete with the server for few cores."""
    products = np.empty((len(vectors), len(queries)), vectors.dtype)
    block = max(1, _ONE_THREAD // queries.size)
    for start in range(0, len(vectors), block):
        np.matmul(vectors[start : start + block], queries.T, out=products[start : start + block])
    return products


class _Nearest:
    """The nearest points of each query so far, for one named vector. Higher scores are nearer for every distance."""

    def __init__(self, distance: Distance, rows: Floats) -> None:
        self.queries = rows
        self._distance = distance
        self._sign = -1.0 if distance in {"Euclid", "Manhattan"} else 1.0
        self._best: list[list[tuple[float, PointId]]] = [[] for _ in rows]

    def scores(self, vectors: Floats) -> Wide:
        if self._distance == "Manhattan":
            distances: Wide = np.stack([np.abs(vectors - query).sum(axis=1) for query in self.queries], axis=1)
            return -distances
        if self._distance == "Euclid":
            wide, asked = vectors.astype(np.float64), self.queries.astype(np.float64)
            squares = (wide**2).sum(axis=1)[:, None] + (asked**2).sum(axis=1)[None, :] - 2 * _products(wide, asked)
            distances = np.sqrt(np.maximum(squares, 0))
            return -distances
        products = _products(vectors, self.queries)
        if self._distance == "Dot":
            return products
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None] * np.linalg.norm(self.queries, axis=1)
        cosines = np.zeros_like(products)
        np.divide(products, lengths, out=cosines, where=lengths > 0)
        return cosines

    def take(self, ids: Sequence[PointId], scores: Wide) -> None:
        """Keep the best points; a batch that is read again after a fault changes nothing."""
        for best, column in zip(self._best, scores.T, strict=True):
            rows = np.flatnonzero(column > best[-1][0]) if len(best) == TOP else np.arange(len(ids))
            if rows.size > TOP:
                rows = rows[np.argpartition(column[rows], -TOP)[-TOP:]]
            if rows.size:
                known = {one for _, one in best}
                best += [(float(column[row]), ids[int(row)]) for row in rows if ids[int(row)] not in known]
                best.sort(key=lambda one: -one[0])
                del best[TOP:]

    def know(self, found: Sequence[Sequence[tuple[PointId, float]]]) -> None:
        self._best = [[(self._sign * score, one) for one, score in answer] for answer in found]

    def share(self, found: Sequence[Sequence[tuple[PointId, float]]]) -> float | None:
        """The recall of the best points; points as near as the last of them count as well."""
        wanted = hits = 0
        for best, answer in zip(self._best, found, strict=True):
            if not best:
                continue
            names, last = {one for _, one in best}, best[-1][0]
            least = last - _TIE * max(1.0, abs(last))
            wanted += len(best)
            hits += sum(one in names or self._sign * score >= least for one, score in answer[: len(best)])
        return hits / wanted if wanted else None
