"""Compares records of a source with the points of the target, and their ids. Safe for threads."""

import heapq
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from qdrant_admin.core.formatting import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.ids import id_key
from qdrant_admin.database.models import Point, PointId, VectorKind, VectorSpec
from qdrant_admin.migration.compare import equality
from qdrant_admin.migration.compare.search_quality import Truth
from qdrant_admin.migration.copy.checks import Checker
from qdrant_admin.migration.reports import CollectionPlan
from qdrant_admin.sources.base import Batch, CarriesWire, Columns, Cursor, Record, Source, WireBatch

if TYPE_CHECKING:
    from qdrant_admin.database.wire import WirePage

PAGE = 512
SHOWN = 100
State = Literal["equal", "different", "missing", "unseen"]
"""The outcome of a record's comparison. unseen: its content was not compared."""
_STATES: tuple[State, ...] = ("equal", "different", "missing", "unseen")
_KEY_BYTES, _PLACE_BYTES = 17, 8
_RECORD_BYTES = _KEY_BYTES + _PLACE_BYTES + 1
_CHUNK_BYTES = 160_000 * _RECORD_BYTES
"""Sorted in memory, then written to the disk."""
_BLOCK_BYTES = 1000 * _RECORD_BYTES


@dataclass(slots=True)
class Chunk:
    """Some records, and the part of the target that they are compared with."""

    batch: Batch | WireBatch | None
    """None: the source has nothing in this part."""
    after: Cursor
    cursor: Cursor
    """The end of that part, where the next chunk begins; None: the last point."""
    place: int
    """Position of the first record in the collection, from 0."""


@dataclass(slots=True)
class Named:
    """A count of ids, with the first hundred by name."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, name: object) -> None:
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(plain(name))

    def take(self, other: "Named") -> None:
        self.count += other.count
        self.shown += other.shown[: SHOWN - len(self.shown)]


@dataclass(slots=True)
class ComparisonResult:
    """The outcome of one chunk."""

    read: int = 0
    rejected: int = 0
    compared: int = 0
    """Records whose content was compared, whether or not the target has them."""
    equal: int = 0
    missing: Named = field(default_factory=Named)
    different: Named = field(default_factory=Named)
    extra: Named = field(default_factory=Named)
    met: int = 0
    """Points of the target in this part."""
    ids: bytes = b""
    """What an `IdSet` takes, where the source has an order of its own: missing and extra ids are found at the end."""
    names: dict[bytes, str] = field(default_factory=dict)
    """The source's own ids of records that are not equal, by key in the target."""


