"""What was found of a collection so far, added up."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.database.ids import id_of_key
from qdrant_admin.migration.compare.comparer import ComparisonResult, Named
from qdrant_admin.migration.compare.id_sets import Id, IdSet
from qdrant_admin.sources.base import Cursor

_NAMES = 10_000
"""Ids of which the source's own spelling is kept, until it is sure that they differ. Of more, the target's is told."""
_CHECK_EVERY = 50_000


@dataclass(slots=True)
class At:
    """How far a span was compared."""

    cursor: Cursor = None
    read: int = 0
    done: bool = False


class Counters:
    """The figures of one look. A context manager: it may hold a temporary file."""

    def __init__(self, spans: int) -> None:
        self.at = [At() for _ in range(spans)]
        self.read = self.rejected = self.compared = self.equal = 0
        self.superseded = 0
        """Records whose id comes again behind them."""
        self.missing, self.different, self.extra = Named(), Named(), Named()
        self.points = 0
        """The target's own exact count, after everything was read."""
        self.met = 0
        """Points of the target that were met."""
        self._ids = IdSet()
        self._names: dict[bytes, str] = {}

    def __enter__(self) -> "Counters":
        self._ids.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ids.__exit__(kind, error, trace)

    @property
    def open(self) -> list[int]:
        """Spans that are not compared to their end."""
        return [span for span, at in enumerate(self.at) if not at.done]

    def ended(self, span: int) -> None:
        """A span was compared to its end."""
        self.at[span].done = True

    def take(self, span: int, cursor: Cursor, seen: ComparisonResult) -> None:
        """Add what was found in one chunk."""
        at = self.at[span]
        at.cursor, at.read = cursor, at.read + seen.read
        self.read += seen.read
        self.rejected += seen.rejected
        self.compared += seen.compared
        self.equal += seen.equal
        self.met += seen.met
        self.missing.take(seen.missing)
        self.different.take(seen.different)
        self.extra.take(seen.extra)
        self._ids.add(seen.ids)
        for key, name in seen.names.items():
            if len(self._names) < _NAMES:
                self._names[key] = name

    def match_ids(self, target: Iterator[bytes], cancel: CancelToken) -> None:
        """Lay all ids of the target beside those of the source, where the source has an order of its own."""
        self.equal = self.superseded = self.met = 0
        self.missing, self.different, self.extra = Named(), Named(), Named()
        for place, one in enumerate(self._ids.against(target)):
            if place % _CHECK_EVERY == 0:
                cancel.check()
            self.met += one.there
            self.superseded += max(0, one.records - 1)
            if one.state is None:
                self.extra.add(id_of_key(one.key))
            elif not one.there:
                self.missing.add(self._name(one))
            elif one.state == "equal":
                self.equal += 1
            elif one.state != "unseen":  # also one that was missing and has come since
                self.different.add(self._name(one))

    def _name(self, one: Id) -> object:
        return self._names.get(one.key, id_of_key(one.key))
