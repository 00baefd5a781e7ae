"""Moving a server's data to a volume: what a runtime offers, one verb at a time. Who uses it decides and compares."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken


class Room(NamedTuple):
    """What a copy takes and what there is; None where nobody can tell."""

    needed: int | None
    """Bytes as the files claim them: a copy through the engine fills the holes of Qdrant's preallocated files."""
    free: int | None


class OldStorage(NamedTuple):
    """Where the data still lies after a move."""

    words: str
    remove: str
    """The command that removes it."""


class Relocation(Protocol):
    """One move of one server's data. Until it has taken over, going back is to start the old server."""

    volume: str
    """Where the data goes."""
    copied: int
    """Bytes so far."""

    @property
    def old(self) -> OldStorage:
        """Where the old data will be found."""

    def check(self) -> Room:
        """Look whether it can be done, before anything is touched; returns what it takes.

        Raises:
            Refused: it cannot, not without a risk, or there is no room for a second copy.
        """

    def prepare(self, *, running: bool) -> Settings:
        """Make the volumes and the server of the trial, not started. Returns the settings of the trial's server.

        Args:
            running: whether the server ran when it was found.

        Raises:
            Refused: a volume that was there before holds something.
        """

    def stop_old(self) -> None:
        """Stop the old server in order. From here on nobody can write."""

    def copy(self, cancel: CancelToken) -> Iterator[int]:
        """Copy every file, owners, rights and times included. Yields the bytes so far, a few times a second.

        Raises:
            AdminError: the engine could not, most often for want of room.
            Cancelled: somebody asked to stop.
        """

    def start_trial(self) -> None:
        """Start a server on the copy, where no application finds it. Does not wait for readiness."""

    def end_trial(self) -> None:
        """Stop that server in order and remove it; the volume stays."""

    def take_over(self, proof: str) -> None:
        """Set the old server aside and start one on the volume in its place.

        Args:
            proof: the report that both are equal; from here on a move that is killed goes forward, not back.

        Raises:
            Refused: the old server was started meanwhile, so it may hold what the copy lacks.
            AdminError: the new one does not stay up; the old one is as it was.
        """

    def back(self) -> None:
        """Everything as it was found: remove what was made here, and start the old server if it ran."""

    def settle(self) -> None:
        """Let go of the old server; where it holds the old data itself, keep it under a name that says so."""


class InterruptedRelocation(Protocol):
    """A move that was interrupted, by a kill or a power cut. It has harmed nothing."""

    volume: str
    """Where the data was to go."""

    @property
    def left(self) -> str:
        """Where the old data lies once it is ended, in words."""

    def resume(self) -> str | None:
        """End it. The proof that both are equal when it had taken over, so that the server is on the volume now; None
        when everything is as it was before the move.

        Raises:
            Failed: the old server could not be brought back.
        """
