"""The targets of one run, held against every other migration: of this home, of another one, of another machine.

A target that does not exist is claimed by creating it, since the server refuses the second who does. The claim stands
in the collection's metadata with a lease that is renewed while the run goes on. One that ran out, or whose run is known
to have been stopped, is taken over, and that is said. Servers that keep no metadata (before 1.16) hold no claim.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, NotFound, OutcomeUnknown, Refused, RequestRejected, Unsupported
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.claims import Claim, claimed
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Feature
from qdrant_admin.state import run_locks
from qdrant_admin.state.installation import installation

LEASE_SECONDS = 120.0
"""How long a claim outlives a run that was killed, in the eyes of other homes; this home knows its own dead runs."""
_PER_TARGET_SECONDS = 2.0
"""A run with very many targets renews them less often."""
_RENEWALS = 4
"""How often within one lease."""
_SETTLE_SECONDS = 0.1
"""What lies between looking for a claim and writing one is far less."""

Planned = Literal["nothing", "empty", "anything"]
"""What a target was when its migration was planned, as far as it may only be filled while it is still that."""


class Targets:
    """The claims of one run. A context manager: renews them in a thread of its own, and gives them back at the end.

    Args:
        run: the migration's id.
        wanted: how many targets it has.
        source: of the migration, for the commands in refusals.
    """

    def __init__(self, database: Database, run: str, wanted: int, source: str) -> None:
        self._database, self._run, self._source = database, run, source
        self._lease = max(LEASE_SECONDS, _PER_TARGET_SECONDS * wanted)
        self._held: set[str] = set()
        self.lost: Refused | None = None
        """What to say when a target was taken by somebody else meanwhile."""
        self._stop, self._busy = threading.Event(), threading.Lock()
        self._renewing = threading.Thread(target=self._renew, name="migration-claims", daemon=True)
        self._ahead: timedelta | None = None
        """By how much the server's clock is ahead of ours."""
        self._taken_at: float | None = None
        """When the last target that existed was claimed, by the monotonic clock."""
        self._kept = True
        """Whether this server keeps claims, as far as it is known."""

    def __enter__(self) -> Self:
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._renewing.join()
        for name in self._held:
            with contextlib.suppress(AdminError):
                release(self._database, name, self._run)

    def create(self, name: str, spec: CollectionSpec) -> Events:
        """Create a target. `Refused`: somebody else was quicker; nothing of theirs was touched."""
        try:
            if self._kept:
                self._create(name, claimed(spec, self._claim()))
        except Unsupported:
            self._kept = False
            text = (
                "this server keeps no metadata of collections: another migration into the same target cannot see ours"
            )
            yield Notice(text=text)
        if self._kept:
            self._held.add(name)
        else:
            self._create(name, spec)

    def _create(self, name: str, spec: CollectionSpec) -> None:
        try:
            self._database.create_collection(name, spec)
        except (RequestRejected, OutcomeUnknown) as error:
            if not self._is_ours(name):
                raise self._appeared(name, error) from error
            for field, params in spec.payload_indexes.items():
                self._database.create_payload_index(name, field, params)

    def _is_ours(self, name: str) -> bool:
        """Whether a creation without an answer has made the collection all the same: then it bears our claim."""
        with contextlib.suppress(NotFound):
            claim = self._database.claim(name)
            return claim is not None and claim.run == self._run
        return False

    def take(self, name: str, planned: Planned, *, begun: bool) -> Events:
        """Claim a target that exists.

        Args:
            name: of the collection.
            planned: what it was when the migration was planned.
            begun: whether this run has stored that it created or claimed it.

        Raises:
            Refused: another migration is filling it, or it is another than it was planned for by now.
        """
        if name in self._database.aliases():
            what, why = f"{plain(name)} is an alias in the target by now", "what it points to belongs to somebody else"
            raise Refused(what, why=why, fix=Command("migrate", self._source, dry_run=True))
        claim = self._database.claim(name)
        ours = claim is not None and claim.run == self._run
        over = "" if claim is None or ours else ended(claim, self._database)
        if claim is not None and not (ours or over):
            raise self._taken(name, claim)
        if claim is None and planned == "nothing" and not (begun or self._without_claims()):
            raise self._appeared(name)
        if planned != "anything" and not ours and (held := self._held_points(name)):
            raise self._appeared(name) if planned == "nothing" else self._filled(name, held)
        if over:
            yield Notice(level="warning", text=f"{plain(name)} is taken over from another migration: {over}")
        self._put(name)

    def settle(self) -> None:
        """Look whether somebody claimed an existing target at the same moment, before anything is written into it.

        Raises `Refused` when so: theirs is the later claim, and holds.
        """
        if self._taken_at is not None:
            self._stop.wait(self._taken_at + _SETTLE_SECONDS - time.monotonic())
            with self._busy:
                self._renew_all()
        self.check()

    def check(self) -> None:
        """Raise `Refused` when a target was taken by somebody else meanwhile."""
        if self.lost is not None:
            raise self.lost

    @contextlib.contextmanager
    def at_rest(self, seconds: float) -> Iterator[None]:
        """Within, no claim is renewed, as a comparison looks for writes to the server; they hold for so long.

        Raises `Refused` when one of them is somebody else's before or after: of two that claimed a target at the same
        moment, the first may not have seen the second, and a comparison may take longer than it was given.
        """
        with self._busy:
            self._renew_all(seconds)
            self.check()
            yield
            self._renew_all()
            self.check()

    def _without_claims(self) -> bool:
        return not Feature.METADATA.known_to(self._database.server().version)

    def _put(self, name: str) -> None:
        """Write our claim and look whose it is by then: of two at the same moment the later one has it."""
        self._database.set_claim(name, self._claim())
        self._taken_at = time.monotonic()
        found = self._database.claim(name)
        if found is not None and found.run != self._run:
            raise self._taken(name, found)
        if found is not None:
            self._held.add(name)

    def _claim(self, seconds: float = 0.0) -> Claim:
        return Claim(owner=installation(), run=self._run, until=self._now() + timedelta(seconds=self._lease + seconds))

    def _now(self) -> datetime:
        """The time by the server's clock, which is asked for once."""
        if self._ahead is None:
            self._ahead = self._database.snapshots.clock() - datetime.now(UTC)
        return datetime.now(UTC) + self._ahead

    def _renew(self) -> None:
        while not self._stop.wait(self._lease / _RENEWALS):
            with self._busy:
                self._renew_all()

    def _renew_all(self, seconds: float = 0.0) -> None:
        """Renew those that would run out within half a lease and these seconds."""
        if not self._held:
            return
        least = self._now() + timedelta(seconds=self._lease / 2 + seconds)
        for name in sorted(self._held):
            with contextlib.suppress(AdminError):  # the copy itself meets what is wrong with the server
                self._renew_one(name, least, seconds)

    def _renew_one(self, name: str, least: datetime, seconds: float) -> None:
        found = self._database.claim(name)
        if found is None or found.run != self._run:
            self._held.discard(name)
            self.lost = self.lost or self._taken(name, found)
        elif found.until < least:
            self._database.set_claim(name, self._claim(seconds))

    def _taken(self, name: str, claim: Claim | None) -> Refused:
        """`claim`: None when there is none any more: somebody took it over, for whatever reason, and has ended."""
        gone = "its lease ran out, another migration took the target over, and has ended since"
        return Refused(
            f"another migration {'is filling' if claim else 'has filled'} {plain(name)}",
            why=held_by(claim) if claim else gone,
            fix=Command("migrate", self._source, on_conflict="rename"),
        )

    def _held_points(self, name: str) -> str:
        """What a target holds, or has acknowledged and does not show yet, in words; empty when nothing."""
        points = self._database.count(name)
        return counted(points, "point") if points else self._database.pending(name).words

    def _filled(self, name: str, held: str) -> Refused:
        return Refused(
            f"{plain(name)} was empty in the target when this was planned",
            why=f"this migration did not write what it holds by now: {held}",
            fix=Command("migrate", self._source, dry_run=True),
        )

    def _appeared(self, name: str, error: AdminError | None = None) -> AdminError:
        """What a refused creation means: only where the collection is there by now, somebody else was quicker."""
        try:
            points, claim = self._database.count(name), self._database.claim(name)
        except NotFound:
            if error is None:
                raise
            return error
        by = f"{held_by(claim)}; " if claim is not None else ""
        return Refused(
            f"{plain(name)} has appeared in the target since the plan",
            why=f"{by}it holds {counted(points, 'point')} that this migration did not write",
            fix=Command("migrate", self._source, dry_run=True),
        )


def held_by(claim: Claim) -> str:
    return f"run {plain(claim.run)} of {_whose(claim)} holds it until {_moment(claim.until)}"


def ended(claim: Claim, database: Database) -> str:
    """Why a claim no longer holds, in words; empty while it does."""
    if claim.owner == installation() and not run_locks.migration(claim.run).busy:
        return f"its run {plain(claim.run)} was stopped, and nobody is working on it"
    now = database.snapshots.clock()
    if claim.ran_out(now):
        how = "ran out at" if claim.until <= now else "was made by a wrong clock: it is until"
        return f"the claim of run {plain(claim.run)} of {_whose(claim)} {how} {_moment(claim.until)}"
    return ""


def release(database: Database, name: str, run: str) -> None:
    """Take the claim of a run away; nothing where the collection is gone, or claimed by another run."""
    with contextlib.suppress(NotFound):
        claim = database.claim(name)
        if claim is not None and claim.run == run:
            database.set_claim(name, None)


def _whose(claim: Claim) -> str:
    return "this installation" if claim.owner == installation() else f"another installation ({plain(claim.owner[:12])})"


def _moment(when: datetime) -> str:
    return f"{when.astimezone():%a %d %b %Y %H:%M:%S}"
