"""Files of text: JSON lines, a JSON array, CSV with a heading. `.gz` is unpacked on the way."""

import codecs
import contextlib
import csv
import gzip
import json
import re
import zlib
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, NamedTuple, cast

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.values import JsonValue
from qdrant_admin.database.models import Sparse
from qdrant_admin.sources.base import Payload, Record, option
from qdrant_admin.sources.files import encodings, tables
from qdrant_admin.sources.files.file_source import FileSource, Group
from qdrant_admin.sources.files.tables import START, Column, Layout, OwnLayout, Part, Place, Table, Tally
from qdrant_admin.sources.files.values import NO_ID, Unfit, read_json
from qdrant_admin.sources.read_only import cannot_read

MAX_LINE = 256 * 1024 * 1024
"""Bytes of one line: a record larger than any request could carry."""
BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20


class Line(NamedTuple):
    octets: bytes
    begins: int
    ends: int


def is_packed(path: Path) -> bool:
    """Whether it is packed with gzip. `SourceUnreadable`: with something else."""
    with path.open("rb") as file:
        head = file.read(encodings.LONGEST)
    encodings.check_unpacked(path, head)
    return head.startswith(b"\x1f\x8b")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked. Faults while it is read are `SourceUnreadable` as well."""
    try:
        with path.open("rb") as file:
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_packed(path) else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise tables.damaged(path, error, fix=f'gzip -t "{path}"') from error
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
                raise SourceUnreadable(what, why="this is not a file of lines", fix=f'head -c 200 "{path}"')
            if begins == 0:
                encodings.check_utf8(path, octets[:4])
                octets = octets.removeprefix(BOM)
            yield Line(octets, begins, offset)


class Read(NamedTuple):
    """One row, and where it lies. `broken`: it could not be read at all, and is called after its place."""

    record: Record
    begins: Place
    behind: Place
    broken: bool = False


class TextTable(Table):
    """A file whose rows are only found by reading it: nothing else tells where one ends, and whether it is whole."""

    @abstractmethod
    def read(self, layout: Layout, at: Place) -> Iterator[Read]:
        """Every row from a place on."""

    def survey(self, layout: Layout) -> Tally:
        tally, packed = Tally(), is_packed(self.path)
        for record, begins, behind, _ in self.read(layout, START):
            can_begin = begins.row == 0 or (behind.offset and not packed)  # anywhere but in what is unpacked
            tally.add(record.id, begins if can_begin else None)
            tally.troubled += bool(record.trouble) or not (record.vectors or layout.vectorless)
            for name, vector in record.vectors.items():
                if not isinstance(vector, Sparse):
                    tally.saw(name, vector.shape[-1])
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        for record, begins, _, broken in self.read(layout, START):
            if record.id != NO_ID and not broken:
                yield begins.row, record.id

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """From a byte on; in a packed file and in an array everything before it is read as well."""
        rows = self.read(layout, at)
        while found := list(islice(rows, size if until is None else min(size, until - at.row))):
            first, at = at.row, found[-1].behind
            yield Part(first, [one.record for one in found], at.offset)

    def broken(self, begins: Place, behind: Place, trouble: str, **unread: object) -> Read:
        record = Record(f"{self.path.name}:{behind.row}", trouble=trouble, unread=unread)
        return Read(record, begins, behind, broken=True)


class _Parsed(NamedTuple):
    found: Payload | Unfit
    raw: bytes
    begins: Place
    behind: Place


class JsonLinesFile(TextTable):
    """JSON lines, or an array that is the whole file."""

    def own(self) -> OwnLayout | None:
        beside = tables.sidecar(self.path)
        return tables.read_own(beside.read_bytes(), beside) if beside.is_file() else None

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        head = list(islice(self._parsed(START), tables.HEAD))
        rows = [parsed.found for parsed in head if not isinstance(parsed.found, Unfit)]
        if head and not rows:
            what = f"{plain(self.path)} holds no JSON lines"
            raise SourceUnreadable(what, why=f"of its first line: {head[0].found}", fix=f'head -c 200 "{self.path}"')
        return tables.sniff(rows, asked), list(dict.fromkeys(name for row in rows for name in row))

    def read(self, layout: Layout, at: Place) -> Iterator[Read]:
        for found, raw, begins, behind in self._parsed(at):
            if isinstance(found, Unfit):
                yield self.broken(begins, behind, str(found), line=raw.decode("utf-8", "backslashreplace"))
            else:
                yield Read(tables.take_apart(found, layout), begins, behind)

    def _parsed(self, at: Place) -> Iterator[_Parsed]:
        return self._array(at) if _first_byte(self.path) == b"[" else self._lines(at)

    def _lines(self, at: Place) -> Iterator[_Parsed]:
        number = at.row
        for line in lines(self.path, at.offset):
            text = line.octets.strip()
            if not text:
                continue
            found = object_in(text)
            if isinstance(found, Unfit) and not line.octets.endswith(b"\n"):
                found = Unfit(f"the file ends in the middle of it: {found}")
            yield _Parsed(found, text, Place(number, line.begins), Place(number + 1, line.ends))
            number += 1

    def _array(self, at: Place) -> Iterator[_Parsed]:
        for number, value in enumerate(array_items(self.path)):
            if number >= at.row:
                found = value if isinstance(value, dict) else Unfit("it is not a JSON object")
                raw = json.dumps(value).encode() if isinstance(found, Unfit) else b""
                yield _Parsed(found, raw, Place(number), Place(number + 1))


class JsonLines(FileSource):
    kind = "file of JSON lines"
    table = JsonLinesFile
    suffixes = (".jsonl.gz", ".ndjson.gz", ".jsonl", ".ndjson", ".json.gz", ".json")

    def takes(self, path: Path) -> bool:
        """A `.json` in a folder is more often a configuration than a collection; one can be named itself."""
        return super().takes(path) and not path.name.lower().endswith((".json", ".json.gz"))


def _first_byte(path: Path) -> bytes:
    """The first byte that is no white space and no mark."""
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            text = chunk.removeprefix(BOM).lstrip()
            if text:
                return text[:1]
    return b""


def object_in(text: bytes) -> Payload | Unfit:
    """The object in a line, or why there is none."""
    try:
        value = read_json(text)
    except UnicodeDecodeError:
        return Unfit("it is not text in UTF-8")
    except RecursionError:
        return Unfit("it nests too deep to be read")
    except ValueError as error:
        return Unfit(f"it is not JSON ({plain(error)})")
    return value if isinstance(value, dict) else Unfit("it is not a JSON object")


_SPACE = " \t\r\n"
_GAP = re.compile(f"[{_SPACE}]*")
_SIGN = re.compile(f"[{_SPACE}]*([],])[{_SPACE}]*")
"""What stands behind an item."""
_LONGEST_NUMBER = 32
"""Characters that may follow what reads like a whole number, and belong to it: `.5e10`."""


def array_items(path: Path) -> Iterator[JsonValue]:
    """The items of a file that is one JSON array, of any size: only one of them is in memory at a time.

    Raises `SourceUnreadable`: it is none, no UTF-8, or cut off.
    """
    try:
        with opened(path) as file:
            yield from _Array(iter(lambda: file.read(_CHUNK), b"")).items()
    except (ValueError, RecursionError) as error:
        raise tables.damaged(path, f"it is no whole JSON array ({error})") from error


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
        decode, sign_at, more = json.JSONDecoder().raw_decode, _SIGN.match, True
        while more:
            text, at = self._text, self._at
            try:
                value, end = decode(text, at)
            except ValueError:
                if len(text) - at > MAX_LINE or not self._more():
                    raise
                continue
            sign = sign_at(text, end)
            if sign is None:
                self._look_on(end)
                continue
            self._at = sign.end()
            more = sign[1] == ","
            yield value
            if self._at == len(text):
                self._next()

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


_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_INTEGER = re.compile(r"0|[1-9][0-9]{0,19}")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_BROKEN = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]{1,2})?")
_WORDS: dict[str, bool | None] = {"": None, "true": True, "false": False}


class CsvFiles(FileSource):
    """CSV has no types, so what is not a vector stays text unless `?types=guess` asks for more."""

    kind = "CSV file"
    suffixes = (".csv.gz", ".tsv.gz", ".csv", ".tsv")

    def open(self) -> Iterable[str]:
        options = self.uri.options
        given = options.get("delimiter", "")
        self._delimiter = _DELIMITERS.get(given, given)
        if len(self._delimiter) > 1:
            known = ", ".join(_DELIMITERS)
            raise BadInput(f"delimiter={plain(given)} is none", why=f"one character, or {known}", fix="?delimiter=tab")
        self._encoding = options.get("encoding", "utf-8")
        try:
            "".encode(self._encoding)
        except LookupError:
            raise BadInput(f"there is no encoding {plain(self._encoding)}", fix="?encoding=latin-1") from None
        self._guesses = option(options, "types", {"guess": True}, otherwise=False)
        return super().open()

    def table(self, path: Path) -> "CsvFile":
        return CsvFile(path, self._delimiter, self._encoding, guesses=self._guesses)

    def notes(self, group: Group) -> tuple[str, ...]:
        found = {table.delimiter for table in group.tables if isinstance(table, CsvFile)}
        between = ", ".join(sorted(name for name, sign in _DELIMITERS.items() if sign in found))
        told = f"cells are taken apart by {between}, as the heading shows; ?delimiter= says otherwise"
        delimited = () if self._delimiter or not between else (told,)
        commas = () if found <= {","} else ("a comma in a component that has a column of its own is its decimal sign",)
        return (*self._types(), *delimited, *commas, *self._asked_encoding(group))

    def _asked_encoding(self, group: Group) -> Iterator[str]:
        if "encoding" in self.uri.options:
            for path in group.paths:
                encodings.check_asked(self.uri, path, self._encoding, (line.octets for line in lines(path)))
            yield f"its text is read as {plain(self._encoding)}, as asked"

    def _types(self) -> tuple[str, ...]:
        kept = "every value is kept as text; ?types=guess makes numbers of what looks like one"
        guessed = "what is written like a number, true or false becomes one, an empty value null"
        return (f"CSV has no types: {guessed if self._guesses else kept}",)


class _Heading(NamedTuple):
    names: tuple[str, ...]
    delimiter: str
    ends: int


class CsvFile(TextTable):
    """One file. Without a delimiter the first line tells it; `guesses` turns what looks like a number into one."""

    def __init__(self, path: Path, delimiter: str = "", encoding: str = "utf-8", *, guesses: bool = False) -> None:
        super().__init__(path)
        self._delimiter, self._encoding, self._guesses = delimiter, encoding, guesses

    @property
    def delimiter(self) -> str:
        return self._heading().delimiter

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        heading = self._heading()
        head = islice(self._cells(heading), tables.HEAD)
        rows = [dict(zip(heading.names, cells, strict=False)) for _, cells, _ in head]
        return tables.sniff(rows, asked), list(heading.names)

    def read(self, layout: Layout, at: Place) -> Iterator[Read]:
        heading = self._heading()
        for ends, cells, trouble in self._cells(heading, at.offset):
            begins, at = at, Place(at.row + 1, ends)
            if trouble:
                yield self.broken(begins, at, trouble, row=cells)
                continue
            values: Payload = dict(zip(heading.names, cells, strict=True))
            record = tables.take_apart(_typed(values, layout, heading.delimiter), layout)
            if self._guesses:
                record.payload = {name: _guessed(value) for name, value in record.payload.items()}
            yield Read(record, begins, at)

    def _heading(self) -> _Heading:
        first = next(iter(_Feed(self.path, 0, self._encoding)), "")
        delimiter = self._delimiter or self._guessed_delimiter(first)
        feed = _Feed(self.path, 0, self._encoding)
        try:
            names = tuple(name.strip() for name in next(feed.rows(delimiter), ()))
        except csv.Error as error:
            raise tables.damaged(self.path, f"its heading cannot be read ({error})") from error
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            what = f"{plain(self.path)} has two columns called “{plain(twice[0])}”"
            raise SourceUnreadable(what, why="one of them would be lost", fix=f'head -n 1 "{self.path}"')
        return _Heading(names, delimiter, feed.ends)

    def _guessed_delimiter(self, heading: str) -> str:
        """The sign that comes most often. `SourceUnreadable`: two of them do."""
        counts = {name: heading.count(sign) for name, sign in _DELIMITERS.items()}
        most = [name for name, count in counts.items() if count == max(counts.values())]
        if len(most) > 1 and counts[most[0]]:
            what = f"it is not known what is between the cells of {plain(self.path)}"
            why = f"its heading has as many of {' and '.join(most)}"
            raise SourceUnreadable(what, why=why, fix=f"add ?delimiter={most[0]} to the source")
        return _DELIMITERS[most[0]]

    def _cells(self, heading: _Heading, offset: int = 0) -> Iterator[tuple[int, list[str], str]]:
        """Where a row ends, its cells, and what is wrong with it. Empty lines are none."""
        feed = _Feed(self.path, offset or heading.ends, self._encoding)
        reader = feed.rows(heading.delimiter)
        while True:
            begins = feed.number
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "end of data" in str(error):
                    why = f"the quotes opened in line {begins + 1} of this part never close"
                    raise tables.damaged(self.path, why) from error
                yield feed.ends, [feed.text], f"it is no CSV ({error})"
                continue
            if cells is None:
                return
            if cells:
                right = len(cells) == len(heading.names)
                words = f"it has {len(cells)} cells, and the heading {len(heading.names)}"
                yield feed.ends, cells, "" if right else words


class _Feed:
    """The lines of a file as text, and how far they have been taken: the parser takes no more than it needs."""

    def __init__(self, path: Path, offset: int, encoding: str) -> None:
        self._path, self._encoding = path, encoding
        self.ends, self.number, self.text = offset, 0, ""

    def __iter__(self) -> Iterator[str]:
        for line in lines(self._path, self.ends):
            self.ends, self.number = line.ends, self.number + 1
            try:
                self.text = line.octets.decode(self._encoding)
            except UnicodeDecodeError as error:
                why = f"byte {line.begins + error.start} is 0x{line.octets[error.start]:02x}"
                fix = f"add ?encoding={encodings.likely(line.octets)}, or whatever it is, to the source"
                raise SourceUnreadable(f"{plain(self._path)} is not {self._encoding}", why=why, fix=fix) from error
            yield self.text

    def rows(self, delimiter: str) -> Iterator[list[str]]:
        csv.field_size_limit(MAX_LINE)  # a cell may hold a whole document, or a vector of thousands of numbers
        return csv.reader(iter(self), delimiter=delimiter, strict=True)


def _typed(values: Payload, layout: Layout, delimiter: str) -> Payload:
    """Ids that are integers as integers, single components as numbers; an empty vector as none."""
    if layout.id and _INTEGER.fullmatch(values[layout.id]) and int(values[layout.id]) < 1 << 64:
        values[layout.id] = int(values[layout.id])
    for slot in layout.slots:
        if not slot.parts and values[slot.column.name] == "":
            values[slot.column.name] = None
        for part in slot.parts:
            values[part] = _number(values[part].strip(), commas=delimiter != ",")
    return values


def _number(text: str, *, commas: bool) -> float | str | None:
    """A component; text that is none stays text, and is refused with its row."""
    if commas and "." not in text:
        text = text.replace(",", ".")
    try:
        return float(text) if text and "_" not in text else text or None
    except ValueError:
        return text


def _guessed(text: object) -> object:
    """What is written as JSON writes it; `007`, `1,5` and dates stay text."""
    if not isinstance(text, str) or text in _WORDS:
        return _WORDS[text] if isinstance(text, str) else text
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _BROKEN.fullmatch(text) else text
