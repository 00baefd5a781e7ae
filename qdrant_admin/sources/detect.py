"""What lies at a path, in words: for errors, and for people who point at the wrong thing. Only looks.

A new kind of source adds its sign to `_FOLDERS`, `_ROWS`, `_MAGIC` or `_SUFFIXES`.
"""

import contextlib
import json
import sqlite3
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.registry import kind_of

CHROMA_FORMATS = {3: "0.4", 4: "0.5", 5: "0.6 to 1.0", 6: "1.x"}
"""Version of the metadata tables to the chromadb that writes them (seen: 0.4.24 = 3, 0.5.23 = 4, 1.5.9 = 6)."""


@dataclass(frozen=True, slots=True)
class Found:
    kind: str
    """For programs: `chroma`, `qdrant-storage`, `parquet`; `folder` or `file` when it is none that is known."""
    words: str
    """The end of a sentence that begins with `it is`."""
    scheme: str | None = None
    """The scheme that reads it; None when nothing of ours does."""
    place: Path | None = None
    """Where what the scheme reads begins, when it is not the path itself."""


_STORAGE = Found("qdrant-storage", "the storage of a Qdrant server; start a Qdrant on it and use qdrant+http://")
_FAISS = Found("faiss", "a FAISS index", "faiss")
_ROWS = (
    ("parquet", "a Parquet file", "Parquet files", (".parquet",), ("*=*/*.parquet", "*=*/*=*/*.parquet")),
    ("jsonl", "a file of JSON lines", "files of JSON lines", (".jsonl", ".ndjson"), ("*.jsonl.gz", "*.ndjson.gz")),
    ("csv", "a CSV file", "CSV files", (".csv", ".tsv"), ("*.csv.gz", "*.tsv.gz")),
    ("npy", "a NumPy array", "NumPy arrays", (".npy", ".npz"), ()),
    ("arrow", "an Arrow file", "Arrow files", (".arrow", ".feather"), ()),
)
"""Files of rows, in the order in which a folder is asked for them: one of them, several, suffixes, other signs."""
_ONE = {kind: Found(kind, words, kind) for kind, words, *_ in _ROWS}
_TABLES = (("_delta_log", "Delta Lake"), (".hoodie", "Hudi"), ("metadata/*.metadata.json", "Iceberg"))
"""Signs of folders whose own log says which of their Parquet files hold, and which rows of these were deleted."""
_FOLDERS: tuple[tuple[tuple[str, ...], Found], ...] = (
    (("collections/*/schema.json",), Found("milvus-lite", "a Milvus Lite folder", "milvus-lite")),
    *(((sign,), Found("table", f"a table of {name}")) for sign, name in _TABLES),
    (("raft_state.json", "collections/"), _STORAGE),
    (("storage/collections/",), replace(_STORAGE, words=f"a folder with {_STORAGE.words}")),
    (("*.lance",), Found("lancedb", "a LanceDB folder", "lancedb")),
    (("*.faiss",), Found("faiss", "a folder with a FAISS index", "faiss")),
    (("dataset_info.json",), Found("hf", "a saved Hugging Face data set", "arrow")),
    (("dataset_dict.json",), Found("hf", "a saved Hugging Face data set of several splits", "arrow")),
)
"""Signs of a folder, of which one is enough, and what it is. The first that fits counts."""
_MAGIC: tuple[tuple[bytes, Found], ...] = (
    (b"PAR1", _ONE["parquet"]),
    (b"ARROW1", _ONE["arrow"]),
    (b'{"qdrant_admin_r', Found("rejects", "a reject file of an earlier run", "rejects")),
    (b"\x93NUMPY", _ONE["npy"]),
    *((mark, _FAISS) for mark in (b"IxF", b"IxM", b"IHN", b"IwF", b"IwP", b"IxP", b"IxS")),
)
_SUFFIXES = {suffix: _ONE[kind] for kind, _, _, suffixes, _ in _ROWS for suffix in suffixes} | {
    ".json": Found("json", "a JSON file", "jsonl"),
    ".npz": Found("npz", "an archive of NumPy arrays", "npy"),
    ".faiss": _FAISS,
}


def look(path: Path) -> Found:
    """What lies at a path. Opens nothing for writing, and only as much of it as it takes."""
    try:
        if not path.exists():
            return Found("missing", "not there")
        found = _folder(path) if path.is_dir() else _file(path)
    except OSError as error:
        return Found("unreadable", f"not readable ({error.strerror})")
    return found if found.scheme is None or kind_of(found.scheme) else replace(found, scheme=None)


