"""A Docker engine of a test's own, which can be stopped, killed and started again. Root on Linux only.

It shares nothing with the engine of the machine: folder, socket, containerd and bridge are its own, and it touches no
firewall rule (ports on loopback go through its own proxy).
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import docker.errors
import psutil
import pytest

from tests.support.real import IMAGE, missing

_SECONDS = 60.0


class PrivateEngine:
    """One dockerd. The folder is short: the path of a socket has at most 107 characters."""

    def __init__(self, folder: Path, bridge: str, network: str) -> None:
        self.folder, self.bridge, self.network = folder, bridge, network
        self.address = f"unix://{folder}/sock"

    def restart_command(self, how: str) -> list[str]:
        """What restarts it from outside, as a service manager would: `TERM`, or `KILL` as a crash."""
        root = Path(__file__).parents[2]
        return ["env", f"PYTHONPATH={root}", sys.executable, __file__, str(self.folder), self.bridge, how]

    def start(self) -> None:
        """Start it, and wait until it answers."""
        for left in (self._pid_file, self.folder / "exec/containerd/containerd.pid"):
            left.unlink(missing_ok=True)  # of one that was killed: it may go on as a zombie, and is taken for alive
        paths = {"data-root": "data", "exec-root": "exec", "pidfile": "pid", "config-file": "config.json"}
        (self.folder / "config.json").write_text("{}")
        options = [f"--{name}={self.folder / path}" for name, path in paths.items()]
        quiet = ["--iptables=false", "--ip6tables=false", "--ip-masq=false"]
        command = ["setsid", "--fork", "dockerd", "-H", self.address, f"--bridge={self.bridge}", *options, *quiet]
        with (self.folder / "log").open("ab") as log:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=True)
        self._until(self.answers, "it does not answer")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it, and wait until it is gone. SIGTERM ends its containers as well; SIGKILL leaves them to themselves."""
        process = self._process()
        if process is not None:
            process.send_signal(how)
            self._until(lambda: self._process() is None and not self._listens(), "it does not end")

    def freeze(self) -> None:
        """Let it hang: it takes connections and answers nothing."""
        process = self._process()
        assert process is not None
        process.suspend()

    def thaw(self) -> None:
        """Let it go on, if it hangs."""
        process = self._process()
        if process is not None:
            process.resume()

    def answers(self) -> bool:
        """Whether it takes requests."""
        if not self._listens():  # docker-py leaks the socket of a connection that fails
            return False
        try:
            with self.client() as api:
                return bool(api.ping())
        except docker.errors.DockerException:
            return False

    def client(self) -> docker.APIClient:
        """A connection, to be closed."""
        return docker.APIClient(self.address, version="1.41", timeout=30)

    def sweep(self) -> None:
        """Remove every container and volume."""
        with self.client() as api:
            for container in api.containers(all=True):
                api.remove_container(container["Id"], force=True, v=True)
            for volume in api.volumes()["Volumes"] or ():
                api.remove_volume(volume["Name"], force=True)

    def prepare(self) -> None:
        """Make the bridge, start, and bring the image."""
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "addr", "add", self.network, "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")
        self.start()
        with subprocess.Popen(["docker", "save", IMAGE], stdout=subprocess.PIPE) as saved:
            load = ["docker", "-H", self.address, "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True, timeout=120)

    def remove(self) -> None:
        """Take everything away that it has made."""
        with contextlib.suppress(docker.errors.DockerException, AssertionError):
            if not self.answers():
                self.start()
            self.sweep()
            self.end()
        for left in self._left():
            with contextlib.suppress(psutil.Error):
                left.kill()
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((one for one in mounts if one.startswith(f"{self.folder}/")), reverse=True):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _listens(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(f"{self.folder}/sock")
        except OSError:
            return False
        return True

    def _left(self) -> Iterator[psutil.Process]:
        """Processes that name our folder: its containerd and the shims of its containers."""
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if process.pid != os.getpid() and any(f"{self.folder}/" in word for word in words):
                yield process

    def _process(self) -> psutil.Process | None:
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            alive = process.name() == "dockerd" and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return None
        return process if alive else None

    @property
    def _pid_file(self) -> Path:
        return self.folder / "pid"

    def _until(self, true: Callable[[], bool], else_: str) -> None:
        deadline = time.monotonic() + _SECONDS
        while not true():
            if time.monotonic() > deadline:
                log = (self.folder / "log").read_text(errors="replace")[-2000:]
                raise AssertionError(f"the private engine: {else_}\n{log}")
            time.sleep(0.05)


@contextlib.contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """A running engine that has the image, gone again at the end with all that was made on it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can start a Docker engine")
    for program in ("dockerd", "ip"):
        if shutil.which(program) is None:
            missing(f"no {program}")
    number = os.getpid() % 250
    folder = Path(tempfile.mkdtemp(prefix="qa-engine-"))
    engine = PrivateEngine(
        folder, f"qa-br{number}", f"198.18.{number}.1/24"
    )  # of a range that nobody routes (RFC 2544)
    try:
        engine.prepare()
        yield engine
    finally:
        engine.remove()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"{' '.join(command)} does not work here: {done.stderr.strip()}")


if __name__ == "__main__":
    place, link, ending = sys.argv[1:]
    own = PrivateEngine(Path(place), link, "")
    own.end(signal.Signals[f"SIG{ending}"])
    own.start()
