"""Keeps one native Qdrant running after the terminal is gone: `python -m qdrant_admin.server.native.supervisor FOLDER`.

It holds the folder's lock as long as it lives, writes the process record, sends the server's output to a log file
(a pipe would block a server that nobody reads), starts a crashed server again a few times, and ends it when asked:
by SIGTERM, or by the file `stop-requested`. The API key comes in the environment and goes out in the environment.

First what others do with a supervisor (`launch`, `end`, `cycle`), then what it does itself.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, TypeVar

import psutil

import qdrant_admin
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Failed
from qdrant_admin.core.locks import Held, holding
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server.native.record import (
    SUPERVISOR_MODULE,
    Files,
    Launch,
    Phase,
    Process,
    Record,
    environment_without_qdrant,
    find_server,
    find_supervisor,
    last_lines,
    read,
    send_kill,
    send_term,
    write,
)

BACK_OFF_SECONDS = (0.25, 0.5, 1.0, 2.0)
"""Waits before a crashed server is started again; one more crash in a row, and it is left alone."""
SOUND_AFTER_SECONDS = 60.0
"""A server that ran this long is sound: its next crash is the first one again."""
LOOK_EVERY_SECONDS = 0.5
STOP_SECONDS = 60.0
"""How long Qdrant may take to flush before it is killed; it took 0.2 to 0.6 s when measured, also while indexing."""
LOG_BYTES = 16 * 1024 * 1024
ASK_AGAIN_SECONDS = 5.0
"""A Qdrant that is still starting does not hear SIGTERM (observed): it is asked again until it does."""
DISK_FULL = {-7, 135} if sys.platform == "linux" else {135}
"""SIGBUS: the server died for want of disk space, and would again and again (observed)."""
KEY_VARIABLE = "QDRANT__SERVICE__API_KEY"
EXIT_LOCKED = 75
CANNOT_RUN = 126
"""What a shell says of a program that it cannot start."""
START_SECONDS = 20.0
_ASK_EVERY_SECONDS = 0.05
_T = TypeVar("_T")


def launch(files: Files, order: Launch, key: SecretStr | None, cancel: CancelToken) -> Record:
    """Start a supervisor on a folder, and wait until it has started the server."""
    before = files.read_record()
    write(files.launch, order)
    child = _spawn(files, key)
    # Reaped as soon as it ends, so that a long session keeps no zombie; it outlives this process.
    threading.Thread(target=child.wait, daemon=True).start()

    def begun() -> Record | None:
        record = files.read_record()
        if record is not None and (before is None or record.supervisor != before.supervisor):
            return record
        # Somebody else was quicker: then theirs is the server.
        return record if child.returncode == EXIT_LOCKED else None

    record = wait_for(begun, START_SECONDS, cancel, lambda: child.returncode not in {None, EXIT_LOCKED})
    if record is None:
        said = last_lines(files.supervisor_log, 1)
        raise Failed(
            "the supervisor of the native server did not start",
            why=said[0] if said else f"it gave no sign within {START_SECONDS:.0f} s",
            fix=f'tail "{files.supervisor_log}"',
        )
    return record


def end(files: Files, record: Record, cancel: CancelToken) -> None:
    """End server and supervisor in order, with the time that Qdrant needs."""
    supervisor, server = find_supervisor(record, files.folder), find_server(record, files.folder)
    if supervisor is not None:
        files.stop.touch()
        if sys.platform != "win32":  # there it would end at once and leave the server behind: the file is the request
            send_term(supervisor)
    elif server is not None:
        send_term(server)
    with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended meanwhile
        if server is not None and server.status() == psutil.STATUS_STOPPED:
            server.resume()  # a halted server takes the request only once it runs again

    def over() -> bool:
        now = files.read_record() or record
        return find_supervisor(now, files.folder) is None and find_server(now, files.folder) is None

    if wait_for(lambda: over() or None, STOP_SECONDS + 5, cancel) is None and server is not None:
        send_kill(server)
        wait_for(lambda: over() or None, START_SECONDS, cancel)
    if not over():
        raise Failed(f"the server (pid {record.server.pid if record.server else '?'}) did not end", fix=Command("logs"))


def cycle(files: Files, record: Record, *, kill: bool, cancel: CancelToken) -> Record | None:
    """End the server, asked or killed, and wait until its supervisor has started it again.

    Returns:
        The new record; None when the supervisor is gone or did not start it again.
    """
    server = find_server(record, files.folder)
    if server is None or find_supervisor(record, files.folder) is None:
        return None
    files.again.touch()
    (send_kill if kill else send_term)(server)

    def renewed() -> Record | None:
        now = files.read_record()
        return now if now and now.phase == "running" and now.server != record.server else None

    def given_up() -> bool:
        return find_supervisor(record, files.folder) is None

    found = wait_for(renewed, STOP_SECONDS, cancel, given_up)
    if found is None and not kill:
        send_kill(server)
        found = wait_for(renewed, START_SECONDS, cancel, given_up)
    return found


def wait_for(
    question: Callable[[], _T | None], seconds: float, cancel: CancelToken, hopeless: Callable[[], bool] | None = None
) -> _T | None:
    """Ask until there is an answer; None when time is over or it has become hopeless."""
    until = time.monotonic() + seconds
    while True:
        lost = hopeless is not None and hopeless()
        answer = question()
        if answer is not None:
            return answer
        if lost or time.monotonic() > until:
            return None
        cancel.wait(_ASK_EVERY_SECONDS)


def _spawn(files: Files, key: SecretStr | None) -> "subprocess.Popen[bytes]":
    environment = environment_without_qdrant()
    package = str(Path(qdrant_admin.__file__).parent.parent)  # found also where it runs from a checkout
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    if key is not None and key.get_secret_value():
        environment[KEY_VARIABLE] = key.get_secret_value()
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    with files.supervisor_log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", SUPERVISOR_MODULE, str(files.folder)],
            cwd=files.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )


class Supervisor:
    """One server, from its first start to its end."""

    def __init__(self, folder: Path, order: Launch) -> None:
        self.files = Files(folder)
        self.record = Record(launch=order, phase="restarting", supervisor=Process.of(os.getpid()))
        self.stopping = False
        self.wake = threading.Event()
        self.crashes_in_a_row = 0

    def ask_to_stop(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        self.stopping = True
        self.wake.set()

    def run(self) -> int:
        """Until the server was stopped (0) or crashes again and again (1)."""
        while True:
            code = self._run_once()
            if self._stop_wanted():
                self._tell("stopped", exit_code=code)
                return 0
            if self.files.again.exists():
                self.files.again.unlink(missing_ok=True)
                self.crashes_in_a_row = 0
                continue
            if self.crashes_in_a_row >= len(BACK_OFF_SECONDS) or code in DISK_FULL:
                self._tell("crashed", exit_code=code)
                return 1
            self._tell("restarting", exit_code=code)
            if self._rest(BACK_OFF_SECONDS[self.crashes_in_a_row]):
                self._tell("stopped")
                return 0
            self.crashes_in_a_row += 1
            self.record = self.record.model_copy(update={"restarts": self.record.restarts + 1})

    def _run_once(self) -> int:
        self._rotate()
        began = time.monotonic()
        with self.files.log.open("ab") as log:
            try:
                child = self._start(log)
            except OSError as error:
                log.write(f"{self.record.launch.binary} cannot be started: {error}\n".encode())
                return CANNOT_RUN
        ended = threading.Event()

        def wait_for_end() -> None:
            child.wait()
            ended.set()
            self.wake.set()

        threading.Thread(target=wait_for_end, daemon=True).start()
        while not ended.is_set():
            if self._stop_wanted():
                self._end(child, ended)
            self.wake.wait(LOOK_EVERY_SECONDS)
            self.wake.clear()
            self._rotate()
        if time.monotonic() - began >= SOUND_AFTER_SECONDS:
            self.crashes_in_a_row = 0
        return child.wait()

    def _start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [self.record.launch.binary, "--disable-telemetry"],
            cwd=self.files.folder,
            env=server_environment(self.record.launch, self.files),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        server, started = None, datetime.now(UTC)
        with contextlib.suppress(psutil.Error):  # it may have ended already
            server = Process.of(child.pid)
        self._tell("running", server=server, started_at=started)
        return child

    def _end(self, child: subprocess.Popen[bytes], ended: threading.Event) -> None:
        for _ in range(int(STOP_SECONDS / ASK_AGAIN_SECONDS)):
            child.terminate()
            if ended.wait(ASK_AGAIN_SECONDS):
                return
        child.kill()
        ended.wait()

    def _stop_wanted(self) -> bool:
        return self.stopping or self.files.stop.exists()

    def _rest(self, seconds: float) -> bool:
        """Wait before the next start. Returns whether somebody asked to stop meanwhile."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._stop_wanted():
            self.wake.wait(min(left, LOOK_EVERY_SECONDS))
            self.wake.clear()
        return self._stop_wanted()

    def _rotate(self) -> None:
        """Move a long log away by copying: the server holds it open in append mode, and continues at its new end."""
        with contextlib.suppress(OSError):
            if self.files.log.stat().st_size > LOG_BYTES:
                shutil.copyfile(self.files.log, self.files.older_log)
                os.truncate(self.files.log, 0)

    def _tell(self, phase: Phase, **news: object) -> None:
        self.record = self.record.model_copy(update={"phase": phase, **news})
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            write(self.files.record, self.record)


