"""Files and disks: one way to write a file whole, and one to ask what lies where."""

import contextlib
import os
from pathlib import Path

_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system's own block size is (POSIX, sys/stat.h)."""


def write_atomically(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Write beside it, make sure that it is on the disk, then take its place: nobody ever sees half a file.

    Args:
        path: through a symbolic link, the file behind it.
        content: text is written as UTF-8, lines as they are.
        mode: permission bits; None keeps those of the file that is replaced, 0600 for a new one.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    import tempfile

    path = path.resolve()
    octets = content.encode("utf-8") if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".tmp")  # made with 0600
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        if mode is None and path.exists():
            mode = path.stat().st_mode & 0o777
        if mode is not None:
            part.chmod(mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new name is on the disk only with its folder; Windows has no such call and needs none."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def free_bytes(path: Path) -> int | None:
    """Free space where a path lies or would lie; None when nobody can tell."""
    import shutil

    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def occupied_bytes(path: Path) -> int:
    """What a file, or everything below a folder, really occupies: the apparent size of a sparse file says nothing."""
    if path.is_file():
        return _occupied(path)
    total = 0
    for parent, _, names in os.walk(path):
        total += sum(_occupied(Path(parent) / name) for name in names)
    return total


def _occupied(path: Path) -> int:
    try:
        status = path.lstat()
    except OSError:
        return 0  # gone since it was listed
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * _BLOCK_BYTES


def file_system_of(path: Path) -> str:
    """Type of the file system that a path lies on, in lower case: `ext4`; empty when nobody can tell."""
    import psutil

    try:
        partitions = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    place = os.path.normcase(os.path.realpath(path) + os.sep)
    above = [part for part in partitions if place.startswith(os.path.normcase(part.mountpoint).rstrip(os.sep) + os.sep)]
    nearest = max(reversed(above), key=lambda part: len(part.mountpoint), default=None)
    return nearest.fstype.lower() if nearest else ""  # of several mounted on one place, the last is on top
