"""A file system of a test's own, which can be filled, and cut off as by a power failure. Root on Linux only."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

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
        self._run("umount", str(self.mount))

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
