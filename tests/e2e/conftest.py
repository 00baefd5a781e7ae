"""The program itself, run as people and scripts run it: a process, its two outputs and its exit code."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.migration.support import unpacked
from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, binary, free_port

RUNTIMES = [pytest.param("native", marks=pytest.mark.server), pytest.param("docker", marks=pytest.mark.docker)]
HELD = ("QDRANT_", "DOCKER_", "TEXTUAL_", "NO_COLOR", "FORCE_COLOR")
"""Variables of the developer's own that no invocation here may see."""


@dataclass(frozen=True)
class Ran:
    """What one invocation left behind."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error's three parts, none of them empty where a user would miss it."""
        parts: dict[str, str] = self.report["error"]
        assert parts["what"]
        assert "Traceback" not in self.err
        return parts


@dataclass
class Tool:
    """The command line with a home, a profile and ports of its own."""

    home: Path
    runtime: str = "native"
    profile: str = field(default_factory=lambda: f"e2e-{uuid.uuid4().hex[:10]}")
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the profile's server answers."""
        return f"http://127.0.0.1:{self.port}"

    def __call__(self, *arguments: str, code: int | None = 0, **variables: str) -> Ran:
        """Run it; with a `code`, the exit code has to be that one."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(HELD)}
        own = {"QDRANT_ADMIN_HOME": str(self.home), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
        done = subprocess.run(
            [sys.executable, "-m", "qdrant_admin", *arguments],
            env=inherited | own | self.environment | variables,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if code is not None:
            assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return Ran(done.returncode, done.stdout, done.stderr)

    def on(self, *arguments: str, code: int | None = 0, **variables: str) -> Ran:
        """Run it on the profile."""
        return self(*arguments, "--profile", self.profile, code=code, **variables)

    def json(self, *arguments: str, code: int | None = 0, **variables: str) -> Any:
        """Run it on the profile with `--json`; what it printed."""
        return self.on(*arguments, "--json", code=code, **variables).report

    def ready(self) -> "Tool":
        """Write the profile, without starting anything."""
        self.home.mkdir(parents=True, exist_ok=True)
        settings = [f"runtime={self.runtime}", f"port={self.port}", f"grpc_port={self.grpc_port}", f"image={IMAGE}"]
        self("profiles", "add", self.profile, *settings)
        return self

    def clean(self) -> None:
        """Stop what was started, and remove what bears the profile's name."""
        self.on("down", "--remove", code=None)
        if self.runtime == "docker":
            sweep(self.profile)


def need(runtime: str) -> dict[str, str]:
    """Skip without the real parts of a runtime; the variables that name them."""
    if runtime == "native":
        return {"QDRANT_ADMIN_BINARY": str(binary())}
    need_engine()
    return {}


Makes = Callable[..., Tool]


@pytest.fixture
def makes(tmp_path: Path) -> Iterator[Makes]:
    """Make tools for a runtime; whatever they started is gone afterwards."""
    made: list[Tool] = []

    def make(runtime: str = "native", **fields: Any) -> Tool:
        environment = need(runtime) | fields.pop("environment", {})
        home = tmp_path / f"home {len(made)}"  # a space, as in many a user's name
        made.append(Tool(home, runtime, environment=environment, **fields))
        return made[-1].ready()

    yield make
    for tool in made:
        tool.clean()


@pytest.fixture(scope="session")
def chroma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Chroma directory of real records, to be read only."""
    return unpacked("chroma-1.5", tmp_path_factory.mktemp("chroma"))


@pytest.fixture(scope="module", params=RUNTIMES)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, chroma: Path) -> Iterator[Tool]:
    """A running server that the Chroma directory was moved into, on either runtime. Tests must only look at it."""
    runtime = str(request.param)
    tool = Tool(tmp_path_factory.mktemp("filled"), runtime, environment=need(runtime)).ready()
    try:
        tool.on("up")
        tool.on("migrate", f"chroma:{chroma}", "--collection", "debian_memories", "--to", "memories")
        yield tool
    finally:
        tool.clean()