class Comparer:
    """Compares one collection chunk by chunk.

    Args:
        chosen: positions of the records whose content is compared; None: all of them.
        truth: is given every vector of the source.
    """

    def __init__(
        self,
        source: Source,
        database: Database,
        plan: CollectionPlan,
        slots: Mapping[str, VectorSpec],
        chosen: frozenset[int] | None,
        truth: Truth,
    ) -> None:
        self._source, self._database, self._plan, self._slots = source, database, plan, slots
        self._chosen, self._truth = chosen, truth
        self._kinds: dict[str, VectorKind] = {name: slot.kind for name, slot in slots.items()}
        self._checker = Checker(slots, vectorless=source.vectorless, folds_uuids=source.folds_uuids)
        self._whole = chosen is None and database.bulk.carries_wire
        """Whether all content is compared, and the target takes bytes."""
        self._wired = source if self._whole and isinstance(source, CarriesWire) and source.carries_wire else None

    @property
    def in_order(self) -> bool:
        """Whether both sides are read in the same order, so that every id of the target is seen on the way."""
        return self._wired is not None

    def chunks(self, span: int, after: Cursor, place: int) -> Iterator[Chunk]:
        """The rest of a span, after the cursor of the last settled chunk; `place`: position of the next record."""
        planned, name = self._plan.spans[span], self._plan.source
        after = planned.after if after is None else after
        if self._wired is None:
            for batch in self._source.batches(name, size=PAGE, after=after, until=planned.until):
                yield Chunk(batch, None, batch.cursor, place)
                place += len(batch)
            return
        for carried in self._wired.wire_batches(name, size=PAGE, after=after, until=planned.until):
            yield Chunk(carried, after, carried.cursor, place)
            after, place = carried.cursor, place + len(carried.page)
        yield Chunk(None, after, planned.until, place)

    def look(self, chunk: Chunk) -> ComparisonResult:
        if isinstance(chunk.batch, Batch):
            columns = chunk.batch.columns if self._whole else None
            return (columns and self._columns(columns, chunk.place)) or self._records(chunk.batch.records, chunk.place)
        return self._carried(chunk.batch, chunk)

    def _records(self, records: list[Record], place: int) -> ComparisonResult:
        """Look up each record in the target by its id."""
        checked = self._checker.check(records)
        refused = {id(refusal.record) for refusal in checked.refusals}
        kept = [(place + row, record) for row, record in enumerate(records) if id(record) not in refused]
        states: list[State] = ["unseen"] * len(kept)
        looked = [row for row, (own, _) in enumerate(kept) if self._chosen is None or own in self._chosen]
        for row, state in zip(looked, self._states([checked.points[row] for row in looked]), strict=True):
            states[row] = state
        self._truth.add(checked.points)
        seen = ComparisonResult(len(records), len(checked.refusals), len(looked), states.count("equal"))
        _mark(seen, [(own, record.id) for own, record in kept], [point.id for point in checked.points], states)
        return seen

    def _columns(self, columns: Columns, place: int) -> ComparisonResult | None:
        """Compare whole columns as bytes, and rows that differ one by one; None: every row needs the latter."""
        made = self._checker.entries(columns)
        if made is None:
            return None
        ids, payloads = made
        states: list[State] = ["equal"] * len(ids)
        doubted = self._doubted(columns, ids, payloads)
        if doubted:
            records = columns.records()
            points = self._checker.check([records[row] for row in doubted]).points
            for row, state in zip(doubted, self._states(points), strict=True):
                states[row] = state
        self._truth.add_rows(columns.slot, ids, columns.vectors)
        seen = ComparisonResult(len(ids), 0, len(ids), states.count("equal"))
        _mark(seen, list(enumerate(columns.ids, start=place)), ids, states)
        return seen

    def _doubted(self, columns: Columns, ids: list[PointId], payloads: list[list[bytes]]) -> list[int]:
        found = self._database.bulk.found(self._plan.target, ids)
        places = [found.places.get(one) for one in ids]
        vectors = found.vectors(columns.slot) if found.places else None
        if vectors is None or vectors.shape[1] != columns.vectors.shape[1]:
            return list(range(len(ids)))
        held = found.holding(payloads, places)
        rows = [row for row, same in enumerate(held) if same]
        theirs = [place for place, same in zip(places, held, strict=True) if same and place is not None]
        unlike = equality.unlike_rows(columns.vectors[rows], vectors[theirs], self._slots[columns.slot])
        sure = set(rows) - {rows[one] for one in unlike}
        return [row for row in range(len(ids)) if row not in sure]

    def _states(self, points: Sequence[Point]) -> list[State]:
        there = {
            point.id: point
            for point in self._database.retrieve(self._plan.target, [p.id for p in points], kinds=self._kinds)
        }
        pairs = [(row, there[point.id]) for row, point in enumerate(points) if point.id in there]
        unlike = equality.unlike([points[row] for row, _ in pairs], [found for _, found in pairs], self._slots)
        states: list[State] = ["missing"] * len(points)
        for row, _ in pairs:
            states[row] = "equal"
        for one in unlike:
            states[pairs[one][0]] = "different"
        return states

    def _carried(self, batch: WireBatch | None, chunk: Chunk) -> ComparisonResult:
        """Compare a page as bytes: both sides are in the server's order, so extra points are found as well."""
        page = batch.page if batch is not None else None
        ids = page.ids() if page is not None else []
        places = {one: place for place, one in enumerate(ids)}
        seen, doubted, met = ComparisonResult(read=len(ids), compared=len(ids)), set[int](), set[PointId]()
        size = len(ids) + 1 if ids else PAGE
        pages = self._database.bulk.wire_pages(self._plan.target, page_size=size, after=chunk.after, until=chunk.cursor)
        for found in pages:
            theirs = found.ids()
            seen.met += len(theirs)
            for one in theirs:
                if one not in places:
                    seen.extra.add(one)
            if page is not None:
                pairs = [(places[one], there) for there, one in enumerate(theirs) if one in places]
                doubted.update(page.unlike(found, pairs))
                met.update(theirs)
        if batch is None or page is None:
            return seen
        doubted.update(place for one, place in places.items() if one not in met)
        self._closer(batch, page, {ids[place] for place in doubted}, met, seen)
        return seen

    def _closer(
        self, batch: WireBatch, page: "WirePage", doubted: set[PointId], met: set[PointId], seen: ComparisonResult
    ) -> None:
        """Decode and compare points whose bytes differ, or whose bytes do not decide."""
        if page.look(self._slots).doubtful:
            doubted = set(page.ids())
        seen.equal = seen.read - len(doubted)
        if not doubted:
            return
        records = [record for record in batch.records() if record.id in doubted]
        for gone in doubted - {record.id for record in records}:
            seen.different.add(gone)  # deleted at the source since the page was read
        checked = self._checker.check(records)
        seen.rejected = len(checked.refusals)
        for refusal in checked.refusals:
            if refusal.record.id in met:
                seen.extra.add(refusal.record.id)
        for point, state in zip(checked.points, self._states(checked.points), strict=True):
            if state == "equal":
                seen.equal += 1
            else:
                (seen.missing if state == "missing" else seen.different).add(point.id)


