"""Finding the container engine as people have it, and saying which one it is and why it was chosen."""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qdrant_admin.core.commands import install_command
from qdrant_admin.core.errors import AdminError, EngineUnavailable
from qdrant_admin.server.docker.engine.errors import CHECK_ENGINE, root_cause, translated
from qdrant_admin.server.docker.engine.look import Look, NoAnswer, ask

if TYPE_CHECKING:
    from docker import APIClient

PING_SECONDS = 4
"""A live engine answers in milliseconds; a hung one must not hold up the screen."""
CALL_SECONDS = 60
LOOK_SECONDS = 15
"""For a question, which a live engine answers at once, also a busy one."""
NAMED = "the engine is named by DOCKER_HOST or the profile"


@dataclass(frozen=True)
class Engine:
    """An engine that answered."""

    address: str
    product: str
    """`Docker Desktop 4.43.1`, `Podman 5.2.0`, `Docker Engine 20.10.24`."""
    why: str
    """Why it is this one: `DOCKER_HOST`, `context desktop-linux`, `OrbStack's socket`."""
    api_version: str
    tls: Any = field(default=None, repr=False)

    @property
    def words(self) -> str:
        """`Docker Engine 20.10.24 (the default socket)`."""
        return f"{self.product} ({self.why})"

    @property
    def local(self) -> bool:
        """Whether its ports and folders are those of this machine (or of a VM that forwards them)."""
        return self.address.startswith(("unix://", "http+unix://", "npipe://"))

    @contextmanager
    def client(self, doing: str = "talk to the engine", timeout: int | None = None) -> "Iterator[APIClient]":
        """A connection for one piece of work; what goes wrong in it is raised as an `AdminError`."""
        place = _Place(self.address, self.why, self.tls)
        try:
            _check_reachable(place)  # docker-py leaks the socket of a connection that fails
        except EngineUnavailable as error:
            what = f"the container engine cannot be reached: could not {doing}"
            raise EngineUnavailable(what, why=error.why, fix=error.way_out or CHECK_ENGINE) from error
        with translated(doing), _client(place, self.api_version, timeout or CALL_SECONDS) as api:
            yield api

    @contextmanager
    def look(self, doing: str, seconds: float | None = None) -> "Iterator[APIClient]":
        """As `client`, for questions: docker-py is loaded only for what it alone can answer."""
        look = Look(self.address, self.api_version, seconds or LOOK_SECONDS, partial(self.client, doing))
        with translated(doing), look.opened() as api:
            yield api


class _Place(NamedTuple):
    """Somewhere an engine may be."""

    address: str
    why: str
    tls: Any = None


class Asked(NamedTuple):
    """What the profile, the environment or docker's own configuration asks for, in the order of the docker command."""

    by: str
    """What names the engine, in words."""
    place: _Place | None = None
    """None for the default context, and for one that cannot be used."""
    final: bool = False
    """Explicitly asked for: no other engine may be taken instead."""
    trouble: str = ""
    """Why the context cannot be used, in words: docker-py would take the default socket without a word."""


def find_engine(docker_host: str | None = None) -> Engine:
    """The engine that the `docker` command would use, or else one that lies in a known place.

    The profile's own `docker_host` wins over everything. `EngineUnavailable` lists where it looked and what each said.
    """
    asked = asked_for(docker_host)
    places = [asked.place] if asked.place else []
    if not asked.final:
        known = {place.address for place in places}
        places += [place for place in known_places() if place.address not in known]
    said = [asked.trouble] if asked.trouble else []
    for place in places:
        try:
            return _connect(place)
        except EngineUnavailable as error:
            said.append(f"{place.why} ({place.address}): {error.why}")
    raise _nothing_found(said, final=asked.final)


def asked_for(docker_host: str | None) -> Asked:
    if docker_host:
        return Asked(NAMED, _Place(docker_host, "the profile's docker_host"), final=True)
    if os.environ.get("DOCKER_HOST"):
        from docker.utils import kwargs_from_env

        with translated("read DOCKER_HOST and its certificates"):
            values = kwargs_from_env(environment=dict(os.environ))
        return Asked(NAMED, _Place(values["base_url"], "DOCKER_HOST", values.get("tls")), final=True)
    return _current_context()


def _current_context() -> Asked:
    """What `DOCKER_CONTEXT`, or else the configuration of the docker command, names."""
    by_variable, name, trouble = bool(os.environ.get("DOCKER_CONTEXT")), os.environ.get("DOCKER_CONTEXT", ""), ""
    if not by_variable and (path := _config_file()):
        try:
            name = str(json.loads(path.read_text(encoding="utf-8")).get("currentContext") or "")
        except (OSError, ValueError, AttributeError) as error:
            trouble = f"{path} cannot be read: {error}"
    if name in {"", "default"}:
        return Asked("context default", trouble=trouble)
    from docker.context import ContextAPI

    asked = Asked(f"context {name}", final=by_variable)
    try:
        with translated(f"read docker context {name}"):
            context = ContextAPI.get_context(name)
    except (AdminError, ValueError, KeyError) as error:
        reason = error.why if isinstance(error, AdminError) else str(error)
        return asked._replace(trouble=f"docker context {name} cannot be read: {reason}")
    if context is None or not context.Host:
        origin = "DOCKER_CONTEXT" if by_variable else "docker's configuration (currentContext)"
        return asked._replace(trouble=f"{origin} names context {name}, which does not exist")
    return asked._replace(place=_Place(context.Host, f"context {name}", context.TLSConfig))


