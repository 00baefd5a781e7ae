"""What a start would open, held against what is known: an empty server beside known data looks like its loss.

Whatever would begin on another storage than the known one is refused until the user accepts it, and so is a version
that may not open the data. Nothing has been started, stopped or made by then.
"""

import dataclasses

from qdrant_admin.core.commands import Command, Fix
from qdrant_admin.core.errors import AdminError, Refused
from qdrant_admin.lifecycle.finding_words import held
from qdrant_admin.server.docker_mark import engine_of, seen_in_docker
from qdrant_admin.server.runtime import NextStorage, RuntimeKind
from qdrant_admin.server.versions import refuse_leap
from qdrant_admin.state.inventory import KnownStorage, belongs, storages
from qdrant_admin.workspace import Workspace


class WithoutKnownData(Refused):
    """A start would leave data behind that is known, and an empty server would look as if it were lost."""


def checked(ws: Workspace, *, accept: bool, apply: bool) -> Workspace:
    """The workspace to start with: data that is there keeps the version that opened it last, unless one was asked for.

    Args:
        ws: the profile; its server does not run, or is about to be recreated.
        accept: the user accepts to begin without the known data.
        apply: the server is made as the profile asks, with its version.

    Raises:
        WithoutKnownData: it would begin without the known data.
        Refused: it would begin with a version that may not open the data.
    """
    found = ws.runtime.next_storage()
    if found is None or ws.settings.profile.ephemeral:
        return ws
    kind, known = ws.runtime.kind, storages(ws.store, ws.settings.name)
    if not accept and ws.settings.profile.expect != "ephemeral":
        refuse_beginning_empty(ws.settings.name, kind, known, found)
        if kind == "native" and found.empty and _may_lie_in_docker(ws, known):
            raise _refused(ws.settings.name, "the data of this profile was put into a Docker volume", found)
    return _with_its_version(ws, _last_version(known, kind, found), found, apply=apply)


def refuse_beginning_empty(
    profile: str, kind: RuntimeKind, storages: tuple[KnownStorage, ...], found: NextStorage
) -> None:
    """Refuse to begin on anything but the known storage, where that held something when it was seen last."""
    known = next(iter(storages), None)
    if known is None or known.identity is None or not known.present:
        return
    if found.identity is not None and belongs(known, kind, found.identity, found.place):
        # Without its peer id it was emptied by hand; an application that drops what it made leaves that behind.
        if found.empty and known.identity.peer and not found.identity.peer:
            raise _refused(profile, f"{held(known)}, and nothing is left in it", found)
    elif known.runtime != kind or found.empty or found.identity is None or found.place == known.place:
        raise _refused(profile, held(known), found)


def _may_lie_in_docker(ws: Workspace, storages: tuple[KnownStorage, ...]) -> bool:
    """Whether the profile was in Docker last, and it is not known that nothing is there.

    What was seen empty by then holds nothing, unless it is seen to, or no engine answers any more.
    """
    if (storages and storages[0].runtime != "docker") or not seen_in_docker(ws.settings.name):
        return False
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.runtime import DockerRuntime

    try:
        empty = DockerRuntime(ws.settings, find_engine(ws.settings.profile.docker_host)).next_storage().empty
    except AdminError:
        return True
    return empty is False or (empty is None and not storages)


def _refused(profile: str, data: str, found: NextStorage) -> WithoutKnownData:
    empty = found.empty or found.identity is None
    what = "a server would begin empty" if empty else "a server would begin elsewhere"
    place = f"the server would be started in {found.place}"
    if data.endswith(found.place):
        place = "nothing is there today" if empty else "other data is there today"
    fix: Fix = Command("doctor")
    if found.engine and (engine := engine_of(profile)) not in {"", found.engine}:
        place, fix = f"that was on the engine at {engine}, and {found.engine} is the one asked now", "docker context ls"
    accepted = Command("up", accept=True).on(profile)
    return WithoutKnownData(
        f"{what} beside known data",
        why=f"{data}; {place}. If this is intended: {accepted}",
        fix=fix,
    )


def _last_version(known: tuple[KnownStorage, ...], kind: RuntimeKind, found: NextStorage) -> str:
    """As the inventory has it, else as the runtime can tell; empty for a storage that is new."""
    if found.identity is None or found.empty:
        return ""
    seen = next((one for one in known if belongs(one, kind, found.identity, found.place)), None)
    return (seen.version if seen else "") or found.opened_by


def _with_its_version(ws: Workspace, last: str, found: NextStorage, *, apply: bool) -> Workspace:
    profile, native = ws.settings.profile, ws.runtime.kind == "native"
    named = native and profile.binary is not None
    if not last or not found.version or last == found.version:
        return ws
    if "image" not in profile.given and not named:
        if found.opened_by:
            return ws  # the runtime itself keeps what it knows of
        kept = profile.model_copy(update={"image": f"qdrant/qdrant:v{last}"})
        return dataclasses.replace(ws, settings=ws.settings.model_copy(update={"profile": kept}))
    if apply or native or not found.opened_by:  # else the container that is there starts as it is
        refuse_leap(last, found.version, found.place, binary=named)
    return ws
