"""Remove a server together with its data: the single place where that happens, and only what we made for it.

A profile has to be marked as ephemeral, its storage has to lie in the default place under the profile's own name, and
in Docker every volume has to have our ownership label with that name.
"""

import shutil
from collections.abc import Mapping
from typing import Any

from qdrant_admin.config.places import data_dir
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotOurs, Refused, StorageUnusable
from qdrant_admin.core.events import Events, StepFinished, StepStarted
from qdrant_admin.server.runtime import ServerRuntime

STEP = "discard"


def discard(settings: Settings, runtime: ServerRuntime, cancel: CancelToken) -> Events:
    """Stop and remove the server of an ephemeral profile, then its data. What is not thrown away is refused first."""
    profile = settings.profile
    if not profile.ephemeral or profile.storage is not None or profile.volume is not None or runtime.kind == "remote":
        raise Refused(
            f"the data of profile {settings.name} is not thrown away",
            why="only what a demo made for itself, in a place of its own, is",
            fix=Command("down"),
        )
    state = runtime.inspect()
    if state.ours is False:
        raise NotOurs(f"{state.name} was not removed", why="it is not managed by qdrant-admin", fix="docker ps -a")
    if runtime.kind == "docker":
        _own_volumes(settings, remove=False)
    if state.state != "absent":
        yield from runtime.remove(cancel)
    yield StepStarted(step=STEP, title=f"removing the data of profile {settings.name}")
    gone = _own_volumes(settings, remove=True) if runtime.kind == "docker" else _remove_folder(settings)
    yield StepFinished(step=STEP, detail=gone or "there was none")


def _own_volumes(settings: Settings, *, remove: bool) -> str:
    """The names of the profile's volumes. None is removed when one of them is not ours."""
    from qdrant_admin.server.docker.container.lookup import as_named
    from qdrant_admin.server.docker.container.spec import is_marked
    from qdrant_admin.server.docker.engine.discovery import find_engine

    doing = f"{'remove' if remove else 'look at'} the volumes of profile {settings.name}"
    with find_engine(settings.profile.docker_host).client(doing) as api:
        volume = as_named(api, settings, None).volume_name
        wanted = {volume, f"{volume}_snapshots"}
        listed: list[Mapping[str, Any]] = api.volumes(filters={"name": volume})["Volumes"] or []
        own = {str(volume["Name"]): volume.get("Labels") or {} for volume in listed if volume["Name"] in wanted}
        if strange := next((name for name, labels in own.items() if not is_marked(labels, settings.name)), None):
            raise NotOurs(
                f"volume {strange} was not removed",
                why="it is not managed by qdrant-admin (no ownership label), so somebody else made it",
                fix=f"docker volume inspect {strange}",
            )
        for name in sorted(own) if remove else ():
            api.remove_volume(name)
    return ", ".join(sorted(own))


def _remove_folder(settings: Settings) -> str:
    folder = settings.native_folder
    if folder.parent != data_dir() / "native" or folder.is_symlink():
        raise Refused(f"{folder} is not removed", why="it is not managed by qdrant-admin", fix=f'ls -ld "{folder}"')
    if not folder.exists():
        return ""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageUnusable(f"{folder} could not be removed", why=str(error), fix=f'ls -l "{folder}"') from error
    return str(folder)
