"""Recreating a container on the same data, with a way back: the old one is set aside while another takes its name."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError
from qdrant_admin.server.docker.answers import Inspected, Request, labels_of, name_of
from qdrant_admin.server.docker.container.spec import LABEL_INSTALLATION, LABEL_MANAGED, refuse_unseen
from qdrant_admin.server.docker.container.start_and_stop import check_stays_up, stop
from qdrant_admin.server.docker.engine.errors import existing, translate
from qdrant_admin.server.docker.engine.pull import image_id
from qdrant_admin.server.runtime import Diagnosis
from qdrant_admin.state.installation import installation

if TYPE_CHECKING:
    from docker import APIClient


def aside_name(name: str, container: str) -> str:
    """What a container is called until the one in its place has been seen to run."""
    return f"{name}-old-{container[:8]}"


def named(api: "APIClient", name: str) -> Inspected | None:
    """The container of exactly that name; Docker would also take the beginning of an id."""
    found: Inspected | None = existing(lambda: api.inspect_container(name))
    return found if found and name_of(found) == name else None


def set_aside(api: "APIClient", name: str) -> list[Inspected]:
    """Containers that were set aside for one of this name, and still are."""
    listed = api.containers(all=True, filters={"name": f"{name}-old-"})
    return [
        api.inspect_container(one["Id"])
        for one in listed
        if f"/{aside_name(name, one['Id'])}" in (one.get("Names") or ())
    ]


def left_by_replacement(attributes: Inspected, name: str, profile: str) -> Diagnosis | None:
    """The finding when a profile's container has the name of one that was set aside."""
    if name_of(attributes) != aside_name(name, attributes["Id"]):
        return None
    return Diagnosis(
        code="replacement_interrupted",
        what=f"recreating {name} was interrupted",
        why=f"the container and its data are still there, as {name_of(attributes)}",
        fix=str(Command("up").on(profile)),
        severe=True,
    )


def same_again(api: "APIClient", attributes: Inspected) -> Request:
    """The request that makes an identical container: same settings, and above all the same data.

    What Docker made up for this one container (host name, anonymous volumes) is either left out or, where data may
    lie on it, named: a second container from the same request would get a new, empty anonymous volume.

    Raises:
        Refused: the engine does not show what it was made with.
    """
    refuse_unseen(attributes)
    body: Request = copy.deepcopy(dict(attributes["Config"]))
    host: Request = copy.deepcopy(dict(attributes["HostConfig"]))
    mode = str(host.get("NetworkMode") or "default")
    if body.get("Hostname") == attributes["Id"][:12] or mode == "host" or mode.startswith("container:"):
        body.pop("Hostname", None)
    body.pop("MacAddress", None)
    if (labels := labels_of(attributes)).get(LABEL_MANAGED) == "true":  # made before there were such numbers
        body["Labels"] = {LABEL_INSTALLATION: installation(), **labels}
    if image_id(api, str(body["Image"])) != attributes["Image"]:  # the tag has moved, or is gone
        body["Image"] = attributes["Image"]
    host["Mounts"] = _mounts(host, attributes)
    body["HostConfig"] = host
    networks = attributes["NetworkSettings"].get("Networks") or {}
    if mode in networks:  # engines before API 1.44 take one network; `_connect_others` joins the rest
        body["NetworkingConfig"] = {"EndpointsConfig": {mode: _endpoint(networks[mode], attributes["Id"])}}
    return body


def _mounts(host: Mapping[str, Any], attributes: Inspected) -> list[Request]:
    """The request's mounts, and those volumes that stand in no request: named by what they really are."""
    actual = {str(mount["Destination"]): mount for mount in attributes.get("Mounts") or ()}
    mounts = [dict(mount) for mount in host.get("Mounts") or ()]
    for mount in mounts:
        if mount.get("Type") == "volume" and not mount.get("Source") and mount.get("Target") in actual:
            mount["Source"] = actual[mount["Target"]]["Name"]
    named = {mount.get("Target") for mount in mounts} | {
        part for bind in host.get("Binds") or () for part in str(bind).split(":")
    }
    for destination, there in actual.items():
        if there.get("Type") == "volume" and destination not in named:
            read_only = there.get("RW") is False
            mounts.append({"Type": "volume", "Source": there["Name"], "Target": destination, "ReadOnly": read_only})
    return mounts


def _endpoint(network: Mapping[str, Any], container_id: str) -> Request:
    aliases = [alias for alias in network.get("Aliases") or () if alias != container_id[:12]]
    return {"Aliases": aliases or None, "IPAMConfig": network.get("IPAMConfig"), "Links": network.get("Links")}


def _connect_others(api: "APIClient", attributes: Inspected, container: str, mode: str) -> None:
    """Join every network of the old container in which one of that network mode is not by itself: applications in other
    containers find it there.
    """
    networks = attributes["NetworkSettings"].get("Networks") or {}
    for name, network in networks.items():
        by_itself = name in {mode, "bridge", "host", "none"} or mode in {"host", "none"}
        if not by_itself and api.networks(names=[name]):  # one that is gone is no reason to stay as it is
            api.connect_container_to_network(container, name, aliases=_endpoint(network, attributes["Id"])["Aliases"])


def replace(api: "APIClient", old: Inspected, body: Request, name: str, *, keep: bool = False) -> str:
    """Stop the old container, make and start the new one, remove the old one. Returns the new id.

    The old one stays, renamed, until the new one has been seen to run; on any failure it gets its name and its state
    back. Cannot be cancelled midway on purpose: half of this is a server that is gone. When the program
    is killed in the middle, the old one is found under the name that it has meanwhile (`set_aside`).

    The new one joins every network that the old one was in. With `keep` the old one stays set aside, and the caller
    disposes of it.

    Raises:
        AdminError: the new one could not be made or does not stay up; the old one is as it was.
    """
    aside = aside_name(name, old["Id"])
    was_running = bool(old["State"].get("Running"))
    new = ""
    stop(api, old)
    try:
        api.rename(old["Id"], aside)
        new = str(api.create_container_from_config(body, name)["Id"])
        _connect_others(api, old, new, str(body["HostConfig"].get("NetworkMode") or "default"))
        api.start(new)
        check_stays_up(api, new)
    except BaseException as error:
        back = roll_back(api, old["Id"], new, name, start=was_running)
        if isinstance(error, Exception):
            raise _with_way_back(error, name, back) from error
        raise
    if not keep:
        api.remove_container(old["Id"])
    return new


def roll_back(api: "APIClient", old: str, new: str, name: str, *, start: bool) -> bool:
    """Give the old container its name and its state back. Whether that worked."""
    import docker.errors
    import requests

    try:
        if new:
            api.remove_container(new, force=True)
        if name_of(api.inspect_container(old)) != name:
            api.rename(old, name)
        if start:
            api.start(old)
    except (docker.errors.DockerException, requests.RequestException):
        return False
    return True


def _with_way_back(error: Exception, name: str, back: bool) -> AdminError:
    told = error if isinstance(error, AdminError) else translate(error, f"recreate {name}")
    after = (
        "the server that was there before is back as it was"
        if back
        else "the server that was there before could not be brought back, and is still there: docker ps -a"
    )
    told = copy.copy(told)
    told.why = f"{told.why}\n{after}".strip()
    return told
