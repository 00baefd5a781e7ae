"""A file of rows, or a folder of them, as a source: the same behaviour for every kind of file."""

import hashlib
import re
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources import octets
from qdrant_admin.sources.base import Batch, Columns, Cursor, FolderUri, SourceCollection, Span, between, option
from qdrant_admin.sources.detect import check_plain, wrong_kind
from qdrant_admin.sources.files import tables
from qdrant_admin.sources.files.tables import START, Layout, OwnLayout, Part, Place, Rows, Table, Tally, key_of
from qdrant_admin.sources.files.values import NO_ID, WORDS
from qdrant_admin.sources.ids import Numbers, hashed, is_among, repeated_hashes
from qdrant_admin.sources.layouts import distance_option
from qdrant_admin.sources.read_only import changed, signature
from qdrant_admin.sources.reader import Reader

_PART = re.compile(r"(?P<before>.*?)(?P<number>\d+)-of-(?P<of>\d{1,6})(?P<behind>\D.*)")
_RECORDS = tuple(
    f".{ending}{packed}"
    for ending in ("parquet", "parq", "pq", "arrow", "feather", "jsonl", "ndjson", "csv", "tsv", "npy", "npz")
    for packed in ("", ".gz")
)
"""How files of records end, of every kind that can be read."""
_DATATYPES = ("float32", "float16", "uint8")


@dataclass(frozen=True)
class Group:
    """The files of one collection."""

    name: str
    own: OwnLayout | None
    tables: list[Table]
    root: Path

    @property
    def paths(self) -> list[Path]:
        return [table.path for table in self.tables]

    def partition(self, path: Path) -> dict[str, str]:
        """What the folders between say of every row in a file, as in `year=2024/month=05/part-0.parquet`."""
        parts = [part.partition("=") for part in path.relative_to(self.root).parts[:-1]]
        return {unquote(name): unquote(value) for name, sign, value in parts if sign}


@dataclass(frozen=True)
class File:
    start: int
    """Number of its first row among those of all files."""
    layout: Layout | None
    """None: it has no rows."""
    signature: tuple[int, int] | None


@dataclass(frozen=True)
class Survey:
    """What is known of a collection before the first row is copied. Plain data: nothing in it is open."""

    collection: SourceCollection
    files: tuple[File, ...]
    rows: int
    places: tuple[tuple[int, int, Place], ...]
    """Rows before it, file, place: where the collection can be cut."""
    repeated: Numbers
    """Rows whose id is repeated further down, ascending: the later one holds."""


@dataclass
class _Kept:
    lock: threading.Lock = field(default_factory=threading.Lock)
    survey: Survey | None = None


_lock = threading.Lock()


