"""Everything a server holds at one moment: a fingerprint of every collection, aliases, and who wrote meanwhile."""

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AccessDenied, AdminError, Cancelled, NotFound, ServerUnreachable
from qdrant_admin.core.events import Event, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.progress import Pace
from qdrant_admin.database.fingerprint import Fingerprint, Reading, Sample
from qdrant_admin.database.gateway import Database
from qdrant_admin.state import canaries

Counters = Mapping[str, int]


@dataclass
class Survey:
    """A context manager: fingerprints may hold temporary files."""

    fingerprints: dict[str, Fingerprint] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Collections that are there and could not be read, and why."""
    aliases: dict[str, str] = field(default_factory=dict)
    version: str = ""
    """Of the server that answered."""
    counters_before: Counters | None = None
    """How often every writing endpoint was asked; None when the server does not tell."""
    counters_after: Counters | None = None

    @property
    def points(self) -> int:
        """Points read in all."""
        return sum(print_.points for print_ in self.fingerprints.values())

    def writers(self) -> tuple[str, ...]:
        """Writing endpoints that were asked while the collections were read."""
        return moved(self.counters_before, self.counters_after)

    def close(self) -> None:
        """Give temporary files back."""
        with ExitStack() as stack:
            for print_ in self.fingerprints.values():
                stack.callback(print_.close)


def moved(before: Counters | None, after: Counters | None) -> tuple[str, ...]:
    """The endpoints that were asked between two readings of the counters."""
    if before is None or after is None:
        return ()
    return tuple(sorted(name for name, count in after.items() if count > before.get(name, 0)))


def read_counters(database: Database) -> Counters | None:
    """How often every writing endpoint was asked; None when the server does not tell (a key without that right)."""
    try:
        return database.write_counters()
    except ServerUnreachable:
        raise
    except AdminError:
        return None


def take(
    survey: Survey,
    database: Database,
    chosen: Collection[str],
    step: str,
    *,
    cancel: CancelToken,
    earlier: Survey | None = None,
    sample: int | None = None,
) -> Generator[Event, None, None]:
    """Fill a survey.

    Args:
        survey: to be filled; it is the caller's to close.
        database: an open gateway.
        chosen: names of the collections to read; empty for all that are there.
        step: id of the step in the events.
        cancel: looked at between pages.
        earlier: the survey that this one will be compared with: the same filters are counted, the same searches
            made, the same points read.
        sample: of about how many points of a collection the content is read; None: of all.
    """
    every = "every point" if sample is None else f"every id and of {counted(sample, 'point')} a collection"
    yield StepStarted(step=step, title=f"taking the fingerprint of {every}")
    survey.counters_before = read_counters(database)
    survey.aliases = {alias: name for alias, name in database.aliases().items() if not _ours(name)}
    survey.version = database.server().version
    for name in database.names():
        if name not in chosen if chosen else _ours(name):
            continue
        cancel.check()
        try:
            yield from _one(survey, database, name, step, cancel, earlier, sample)
        except (Cancelled, ServerUnreachable, AccessDenied):
            raise
        except NotFound:
            continue  # deleted between the list and the look
        except AdminError as error:
            survey.unreadable[name] = str(error)
            yield Notice(level="error", text=f"collection {name} cannot be read: {error}", fix=error.fix)
    survey.counters_after = read_counters(database)
    text = f"{counted(survey.points, 'point')} in {counted(len(survey.fingerprints), 'collection')}"
    bad = len(survey.unreadable)
    yield StepFinished(
        step=step, outcome="failed" if bad else "ok", detail=f"{text}, {bad} cannot be read" if bad else text
    )


def _ours(name: str) -> bool:
    """Whether a check has made this collection for itself: they come and go."""
    return name.startswith(canaries.PREFIX)


def _one(
    survey: Survey,
    database: Database,
    name: str,
    step: str,
    cancel: CancelToken,
    earlier: Survey | None,
    sample: int | None,
) -> Generator[Event, None, None]:
    known = earlier.fingerprints.get(name) if earlier else None
    reading = Reading(database, name, known, _sampler(known, sample))
    try:
        pace = Pace(step, reading.info.points, item=name)
        yield pace.event()
        for seen in reading.pages(cancel):
            if event := pace.advance(seen):
                yield event
        survey.fingerprints[name] = reading.finish()
        yield pace.event()
    except BaseException:
        reading.ledger.close()
        raise


def _sampler(known: Fingerprint | None, sample: int | None) -> Callable[[int], Sample] | None:
    """The sample of the earlier reading, whatever was written or lost since; otherwise one for today's count."""
    if sample is None:
        return None
    earlier = known.sample if known else None
    return lambda points: earlier or Sample.of(sample, points)


def wait_for_wal(database: Database) -> Generator[Event, None, None]:
    """Make every acknowledged write of every collection durable: a stop is not a flush."""
    names = database.names()
    yield StepStarted(step="barrier", title="making every acknowledged write durable")
    failed = []
    for name in names:
        try:
            database.barrier(name)
        except ServerUnreachable:
            raise
        except AdminError as error:
            failed.append(name)
            yield Notice(level="warning", text=f"collection {name} could not be made durable first: {error}")
    done = len(names) - len(failed)
    yield StepFinished(step="barrier", outcome="warning" if failed else "ok", detail=counted(done, "collection"))
