"""A file of rows, or a folder of them, as a source: the same behaviour for every kind of file."""

import hashlib
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.base import Batch, Columns, Cursor, FolderUri, Record, SourceCollection, Span, between
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.file_survey import Group, Survey, take_survey
from qdrant_admin.sources.files.own_layout import SIDECAR
from qdrant_admin.sources.files.tables import START, Chunk, Place, Row, Table, rows_of
from qdrant_admin.sources.ids import hashed
from qdrant_admin.sources.read_only import changed, signature
from qdrant_admin.sources.reader import Reader


class _Surveys:
    """Surveys of files that have not changed since: a plan, its run and its verification read the same ones.

    A survey may cost a whole pass over the files. Whoever wants one that is being taken waits for it; nobody waits for
    a survey of other files.
    """

    def __init__(self, kept: int) -> None:
        self._lock, self._kept = threading.Lock(), kept
        self._taken: dict[tuple[str, ...], _Slot] = {}

    def get(self, key: tuple[str, ...], take: Callable[[], Survey]) -> Survey:
        """The survey of that key, taken now if nobody has."""
        with self._lock:
            slot = self._taken.setdefault(key, _Slot())
            if len(self._taken) > self._kept:
                self._taken.pop(next(iter(self._taken)))
        with slot.lock:
            if slot.survey is None:
                slot.survey = take()
            return slot.survey


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    survey: Survey | None = None


_surveys = _Surveys(64)
"""By URI, collection, and a digest of the files' names, sizes and times."""


