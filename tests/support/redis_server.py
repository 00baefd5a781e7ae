"""A real Redis as a child of the test run."""

import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.real import free_port, missing


@dataclass
class RedisServer:
    """One empty server that keeps nothing but what it is told to."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Its first database as a source."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> "RedisServer":
        """Start and wait until it listens."""
        program = shutil.which("redis-server")
        if program is None:
            missing("no redis-server")
            return self
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.client() as client:
                    client.ping()
            except redis.exceptions.AuthenticationError:
                return self
            except redis.exceptions.ConnectionError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(f"Redis did not come up:\n{(self.folder / 'log').read_text()[-2000:]}")

    def client(self, **arguments: Any) -> redis.Redis:
        """A client of it."""
        return redis.Redis(host="127.0.0.1", port=self.port, retry=Retry(NoBackoff(), 0), **arguments)

    def stop(self) -> None:
        """End it; what it held is gone, unless it was told to save."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(20)
