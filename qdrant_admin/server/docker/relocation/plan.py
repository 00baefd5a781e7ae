"""What is to be moved where: looked at and decided before anything is made, stopped or copied."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Refused
from qdrant_admin.core.files import free_bytes
from qdrant_admin.core.formatting import plain, size
from qdrant_admin.server.docker import storage
from qdrant_admin.server.docker.answers import Inspected, Request
from qdrant_admin.server.docker.container.inspection import number_from
from qdrant_admin.server.docker.container.replace import same_again
from qdrant_admin.server.docker.container.spec import GRPC, REST, Spec, bindings
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.runtime import Room

if TYPE_CHECKING:
    from docker import APIClient

_SNAPSHOTS_VARIABLE = "QDRANT__STORAGE__SNAPSHOTS_PATH"
_PORTS = {REST: "QDRANT__SERVICE__HTTP_PORT", GRPC: "QDRANT__SERVICE__GRPC_PORT"}


class Carried(NamedTuple):
    """One folder of the server and the volume it goes to."""

    path: str
    volume: str


def carried(attributes: Inspected, volume: str) -> list[Carried]:
    """The storage, and the snapshots where they do not lie on the volume that belongs to this one already."""
    parts = [Carried(storage.storage_path(attributes), volume)]
    snapshots = storage.path_in(attributes, _SNAPSHOTS_VARIABLE, "./snapshots")
    beside = f"{volume}_snapshots"
    there = {mount.get("Destination"): mount.get("Name") for mount in attributes.get("Mounts") or ()}
    if there.get(snapshots) != beside and not snapshots.startswith(parts[0].path + "/"):
        parts.append(Carried(snapshots, beside))
    return parts


def free_name(api: "APIClient", settings: Settings, attributes: Inspected) -> str:
    """The profile's own volume, or the first of its name and a number that is not there yet."""
    present = storage.volume_names(api)
    base = settings.volume_name
    names = (base, *(f"{base}_{number}" for number in range(2, 1000)))
    return next(name for name in names if not present & {part.volume for part in carried(attributes, name)})


def refuse_impossible(api: "APIClient", attributes: Inspected, parts: Sequence[Carried], name: str) -> None:
    """Refuse whatever would cost data, or make it a guess which data is meant."""
    path, volume = parts[0]
    mount = storage.data_mount(attributes)
    if mount is not None and mount.get("Name") == volume:
        raise Refused(f"the data of {name} lies in volume {volume} already", fix=Command("doctor"))
    published = next((number for inside, _, number in bindings(attributes) if inside == REST), "6333")
    migrate = Command("migrate", f"qdrant+http://127.0.0.1:{published}").on("ANOTHER")
    if storage.in_memory(attributes, path):
        raise Refused(
            f"the data of {name} lies in memory and is gone as soon as the server stops",
            why=f"a file system in memory is mounted at {path}; only a running server can hand it over",
            fix=migrate,
        )
    if attributes["HostConfig"].get("AutoRemove"):
        raise Refused(
            f"container {name} removes itself when it is stopped",
            why="it was started with --rm: stopping it would remove the data in it, or its anonymous volume",
            fix=migrate,
        )
    if mount is not None:
        source = {"Type": mount["Type"], "Source": storage.source_of(mount)}
        users = storage.other_users(api, [source], str(attributes["Id"]))
        if running := next((user for user in users if user.running), None):
            raise Refused(
                f"{plain(running.source)} is used by container {plain(running.name)} as well, which runs",
                why="what it writes while the data is copied would be lost or torn",
                fix=f"docker stop {running.name}",
            )
    for part in parts:
        if users := storage.other_users(api, [{"Type": "volume", "Source": part.volume}], ""):
            raise Refused(
                f"volume {part.volume} is used by container {plain(users[0].name)} ({users[0].state})",
                why="the data goes to a volume of its own",
                fix=Command("move-storage", volume="ANOTHER_NAME"),
            )


def room(api: "APIClient", engine: Engine, attributes: Inspected, parts: Sequence[Carried]) -> Room:
    """What the copy takes and what is free where volumes lie; refuses when a second copy does not fit."""
    sizes = [_size(api, engine, attributes, part.path) for part in parts]
    known = [one for one in sizes if one is not None]
    needed = sum(known) if len(known) == len(sizes) else None
    free = _free(api, engine, attributes, parts[0].volume)
    if needed is not None and free is not None and free < needed:
        raise Refused(
            f"there is no room for a second copy: it takes {size(needed)}, and {size(free)} is free",
            why="the old data stays until it is removed by hand; a copy also fills the holes of preallocated files",
            fix="docker system df",
        )
    return Room(needed, free)


def _size(api: "APIClient", engine: Engine, attributes: Inspected, path: str) -> int | None:
    mount = storage.data_mount(attributes, path)
    if mount is None:
        listed = api.containers(all=True, size=True, filters={"id": attributes["Id"]})
        layer = listed[0].get("SizeRw") if listed else None
        return int(layer or 0) if path == storage.storage_path(attributes) else 0  # one layer holds both: count it once
    folder = Path(str(mount.get("Source") or ""))
    if engine.local and os.access(folder, os.R_OK | os.X_OK):
        return _claims(folder)
    return number_from(api, attributes["Id"], ["du", "-s", "-B1", "--apparent-size", path])


def _claims(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # segments come and go while the server works
                total += (Path(root) / name).lstat().st_size
    return total


def _free(api: "APIClient", engine: Engine, attributes: Inspected, volume: str) -> int | None:
    there = [one for one in api.volumes(filters={"name": volume})["Volumes"] or () if one["Name"] == volume]
    places = [str(one["Mountpoint"]) for one in there] + [str(api.info().get("DockerRootDir") or "")]
    for place in places if engine.local else ():
        if place and os.access(place, os.X_OK):
            return free_bytes(Path(place))
    return number_from(api, attributes["Id"], ["df", "-B1", "--output=avail", "/"])


def moved_body(api: "APIClient", attributes: Inspected, parts: Sequence[Carried], spec: Spec) -> Request:
    """The request for the same container with its data on the volumes."""
    body = same_again(api, attributes)
    host = body["HostConfig"]
    targets = {part.path for part in parts}
    mounts = [mount for mount in host["Mounts"] if mount.get("Target") not in targets]
    host["Mounts"] = mounts + [spec.volume(part.volume, part.path) for part in parts]
    host["Binds"] = [bind for bind in host.get("Binds") or () if not targets & set(str(bind).split(":"))] or None
    body["Volumes"] = {
        path: there for path, there in (body.get("Volumes") or {}).items() if path not in targets
    } or None
    return body


def trial_body(body: Request, host: str, ports: Mapping[str, int]) -> Request:
    """The same for a container that no application finds: no network of others, ports that nobody knows."""
    given = dict(str(entry).partition("=")[::2] for entry in body.get("Env") or ())
    inside = {kind: f"{given.get(variable) or kind.split('/')[0]}/tcp" for kind, variable in _PORTS.items()}
    settings = {
        **body["HostConfig"],
        "NetworkMode": "default",
        "Links": None,
        "PortBindings": {inside[kind]: [{"HostIp": host, "HostPort": str(port)}] for kind, port in ports.items()},
        "RestartPolicy": {"Name": "no"},
    }
    exposed = {**(body.get("ExposedPorts") or {}), **{port: {} for port in inside.values()}}
    without = {key: value for key, value in body.items() if key not in {"NetworkingConfig", "Hostname", "Domainname"}}
    return {**without, "ExposedPorts": exposed, "HostConfig": settings}
