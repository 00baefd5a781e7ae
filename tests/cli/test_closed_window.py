"""A command whose terminal goes away: its work comes to its end in order, and its exit code is that of the contract."""

import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")
AT_WORK = """
import sys, threading, time
from pathlib import Path
from qdrant_admin.cli import main as module
from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.core.events import Finished, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.lifecycle.reports import DoctorReport

folder = Path(sys.argv[1])

def work(cancel):
    yield StepStarted(step="restart", title="restarting")
    (folder / "begun").touch()
    deadline = time.monotonic() + 30
    while not (folder / "closed").exists() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    for done in range(5):
        yield Notice(text="somebody should see this")
        yield Progress(step="restart", done=done, total=5, unit="points")
    yield StepFinished(step="restart")
    (folder / "in order").touch()
    cancel.check()
    yield Finished(report=DoctorReport(checks=()))

def run(given):
    asked = Invocation(profile=None, as_json="--json" in given, events=False, debug=False)
    asked.conclude(asked.run(work))

module._run = run
module.main(sys.argv[2:])
"""


@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["drawn", "json"])
@pytest.mark.parametrize(("outlives", "code"), [(False, 130), (True, 3)], ids=["closed", "nohup"])
def test_a_closed_window_lets_the_command_end_in_order(
    tmp_path: Path, outlives: bool, code: int, arguments: tuple[str, ...]
) -> None:
    pid, master = pty.fork()
    if pid == 0:
        if outlives:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-c", AT_WORK, str(tmp_path), *arguments])  # noqa: S606 # ourselves
    deadline = time.monotonic() + 30
    while not (tmp_path / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.close(master)
    (tmp_path / "closed").touch()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    assert (tmp_path / "in order").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("said", ["2>/dev/full", "2>&-"])
def test_messages_that_cannot_be_written_cost_no_answer(tmp_path: Path, said: str) -> None:
    (tmp_path / "closed").touch()
    command = shlex.join([sys.executable, "-c", AT_WORK, str(tmp_path), "--json"])
    ran = subprocess.run(["sh", "-c", f"{command} {said}"], stdout=subprocess.PIPE, text=True, check=False)
    assert (ran.returncode, '"checks"' in ran.stdout) == (0, True)
