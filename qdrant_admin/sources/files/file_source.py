"""A file of rows, or a folder of them, as a source: the same behaviour for every kind of file."""

import hashlib
import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.sources.base import (
    Batch,
    Columns,
    Cursor,
    FolderUri,
    Record,
    SourceCollection,
    Span,
    no_such_collection,
)
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.file_survey import Group, Survey, take_survey
from qdrant_admin.sources.files.own_layout import SIDECAR
from qdrant_admin.sources.files.tables import START, Chunk, Place, Row, Table, rows_of
from qdrant_admin.sources.ids import hashed
from qdrant_admin.sources.read_only import changed, signature
from qdrant_admin.sources.uri import command

_surveys: dict[tuple[str, str, str], Survey] = {}
"""Of files that have not changed since, by URI, collection and digest: a plan, its run and its verification read the
same ones, and a survey may cost a whole pass."""
_KEPT_SURVEYS = 64
_survey_lock = threading.Lock()


class FileSource(ABC):
    """A `Source` over files of one kind. A folder is one collection, save for exports of ours, which are one each."""

    kind: str
    vectorless = True
    """An export may hold points without a vector; in any other file such a row is rejected here."""
    folds_uuids = False
    suffixes: tuple[str, ...]

    def __init__(self, uri: FolderUri) -> None:
        self.path: Path = uri.path
        self._uri = uri
        if not self.path.exists():
            raise wrong_kind(self.path, self._called)
        self._root = self.path if self.path.is_dir() else self.path.parent
        try:
            self._groups = self._grouped()
        except OSError as error:
            raise SourceUnreadable(f"{plain(self.path)} cannot be read", why=str(error.strerror)) from error
        paths = [table.path for group in self._groups.values() for table in group.tables]
        self._places = {path: path.relative_to(self._root).as_posix() for path in paths}
        if uri.collection is not None:
            if uri.collection not in self._groups:
                raise no_such_collection(uri.collection, sorted(self._groups))
            self._groups = {uri.collection: self._groups[uri.collection]}

    @property
    def _called(self) -> str:
        return f"{'an' if self.kind[0] in 'AEIO' else 'a'} {self.kind}"

    @abstractmethod
    def open(self, path: Path) -> Table:
        """One file of it."""

    def collections(self) -> list[SourceCollection]:
        """Every collection, counted: columns, ids and dimensions are looked at, and rows where there is no schema."""
        return [self._survey(name).described(name) for name in self._groups]

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut between files, and within a file where that is cheap."""
        survey, group = self._survey(name), self._groups[name]
        places = survey.places
        wanted = (survey.rows * part // parts for part in range(1, parts))
        cuts = sorted({places[at] for want in wanted if (at := bisect_left(places, (want, 0, START))) < len(places)})
        digest = self._digest(group)
        cursors = [_cursor(digest, file, place) for total, file, place in cuts if 0 < total < survey.rows]
        edges: list[Cursor] = [None, *cursors, None]
        return tuple(Span(after=left, until=right) for left, right in pairwise(edges))

    def mark(self, name: str) -> str:
        """Names, sizes and times of its files."""
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
                    self._record(table, row, fields, layout.vectorless) for row in rows
                           if not survey.superseded(known.start + row.number)]  # fmt: skip
                yield Batch(records, _cursor(digest, index, rows[-1].behind))
            index, place = index + 1, START

    def close(self) -> None:
        """Nothing stays open between two passes."""
        return

    def files(self) -> list[Path]:
        """The files of a folder, in the order in which they are read."""
        found = [path for path in self.path.rglob("*") if path.is_file() and self.takes(path)]
        return sorted(path for path in found if not _hidden(path.relative_to(self.path)))

    def takes(self, path: Path) -> bool:
        """Whether a file in a folder is of this kind."""
        return path.name.lower().endswith(self.suffixes) and not path.name.endswith(SIDECAR)

    def _grouped(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        for path in self.files() if self.path.is_dir() else [self.path]:
            table = self.open(path)
            own = table.own()
            name = own.collection if own else self.name_of(path)
            if own and name in groups:
                raise SourceUnreadable(f"two files in {plain(self.path)} are exports of the collection {plain(name)}",
                                       fix="name one of the files instead of the folder")  # fmt: skip
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
        key = (str(self._uri), name, self._digest(group))
        with _survey_lock:
            if key not in _surveys:
                if len(_surveys) >= _KEPT_SURVEYS:
                    _surveys.pop(next(iter(_surveys)))
                _surveys[key] = take_survey(group, self._uri, self.notes(group))
            return _surveys[key]

    def notes(self, group: Group) -> tuple[str, ...]:  # noqa: ARG002 # for kinds that have something to say
        """Further warnings for the plan."""
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
                fix=command(self._uri, "--on-conflict", "overwrite"),
            )
        return int(file), Place(int(row), int(offset))


def _cursor(digest: str, file: int, place: Place) -> str:
    return f"{digest}:{file}:{place.row}:{place.offset}"


def _hidden(path: Path) -> bool:
    """Files that writers of data sets leave beside the data: `_SUCCESS`, `.crc`."""
    return any(part.startswith((".", "_")) for part in path.parts)
