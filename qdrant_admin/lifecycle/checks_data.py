"""The doctor's checks of what else touches the data, and of data that nobody looks after any more."""

from qdrant_admin.config.file import read_profiles
from qdrant_admin.config.profile import DEFAULT_PROFILE
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.formatting import counted
from qdrant_admin.lifecycle.facts import Facts
from qdrant_admin.lifecycle.reports import Check


def sharing(facts: Facts) -> Check:
    """Two servers on the same data: both start, and the last one to write wins."""
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.storage import sharers

    state = facts.seen.state
    if facts.seen.kind != "docker" or state is None or state.state == "absent":
        return Check(name="sharing", status="ok", detail="no container of ours to look at")
    users = sharers(find_engine(facts.ws.settings.profile.docker_host), state)
    if not users:
        return Check(name="sharing", status="ok", detail=f"no other container uses {state.storage.source}")
    running = [user for user in users if user.state == "running"]
    user = (running or users)[0]
    return Check(
        name="sharing",
        status="fail" if running else "warn",
        detail=f"container {user.name} ({user.state}) uses {user.source} as well: two servers on the same data lose it",
        fix=f"docker stop {user.name}" if running else f"docker inspect {user.name}",
    )


def leftovers(facts: Facts) -> Check:
    """Volumes of ours of profiles that are gone. Never called useless: they hold data."""
    from qdrant_admin.server.docker.container.rename_aside import left_containers
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.relocation.record import left_by_move
    from qdrant_admin.server.docker.storage import forgotten

    try:
        engine = find_engine(facts.ws.settings.profile.docker_host)
    except AdminError:
        return Check(name="leftovers", status="ok", detail="no engine to look on")
    if (move := left_by_move(facts.ws.settings.name)) is not None:
        fix = facts.fix("move-storage")
        return Check(name="leftovers", status="warn", detail=f"{move.what}; {move.why}", fix=fix)
    if containers := left_containers(engine, facts.ws.settings.container_name):
        return Check(
            name="leftovers",
            status="warn",
            detail=f"left of a replacement that was cut off: container {', '.join(containers)}",
            fix=f"docker rm {containers[0]}",
        )
    profiles = read_profiles()
    names = {DEFAULT_PROFILE, facts.ws.settings.name, *profiles}
    volumes = {profile.volume for profile in profiles.values() if profile.volume} | {facts.ws.settings.volume_name}
    found = forgotten(engine, names, volumes)
    if not found:
        return Check(name="leftovers", status="ok", detail="every volume of ours belongs to a profile")
    shown = ", ".join(one.name for one in found[:3]) + (", …" if len(found) > 3 else "")
    return Check(
        name="leftovers",
        status="warn",
        detail=f"{counted(len(found), 'volume')} of profiles that are not known here: {shown}",
        fix=f"qdrant-admin profiles add {found[0].profile}" if found[0].profile else "docker volume ls",
    )
