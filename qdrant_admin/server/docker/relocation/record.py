"""What a move of a server's data leaves on the disk while it is at work, so that one that was killed can be tidied up.

A move that is killed has harmed nothing: before its end the old container is only stopped, and what was made for the
new one is told from anything else by this record.
"""

from pathlib import Path

from pydantic import ValidationError

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import StorageUnusable, Unfit
from qdrant_admin.core.files import write_atomically
from qdrant_admin.core.reports import Frozen
from qdrant_admin.server.runtime import Diagnosis
from qdrant_admin.state import run_locks


class Move(Frozen):
    """One move under way."""

    container: str
    """Name of the profile's container."""
    old: str
    """Id of the container whose data is moved."""
    running: bool
    """Whether it ran when it was found."""
    keep: bool
    """Whether the old container holds the only other copy of the data."""
    volume: str
    """Where the data goes."""
    made: tuple[str, ...] = ()
    """Volumes that did not exist before."""
    proof: str = ""
    """The report that both are equal, as JSON; empty until that has been seen."""


def remember(profile: str, move: Move) -> None:
    """Keep it, in place of what was kept before."""
    path = _file(profile)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, move.model_dump_json())
    except OSError as error:
        raise StorageUnusable(f"{path} cannot be written", why=str(error), fix=f'ls -ld "{path.parent}"') from error


def forget(profile: str) -> None:
    """It has ended."""
    _file(profile).unlink(missing_ok=True)


def read(profile: str) -> Move | None:
    """The move of this profile that has not ended."""
    path = _file(profile)
    try:
        return Move.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Unfit(f"{path} cannot be read", why=str(error), fix=f'rm "{path}"') from error


def left_by_move(profile: str) -> Diagnosis | None:
    """What a move that is no longer at work has left."""
    move = read(profile)
    if move is None or run_locks.storage_move(profile).busy:
        return None
    return Diagnosis(
        code="move_interrupted",
        what=f"moving the data to volume {move.volume} was interrupted",
        why="all of it has arrived and was compared" if move.proof else "nothing is lost: the data is where it was",
        fix=str(Command("move-storage").on(profile)),
    )


def _file(profile: str) -> Path:
    return state_dir() / "moves" / f"{profile}.json"
