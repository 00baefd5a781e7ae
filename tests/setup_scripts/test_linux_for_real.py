"""The Linux script from a clean clone in a bare home, nothing held back: install, up, demo, and all of it again."""

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, free_port, missing

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = ("QDRANT_", "DOCKER_", "XDG_", "UV_", "PYTHON", "VIRTUAL_ENV", "TERM", "NO_COLOR", "FORCE_COLOR")
"""Variables of the developer's own that a bare home does not have."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a Linux script"),
]


@dataclass
class Machine:
    """A user without anything: an empty home, no terminal, and free ports."""

    home: Path
    clone: Path
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of that user; what packages were fetched before need not be fetched again."""
        own_bin = Path(sys.executable).parent
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if Path(part) != own_bin)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        caches = {"PIP_CACHE_DIR": str(Path.home() / ".cache/pip"), "UV_CACHE_DIR": str(Path.home() / ".cache/uv")}
        ports = {"QDRANT_PORT": str(self.port), "QDRANT_GRPC_PORT": str(self.grpc_port), "QDRANT_ADMIN_IMAGE": IMAGE}
        return kept | caches | ports | self.variables | {"HOME": str(self.home), "PATH": path}

    def script(self, *options: str) -> str:
        """Run the script to its end, which has to be a good one; what it printed."""
        return self._run(["bash", str(self.clone / "setup_scripts" / "setup_linux.sh"), *options])

    def tool(self, *arguments: str) -> Any:
        """Run the command that the script has installed; its report."""
        return json.loads(self._run([str(self.command), *arguments, "--json"]))

    @property
    def command(self) -> Path:
        """Where the script puts it."""
        return self.home / ".local/bin/qdrant-admin"

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        log = self.home / ".local/share/qdrant-admin/setup.log"
        told = log.read_text()[-3000:] if done.returncode and log.exists() else ""
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}\n{told}"
        return done.stdout

    def write(self, name: str, url: str) -> None:
        """Make a collection by hand, to be found again."""
        key = next(line for line in self.tool("env", "--reveal", "--shell", "dotenv")["lines"] if "API_KEY" in line)
        headers = {"api-key": key.partition("=")[2].strip("'\"")}
        body = {"vectors": {"size": 2, "distance": "Dot"}}
        httpx.put(f"{url}/collections/{name}", json=body, headers=headers, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone: what is committed, and nothing that happens to lie about."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        missing("no git checkout to clone")
    folder = tmp_path_factory.mktemp("clone") / "qdrant-admin"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True, timeout=60)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "my homé"
    folder.mkdir()
    return folder


@pytest.fixture
def without_engine(home: Path, clone: Path) -> Iterator[Machine]:
    machine = Machine(home, clone, {"DOCKER_HOST": "unix:///nonexistent"})
    yield machine
    if machine.command.exists():
        machine.tool("down", "--remove")


@pytest.fixture
def with_engine(home: Path, clone: Path) -> Iterator[Machine]:
    """Its default profile has a name that nobody else uses, so that a developer's own container is not met."""
    need_engine()
    mark = f"setup-{uuid.uuid4().hex[:10]}"
    config = home / ".config/qdrant-admin/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'default_profile = "{mark}"\n[profiles.{mark}]\n')
    yield Machine(home, clone, {})
    sweep(mark)


def check_the_whole_way(machine: Machine, runtime: str) -> None:
    """Set up, hold data, and set up again: the data is there, and no demo."""
    told = machine.script()
    assert "256 of 256 points verified" in told
    assert "PERSISTED" in told
    status = machine.tool("status")
    assert (status["runtime"], status["healthy"], status["ready"]) == (runtime, True, True)
    assert status["url"] == f"http://127.0.0.1:{machine.port}"
    assert status["api_key"] is True
    machine.write("mine", status["url"])

    machine.script("--no-open")
    assert machine.tool("collections", "list")["collections"][0]["name"] == "mine"
    assert [
        profile["name"] for profile in machine.tool("profiles", "list")["profiles"] if "demo" in profile["name"]
    ] == []


@pytest.mark.server
def test_without_an_engine_a_bare_home_ends_with_a_healthy_native_server(without_engine: Machine) -> None:
    check_the_whole_way(without_engine, "native")
    storage = Path(without_engine.tool("status")["storage"]["source"])
    assert (storage / "collections" / "mine").is_dir()


@pytest.mark.docker
def test_with_an_engine_it_ends_with_a_container_and_uninstall_keeps_the_data(with_engine: Machine) -> None:
    check_the_whole_way(with_engine, "docker")
    volume = with_engine.tool("status")["storage"]["source"]
    with_engine.script("--uninstall")
    assert not with_engine.command.exists()
    assert httpx.get(f"http://127.0.0.1:{with_engine.port}/readyz", timeout=10).status_code == 200
    assert volume in subprocess.run(["docker", "volume", "ls"], capture_output=True, text=True, check=True).stdout
