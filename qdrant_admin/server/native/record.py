"""The files of a native server: what to launch, the process record (and whose pid it is), and the log.

A pid alone proves nothing: it is given to another program once the first has ended. A process counts as ours only
when two signs of three agree: its executable is the recorded one, it was created when the record says, it works in our
folder.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import psutil

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled
from qdrant_admin.core.files import write_atomically
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import Frozen, Invalid

SUPERVISOR_MODULE = "qdrant_admin.server.native.supervisor"
_CREATED_WITHIN_SECONDS = 2.0
_SIGNS_ENOUGH = 2
FOLLOW_EVERY_SECONDS = 0.2
BATCH_LINES = 500
BLOCK_BYTES = 64 * 1024
_MAX_LINE_BYTES = 64 * 1024
_Model = TypeVar("_Model", bound=Frozen)


class Launch(Frozen):
    """What the supervisor is to run. Everything but the key, which travels through the environment only."""

    binary: Path
    version: str
    host: str
    port: int
    grpc_port: int
    storage: Path
    api_key: bool
    """Whether there is one; never the key itself."""
    key_digest: str = ""
    """Tells whether another key is this one (`config.secrets.is_key_of`); empty in records of earlier versions."""


class Process(Frozen):
    """One process, so described that a recycled pid is told apart."""

    pid: int
    created: float
    executable: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Describe a running process; a `psutil.Error` when it has ended, or is not ours to see."""
        process = psutil.Process(pid)
        return cls(pid=pid, created=process.create_time(), executable=process.exe())


Phase = Literal["running", "restarting", "stopped", "crashed"]


class Record(Frozen):
    """The process record that the supervisor writes."""

    launch: Launch
    phase: Phase
    supervisor: Process
    server: Process | None = None
    started_at: datetime | None = None
    restarts: int = 0
    """How often it was started again without anyone asking."""
    exit_code: int | None = None
    """Of the last process that ended; negative: the signal that ended it."""


class Files:
    """The files of one native server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launch = folder / "launch.json"
        self.record = folder / "process.json"
        self.lock = folder / "lock"
        self.stop = folder / "stop-requested"
        self.again = folder / "restart-requested"
        self.log = folder / "qdrant.log"
        self.older_log = folder / "qdrant.log.1"
        self.supervisor_log = folder / "supervisor.log"
        self.snapshots = folder / "snapshots"

    def read_record(self) -> Record | None:
        return read(self.record, Record)


def environment_without_qdrant() -> dict[str, str]:
    """The environment of this process without the variables that would configure a server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QDRANT_")}


def write(path: Path, value: Frozen) -> None:
    """Put a value in place as a whole: a reader sees the old one or the new one, never half of it."""
    write_atomically(path, to_json(value, indent=2))


def read(path: Path, model: type[_Model]) -> _Model | None:
    """None when it is not there, or cannot be read."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, Invalid):
        return None


def find_server(record: Record, folder: Path) -> psutil.Process | None:
    """The server's process, when it lives and is the recorded one."""
    recorded = record.server
    process = _living(recorded.pid) if recorded else None
    if process is None or recorded is None:
        return None
    with contextlib.suppress(psutil.Error):
        signs = (
            # Linux marks the executable of a running process whose file was replaced; a renamed one has another name.
            process.exe().removesuffix(" (deleted)") == recorded.executable.removesuffix(" (deleted)"),
            # A stepped clock (a laptop or WSL after sleep) moves creation times; the working folder stays.
            abs(process.create_time() - recorded.created) <= _CREATED_WITHIN_SECONDS,
            Path(process.cwd()) == folder.resolve(),
        )
        return process if sum(signs) >= _SIGNS_ENOUGH else None
    return None


def find_supervisor(record: Record, folder: Path) -> psutil.Process | None:
    """The supervisor's process, when it lives and is that of this folder."""
    process = _living(record.supervisor.pid)
    with contextlib.suppress(psutil.Error):
        arguments = process.cmdline() if process else []
        if SUPERVISOR_MODULE in arguments and arguments[-1] == str(folder):
            return process
    return None


def send_kill(process: psutil.Process) -> None:
    """End a process at once; nothing happens when it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def send_term(process: psutil.Process) -> None:
    """Ask a process to end (on Windows there is no asking); nothing happens when it has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if process.status() == psutil.STATUS_STOPPED and hasattr(signal, "SIGCONT"):
            process.resume()  # a halted process would take the request only once it goes on
        process.terminate()


def _living(pid: int) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.Error:
        return None


def last_lines(path: Path, count: int, end: int | None = None) -> list[str]:
    """The last lines of a file, or of its first `end` bytes, oldest first; none when there is no file.

    Reads from the end, a block at a time: a log may be long, and is looked at every second.
    """
    if count <= 0:
        return []
    found = b""
    try:
        with path.open("rb") as file:
            start = file.seek(0, os.SEEK_END) if end is None else end
            while start > 0 and found.count(b"\n") <= count:
                start, before = max(0, start - BLOCK_BYTES), start
                file.seek(start)
                found = file.read(before - start) + found
    except OSError:
        return []
    return [_text(line) for line in found.splitlines()[-count:]]


def all_lines(path: Path) -> Iterator[str]:
    """Every line of a file, oldest first; none when there is no file."""
    try:
        with path.open("rb") as file:
            yield from map(_text, file)
    except OSError:
        return


def end_of(path: Path) -> int:
    """Where the last whole line of a file ends, in bytes; 0 when there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _MAX_LINE_BYTES)
            file.seek(start)
            return start + file.read(size - start).rfind(b"\n") + 1
    except OSError:
        return 0


def new_lines(path: Path, position: int, cancel: CancelToken) -> Iterator[list[str]]:
    """Lines as they are written after `position`, until cancelled. Starts over when the file was cut."""
    rest = b""
    while True:
        try:
            size = os.stat(path).st_size  # noqa: PTH116 # one call, on the hot path of following
        except OSError:
            size = 0
        if size < position:
            position, rest = 0, b""
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                fresh = file.read(size - position)
            position += len(fresh)
            *lines, rest = (rest + fresh).split(b"\n")
            if len(rest) > _MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for start in range(0, len(lines), BATCH_LINES):
                yield [_text(line) for line in lines[start : start + BATCH_LINES]]
        try:
            cancel.wait(FOLLOW_EVERY_SECONDS)
        except Cancelled:
            return


def _text(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", errors="replace")