def _config_file() -> Path | None:
    """The file of the docker command's configuration, looked for where docker-py does."""
    named = os.environ.get("DOCKER_CONFIG")
    places = (
        Path(named) / "config.json" if named else None,
        Path.home() / ".docker/config.json",
        Path.home() / ".dockercfg",
    )
    return next((path for path in places if path is not None and path.exists()), None)


def known_places() -> list[_Place]:
    """Where the engines of workstations put their sockets, the most usual first."""
    if sys.platform == "win32":
        pipes = {
            "docker_engine": "the default pipe",
            "dockerDesktopLinuxEngine": "Docker Desktop's pipe",
            "podman-machine-default": "Podman machine's pipe",
        }
        return [_Place(f"npipe:////./pipe/{name}", why) for name, why in pipes.items()]
    home = Path.home()
    sockets = [
        (Path("/var/run/docker.sock"), "the default socket"),
        (home / ".docker/run/docker.sock", "Docker Desktop's socket"),
        (home / ".docker/desktop/docker.sock", "Docker Desktop's socket"),
        (home / ".orbstack/run/docker.sock", "OrbStack's socket"),
        (home / ".rd/docker.sock", "Rancher Desktop's socket"),
        (home / ".colima/default/docker.sock", "Colima's socket"),
        (home / ".lima/default/sock/docker.sock", "Lima's socket"),
        (home / ".local/share/containers/podman/machine/podman.sock", "Podman machine's socket"),
    ]
    if runtime_dir := os.environ.get("XDG_RUNTIME_DIR"):
        sockets += [
            (Path(runtime_dir) / "docker.sock", "the rootless Docker socket"),
            (Path(runtime_dir) / "podman/podman.sock", "the rootless Podman socket"),
        ]
    sockets.append((Path("/run/podman/podman.sock"), "the Podman socket"))
    return [_Place(f"unix://{path}", why) for path, why in sockets]


def _connect(place: _Place) -> Engine:
    _check_reachable(place)
    try:
        with translated("ask the engine for its version"):
            version, info = _introduced(place)
        negotiated = str(version["ApiVersion"])
    except (TypeError, KeyError) as error:
        raise EngineUnavailable("no engine", why="what answers there is no container engine") from error
    except EngineUnavailable:
        raise
    except AdminError as error:
        raise EngineUnavailable(error.what, why=error.why or error.what, fix=error.way_out) from error
    return Engine(place.address, product(version, info), place.why, negotiated, place.tls)


def _introduced(place: _Place) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the engine says of its version, and of itself."""
    try:
        version = json.loads(ask(place.address, "/version", PING_SECONDS))
        return version, json.loads(ask(place.address, f"/v{version['ApiVersion']}/info", PING_SECONDS))
    except (NoAnswer, ValueError, TypeError, KeyError):
        pass
    from docker.constants import MINIMUM_DOCKER_API_VERSION

    # Not `version="auto"`: docker-py then asks in the constructor, and leaks its connection when that fails.
    with _client(place, MINIMUM_DOCKER_API_VERSION) as api:
        version = api.version(api_version=False)
    with _client(place, str(version["ApiVersion"])) as api:
        return version, api.info()


def _client(place: _Place, version: str, timeout: int | None = None) -> "APIClient":
    from docker import APIClient

    tls = {"tls": place.tls} if place.tls else {}
    return APIClient(place.address, version=version, timeout=timeout or PING_SECONDS, **tls)


def _check_reachable(place: _Place) -> None:
    """Say in plain words what docker-py would say in riddles, or only after a long wait."""
    from importlib.util import find_spec

    if place.address.startswith("ssh://") and find_spec("paramiko") is None:
        raise EngineUnavailable(
            "an engine over ssh needs one more package",
            why="paramiko is not installed; it comes with the extra qdrant-admin[ssh]",
            fix=install_command("qdrant-admin[ssh]"),
        )
    path = place.address.removeprefix("unix://")
    if path == place.address or not hasattr(socket, "AF_UNIX"):
        return
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PING_SECONDS)
            probe.connect(path)
    except OSError as error:
        raise EngineUnavailable("no engine", why=root_cause(error)) from error


def product(version: Mapping[str, Any], info: Mapping[str, Any]) -> str:
    """Which engine this is, from what it says of itself."""
    number = str(version.get("Version", "")).partition("+")[0]
    platform = str((version.get("Platform") or {}).get("Name", ""))
    system = str(info.get("OperatingSystem", ""))
    components = " ".join(str(part.get("Name", "")) for part in version.get("Components") or ())
    if "podman" in components.lower():
        return f"Podman {number}"
    if platform.startswith("Docker Desktop"):
        return platform.partition(" (")[0]
    host = str(info.get("Name", "")).lower()
    hosts = {"colima": "Colima", "lima-rancher-desktop": "Rancher Desktop", "orbstack": "OrbStack"}
    for mark, name in (*hosts.items(), ("docker desktop", "Docker Desktop"), ("rancher desktop", "Rancher Desktop")):
        if mark in system.lower() or host.startswith(mark):
            return f"{name} (Docker Engine {number})"
    return f"Docker Engine {number}"


def _nothing_found(said: list[str], *, final: bool) -> EngineUnavailable:
    denied = any("permission denied" in line for line in said)
    if any("paramiko" in line for line in said):
        fix = install_command("qdrant-admin[ssh]")
    elif denied and sys.platform == "linux":
        fix = "sudo usermod -aG docker $USER && newgrp docker"
    elif final:
        fix = "docker context ls"
    else:
        starts = {"darwin": "open -ga Docker", "win32": "docker desktop start"}
        fix = starts.get(sys.platform, "sudo systemctl start docker")
    looked = "\n".join(said) or "no place is known where an engine could be"
    return EngineUnavailable("no container engine answers", why=f"looked here:\n{looked}", fix=fix)
