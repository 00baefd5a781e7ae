"""How the app ends when it is told to from outside: by `kill`, or because its window is closed."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

from qdrant_admin.core.errors import ExitCode

_GRACE_SECONDS = 5.0
"""For the app to leave once its jobs are over. It cannot where its terminal is gone: it waits for somebody to read."""


def listen(leave: Callable[[], object], wait_for_jobs: Callable[[], object]) -> None:
    """Have `leave` called in the loop that runs now; the process ends soon after the jobs, whatever the loop does.

    Windows ends a program whose window is closed without asking it.
    """
    if sys.platform == "win32":
        return
    asked = threading.Event()

    def ended() -> None:
        wait_for_jobs()
        threading.Event().wait(_GRACE_SECONDS)
        os._exit(ExitCode.CANCELLED)

    def heard() -> None:
        if not asked.is_set():
            asked.set()
            threading.Thread(target=ended, name="ending", daemon=True).start()
            leave()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):  # Ctrl-C is a key here
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # `nohup`
            loop.add_signal_handler(number, heard)