def _mark(
    seen: ComparisonResult, records: list[tuple[int, int | str]], ids: list[PointId], states: list[State]
) -> None:
    """Record the state of each record, given its position and its own id."""
    marks = []
    for (place, own), identity, state in zip(records, ids, states, strict=True):
        mark = record(identity, place, state)
        marks.append(mark)
        if state in {"different", "missing"}:
            seen.names[key_of(mark)] = plain(own)
    seen.ids = b"".join(marks)


class Id(NamedTuple):
    """One id of either side."""

    key: bytes
    state: State | None
    """Of the last record of the source with this id; None: there is no such record."""
    there: bool
    """Whether the target has it."""
    records: int
    """How many records of the source have it."""


def record(point_id: PointId, place: int, state: State) -> bytes:
    """One record as bytes: its id, its place in the source's order, and its state."""
    return id_key(point_id) + place.to_bytes(_PLACE_BYTES, "big") + bytes((_STATES.index(state),))


def key_of(kept: bytes) -> bytes:
    return kept[:_KEY_BYTES]


class IdSet:
    """Two sets of ids side by side, whatever their size: the source's are sorted on the disk, the target's come sorted.

    If several records of the source have the same id, the target must hold the last of them. A context manager: it
    holds a temporary file.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="qdrant-admin-ids-")  # noqa: SIM115 # closed by `__exit__`
        self._sorted: list[tuple[int, int]] = []
        self._chunk = bytearray()

    def __enter__(self) -> "IdSet":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, records: bytes) -> None:
        self._chunk += records
        if len(self._chunk) >= _CHUNK_BYTES:
            start = self._file.seek(0, 2)
            self._file.write(_in_order(self._chunk))
            self._sorted.append((start, start + len(self._chunk)))
            self._chunk = bytearray()

    def against(self, target: Iterator[bytes]) -> Iterator[Id]:
        """Every id of either side, ascending; `target`: the keys of the target's ids, ascending."""
        pieces = [self._piece(start, end) for start, end in self._sorted]
        ours = heapq.merge(*pieces, _cut(_in_order(self._chunk)))
        there = next(target, None)
        for key, group in groupby(ours, key=key_of):
            while there is not None and there < key:
                yield Id(there, None, there=True, records=0)
                there = next(target, None)
            records = list(group)  # in their own order: the position follows the id
            yield Id(key, _STATES[records[-1][-1]], there == key, len(records))
            if there == key:
                there = next(target, None)
        while there is not None:
            yield Id(there, None, there=True, records=0)
            there = next(target, None)

    def _piece(self, start: int, end: int) -> Iterator[bytes]:
        while start < end:
            self._file.seek(start)
            block = self._file.read(min(_BLOCK_BYTES, end - start))
            start += len(block)
            yield from _cut(block)


def _in_order(records: bytes | bytearray) -> bytes:
    # NumPy leaves out zeros at the end when it compares, which changes no order among records of one length.
    return bytes(np.sort(np.frombuffer(bytes(records), dtype=f"S{_RECORD_BYTES}")).tobytes())


def _cut(records: bytes) -> Iterator[bytes]:
    return (records[start : start + _RECORD_BYTES] for start in range(0, len(records), _RECORD_BYTES))
