"""Making a profile's container for the first time, and cleaning up when that fails."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, PortTaken
from qdrant_admin.core.events import Events, Notice, StepFinished, StepStarted
from qdrant_admin.server import ports
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.container.spec import Spec, bindings, limit_notice
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.errors import OpenFilesRefused, translate
from qdrant_admin.server.docker.storage import check_folder

if TYPE_CHECKING:
    from docker import APIClient


class Creation:
    """One attempt."""

    def __init__(self, engine: Engine, settings: Settings, spec: Spec) -> None:
        self._engine = engine
        self._settings = settings
        self._spec = spec
        self._new_volumes: list[str] = []

    def check_storage(self) -> Events:
        """Look at a folder before a server writes to it."""
        folder = self._settings.profile.storage
        if folder is None:
            return
        if self._engine.local:
            yield from check_folder(folder, self._settings.name)
            return
        yield Notice(
            level="warning", text=f"{folder} is a folder of the engine's machine, which cannot be seen from here"
        )

    def run(self) -> Events:
        name = self._spec.name
        with self._engine.client(f"create container {name}") as api:
            yield StepStarted(step="create", title=f"creating container {name}")
            container = self._create(api, raise_limit=True)
            words = ", ".join(str(mount["Source"]) for mount in self._spec.mounts)
            yield StepFinished(step="create", detail=f"on {words}")
            yield StepStarted(step="start", title=f"starting {name}")
            try:
                self._start(api, container)
            except AdminError as error:
                if not isinstance(error, OpenFilesRefused):
                    raise
                yield limit_notice(self._settings.name)
                self._start(api, self._create(api, raise_limit=False))
            yield StepFinished(step="start")

    def _create(self, api: "APIClient", *, raise_limit: bool) -> str:
        try:
            for mount in self._spec.mounts:
                if mount["Type"] == "volume" and not _volume_exists(api, mount["Source"]):
                    api.create_volume(mount["Source"], labels=self._spec.labels)
                    self._new_volumes.append(mount["Source"])
            body = self._spec.body(raise_limit=raise_limit)
            return str(api.create_container_from_config(body, self._spec.name)["Id"])
        except BaseException:
            self._take_back(api, "")
            raise

    def _start(self, api: "APIClient", container: str) -> None:
        try:
            start(api, self._engine, container, self._spec.name)
        except BaseException:
            self._take_back(api, container)
            raise

    def _take_back(self, api: "APIClient", container: str) -> None:
        """Remove what this attempt made: a failed start leaves a container in state `created`.

        It never ran, so the volumes made for it are empty. What cannot be removed is left: the first error is the
        one to tell.
        """
        import docker.errors
        import requests

        volumes, self._new_volumes = self._new_volumes, []
        try:
            if container:
                api.remove_container(container, force=True)
            for volume in volumes:
                api.remove_volume(volume)
        except (docker.errors.DockerException, requests.RequestException):
            return


def check_ports(api: "APIClient", engine: Engine, host: str, wanted: Iterable[int]) -> None:
    """Refuse a port that is taken, before anything is pulled or stopped."""
    if not engine.local:
        return
    for port in wanted:
        if not ports.is_free(host, port):
            raise _taken(host, port, port_holder(api, host, port))


def port_holder(api: "APIClient", host: str, port: int) -> str:
    """Who has the port: a container by its name, or a program. The engine's proxy stands for a container."""
    for container in api.containers():
        for published in container.get("Ports") or ():
            if published.get("PublicPort") == port:
                return f"container {str(container['Names'][0]).lstrip('/')}"
    return ports.listener(host, port) or "another program"


def start(api: "APIClient", engine: Engine, container: str, name: str) -> None:
    """Start a container; an error about a port says who holds it."""
    import docker.errors

    try:
        api.start(container)
    except docker.errors.APIError as error:
        failed = translate(error, f"start container {name}")
        if isinstance(failed, PortTaken) and engine.local:
            failed = _named_holder(api, api.inspect_container(container), failed)
        raise failed from error


def _named_holder(api: "APIClient", found: Inspected, failed: PortTaken) -> PortTaken:
    for _, host, number in bindings(found):
        if number in re.findall(r"\d+", failed.why):
            return _taken(host, int(number), port_holder(api, host, int(number)))
    return failed


def _taken(host: str, port: int, holder: str) -> PortTaken:
    rest = ports.next_free(host, port)
    return PortTaken(
        f"port {port} is taken",
        why=f"{holder} listens on {host}:{port}",
        fix=Command("up", port=rest, grpc_port=ports.next_free(host, rest)),
    )


def _volume_exists(api: "APIClient", name: str) -> bool:
    import docker.errors

    try:
        api.inspect_volume(name)
    except docker.errors.NotFound:
        return False
    return True
