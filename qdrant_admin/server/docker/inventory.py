"""What else on an engine has to do with data of ours: other containers on it, and volumes that nobody names."""

from collections.abc import Collection
from typing import NamedTuple

from qdrant_admin.server.docker.aside import name_of, named, set_aside
from qdrant_admin.server.docker.engine import Engine
from qdrant_admin.server.docker.spec import LABEL_MANAGED, LABEL_PROFILE
from qdrant_admin.server.docker.storage import User, data_mount, other_users
from qdrant_admin.server.runtime import RuntimeState


class Forgotten(NamedTuple):
    """A volume with our mark that no container mounts and no profile names."""

    name: str
    profile: str
    """Of the profile it was made for."""


def sharers(engine: Engine, state: RuntimeState) -> list[User]:
    """Other containers, in any state, that may write to the data of this one."""
    storage = state.storage
    if storage.kind not in {"volume", "bind"} or not storage.source:
        return []
    mounts = [{"Type": storage.kind, "Source": storage.source}]
    with engine.client("look who else uses the data") as api:
        containers = api.containers(all=True)
    own = next((one["Id"] for one in containers if f"/{state.name}" in (one.get("Names") or ())), "")
    return other_users(containers, mounts, own)


def forgotten(engine: Engine, profiles: Collection[str], volumes: Collection[str]) -> list[Forgotten]:
    """Volumes of ours that are left over. Of a volume without our mark nobody can tell, so none is named.

    Args:
        engine: where to look.
        profiles: those that exist; what was made for one of them is not left over.
        volumes: names that some profile asks for, whoever made them.
    """
    with engine.client("look for volumes that are left over") as api:
        listed = api.volumes(filters={"dangling": True, "label": f"{LABEL_MANAGED}=true"})["Volumes"] or []
    made_for = {str(one["Name"]): str((one.get("Labels") or {}).get(LABEL_PROFILE, "")) for one in listed}
    return [
        Forgotten(name, profile)
        for name, profile in sorted(made_for.items())
        if profile not in profiles and name not in volumes
    ]


def left_containers(engine: Engine, name: str) -> list[str]:
    """Containers that were set aside for the one of this name, which is there: nobody needs them any more.

    One that holds its data itself is never named: it may be all that is left of that data.
    """
    with engine.client("look for containers that are left over") as api:
        if named(api, name) is None:
            return []
        return [name_of(one) for one in set_aside(api, name) if data_mount(one) is not None]
