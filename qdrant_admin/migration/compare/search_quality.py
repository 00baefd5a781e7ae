"""Whether searching the target finds what is nearest in the source: the ten best of some queries, before and after.

Before: every vector of the source, looked at as verification reads it anyway, or the exact search of a source that is a
Qdrant itself. After: the target's own search. An index
approximates, so the target is asked for its exact search as well when its ordinary one finds too little.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qdrant_admin.core.errors import BadInput, RequestRejected, Unsupported
from qdrant_admin.database.models import Distance, Floats, Point, PointId, Sparse, VectorSpec
from qdrant_admin.migration.reports import EXACT_LEAST

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

QUERIES = 16
TOP = 10
ORDINARY_LEAST = 0.2
"""What ordinary search has to find. Low, since random vectors in many dimensions are beyond any index: real ones are
found to 0.95 and more, and an index that is broken finds next to nothing."""
_TIE = 1e-4
"""A point whose score is that close to the tenth best is as good."""
_ONE_THREAD = 1 << 18
"""Multiplications up to which OpenBLAS starts no threads (its GEMM_MULTITHREAD_THRESHOLD, 4, times 65,536)."""
_NOT_TOLD = (BadInput, RequestRejected, Unsupported)
"""An old server, or a strict one."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How much of what is nearest is found, 0 to 1; the worst of the collection's vectors."""

    ordinary: float
    exact: float | None = None
    """None: nobody had to ask, or the server refuses to tell."""

    @property
    def sound(self) -> bool:
        """Whether a search in the target can be relied on."""
        return self.ordinary >= ORDINARY_LEAST and (self.exact is None or self.exact >= EXACT_LEAST)

    @property
    def words(self) -> str:
        """What there is to say beyond the figure; empty when all is well."""
        found = f"a search finds {self.ordinary:.0%} of the {TOP} nearest"
        if self.exact is None:
            return "" if self.ordinary >= EXACT_LEAST else found
        if self.exact < EXACT_LEAST:
            return f"{found}, and an exact one {self.exact:.0%}: the target does not find what the source holds"
        return f"{found}, an exact one {self.exact:.0%}: that is the index, a larger hnsw_ef finds more"


class Truth:
    """The nearest points at the source for some queries, gathered batch by batch. Safe to use from several threads.

    Args:
        slots: the vectors of the target.
        queries: by vector name, one query a row.
    """

    def __init__(self, slots: Mapping[str, VectorSpec], queries: Mapping[str, Floats]) -> None:
        self._lock = threading.Lock()
        self._nearest = {name: _Nearest(slots[name].distance or "Dot", rows) for name, rows in queries.items()}

    def add(self, points: Sequence[Point]) -> None:
        """Look at some points of the source."""
        for name in self._nearest:
            mine = [(point.id, point.vectors[name]) for point in points if name in point.vectors]
            dense = [(one, vector) for one, vector in mine if not isinstance(vector, Sparse) and vector.ndim == 1]
            if dense:
                self.add_rows(name, [one for one, _ in dense], np.stack([vector for _, vector in dense]))

    def add_rows(self, name: str, ids: Sequence[PointId], rows: Floats) -> None:
        """Look at some vectors of the source."""
        nearest = self._nearest.get(name)
        if nearest is not None:
            scores = nearest.scores(rows)
            with self._lock:
                nearest.take(ids, scores)

    def ask(self, source: "Database", collection: str) -> None:
        """Let a Qdrant that is the source tell by its own exact search; where it will not, nothing is known."""
        for name, nearest in self._nearest.items():
            with contextlib.suppress(*_NOT_TOLD):
                nearest.know(source.nearest(collection, list(nearest.queries), using=name, limit=TOP, exact=True))

    def compare(self, database: "Database", target: str) -> Quality | None:
        """Search the target; None when there is nothing to search for, or nobody may."""
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

    def _found(self, database: "Database", target: str, *, exact: bool) -> float | None:
        shares = []
        for name, nearest in self._nearest.items():
            hits = database.nearest(target, list(nearest.queries), using=name, limit=TOP, exact=exact)
            share = nearest.share(hits)
            if share is not None:
                shares.append(share)
        return min(shares, default=None)


def queries(database: "Database", target: str, slots: Mapping[str, VectorSpec]) -> dict[str, Floats]:
    """Vectors to search with, by name: those of some points of the target, whatever they are worth."""
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


def _products(vectors: Any, queries: Any) -> Any:
    """Of every row with every row; in blocks, since BLAS' own threads would fight with the server for few cores."""
    products = np.empty((len(vectors), len(queries)), vectors.dtype)
    block = max(1, _ONE_THREAD // queries.size)
    for start in range(0, len(vectors), block):
        np.matmul(vectors[start : start + block], queries.T, out=products[start : start + block])
    return products


class _Nearest:
    """The best of each query so far, by one vector. The higher a score, the nearer, whatever the distance."""

    def __init__(self, distance: Distance, rows: Floats) -> None:
        self.queries = rows
        self._distance = distance
        self._sign = -1.0 if distance in {"Euclid", "Manhattan"} else 1.0
        self._best: list[list[tuple[float, PointId]]] = [[] for _ in rows]

    def scores(self, vectors: Floats) -> Any:
        """Of every vector (a row) for every query (a column)."""
        if self._distance == "Manhattan":
            return -np.stack([np.abs(vectors - query).sum(axis=1) for query in self.queries], axis=1)
        if self._distance == "Euclid":
            wide, asked = vectors.astype(np.float64), self.queries.astype(np.float64)
            squares = (wide**2).sum(axis=1)[:, None] + (asked**2).sum(axis=1)[None, :] - 2 * _products(wide, asked)
            return -np.sqrt(np.maximum(squares, 0))
        products = _products(vectors, self.queries)
        if self._distance == "Dot":
            return products
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None] * np.linalg.norm(self.queries, axis=1)
        return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)

    def take(self, ids: Sequence[PointId], scores: Any) -> None:
        """Keep what is among the best; a batch that comes again, behind a fault, changes nothing."""
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
        """Take the best as somebody else found them."""
        self._best = [[(self._sign * score, one) for one, score in answer] for answer in found]

    def share(self, found: Sequence[Sequence[tuple[PointId, float]]]) -> float | None:
        """How much of the best is among what was found; points as near as the last of them count as well."""
        wanted = hits = 0
        for best, answer in zip(self._best, found, strict=True):
            if not best:
                continue
            names, last = {one for _, one in best}, best[-1][0]
            least = last - _TIE * max(1.0, abs(last))
            wanted += len(best)
            hits += sum(one in names or self._sign * score >= least for one, score in answer[: len(best)])
        return hits / wanted if wanted else None
