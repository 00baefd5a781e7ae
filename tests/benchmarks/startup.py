"""How long until a person sees something: small commands against `python -c pass`, the TUI against a bare Textual app.

A status is that of the default profile in `QDRANT_ADMIN_HOME`, native or Docker, whose server should run.

    python -m tests.benchmarks.startup [RUNS]

Each pair is measured in turn, A B A B, in one run; quote the median of the ratios. "First paint" is the
moment at which a word of the screen has arrived at the terminal, a real pseudo-terminal of 120x40.
"""

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from functools import partial

BARE = """
from textual.app import App
from textual.widgets import Footer, Header, Static
class Bare(App):
    def compose(self):
        yield Header()
        yield Static("first-paint")
        yield Footer()
Bare().run()
"""


def first_paint(command: list[str], word: bytes) -> float:
    """Seconds from the start of a command until `word` is on its terminal."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"TERM": "xterm-256color", "QDRANT_ADMIN_HOME": home}
        began = time.perf_counter()
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(command[0], command, environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        seen = b""
        try:
            while word not in seen:
                if not select.select([terminal], [], [], 60)[0]:
                    raise TimeoutError(f"{command} painted nothing in a minute: {seen[-200:]!r}")
                seen += os.read(terminal, 65536)
            return time.perf_counter() - began
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)


def whole_process(command: list[str]) -> float:
    """Seconds for a command from start to end, whatever its exit code: a status tells with it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}  # as installed
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment)
    return time.perf_counter() - began


def compare(title: str, ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> None:
    """Measure both in turn and print medians and the ratio."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{title}: {a * 1000:.0f} ms against {b * 1000:.0f} ms, ratio {ratio:.2f} (median of {runs})")


def main() -> None:
    """Print every figure that has a goal."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    python = sys.executable
    ours, nothing = [python, "-m", "qdrant_admin"], [python, "-c", "pass"]
    for arguments, goal in ((["--version"], 4), (["completion", "bash"], 4), (["--help"], 6), (["status"], 12)):
        compare(
            f"{' '.join(arguments)} / python -c pass, at most {goal}",
            partial(whole_process, [*ours, *arguments]),
            partial(whole_process, nothing),
            runs,
        )
    compare(
        "TUI to first paint / bare Textual app, at most 1.6",
        partial(first_paint, ours, b"qdrant-admin"),
        partial(first_paint, [python, "-c", BARE], b"first-paint"),
        runs,
    )


if __name__ == "__main__":
    main()
