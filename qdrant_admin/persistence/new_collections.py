"""Collections that are created over the API just before a restart, and what comes of them.

Several at once, with points and without, one with an alias; the restart follows as soon as all of it is acknowledged.
They have names of their own, are remembered before they are created, and are deleted after the restart; should it fail,
the next check deletes them.
"""

import secrets
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Event, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.persistence.fingerprints import Counters, changed, read_counters
from qdrant_admin.persistence.reports import NewCollectionsCheck
from qdrant_admin.state import canaries
from qdrant_admin.workspace import Workspace

STEP = "fresh"

POINTS = 16
"""In the collection with an alias and in the one beside it; the third one stays empty."""
_SMALL = {"optimizers_config": {"default_segment_number": 1}, "wal_config": {"wal_capacity_mb": 1}}
_SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),), params=_SMALL)


class NewCollections:
    """Three collections and an alias, for one restart."""

    def __init__(self, ws: Workspace) -> None:
        self._ws, self._url = ws, ws.runtime.endpoint.url
        prefix = f"{canaries.PREFIX}{secrets.token_hex(4)}"
        self._empty, *self._filled = (f"{prefix}-{what}" for what in ("empty", "filled", "aliased"))
        self._alias = f"{prefix}-alias"
        self._made = False
        self.found: NewCollectionsCheck | None = None
        """What came of them; None before `look`, and where the server created none."""
        self.unexpected: tuple[str, ...] = ()
        """Writing endpoints that somebody else asked between the start of the server and `look`."""
        self.counters: Counters | None = {}
        """How often every writing endpoint was asked once they were deleted: what is more comes from somebody else."""

    def make(self) -> Generator[Event, None, None]:
        """Create them at the same time, each acknowledged. A server that refuses is reported, and no more."""
        yield StepStarted(step=STEP, title="creating collections of its own, just before")
        with self._ws.database() as database:
            try:
                self._make(database)
            except AdminError as error:
                canaries.remove(self._ws.store, database.delete_collection, self._url)
                yield StepFinished(step=STEP, outcome="warning", detail=f"the server creates none: {error}")
                return
        self._made = True
        yield StepFinished(step=STEP, detail=f"{counted(1 + len(self._filled), 'collection')}, one with an alias")

    def look(self) -> None:
        """See what is left of them after the restart, and delete them."""
        if not self._made:
            return
        with self._ws.database() as database:
            self.unexpected = changed({}, read_counters(database))
            lost = tuple(self._losses(database))
            self.found = NewCollectionsCheck(
                collections=1 + len(self._filled), points=POINTS * len(self._filled), aliases=1, lost=lost
            )
            canaries.remove(self._ws.store, database.delete_collection, self._url)
            self.counters = read_counters(database)

    def _make(self, database: Database) -> None:
        names = (self._empty, *self._filled)
        canaries.remember(self._ws.store, self._url, names)
        with ThreadPoolExecutor(len(names)) as threads:
            list(threads.map(lambda name: database.create_collection(name, _SPEC), names))
            list(threads.map(lambda name: database.upsert(name, _points()), self._filled))
        database.set_alias(self._alias, self._filled[-1])

    def _losses(self, database: Database) -> Iterator[str]:
        there = database.names()
        for name in (self._empty, *self._filled):
            if name not in there:
                yield f"collection {name} is gone"
            elif name in self._filled:
                found = {point.id: point for point in database.retrieve(name, range(POINTS))}
                lost = sum(not _same(point, found.get(point.id)) for point in _points())
                if lost:
                    yield f"collection {name} has lost {lost} of {POINTS} points"
        if database.aliases().get(self._alias) != self._filled[-1]:
            yield f"alias {self._alias} is gone"


def _points() -> list[Point]:
    return [Point(number, {"number": number}, {"": np.full(4, number, np.float32)}) for number in range(POINTS)]


def _same(point: Point, found: Point | None) -> bool:
    if found is None or found.payload != point.payload:
        return False
    vector = found.vectors.get("")
    return isinstance(vector, np.ndarray) and np.array_equal(vector, np.asarray(point.vectors[""]))
