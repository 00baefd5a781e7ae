"""JSON lines beside a FAISS index: only where each line begins is kept in memory, 16 bytes a line."""

import json
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.sources.base import Fields, Payload
from qdrant_admin.sources.faiss.rows import Ids, Rows
from qdrant_admin.sources.files.text import lines
from qdrant_admin.sources.files.values import read_json, said
from qdrant_admin.sources.layouts import lay_out
from qdrant_admin.sources.read_only import HARMLESS, UNPICKLE_ERRORS, RestrictedUnpickler, StandIn, cannot_read

_ANOTHER = "name another file by ?payload=FILE, or take the vectors alone by ?payload=none"


@dataclass
class Lines:
    """A file of JSON lines, and which line goes with which row of the index."""

    path: Path
    begins: Ids
    """First byte of every line; by ascending id when there are ids."""
    ids: Ids | None
    """None: line n belongs to row n."""

    def at(self, row: int, own: int) -> tuple[int | str, Payload]:
        """Id and payload of a row; `ValueError` when its line is no JSON object."""
        if self.ids is None:
            return own, self._line(int(self.begins[row]))
        place = int(np.searchsorted(self.ids, own, side="right")) - 1  # the last line of an id holds
        if place < 0 or self.ids[place] != own:
            return own, {}
        return own, self._line(int(self.begins[place]))

    def _line(self, begins: int) -> Payload:
        with self.path.open("rb") as file:
            file.seek(begins)
            octets = file.readline()
        try:
            value = read_json(octets)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return value
        raise ValueError(f"its line in {self.path.name} (from byte {begins}) is no JSON object")


def open_lines(path: Path, rows: Rows) -> "Sidecar":
    """Read the file once, and find out whether its lines belong to ids or to row numbers."""
    begins, ids = _scan(path)
    if ids is not None:
        bare, spare = strangers(ids, rows)
        # As many lines as rows, and other ids: numbers of somebody else, such as 1, 2, 3, ... for rows 0, 1, 2, ...
        if bare + spare == 0 or (bare < rows.count and len(begins) != rows.count):
            order = np.argsort(ids, kind="stable")
            warnings = stranger_words(path, "line", bare, spare)
            return Sidecar(f"{plain(path.name)}, by id", Lines(path, begins[order], ids[order]).at, warnings=warnings)
    if len(begins) != rows.count:
        raise _of_another(
            path, f"it has {len(begins)} lines, the index {rows.count} vectors, and its lines name no ids of the index"
        )
    return Sidecar(f"{plain(path.name)}, line n for row n", Lines(path, begins, None).at)


def strangers(known: Ids, rows: Rows) -> tuple[int, int]:
    """How many rows of an index are not among these ids, and how many of the ids are in no row."""
    there = rows.ids(0, rows.count)
    return int((~np.isin(there, known)).sum()), int((~np.isin(known, there)).sum())


def stranger_words(path: Path, what: str, bare: int, spare: int) -> tuple[str, ...]:
    without = f"{counted(bare, 'vector')} without {what} in {plain(path.name)}: the payload is empty" if bare else ""
    unused = f"{counted(spare, what)} of {plain(path.name)} without vector in the index: not migrated" if spare else ""
    return tuple(filter(None, (without, unused)))


def _scan(path: Path) -> tuple[Ids, Ids | None]:
    begins, ids = array("q"), array("q")
    keyed = True
    for line in lines(path):
        if line.octets.strip():
            begins.append(line.begins)
            identity = _id_of(line.octets) if keyed else None
            keyed = identity is not None
            ids.append(identity or 0)
    return np.array(begins, dtype=np.int64), np.array(ids, dtype=np.int64) if keyed and ids else None


def _id_of(octets: bytes) -> int | None:
    try:
        value = read_json(octets)
    except (ValueError, RecursionError):
        return None
    identity = value.get("id") if isinstance(value, dict) else None
    return identity if type(identity) is int and -(1 << 63) <= identity < 1 << 63 else None


NONE = "none"
"""`?payload=none`: whatever lies beside the index is left alone."""
_LINES = {".jsonl", ".ndjson"}
_SUFFIXES = (".json", ".pkl", ".jsonl", ".ndjson")
_LLAMA_NODES, _LLAMA_ROWS = "docstore.json", "index_store.json"
_DOCSTORES = ("langchain_community.docstore.in_memory", "langchain.docstore.in_memory")
_OLD = ("langchain.schema.document", "langchain.docstore.document", "langchain.schema")
_ALLOWED: dict[tuple[str, str], object] = {
    **HARMLESS,
    **{(module, "InMemoryDocstore"): StandIn for module in _DOCSTORES},
    **{(module, "Document"): StandIn for module in ("langchain_core.documents.base", *_OLD)},
}


@dataclass(frozen=True)
class Sidecar:
    """The payloads of an index, by its rows."""

    words: str
    at: Callable[[int, int], tuple[int | str, Payload] | None]
    """Id and payload of a row, by its number and its id in FAISS. None: it was deleted, FAISS merely still has it.
    Raises ValueError when the payload of this one row cannot be read; its text says why."""
    deleted: int = 0
    """Rows of the index that are no longer records."""
    repeated: int | None = None
    """How often an id comes again, where the ids are its own; None: the ids are those of FAISS."""
    warnings: tuple[str, ...] = ()


def find_sidecar(index: Path, asked: str | None) -> Path | None:
    """The file that goes with an index: the one asked for, or one beside it with the same name."""
    if asked == NONE:
        return None
    if asked is not None:
        found = next((path for path in (index.parent / asked, Path(asked)) if path.is_file()), None)
        if found is None:
            why = f"it is looked for in {plain(index.parent)}, where the index is"
            raise BadInput(f"there is no file {plain(asked)}", why=why, fix=f'ls "{index.parent}"')
        return found
    beside = [index.with_suffix(suffix) for suffix in _SUFFIXES]
    return next((path for path in (*beside, index.parent / _LLAMA_NODES) if path.is_file() and path != index), None)


