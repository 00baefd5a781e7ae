"""A FAISS index file as a source, with the payload that lies beside it."""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, Payload, Record, SourceCollection, Span, cut, option
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.faiss.rows import Ids, Rows, open_rows
from qdrant_admin.sources.files.text import lines
from qdrant_admin.sources.files.values import read_json, said
from qdrant_admin.sources.read_only import HARMLESS, UNPICKLE_ERRORS, RestrictedUnpickler, StandIn, cannot_read
from qdrant_admin.sources.reader import FileReader

_ANOTHER = "name another file by ?payload=FILE, or take the vectors alone by ?payload=none"
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


class FaissIndex(FileReader):
    """A `Source` over one index: one collection, called after the file, or after the folder when that was named."""

    kind = "FAISS index"

    def open(self) -> Iterable[str]:
        self.path = _file(self.uri.path)
        beside = _find_sidecar(self.path, self.uri.options.get("payload"))
        self.watch([self.path, *([beside] if beside else [])])
        try:
            lossy = option(self.uri.options, "lossy", {"yes": True, "no": False}, otherwise=False)
            self._rows = open_rows(self.path, lossy=lossy)
        except OSError as error:
            raise cannot_read(self.path, str(error.strerror)) from error
        self._sidecar = _open_sidecar(beside, self._rows)
        for held in ("_rows", "_sidecar"):
            self.resources.callback(self.__dict__.pop, held)
        return [self.path.stem if self.path == self.uri.path else self.uri.path.name]

    def describe(self, name: str) -> SourceCollection:
        """Its ids are all looked at, its vectors are not."""
        rows, sidecar = self._rows, self._sidecar
        distance = self.distance_asked or rows.distance
        if distance is None:
            raise layouts.unknown_distance(f"{plain(self.path)} compares vectors in a way that Qdrant does not know")
        sample = [record for record in self._records(0, min(rows.count, layouts.SAMPLE)) if not record.trouble]
        layout = layouts.recognised([record.payload for record in sample])
        spec = CollectionSpec(vectors=(VectorSpec(size=rows.size, distance=distance),))
        words = [sidecar.words] + ([layouts.words(layout)] if layout != "plain" else [])
        repeated = sidecar.repeated
        if repeated is None:
            words.append("the ids of FAISS" if rows.own_ids else "row numbers as ids, with which FAISS itself answers")
            repeated = rows.count - len(np.unique(rows.ids(0, rows.count))) if rows.own_ids else 0
        return SourceCollection(
            name=name,
            count=rows.count - sidecar.deleted,
            spec=layouts.fitted(spec, layout),
            payload="; ".join(words),
            warnings=tuple(self._warnings(layout, sample)),
            duplicate_ids=repeated,
        )

    def spans(self, name: str, parts: int) -> tuple[Span, ...]:  # noqa: ARG002 # it has but one collection
        return cut(range(1, self._rows.count + 1), parts)

    def batches(self, name: str, *, size: int, after: Cursor = None, until: Cursor = None) -> Iterator[Batch]:  # noqa: ARG002 # it has but one collection
        last = self._rows.count if until is None else int(until)
        for start in range(int(after or 0), last, size):
            stop = min(start + size, last)
            records = list(self._records(start, stop))
            self.check_unchanged()
            yield Batch(records, stop)
        self.check_unchanged()

    def _records(self, start: int, stop: int) -> Iterator[Record]:
        if start == stop:
            return
        ids, vectors = self._rows.ids(start, stop), self._rows.vectors(start, stop)
        for row, (own, vector) in enumerate(zip(ids.tolist(), vectors, strict=True), start):
            try:
                found = self._sidecar.at(row, own)
            except ValueError as error:
                yield Record(own, {}, {"": vector}, trouble=str(error))
                continue
            if found is not None:
                yield Record(*found, {"": vector})

    def _warnings(self, layout: layouts.Layout, sample: list[Record]) -> Iterator[str]:
        if self._rows.loss:
            yield f"its vectors are not exactly those that were added: {self._rows.loss}"
        yield from self._sidecar.warnings
        if self._rows.distance is not None:
            unit = layouts.unit_length([np.asarray(record.vectors[""]) for record in sample])
            yield from layouts.distance_notes(self._rows.distance, self.distance_asked, unit=unit, layout=layout)


