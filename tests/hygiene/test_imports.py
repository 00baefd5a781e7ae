"""What the commands of every day load, and what none of them has a use for: each of these costs a start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real import Server

HEAVY = (
    "docker",
    "grpc",
    "httpx",
    "numpy",
    "portalocker",
    "pydantic",
    "qdrant_client",
    "redis",
    "rich_click",
    "textual",
)
TERMINAL = ("click", "psutil", "rich")
"""What a status into a pipe, of a server somewhere else, has no use for."""
SCRIPT = f"""
import json, sys
from qdrant_admin.cli.main import main
try:
    main(json.loads(sys.argv[1]))
except SystemExit as end:
    code = end.code or 0
print("LOADED", code, *(name for name in {HEAVY + TERMINAL!r} if name in sys.modules))
"""


def loaded(home: Path, server: Server, *arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command on a remote server, and the heavy modules that it brought along."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "QDRANT_ADMIN_HOME": str(home),
        "QDRANT_URL": server.url,
        "QDRANT_GRPC_PORT": str(server.grpc_port),
    }
    command = [sys.executable, "-c", SCRIPT, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    word, code, *found = done.stdout.splitlines()[-1].split()
    assert word == "LOADED", done.stdout + done.stderr
    return int(code), set(found) - (set() if arguments == ("status",) else set(TERMINAL))


@pytest.mark.server
@pytest.mark.parametrize("command", [["status"], ["collections", "list"], ["history", "list"], ["profiles", "list"]])
def test_looking_at_a_server_loads_no_numbers_and_no_client(server: Server, tmp_path: Path, command: list[str]) -> None:
    assert loaded(tmp_path, server, *command) == (0, set())


@pytest.mark.server
def test_moving_and_proving_load_what_they_compute_with_and_no_more(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "notes.jsonl"
    file.write_text("".join(json.dumps({"id": one, "vector": [one, 1.0]}) + "\n" for one in range(1, 9)))
    assert loaded(tmp_path, server, "migrate", f"jsonl:{file}", "--yes") == (0, {"grpc", "numpy"})
    assert loaded(tmp_path, server, "verify", "--how", "none") == (0, {"grpc", "numpy"})


@pytest.mark.parametrize("first", ["qdrant_client.grpc", "qdrant_admin.database.protobuf"])
def test_the_real_client_works_beside_the_own_messages(first: str) -> None:
    """A plug-in may bring it, before or after: protobuf registers a message of one name once a pool."""
    script = (
        f"import importlib; importlib.import_module({first!r})\n"
        "from qdrant_admin.database.protobuf import messages\n"
        "page = messages()['Page']\n"
        "from qdrant_client import QdrantClient, grpc\n"
        "raw = grpc.ScrollResponse(result=[grpc.RetrievedPoint(id=grpc.PointId(num=7))]).SerializeToString()\n"
        "assert page.FromString(raw).points[0].id == b'\\x08\\x07'\n"
        "assert QdrantClient(':memory:').get_collections().collections == []\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
