"""Writers that remember what a server has acknowledged, and what must therefore be there after a crash.

Every writer has ids of its own and does one thing at a time, and leaves an id alone whose change was not answered in
time, so at any moment at most one change of an id is not acknowledged: after a crash the id is in the state before or
after that change, and in no other.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from qdrant_admin.core.errors import AdminError, OutcomeUnknown, ServerTrouble
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Floats, Point, VectorSpec
from qdrant_admin.persistence.reports import CrashLoss

SPEC = CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),))
IDS_PER_WRITER = 400
_MOST_AT_ONCE = 8
_COLLECTIONS_AT_ONCE = 4


class Content(NamedTuple):
    """What a canary point holds: the change that wrote its vector, and the one that wrote its payload."""

    vector: int
    payload: int


@dataclass
class Slot:
    """One id: what was acknowledged of it last, and what was asked for and not answered."""

    acknowledged: Content | None = None
    asked: Content | Literal["nothing"] | None = "nothing"

    def loss(self, name: str, found: Content | None) -> CrashLoss | None:
        """What is wrong with what was found; None when it is as it must be."""
        if found in {self.acknowledged, self.asked}:
            return None
        return CrashLoss(what=name, acknowledged=_words(self.acknowledged), found=_words(found))

    def settle(self, found: Content | None) -> None:
        self.acknowledged, self.asked = found, "nothing"


@dataclass
class Counts:
    """What one writer did."""

    acknowledged: int = 0
    unanswered: int = 0


class PointWriter:
    """Upserts, deletes and changes of payload on ids of its own."""

    def __init__(self, number: int, collection: str, rng: random.Random, *, wait: bool) -> None:
        first = 1 + number * IDS_PER_WRITER
        self.slots = {one: Slot() for one in range(first, first + IDS_PER_WRITER)}
        self.counts = Counts()
        self._collection, self._rng, self._wait = collection, rng, wait
        self._change = 0

    def step(self, database: Database) -> None:
        """One change of a few points; counted when it is acknowledged."""
        self._change += 1
        change = self._change
        free = sorted(one for one, slot in self.slots.items() if slot.asked == "nothing")
        if len(free) < _MOST_AT_ONCE:
            raise ServerTrouble("hardly a change of a point was answered in time")
        ids = self._rng.sample(free, self._rng.randint(1, _MOST_AT_ONCE))
        there = [one for one in ids if self.slots[one].acknowledged is not None]
        kind = self._rng.choice(("upsert", "upsert", "delete", "payload")) if there else "upsert"
        if kind == "upsert":
            self._asked({one: Content(change, change) for one in ids})
            points = [Point(one, {"change": change}, {"": _vector(one, change)}) for one in ids]
            database.upsert(self._collection, points, wait=self._wait)
        elif kind == "delete":
            self._asked(dict.fromkeys(there))
            database.delete_points(self._collection, there, wait=self._wait)
        else:
            self._asked({one: self._with_payload(one, change) for one in there})
            database.set_payload(self._collection, there, {"change": change}, wait=self._wait)
        self._answered(ids)

    def losses(self, database: Database) -> Iterator[CrashLoss]:
        """Compare with what is there, and go on from it."""
        found = {one.id: _content(one) for one in database.retrieve(self._collection, list(self.slots))}
        for one, slot in self.slots.items():
            loss = slot.loss(f"point {one}", found.get(one))
            if loss is not None:
                yield loss
            slot.settle(found.get(one))

    def _with_payload(self, one: int, change: int) -> Content:
        known = self.slots[one].acknowledged
        assert known is not None  # noqa: S101 # only points that are there are chosen
        return known._replace(payload=change)

    def _asked(self, wanted: Mapping[int, Content | None]) -> None:
        for one, content in wanted.items():
            self.slots[one].asked = content

    def _answered(self, ids: Sequence[int]) -> None:
        for slot in map(self.slots.__getitem__, ids):
            if slot.asked != "nothing":
                slot.acknowledged, slot.asked = slot.asked, "nothing"
        self.counts.acknowledged += 1


@dataclass
class NameWriter:
    """Makes and deletes collections and aliases, always through the API and always with names of its own."""

    names: tuple[str, ...]
    """Every name that it may ever use."""
    rng: random.Random
    counts: Counts = field(default_factory=Counts)
    _there: dict[str, bool | None] = field(default_factory=dict)
    """Collections and aliases; None while a change of one is not answered."""

    def step(self, database: Database) -> None:
        """Make a collection and an alias of it, or delete the oldest."""
        made = [name for name in self.names if self._there.get(name)]
        if len(made) >= _COLLECTIONS_AT_ONCE or (made and self.rng.random() < 0.3):
            oldest = made[0]
            self._do((oldest, _alias(oldest)), there=False, change=lambda: database.delete_collection(oldest))
            return
        free = [name for name in self.names if self._there.get(name, False) is False]
        if not free:
            raise ServerTrouble("hardly a change of a collection was answered in time")
        name = self.rng.choice(free)
        self._do((name,), there=True, change=lambda: database.create_collection(name, SPEC))
        self._do((_alias(name),), there=True, change=lambda: database.set_alias(_alias(name), name))

    def losses(self, database: Database) -> Iterator[CrashLoss]:
        """Compare with what is there, and go on from it."""
        there = {*database.names(), *database.aliases()}
        for name, expected in self._there.items():
            found = name in there
            if expected is not None and found != expected:
                yield CrashLoss(what=f"collection or alias {name}", acknowledged=_there(expected), found=_there(found))
        for name in self._there:
            self._there[name] = name in there

    def _do(self, names: tuple[str, ...], *, there: bool, change: Callable[[], object]) -> None:
        self._there |= dict.fromkeys(names, None)
        change()
        self._there |= dict.fromkeys(names, there)
        self.counts.acknowledged += 1


Writer = PointWriter | NameWriter


class Writers:
    """Writers at work, each in a thread and on a connection of its own."""

    def __init__(self, writers: Sequence[Writer], connect: Callable[[], Database]) -> None:
        self._connect = connect
        self._stop, self._crash = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(writer,), daemon=True) for writer in writers]
        self.failures: list[str] = []
        """Why writers ended that were not ended by the crash, in words. Whole once all have stopped."""
        for thread in self._threads:
            thread.start()

    def expect_crash(self) -> None:
        """From now on a request that fails is what the crash does."""
        self._crash.set()

    def stop(self) -> None:
        """Let no writer begin another change, and wait for all of them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, writer: Writer) -> None:
        try:
            with closing(self._connect()) as database:
                while not self._stop.is_set():
                    try:
                        writer.step(database)
                    except OutcomeUnknown:  # no fault: it may be applied by now, or later
                        writer.counts.unanswered += 1
        except AdminError as error:  # whether this change was made is not known
            writer.counts.unanswered += 1
            if not self._crash.is_set():
                self.failures.append(plain(error))
        except Exception as error:  # noqa: BLE001 # a writer that ends must not end unnoticed
            self.failures.append(plain(f"{type(error).__name__}: {error}"))


def names_of(prefix: str) -> tuple[str, ...]:
    """The names of the collections that a `NameWriter` may make."""
    return tuple(f"{prefix}-{number}" for number in range(2 * _COLLECTIONS_AT_ONCE))


def _alias(name: str) -> str:
    return f"{name}-alias"


def _vector(one: int, change: int) -> Floats:
    return np.array([one, change, one * 0.5, 1.0], dtype=np.float32)


def _content(point: Point) -> Content:
    """What a canary point holds; a vector that no change of ours has written is change -1."""
    vector, change = point.vectors.get(""), -1
    if isinstance(vector, np.ndarray):
        told = int(vector[1])
        change = told if np.array_equal(vector, _vector(int(point.id), told)) else -1
    return Content(change, int(point.payload.get("change", -1)))


def _words(content: Content | None) -> str:
    return "absent" if content is None else f"vector of change {content.vector}, payload of change {content.payload}"


def _there(found: object) -> str:
    return "there" if found else "absent"