def _file(path: Path) -> Path:
    """The index itself: of a folder the only one in it, as LangChain, Mem0 and LlamaIndex leave it."""
    if path.is_file():
        return path
    found = [*path.glob("*.faiss"), *path.glob("default__vector_store.json")]
    if not found:
        raise wrong_kind(path, "a FAISS index")
    if len(found) > 1:
        shown = ", ".join(sorted(plain(one.name) for one in found)[:10])
        what = f"{plain(path)} holds several FAISS indexes"
        raise BadInput(what, why=f"they are {shown}", fix=Command("migrate", f"faiss:{min(found)}"))
    return found[0]


@dataclass(frozen=True)
class _Sidecar:
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


def _find_sidecar(index: Path, asked: str | None) -> Path | None:
    """The file that goes with an index: the one asked for, or one beside it with the same name."""
    if asked == "none":
        return None
    if asked is not None:
        found = next((path for path in (index.parent / asked, Path(asked)) if path.is_file()), None)
        if found is None:
            why = f"it is looked for in {plain(index.parent)}, where the index is"
            raise BadInput(f"there is no file {plain(asked)}", why=why, fix=f'ls "{index.parent}"')
        return found
    beside = [index.with_suffix(suffix) for suffix in _SUFFIXES]
    return next((path for path in (*beside, index.parent / _LLAMA_NODES) if path.is_file() and path != index), None)


def _open_sidecar(path: Path | None, rows: Rows) -> _Sidecar:
    if path is None:
        return _Sidecar("none, as FAISS keeps vectors only", lambda _, own: (own, {}))
    if path.suffix in _LINES:
        return _lines(path, rows)
    try:
        octets = path.read_bytes()
        content = RestrictedUnpickler(octets, _ALLOWED).load() if path.suffix == ".pkl" else json.loads(octets)
        return _whole(path, content, rows)
    except (RecursionError, OSError, *UNPICKLE_ERRORS) as error:
        why = f"it is damaged, or made to harm: {plain(error)[:200]}. Nothing in it was run"
        raise cannot_read(path, why, _ANOTHER) from error


def _lines(path: Path, rows: Rows) -> _Sidecar:
    """Read JSON lines once, and find out whether they belong to ids or to row numbers.

    Only where each line begins is kept in memory, and its id: 16 bytes a line.
    """
    begins, ids = _scan(path)
    if ids is not None:
        bare, spare = _strangers(ids, rows)
        # As many lines as rows, and other ids: numbers of somebody else, such as 1, 2, 3, ... for rows 0, 1, 2, ...
        if bare + spare == 0 or (bare < rows.count and len(begins) != rows.count):
            order = np.argsort(ids, kind="stable")
            sorted_ids, sorted_begins = ids[order], begins[order]

            def by_id(_: int, own: int) -> tuple[int, Payload]:
                place = int(np.searchsorted(sorted_ids, own, side="right")) - 1  # the last line of an id holds
                there = place >= 0 and sorted_ids[place] == own
                return own, _line(path, int(sorted_begins[place])) if there else {}

            return _Sidecar(f"{plain(path.name)}, by id", by_id, warnings=_stranger_words(path, "line", bare, spare))
    if len(begins) != rows.count:
        raise _of_another(
            path, f"it has {len(begins)} lines, the index {rows.count} vectors, and its lines name no ids of the index"
        )
    return _Sidecar(f"{plain(path.name)}, line n for row n", lambda row, own: (own, _line(path, int(begins[row]))))


def _scan(path: Path) -> tuple[Ids, Ids | None]:
    begins, ids = array("q"), array("q")
    keyed = True
    for line in lines(path):
        if line.octets.strip():
            begins.append(line.begins)
            identity = _id_in(line.octets) if keyed else None
            keyed = identity is not None
            ids.append(identity or 0)
    return np.array(begins, dtype=np.int64), np.array(ids, dtype=np.int64) if keyed and ids else None


