"""What there is around a profile's server: the container engine of this machine, and what was left behind."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AdminError


class EngineLook(NamedTuple):
    """Which container engine answers, and what the docker command would ask."""

    words: str = ""
    """Which one, `Docker Engine 27.1 (the default socket)`; empty when none answers."""
    error: AdminError | None = None
    context: str = ""
    """What names the engine, in words."""
    context_trouble: str = ""
    """Why the current context cannot be used; the default socket is asked instead."""


def look_for_engine(settings: Settings) -> EngineLook:
    """Look for the container engine of a profile. Never raises an `AdminError`."""
    from qdrant_admin.server.docker.engine.discovery import NAMED, asked_for, find_engine

    look, host = EngineLook(context=NAMED), settings.profile.docker_host
    try:
        asked = asked_for(host)
        look = EngineLook(context=asked.by, context_trouble=asked.trouble)
        return look._replace(words=find_engine(host).words)
    except AdminError as error:
        return look._replace(error=error)


class Leftover(NamedTuple):
    """Something managed that no profile needs any longer. It may hold data: it is named, and left."""

    kind: Literal["move", "container", "volume"]
    names: tuple[str, ...]
    profile: str
    """The one it was made for; empty when nobody can tell."""
    what: str
    why: str = ""


def leftovers(settings: Settings, profiles: Mapping[str, Profile]) -> tuple[Leftover, ...]:
    """What an interrupted move or replacement has left of this profile, and volumes of profiles that are gone.

    `EngineUnavailable` when no engine answers, so that nobody can look.
    """
    from qdrant_admin.server.docker.container.lookup import left_containers
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.relocation.move import left_by_move
    from qdrant_admin.server.docker.storage import unmounted_volumes

    engine, found = find_engine(settings.profile.docker_host), []
    if (move := left_by_move(settings.name)) is not None:
        found.append(Leftover("move", (), settings.name, move.what, move.why))
    if containers := left_containers(engine, settings):
        found.append(Leftover("container", tuple(containers), settings.name, "left by an interrupted replacement"))
    names = {DEFAULT_PROFILE, settings.name, *profiles}
    volumes = {one.volume for one in profiles.values() if one.volume} | {settings.volume_name}
    what = "made for a profile that is not known here"
    found += [
        Leftover("volume", (volume,), profile, what)
        for volume, profile in sorted(unmounted_volumes(engine).items())
        if profile not in names and volume not in volumes
    ]
    return tuple(found)
