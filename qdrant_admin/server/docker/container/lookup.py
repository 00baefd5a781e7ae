"""Which container is a profile's own, and what a new one and its volumes are called.

An engine is shared by everybody who reaches it, and so are its names: a label tells whose a thing is. What another
installation holds is left alone, and ours is then called the same with a few digits of this installation.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotOurs
from qdrant_admin.server.docker.answers import Inspected, Request, labels_of, name_of
from qdrant_admin.server.docker.container import ownership
from qdrant_admin.server.docker.container.ownership import is_own, is_remembered
from qdrant_admin.server.docker.container.replace import aside_name, named, set_aside
from qdrant_admin.server.docker.container.spec import (
    LABEL_MANAGED,
    LABEL_PROFILE,
    bindings,
    is_of_another_installation,
    is_without_number,
)
from qdrant_admin.server.docker.engine.errors import existing
from qdrant_admin.server.docker.storage import data_mount
from qdrant_admin.state.installation import known_installation

if TYPE_CHECKING:
    from docker import APIClient

    from qdrant_admin.server.docker.engine.discovery import Engine

_SUFFIX_DIGITS = 6
OF_BEFORE = "an earlier version of qdrant-admin has made it, and this home remembers nothing of it: it may be another's"
_HELPER = re.compile(r".*-(trial|moved)-[0-9a-f]{8}")
"""Containers of a move of storage, before it has taken over and after: neither is the profile's server."""


def find(api: "APIClient", settings: Settings) -> Inspected | None:
    """The profile's container: that of its name, else one of ours under another, be it set aside for a successor that
    never came or renamed by hand. Last, whoever else has the name.
    """
    there = named(api, settings.container_name)
    if there is not None and (settings.profile.container or is_own(there, settings.name)):
        return there
    return max(_own(api, settings.name), key=_weight, default=there)


def is_set_aside(found: Inspected) -> bool:
    """Whether it waits under another name for the one in its place to be seen to run."""
    return name_of(found).endswith(aside_name("", found["Id"]))


def as_named(api: "APIClient", settings: Settings, found: Inspected | None) -> Settings:
    """The settings with the names that hold on this engine: those of the profile's container, or of one to be made."""
    given: dict[str, str] = {}
    if found is not None and is_own(found, settings.name):
        container = name_of(found)
        if "image" not in settings.profile.given:  # a default is for new storage only
            given["image"] = str(found["Config"]["Image"])
        if is_set_aside(found):
            container = container.removesuffix(aside_name("", found["Id"]))
        mounted = {str(mount.get("Name")) for mount in found.get("Mounts") or ()}
        ours = _with_suffix(settings.volume_name, "_")
        volume = ours if mounted & set(_with_snapshots(ours)) else settings.volume_name
    else:
        container, volume = _free_container(settings, found), _free_volume(api, settings)
    if container != settings.container_name:
        given["container"] = container
    if volume != settings.volume_name:
        given["volume"] = volume
    return settings.model_copy(update={"profile": settings.profile.model_copy(update=given)}) if given else settings


def left_containers(engine: "Engine", settings: Settings) -> list[str]:
    """Containers that were set aside for the profile's own, which is there: nobody needs them any more.

    One that holds its data itself is never named: it may be all that is left of that data.
    """
    with engine.client("look for containers that are left over") as api:
        found = find(api, settings)
        if found is None or is_set_aside(found):
            return []
        return [name_of(one) for one in set_aside(api, name_of(found)) if data_mount(one) is not None]


def is_anothers(found: Inspected, profile: str) -> bool:
    """Whether qdrant-admin has made it, but from another home or for another user, as far as this home knows."""
    labels = labels_of(found)
    of_before = is_without_number(labels, profile) and not is_own(found, profile)
    return of_before or is_of_another_installation(labels)


def stands_beside(settings: Settings, found: Inspected) -> bool:
    """Whether a container of another installation leaves room for one of ours: a name can be had, and it does not ask
    for our ports.
    """
    profile = settings.profile
    asked = {number for _, _, number in bindings(found)}
    free = not asked & {str(profile.port), str(profile.grpc_port)}
    return profile.container is None and is_anothers(found, settings.name) and free


