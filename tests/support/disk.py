"""A file system of a test's own, which can be filled, and cut off as by a power failure. Root on Linux only."""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

import psutil

from tests.support.real import missing

_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, `_IOR('X', 125, __u32)` of linux/ext4.h."""
_NO_LOG_FLUSH = struct.pack("I", 2)


class Disk:
    """An ext4 in a file, mounted, which can be cut off."""

    def __init__(self, folder: Path, octets: int = 1 << 30) -> None:
        self._image, self.mount = folder / "disk.img", folder / "disk"
        self.mount.mkdir()
        with self._image.open("wb") as file:
            file.truncate(octets)
        self._run("mkfs.ext4", "-q", str(self._image))
        self.attach()

    def attach(self) -> None:
        self._run("mount", "-o", "loop", str(self._image), str(self.mount))

    def detach(self) -> None:
        """Unmount it, and wait until nobody has it any more.

        A container that starts at that moment has a copy of every mount of the machine until it has thrown them off.
        Mounted again meanwhile, this would be the same file system as before: cut off.
        """
        self._run("umount", str(self.mount))
        deadline = time.monotonic() + 60
        while subprocess.run(["losetup", "-j", str(self._image)], capture_output=True, text=True, check=True).stdout:
            assert time.monotonic() < deadline, f"somebody still has {self.mount}: {self._holders()}"
            time.sleep(0.02)

    def _holders(self) -> str:
        held = []
        for process in psutil.process_iter(["cmdline"]):
            with contextlib.suppress(OSError):
                if str(self.mount) in Path(f"/proc/{process.pid}/mountinfo").read_text():
                    held.append(f"{process.pid} {process.info['cmdline']}")
        return "; ".join(held) or "nobody's namespace"

    def cut(self) -> None:
        """Nothing that is not on the disk by now gets there any more."""
        handle = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(handle)

    @staticmethod
    def _run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"{command[0]} does not work here: {done.stderr.strip()}")
