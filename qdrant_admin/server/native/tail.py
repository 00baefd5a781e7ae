"""Reading a log file from its end, and following it through rotation."""

import os
from collections.abc import Iterator
from pathlib import Path

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled

FOLLOW_EVERY_SECONDS = 0.2
BATCH_LINES = 500
BLOCK_BYTES = 64 * 1024
_MAX_LINE_BYTES = 64 * 1024


def last_lines(path: Path, count: int, end: int | None = None) -> list[str]:
    """The last lines of a file, or of its first `end` bytes, oldest first; none when there is no file.

    Reads from the end, a block at a time: a log may be long, and is looked at every second.
    """
    if count <= 0:
        return []
    found = b""
    try:
        with path.open("rb") as file:
            start = file.seek(0, os.SEEK_END) if end is None else end
            while start > 0 and found.count(b"\n") <= count:
                start, before = max(0, start - BLOCK_BYTES), start
                file.seek(start)
                found = file.read(before - start) + found
    except OSError:
        return []
    return [_text(line) for line in found.splitlines()[-count:]]


def end_of(path: Path) -> int:
    """Where the last whole line of a file ends, in bytes; 0 when there is no file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _MAX_LINE_BYTES)
            file.seek(start)
            return start + file.read(size - start).rfind(b"\n") + 1
    except OSError:
        return 0


def follow(path: Path, position: int, cancel: CancelToken) -> Iterator[list[str]]:
    """Lines as they are written after `position`, until cancelled. Starts over when the file was cut."""
    rest = b""
    while True:
        size = _size(path)
        if size < position:
            position, rest = 0, b""
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                fresh = file.read(size - position)
            position += len(fresh)
            *lines, rest = (rest + fresh).split(b"\n")
            if len(rest) > _MAX_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for start in range(0, len(lines), BATCH_LINES):
                yield [_text(line) for line in lines[start : start + BATCH_LINES]]
        try:
            cancel.wait(FOLLOW_EVERY_SECONDS)
        except Cancelled:
            return


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 # one call, on the hot path of following
    except OSError:
        return 0


def _text(line: bytes) -> str:
    return line.rstrip(b"\r\n").decode("utf-8", errors="replace")
