"""Some records of a source against what the target holds in their place. Called from several threads at once."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Point, PointId, VectorKind, VectorSpec
from qdrant_admin.migration.compare import equality, id_sets
from qdrant_admin.migration.compare.id_sets import State
from qdrant_admin.migration.compare.search_quality import Truth
from qdrant_admin.migration.copy.checks import Checker, Packer
from qdrant_admin.migration.reports import CollectionPlan
from qdrant_admin.sources.base import Batch, CarriesWire, Columns, Cursor, Record, Source, WireBatch

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.database.wire import WirePage

PAGE = 512
SHOWN = 100


@dataclass(slots=True)
class Chunk:
    """Some records, and which part of the target they are compared with."""

    batch: Batch | WireBatch | None
    """None: nothing of the source lies in this part."""
    after: Cursor
    cursor: Cursor
    """Where the part of the target ends and where to go on; None as an end: with the last point."""
    place: int
    """Of its first record among all of them, from 0."""


@dataclass(slots=True)
class Named:
    """So many ids, and the names of the first hundred of them."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, name: object) -> None:
        """One more."""
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(plain(name))

    def take(self, other: "Named") -> None:
        """All of another one."""
        self.count += other.count
        self.shown += other.shown[: SHOWN - len(self.shown)]


@dataclass(slots=True)
class ComparisonResult:
    """What was found in one chunk."""

    read: int = 0
    rejected: int = 0
    compared: int = 0
    """Records whose content was looked at, there or not."""
    equal: int = 0
    missing: Named = field(default_factory=Named)
    different: Named = field(default_factory=Named)
    extra: Named = field(default_factory=Named)
    met: int = 0
    """Points of the target that lie in this part."""
    ids: bytes = b""
    """Instead of these, where a source has its own order: for an `IdSet`."""
    names: dict[bytes, str] = field(default_factory=dict)
    """Of those that are not equal: key in the target to the source's own id."""


class Comparer:
    """Compares one collection chunk by chunk.

    Args:
        source: of the records.
        database: the target.
        plan: of the collection.
        slots: the vectors of the target.
        chosen: places of the records whose content is looked at, ascending; None for all of them.
        truth: is told of every vector of the source.
    """

    def __init__(
        self,
        source: Source,
        database: "Database",
        plan: CollectionPlan,
        slots: Mapping[str, VectorSpec],
        chosen: Sequence[int] | None,
        truth: Truth,
    ) -> None:
        self._source, self._database, self._plan, self._slots = source, database, plan, slots
        self._chosen, self._truth = chosen, truth
        self._kinds: dict[str, VectorKind] = {name: slot.kind for name, slot in slots.items()}
        self._checker = Checker(slots, vectorless=source.vectorless, folds_uuids=source.folds_uuids)
        self._packer = Packer(slots, folds_uuids=source.folds_uuids)
        self._whole = chosen is None and database.carries_wire
        """Whether everything of a record is compared, and can be as bytes."""
        self._wired = _wired(source) if self._whole else None

    @property
    def in_order(self) -> bool:
        """Whether both sides are read in the same order of ids, so that every id of the target is met on the way."""
        return self._wired is not None

    def chunks(self, span: int, after: Cursor, place: int) -> Iterator[Chunk]:
        """What is left of a span.

        Args:
            span: its number in the plan.
            after: the cursor of the last chunk that was settled; None for none.
            place: of the next record among all of them.
        """
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
        """Compare one chunk."""
        if isinstance(chunk.batch, Batch):
            columns = chunk.batch.columns if self._whole else None
            return (columns and self._columns(columns, chunk.place)) or self._records(chunk.batch.records, chunk.place)
        return self._carried(chunk.batch, chunk)

    def _records(self, records: list[Record], place: int) -> ComparisonResult:
        """By id: the order of the source is its own."""
        checked = self._checker.check(records)
        refused = {id(refusal.record) for refusal in checked.refusals}
        kept = [(place + row, record) for row, record in enumerate(records) if id(record) not in refused]
        states: list[State] = ["unseen"] * len(kept)
        looked = [row for row, (own, _) in enumerate(kept) if self._is_chosen(own)]
        for row, state in zip(looked, self._states([checked.points[row] for row in looked]), strict=True):
            states[row] = state
        self._truth.add(checked.points)
        seen = ComparisonResult(len(records), len(checked.refusals), len(looked), states.count("equal"))
        _mark(seen, [(own, record.id) for own, record in kept], [point.id for point in checked.points], states)
        return seen

    def _columns(self, columns: Columns, place: int) -> ComparisonResult | None:
        """By id as well, all of them at once, as bytes; a closer look where those differ. None: one by one, all."""
        made = self._packer.entries(columns)
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
        """Rows that are not surely in the target as they are."""
        found = self._database.found(self._plan.target, ids)
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

    def _is_chosen(self, place: int) -> bool:
        if self._chosen is None:
            return True
        found = bisect_left(self._chosen, place)
        return found < len(self._chosen) and self._chosen[found] == place

    def _states(self, points: Sequence[Point]) -> list[State]:
        """Of some points that the target should hold."""
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
        """Side by side: both lie in the server's order, so whatever else is in this part of the target is met."""
        page = batch.page if batch is not None else None
        ids = page.ids() if page is not None else []
        places = {one: place for place, one in enumerate(ids)}
        seen, doubted, met = ComparisonResult(read=len(ids), compared=len(ids)), set[int](), set[PointId]()
        size = len(ids) + 1 if ids else PAGE
        for found in self._database.wire_pages(
            self._plan.target, page_size=size, after=chunk.after, until=chunk.cursor
        ):
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
        """Take apart what is not the same byte for byte, or cannot be told by its bytes."""
        if page.look(self._slots).doubtful:
            doubted = set(page.ids())
        seen.equal = seen.read - len(doubted)
        if not doubted:
            return
        records = [record for record in batch.records() if record.id in doubted]
        for gone in doubted - {record.id for record in records}:
            seen.different.add(gone)  # it has left the source since the page was read
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
    """Keep what was found of each record, given its place and its own id."""
    marks = []
    for (place, own), identity, state in zip(records, ids, states, strict=True):
        mark = id_sets.record(identity, place, state)
        marks.append(mark)
        if state in {"different", "missing"}:
            seen.names[id_sets.key_of(mark)] = plain(own)
    seen.ids = b"".join(marks)


def _wired(source: Source) -> "CarriesWire | None":
    return source if isinstance(source, CarriesWire) and source.carries_wire else None