def server_environment(launch: Launch, files: Files) -> dict[str, str]:
    """The server's whole configuration: loopback unless asked for, no CORS, no telemetry, the key when there is one."""
    environment = environment_without_qdrant()
    key = os.environ.get(KEY_VARIABLE, "")
    if key:  # an empty value would turn authentication on with an empty key
        environment[KEY_VARIABLE] = key
    return environment | {
        "QDRANT__SERVICE__HOST": launch.host,
        "QDRANT__SERVICE__HTTP_PORT": str(launch.port),
        "QDRANT__SERVICE__GRPC_PORT": str(launch.grpc_port),
        "QDRANT__SERVICE__ENABLE_CORS": "false",
        "QDRANT__STORAGE__STORAGE_PATH": str(launch.storage),
        "QDRANT__STORAGE__SNAPSHOTS_PATH": str(files.snapshots),
        "QDRANT__TELEMETRY_DISABLED": "true",
    }


def _raise_file_limit() -> None:
    """Qdrant keeps many files open; the soft limit of a login shell, often 1024, is soon reached."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(arguments: list[str]) -> int:
    """Supervise the server of one folder. 75 when another supervisor holds it."""
    folder = Path(arguments[-1])
    files = Files(folder)
    order = read(files.launch, Launch)
    if order is None:
        sys.stderr.write(f"launch.json not found in {folder}\n")
        return 2
    try:
        with holding(files.lock):
            files.stop.unlink(missing_ok=True)
            files.again.unlink(missing_ok=True)
            _raise_file_limit()
            supervisor = Supervisor(folder, order)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, supervisor.ask_to_stop)
            return supervisor.run()
    except Held:
        return EXIT_LOCKED


if __name__ == "__main__":
    sys.exit(main(sys.argv))
