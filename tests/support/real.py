"""Real parts for the tests: a native Qdrant server and a Docker engine, brought by `setup_scripts/test.sh`."""

import contextlib
import itertools
import os
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from qdrant_admin.config.profile import Endpoint

REQUIRED = os.environ.get("QDRANT_ADMIN_TEST_REQUIRED") == "1"
IMAGE = os.environ.get("QDRANT_ADMIN_TEST_IMAGE", "qdrant/qdrant:v1.16.3")
CACHE = Path(os.environ.get("QDRANT_ADMIN_TEST_CACHE", Path.home() / ".cache" / "qdrant-admin-tests"))


def missing(what: str) -> None:
    """Skip the test; under the test set-up script, where nothing may be missing, fail it."""
    message = f"{what} (setup_scripts/test.sh brings it)"
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_PORTS = range(20_000 + 1500 * _WORKER, 20_000 + 1500 * (_WORKER + 1))
"""Of this worker alone, and below those that systems give to outgoing connections: nobody takes one away before it is
used."""
_next_place = itertools.count(os.getpid())


def free_port() -> int:
    """A TCP port on loopback that nobody listens on right now, and that this worker was not given a while ago."""
    while True:
        port = _PORTS[next(_next_place) % len(_PORTS)]
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def binary() -> Path:
    """The real Qdrant server binary."""
    path = Path(os.environ.get("QDRANT_ADMIN_TEST_BINARY", CACHE / "qdrant-1.16.3"))
    if not path.exists():
        missing(f"no Qdrant server binary at {path}")
    return path


@dataclass
class Server:
    """A real Qdrant as a child of the test run, with nothing of the product in between."""

    folder: Path
    port: int = field(default_factory=free_port)
    grpc_port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    roots: Path | None = None
    """Where it has a certificate: the file of whoever signed it."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where it answers."""
        scheme = "https" if self.roots else "http"
        return Endpoint(url=f"{scheme}://127.0.0.1:{self.port}", grpc_port=self.grpc_port, tls=self.roots is not None)

    @property
    def url(self) -> str:
        """REST base."""
        return self.endpoint.url

    def start(self) -> "Server":
        """Start and wait until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "QDRANT__SERVICE__HOST": "127.0.0.1",
            "QDRANT__SERVICE__HTTP_PORT": str(self.port),
            "QDRANT__SERVICE__GRPC_PORT": str(self.grpc_port),
            "QDRANT__STORAGE__STORAGE_PATH": str(self.folder / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(self.folder / "snapshots"),
            "QDRANT__TELEMETRY_DISABLED": "true",
        } | self.environment
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(binary()), *self.arguments], cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        trusted = ssl.create_default_context(cafile=self.roots) if self.roots else False
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=1, verify=trusted).status_code == 200:
                    return self
            except httpx.HTTPError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"the test server did not come up:\n{(self.folder / 'log').read_text()[-2000:]}")

    @classmethod
    def cluster_of_one(cls, folder: Path) -> "Server":
        """A member with nobody beside it, not yet started: only in a cluster a collection has shards with keys."""
        port = free_port()
        environment = {"QDRANT__CLUSTER__ENABLED": "true", "QDRANT__CLUSTER__P2P__PORT": str(port)}
        return cls(folder, environment=environment, arguments=("--uri", f"http://127.0.0.1:{port}"))

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then wait."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        for _ in range(12):
            if process is None or process.poll() is not None:
                return
            process.send_signal(how)  # again and again: a server that is still starting does not hear the first
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        raise AssertionError(f"the test server does not end:\n{(self.folder / 'log').read_text()[-2000:]}")
