"""The reports of a move of the data to a volume. Field names are a contract with scripts."""

from qdrant_admin.core.formatting import counted, duration
from qdrant_admin.core.reports import Report
from qdrant_admin.persistence.reports import CollectionCheck, Proof


class MovePlanReport(Report):
    """What a move would do."""

    profile: str
    storage: str
    """Where the data lies, in words."""
    volume: str
    """Where it would go."""
    needed_bytes: int | None
    """What the copy takes; None when nobody can tell from here."""
    free_bytes: int | None
    steps: tuple[str, ...]
    """In words, in their order."""
    left: str
    """Where the old data would still lie."""

    @property
    def verdict_word(self) -> str:
        """Nothing was done."""
        return "planned"

    def summary(self) -> str:
        """From where to where."""
        return f"{self.storage} to volume {self.volume}"


class MoveReport(Proof):
    """What came of moving the data to a volume."""

    moved: bool
    """Whether the server runs on the volume now; otherwise it is on its old storage, as it was found."""
    volume: str
    collections: tuple[CollectionCheck, ...] = ()
    """`before` is the old storage, `after` the volume."""
    aliases: tuple[str, ...] = ()
    """Differences of the alias map, in words."""
    copied_bytes: int = 0
    interrupted_seconds: float | None = None
    """How long the server could not be reached; None when it was not stopped."""
    left: str = ""
    """Where the old data still lies, in words."""
    remove: str = ""
    """The command that removes the old data; empty unless `moved`."""

    def summary(self) -> str:
        """What is in the volume, and how long the server was away."""
        if not self.moved:
            return "the server is on its old storage, as it was"
        points = sum(check.after.points for check in self.collections if check.after)
        held = f"{counted(len(self.collections), 'collection')}, {counted(points, 'point')}"
        away = "" if self.interrupted_seconds is None else f", away for {duration(self.interrupted_seconds)}"
        return f"{held} in volume {self.volume}{away}"
