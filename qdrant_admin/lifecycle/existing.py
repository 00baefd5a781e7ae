"""Use a Qdrant that somebody else runs as it is: by its address, in a profile of its own."""

from qdrant_admin.config.file import default_profile, read_profiles, set_default_profile, write_profile
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.config.secrets import read_key
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, NotQdrant, Refused, ServerUnreachable
from qdrant_admin.workspace import Workspace

NAME = "existing"


def name_existing(ws: Workspace) -> str:
    """Write a profile that names the Qdrant at this profile's address; returns its name.

    That server is used from now on, and never stopped or changed: whoever runs it does that. Where this profile was the
    default one, the new profile is.

    Raises:
        Refused: it is the profile's own server, or the profile names a server already.
        ServerUnreachable: nobody answers there.
        NotQdrant: what answers is something else.
        BadInput, StorageUnusable: the profile cannot be written.
    """
    endpoint = _strangers(ws)
    name, known = _name(endpoint.url)
    if not known:
        write_profile(name, {"runtime": "remote", "url": endpoint.url, **_grpc(endpoint, name)})
    if default_profile() == ws.settings.name:
        set_default_profile(name)
    return name


def _strangers(ws: Workspace) -> Endpoint:
    from qdrant_admin.server.health import probe

    runtime, profile, endpoint = ws.runtime, ws.settings.name, ws.settings.endpoint
    if runtime.owned().rest:
        what = f"profile {profile} has this server already: {endpoint.url}"
        raise Refused(what, why="there is nobody else's at its address", fix=Command("status").on(profile))
    bare = endpoint.model_copy(update={"api_key": None})
    seen = probe(bare)
    if not seen.answers:
        why = f"{seen.error}: there is no server that could be used"
        raise ServerUnreachable(f"nothing answers at {bare.url}", why=why, fix=Command("up").on(profile))
    if not seen.is_qdrant:
        elsewhere = Command("up", port=16333, grpc_port=16334).on(profile)
        raise NotQdrant(f"what answers at {bare.url} is not Qdrant", why=seen.error, fix=elsewhere)
    return bare


def _name(url: str) -> tuple[str, bool]:
    """The name of the profile of that address, and whether there is one already."""
    profiles = read_profiles()
    for name, profile in profiles.items():
        if profile.runtime == "remote" and profile.url == url:
            return name, True
    names = (NAME, *(f"{NAME}-{number}" for number in range(2, len(profiles) + 3)))
    return next(name for name in names if name not in profiles), False


def _grpc(endpoint: Endpoint, name: str) -> dict[str, object]:
    """The gRPC port, where it is shown to be the same server's."""
    from qdrant_admin.database.gateway import Database

    key = read_key(name)
    try:
        with Database(endpoint.model_copy(update={"api_key": key.value if key else None})) as database:
            return {"grpc_port": endpoint.grpc_port} if database.bulk.carries_wire else {}
    except AdminError:  # it wants a key that is not known
        return {}
