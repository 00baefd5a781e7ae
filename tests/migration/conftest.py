"""The stores, unpacked for one test each."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from qdrant_admin.database.gateway import Database
from tests.migration.support import unpacked
from tests.support.real import CACHE, Server, free_port, missing


@pytest.fixture
def chroma(tmp_path: Path) -> Path:
    """A Chroma directory in the current format."""
    return unpacked("chroma-1.5", tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder of qdrant-client's embedded mode."""
    return unpacked("qdrant-local", tmp_path)


@pytest.fixture(scope="session")
def shared_other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One more real server for all tests of a worker; use it through `other`, which empties it."""
    started = Server(tmp_path_factory.mktemp("other")).start()
    yield started
    started.kill()


@pytest.fixture
def other(shared_other: Server) -> Server:
    """A second server, running and empty: the source of what goes into `server`. Tests must not stop it."""
    with Database(shared_other.endpoint) as database:
        for name in database.names():
            for snapshot in database.snapshots.listed(name):  # they outlive their collection
                database.snapshots.delete(name, snapshot.name)
            database.delete_collection(name)
    return shared_other


def peer(program: str) -> Path:
    """A program out of the environment with Chroma and the frameworks."""
    path = Path(os.environ.get("QDRANT_ADMIN_TEST_PEERS", CACHE / "venv-peers")) / "bin" / program
    if not path.exists():
        missing(f"there is no {path}")
    return path


@pytest.fixture
def chroma_url(chroma: Path) -> Iterator[str]:
    """A Chroma server over the current store."""
    program = peer("chroma")
    port = free_port()
    command = [str(program), "run", "--path", str(chroma), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _answers(f"http://127.0.0.1:{port}", process)
            yield f"chroma+http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/v2/heartbeat", timeout=1).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError("Chroma did not come up")
