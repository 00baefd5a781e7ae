"""Containers and volumes beside ours on the same engine: seen, named, and left alone until somebody says otherwise."""

from collections.abc import Iterator
from typing import Any

import docker
import httpx
import pytest

from tests.e2e.conftest import Makes, Tool
from tests.support.containers import need_engine
from tests.support.real import IMAGE

pytestmark = pytest.mark.docker


@pytest.fixture
def api() -> Iterator[docker.APIClient]:
    """The engine itself."""
    need_engine()
    with docker.APIClient(version="auto") as client:
        yield client


def check(tool: Tool, name: str, code: int) -> dict[str, Any]:
    """What the doctor says under this name."""
    [found] = [one for one in tool.json("doctor", code=code)["checks"] if one["name"] == name]
    assert isinstance(found, dict)
    return found


def foreign(api: docker.APIClient, name: str, **host: Any) -> str:
    """A container that somebody else has made, not started."""
    ports = list(host.get("port_bindings", ()))
    made = api.create_container(IMAGE, name=name, ports=ports, host_config=api.create_host_config(**host))
    return str(made["Id"])


def test_a_second_container_on_our_volume_is_found(makes: Makes, api: docker.APIClient) -> None:
    tool = makes("docker")
    volume = tool.json("up")["storage"]["source"]
    assert check(tool, "sharing", 0)["status"] == "ok"
    other = foreign(api, f"{tool.profile}-other", binds=[f"{volume}:/elsewhere"])
    found = check(tool, "sharing", 0)
    assert (found["status"], f"{tool.profile}-other" in found["detail"]) == ("warn", True)
    api.start(other)
    found = check(tool, "sharing", 1)
    assert (found["status"], found["fix"]) == ("fail", f"docker stop {tool.profile}-other")


def test_a_volume_whose_profile_is_gone_is_found_and_brought_back(makes: Makes) -> None:
    tool, looking = makes("docker"), makes("docker")
    tool.environment["QDRANT_ADMIN_HOME"] = str(looking.home)
    tool.ready()
    looking.on("up")
    volume = tool.json("up")["storage"]["source"]
    assert httpx.put(f"{tool.url}/collections/kept", json={"vectors": {}}, timeout=30).status_code == 200
    tool.on("down", "--remove")
    tool("profiles", "remove", tool.profile, "--yes")
    found = check(looking, "leftovers", 0)
    assert found["status"] == "warn"
    assert volume in found["detail"] or "…" in found["detail"]
    tool.ready()
    assert volume not in check(looking, "leftovers", 0)["detail"]
    assert tool.json("up")["collections"] == 1


def test_a_server_of_somebody_else_is_shown_and_adopted_only_on_request(makes: Makes, api: docker.APIClient) -> None:
    tool = makes("docker")
    name, volume = f"{tool.profile}-theirs", f"{tool.profile}-data"
    published = {6333: ("127.0.0.1", tool.port), 6334: ("127.0.0.1", tool.grpc_port)}
    made = foreign(api, name, binds=[f"{volume}:/qdrant/storage"], port_bindings=published)
    api.start(made)
    tool("profiles", "set", tool.profile, f"container={name}", f"volume={volume}")
    status = tool.json("status", code=1)
    assert (status["state"], status["ours"]) == ("foreign", False)
    assert tool.on("down", "--json", code=4).error["what"] == f"{name} was not stopped"
    assert tool.on("adopt", "--json", code=4).error["fix"].startswith("qdrant-admin adopt --yes")
    adopted = tool.json("adopt", "--yes")
    assert (adopted["ours"], adopted["state"]) == (True, "healthy")
    assert tool.json("up")["healthy"] is True
    assert tool.json("down")["stopped"] is True
