"""Making and starting a container, stopping, killing or freezing it, and whether one that was started stays up."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Failed, PortTaken, Refused
from qdrant_admin.core.events import Events, StepFinished, StepStarted
from qdrant_admin.server import ports
from qdrant_admin.server.decode import explain_exit
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.container.inspection import CLEAN, last_lines, process_state
from qdrant_admin.server.docker.container.spec import STOP_SECONDS, Spec, bindings, limit_notice
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.errors import OpenFilesRefused, translate
from qdrant_admin.server.docker.storage import volume_names
from qdrant_admin.server.runtime import freeze_briefly

if TYPE_CHECKING:
    from docker import APIClient

_PROBATION_SECONDS = 1.5
"""A server that cannot load its data, or write its folder, is gone within a second (measured: 0.1 to 0.4 s)."""
_LOOK_SECONDS = 0.15


def create(engine: Engine, spec: Spec, profile: str) -> Events:
    """Make a profile's container for the first time, and start it."""
    name = spec.name
    with engine.client(f"create container {name}") as api:
        yield StepStarted(step="create", title=f"creating container {name}")
        try:
            with _made(api, spec, raise_limit=True) as container:
                words = ", ".join(str(mount["Source"]) for mount in spec.mounts)
                yield StepFinished(step="create", detail=f"on {words}")
                yield StepStarted(step="start", title=f"starting {name}")
                start(api, engine, container, name)
        except OpenFilesRefused:
            yield limit_notice(profile)
            with _made(api, spec, raise_limit=False) as container:
                start(api, engine, container, name)
        yield StepFinished(step="start")


@contextlib.contextmanager
def _made(api: "APIClient", spec: Spec, *, raise_limit: bool) -> Iterator[str]:
    """A new container, taken back when it does not start: it never ran, so the volumes made for it are empty.

    What cannot be removed is left: the first error is the one to tell.
    """
    import docker.errors
    import requests

    container, new_volumes, present = "", [], volume_names(api)
    try:
        for volume in (mount["Source"] for mount in spec.mounts if mount["Type"] == "volume"):
            if volume not in present:
                spec.make_volume(api, volume)
                new_volumes.append(volume)
        container = str(api.create_container_from_config(spec.body(raise_limit=raise_limit), spec.name)["Id"])
        yield container
    except BaseException:
        with contextlib.suppress(docker.errors.DockerException, requests.RequestException):
            if container:
                api.remove_container(container, force=True)
            for volume in new_volumes:
                api.remove_volume(volume)
        raise


def check_ports(api: "APIClient", engine: Engine, host: str, wanted: Iterable[int]) -> None:
    """Refuse a port that is taken, before anything is pulled or stopped."""
    if not engine.local:
        return
    for port in wanted:
        if not ports.is_free(host, port):
            raise _taken(api, host, port)


def start(api: "APIClient", engine: Engine, container: str, name: str) -> None:
    """Start a container; an error about a port says who holds it."""
    import docker.errors

    try:
        api.start(container)
    except docker.errors.APIError as error:
        failed = translate(error, f"start container {name}")
        if isinstance(failed, PortTaken) and engine.local:
            for _, host, number in bindings(api.inspect_container(container)):
                if number in re.findall(r"\d+", failed.why):
                    raise _taken(api, host, int(number)) from error
        raise failed from error


def _taken(api: "APIClient", host: str, port: int) -> PortTaken:
    """Says who has the port: a container by its name (the engine's proxy stands for it), or a program."""
    containers = [
        f"container {str(container['Names'][0]).lstrip('/')}"
        for container in api.containers()
        if any(published.get("PublicPort") == port for published in container.get("Ports") or ())
    ]
    holder = containers[0] if containers else ports.listener(host, port) or "another program"
    rest = ports.next_free(host, port)
    return PortTaken(
        f"port {port} is taken",
        why=f"{holder} listens on {host}:{port}",
        fix=Command("up", port=rest, grpc_port=ports.next_free(host, rest)),
    )


def stop(api: "APIClient", attributes: Inspected) -> None:
    """Stop it with the time that Qdrant needs; a paused container would not hear the signal."""
    if attributes["State"].get("Paused"):
        api.unpause(attributes["Id"])
    seconds = max(STOP_SECONDS, int(attributes["Config"].get("StopTimeout") or 0))
    api.stop(attributes["Id"], timeout=seconds)


def check_stays_up(api: "APIClient", container: str) -> None:
    """Refuse a container that ends within the first moments after its start."""
    patience = CancelToken()
    for _ in range(round(_PROBATION_SECONDS / _LOOK_SECONDS)):
        patience.wait(_LOOK_SECONDS)
        seen = api.inspect_container(container)
        if seen["State"].get("Running") and not seen["State"].get("Restarting") and not seen.get("RestartCount"):
            continue
        cause = explain_exit(seen["State"].get("ExitCode"), log=last_lines(api, container))
        raise Failed(
            "the server ended as soon as it was started",
            why=f"{cause.what}: {cause.why}" if cause else "it exited cleanly, without a stop request",
            fix=(cause.fix if cause else "") or Command("logs", tail=50),
        )


def kill(api: "APIClient", found: Inspected, name: str) -> Events:
    """SIGKILL. Docker takes that for the user's wish and starts nothing again: whoever kills, starts."""
    state = process_state(found)
    if state == "stopped":
        return
    yield StepStarted(step="stop", title=f"killing {name}")
    if state == "paused":
        api.unpause(found["Id"])
    api.kill(found["Id"], "SIGKILL")
    code = api.wait(found["Id"], timeout=30)["StatusCode"]
    yield StepFinished(step="stop", detail=f"killed (code {code})")


def freeze(api: "APIClient", found: Inspected, name: str, cancel: CancelToken) -> Events:
    if process_state(found) != "running":
        raise Refused(f"{name} does not run, so it cannot be frozen", fix=Command("up"))
    container = found["Id"]
    yield from freeze_briefly(name, lambda: api.pause(container), lambda: api.unpause(container), cancel)


def ended(api: "APIClient", container: str) -> StepFinished:
    """How a stop went, told by the exit code."""
    code = api.inspect_container(container)["State"].get("ExitCode")
    if code in CLEAN:
        return StepFinished(step="stop", detail=f"ended in order (code {code})")
    cause = explain_exit(code, log=last_lines(api, container))
    return StepFinished(step="stop", outcome="warning", detail=cause.what if cause else f"ended with code {code}")
