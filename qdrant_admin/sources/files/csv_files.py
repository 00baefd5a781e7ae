"""CSV with a heading: commas, semicolons or tabs, packed or not. It has no types, so what is no vector stays text."""

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.base import Payload, option
from qdrant_admin.sources.files.columns import HEAD, Column, Layout, sniff
from qdrant_admin.sources.files.file_source import FileSource
from qdrant_admin.sources.files.file_survey import Group
from qdrant_admin.sources.files.tables import START, FileTable, Place, Row, Tally, count, damaged, take_apart
from qdrant_admin.sources.files.text_lines import MAX_LINE, is_packed, lines

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_INTEGER = re.compile(r"0|[1-9][0-9]{0,19}")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")
_BROKEN = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]{1,2})?")
_WORDS: dict[str, bool | None] = {"": None, "true": True, "false": False}


class CsvFiles(FileSource):
    kind = "CSV file"
    suffixes = (".csv.gz", ".tsv.gz", ".csv", ".tsv")

    def open(self) -> Iterable[str]:
        options = self.uri.options
        given = options.get("delimiter")
        self._delimiter = _DELIMITERS.get(given, given) if given else None
        if self._delimiter is not None and len(self._delimiter) != 1:
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

    def notes(self, group: Group) -> tuple[str, ...]:  # noqa: ARG002 # the same for all
        if self._guesses:
            return ("CSV has no types: what is written like a number, true or false becomes one, an empty value null",)
        return ("CSV has no types: every value is kept as text; ?types=guess makes numbers of what looks like one",)


class CsvFile(FileTable):
    """One file. Without a delimiter the first line tells it; `guesses` turns what looks like a number into one."""

    def __init__(self, path: Path, delimiter: str | None, encoding: str, *, guesses: bool = False) -> None:
        super().__init__(path)
        self._delimiter, self._encoding, self._guesses = delimiter, encoding, guesses

    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        heading = self._heading()
        rows = [dict(zip(heading.names, cells, strict=False)) for _, cells, _ in islice(self._cells(heading), HEAD)]
        return sniff(rows, asked), list(heading.names)

    def survey(self, layout: Layout) -> Tally:
        """Every row is read: nothing else tells where one ends, and whether the file is whole."""
        tally = Tally()
        packed, at = is_packed(self.path), START
        for row in self._rows(layout, START):
            tally.add(row.id, at if not at.row or not packed else None)
            count(tally, row, layout)
            at = row.behind
        return tally

    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        yield from ((row.number, row.id) for row in self._rows(layout, START) if row.id is not None)

    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[list[Row]]:
        """From a byte on; in a packed file everything before it is unpacked as well."""
        rows = self._rows(layout, at)
        while found := list(islice(rows, size if until is None else min(size, until - at.row))):
            at = found[-1].behind
            yield found

    def _rows(self, layout: Layout, at: Place) -> Iterator[Row]:
        heading = self._heading()
        for number, (behind, cells, trouble) in enumerate(self._cells(heading, at.offset), at.row):
            place = Place(number + 1, behind)
            if trouble:
                name = f"{self.path.name}:{number + 1}"
                yield Row(number, place, name, trouble=trouble, unread={"row": cells})
            else:
                values: Payload = dict(zip(heading.names, cells, strict=True))
                row = take_apart(_typed(values, layout, heading.delimiter), layout, number, place)
                if self._guesses:
                    row.payload = {name: _guessed(value) for name, value in row.payload.items()}
                yield row

    def _heading(self) -> "_Heading":
        feed = _Feed(self.path, 0, self._encoding)
        first = next(iter(feed), "")
        delimiter = self._delimiter or max(_DELIMITERS.values(), key=first.count)
        feed = _Feed(self.path, 0, self._encoding)
        try:
            names = tuple(name.strip() for name in next(_reader(feed, delimiter), ()))
        except csv.Error as error:
            raise damaged(self.path, f"its heading cannot be read ({error})") from error
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            what = f"{plain(self.path)} has two columns called “{plain(twice[0])}”"
            raise SourceUnreadable(what, why="one of them would be lost", fix=f'head -n 1 "{self.path}"')
        return _Heading(names, delimiter, feed.ends)

    def _cells(self, heading: "_Heading", offset: int = 0) -> Iterator[tuple[int, list[str], str]]:
        """Where a row ends, its cells, and what is wrong with it. Empty lines are none."""
        feed = _Feed(self.path, offset or heading.ends, self._encoding)
        reader = _reader(feed, heading.delimiter)
        while True:
            begins = feed.number
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "end of data" in str(error):
                    why = f"the quotes opened in line {begins + 1} of this part never close"
                    raise damaged(self.path, why) from error
                yield feed.ends, [feed.text], f"it is no CSV ({error})"
                continue
            if cells is None:
                return
            if cells:
                right = len(cells) == len(heading.names)
                words = f"it has {len(cells)} cells, and the heading {len(heading.names)}"
                yield feed.ends, cells, "" if right else words


class _Heading(NamedTuple):
    names: tuple[str, ...]
    delimiter: str
    ends: int


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
                raise SourceUnreadable(
                    f"{plain(self._path)} is not {self._encoding}",
                    why=f"byte {line.begins + error.start} is 0x{line.octets[error.start]:02x}",
                    fix="add ?encoding=latin-1, or whatever it is, to the source",
                ) from error
            yield self.text


def _reader(feed: _Feed, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(MAX_LINE)  # a cell may hold a whole document, or a vector of thousands of numbers
    return csv.reader(iter(feed), delimiter=delimiter, strict=True)


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
