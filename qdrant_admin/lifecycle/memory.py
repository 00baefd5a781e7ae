"""What is there today held against what was known to be here. Pure: everything it weighs is handed to it.

Applications write, and drop what they made: other counts are told and no more, and what a request took away is told
once. What weighs is another storage that holds less, and a known collection that is gone, emptied or made anew without
a request that did it: `lost` where the log is whole since then and shows none, `inconclusive` where nobody can tell.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from qdrant_admin.core.values import Frozen
from qdrant_admin.state.inventory import (
    Because,
    KnownCollection,
    KnownStorage,
    Missed,
    SeenStorage,
    Word,
    belongs,
)

if TYPE_CHECKING:
    from qdrant_admin.server.journal import Event, Journal

Kind = Literal["gone", "emptied", "fewer", "remade"]
"""`remade`: it is there, but was made anew since, although nothing had deleted the old one. `fewer`: on another
storage."""
_CLOCKS_DIFFER = timedelta(seconds=2)
"""Between this machine's clock and that of the server's log, or between an answer and what it says will be done."""


class Missing(Frozen):
    """One collection of which there was more."""

    name: str
    kind: Kind
    word: Word
    because: Because
    points: int
    """As known."""
    now: int = 0
    at: datetime
    """When it was known to be so."""
    moment: datetime | None = None
    """Of the request, or when the log begins."""


class Other(Frozen):
    """One collection that is there, and is not as it was known: told, and no more, as applications write."""

    name: str
    points: int
    """As known."""
    now: int
    at: datetime
    """When it was known to be so."""
    settings: bool
    """Whether its settings are others."""
    content: bool
    """Whether as many points hold something else."""


class Memory(Frozen):
    """Everything of which there was more, and from where."""

    missing: tuple[Missing, ...] = ()
    others: tuple[Other, ...] = ()
    earlier: str = ""
    """The storage that was known, in words, when today's is another one that holds less."""
    today: str = ""

    def having(self, word: Word) -> tuple[Missing, ...]:
        return tuple(one for one in self.missing if one.word == word)

    @property
    def word(self) -> Word | None:
        """The worst of them; None when nothing is missing."""
        words: tuple[Word, ...] = ("lost", "inconclusive", "told")
        return next((word for word in words if self.having(word)), None)


class Today(Frozen):
    """What is there now."""

    storage: SeenStorage
    aliases: Mapping[str, tuple[str, ...]] = {}
    """Of each collection: a request may name it by one of them."""
    uncertain: frozenset[str] = frozenset()
    """Collections whose count says nothing yet: they could not be read, or have not applied all they acknowledged."""
    only: frozenset[str] | None = None
    """Collections that were looked at, of others nothing is said; None: all."""
    names_its_deletes: bool = True
    """Whether there is a log that can be read: over REST it names what was emptied."""

    @property
    def counts(self) -> dict[str, int]:
        return {one.name: one.points for one in self.storage.collections}

    def expected(self, known: KnownStorage) -> dict[str, KnownCollection]:
        """What was known of the collections on which today can say something, by name."""
        left_out = self.uncertain if self.only is None else self.uncertain | (known.present.keys() - self.only)
        return {name: one for name, one in known.present.items() if name not in left_out}


def weigh(known: KnownStorage | None, today: Today, read: "Callable[[datetime], Journal]") -> Memory:
    """Hold today against what was known.

    Args:
        known: the storage in force; None when there is none.
        today: what is there, every collection of it.
        read: reads the server's log from a moment on; asked only when something is missing.
    """
    seen = today.storage
    if known is None:
        return Memory()
    if belongs(known, seen.runtime, seen.identity, seen.place):
        missing = tuple(_same_storage(known, today, read))
        return Memory(missing=missing, others=tuple(_others(known, today, {one.name for one in missing})))
    if known.identity is None or seen.identity is None:
        return Memory()
    missing = tuple(_other_storage(known, today))
    return Memory(missing=missing, earlier=known.place, today=seen.place) if missing else Memory()


def _other_storage(known: KnownStorage, today: Today) -> "list[Missing]":
    counts = today.counts
    return [
        _missing(one, _kind(counts.get(name)), "lost", "other_storage", counts.get(name, 0))
        for name, one in today.expected(known).items()
        if one.points > counts.get(name, 0)
    ]


def _kind(now: int | None) -> Kind:
    if now is None:
        return "gone"
    return "fewer" if now else "emptied"


def _same_storage(known: KnownStorage, today: Today, read: "Callable[[datetime], Journal]") -> "list[Missing]":
    counts = today.counts
    suspects = [
        one
        for name, one in today.expected(known).items()
        if name not in counts or counts[name] < one.points or one.missed
    ]
    if not suspects:
        return []
    journal = read(min(one.at for one in suspects) - _CLOCKS_DIFFER)
    found = (_judged(one, counts.get(one.name), known, today, journal) for one in suspects)
    return [one for one in found if one is not None]


def _others(known: KnownStorage, today: Today, missing: Collection[str]) -> "Iterator[Other]":
    there = {one.name: one for one in today.storage.collections if one.exact}
    for name, then in today.expected(known).items():
        now = there.get(name)
        if now is None or not then.exact or then.missed or name in missing:
            continue
        settings = _differ(then.settings, now.settings)
        content = then.points == now.points and _differ(then.digest, now.digest)
        if then.points != now.points or settings or content:
            yield Other(name=name, points=then.points, now=now.points, at=then.at, settings=settings, content=content)


