"""Locks between processes: held by one, seen by all, and a look never gets in anybody's way."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from qdrant_admin.core.locks import Held, holding, is_held

HOLDER = """
import sys
from pathlib import Path
from qdrant_admin.core.locks import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "one.lock"


def holder(lock: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_until_it_is_released(lock: Path) -> None:
    assert not is_held(lock)
    with holding(lock):
        assert is_held(lock)
        with pytest.raises(Held), holding(lock):
            pass
        assert is_held(lock)
    assert not is_held(lock)
    with holding(lock):
        assert is_held(lock)


@pytest.mark.parametrize("ends", ["orderly", "killed"])
def test_another_process_holds_it_until_it_ends_in_whatever_way(lock: Path, ends: str) -> None:
    with holder(lock) as process:
        assert is_held(lock)
        with pytest.raises(Held), holding(lock):
            pass
        if ends == "killed":
            process.kill()
        else:
            process.communicate("")
        process.wait(30)
        assert not is_held(lock)
        with holding(lock):
            assert is_held(lock)


def test_patience_outlasts_a_short_hold(lock: Path) -> None:
    process = holder(lock)
    assert process.stdin is not None
    releasing = threading.Timer(0.1, process.stdin.close)
    releasing.start()
    with process, holding(lock, patience=60):
        assert is_held(lock)


def test_looking_never_refuses_a_starter(lock: Path) -> None:
    with holding(lock):
        pass
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            is_held(lock)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(300):  # one in seventeen was refused when looking meant taking
            with holding(lock):
                pass
    finally:
        over.set()
        looker.join()


def test_a_holder_is_known_though_the_machines_start_is_told_a_second_later(lock: Path) -> None:
    with holding(lock):
        pid, started = lock.read_text().split()
        lock.write_text(f"{pid} {float(started) + 1}")
        assert is_held(lock)
        lock.write_text(f"{pid} {float(started) + 3600}")
        assert not is_held(lock)


@pytest.mark.parametrize(
    "content", ["", "nonsense", "999999999 1.0", "1 0.5", "x 1.0", "1 2 3", "9" * 30 + " 1.0", "-1 1.0"]
)
def test_a_file_that_names_nobody_alive_is_not_held(lock: Path, content: str) -> None:
    lock.parent.mkdir()
    lock.write_text(content)
    assert not is_held(lock)
    with holding(lock):
        assert is_held(lock)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
def test_a_full_disk_keeps_nobody_from_holding_a_lock(lock: Path) -> None:
    """A server has to be stopped and checked on it all the same."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with holding(lock), pytest.raises(Held), holding(lock):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
