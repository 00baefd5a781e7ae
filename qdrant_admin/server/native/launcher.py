"""Starting a supervisor that outlives us, and waiting for what it does."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
from pydantic import SecretStr

import qdrant_admin
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Failed
from qdrant_admin.server.native.record import (
    SUPERVISOR_MODULE,
    Files,
    Launch,
    Record,
    find_server,
    find_supervisor,
    send_kill,
    send_term,
    write,
)
from qdrant_admin.server.native.supervisor import EXIT_LOCKED, KEY_VARIABLE, STOP_SECONDS
from qdrant_admin.server.native.tail import last_lines

START_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.05
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
    if kill:
        send_kill(server)
    else:
        send_term(server)

    def renewed() -> Record | None:
        now = files.read_record()
        return now if now and now.phase == "running" and now.server != record.server else None

    found = wait_for(renewed, STOP_SECONDS, cancel)
    if found is None and not kill:
        send_kill(server)
        found = wait_for(renewed, START_SECONDS, cancel)
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
        cancel.wait(_LOOK_EVERY_SECONDS)


def _spawn(files: Files, key: SecretStr | None) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QDRANT_")}
    package = str(Path(qdrant_admin.__file__).parent.parent)  # found also where it runs from a checkout
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH", ""))))
    if key is not None and key.get_secret_value():
        environment[KEY_VARIABLE] = key.get_secret_value()
    command = [sys.executable, "-m", SUPERVISOR_MODULE, str(files.folder)]
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    with files.supervisor_log.open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=files.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=flags,
            start_new_session=sys.platform != "win32",
        )
