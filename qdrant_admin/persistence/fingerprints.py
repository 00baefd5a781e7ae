"""Everything a server holds at one moment: a fingerprint of every collection, aliases, and who wrote meanwhile."""

import re
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AccessDenied, AdminError, Cancelled, NotFound, ServerUnreachable
from qdrant_admin.core.events import Event, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.fingerprint import Fingerprint, Reading, Sample
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import Pending
from qdrant_admin.database.pending import wait_applied
from qdrant_admin.persistence.writers import Counters, read_counters, written
from qdrant_admin.state import canaries


@dataclass
class ServerScan:
    """What was read. Close it: fingerprints may hold temporary files."""

    collections: dict[str, Fingerprint] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Collections that are there and could not be read, and why."""
    hidden: dict[str, str] = field(default_factory=dict)
    """What collections had acknowledged and did not show when they were read, in words."""
    aliases: dict[str, str] = field(default_factory=dict)
    version: str = ""
    """Of the server that answered."""
    members: int = 1
    """Servers that hold the data together."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    counters_before: Counters | None = None
    """How often every writing endpoint was asked; None when the server does not tell."""
    counters_after: Counters | None = None

    @property
    def points(self) -> int:
        return sum(fingerprint.points for fingerprint in self.collections.values())

    def writes(self) -> dict[str, int]:
        """Writing requests while the collections were read, by endpoint."""
        return written(self.counters_before, self.counters_after)

    def close(self) -> None:
        with ExitStack() as stack:
            for fingerprint in self.collections.values():
                stack.callback(fingerprint.close)


class Scanner:
    """Takes the fingerprint of every collection, or of the `chosen` ones; two scans of one scanner can be compared.

    With `sample` the content of only about that many points of each collection is read.
    """

    def __init__(self, profile: str, chosen: Collection[str], sample: int | None, cancel: CancelToken) -> None:
        self._profile, self._chosen, self._sample, self._cancel = profile, chosen, sample, cancel

    def fingerprint_all(
        self, scan: ServerScan, database: Database, step: str, earlier: ServerScan | None = None
    ) -> Generator[Event, None, None]:
        """Fill a scan, which is the caller's to close.

        With `earlier`, the scan that this one will be compared with, the same filters are counted, the same searches
        made and the same points read.
        """
        every = f"every id and of {counted(self._sample, 'point')} per collection" if self._sample else "every point"
        yield StepStarted(step=step, title=f"taking the fingerprint of {every}")
        scan.began, scan.counters_before = datetime.now(UTC), read_counters(database)
        scan.aliases = {alias: name for alias, name in database.aliases().items() if not _is_canary(name)}
        scan.version, scan.members = database.server().version, members_of(database)
        for name in filter(self._is_wanted, database.names()):
            self._cancel.check()
            try:
                scan.collections[name], pending = yield from self._fingerprint(
                    database, name, step, earlier, scan.aliases
                )
                if pending.left:
                    scan.hidden[name] = pending.words
            except (Cancelled, ServerUnreachable):
                raise
            except AdminError as error:
                # Asked again, as it may have been deleted; and a key that no longer opens anything is an error.
                if isinstance(error, NotFound | AccessDenied) and name not in database.names():
                    continue
                scan.unreadable[name] = _unreadable(error, scan.members)
                fix = error.fix_on(self._profile)
                yield Notice(level="error", text=f"collection {name} cannot be read: {error}", fix=fix)
        scan.counters_after = read_counters(database)
        detail = f"{counted(scan.points, 'point')} in {counted(len(scan.collections), 'collection')}"
        if bad := len(scan.unreadable):
            detail += f", {bad} cannot be read"
        yield StepFinished(step=step, outcome="failed" if bad else "ok", detail=detail)

    def _is_wanted(self, name: str) -> bool:
        return name in self._chosen if self._chosen else not _is_canary(name)

    def _fingerprint(
        self,
        database: Database,
        name: str,
        step: str,
        earlier: ServerScan | None,
        aliases: Mapping[str, str],
    ) -> Generator[Event, None, tuple[Fingerprint, Pending]]:
        """What the collection shows once it shows all that it has acknowledged, and what it hides all the same."""
        known = earlier.collections.get(name) if earlier else None
        reading = Reading(database, name, known, self._sampler(known), aliases)
        pending = reading.info.pending
        if pending.left:
            reading.digests.close()
            pending = yield from wait_applied(database, name, self._cancel, step=step)
            reading = Reading(database, name, known, self._sampler(known), aliases)
        try:
            pace = ProgressMeter(step, reading.expected, item=name)
            yield pace.event()
            for seen in reading.pages(self._cancel):
                if event := pace.advance(seen):
                    yield event
            found = reading.finish()
            yield pace.event()
        except BaseException:
            reading.digests.close()
            raise
        return found, pending

    def _sampler(self, known: Fingerprint | None) -> Callable[[int], Sample] | None:
        """The sample of the earlier reading, whatever was written or lost since; otherwise one for today's count."""
        if (size := self._sample) is None:
            return None
        earlier = known.sample if known else None
        return lambda points: earlier or Sample.of(size, points)


def members_of(database: Database) -> int:
    """Servers that hold the data together; 1 as well where the API key does not show it."""
    try:
        return database.snapshots.peers()
    except ServerUnreachable:
        raise
    except AdminError:
        return 1


def _unreadable(error: AdminError, members: int) -> str:
    """Why, in words; a member of a cluster tells that another one is down as a fault of its own."""
    down = members > 1 and re.search(r"tcp connect error|Unavailable|read operations failed", str(error))
    return f"a node that holds a shard of it is down: {error}" if down else str(error)


def _is_canary(name: str) -> bool:
    return name.startswith(canaries.PREFIX)


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
