"""Files of rows as tables: which column is the id, which are vectors, and how a row becomes a record.

The rules are the same for every kind of file. What a kind has to answer is in `Table`; `file_source.py` makes a source
of it.
"""

import json
import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from qdrant_admin.core.commands import Command, install_command
from qdrant_admin.core.errors import AdminError, BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionSpec, VectorKind
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import Columns, Fields, FolderUri, Payload, Record, option
from qdrant_admin.sources.files.values import NO_ID, Unfit, identity, read_json, vector_of
from qdrant_admin.sources.octets import BYTES
from qdrant_admin.sources.read_only import cannot_read

PAYLOAD, VECTORS, ID = "payload", "vectors", "id"
HEAD = 1000
"""Rows looked at to tell columns apart, where no schema does."""
CELLS = 8
"""Cells of bytes kept of each batch, to be looked at after all of them were read."""
_IDS = ("id", "_id", "point_id", "uuid", "ids", "doc_id", "document_id", "chunk_id", "key")
_OF_PARTS = frozenset({"doc_id", "document_id", "chunk_id", "key"})
"""Those that several rows may well share, as the parts of a document do."""
_TEXTS = ("document", "text", "content", "page_content", "data", "body", "chunk", "passage", "texte")
_VECTOR = re.compile(
    r"(.*[_.\- ])?(vec|vecs|vector|vectors|emb|embs|embedding|embeddings|dense|sparse)([_.\- ].*)?"
    r"|values|sparse_values|colbert",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(.*?)[_.\- ]?(\d+)")
_FORMS: dict[type, str] = {list: "a list", str: "text", bytes: "bytes", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one key of an object of vectors, as far as it could be a vector."""

    name: str
    key: str = ""
    """Key within the column's object, for `{"vectors": {"title": [...]}}`."""
    kind: VectorKind | None = None
    """None: certainly no vector."""
    size: int | None = None
    """When the type of the column itself says so."""
    form: type = list
    """What a cell is: list, str (JSON text), bytes, dict (sparse)."""
    certain: bool = False
    """Whether it is a vector whatever it is called."""
    keyed: bool = False

    @property
    def called(self) -> bool:
        return bool(_VECTOR.fullmatch(self.name))


@dataclass(frozen=True, slots=True)
class Slot:
    """One vector of the target and where it lies in the file."""

    name: str
    column: Column
    parts: tuple[str, ...] = ()
    """The columns of single components, when it is spread over them."""


@dataclass(frozen=True)
class Layout:
    """How a row becomes a record."""

    id: str | None
    slots: tuple[Slot, ...]
    payload: str | None = None
    """The column that is the whole payload; None: every column that is neither id nor vector is a field of it."""
    text: str | None = None
    octets: str = "<f4"
    own: bool = False
    """Whether it is an export of ours, in which integers as ids are text in Parquet."""
    vectorless: bool = False
    """Whether a row without a vector is a point all the same."""

    @cached_property
    def taken(self) -> set[str]:
        used = {slot.column.name for slot in self.slots} | {part for slot in self.slots for part in slot.parts}
        return used | ({self.id} if self.id else set())

    @cached_property
    def objects(self) -> dict[str, set[str]]:
        """Columns that are objects of vectors, and the keys that are known in them."""
        keyed = [slot.column for slot in self.slots if slot.column.keyed]
        return {one.name: {other.key for other in keyed if other.name == one.name} for one in keyed}

    def words(self, extra: str = "", *, made: str = "file and row") -> str:
        """Where things come from, for the plan; `made` says of what an id is where there is none."""
        where = [f"id from {plain(self.id)}" if self.id else f"id made of {made}"]
        vectors = ", ".join(plain(_called(slot)) for slot in self.slots)
        where.append(f"vector{'s' if len(self.slots) > 1 else ''} from {vectors}")
        rest = f"the object {plain(self.payload)}" if self.payload else "every other column under its own name"
        text = f" (the text in {plain(self.text)})" if self.text else ""
        return f"{rest}{text}; {', '.join(where)}{f'; {extra}' if extra else ''}"


def choose(columns: Sequence[Column], names: Sequence[str], options: Mapping[str, str]) -> Layout | None:
    """The layout of a file; None when nothing in it could be a vector. `names` are all columns, in their order."""
    identity = _identity_column(names, options)
    octets = option(options, "bytes", BYTES, "<f4")
    found = [column for column in columns if column.name != identity]
    slots = _asked(found, names, options["vector"]) if "vector" in options else _recognised(found, names)
    if not slots:
        return None
    others = [name for name in names if name not in {identity, *(slot.column.name for slot in slots)}]
    whole = PAYLOAD if others == [PAYLOAD] else None
    text = next((name for name in _TEXTS if name in others), None)
    return Layout(identity, slots, payload=whole, text=text, octets=octets)


def _identity_column(names: Sequence[str], options: Mapping[str, str]) -> str | None:
    """The column of the id: as asked (`none`: there is none), or the first that has the name of one."""
    asked = options.get("id")
    if asked is None:
        return next((name for name in _IDS if name in names), None)
    return None if asked == "none" and asked not in names else _named(asked, names, "id")


def check_identity(place: Path, layout: Layout, repeated: int, uri: FolderUri) -> None:
    """Raise `SourceUnreadable` where the column that was taken for the id tells parts of something, not rows."""
    if repeated and "id" not in uri.options and layout.id in _OF_PARTS:
        column, again = plain(layout.id), counted(repeated, "row")
        raise SourceUnreadable(
            f"it is not known what the id of a row in {plain(place)} is",
            why=f"{column} comes again in {again}, which would be folded; ?id={column} asks for that",
            fix=Command("migrate", uri.asking(id="none")),
        )


def sniff(rows: Iterable[Fields], asked: Collection[str] = ()) -> list[Column]:
    """The columns that could be vectors, by the first rows. `asked`: columns that are vectors by any name."""
    seen: dict[tuple[str, str], Counter[Column]] = {}
    for row in rows:
        for name, value in row.items():
            for column in _columns(name, value, bool(name in asked or _VECTOR.fullmatch(name))):
                seen.setdefault((column.name, column.key), Counter())[column] += 1
    best = {place: forms.most_common(1)[0][0] for place, forms in seen.items()}
    bare, inside = Counter[str](), Counter[str]()
    """How many rows have a vector in a column itself, and in the key of its objects that most of them have."""
    for place, column in best.items():
        if column.keyed:
            inside[column.name] = max(inside[column.name], seen[place].total())
        else:
            bare[column.name] += seen[place].total()
    return [column for column in best.values() if column.keyed == (inside[column.name] > bare[column.name])]


def numbered(names: Sequence[str]) -> list[Slot]:
    """Vectors that are spread over columns of their own: v0, v1, v2, ..., two at least."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        if match:
            groups.setdefault(match[1], {})[int(match[2])] = name
    slots = []
    for prefix, found in groups.items():
        first = min(found)
        if len(found) > 1 and first < 2 and sorted(found) == list(range(first, first + len(found))):
            parts = tuple(found[number] for number in sorted(found))
            column = Column(prefix.rstrip("_.- ") or "vector", kind="dense", size=len(parts), certain=True)
            slots.append(Slot("", column, parts))
    return slots


def _called(slot: Slot) -> str:
    if slot.parts:
        return f"{slot.parts[0]} to {slot.parts[-1]}"
    return f"{slot.column.name}.{slot.column.key}" if slot.column.keyed else slot.column.name


def _columns(name: str, value: object, called: bool) -> list[Column]:
    shape = _shape(name, value, called)
    if shape is not None:
        return [shape]
    if isinstance(value, dict) and value and called:
        inner = {key: _shape(name, item, called) for key, item in value.items()}
        found = {key: column for key, column in inner.items() if column is not None and column.form is not str}
        if len(found) == len(inner):
            return [Column(name, key, one.kind, None, one.form, certain=True, keyed=True) for key, one in found.items()]
    return []


def _shape(name: str, value: object, called: bool) -> Column | None:
    """What a vector this value could be. `called`: its column has the name of one, or was said to hold some."""
    if isinstance(value, str):
        return _in_text(name, value) if called and value[:1] in {"[", "{"} else None
    if isinstance(value, dict) and value.keys() == {"indices", "values"}:
        return Column(name, kind="sparse", form=dict, certain=True)
    if not isinstance(value, list) or not value:
        return None
    if _numbers(value):
        return Column(name, kind="dense") if called or _fractions(value) else None
    if all(isinstance(row, list) and row and _numbers(row) for row in value):
        return Column(name, kind="multi", certain=any(map(_fractions, value)))
    return None


def _in_text(name: str, value: str) -> Column | None:
    try:
        inner = _shape(name, read_json(value), called=True)
    except (ValueError, RecursionError):
        return None
    return Column(name, kind=inner.kind, form=str) if inner else None


def _fractions(numbers: list[object]) -> bool:
    return any(isinstance(number, float) for number in numbers)


def _numbers(values: list[object]) -> bool:
    return all(type(value) in {int, float, type(None)} for value in values)


def _recognised(columns: Sequence[Column], names: Sequence[str]) -> tuple[Slot, ...]:
    columns = [column for column in columns if column.kind]
    sure = [column for column in columns if column.certain or column.called]
    if len(columns) > 1 and not sure:
        raise _which([column.name for column in columns])
    if columns:
        return _slots(sure or columns)
    spread = numbered(names)
    if len(spread) > 1:
        raise _which([f"{slot.parts[0]}*" for slot in spread])
    return tuple(spread)


def _asked(columns: Sequence[Column], names: Sequence[str], wanted: str) -> tuple[Slot, ...]:
    chosen: list[Column] = []
    for name in wanted.split(","):
        spread = [slot for slot in numbered(names) if name in {slot.column.name, slot.parts[0]}]
        fitting = [column for column in columns if column.name == name]
        if spread and not fitting:
            return tuple(spread)
        _named(name, names, "vector")
        if not fitting:
            raise BadInput(f"the column {plain(name)} holds no vectors", fix=HELP)
        chosen += fitting
    return _slots(chosen)


def _slots(chosen: Sequence[Column]) -> tuple[Slot, ...]:
    if len(chosen) == 1 and not chosen[0].keyed:
        return (Slot("", chosen[0]),)
    return tuple(Slot(column.key if column.keyed else column.name, column) for column in chosen)


def _named(name: str, names: Sequence[str], option: str) -> str:
    if name in names:
        return name
    shown = ", ".join(plain(other) for other in names[:20])
    raise BadInput(f"there is no column {plain(name)}", why=f"the columns are {shown}", fix=f"?{option}=COLUMN")


def _which(names: Sequence[str]) -> AdminError:
    shown = ", ".join(plain(name) for name in names[:10])
    what = "several columns could be the vector"
    return BadInput(what, why=f"they are {shown}", fix=f"add ?vector={plain(names[0])} to the source")


def no_vectors(place: object, names: Sequence[str]) -> SourceUnreadable:
    shown = ", ".join(plain(name) for name in names[:20])
    why = f"its columns are {shown}" if shown else "it has no columns"
    fix = "add ?vector=COLUMN to the source, if one of them is meant"
    return SourceUnreadable(f"{plain(place)} holds no vectors", why=why, fix=fix)


EXPORT_KEY = "qdrant_admin_export"
"""The key of it in the metadata of a Parquet file."""
SIDECAR = ".collection.json"
"""Appended to the name of a file that has no room for it."""


class OwnLayout(Frozen):
    format: int = 1
    collection: str
    points: int
    digest: str
    """The content fingerprint of the points, as `verify` takes it."""
    spec: CollectionSpec
    aliases: tuple[str, ...] = ()
    server: str = ""
    exported_at: str = ""

    def layout(self, *, flat: bool) -> Layout:
        """Where things are: one column per vector (`flat`, as in Parquet), or one object of vectors, as in JSON."""
        slots = []
        for slot in self.spec.vectors:
            form = dict if slot.kind == "sparse" else list
            name = column_of(slot.name) if flat else VECTORS
            column = Column(name, "" if flat else slot.name, slot.kind, slot.size, form, certain=True, keyed=not flat)
            slots.append(Slot(slot.name, column))
        return Layout(ID, tuple(slots), payload=PAYLOAD, own=True, vectorless=True)


def column_of(slot: str) -> str:
    return f"vector.{slot}" if slot else "vector"


def sidecar(path: Path) -> Path:
    """Where it lies beside a file of lines."""
    return path.with_name(path.name + SIDECAR)


def read_own(text: str | bytes, path: Path) -> OwnLayout:
    """Read the description of an export. `SourceUnreadable`: damaged, or written by a newer version."""
    try:
        found = json.loads(text)
        newer = isinstance(found, dict) and found.get("format", 1) > 1
        if not newer:
            return OwnLayout.model_validate(found)
    except (ValueError, TypeError) as error:
        what, why = f"the configuration in {plain(path)} cannot be read", f"it is damaged ({plain(error)[:200]})"
        raise SourceUnreadable(what, why=why, fix=f'ls -l "{path.parent}"') from error
    fix = install_command("--upgrade", "qdrant-admin")
    raise SourceUnreadable(f"{plain(path)} was written by a newer qdrant-admin", fix=fix)


class Place(NamedTuple):
    """Where reading goes on."""

    row: int = 0
    offset: int = 0
    """Its first byte, where a file is read by bytes."""


START = Place()


Rows = list[Record] | Columns


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file, one behind the other; never none. A row without an id has `NO_ID`."""

    first: int
    """Number of the first row."""
    rows: Rows
    offset: int = 0
    """The first byte behind them, where a file is read by bytes."""

    @property
    def records(self) -> list[Record]:
        return self.rows.records() if isinstance(self.rows, Columns) else self.rows

    @property
    def behind(self) -> Place:
        return Place(self.first + len(self.rows), self.offset)


@dataclass
class Tally:
    """What one pass over a file has counted, so that nothing of it need be guessed."""

    rows: int = 0
    keys: "array[int]" = field(default_factory=lambda: array("q"))
    """A hash of each row's id, 8 bytes a row; of a row without one, of its number."""
    sizes: dict[str, Counter[int]] = field(default_factory=dict)
    """Slot to how often which dimension was seen."""
    without_id: int = 0
    troubled: int = 0
    """Rows that could not be read at all."""
    places: list[Place] = field(default_factory=list)
    octets: dict[str, list[bytes]] = field(default_factory=dict)
    """Column of bytes to some of its cells, from everywhere in the file."""

    def saw_octets(self, column: str, cells: Iterable[bytes | None]) -> None:
        """Keep some of a column's next cells, and every other one of those kept once they are many."""
        kept = self.octets.setdefault(column, [])
        kept += filter(None, cells)
        if len(kept) > HEAD:
            del kept[::2]

    def add(self, identity: int | str, place: Place | None = None) -> None:
        """Count a row by its id; `place` is where it begins, if the file can be cut there."""
        every = 256 if self.rows < 1 << 20 else 4096
        if place is not None and self.rows % every == 0:
            self.places.append(place)
        if identity == NO_ID:
            self.without_id += 1
            self.keys.append(hash(("no id", id(self), self.rows)))
        else:
            self.keys.append(hash(key_of(identity)))
        self.rows += 1

    def saw(self, slot: str, size: int, times: int = 1) -> None:
        self.sizes.setdefault(slot, Counter())[size] += times

    def saw_declared(self, layout: Layout) -> None:
        """Count the dimensions that the types of columns say by themselves."""
        for slot in layout.slots:
            if slot.column.size is not None and self.rows:
                self.saw(slot.name, slot.column.size, self.rows)


class Table(ABC):
    """One file. It is opened for each pass and closed after it."""

    flat = False
    """Whether it has columns, each of a type: then each vector has one of its own in an export of ours."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def own(self) -> OwnLayout | None:
        """What an export of ours says of itself."""
        return None

    @abstractmethod
    def columns(self, asked: Collection[str]) -> tuple[list[Column], list[str]]:
        """Columns that could be vectors, and the names of all. `asked`: columns that are vectors by any name."""

    def octets(self, column: str) -> list[bytes]:  # noqa: ARG002 # for files that can hold any
        """Some cells of a column that are bytes, from its beginning; none of them is empty."""
        return []

    @abstractmethod
    def survey(self, layout: Layout) -> Tally:
        """Count, and look at every id. `SourceUnreadable`: damaged or cut off."""

    @abstractmethod
    def ids(self, layout: Layout) -> Iterator[tuple[int, int | str]]:
        """Row number and id of every row that has one, in order."""

    @abstractmethod
    def rows(self, layout: Layout, size: int, at: Place, until: int | None) -> Iterator[Part]:
        """Rows from a place on, `size` at most at a time, up to but without the row of the number `until`."""


def key_of(value: int | str) -> int | str:
    """Ids with the same key become the same point: -1 and "-1" are both hashed as text."""
    return value if isinstance(value, str) or 0 <= value < 1 << 64 else str(value)


def take_apart(values: Fields, layout: Layout) -> Record:
    """A row of plain values as a record: id, vectors, and everything else as payload."""
    record, taken = Record(NO_ID), layout.taken
    try:
        record.id = identity(values.get(layout.id)) if layout.id else NO_ID
    except Unfit as error:
        record.trouble = f"its id {error}"
        record.unread["id"] = values.get(str(layout.id))
    for slot in layout.slots:
        _put_vector(record, slot, values, layout)
    for name, known in layout.objects.items():
        _strangers(record, values.get(name), known)
    record.payload = {name: value for name, value in values.items() if name not in taken}
    if layout.payload:
        record.payload = _whole(record, record.payload.get(layout.payload), layout.payload)
    return record


def _cell_of(values: Fields, slot: Slot) -> object:
    """What lies where a vector should be; None when nothing does."""
    if slot.parts:
        parts = [values.get(part) for part in slot.parts]
        return None if all(part is None for part in parts) else parts
    cell = values.get(slot.column.name)
    if not slot.column.keyed or cell is None:
        return cell
    if not isinstance(cell, dict):
        raise Unfit("does not lie in an object of vectors, as others do")
    return cell.get(slot.column.key)


def _put_vector(record: Record, slot: Slot, values: Fields, layout: Layout) -> None:
    """Read one vector into a record, or say what is wrong with it."""
    cell = None
    try:
        cell = _cell_of(values, slot)
        if cell is not None:
            _check(cell, slot)
            record.vectors[slot.name] = vector_of(cell, slot.column.kind or "dense", layout.octets)
    except Unfit as error:
        refuse_vector(record, slot.name, cell, error)


def _check(value: object, slot: Slot) -> None:
    """Raise `Unfit` for a cell of another form than its column has: text among lists is a slip, not a vector."""
    if not isinstance(value, slot.column.form):
        raise Unfit(f"is {_FORMS.get(type(value), type(value).__name__)}, and others are {_FORMS[slot.column.form]}")


def refuse_vector(record: Record, name: str, cell: object, why: object) -> None:
    """A vector that cannot be read: the record is rejected, and the cell kept as it is."""
    record.trouble = record.trouble or f"{f'vector {name}' if name else 'its vector'} {why}"
    record.unread[name or "vector"] = cell


def _strangers(record: Record, cell: Any, known: set[str]) -> None:
    for key in cell if isinstance(cell, dict) else ():
        if key not in known:
            refuse_vector(record, str(key), cell[key], "does not occur in the first rows")


def _whole(record: Record, payload: object, name: str) -> Payload:
    if payload is None or isinstance(payload, dict):
        return payload or {}
    record.trouble = record.trouble or f"its {name} is not an object"
    return {name: payload}


def damaged(path: Path, why: object, *, fix: str = "") -> SourceUnreadable:
    return cannot_read(path, f"it is damaged or cut off: {plain(why)}", fix)


def json_object(path: Path) -> Payload:
    """The object in a JSON file. `SourceUnreadable`: there is none."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if not isinstance(found, dict):
        raise damaged(path, "it is not an object")
    return found