def open_sidecar(path: Path | None, rows: Rows) -> Sidecar:
    if path is None:
        return Sidecar("none, as FAISS keeps vectors only", lambda _, own: (own, {}))
    if path.suffix in _LINES:
        return open_lines(path, rows)
    try:
        if path.suffix == ".pkl":
            content = RestrictedUnpickler(path.read_bytes(), _ALLOWED).load()
        else:
            content = json.loads(path.read_bytes())
        return _sidecar(path, content, rows)
    except (RecursionError, OSError, *UNPICKLE_ERRORS) as error:
        why = f"it is damaged, or made to harm: {plain(error)[:200]}. Nothing in it was run"
        raise cannot_read(path, why, _ANOTHER) from error


def _sidecar(path: Path, content: object, rows: Rows) -> Sidecar:
    if isinstance(content, tuple) and len(content) == 2:
        return _pickled(path, content, rows)
    if isinstance(content, dict) and content.keys() == {"docstore", "index_to_id"}:
        return _mem0(path, content["docstore"], content["index_to_id"], rows)
    if isinstance(content, dict) and "docstore/data" in content:
        return _llama(path, content["docstore/data"], rows)
    if isinstance(content, list):
        if len(content) != rows.count:
            raise _of_another(path, f"it has {len(content)} entries, the index {rows.count} vectors")
        return Sidecar(f"{plain(path.name)}, entry n for row n", lambda row, own: (own, _object(content[row])))
    if isinstance(content, dict) and content and all(_is_number(key) for key in content):
        return _by_id(path, {int(key): value for key, value in content.items()}, rows)
    raise ValueError("it holds neither records by id, nor a list of them, nor what LangChain, LlamaIndex or Mem0 write")


def _pickled(path: Path, content: tuple[object, object], rows: Rows) -> Sidecar:
    """LangChain's pair of a document store and row numbers to its keys; the older Mem0's has plain objects."""
    store, keys = content
    if not isinstance(store, StandIn):
        return _mem0(path, store, keys, rows)
    documents = store.fields.get("_dict", {})

    def payload(key: str) -> Payload:
        fields = documents[key].fields
        return lay_out("langchain", said(fields.get("metadata") or {}), str(fields.get("page_content") or ""))

    return _by_row(path, documents, keys, payload, rows, "LangChain")


def _mem0(path: Path, store: Any, keys: object, rows: Rows) -> Sidecar:
    return _by_row(path, store, keys, lambda key: dict(said(store[key])), rows, "Mem0")


def _llama(path: Path, nodes: Fields, rows: Rows) -> Sidecar:
    """LlamaIndex keeps the nodes in one file and, in another, which of them is which row."""
    indexes = json.loads((path.parent / _LLAMA_ROWS).read_bytes())["index_store/data"].values()
    keys: dict[str, str] = {}
    for index in indexes:
        keys |= json.loads(index["__data__"])["nodes_dict"]

    def payload(key: str) -> Payload:
        node = nodes[key]["__data__"]
        source = (node.get("relationships") or {}).get("1") or {}
        document = str(source.get("node_id") or "None")  # the text None is what LlamaIndex itself writes
        same = dict.fromkeys(("document_id", "doc_id", "ref_doc_id"), document)
        content = json.dumps({**node, "embedding": None}, ensure_ascii=False)
        return {**node.get("metadata", {}), "_node_content": content, "_node_type": node["class_name"], **same}

    return _by_row(path, nodes, keys, payload, rows, "LlamaIndex")


def _by_row(
    path: Path, store: object, keys: object, payload: Callable[[str], Payload], rows: Rows, title: str
) -> Sidecar:
    if not isinstance(store, Mapping) or not isinstance(keys, Mapping):
        raise TypeError(f"it is not what {title} writes")
    by_row = {int(row): str(key) for row, key in keys.items()}
    beyond = sum(not 0 <= row < rows.count for row in by_row)
    if beyond:
        raise _of_another(path, f"{beyond} of its entries belong to rows that the index does not have")
    lost = sum(key not in store for key in by_row.values())
    if lost:
        raise _of_another(path, f"{lost} rows have no entry in it")
    deleted = rows.count - len(by_row)

    def at(row: int, _: int) -> tuple[int | str, Payload] | None:
        key = by_row.get(row)
        if key is None:
            return None
        try:
            return key, payload(key)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its entry in {path.name} is not what {title} writes ({error!r})") from error

    gone = f"; {deleted} vectors that {title} has deleted are left out" if deleted else ""
    repeated = len(by_row) - len(set(by_row.values()))
    return Sidecar(f"{plain(path.name)} of {title}, with its ids{gone}", at, deleted, repeated)


def _by_id(path: Path, content: dict[int, object], rows: Rows) -> Sidecar:
    bare, spare = strangers(np.fromiter(content, dtype=np.int64, count=len(content)), rows)
    if bare == rows.count:
        raise _of_another(path, "none of its ids is in the index")

    def at(_: int, own: int) -> tuple[int | str, Payload]:
        return own, _object(content.get(own, {}))

    return Sidecar(f"{plain(path.name)}, by id", at, warnings=stranger_words(path, "entry", bare, spare))


def _of_another(path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(f"{plain(path)} does not belong to this index", why=why, fix=_ANOTHER)


def _object(value: object) -> Payload:
    if isinstance(value, dict):
        return value
    return {"value": value} if not isinstance(value, str) else {"document": value}


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isascii() and key.removeprefix("-").isdigit()
