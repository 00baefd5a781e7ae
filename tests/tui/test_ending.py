"""Whatever ends the app, from outside or within, leaves the terminal, the jobs and the exit code in order."""

import contextlib
import os
import pty
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Event, Events, StepStarted
from qdrant_admin.tui.app import FAULTS_SURVIVED, AdminApp
from qdrant_admin.tui.jobs import Task
from qdrant_admin.tui.screens.dialogs import ErrorDialog
from qdrant_admin.tui.screens.settings import SettingsScreen
from qdrant_admin.tui.widgets.bars import NavBar
from tests.support.real import free_port
from tests.tui.canned import Canned

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX terminals and signals")
LEFT = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l")
"""The other screen left, the cursor shown, the mouse let go."""
AT_WORK = """
import sys, threading
from pathlib import Path
from qdrant_admin.cli.main import main
from qdrant_admin.core.events import StepStarted
from qdrant_admin.tui import app as module
from qdrant_admin.tui.jobs import Task

def slow(cancel):
    Path(sys.argv[1], "begun").touch()
    yield StepStarted(step="restart", title="restarting")
    while not cancel.cancelled:
        threading.Event().wait(0.02)
    yield StepStarted(step="start", title="bringing it back")
    threading.Event().wait(0.5)
    Path(sys.argv[1], "in order").touch()

def left(cancel):
    yield StepStarted(step="restart", title="restarting")
    sys.exit(0)

class App(module.AdminApp):
    def on_mount(self):
        super().on_mount()
        self.call_after_refresh(self.begin)

    def begin(self):
        if "left" in sys.argv:
            self.start_job(Task("export", "an export", left))
        self.start_job(Task("verify", "a check", slow, "server"))
        if "broken" in sys.argv:
            for _ in range(module.FAULTS_SURVIVED + 1):
                self._handle_exception(KeyError("in what draws the screen"))

module.AdminApp = App
main([])
"""


@pytest.fixture
def at_work(
    tmp_path: Path,
    isolated_home: Path,  # its variable is enough
    request: pytest.FixtureRequest,
) -> Iterator[tuple[int, int]]:
    """The app on a terminal of its own, with a job that takes a while to end in order; its process and the terminal."""
    variants: tuple[str, ...] = getattr(request, "param", ())
    pid, master = pty.fork()
    if pid == 0:
        os.environ |= {"TERM": "xterm-256color", "QDRANT_URL": f"http://127.0.0.1:{free_port()}"}
        os.execv(sys.executable, [sys.executable, "-c", AT_WORK, str(tmp_path), *variants])  # noqa: S606 # ourselves
    yield pid, master
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.close(master)


def ended(pid: int) -> int:
    """The exit code of a process, once there is one."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def read_until(master: int, reached: Callable[[bytes], bool]) -> bytes:
    """What the terminal was sent, until it is enough or nobody writes any more."""
    seen, deadline = b"", time.monotonic() + 60
    with contextlib.suppress(OSError):
        while not reached(seen):
            assert time.monotonic() < deadline, seen[-2000:]
            seen += os.read(master, 65536)
    return seen


@pytest.mark.parametrize(
    ("at_work", "number"),
    [((), signal.SIGTERM), ((), signal.SIGINT), ((), signal.SIGQUIT), (("left",), signal.SIGTERM)],
    indirect=["at_work"],
)
def test_a_kill_lets_the_job_end_in_order_and_gives_the_terminal_back(
    number: signal.Signals, at_work: tuple[int, int], tmp_path: Path
) -> None:
    pid, master = at_work
    read_until(master, lambda _: (tmp_path / "begun").exists())
    os.kill(pid, number)
    os.kill(pid, number)
    seen = read_until(master, lambda _: False)
    assert ended(pid) == 130
    assert (tmp_path / "in order").exists()
    assert all(sequence in seen for sequence in LEFT)


@pytest.mark.parametrize("at_work", [("broken",)], indirect=True)
def test_an_end_by_a_fault_lets_the_job_end_in_order_and_is_told_in_words(
    at_work: tuple[int, int], tmp_path: Path
) -> None:
    pid, master = at_work
    seen = read_until(master, lambda _: False)
    assert ended(pid) == 1
    assert (tmp_path / "in order").exists()
    *_, after = seen.split(LEFT[0])
    assert b"this is a fault of qdrant-admin" in after
    assert b"Traceback" not in after


def test_a_terminal_is_given_back_after_the_app_was_stopped_and_went_on(
    at_work: tuple[int, int], tmp_path: Path
) -> None:
    pid, master = at_work
    before = termios.tcgetattr(master)
    read_until(master, lambda _: (tmp_path / "begun").exists())
    assert termios.tcgetattr(master) != before
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGCONT)
    read_until(master, lambda seen: b"\x1b[?1049h" in seen)
    os.kill(pid, signal.SIGTERM)
    read_until(master, lambda _: False)
    assert ended(pid) == 130
    assert termios.tcgetattr(master) == before


def test_a_closed_window_lets_the_job_end_in_order(at_work: tuple[int, int], tmp_path: Path) -> None:
    pid, master = at_work
    read_until(master, lambda _: (tmp_path / "begun").exists())
    os.close(master)
    assert ended(pid) == 130
    assert (tmp_path / "in order").exists()


async def test_a_fault_in_a_handler_is_shown_and_ends_neither_the_app_nor_its_jobs() -> None:
    app = AdminApp(Canned(), watch=False)
    begun: list[CancelToken] = []

    def work(cancel: CancelToken) -> Events:
        begun.append(cancel)
        event: Event = StepStarted(step="copy", title="copying")
        yield event
        while not cancel.cancelled:
            time.sleep(0.01)

    def broken() -> None:
        raise KeyError("a fault of ours")

    async with app.run_test(size=(100, 30)) as pilot:
        app.survives = True
        app.start_job(Task("migrate", "a copy", work, "data"))
        app.action_show_jobs = broken  # type: ignore[method-assign]  # what the key does
        await pilot.press("w")
        await pilot.pause()
        shown = app.screen
        assert isinstance(shown, ErrorDialog)
        assert "a fault of ours" in shown.report()
        await pilot.press("escape")
        assert app.screen is not shown
        assert app.jobs.running(), "the copy goes on"
        await pilot.press("4")
        assert app.current_mode == "verify", "and so does the app"
        app.jobs.cancel_all()


async def test_a_fault_that_comes_again_and_again_ends_the_app_and_not_with_a_zero() -> None:
    app = AdminApp(Canned(), watch=False)

    async def drawn() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            app.survives = True
            for _ in range(FAULTS_SURVIVED + 1):
                app._handle_exception(KeyError("in what draws the screen"))
            await pilot.pause()

    with pytest.raises(KeyError):
        await drawn()
    assert app.return_code == 1


async def test_an_area_that_cannot_be_drawn_leaves_the_others_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: SettingsScreen) -> None:
        raise KeyError("a fault of ours")

    monkeypatch.setattr(SettingsScreen, "compose_body", broken)
    app = AdminApp(Canned(), watch=False)
    async with app.run_test(size=(100, 30)) as pilot:
        app.survives = True
        await pilot.press("6")
        await pilot.pause()
        assert isinstance(app.screen, ErrorDialog)
        assert "a fault of ours" in app.screen.report()
        await pilot.press("escape", "1", "6")
        assert app.screen.query(NavBar), "the keys to the other areas are shown"
        await pilot.press("4")
        assert app.current_mode == "verify"