def whose(found: Inspected, profile: str) -> str:
    """Why a container is not managed, in words."""
    labels = labels_of(found)
    if is_of_another_installation(labels):
        return "another installation of qdrant-admin, of another home or user, has made it"
    if is_without_number(labels, profile):
        return OF_BEFORE
    other = labels.get(LABEL_PROFILE, profile)
    return f"it belongs to profile {other}" if other != profile else "it has no ownership label: somebody else made it"


def refuse_volumes_of_others(api: "APIClient", mounts: Iterable[Request], settings: Settings) -> None:
    """Refuse to mount a volume that another installation has made, or may have: whoever names that one claims it."""
    claimed = _with_snapshots(settings.profile.volume) if settings.profile.volume else ()
    for name in (str(mount["Source"]) for mount in mounts if mount["Type"] == "volume"):
        if _held(api, name, settings.name):
            raise NotOurs(
                f"volume {name} was not used",
                why="another installation of qdrant-admin, of another home or user, has made it",
                fix=Command("up", volume=f"{name}_second"),
            )
        if name not in claimed and _is_of_before(api, name, settings.name):
            own = Command("up", volume=f"{name}_second").on(settings.name)
            raise NotOurs(
                f"volume {name} was not used",
                why=f"{OF_BEFORE}; a server of your own beside it: {own}",
                fix=Command("up", volume=settings.volume_name),
            )


def _own(api: "APIClient", profile: str) -> list[Inspected]:
    labels = [f"{LABEL_MANAGED}=true", f"{LABEL_PROFILE}={profile}"]
    ids = {str(one["Id"]) for one in api.containers(all=True, filters={"label": labels})}
    found = (_inspected(api, one) for one in ids | ownership.adopted_by(profile))
    return [one for one in found if one and is_own(one, profile) and not _HELPER.fullmatch(name_of(one))]


def _inspected(api: "APIClient", container: str) -> Inspected | None:
    found: Inspected | None = existing(lambda: api.inspect_container(container))
    return found


def _weight(found: Inspected) -> tuple[bool, bool, str]:
    """Of several, the one that was not set aside, then the one that runs, then the newest."""
    return not is_set_aside(found), bool(found["State"].get("Running")), str(found.get("Created"))


def _free_container(settings: Settings, there: Inspected | None) -> str:
    name = settings.container_name
    taken = there is not None and settings.profile.container is None and is_anothers(there, settings.name)
    return (taken and _with_suffix(name, "-")) or name


def _free_volume(api: "APIClient", settings: Settings) -> str:
    """A volume of ours that is there is taken again, whatever has become of the one that had the name before."""
    name = settings.volume_name
    ours = _with_suffix(name, "_")
    if settings.profile.volume or not ours:
        return name
    if any(_volume(api, one) is not None for one in _with_snapshots(ours)):
        return ours
    return ours if any(_held(api, one, settings.name) for one in _with_snapshots(name)) else name


def _with_snapshots(name: str) -> tuple[str, str]:
    return name, f"{name}_snapshots"


def _held(api: "APIClient", volume: str, profile: str) -> bool:
    found = _volume(api, volume)
    if found is None or ownership.is_adopted(ownership.volume_key(volume), profile):
        return False
    return is_of_another_installation(found.get("Labels") or {}) or _is_used_by_another(api, volume, profile)


def _is_used_by_another(api: "APIClient", volume: str, profile: str) -> bool:
    """A volume keeps its labels for good, and may be older than such numbers: then its container tells."""
    users = api.containers(all=True, filters={"volume": volume, "label": f"{LABEL_MANAGED}=true"})
    found = (_inspected(api, str(one["Id"])) for one in users)
    return any(is_anothers(one, profile) for one in found if one is not None)


def _is_of_before(api: "APIClient", volume: str, profile: str) -> bool:
    """Whether a volume may be of this home or another, and this one remembers nothing of it."""
    labels = (_volume(api, volume) or {}).get("Labels") or {}
    adopted = ownership.is_adopted(ownership.volume_key(volume), profile)
    named = (volume, volume.removesuffix("_snapshots"))
    return is_without_number(labels, profile) and not adopted and not is_remembered(profile, *named)


def _volume(api: "APIClient", name: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = existing(lambda: api.inspect_volume(name))
    return found


def _with_suffix(name: str, joint: str) -> str:
    """The name of ours where another installation holds the name itself; empty while this one has made nothing."""
    number = known_installation()
    return f"{name}{joint}{number[:_SUFFIX_DIGITS]}" if number else ""
