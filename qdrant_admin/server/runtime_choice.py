"""Which runtime a profile gets, and why. Data that exists decides before anything else does."""

from typing import TYPE_CHECKING

import msgspec

from qdrant_admin.config.secrets import given_key
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, EngineUnavailable
from qdrant_admin.server.docker_mark import engine_of, forget_docker, remember_docker, seen_in_docker
from qdrant_admin.server.runtime import RemoteRuntime, RuntimeKind, ServerRuntime

if TYPE_CHECKING:
    from qdrant_admin.server.docker.engine.discovery import Engine
    from qdrant_admin.server.docker.runtime import DockerRuntime
    from qdrant_admin.server.native.runtime import NativeRuntime

REGISTRY_SECONDS = 8
"""How long the engine may take to ask the registry for an image; a machine that is offline answers sooner."""
_ALIVE = {"running", "paused", "restarting"}


class Choice(msgspec.Struct, frozen=True):
    """A runtime, why it is that one, and what else was seen on the way."""

    runtime: ServerRuntime
    why: str
    notes: tuple[str, ...] = ()


def choose_runtime(settings: Settings) -> Choice:
    """The runtime of a profile.

    What the profile says, holds. `auto` takes what exists already for this profile, so that data is never left
    behind in silence; else Docker, when an engine answers and its image can be had; else the native binary. Where the
    profile has no server yet, and `QDRANT_URL` names who answers at its address, that one is used as it is.

    Raises:
        EngineUnavailable: the profile wants Docker, or has its data there, and no engine answers.
    """
    found = _of_profile(settings)
    if settings.named and found.runtime.inspect().state == "absent" and found.runtime.stranger():
        return Choice(
            RemoteRuntime(_without_kept_key(settings)), "the environment names a server of somebody else (QDRANT_URL)"
        )
    return found


def _without_kept_key(settings: Settings) -> Settings:
    """The key that is kept for the profile is for its own server; one in the environment is for who is named there."""
    given = given_key()
    key = {"api_key": given.value if given else None, "api_key_origin": given.where if given else "none"}
    return settings.model_copy(update=key)


def _of_profile(settings: Settings) -> Choice:
    asked = settings.profile.runtime
    origin = settings.origins.get("runtime", "the profile")
    if asked == "remote":
        return Choice(RemoteRuntime(settings), f"the profile names a remote server ({origin})")
    if asked == "native":
        return Choice(_native(settings), f"native was asked for ({origin})")
    from qdrant_admin.server.docker.engine.discovery import find_engine

    if asked == "docker":
        from qdrant_admin.server.docker.runtime import DockerRuntime

        try:
            engine = find_engine(settings.profile.docker_host)
        except EngineUnavailable as error:
            if seen_in_docker(settings.name):
                raise
            natively = f"{error.why}\nwithout an engine: {Command('up', runtime='native').on(settings.name)}"
            raise EngineUnavailable(error.what, why=natively, fix=error.way_out) from error
        return Choice(DockerRuntime(settings, engine), f"Docker was asked for ({origin}); {engine.why}")
    try:
        engine = find_engine(settings.profile.docker_host)
    except EngineUnavailable as error:
        return _without_engine(settings, error)
    return _with_engine(settings, engine)


def _native(settings: Settings) -> "NativeRuntime":
    from qdrant_admin.server.native.runtime import NativeRuntime

    return NativeRuntime(settings)


def presumed_kind(settings: Settings) -> RuntimeKind:
    """What a profile's runtime is taken for where nothing could be asked."""
    asked = settings.profile.runtime
    return "docker" if asked == "auto" else asked


def _without_engine(settings: Settings, error: EngineUnavailable) -> Choice:
    if seen_in_docker(settings.name):
        raise EngineUnavailable(
            error.what,
            why=f"the data of profile {settings.name} lies in a Docker volume, so a native server would begin empty; "
            f"{error.why}",
            fix=error.way_out,
        ) from error
    why = "no container engine answers"
    if _native_exists(settings):
        why = f"this profile has a native server already, and {why}"
    return Choice(_native(settings), f"{why}, so the server runs natively")


def _with_engine(settings: Settings, engine: "Engine") -> Choice:
    from qdrant_admin.server.docker.runtime import DockerRuntime

    docker = DockerRuntime(settings, engine)
    in_docker, natively = _docker_exists(settings, engine, docker), _native_exists(settings)
    if in_docker:
        remember_docker(settings.name, engine.address)
    elif engine_of(settings.name) in {"", engine.address}:
        forget_docker(settings.name)
    if in_docker and natively:
        return _of_both(docker, _native(settings), in_docker, natively)
    if in_docker:
        return Choice(docker, f"this profile has {in_docker} already")
    if natively:
        return Choice(_native(settings), f"this profile has {natively} already")
    trouble = _image_trouble(settings.profile.image, engine)
    if trouble:
        return Choice(_native(settings), f"{engine.words} answers, and {trouble}, so the server runs natively")
    return Choice(docker, f"{engine.words} answers and has or can have {settings.profile.image}")


def _of_both(docker: "DockerRuntime", native: "NativeRuntime", in_docker: str, natively: str) -> Choice:
    """Two sets of data: the one whose server runs, else that in Docker; the other is named."""
    native_runs = native.inspect().state in _ALIVE and docker.inspect().state not in _ALIVE
    chosen: ServerRuntime = native if native_runs else docker
    seen, other = (natively, in_docker) if native_runs else (in_docker, natively)
    reason = "whose server runs" if native_runs else "which comes first"
    return Choice(
        chosen,
        f"this profile has {seen} already, {reason}",
        (f"this profile has {other} as well: data there is not shown; `--runtime` chooses it",),
    )


def _native_exists(settings: Settings) -> str:
    """What there is of a native server, in words; empty when there is nothing."""
    if not settings.native_folder.exists():  # nor is its code loaded then
        return ""
    from qdrant_admin.server.native.record import Files
    from qdrant_admin.server.storage_probe import holds_data

    if Files(settings.native_folder).read_record() is not None:
        return "a native server"
    default = settings.native_folder / "storage"
    return f"native data in {default}" if holds_data(default) else ""


def _docker_exists(settings: Settings, engine: "Engine", docker: "DockerRuntime") -> str:
    """What there is of a managed container, in words; empty when there is nothing."""
    from qdrant_admin.server.docker.container.lookup import as_named
    from qdrant_admin.server.docker.storage import volume_names

    state = docker.inspect()
    if state.state != "absent" and state.ours:
        return f"the container {state.container}"
    if settings.profile.storage is None:
        with engine.client("look for the volume") as client:
            volume = as_named(client, settings, None).volume_name
            if volume in volume_names(client):
                return f"data in the volume {volume}"
    return ""


def _image_trouble(image: str, engine: "Engine") -> str:
    """Why the image cannot be had, in words; empty when it is here or its registry has it."""
    from qdrant_admin.server.docker.engine.pull import has_image

    try:
        if has_image(engine, image):
            return ""
        with engine.client(f"ask for {image}", timeout=REGISTRY_SECONDS) as client:
            client.inspect_distribution(image)
    except AdminError as error:
        return f"{image} cannot be had ({error.why or error.what})"
    return ""