class FileSource(Reader):
    """A `Source` over files of one kind. A folder is one collection, save for exports of ours, which are one each."""

    uri: FolderUri
    vectorless = True
    """An export may hold points without a vector; in any other file such a row is rejected here."""
    suffixes: tuple[str, ...]
    table: Callable[[Path], Table]

    def open(self) -> Iterable[str]:
        self.path = self.uri.path
        if not self.path.exists():
            raise wrong_kind(self.path, self._called)
        self._root = self.path if self.path.is_dir() else self.path.parent
        try:
            self._groups = self._grouped()
        except OSError as error:
            raise SourceUnreadable(f"{plain(self.path)} cannot be read", why=str(error.strerror)) from error
        paths = [table.path for group in self._groups.values() for table in group.tables]
        self._places = {path: path.relative_to(self._root).as_posix() for path in paths}
        return self._groups

    @property
    def _called(self) -> str:
        return f"{'an' if self.kind[0] in 'AEIO' else 'a'} {self.kind}"

    def describe(self, name: str) -> SourceCollection:
        """Columns, ids and dimensions are looked at, and every row where there is no schema."""
        return self._survey(name).described(name)

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut between files, and within a file where that is cheap."""
        survey, group = self._survey(name), self._groups[name]
        places = survey.places
        wanted = (survey.rows * part // parts for part in range(1, parts))
        cuts = sorted({places[at] for want in wanted if (at := bisect_left(places, (want, 0, START))) < len(places)})
        digest = self._digest(group)
        cursors = [_cursor(digest, file, place) for total, file, place in cuts if 0 < total < survey.rows]
        return between(cursors)

    def mark(self, name: str) -> str:
        return self._digest(self._groups[name])

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Rows in the order of the files' names and of the rows in them. Of rows with one id, only the last comes."""
        group, survey = self._groups[name], self._survey(name)
        if survey.layout is None:
            return
        digest = self._digest(group)
        index, place = self._place(digest, after)
        last, end = self._place(digest, until) if until is not None else (len(group.tables), START)
        while index < len(group.tables) and (index, place.row) < (last, end.row):
            table, known = group.tables[index], survey.files[index]
            layout = known.layout
            if layout is None:
                index, place = index + 1, START
                continue
            fields = group.partition(table.path)
            for part in table.rows(layout, size, place, end.row if index == last else None):
                if signature([table.path]) != (known.signature,):
                    raise changed(table.path)
                if isinstance(part, Chunk) and not len(survey.repeated):
                    yield Batch(self._columns(table, part, fields), _cursor(digest, index, part.behind))
                    continue
                rows = rows_of(part)
                records = [
                    self._record(table, row, fields, layout.vectorless)
                    for row in rows
                    if not survey.superseded(known.start + row.number)
                ]
                yield Batch(records, _cursor(digest, index, rows[-1].behind))
            index, place = index + 1, START

    def files(self) -> list[Path]:
        """The files of a folder, in the order in which they are read."""
        found = [path for path in self.path.rglob("*") if path.is_file() and self.takes(path)]
        return sorted(path for path in found if not _hidden(path.relative_to(self.path)))

    def takes(self, path: Path) -> bool:
        return path.name.lower().endswith(self.suffixes) and not path.name.endswith(SIDECAR)

    def _grouped(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        for path in self.files() if self.path.is_dir() else [self.path]:
            table = self.table(path)
            own = table.own()
            name = own.collection if own else self.name_of(path)
            if own and name in groups:
                raise SourceUnreadable(
                    f"two files in {plain(self.path)} are exports of the collection {plain(name)}",
                    fix="name one of the files instead of the folder",
                )
            groups.setdefault(name, Group(own, [], self._root)).tables.append(table)
        if not groups:
            raise wrong_kind(self.path, f"{self._called}, nor a folder with one")
        return groups

    def name_of(self, path: Path) -> str:  # noqa: ARG002 # for kinds whose folders hold several collections
        """The collection that a file belongs to: the folder's, or that of the file when it was named itself."""
        if self.path.is_dir():
            return self.path.name
        suffix = next((suffix for suffix in self.suffixes if self.path.name.lower().endswith(suffix)), self.path.suffix)
        return self.path.name[: len(self.path.name) - len(suffix)] or self.path.name

    def _survey(self, name: str) -> Survey:
        group = self._groups[name]
        key = (str(self.uri), name, self._digest(group))
        return _surveys.get(key, lambda: take_survey(group, self.uri, self.notes(group)))

    def notes(self, group: Group) -> tuple[str, ...]:  # noqa: ARG002 # for kinds that have something to say
        return ()

    def watched(self, group: Group) -> list[Path]:
        """The files that must not change while a migration goes on."""
        return [table.path for table in group.tables]

    def _columns(self, table: Table, chunk: Chunk, fields: dict[str, str]) -> Columns:
        numbered = enumerate(chunk.ids, start=chunk.first)
        ids: list[int | str] = [self._made_id(table, row) if one is None else one for row, one in numbered]
        payloads = [{**one, **fields} for one in chunk.payloads] if fields else chunk.payloads
        return Columns(ids, payloads, chunk.vectors, chunk.slot)

    def _made_id(self, table: Table, row: int) -> str:
        """Of file and number: a row without an id has no other name that is the same the next time."""
        return hashed(f"{self._places[table.path]}:{row}")

    def _record(self, table: Table, row: Row, fields: dict[str, str], vectorless: bool) -> Record:
        identity = self._made_id(table, row.number) if row.id is None else row.id
        trouble = row.trouble or ("" if vectorless or row.vectors else "it has no vector")
        return Record(identity, {**row.payload, **fields} if fields else row.payload, row.vectors, trouble, row.unread)

    def _digest(self, group: Group) -> str:
        """Of names, sizes and times: another one means that a cursor of then leads nowhere now."""
        found = signature(self.watched(group))
        names = [self._places[table.path] for table in group.tables]
        return hashlib.blake2b(repr((names, found)).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def _place(self, digest: str, cursor: Cursor) -> tuple[int, Place]:
        if cursor is None:
            return 0, START
        before, file, row, offset = str(cursor).split(":")
        if before != digest:
            raise SourceUnreadable(
                f"{plain(self.path)} has changed since this migration began",
                why="its files have other sizes or times, so nobody can say where to go on",
                fix=Command("migrate", self.uri, on_conflict="overwrite"),
            )
        return int(file), Place(int(row), int(offset))


def _cursor(digest: str, file: int, place: Place) -> str:
    return f"{digest}:{file}:{place.row}:{place.offset}"


def _hidden(path: Path) -> bool:
    """Files that writers of data sets leave beside the data: `_SUCCESS`, `.crc`."""
    return any(part.startswith((".", "_")) for part in path.parts)
