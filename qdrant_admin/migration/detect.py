"""What lies at a path, in words: for errors, and for people who point at the wrong thing. Only looks."""

import contextlib
import json
import shlex
import sqlite3
import tarfile
from pathlib import Path

from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.text import plain

_SUFFIXES = {
    ".parquet": "a Parquet file",
    ".jsonl": "a file of JSON lines",
    ".ndjson": "a file of JSON lines",
    ".json": "a JSON file",
    ".csv": "a CSV file",
    ".npy": "a NumPy array",
    ".npz": "an archive of NumPy arrays",
    ".arrow": "an Arrow file",
    ".feather": "an Arrow file",
    ".faiss": "a FAISS index",
    ".lance": "a LanceDB table",
}
_SERVER_STORAGE = "the storage of a Qdrant server; start a Qdrant on it and use qdrant+http://"
CHROMA_FORMATS = {3: "0.4", 4: "0.5", 5: "0.6 to 1.0", 6: "1.x"}
"""Version of the metadata tables to the chromadb that writes them (seen: 0.4.24 = 3, 0.5.23 = 4, 1.5.9 = 6)."""


def detect(path: Path | str) -> str:
    """What this is, as the end of a sentence that begins with `it is`."""
    return _look(Path(path))[1]


def detect_scheme(path: Path | str) -> str | None:
    """The scheme that reads it: `chroma`, `qdrant-local`; None when nothing of ours does."""
    return _look(Path(path))[0]


def wrong_kind(path: Path, wanted: str) -> SourceUnreadable:
    """The error for a path that is missing, or holds something else than what was asked for."""
    scheme, words = _look(path)
    fix = shlex.join(["qdrant-admin", "migrate", f"{scheme}:{path}"]) if scheme else "qdrant-admin migrate --help"
    if not path.exists():
        return SourceUnreadable(f"there is nothing at {plain(path)}", fix=f'ls "{path.parent}"')
    return SourceUnreadable(f"{plain(path)} is not {wanted}", why=f"it is {words}", fix=fix)


def chroma_format(connection: sqlite3.Connection) -> str:
    """`1.x`, `0.5`, ... from the record of schema migrations that Chroma keeps; `unknown` when there is none."""
    try:
        row = connection.execute("SELECT max(version) FROM migrations WHERE dir = 'metadb'").fetchone()
    except sqlite3.Error:
        return "unknown"
    return CHROMA_FORMATS.get(row[0], "newer than 1.5" if row[0] and row[0] > 6 else "unknown")


def _look(path: Path) -> tuple[str | None, str]:
    try:
        if not path.exists():
            return None, "not there"
        return _folder(path) if path.is_dir() else (None, _file(path))
    except OSError as error:
        return None, f"not readable ({error.strerror})"


def _folder(path: Path) -> tuple[str | None, str]:
    if (path / "chroma.sqlite3").exists():
        return "chroma", f"a Chroma directory, format of chromadb {_chroma_version(path / 'chroma.sqlite3')}"
    if (path / "meta.json").is_file() and _is_local_meta(path / "meta.json"):
        return "qdrant-local", "a folder of qdrant-client's embedded mode"
    return None, _foreign_folder(path) or _content(path)


def _foreign_folder(path: Path) -> str:
    """The folders of others that can be told by what is in them."""
    signs = (
        ((path / "raft_state.json").exists() or (path / "collections").is_dir(), _SERVER_STORAGE),
        ((path / "storage" / "collections").is_dir(), f"a folder with {_SERVER_STORAGE}"),
        (any(path.glob("*.lance")), "a LanceDB folder"),
        ((path / "dataset_info.json").exists(), "a saved Hugging Face data set"),
    )
    return next((words for found, words in signs if found), "")


def _content(path: Path) -> str:
    entries = sorted(entry.name for entry in path.iterdir())
    if not entries:
        return "an empty folder"
    inner = next((name for name in entries if (path / name / "chroma.sqlite3").exists()), None)
    if inner:
        return f"a folder with a Chroma directory in it, {plain(inner)}"
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return f"a folder with {', '.join(plain(name) for name in entries[:3])}{more}"


def _file(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return "an empty file"
    if head == b"SQLite format 3\x00":
        chroma = path.name == "chroma.sqlite3"
        return "the database inside a Chroma directory; name the folder" if chroma else "a SQLite database"
    if path.suffix == ".snapshot":
        return (
            "a snapshot of a Qdrant server" if tarfile.is_tarfile(path) else "a file called .snapshot, and no snapshot"
        )
    name = path.name.removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix.lower(), "a file of a kind that is not known here")


def _is_local_meta(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and isinstance(content.get("collections"), dict)


def _chroma_version(database: Path) -> str:
    with contextlib.suppress(sqlite3.Error):
        uri = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return chroma_format(connection)
    return "unknown (its database cannot be opened)"
