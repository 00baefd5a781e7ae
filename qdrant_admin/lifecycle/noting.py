"""Each look is held against what was known, and then kept: what `memory` weighs is gathered and noted here."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import counted, day
from qdrant_admin.database.scoped_keys import collections_opened
from qdrant_admin.lifecycle.memory import Memory, Missing, Today, weigh
from qdrant_admin.state import inventory
from qdrant_admin.state.inventory import Gone, KnownCollection, Missed, SeenStorage

if TYPE_CHECKING:
    from qdrant_admin.database.models import CollectionInfo
    from qdrant_admin.server.health import Probe
    from qdrant_admin.server.journal import Journal
    from qdrant_admin.server.runtime import ServerRuntime
    from qdrant_admin.state.store import StateStore
    from qdrant_admin.workspace import Workspace


_WENT: dict[Gone, str] = {
    "": "no request to delete it has been seen since",
    "command": "qdrant-admin deleted it on {at}",
    "request": "a request had deleted it by {at}",
    "accepted": "its loss was accepted on {at}",
    "storage": "this storage was gone by {at}",
}


def today(
    runtime: "ServerRuntime", probe: "Probe", collections: "Iterable[CollectionInfo]", began: datetime
) -> Today | None:
    """What a status that began then has seen, in the form in which it is weighed and kept. As `seen_whole`."""
    from qdrant_admin.database.models import Pending

    seen = tuple(collections)
    return seen_whole(
        runtime,
        probe,
        (
            KnownCollection(name=one.name, points=one.points, exact=True, at=began)
            for one in seen
            if one.points is not None and not one.trouble
        ),
        aliases={one.name: one.aliases for one in seen if one.aliases},
        uncertain=frozenset(one.name for one in seen if one.points is None or one.trouble or one.pending != Pending()),
    )


def seen_whole(
    runtime: "ServerRuntime",
    probe: "Probe",
    collections: Iterable[KnownCollection],
    *,
    aliases: Mapping[str, tuple[str, ...]],
    uncertain: frozenset[str],
    only: frozenset[str] | None = None,
) -> Today | None:
    """A look at every collection, or at `only` some; None where it would say nothing.

    With a key for some collections only, others are out of sight, and not gone.

    Raises:
        AdminError: the storage cannot be looked at.
    """
    if not probe.ready or probe.recovery_mode is not False:
        return None
    identity = runtime.storage_identity()
    if identity is None and runtime.capabilities.local:
        return None
    if identity is not None and not (identity.mark or identity.peer):
        return None
    storage = SeenStorage(
        runtime=runtime.kind,
        identity=identity,
        place=identity.place if identity else runtime.endpoint.url,
        version=probe.version or "",
        collections=tuple(collections),
        process=probe.process,
        deletes=probe.deletes,
        grpc_deletes=probe.grpc_deletes,
    )
    logs = runtime.capabilities.logs
    only = only or frozenset(collections_opened(runtime.endpoint.api_key)) or None
    return Today(storage=storage, aliases=aliases, uncertain=uncertain, names_its_deletes=logs, only=only)


def remember(ws: "Workspace", seen: Today, *, keep: bool = True) -> Memory:
    """Hold a look against what was known, and keep it.

    What a request took away is told this once and accepted. What nobody asked for stays known until the user accepts
    it, and so does a storage that holds more than today's.

    Raises:
        AdminError: the state or the log cannot be read, or nothing is missing and that could not be kept.
    """
    profile, storage = ws.settings.name, seen.storage
    if ws.settings.profile.ephemeral:
        return Memory()
    known = inventory.known(ws.store, profile, storage.unseen) or inventory.shared(ws.store, storage.identity)
    found = weigh(known, seen, lambda moment: _journal(ws, moment))
    if ws.settings.profile.expect == "ephemeral":
        found = _expected(found)
    if keep and not (found.earlier and found.word == "lost"):
        try:
            _keep(ws, seen, found)
        except AdminError:
            if found.word in {None, "told"}:
                raise
    return found


def accept(ws: "Workspace", seen: Today) -> None:
    """Make this look the known state; what it could not read stays known as it was.

    Raises:
        AdminError: the state cannot be written.
    """
    inventory.accept(ws.store, ws.settings.name, seen.storage, unread=seen.uncertain, only=seen.only)


def taken_away(ws: "Workspace", names: Iterable[str]) -> None:
    """A command of ours removed these collections. Raises `AdminError` when the state cannot be written."""
    runtime = ws.runtime
    url = "" if runtime.capabilities.local else runtime.endpoint.url
    inventory.removed(ws.store, ws.settings.name, names, out_of_sight=url)


class Remembered(NamedTuple):
    """What was known of a collection that is not there."""

    words: str
    in_history: bool
    """Whether our own history tells how it went, and not the server's log."""


def remembered(store: "StateStore", profile: str, name: str) -> Remembered | None:
    """What was known of a collection that is not there; None when it was never known here.

    Raises:
        AdminError: the state cannot be read.
    """
    for number, storage in enumerate(inventory.storages(store, profile)):
        for one in storage.collections:
            if one.name == name:
                held = f"on {day(one.at)} it held {counted(one.points, 'point')} ({storage.place})"
                went = _WENT[one.gone].format(at=day(one.gone_at) if one.gone_at else "")
                if not one.gone and number:
                    return Remembered(f"{held}; today's storage is another one", in_history=True)
                return Remembered(f"{held}; {went}", one.gone in {"command", "accepted"})
    return None


def _keep(ws: "Workspace", seen: Today, found: Memory) -> None:
    profile, storage = ws.settings.name, seen.storage
    gone = [one.name for one in found.having("told") if one.kind == "gone"]
    unexplained = {one.name for one in found.missing if one.word != "told"} | seen.uncertain
    kept = tuple(one for one in storage.collections if one.name not in unexplained)
    storage = storage.model_copy(update={"collections": kept})
    if unexplained or seen.only is not None:  # what the server has counted says nothing of a later look than theirs
        storage = storage.model_copy(update={"process": "", "deletes": None, "grpc_deletes": None})
    inventory.note(ws.store, profile, storage)
    if not found.earlier:
        inventory.removed(ws.store, profile, gone, how="request", out_of_sight=storage.unseen)
    missed = {
        one.name: Missed(word=one.word, because=one.because, moment=one.moment)
        for one in found.missing
        if one.word != "told"
    }
    inventory.missed(ws.store, profile, missed, out_of_sight=storage.unseen)


def _journal(ws: "Workspace", moment: datetime) -> "Journal":
    from qdrant_admin.server.journal import read_journal

    runtime = ws.runtime
    journal = read_journal(runtime.log_since(moment), cut=runtime.log_cut)
    return journal._replace(unseen_delete=runtime.last_delete())


def _expected(found: Memory) -> Memory:
    """On a storage that is meant to vanish, whatever is missing is told and no more."""
    missing = tuple(_told(one) for one in found.missing)
    return found.model_copy(update={"missing": missing})


def _told(one: Missing) -> Missing:
    return one if one.word == "told" else one.model_copy(update={"word": "told", "because": "ephemeral"})