def _differ(then: str, now: str) -> bool:
    """Whether two digests, `FORM:DIGEST`, differ; nothing is said of one that was not taken, or of two forms."""
    return then != now and then.partition(":")[0] == now.partition(":")[0]


def _judged(
    one: KnownCollection, now: int | None, known: KnownStorage, today: Today, journal: "Journal"
) -> Missing | None:
    if one.missed is not None and one.missed.word == "lost":
        return _still_lost(one, now, one.missed, today, journal)
    if now is None:
        return _gone(one, journal.last(one.name), known, today, journal)
    events = _since(one, today, journal)
    explained = next((event for event in reversed(events) if event.deed != "made"), None)
    if explained is not None:
        return None if now else _missing(one, "emptied", "told", "request", moment=explained.at)
    if journal.whole_since(one.at) and events:
        return _missing(one, "remade", "lost", "no_delete", now, moment=events[0].at)
    return None if now else _unexplained(one, "emptied", known, today, journal)


def _still_lost(
    one: KnownCollection, now: int | None, missed: Missed, today: Today, journal: "Journal"
) -> Missing | None:
    """It stays lost until it is accepted or put back: what is made in its place, and emptied or dropped, is another."""
    if now is None:
        return _missing(one, "gone", "lost", missed.because, moment=missed.moment)
    made = next((event for event in _since(one, today, journal) if event.deed == "made"), None)
    if made is None and now >= one.points:
        return None
    if made is None:
        return _missing(one, "emptied", "lost", missed.because, now, moment=missed.moment)
    return _missing(one, "remade", "lost", missed.because, now, moment=made.at)


def _gone(one: KnownCollection, last: "Event | None", known: KnownStorage, today: Today, journal: "Journal") -> Missing:
    """The log names every collection that is made or deleted: its latest word decides, whatever the clocks say."""
    if last is not None and last.deed == "deleted":
        return _missing(one, "gone", "told", "request", moment=last.at)
    if last is not None and one.missed is None and _unseen_delete(one, journal) is None:
        return _missing(one, "gone", "lost", "no_delete")
    return _unexplained(one, "gone", known, today, journal)


def _since(one: KnownCollection, today: Today, journal: "Journal") -> "list[Event]":
    """What requests did to it since it was known, under its own name or an alias; that it was loaded is none."""
    from qdrant_admin.server.journal import first_line

    names = {first_line(name) for name in (one.name, *today.aliases.get(one.name, ()))}
    since = {"made": one.at}  # what was made before was seen
    return [
        event
        for event in journal.events
        if event.name in names and event.deed != "loaded" and event.at >= since.get(event.deed, one.at - _CLOCKS_DIFFER)
    ]


def _unexplained(one: KnownCollection, kind: Kind, known: KnownStorage, today: Today, journal: "Journal") -> Missing:
    """No request is named that did it. Whether there was one all the same: over gRPC, or before the log begins."""
    if one.missed is not None:  # what told nothing then tells nothing now
        return _missing(one, kind, one.missed.word, one.missed.because, moment=one.missed.moment)
    if kind == "gone" and (unseen := _unseen_delete(one, journal)) is not None:
        return _missing(one, kind, "inconclusive", "unseen_delete", moment=unseen)
    if kind == "gone" and journal.whole_since(one.at):
        return _missing(one, kind, "lost", "no_delete")
    return _as_counted(one, kind, known, today, journal)


def _as_counted(one: KnownCollection, kind: Kind, known: KnownStorage, today: Today, journal: "Journal") -> Missing:
    """What the counters of the process say that was there then, where the log alone cannot tell."""
    whole = journal.whole_since(one.at) and journal.requests
    deletes = _deletes(known, today, only_grpc=whole)
    if deletes is None and whole:
        return _missing(one, kind, "inconclusive", "process_ended")
    if deletes is None:
        because: Because = "log_silent" if today.names_its_deletes else "process_ended"
        if journal.begins is not None:
            return _missing(one, kind, "inconclusive", "log_begins", moment=journal.begins)
        return _missing(one, kind, "inconclusive", because)
    return _missing(one, kind, "told", "request") if deletes else _missing(one, kind, "lost", "no_delete")


def _unseen_delete(one: KnownCollection, journal: "Journal") -> datetime | None:
    """When a collection was deleted here by a request of which this log says nothing."""
    there = journal.unseen_delete
    if there is None or there < one.at:
        return None
    told = any(event.deed == "deleted" and event.at >= one.at - _CLOCKS_DIFFER for event in journal.events)
    return None if told else there


def _deletes(known: KnownStorage, today: Today, *, only_grpc: bool) -> int | None:
    """How many deleting requests the server has counted since the earlier look; None when nobody can tell.

    A process that began since then has counted its own alone: one over gRPC may have emptied a collection, but that
    there was none says nothing of the process before.
    """
    seen = today.storage
    then = known.grpc_deletes if only_grpc else known.deletes
    now = seen.grpc_deletes if only_grpc else seen.deletes
    if now is None or not seen.process:
        return None
    if seen.process == known.process:
        return None if then is None else now - then
    return (now or None) if only_grpc else None


def _missing(
    one: KnownCollection, kind: Kind, word: Word, because: Because, now: int = 0, *, moment: datetime | None = None
) -> Missing:
    return Missing(
        name=one.name, kind=kind, word=word, because=because, points=one.points, now=now, at=one.at, moment=moment
    )
