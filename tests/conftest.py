"""Fixtures for every test: an isolated home, and real servers."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import hypothesis
import pytest

from tests.guard import sitecustomize as guard
from tests.support import matrix
from tests.support.real import Server

REFUSED = Path(tempfile.gettempdir()) / f"refused-ports-{os.getpid()}"
os.environ[guard.VARIABLE] = str(REFUSED)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(guard.__file__).parent), os.getenv("PYTHONPATH"))))
guard.install()

# No test is a timed one: a busy machine may take as long as it likes for an example, or for thinking one up.
hypothesis.settings.register_profile("patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("patient")
_OWN_VARIABLES = ("QDRANT_ADMIN_TEST_",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first, then the screens' long files: of two workers, none is left with one of them at the end."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, "tui" not in item.path.parts))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What came of the faults that were injected."""
    reports = [one for name in ("passed", "failed") for one in terminalreporter.getreports(name)]
    if lines := matrix.table(reports):
        terminalreporter.section("injected faults")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the developer's own profiles, keyring, colours or Qdrant variables."""
    for name in list(os.environ):
        if name.startswith("QDRANT_") and not name.startswith(_OWN_VARIABLES):
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "TEXTUAL_THEME", "DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "qdrant-admin-home"
    monkeypatch.setenv("QDRANT_ADMIN_HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    return home


@pytest.fixture(autouse=True)
def no_server_of_the_developer() -> Iterator[None]:
    """No test, nor a process that it starts, speaks to port 6333 or 6334 of this machine; one that tries to fails."""
    yield
    if REFUSED.exists():
        asked = REFUSED.read_text(encoding="utf-8")
        REFUSED.unlink()
        pytest.fail(f"it spoke to a port on which a developer's own server may listen:\n{asked}")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests of a worker; use it through `server`, which empties it."""
    server = Server(tmp_path_factory.mktemp("qdrant")).start()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A running, empty real server. Tests must not stop it: those that do, make one of their own."""
    with httpx.Client(base_url=shared_server.url, timeout=30) as http:
        for collection in http.get("/collections").json()["result"]["collections"]:
            http.delete(f"/collections/{quote(collection['name'], safe='')}").raise_for_status()
    return shared_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A running, empty real server of this test alone: to be stopped, killed and started again."""
    server = Server(tmp_path / "qdrant").start()
    yield server
    server.kill()
