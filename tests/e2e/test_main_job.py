"""The main job from beginning to end, on both runtimes: set up, move in, look, restart, prove, put away, bring back."""

from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import RUNTIMES, Makes, Tool

COUNT = 149
"""Records of `debian_memories` in the fixture."""


def digests(report: dict[str, list[dict[str, dict[str, str]]]], when: str) -> list[str]:
    return [one[when]["digest"] for one in report["collections"]]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_main_job(runtime: str, makes: Makes, chroma: Path) -> None:
    tool = makes(runtime)
    up = tool.json("up")
    assert up["runtime"] == runtime
    assert (up["url"], up["version"]) == (tool.url, "1.16.3")
    assert (up["healthy"], up["ready"], up["started"]) == (True, True, True)
    assert up["storage"]["kind"] == {"native": "directory", "docker": "volume"}[runtime]
    assert up["container"] == {"native": None, "docker": f"qdrant-admin-{tool.profile}"}[runtime]
    again = tool.on("up", "--runtime", runtime, "--port", str(tool.port), "--json")
    assert again.report["started"] is False
    assert "kept in profile" not in again.err

    moved = tool.json("migrate", f"chroma:{chroma}", "--collection", "debian_memories", "--to", "memories")
    assert moved["verdict"] == "verified"
    assert moved["source"].startswith(f"chroma:{chroma}")
    assert moved["seconds"] > 0
    [one] = moved["collections"]
    assert (one["source"], one["target"], one["verdict"]) == ("debian_memories", "memories", "verified")
    assert [one[key] for key in ("read", "written", "skipped", "rejected", "verified")] == [COUNT, COUNT, 0, 0, COUNT]

    [held] = tool.json("collections", "list")["collections"]
    assert (held["name"], held["status"], held["points"]) == ("memories", "green", COUNT)

    proofs = [tool.json("verify", "--how", how) for how in ("kill", "graceful", "recreate")]
    for how, proof in zip(("kill", "graceful", "recreate"), proofs, strict=True):
        assert (proof["how"], proof["verdict"]) == (how, "persisted")
        [check] = proof["collections"]
        assert (check["missing"], check["changed"], check["extra"]) == (0, 0, 0)
        assert check["before"]["points"] == check["after"]["points"] == COUNT
        assert digests(proof, "before") == digests(proof, "after") == digests(proofs[0], "before")

    assert tool.json("restart")["healthy"] is True
    assert tool.json("down")["stopped"] is True
    assert tool.json("status", code=1)["state"] == "stopped"
    assert tool.json("down", "--remove")["removed"] is True
    assert tool.json("status", code=1)["state"] == "absent"
    back = tool.json("up")
    assert (back["started"], back["collections"], back["points"]) == (True, 1, COUNT)
    assert digests(tool.json("verify", "--how", "none"), "after") == digests(proofs[0], "before")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_key_is_made_kept_and_never_shown(runtime: str, makes: Makes) -> None:
    tool = makes(runtime)
    tool.on("up")
    assert httpx.get(f"{tool.url}/collections").status_code == 200
    shown = tool.on("up", "--api-key", "auto", "--apply", "--json")
    assert shown.report["api_key"] is True
    assert httpx.get(f"{tool.url}/collections").status_code == 401

    revealed = tool.json("env", "--reveal", "--shell", "dotenv")["lines"]
    [key] = [line.partition("=")[2].strip("'\"") for line in revealed if line.startswith("QDRANT_API_KEY=")]
    assert httpx.get(f"{tool.url}/collections", headers={"api-key": key}).status_code == 200
    everything = [shown, tool.on("env"), tool.on("status"), tool.on("doctor"), tool.on("config", "show")]
    everything += [tool.on("collections", "list"), tool.on("verify", "--how", "none"), tool.on("logs")]
    assert not [ran for ran in everything if key in ran.out + ran.err]


def test_the_demo_tells_the_whole_story_and_leaves_nothing(makes: Makes) -> None:
    tool = makes("native")
    before = tool("profiles", "list", "--json").report
    story = tool("demo", "--runtime", "native", "--json").report
    assert story["up"]["healthy"] is True
    assert story["migration"]["verdict"] == "verified"
    assert (story["verify"]["verdict"], story["verify"]["how"]) == ("persisted", "kill")
    assert tool("profiles", "list", "--json").report == before
    assert not [path for path in (tool.home / "data").rglob("*") if path.name == "raft_state.json"]


def test_without_a_profile_the_environment_says_where(makes: Makes) -> None:
    tool = makes("native")
    tool.on("up")
    tool.environment |= {"QDRANT_URL": tool.url, "QDRANT_GRPC_PORT": str(tool.grpc_port)}
    status = tool("status", "--json").report
    assert (status["runtime"], status["url"], status["healthy"]) == ("remote", tool.url, True)
    assert "stopped from here" in tool("down", "--json", code=3).error["what"]
    tool.environment.pop("QDRANT_URL")


def test_two_profiles_do_not_touch_each_other(makes: Makes) -> None:
    first = makes("native")
    second = Tool(first.home, "native", environment=first.environment).ready()
    try:
        first.on("up")
        second.on("up")
        second.on("down")
        assert first.json("status")["healthy"] is True
    finally:
        second.clean()
