"""A JSON array read item by item, so that a file of any size needs the memory of one item."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.sources.files.tables import damaged
from qdrant_admin.sources.files.text_lines import MAX_LINE, opened

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


def items(path: Path) -> Iterator[Any]:
    """The items of the array that is the whole file.

    Raises:
        SourceUnreadable: it is no array, no UTF-8, or cut off.
    """
    try:
        with opened(path) as file:
            yield from _Reader(iter(lambda: file.read(_CHUNK), b"")).items()
    except (ValueError, RecursionError) as error:
        raise _broken(path, error) from error


class _Reader:
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._text = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer = ""

    def items(self) -> Iterator[Any]:
        self._skip("[")
        if self._next() == "]":
            self._skip("]")
        else:
            yield self._item()
            while self._next() == ",":
                self._skip(",")
                yield self._item()
            self._skip("]")
        if self._next():
            raise ValueError("there is something behind the end of the array")

    def _item(self) -> Any:
        decode = json.JSONDecoder().raw_decode
        while True:
            self._next()
            try:
                value, end = decode(self._buffer)
            except ValueError:
                if len(self._buffer) > MAX_LINE or not self._more():
                    raise
                continue
            # A number at the end of what was read may go on; an object or a list cannot.
            if end == len(self._buffer) and not isinstance(value, dict | list) and self._more():
                continue
            self._buffer = self._buffer[end:]
            return value

    def _next(self) -> str:
        """The next character that is no white space; empty at the end."""
        self._buffer = self._buffer.lstrip(_SPACE)
        while not self._buffer and self._more():
            self._buffer = self._buffer.lstrip(_SPACE)
        return self._buffer[:1]

    def _skip(self, wanted: str) -> None:
        found = self._next()
        if found != wanted:
            raise ValueError(f"{found or 'the end'} where {wanted} belongs")
        self._buffer = self._buffer[1:]

    def _more(self) -> bool:
        chunk = next(self._chunks, None)
        self._buffer += self._text.decode(chunk or b"", final=chunk is None)
        return chunk is not None


def _broken(path: Path, error: Exception) -> SourceUnreadable:
    return damaged(path, f"it is no whole JSON array ({error})")
