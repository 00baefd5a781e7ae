"""Filling a staging collection beside the one in use, and switching an alias to it once it is verified.

An application that uses the alias changes over from one request to the next; the collection it has used stays.
"""

from typing import TYPE_CHECKING

from qdrant_admin.core.commands import Command
from qdrant_admin.core.events import Events, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.names import MAX_LENGTH
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database

_RUN_CHARACTERS = 8


def staging_name(alias: str, run: str) -> str:
    """The collection that is filled: `notes-staging-1a2b3c4d`."""
    ending = f"-staging-{run[:_RUN_CHARACTERS]}"
    return alias.encode()[: MAX_LENGTH - len(ending)].decode(errors="ignore") + ending


def taken(alias: str) -> str:
    return (
        f"{plain(alias)} is a collection in the target, not an alias, and no alias can have a collection's name. "
        "Choose another name for the alias and point the application at that, or delete the collection first"
    )


def follows(alias: str, planned: CollectionPlan, aliases: dict[str, str]) -> bool:
    """Whether an alias of the source is switched with the plan's own: it is free, or points to the same collection."""
    return aliases.get(alias) in {None, aliases.get(planned.alias), planned.target}


class Switch:
    """The switch of one collection's alias. Repeated after a kill, it changes nothing.

    Args:
        profile: that the command which deletes the old collection names.
    """

    def __init__(self, database: "Database", planned: CollectionPlan, profile: str) -> None:
        self._database, self._planned, self._profile = database, planned, profile
        self._kept = ""

    def run(self) -> Events:
        """Point the alias, and those of the source that follow it, to the staging collection; all in one request.

        Raises:
            RequestRejected: a collection of that name has been created since the plan.
        """
        planned, alias = self._planned, plain(self._planned.alias)
        step = f"switch:{planned.target}"
        yield StepStarted(step=step, title=f"switching {alias} to {plain(planned.target)}")
        aliases, names = self._database.aliases(), set(self._database.names())
        before = aliases.get(planned.alias)
        self._kept = planned.replaces if before in {None, planned.target} else before or ""
        self._kept = self._kept if self._kept in names else ""
        wanted = [planned.alias, *(one for one in planned.aliases if one not in names)]
        self._database.set_aliases({one: planned.target for one in wanted if follows(one, planned, aliases)})
        if self._kept:
            yield Notice(text=f"{plain(self._kept)} is kept as it was; to delete it", fix=self._how_to_delete())
        yield StepFinished(
            step=step, detail=f"{alias} pointed to {plain(self._kept)}" if self._kept else f"{alias} is new"
        )

    def with_outcome(self, result: CollectionResult) -> CollectionResult:
        planned = self._planned
        words = f"{plain(planned.alias)} points to {plain(planned.target)} now"
        if self._kept:
            words += f"; {plain(self._kept)} is kept, to delete it: {self._how_to_delete()}"
        return result.model_copy(
            update={"alias": planned.alias, "kept": self._kept, "note": "; ".join(filter(None, (result.note, words)))}
        )

    def _how_to_delete(self) -> str:
        return str(Command("collections", "delete", self._kept).on(self._profile))


def not_switched(planned: CollectionPlan, result: CollectionResult) -> CollectionResult:
    still = f"still points to {plain(planned.replaces)}" if planned.replaces else "was not created"
    words = f"{plain(planned.alias)} {still}: {plain(planned.target)} is not verified"
    return result.model_copy(update={"note": "; ".join(filter(None, (result.note, words)))})