def wrong_kind(path: Path, wanted: str) -> SourceUnreadable:
    found = look(path)
    if found.kind == "missing":
        return SourceUnreadable(f"there is nothing at {plain(path)}", fix=f'ls "{path.parent}"')
    uri = f"{found.scheme}:{found.place or path}"
    fix = Command("migrate", uri) if found.scheme else HELP
    return SourceUnreadable(f"{plain(path)} is not {wanted}", why=f"it is {found.words}", fix=fix)


def check_plain(folder: Path) -> None:
    """Raise `SourceUnreadable` where the files below a folder are not by themselves what it holds."""
    for sign, name in _TABLES:
        if (found := next(folder.rglob(sign), None)) is not None:
            raise SourceUnreadable(
                f"{plain(folder)} is a table of {name}, or has one in it",
                why=f"{plain(found.relative_to(folder))} says which files and rows hold, and which were deleted since",
                fix=f"write it as plain files with {name}, and migrate those",
            )


def chroma_format(connection: sqlite3.Connection) -> str:
    """`1.x`, `0.5`, ... from the record of schema migrations that Chroma keeps; `unknown` when there is none."""
    try:
        row = connection.execute("SELECT max(version) FROM migrations WHERE dir = 'metadb'").fetchone()
    except sqlite3.Error:
        return "unknown"
    return CHROMA_FORMATS.get(row[0], "newer than 1.5" if row[0] and row[0] > 6 else "unknown")


def _folder(path: Path) -> Found:
    known = (found for signs, found in _FOLDERS if _has(path, signs))
    found = _inner(path) or next(known, None) or _rows(path) or _content(path)
    if found.kind != "chroma" or found.place is not None:
        return found
    version = _chroma_version(path / "chroma.sqlite3")
    return replace(found, words=f"{found.words}, format of chromadb {version}")


def _has(path: Path, patterns: Sequence[str]) -> bool:
    return any(next(path.glob(pattern), None) for pattern in patterns)


def _rows(path: Path) -> Found | None:
    """A folder of files of rows. What else is in it has to be no folder, or one of `NAME=VALUE`."""
    if any(one.is_dir() and "=" not in one.name and one.name[0] not in "._" for one in path.iterdir()):
        return None
    for kind, _, several, suffixes, signs in _ROWS:
        if _has(path, [*(f"*{suffix}" for suffix in suffixes), *signs]):
            return Found(kind, f"a folder of {several}", kind)
    return None


def _content(path: Path) -> Found:
    entries = sorted(entry.name for entry in path.iterdir())
    if not entries:
        return Found("empty", "an empty folder")
    for name in entries:
        if (path / name).is_dir():
            inner = _inner(path / name)
            if inner is not None:
                return replace(inner, words=f"a folder with {inner.words} in it, {plain(name)}", place=path / name)
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return Found("folder", f"a folder with {', '.join(plain(name) for name in entries[:3])}{more}")


def _inner(path: Path) -> Found | None:
    if (path / "chroma.sqlite3").exists():
        return Found("chroma", "a Chroma directory", "chroma")
    if path.suffix == ".lance" and (path / "_versions").is_dir():
        return Found("lance", "a LanceDB table", "lancedb")
    if (path / "meta.json").is_file() and _is_local_meta(path / "meta.json"):
        return Found("qdrant-local", "a folder of qdrant-client's embedded mode", "qdrant-local")
    return None


def _file(path: Path) -> Found:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return Found("empty", "an empty file")
    if head == b"SQLite format 3\x00":
        return _sqlite(path)
    if path.suffix == ".snapshot":
        if tarfile.is_tarfile(path):
            return Found("qdrant-snapshot", "a snapshot of a Qdrant server")
        return Found("file", "a file called .snapshot, and no snapshot")
    by_magic = next((found for magic, found in _MAGIC if head.startswith(magic)), None)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return by_magic or _SUFFIXES.get(suffix) or Found("file", "a file of a kind that is not known here")


def _sqlite(path: Path) -> Found:
    if path.name == "chroma.sqlite3":
        words = "the database inside a Chroma directory; name the folder"
        return Found("chroma", words, "chroma", place=path.absolute().parent)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_connected(path)) as connection:
        query = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%USING vec0%'"
        if connection.execute(query).fetchone():
            return Found("sqlite-vec", "a SQLite database with vectors of sqlite-vec", "sqlite-vec")
        query = "SELECT 1 FROM pragma_table_info('collection_meta') WHERE name = 'meta_type'"
        if connection.execute(query).fetchone():
            return Found("milvus-lite", "a file of Milvus Lite 2", "milvus-lite")
    return Found("sqlite", "a SQLite database")


def _is_local_meta(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("collections"), dict)


def _chroma_version(database: Path) -> str:
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_connected(database)) as connection:
        return chroma_format(connection)
    return "unknown (its database cannot be opened)"


def _connected(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
