"""What is at work, known to every process: a lock file for each run, held while a process is at it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Refused, StorageUnusable
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.core.locks import Held, holding, is_held

_LOOK_SECONDS = 0.1


class RunLock:
    """The lock of one thing that only one process may be at.

    Args:
        name: of its file: `check-local`, or the number of a migration run.
        refusal: what whoever comes second is told.
    """

    def __init__(self, name: str, refusal: Refused) -> None:
        self.path: Path = state_dir() / "runs" / f"{name}.lock"
        self._refusal = refusal

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it.

        Raises:
            Refused: another process holds it.
            StorageUnusable: the lock file cannot be made or locked.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(holding(self.path))
            except Held as error:
                raise self._refusal from error
            except OSError as error:
                fix = f'ls -ld "{self.path.parent}"'
                raise StorageUnusable(f"{self.path} cannot be locked", why=str(error), fix=fix) from error
            yield

    def during(self, events: Events) -> Events:
        """Pass events through while it is held; raises as `held` does."""
        with self.held():
            yield from events

    def taken(self, until: contextlib.ExitStack, cancel: CancelToken) -> Events:
        """Take it and hold it until the stack ends; another process that has it is told of, and waited for.

        Raises:
            Cancelled: somebody asked to stop waiting.
            StorageUnusable: the lock file cannot be made or locked.
        """
        told = False
        while True:
            try:
                until.enter_context(self.held())
            except Refused as held:
                if not told:
                    yield Notice(text=f"{held.what}: waiting for it to end")
                told = True
                cancel.wait(_LOOK_SECONDS)
            else:
                return

    @property
    def busy(self) -> bool:
        return is_held(self.path)


def migration(run: str) -> RunLock:
    return RunLock(run, Refused(f"run {run} is in progress in another process", fix=Command("history", "list")))


def check(profile: str) -> RunLock:
    return RunLock(
        f"check-{profile}",
        Refused(
            "another check of this server is in progress",
            why="both would restart it, and neither could tell what the other did",
            fix="wait for it to end",
        ),
    )


def storage_move(profile: str) -> RunLock:
    """Of a move of one profile's storage: it tells a move at work from one that was interrupted."""
    return RunLock(f"move-{profile}", Refused("this server's data is already being moved", fix="wait for it to end"))


def server_of(profile: str) -> RunLock:
    """Of making a key, making a server and starting or stopping it: two at once would each keep half of it."""
    return RunLock(
        f"server-{profile}", Refused("this server is being started or stopped already", fix="wait for it to end")
    )


def demo() -> RunLock:
    """Of the demonstration: what bears its mark belongs to nobody that is still at work."""
    return RunLock("demo", Refused("another demo is running", fix="wait for it to end"))