@lru_cache(64)
def _kept(*key: str) -> _Kept:  # noqa: ARG001 # by URI, collection, and a digest of the files' names, sizes and times
    """The survey of files that have not changed since: a plan, its run and its verification read the same one.

    A survey may cost a whole pass over the files. Whoever wants one that is being taken waits for it; nobody waits for
    a survey of other files.
    """
    return _Kept()


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
        paths = [path for group in self._groups.values() for path in group.paths]
        self._places = {path: path.relative_to(self._root).as_posix() for path in paths}
        return self._groups

    @property
    def _called(self) -> str:
        return f"{'an' if self.kind[0] in 'AEIO' else 'a'} {self.kind}"

    def describe(self, name: str) -> SourceCollection:
        """Columns, ids and dimensions are looked at, and every row where there is no schema."""
        return self._survey(name).collection

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:
        """Cut between files, and within a file where that is cheap."""
        survey, digest = self._survey(name), self.mark(name)
        places = survey.places
        wanted = (survey.rows * part // parts for part in range(1, parts))
        cuts = sorted({places[at] for want in wanted if (at := bisect_left(places, (want, 0, START))) < len(places)})
        return between([_cursor(digest, file, place) for total, file, place in cuts if 0 < total < survey.rows])

    def mark(self, name: str) -> str:
        """Of names, sizes and times: another one means that a cursor of then leads nowhere now."""
        group = self._groups[name]
        names = [self._places[path] for path in group.paths]
        said = repr((names, signature(self.watched(group))))
        return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:
        """Rows in the order of the files' names and of the rows in them. Of rows with one id, only the last comes."""
        group, survey = self._groups[name], self._survey(name)
        digest = self.mark(name)
        index, place = self._place(digest, after)
        last, end = self._place(digest, until) if until is not None else (len(group.tables), START)
        while index < len(group.tables) and (index, place.row) < (last, end.row):
            table, known = group.tables[index], survey.files[index]
            fields = group.partition(table.path)
            until_row = end.row if index == last else None
            for part in table.rows(known.layout, size, place, until_row) if known.layout else ():
                if signature([table.path]) != (known.signature,):
                    raise changed(table.path)
                rows = self._finished(part, table.path, fields, survey, known)
                yield Batch(rows, _cursor(digest, index, part.behind))
            index, place = index + 1, START

    def files(self) -> list[Path]:
        """The files of a folder, in the order in which they are read."""
        found = [path for path in self.path.rglob("*") if path.is_file() and self.takes(path)]
        return sorted(path for path in found if not _hidden(path.relative_to(self.path)))

    def strays(self) -> Iterator[str]:
        """Files of records in the same folder that are of another kind, and parts that others of theirs speak of."""
        if not self.path.is_dir():
            return
        read = {path for group in self._groups.values() for path in self.watched(group)}
        yield from _missing_parts(read)
        found = sorted(path for path in self.path.rglob("*") if path.name.lower().endswith(_RECORDS))
        names = [path.relative_to(self.path) for path in found if path not in read]
        others = [name for name in names if not _hidden(name)]
        hidden = [name for name in names if _hidden(name) and self.takes(name) and not name.name.startswith("._")]
        for told, words in ((others, "of another kind"), (hidden, "below a name that begins with . or _")):
            if told:
                files, shown = counted(len(told), "file"), ", ".join(plain(name.as_posix()) for name in told[:5])
                yield f"{files} {words} in {plain(self.path)}, not read: {shown}"

    def takes(self, path: Path) -> bool:
        return path.name.lower().endswith(self.suffixes) and not path.name.endswith(tables.SIDECAR)

    def _grouped(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        if self.path.is_dir():
            check_plain(self.path)
        self._check_exports()
        for path in self.files() if self.path.is_dir() else [self.path]:
            table = self.table(path)
            own = table.own()
            name = own.collection if own else self.name_of(path)
            if own and name in groups:
                what = f"two files in {plain(self.path)} are exports of the collection {plain(name)}"
                raise SourceUnreadable(what, fix="name one of the files instead of the folder")
            groups.setdefault(name, Group(name, own, [], self._root)).tables.append(table)
        if not groups:
            raise wrong_kind(self.path, f"{self._called}, nor a folder with one")
        return groups

    def _check_exports(self) -> None:
        """Raise `SourceUnreadable` where the description of an export lies in a folder without its file."""
        for beside in sorted(self.path.rglob(f"*{tables.SIDECAR}")) if self.path.is_dir() else ():
            file = beside.with_name(beside.name.removesuffix(tables.SIDECAR))
            if file.name.lower().endswith(self.suffixes) and not file.is_file():
                what = f"{plain(self.path)} is not whole"
                why = f"{plain(beside.name)} describes {plain(file.name)}, which is missing"
                raise SourceUnreadable(what, why=why, fix=f'ls -l "{self.path}"')

    def name_of(self, path: Path) -> str:  # noqa: ARG002 # for kinds whose folders hold several collections
        """The collection that a file belongs to: the folder's, or that of the file when it was named itself."""
        if self.path.is_dir():
            return self.path.name
        suffix = next((suffix for suffix in self.suffixes if self.path.name.lower().endswith(suffix)), self.path.suffix)
        return self.path.name[: len(self.path.name) - len(suffix)] or self.path.name

    def _survey(self, name: str) -> Survey:
        with _lock:
            kept = _kept(str(self.uri), name, self.mark(name))
        with kept.lock:
            if kept.survey is None:
                group = self._groups[name]
                kept.survey = take_survey(group, self.uri, self.notes(group))
            return kept.survey

    def notes(self, group: Group) -> tuple[str, ...]:  # noqa: ARG002 # for kinds that have something to say
        return ()

    def watched(self, group: Group) -> list[Path]:
        """The files that must not change while a migration goes on."""
        return group.paths

    def _finished(self, part: Part, path: Path, fields: dict[str, str], survey: Survey, file: File) -> Rows:
        """The rows of a part that hold, each with an id and with what the folders say of it."""
        rows = part.rows
        if isinstance(rows, Columns) and not len(survey.repeated):
            numbered = enumerate(rows.ids, start=part.first)
            ids = [self._made_id(path, number) if one == NO_ID else one for number, one in numbered]
            payloads = [{**one, **fields} for one in rows.payloads] if fields else rows.payloads
            return replace(rows, ids=ids, payloads=payloads)
        vectorless = file.layout is not None and file.layout.vectorless
        records = []
        for number, record in enumerate(part.records, start=part.first):
            if is_among(survey.repeated, file.start + number):
                continue
            if record.id == NO_ID:
                record.id = self._made_id(path, number)
            record.payload |= fields
            if not (record.trouble or record.vectors or vectorless):
                record.trouble = "it has no vector"
            records.append(record)
        return records

    def _made_id(self, path: Path, number: int) -> str:
        """Of file and number: a row without an id has no other name that is the same the next time."""
        return hashed(f"{self._places[path]}:{number}")

    def _place(self, digest: str, cursor: Cursor) -> tuple[int, Place]:
        if cursor is None:
            return 0, START
        before, file, row, offset = str(cursor).split(":")
        if before != digest:
            what = f"{plain(self.path)} has changed since this migration began"
            why = "its files have other sizes or times, so nobody can say where to go on"
            raise SourceUnreadable(what, why=why, fix=Command("migrate", self.uri, on_conflict="overwrite"))
        return int(file), Place(int(row), int(offset))


def _cursor(digest: str, file: int, place: Place) -> str:
    return f"{digest}:{file}:{place.row}:{place.offset}"


def _hidden(path: Path) -> bool:
    """Files that writers of data sets leave beside the data: `_SUCCESS`, `.crc`."""
    return any(part.startswith((".", "_")) for part in path.parts)


def take_survey(group: Group, uri: FolderUri, notes: tuple[str, ...]) -> Survey:
    """Look at every file of a collection: layout, counts, dimensions, repeated ids."""
    layouts = [_layout(table, group, uri) for table in group.tables]
    signatures = signature(group.paths)
    notes = (*_read_as(group.tables, layouts, uri), *notes)
    tallies = [table.survey(layout) if layout else Tally() for table, layout in zip(group.tables, layouts, strict=True)]
    _check_sample(group.tables, tallies, uri)
    if signature(group.paths) != signatures:
        what = f"{plain(uri.path)} changes while it is read"
        raise SourceUnreadable(what, why="another program writes to it", fix="stop that program first")
    *starts, rows = accumulate((tally.rows for tally in tallies), initial=0)
    repeated = _repeated(group, layouts, tallies, starts)
    files = tuple(File(*known) for known in zip(starts, layouts, signatures, strict=True))
    places = tuple((starts[at] + place.row, at, place) for at, tally in enumerate(tallies) for place in tally.places)
    name, count, own = group.name, rows - len(repeated), group.own
    if own:
        _check_whole(own, rows, uri)
        found = SourceCollection(
            name=name, count=count, folded=len(repeated), spec=own.spec, aliases=own.aliases, warnings=notes
        )
    else:
        leading = next((layout for layout in layouts if layout is not None), None)
        if leading:
            tables.check_identity(uri.path, leading, len(repeated), uri)
        spec, odd = _spec(leading, tallies, uri) if leading else (None, [])
        told = (*odd, *_odd_rows(tallies, repeated), *notes)
        words = leading.words(WORDS if group.tables[0].flat else "") if leading else "kept as it is"
        found = SourceCollection(name=name, count=count, folded=len(repeated), spec=spec, payload=words, warnings=told)
    return Survey(found, files, rows, places, repeated)


def _layout(table: Table, group: Group, uri: FolderUri) -> Layout | None:
    if group.own:
        asked = sorted({"id", "vector", "distance", "datatype", "bytes"} & uri.options.keys())
        if asked:
            what = f"{plain(table.path)} is an export, and says itself how it is laid out"
            raise BadInput(what, fix=f"leave {', '.join(asked)} away from the source")
        return group.own.layout(flat=table.flat)
    found, names = table.columns(uri.options.get("vector", "").split(","))
    chosen = tables.choose(found, names, uri.options)
    if chosen is None and names:
        raise tables.no_vectors(table.path, names)
    return chosen


def _missing_parts(files: Iterable[Path]) -> Iterator[str]:
    """Of `train-00000-of-00003.parquet` and its like: the numbers that are not there."""
    numbers: dict[tuple[Path, str, int, str], set[int]] = {}
    for path in files:
        if part := _PART.fullmatch(path.name):
            key = (path.parent, part["before"], int(part["of"]), part["behind"])
            numbers.setdefault(key, set()).add(int(part["number"]))
    for (folder, before, of, behind), there in sorted(numbers.items()):
        first = 1 if of in there else 0  # some count from 1
        missing = [number for number in range(first, of + first) if number not in there]
        if missing:
            shown = ", ".join(map(str, missing[:5]))
            yield f"{len(missing)} of the {of} parts {plain(before)}…{plain(behind)} not in {plain(folder)}: {shown}"


def _read_as(files: list[Table], layouts: list[Layout | None], uri: FolderUri) -> Iterator[str]:
    """What vectors that lie in a file as bytes are taken for. `SourceUnreadable`: they may be something else."""
    asked, columns = uri.options.get("bytes"), set[str]()
    for table, layout in zip(files, layouts, strict=True):
        for column in [slot.column for slot in layout.slots if slot.column.form is bytes] if layout else ():
            columns.add(column.name)
            values = table.octets(column.name) if asked is None else []
            if values and (why := octets.doubt(values)):
                raise _doubtful(table, column.name, values, why, uri)
    for name in sorted(columns):
        words = f"the vectors in {plain(name)} are bytes, and are read as"
        guessed = "floats of 32 bits, little-endian, as which they look like an embedding; ?bytes= says otherwise"
        yield f"{words} {plain(asked)}, as asked" if asked else f"{words} {guessed}"


def _check_sample(files: list[Table], tallies: list[Tally], uri: FolderUri) -> None:
    """Look at bytes from everywhere in each file, as those at its beginning may be of another kind."""
    for table, tally in zip(files, tallies, strict=True) if "bytes" not in uri.options else ():
        for column, cells in tally.octets.items():
            values = [cell for cell in cells if not len(cell) % 4]  # others are rejected one by one
            if values and (why := octets.doubt(values)):
                raise _doubtful(table, column, values, f"{why}, further down", uri)


def _doubtful(table: Table, column: str, values: list[bytes], why: str, uri: FolderUri) -> SourceUnreadable:
    fitting = octets.fitting(values)
    read = ", ".join(f"{word} ({octets.components(values, word)} components)" for word in fitting)
    return SourceUnreadable(
        f"it is not known what the bytes in {plain(column)} of {plain(table.path)} are",
        why=f"they {why}; they may be {read}, or bytes=float32 after all. Bits and bfloat16 cannot be read",
        fix=Command("migrate", uri.asking(bytes=fitting[0])),
    )


def _check_whole(own: OwnLayout, rows: int, uri: FolderUri) -> None:
    if rows != own.points:
        why = f"{counted(own.points, 'point')} were exported to it, and it holds {rows}"
        raise SourceUnreadable(f"{plain(uri.path)} is not whole", why=why, fix=str(Command("export", help=True)))


def _spec(layout: Layout, tallies: list[Tally], uri: FolderUri) -> tuple[CollectionSpec | None, list[str]]:
    distance = distance_option(uri.options)
    told: list[str] = []
    slots: list[VectorSpec] = []
    datatype = option(uri.options, "datatype", {known: known for known in _DATATYPES}, "float32")
    for slot in layout.slots:
        kind = slot.column.kind or "dense"
        if kind == "sparse":
            slots.append(VectorSpec(name=slot.name, kind=kind, datatype=datatype))
            continue
        sizes = sum((tally.sizes.get(slot.name, Counter()) for tally in tallies), Counter[int]())
        size = next((size for size, _ in sizes.most_common() if size), None) if sizes else slot.column.size
        if not size:
            continue
        if len(sizes) > 1:
            words = f" of {plain(slot.name)}" if slot.name else ""
            others = sizes.total() - sizes[size]
            told.append(f"{counted(others, 'vector')}{words} of another dimension than {size}: rejected")
        compared = distance or "Cosine"
        slots.append(VectorSpec(name=slot.name, kind=kind, size=size, distance=compared, datatype=datatype))
    if distance is None and any(slot.kind != "sparse" for slot in slots):
        told.append("the file does not say how vectors are compared: Cosine is taken, ?distance= chooses another")
    return CollectionSpec(vectors=tuple(slots)) if slots else None, told


def _odd_rows(tallies: list[Tally], repeated: Numbers) -> Iterator[str]:
    again = "with an id that is repeated further down: the last one is taken, ?id=none makes ids of file and row"
    for rows, what in (
        (sum(tally.without_id for tally in tallies), "without an id: it is made of file and row number (UUIDv5)"),
        (len(repeated), again),
        (sum(tally.troubled for tally in tallies), "without a vector that can be read: rejected"),
    ):
        if rows:
            yield f"{counted(rows, 'row')} {what}"


def _repeated(group: Group, layouts: list[Layout | None], tallies: list[Tally], starts: list[int]) -> Numbers:
    """Rows whose id comes again. Hashes tell whether there can be any; only then are ids themselves compared."""
    keys = [np.frombuffer(tally.keys, dtype=np.int64) for tally in tallies if tally.keys]
    if not keys:
        return np.empty(0, dtype=np.int64)
    suspects = set(repeated_hashes(np.concatenate(keys) if len(keys) > 1 else keys[0]).tolist())
    last: dict[object, int] = {}
    found = []
    for table, layout, start in zip(group.tables, layouts, starts, strict=True) if suspects else ():
        for row, identity in table.ids(layout) if layout else ():
            key = key_of(identity)
            if hash(key) in suspects:
                if key in last:
                    found.append(last[key])
                last[key] = start + row
    return np.array(sorted(found), dtype=np.int64)
