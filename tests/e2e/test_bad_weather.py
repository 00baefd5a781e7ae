"""Bad input and bad weather on the command line: the contract's exit code, the cause by name, and a way out."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import docker
import httpx
import pytest

from tests.e2e.conftest import Makes, Tool
from tests.support.real import IMAGE, Server, free_port

NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent"}


def words(error: dict[str, str]) -> str:
    return f"{error['what']} {error['why']}"


@pytest.fixture
def up(makes: Makes) -> Tool:
    """A running native server."""
    tool = makes("native")
    tool.on("up")
    return tool


@pytest.fixture
def remote(makes: Makes, server: Server) -> Tool:
    """A profile over a server that somebody else runs: quick, and enough for what concerns data."""
    tool = makes("native")
    tool("profiles", "set", tool.profile, "runtime=remote", f"url={server.url}", f"grpc_port={server.grpc_port}")
    return tool


@pytest.mark.parametrize("arguments", [["up"], ["status"], ["down"], ["collections", "list"], ["doctor"]])
def test_no_engine(arguments: list[str], makes: Makes) -> None:
    tool = makes("docker")
    ran = tool.on(*arguments, "--json", code=None, **NO_ENGINE)
    if arguments[0] in {"status", "doctor"}:  # they look, and report what they see
        assert ran.code == 1
        assert "unix:///nonexistent" in ran.out
    else:
        assert ran.code == 3, ran.err
        assert "unix:///nonexistent" in words(ran.error)
        assert ran.error["fix"]


def test_an_image_that_cannot_be_had(makes: Makes) -> None:
    tool = makes("docker")
    missing = f"127.0.0.1:{free_port()}/qdrant/qdrant:v1.16.3"
    error = tool.on("up", "--image", missing, "--json", code=3).error
    assert missing in words(error)
    assert error["fix"]


@pytest.mark.parametrize("runtime", [pytest.param("native"), pytest.param("docker", marks=pytest.mark.docker)])
def test_a_taken_port_is_told_with_its_holder_and_a_free_one(runtime: str, makes: Makes) -> None:
    tool = makes(runtime)
    with closing(socket.create_server(("127.0.0.1", tool.port))):
        error = tool.on("up", "--json", code=3).error
    assert str(tool.port) in error["what"]
    assert f"pid {os.getpid()}" in error["why"]
    assert tool(*shlex.split(error["fix"])[1:], "--json").report["healthy"] is True


@pytest.mark.docker
def test_a_container_of_that_name_that_is_not_ours(makes: Makes) -> None:
    tool = makes("docker")
    name = f"qdrant-admin-{tool.profile}"
    with docker.APIClient(version="auto") as api:
        made = api.create_container_from_config({"Image": IMAGE}, name)["Id"]
        for command in ("up", "down", "restart"):
            error = tool.on(command, "--json", code=4).error
            assert name in words(error)
            assert f"--profile {tool.profile}" in error["fix"]
            assert "adopt" in error["fix"]
        assert api.inspect_container(name)["Id"] == made
        assert api.inspect_container(name)["State"]["Status"] == "created"
        assert tool.on("adopt", "--json", code=4).error["fix"].endswith(tool.profile)


def test_a_storage_that_cannot_hold_data(makes: Makes) -> None:
    tool = makes("native")
    file = tool.home / "a file"
    file.write_text("mine")
    error = tool.on("up", "--storage", str(file), "--json", code=3).error
    assert "a file" in error["what"]
    assert file.read_text() == "mine"


def test_a_storage_that_holds_something_else(makes: Makes, chroma: Path) -> None:
    error = makes("native").on("up", "--storage", str(chroma), "--json", code=3).error
    assert "Chroma" in words(error)
    assert "migrate" in error["fix"]


def test_a_wrong_key_and_none(makes: Makes, up: Tool) -> None:
    up.on("up", "--api-key", "auto", "--apply")
    other = makes("native")
    settings = ["runtime=remote", f"url={up.url}", f"grpc_port={up.grpc_port}"]
    other("profiles", "set", other.profile, *settings)
    for variables, code in (({"QDRANT_API_KEY": "wrong"}, "api_key_refused"), ({}, "api_key_missing")):
        error = other.on("collections", "list", "--json", code=3, **variables).error
        assert "key" in words(error)
        status = other.json("status", code=1, **variables)
        assert status["findings"][0]["code"] == code


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("chroma:{home}/nowhere", "there is nothing at"),
        ("chroma:{home}", "is not a Chroma directory"),
        ("chroma:{file}", "NumPy"),
        ("qdrant-local:{chroma}", "it is a Chroma directory"),
        ("chroma:{storage}", "storage of a Qdrant server"),
        ("chroma:{chroma}?collection=nope", "no collection nope"),
        ("chroma+http://127.0.0.1:1", "no Chroma server answers"),
    ],
)
def test_a_source_that_cannot_be_read(source: str, said: str, remote: Tool, chroma: Path, server: Server) -> None:
    (remote.home / "a.npy").write_bytes(b"\x93NUMPY")
    storage = server.folder / "storage"
    given = source.format(home=remote.home, file=remote.home / "a.npy", chroma=chroma, storage=storage)
    ran = remote.on("migrate", given, "--json", code=None)
    assert ran.code == (2 if "nope" in source else 3), ran.out
    assert said in words(ran.error)
    assert ran.error["fix"]


@pytest.mark.parametrize("source", ["wat:x", "chroma:", "just-a-folder"])
def test_what_is_no_source_is_a_wrong_command_line(source: str, remote: Tool) -> None:
    assert " migrate " in remote.on("migrate", source, "--json", code=2).error["fix"]


def test_a_dimension_that_does_not_fit_writes_nothing(remote: Tool, server: Server, chroma: Path) -> None:
    body = {"vectors": {"size": 5, "distance": "Cosine"}}
    httpx.put(f"{server.url}/collections/debian_memories", json=body, timeout=30).raise_for_status()
    ran = remote.on("migrate", f"chroma:{chroma}", "--collection", "debian_memories", "--json", code=4)
    [problem] = [problem for problem in ran.report["problems"] if problem["level"] == "refused"]
    assert "5" in problem["text"]
    assert "384" in problem["text"]
    assert remote.json("collections", "list")["collections"][0]["points"] == 0
    assert remote(*shlex.split(problem["fix"])[1:], "--json").report["verdict"] == "verified"


@pytest.mark.parametrize("name", ["[oops]", "[red]x", "ünï ☃"])
def test_a_hostile_name_is_shown_as_it_is(name: str, remote: Tool, server: Server) -> None:
    from urllib.parse import quote

    body = {"vectors": {"size": 2, "distance": "Dot"}}
    quoted = quote(name, safe="")
    httpx.put(f"{server.url}/collections/{quoted}", json=body, timeout=30).raise_for_status()
    point = {"id": 7, "vector": [1, 2], "payload": {"[/oops]": "\x1b[31m[bold]"}}
    httpx.put(f"{server.url}/collections/{quoted}/points?wait=true", json={"points": [point]}).raise_for_status()
    assert [one["name"] for one in remote.json("collections", "list")["collections"]] == [name]
    for command in (["collections", "list"], ["collections", "show", name]):
        assert name in remote.on(*command).out
    for command in (["points", "list", name], ["points", "show", name, "7"]):
        shown = remote.on(*command).out
        assert "[/oops]" in shown
        assert "\x1b" not in shown
    assert remote.json("verify", "--how", "none")["verdict"] == "unchanged"


@pytest.mark.parametrize("name", [".", "..", "[/oops]", ""])
def test_a_name_that_would_reach_beyond_its_folder_is_never_sent(name: str, remote: Tool) -> None:
    for command in (["collections", "show", name], ["points", "list", name]):
        ran = remote.on(*command, "--json", code=None)
        assert ran.code in {1, 2}, ran.out
        assert ran.error["what"]
    assert remote.json("status")["healthy"] is True


def test_what_is_not_there_is_named(remote: Tool) -> None:
    assert "nope" in remote.on("collections", "show", "nope", "--json", code=2).error["what"]
    assert "nope" in remote.on("points", "list", "nope", "--json", code=2).error["what"]
    assert remote.on("history", "show", "999", "--json", code=2).error["fix"]
    assert remote("status", "--profile", "nope", "--json", code=2).error["fix"] == "qdrant-admin profiles add nope"


def test_nobody_answers(makes: Makes) -> None:
    tool = makes("native")
    tool("profiles", "set", tool.profile, "runtime=remote", f"url={tool.url}")
    assert tool.url in words(tool.on("collections", "list", "--json", code=3).error)
    assert tool.json("status", code=1)["state"] == "unreachable"


def test_something_answers_that_is_no_qdrant(makes: Makes) -> None:
    tool = makes("native")
    tool("profiles", "set", tool.profile, "runtime=remote", f"url={tool.url}")
    serve = [sys.executable, "-m", "http.server", str(tool.port), "--bind", "127.0.0.1", "--directory", str(tool.home)]
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: httpx.get(tool.url).status_code == 200)
            assert "not a Qdrant server" in words(tool.on("collections", "list", "--json", code=3).error)
            assert "not_qdrant" in {one["code"] for one in tool.json("status", code=1)["findings"]}
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        ["up", "--port", "70000"],
        ["up", "--nope"],
        ["verify", "--how", "softly"],
        ["points", "search", "x"],
        ["points", "list", "x", "--filter", "{"],
        ["migrate"],
        ["profiles", "add", "Not A Name"],
        ["profiles", "add", "good", "port=many"],
    ],
)
def test_a_wrong_command_line(arguments: list[str], remote: Tool) -> None:
    ran = remote(*arguments, "--json", code=2, QDRANT_URL="http://127.0.0.1:1")
    assert ran.error["fix"].startswith("qdrant-admin")


def test_a_configuration_with_a_mistake_names_file_and_line(makes: Makes) -> None:
    tool = makes("native")
    path = Path(tool("config", "path").out.strip())
    path.write_text("[profiles.local]\nprot = 1\n")
    error = tool("status", "--json", code=2).error
    assert str(path) in error["what"]
    assert "line 2" in error["why"]
    assert "port" in error["why"]


def test_the_terminal_interface_wants_a_terminal(makes: Makes) -> None:
    ran = makes("native")(code=3)
    assert ran.out == ""
    assert "terminal" in ran.err
    assert "qdrant-admin status" in ran.err
    assert "Traceback" not in ran.err


def test_nothing_is_removed_without_a_yes(makes: Makes) -> None:
    tool = makes("native")
    assert tool("profiles", "remove", tool.profile, "--json", code=4).error["fix"].endswith("--yes")
    assert tool.profile in tool("profiles", "list", "--json").out


def test_points_are_not_overwritten_without_a_yes(remote: Tool, chroma: Path) -> None:
    move = ["migrate", f"chroma:{chroma}", "--collection", "typed"]
    remote.on(*move)
    overwrite = [*move, "--on-conflict", "overwrite", "--json"]
    assert " --yes" in remote.on(*overwrite, code=4).error["fix"]
    assert remote.on(*overwrite, "--yes").report["verdict"] == "verified"


def test_a_server_that_dies_is_seen_and_comes_back(up: Tool) -> None:
    up.on("down")
    stopped = up.json("status", code=1)["findings"][0]
    assert stopped["code"] == "server_stopped"
    assert stopped["command"].startswith("qdrant-admin up")
    assert up.on("collections", "list", "--json", code=3).error["fix"]
    assert up.on("verify", "--json", code=None).code in {1, 3}
    assert up.json("up")["healthy"] is True


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    """Until it is so; a refused connection is not yet."""
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail("it did not become so in time")
