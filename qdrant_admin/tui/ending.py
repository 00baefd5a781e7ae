"""How the app ends when it is told to from outside: by `kill`, or because its window is closed."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from qdrant_admin.core.errors import ExitCode

_GRACE_SECONDS = 5.0
"""For the app to leave once its jobs are over. It cannot where its terminal is gone: it waits for somebody to read."""


_LEFT = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u"
"""The other screen left, the cursor shown; mouse, paste and keys as usual (xterm, "Control Sequences")."""


class Terminal:
    """How the terminal was before the app, for the case that the app itself cannot give it back."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        if sys.platform != "win32" and sys.__stdin__ is not None:
            import termios

            with contextlib.suppress(OSError, ValueError, termios.error):
                self._before = termios.tcgetattr(sys.__stdin__)

    def restore(self) -> None:
        """Its settings, although another program may be in front by now.

        The framework takes those of the app for the ones before it, once the app was stopped and has gone on.
        """
        if sys.platform == "win32" or self._before is None:
            return
        import termios

        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(0, termios.TCSANOW, self._before)

    def leave(self) -> None:
        """The settings, and the screen, whether or not anybody reads it."""
        self.restore()
        with contextlib.suppress(OSError):
            os.set_blocking(1, False)
            os.write(1, _LEFT)


def listen(leave: Callable[[], object], wait_for_jobs: Callable[[], object], terminal: Terminal) -> None:
    """Have `leave` called in the loop that runs now; the process ends soon after the jobs, whatever the loop does.

    Windows ends a program whose window is closed without asking it.
    """
    if sys.platform == "win32":
        return
    asked = threading.Event()

    def ended() -> None:
        wait_for_jobs()
        threading.Event().wait(_GRACE_SECONDS)
        terminal.leave()
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
