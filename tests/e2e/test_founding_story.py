"""The story this product was made for: moved in, proven, and then gone behind everybody's back. Every face says so."""

import os
import shutil
from pathlib import Path

import docker
import psutil
import pytest

from tests.e2e.conftest import RUNTIMES, Makes, Tool
from tests.support.real import IMAGE

COUNT = 149
"""Records of `debian_memories` in the fixture."""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_what_was_proven_and_is_gone_is_said_by_every_face(runtime: str, makes: Makes, chroma: Path) -> None:
    tool = makes(runtime)
    tool.json("up")
    move_in(tool, chroma)
    assert tool.json("verify", "--how", "kill")["verdict"] == "persisted"

    lose_one_folder(tool)
    for face in ("up", "status"):
        found = tool.json(face, code=1)
        assert [one["code"] for one in found["findings"] if one["level"] == "fail"] == ["known_collection_missing"]
    [check] = [one for one in tool.json("doctor", code=1)["checks"] if one["name"] == "memory"]
    assert f"there were {COUNT} points in memories here; today there is no such collection" in check["detail"]
    report = tool.json("verify", "--how", "none", code=1)
    assert (report["verdict"], [one["missing"] for one in report["collections"]]) == ("lost", [COUNT])
    gone = tool.on("collections", "show", "memories", "--json", code=1).error
    assert gone["what"] == "the collection “memories” is gone"
    assert f"it held {COUNT} points" in gone["why"]
    [accepted] = tool.json("verify", "--accept")["accepted"]
    assert accepted in check["detail"]
    assert tool.json("status")["healthy"] is True

    move_in(tool, chroma)
    lose_everything(tool)
    refused = tool.on("up", "--json", code=4).error
    assert f"there were {COUNT} points in 1 collection" in refused["why"]
    accepted_now = tool.json("up", "--accept")
    assert (accepted_now["collections"], accepted_now["healthy"]) == (0, True)


def move_in(tool: Tool, chroma: Path) -> None:
    moved = tool.json("migrate", f"chroma:{chroma}", "--collection", "debian_memories", "--to", "memories")
    assert moved["verdict"] == "verified"


def lose_one_folder(tool: Tool) -> None:
    """While the server is down, however short that is."""
    if tool.runtime == "docker":
        with docker.APIClient(version="auto") as api:
            name = f"qdrant-admin-{tool.profile}"
            data = Path(api.inspect_volume(f"qdrant_admin_{tool.profile}")["Mountpoint"])
            api.kill(name)
            if os.access(data, os.W_OK):
                shutil.rmtree(data / "collections" / "memories")
            else:  # the engine's folders are out of sight: the published image has `rm`
                binds = api.create_host_config(binds=[f"qdrant_admin_{tool.profile}:/data"], auto_remove=True)
                command = ["-rf", "/data/collections/memories"]
                made = api.create_container(IMAGE, command, entrypoint="rm", host_config=binds)
                api.start(made)
                api.wait(made)
            api.start(name)
    else:
        state = tool.json("status")
        storage = Path(state["storage"]["source"])
        server = psutil.Process(int(state["name"].removeprefix("pid ")))
        server.suspend()
        shutil.rmtree(storage / "collections" / "memories")
        server.kill()


def lose_everything(tool: Tool) -> None:
    tool.json("down", "--remove")
    if tool.runtime == "docker":
        with docker.APIClient(version="auto") as api:
            api.remove_volume(f"qdrant_admin_{tool.profile}")
    else:
        shutil.rmtree(Path(tool.json("status", code=1)["storage"]["source"]))
