"""What the declaration of a `vec0` table says: which shadow table holds what. It is read as text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Distance
from qdrant_admin.sources.files.paths import ReadOnlyDatabase

Kind = Literal["float32", "int8", "bit"]
Stored = Literal["text", "integer", "float", "boolean"]
_DECLARED = re.compile(r"\bUSING\s+[\"'`\[]?vec0[\"'`\]]?\s*\((.*)\)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_KEY = re.compile(r"(\w+)\s+(\w+)\s+(primary|partition)\s+key", re.IGNORECASE)
_VECTOR = re.compile(r"(\w+)\s+(float\w*|f32|int8|i8|bit)\s*\[\s*(\d+)\s*\](.*)", re.IGNORECASE | re.DOTALL)
_METRIC = re.compile(r"\s*distance_metric\s*=\s*(\w+)", re.IGNORECASE)
_OPTION = re.compile(r"\w+\s*=\s*\S+")
_METADATA = re.compile(r"(\w+)\s+(text|int(?:eger)?(?:64)?|float(?:64)?|f64|double|bool(?:ean)?)\b.*", re.IGNORECASE)
_KINDS: dict[str, Kind] = {"f": "float32", "i": "int8", "b": "bit"}
_STORED: dict[str, Stored] = {"t": "text", "i": "integer", "f": "float", "d": "float", "b": "boolean"}
_DISTANCES: dict[str, Distance] = {"l2": "Euclid", "cosine": "Cosine", "l1": "Manhattan"}


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """One vector of a table."""

    name: str
    kind: Kind
    size: int
    """Components."""
    distance: Distance

    @property
    def octets(self) -> int:
        """Bytes of one vector."""
        return {"float32": 4 * self.size, "int8": self.size, "bit": self.size // 8}[self.kind]


@dataclass(frozen=True, slots=True)
class Vec0:
    """One `vec0` table. Its columns in the order of their shadow tables."""

    name: str
    vectors: tuple[VectorColumn, ...]
    partitions: tuple[str, ...] = ()
    metadata: tuple[tuple[str, Stored], ...] = ()
    auxiliary: tuple[str, ...] = ()
    text_ids: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that go into the payload."""
        return (*self.partitions, *(name for name, _ in self.metadata), *self.auxiliary)

    def shadow(self, what: str) -> str:
        """The quoted name of a shadow table."""
        return quoted(f"{self.name}_{what}")


def quoted(name: str) -> str:
    """A name as SQL takes it whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def vec0_tables(database: ReadOnlyDatabase) -> list[Vec0]:
    """Every `vec0` table of a database, by name.

    Raises:
        SourceUnreadable: one of them is of a version that lays things out in another way.
    """
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'")
    found = []
    for name, sql in sorted(rows):
        declared = _DECLARED.search(str(sql))
        if declared:
            found.append(_table(str(name), _COMMENT.sub(" ", declared[1]), database.path))
            _check_shadows(found[-1], database)
    return found


def _table(name: str, declaration: str, path: Path) -> Vec0:
    vectors: list[VectorColumn] = []
    partitions: list[str] = []
    metadata: list[tuple[str, Stored]] = []
    auxiliary: list[str] = []
    text_ids = False
    for part in _parts(declaration):
        if part.startswith("+"):
            auxiliary.append(part[1:].split()[0])
        elif key := _KEY.fullmatch(part):
            if key[3].lower() == "partition":
                partitions.append(key[1])
            else:
                text_ids = key[2].lower() == "text"
        elif vector := _VECTOR.fullmatch(part):
            vectors.append(_vector(vector, name, path))
        elif column := _METADATA.fullmatch(part):
            metadata.append((column[1], _STORED[column[2][0].lower()]))
        elif not _OPTION.fullmatch(part):
            raise _strange(name, path, part)
    if not vectors:
        raise _strange(name, path, "no vector")
    return Vec0(name, tuple(vectors), tuple(partitions), tuple(metadata), tuple(auxiliary), text_ids)


def _parts(declaration: str) -> Iterator[str]:
    """At the commas, but not at those in parentheses."""
    depth, start = 0, 0
    for at, letter in enumerate(declaration):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            yield declaration[start:at].strip()
            start = at + 1
    last = declaration[start:].strip()
    if last:
        yield last


def _vector(match: re.Match[str], name: str, path: Path) -> VectorColumn:
    kind = _KINDS[match[2][0].lower()]
    metrics = _METRIC.findall(match[4])
    if _METRIC.sub("", match[4]).strip() or any(metric.lower() not in _DISTANCES for metric in metrics):
        raise _strange(name, path, match[0])
    distance = _DISTANCES[metrics[-1].lower()] if metrics else "Euclid"
    # The number of bits that differ is the distance of Manhattan between zeros and ones.
    return VectorColumn(match[1], kind, int(match[3]), "Manhattan" if kind == "bit" else distance)


def _check_shadows(table: Vec0, database: ReadOnlyDatabase) -> None:
    """Whether the shadow tables are those of this declaration."""
    wanted = {"chunks", "rowids"} | ({"auxiliary"} if table.auxiliary else set())
    wanted |= {f"vector_chunks{number:02}" for number in range(len(table.vectors))}
    wanted |= {f"metadatachunks{number:02}" for number in range(len(table.metadata))}
    there = {str(row[0]) for row in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    missing = sorted(what for what in wanted if f"{table.name}_{what}" not in there)
    if missing:
        raise SourceUnreadable(
            f"the table {plain(table.name)} of {plain(database.path)} cannot be read",
            why=f"{plain(table.name)}_{missing[0]} is not there: it is damaged, or of a version that is not known here",
            fix="qdrant-admin migrate --help",
        )


def _strange(name: str, path: Path, part: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"the table {plain(name)} of {plain(path)} cannot be read",
        why=f"its declaration says {plain(part.strip())}, which is not known here: a newer sqlite-vec made it",
        fix="qdrant-admin migrate --help",
    )
