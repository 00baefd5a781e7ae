"""A JSON array read item by item, so that a file of any size needs the memory of one item."""

import codecs
import json
import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.base import Payload
from qdrant_admin.sources.files.columns import HEAD, Column, Layout, sniff
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.files.own_layout import OwnLayout, read_own, sidecar
from qdrant_admin.sources.files.tables import START, FileTable, Place, Row, Tally, count, damaged, take_apart
from qdrant_admin.sources.files.text_lines import MAX_LINE, first_byte, is_packed, lines, opened
from qdrant_admin.sources.files.values import read_json

_CHUNK = 1 << 20
_SPACE = " \t\r\n"
_GAP = re.compile(f"[{_SPACE}]*")
_SIGN = re.compile(f"[{_SPACE}]*([],])[{_SPACE}]*")
"""What stands behind an item."""
_LONGEST_NUMBER = 32
"""Characters that may follow what reads like a whole number, and belong to it: `.5e10`."""


def array_items(path: Path) -> Iterator[JsonValue]:
    """The items of a file that is one JSON array. `SourceUnreadable`: it is none, no UTF-8, or cut off."""
    try:
        with opened(path) as file:
            yield from _Array(iter(lambda: file.read(_CHUNK), b"")).items()
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no whole JSON array ({error})") from error


class _Array:
    """An array in text that comes in chunks. Items are read at an offset; what is behind it is cut off once a chunk."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at = "", 0

    def items(self) -> Iterator[JsonValue]:
        if self._next() != "[":
            raise ValueError(f"{self._next() or 'the end'} where [ belongs")
        self._at += 1
        if self._next() == "]":
            self._at += 1
        else:
            yield from self._separated()
        if self._next():
            raise ValueError("there is something behind the end of the array")

    def _separated(self) -> Iterator[JsonValue]:
        decode, sign_at = json.JSONDecoder().raw_decode, _SIGN.match
        text, at, more = self._text, self._at, True
        while more:
            try:
                value, end = decode(text, at)
            except ValueError:
                if len(text) - at > MAX_LINE or not self._more():
                    raise
                text, at = self._text, self._at
                continue
            sign = sign_at(text, end)
            if sign is None:
                self._look_on(end)
                text, at = self._text, self._at
                continue
            self._at = at = sign.end()
            more = sign[1] == ","
            yield value
            if at == len(text):
                self._next()
                text, at = self._text, self._at

    def _look_on(self, end: int) -> None:
        """No sign follows an item: perhaps in the next chunk, in which a number may go on as well."""
        behind = len(self._text[end:].lstrip(_SPACE))
        if behind > _LONGEST_NUMBER or not self._more():
            raise ValueError(f"{self._text[-behind] if behind else 'the end'} where , or ] belongs")

    def _next(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            self._at = _GAP.match(self._text, self._at).end()  # type: ignore[union-attr] # it also matches nothing
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def _more(self) -> bool:
        """Take in another chunk; several at once for a larger item, so that it is not started over too often."""
        chunks = list(islice(self._chunks, 1 + (len(self._text) - self._at) // _CHUNK))
        text = self._decoder.decode(b"".join(chunks), final=not chunks)
        self._text, self._at = self._text[self._at :] + text, 0
        return bool(chunks)


class Parsed(NamedTuple):
    number: int
    values: Payload | None
    trouble: str
    raw: str
    begins: Place
    behind: Place


class JsonLinesFile(FileTable):
    def own(self) -> OwnLayout | None:
        beside = sidecar(self.path)
        return read_own(beside.read_bytes(), beside) if beside.is_file() else None

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        head = list(islice(self._records(START), HEAD))
        rows = [parsed.values for parsed in head if parsed.values is not None]
        if head and not rows:
            what = f"{plain(self.path)} holds no JSON lines"
            raise SourceUnreadable(what, why=f"of its first line: {head[0].trouble}", fix=f'head -c 200 "{self.path}"')
        return sniff(rows, asked), list(dict.fromkeys(name for row in rows for name in row))

    def survey(self, layout: Layout) -> Tally:
        """Every line is read: nothing else tells whether the file is whole."""
        tally = Tally()
        packed = is_packed(self.path)
        for parsed in self._records(START):
            row = self._row(parsed, layout)
            cut = parsed.number == 0 or (parsed.behind.offset and not packed)  # anywhere but in what is unpacked
            tally.add(row.id, parsed.begins if cut else None)
            count(tally, row, layout)
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        for parsed in self._records(START):
            row = self._row(parsed, layout)
            if row.id is not None and parsed.values is not None:
                yield row.number, row.id

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[list[Row]]:
        """From a byte on; in a packed file and in an array everything before it is read as well."""
        rows = (self._row(parsed, layout) for parsed in self._records(at))
        while found := list(islice(rows, size if until is None else min(size, until - at.row))):
            at = found[-1].behind
            yield found

    def _row(self, parsed: Parsed, layout: Layout) -> Row:
        if parsed.values is not None:
            return take_apart(parsed.values, layout, parsed.number, parsed.behind)
        name = f"{self.path.name}:{parsed.number + 1}"
        return Row(parsed.number, parsed.behind, name, trouble=parsed.trouble, unread={"line": parsed.raw})

    def _records(self, at: Place) -> Iterator[Parsed]:
        return self._array(at) if first_byte(self.path) == b"[" else self._lines(at)

    def _lines(self, at: Place) -> Iterator[Parsed]:
        number = at.row
        for line in lines(self.path, at.offset):
            text = line.octets.strip()
            if not text:
                continue
            values, trouble = _object(text)
            if trouble and not line.octets.endswith(b"\n"):
                trouble = f"the file ends in the middle of it: {trouble}"
            raw = "" if values is not None else text.decode("utf-8", "backslashreplace")
            yield Parsed(number, values, trouble, raw, Place(number, line.begins), Place(number + 1, line.ends))
            number += 1

    def _array(self, at: Place) -> Iterator[Parsed]:
        for number, value in enumerate(array_items(self.path)):
            if number >= at.row:
                places = Place(number), Place(number + 1)
                if isinstance(value, dict):
                    yield Parsed(number, value, "", "", *places)
                else:
                    yield Parsed(number, None, "it is no JSON object", json.dumps(value), *places)


class JsonLines(FileSource):
    kind = "file of JSON lines"
    table = JsonLinesFile
    suffixes = (".jsonl.gz", ".ndjson.gz", ".jsonl", ".ndjson", ".json.gz", ".json")

    def takes(self, path: Path) -> bool:
        """A `.json` in a folder is more often a configuration than a collection; one can be named itself."""
        return super().takes(path) and not path.name.lower().endswith((".json", ".json.gz"))


def _object(text: bytes) -> tuple[Payload | None, str]:
    """The object in a line, or why there is none."""
    try:
        value = read_json(text)
    except UnicodeDecodeError:
        return None, "it is no text in UTF-8"
    except RecursionError:
        return None, "it nests too deep to be read"
    except ValueError as error:
        return None, f"it is no JSON ({plain(error)})"
    return (value, "") if isinstance(value, dict) else (None, "it is no JSON object")
