"""Text files by lines, with the place of every line in bytes; `.gz` is unpacked on the way."""

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.files.tables import damaged
from qdrant_admin.sources.read_only import cannot_read

MAX_LINE = 256 * 1024 * 1024
"""Bytes of one line: a record larger than any request could carry."""
BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_CHUNK = 1 << 20


class Line(NamedTuple):
    octets: bytes
    begins: int
    ends: int


def is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked. Faults while it is read are `SourceUnreadable` as well."""
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            yield cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file))) if is_packed(path) else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(path, error, fix=f'gzip -t "{path}"') from error
    except OSError as error:
        raise cannot_read(path, error.strerror or str(error)) from error


def lines(path: Path, offset: int = 0) -> Iterator[Line]:
    """Every line from an offset on, without the byte order mark at the beginning of the file."""
    with opened(path) as file:
        if offset:
            file.seek(offset)
        while octets := file.readline(MAX_LINE):
            begins, offset = offset, offset + len(octets)
            if len(octets) == MAX_LINE and not octets.endswith(b"\n"):
                what = f"{plain(path)} has a line of more than {MAX_LINE >> 20} MiB"
                raise SourceUnreadable(what, why="this is no file of lines", fix=f'head -c 200 "{path}"')
            if begins == 0:
                _check_encoding(path, octets)
                octets = octets.removeprefix(BOM)
            yield Line(octets, begins, offset)


def first_byte(path: Path) -> bytes:
    """The first byte that is no white space and no mark."""
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            text = chunk.removeprefix(BOM).lstrip()
            if text:
                return text[:1]
    return b""


def _check_encoding(path: Path, octets: bytes) -> None:
    if octets.startswith(_OTHER_BOMS):
        fix = f'iconv -f utf-16 -t utf-8 "{path}" > utf8.txt'
        raise SourceUnreadable(f"{plain(path)} is not UTF-8", why="it begins with the mark of UTF-16", fix=fix)
