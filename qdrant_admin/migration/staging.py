"""Filling a staging collection beside the one in use, and switching an alias to it once it is verified.

Applications that use the alias see the new collection from one request to the next; the old collection stays.
"""

from collections.abc import Generator

from qdrant_admin.core.commands import Command
from qdrant_admin.core.events import Event, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.names import MAX_LENGTH
from qdrant_admin.migration.reports import CollectionPlan, CollectionResult

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


def switch(
    database: Database, planned: CollectionPlan, result: CollectionResult, profile: str
) -> Generator[Event, None, CollectionResult]:
    """Point the alias to the staging collection, and those of the source that are free or pointed where it did.

    All in one request; repeated after a kill, it changes nothing. Returns the result with a note of the switch.
    `RequestRejected` when a collection of the alias's name has been created since the plan.
    """
    alias, target, step = plain(planned.alias), plain(planned.target), f"switch:{planned.target}"
    yield StepStarted(step=step, title=f"switching {alias} to {target}")
    aliases, names = database.aliases(), set(database.names())
    before = aliases.get(planned.alias)
    kept = planned.replaces if before in {None, planned.target} else before or ""
    kept = kept if kept in names else ""
    wanted = [planned.alias, *(one for one in planned.aliases if one not in names)]
    free = {None, before, planned.target}
    database.set_aliases({one: planned.target for one in wanted if aliases.get(one) in free})
    words = f"{alias} points to {target} now"
    if kept:
        deleting = str(Command("collections", "delete", kept).on(profile))
        words += f"; {plain(kept)} is kept, to delete it: {deleting}"
        yield Notice(text=f"{plain(kept)} is kept as it was; to delete it", fix=deleting)
    yield StepFinished(step=step, detail=f"{alias} pointed to {plain(kept)}" if kept else f"{alias} is new")
    return result.noted(words).model_copy(update={"alias": planned.alias, "kept": kept})


def not_switched(planned: CollectionPlan, result: CollectionResult) -> CollectionResult:
    still = f"still points to {plain(planned.replaces)}" if planned.replaces else "was not created"
    return result.noted(f"{plain(planned.alias)} {still}: {plain(planned.target)} is not verified")
