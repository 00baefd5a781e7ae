"""What is known of a collection of files before the first row is copied: layout, counts, dimensions, repeated ids."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, VectorSpec
from qdrant_admin.sources.base import FolderUri, SourceCollection, option
from qdrant_admin.sources.files import columns
from qdrant_admin.sources.files.columns import Layout
from qdrant_admin.sources.files.own_layout import OwnLayout
from qdrant_admin.sources.files.tables import Place, Table, Tally, key_of
from qdrant_admin.sources.files.values import WORDS
from qdrant_admin.sources.ids import Numbers, is_among, repeated_hashes
from qdrant_admin.sources.layouts import distance_option
from qdrant_admin.sources.read_only import signature

_KEPT = "kept as it is"
_DATATYPES = ("float32", "float16", "uint8")


@dataclass(frozen=True)
class Group:
    """The files of one collection."""

    own: OwnLayout | None
    tables: list[Table]
    root: Path

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
    """One collection, surveyed. Plain data: nothing in it is open."""

    layout: Layout | None
    files: tuple[File, ...]
    rows: int
    spec: CollectionSpec | None
    aliases: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    places: tuple[tuple[int, int, Place], ...] = ()
    """Rows before it, file, place: where the collection can be cut."""
    repeated: Numbers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """Rows whose id is repeated further down, ascending."""
    typed: bool = False
    """Whether its columns have types that JSON has not."""

    def superseded(self, row: int) -> bool:
        """Whether a later row has the same id, and is the one that holds."""
        return is_among(self.repeated, row)

    def described(self, name: str) -> SourceCollection:
        count = self.rows - len(self.repeated)
        words = self.layout.words(WORDS if self.typed else "") if self.layout and not self.layout.own else _KEPT
        return SourceCollection(
            name=name, count=count, spec=self.spec, payload=words, aliases=self.aliases, warnings=self.warnings
        )


def take_survey(group: Group, uri: FolderUri, notes: tuple[str, ...]) -> Survey:
    """Look at every file of a collection: layout, counts, dimensions, repeated ids."""
    distance = distance_option(uri.options)
    layouts = [_layout(table, group, uri) for table in group.tables]
    leading = next((layout for layout in layouts if layout is not None), None)
    signatures = signature([table.path for table in group.tables])
    tallies = [table.survey(layout) if layout else Tally() for table, layout in zip(group.tables, layouts, strict=True)]
    if signature([table.path for table in group.tables]) != signatures:
        what = f"{plain(uri.path)} changes while it is read"
        raise SourceUnreadable(what, why="another program writes to it", fix="stop that program first")
    starts = [0, *accumulate(tally.rows for tally in tallies)]
    repeated = _repeated(group, layouts, tallies, starts)
    files = tuple(File(*known) for known in zip(starts, layouts, signatures, strict=False))
    places = tuple(
        (starts[index] + place.row, index, place) for index, tally in enumerate(tallies) for place in tally.places
    )
    if group.own:
        _whole(group.own, starts[-1], uri)
        return Survey(leading, files, starts[-1], group.own.spec, group.own.aliases, notes, places, repeated)
    spec, odd = _spec(leading, tallies, distance, uri) if leading else (None, [])
    told = (*odd, *_odd_rows(tallies, repeated), *notes)
    typed = group.tables[0].flat
    return Survey(leading, files, starts[-1], spec, warnings=told, places=places, repeated=repeated, typed=typed)


def _layout(table: Table, group: Group, uri: FolderUri) -> Layout | None:
    if group.own:
        asked = sorted({"id", "vector", "distance", "datatype", "bytes"} & uri.options.keys())
        if asked:
            what = f"{plain(table.path)} is an export, and says itself how it is laid out"
            raise BadInput(what, fix=f"leave {', '.join(asked)} away from the source")
        return group.own.layout(flat=table.flat)
    found, names = table.columns(uri.options.get("vector", "").split(","))
    chosen = columns.choose(found, names, uri.options)
    if chosen is None and names:
        raise columns.no_vectors(table.path, names)
    return chosen


def _whole(own: OwnLayout, rows: int, uri: FolderUri) -> None:
    if rows != own.points:
        why = f"{counted(own.points, 'point')} were exported to it, and it holds {rows}"
        raise SourceUnreadable(f"{plain(uri.path)} is not whole", why=why, fix=str(Command("export", help=True)))


def _spec(
    layout: Layout, tallies: list[Tally], distance: Distance | None, uri: FolderUri
) -> tuple[CollectionSpec | None, list[str]]:
    told: list[str] = []
    slots: list[VectorSpec] = []
    datatype = option(uri.options, "datatype", {known: known for known in _DATATYPES}, "float32")
    for slot in layout.slots:
        if slot.column.kind == "sparse":
            slots.append(VectorSpec(name=slot.name, kind="sparse", datatype=datatype))
            continue
        sizes = sum((tally.sizes.get(slot.name, Counter()) for tally in tallies), Counter[int]())
        size = sizes.most_common(1)[0][0] if sizes else slot.column.size
        if size is None:
            continue
        if len(sizes) > 1:
            words = f" of {plain(slot.name)}" if slot.name else ""
            others = sizes.total() - sizes[size]
            told.append(f"{counted(others, 'vector')}{words} of another dimension than {size}: rejected")
        slots.append(
            VectorSpec(
                name=slot.name,
                kind=slot.column.kind or "dense",
                size=size,
                distance=distance or "Cosine",
                datatype=datatype,
            )
        )
    if distance is None and any(slot.kind != "sparse" for slot in slots):
        told.append("the file does not say how vectors are compared: Cosine is taken, ?distance= chooses another")
    return CollectionSpec(vectors=tuple(slots)) if slots else None, told


def _odd_rows(tallies: list[Tally], repeated: Numbers) -> list[str]:
    told = []
    without = sum(tally.without_id for tally in tallies)
    if without:
        told.append(f"{counted(without, 'row')} without an id: it is made of file and row number (UUIDv5)")
    if len(repeated):
        told.append(f"{counted(len(repeated), 'row')} with an id that is repeated further down: the last one is taken")
    troubled = sum(tally.troubled for tally in tallies)
    if troubled:
        told.append(f"{counted(troubled, 'row')} without a vector that can be read: rejected")
    return told


def _repeated(group: Group, layouts: list[Layout | None], tallies: list[Tally], starts: list[int]) -> Numbers:
    """Rows whose id comes again. Hashes tell whether there can be any; only then are ids themselves compared."""
    keys = [np.frombuffer(tally.keys, dtype=np.int64) for tally in tallies if tally.keys]
    if not keys:
        return np.empty(0, dtype=np.int64)
    suspects = set(repeated_hashes(keys[0] if len(keys) == 1 else np.concatenate(keys)).tolist())
    if not suspects:
        return np.empty(0, dtype=np.int64)
    last: dict[object, int] = {}
    found = []
    for table, layout, start in zip(group.tables, layouts, starts, strict=False):
        for row, identity in table.ids(layout) if layout else ():
            key = key_of(identity)
            if hash(key) in suspects:
                if key in last:
                    found.append(last[key])
                last[key] = start + row
    return np.array(sorted(found), dtype=np.int64)