def _id_in(octets: bytes) -> int | None:
    identity = (_object_in(octets) or {}).get("id")
    return identity if type(identity) is int and -(1 << 63) <= identity < 1 << 63 else None


def _line(path: Path, begins: int) -> Payload:
    with path.open("rb") as file:
        file.seek(begins)
        found = _object_in(file.readline())
    if found is None:
        raise ValueError(f"its line in {path.name} (from byte {begins}) is no JSON object")
    return found


def _object_in(octets: bytes) -> Payload | None:
    try:
        value = read_json(octets)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _strangers(known: Ids, rows: Rows) -> tuple[int, int]:
    """How many rows of an index are not among these ids, and how many of the ids are in no row."""
    there = rows.ids(0, rows.count)
    return int((~np.isin(there, known)).sum()), int((~np.isin(known, there)).sum())


def _stranger_words(path: Path, what: str, bare: int, spare: int) -> tuple[str, ...]:
    without = f"{counted(bare, 'vector')} without {what} in {plain(path.name)}: the payload is empty" if bare else ""
    unused = f"{counted(spare, what)} of {plain(path.name)} without vector in the index: not migrated" if spare else ""
    return tuple(filter(None, (without, unused)))


def _whole(path: Path, content: Any, rows: Rows) -> _Sidecar:
    """A sidecar that was read whole: a pickle, or one JSON value."""
    if isinstance(content, tuple) and len(content) == 2:
        store, keys = content
        return _langchain(path, store, keys, rows) if isinstance(store, StandIn) else _mem0(path, store, keys, rows)
    if isinstance(content, list):
        if len(content) != rows.count:
            raise _of_another(path, f"it has {len(content)} entries, the index {rows.count} vectors")
        return _Sidecar(f"{plain(path.name)}, entry n for row n", lambda row, own: (own, _object(content[row])))
    if isinstance(content, dict):
        if content.keys() == {"docstore", "index_to_id"}:
            return _mem0(path, content["docstore"], content["index_to_id"], rows)
        if "docstore/data" in content:
            return _llama(path, content["docstore/data"], rows)
        if content and all(_is_number(key) for key in content):
            return _by_id(path, {int(key): value for key, value in content.items()}, rows)
    raise ValueError("it holds neither records by id, nor a list of them, nor what LangChain, LlamaIndex or Mem0 write")


def _langchain(path: Path, store: StandIn, keys: object, rows: Rows) -> _Sidecar:
    """A pair of a document store, and row numbers to its keys."""
    documents = store.fields.get("_dict", {})

    def payload(key: str) -> Payload:
        fields = documents[key].fields
        metadata, text = said(fields.get("metadata") or {}), str(fields.get("page_content") or "")
        return layouts.lay_out("langchain", metadata, text)

    return _by_row(path, documents, keys, payload, rows, "LangChain")


def _mem0(path: Path, store: Any, keys: object, rows: Rows) -> _Sidecar:
    """A pair as well, of plain objects: a pickle of an older Mem0, JSON of a newer one."""
    return _by_row(path, store, keys, lambda key: dict(said(store[key])), rows, "Mem0")


def _llama(path: Path, nodes: Fields, rows: Rows) -> _Sidecar:
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
) -> _Sidecar:
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
    return _Sidecar(f"{plain(path.name)} of {title}, with its ids{gone}", at, deleted, repeated)


def _by_id(path: Path, content: dict[int, object], rows: Rows) -> _Sidecar:
    bare, spare = _strangers(np.fromiter(content, dtype=np.int64, count=len(content)), rows)
    if bare == rows.count:
        raise _of_another(path, "none of its ids is in the index")
    warnings = _stranger_words(path, "entry", bare, spare)
    return _Sidecar(
        f"{plain(path.name)}, by id", lambda _, own: (own, _object(content.get(own, {}))), warnings=warnings
    )


def _of_another(path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(f"{plain(path)} does not belong to this index", why=why, fix=_ANOTHER)


def _object(value: object) -> Payload:
    if isinstance(value, dict):
        return value
    return {"value": value} if not isinstance(value, str) else {"document": value}


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isascii() and key.removeprefix("-").isdigit()
