"""A FAISS index file as a source, with the payload that lies beside it. Mapped, not loaded, where FAISS can."""

import contextlib
import importlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, Refused, SourceUnreadable
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.models import CollectionSpec, Distance, Floats, VectorSpec
from qdrant_admin.sources import layouts
from qdrant_admin.sources.base import Batch, Cursor, Fields, Payload, Record, SourceCollection, Span, cut, option
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.files.text import lines, object_in
from qdrant_admin.sources.files.values import Unfit, said
from qdrant_admin.sources.read_only import HARMLESS, UNPICKLE_ERRORS, RestrictedUnpickler, StandIn, cannot_read
from qdrant_admin.sources.reader import FileReader

faiss: Any = importlib.import_module("faiss")
"""Without the stubs that it brings: they know a part of it."""
_Ids = npt.NDArray[np.int64]
_DISTANCES: dict[int, Distance] = {0: "Dot", 1: "Euclid", 2: "Manhattan"}
"""FAISS's L2 is the square of Qdrant's Euclid: the order of the results is the same."""
_BINARY = b"IB"
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
            self._rows = _open_rows(self.path, lossy=lossy)
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
        spec, warnings = layouts.fitted(spec, layout), tuple(self._warnings(layout, sample))
        count, payload = rows.count - sidecar.deleted, "; ".join(words)
        return SourceCollection(
            name=name, count=count, spec=spec, payload=payload, warnings=warnings, duplicate_ids=repeated
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
class _Rows:
    """All vectors of an index, in an order that only another index changes."""

    count: int
    size: int
    distance: Distance | None
    """None: FAISS compares by something that Qdrant does not have."""
    own_ids: bool
    """Whether the index holds ids of its own; otherwise FAISS answers with row numbers, and these are the ids."""
    loss: str
    """What its vectors have lost when they were put into the index, in words; empty when they are exact."""
    ids: Callable[[int, int], _Ids]
    vectors: Callable[[int, int], Floats]
    """Both from a row up to, but without, another; copies, which stay when the index is closed."""


def _open_rows(path: Path, *, lossy: bool) -> _Rows:
    """Open an index. `lossy`: also when it keeps approximations of its vectors only, which is `Refused` otherwise."""
    index = _read(path)
    metric = int(index.metric_type)
    own: _Ids | None = None
    if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
        own = _seen(index.id_map.data(), index.id_map.size())
        if index.id_map.size() != index.ntotal:
            raise _damaged(path, f"it has {index.ntotal} vectors and {index.id_map.size()} ids")
        _check_end(path, own)
    # The outermost object owns the memory of everything in it, so each reader below keeps it alive.
    inner = _exact_storage(index)
    if (inner.d, inner.ntotal) != (index.d, index.ntotal):
        raise _damaged(path, "its parts do not agree on how many vectors there are, or how long they are")
    count, width, distance = int(inner.ntotal), int(index.d), _DISTANCES.get(metric)
    if isinstance(inner, faiss.IndexIVF):
        lists = _InvertedLists(path, index, inner, own)
        loss = "" if lists.exact else _loss(inner, path, lossy=lossy)
        numbered = own is None and np.array_equal(np.sort(lists.ids(0, lists.count)), np.arange(lists.count))
        return _Rows(lists.count, width, distance, not numbered, loss, lists.ids, lists.vectors)
    loss = _loss(inner, path, lossy=lossy)
    if isinstance(inner, faiss.IndexFlat) and inner.codes.size() != inner.ntotal * inner.d * 4:
        raise _damaged(path, f"it has {inner.codes.size()} bytes for {inner.ntotal} vectors of {inner.d} components")

    def ids(start: int, stop: int) -> _Ids:
        return np.arange(start, stop) if own is None else np.array(own[start:stop])

    def vectors(start: int, stop: int, _owner: object = index) -> Floats:
        if isinstance(inner, faiss.IndexFlat):
            return np.array(_seen(inner.get_xb(), count * width).reshape(count, width)[start:stop])
        with _reconstructing(path):
            found: Floats = inner.reconstruct_n(start, stop - start)
        return found

    return _Rows(count, width, distance, own is not None, loss, ids, vectors)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == _BINARY:
        why = "Qdrant has no binary vectors, and as numbers they would be compared in another way"
        fix = "make an index of float vectors from the same data"
        raise SourceUnreadable(f"{plain(path)} holds binary vectors", why=why, fix=fix)
    if magic[:1] != b"I":
        raise wrong_kind(path, "a FAISS index")
    try:
        return faiss.read_index(str(path), getattr(faiss, "IO_FLAG_MMAP_IFC", 0))
    except (RuntimeError, MemoryError) as error:
        raise _damaged(path, str(error).rpartition("Error: ")[2] or "its sizes are absurd") from error


def _exact_storage(index: object) -> Any:
    """The part of an index that holds its vectors best: graphs keep them in a store, refined indexes a second time."""
    while True:
        if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
            index = faiss.downcast_index(index.index)
        elif isinstance(index, faiss.IndexRefine):
            index = faiss.downcast_index(index.refine_index)
        elif isinstance(index, faiss.IndexHNSW | faiss.IndexNSG):
            index = faiss.downcast_index(index.storage)
        else:
            return index


class _InvertedLists:
    """The rows of an IVF index, one list after the other. Their numbers inside FAISS need not be 0, 1, 2, ...

    `owner` is kept, as it owns the memory of `index`; `own` are ids that an outer index gave to the rows.
    """

    def __init__(self, path: Path, owner: object, index: Any, own: _Ids | None) -> None:
        self._path, self._owner, self._index, self._own = path, owner, index, own
        self.exact = isinstance(index, faiss.IndexIVFFlat) and not isinstance(index, faiss.IndexIVFFlatDedup)
        lists = index.invlists
        if self.exact and lists.code_size != index.d * 4:
            raise _damaged(path, f"its lists have {lists.code_size} bytes for {index.d} components")
        self._lengths = np.array([lists.list_size(number) for number in range(index.nlist)], dtype=np.int64)
        if self._lengths.sum() != index.ntotal:
            raise _damaged(path, f"its lists hold {self._lengths.sum()} of its {index.ntotal} vectors")
        self._starts = np.concatenate(([0], np.cumsum(self._lengths)))
        self.count = int(self._starts[-1])
        if own is None and self.count:
            last = int(np.flatnonzero(self._lengths)[-1])
            _check_end(path, self._list_ids(last))

    def ids(self, start: int, stop: int) -> _Ids:
        parts = [self._list_ids(number)[begin:end] for number, begin, end in self._pieces(start, stop)]
        inside: _Ids = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
        return inside if self._own is None else self._own[inside]

    def vectors(self, start: int, stop: int) -> Floats:
        parts = [self._list_vectors(*piece) for piece in self._pieces(start, stop)]
        return np.concatenate(parts) if parts else np.empty((0, int(self._index.d)), dtype=np.float32)

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """The lists that hold these rows, each with the range of its entries."""
        first, last = np.searchsorted(self._starts, [start, stop - 1], side="right") - 1
        for number in range(first, last + 1):
            if self._lengths[number]:
                begins = int(self._starts[number])
                yield number, max(start - begins, 0), min(stop - begins, int(self._lengths[number]))

    def _list_ids(self, number: int) -> _Ids:
        ids: _Ids = _seen(self._index.invlists.get_ids(number), int(self._lengths[number]))
        return ids

    def _list_vectors(self, number: int, begin: int, end: int) -> Floats:
        width = int(self._index.d)
        if self.exact:
            codes = _seen(self._index.invlists.get_codes(number), int(self._lengths[number]) * width * 4)
            return np.array(codes.view(np.float32).reshape(-1, width)[begin:end])
        found = np.empty((end - begin, width), dtype=np.float32)
        with _reconstructing(self._path):
            for row in range(begin, end):
                self._index.reconstruct_from_offset(number, row, faiss.swig_ptr(found[row - begin]))
        return found


def _loss(index: object, path: Path, *, lossy: bool) -> str:
    """What the vectors of this kind of index have lost; `Refused` when that is nearly everything, and not asked for."""
    if isinstance(index, faiss.IndexFlat):
        return ""
    if isinstance(index, faiss.IndexScalarQuantizer | faiss.IndexIVFScalarQuantizer):
        return _rounding(index.sq)
    kind = type(index).__name__
    if not lossy:
        why = f"an index of the kind {kind} keeps an approximation of each, and search over copies of it is worse"
        fix = "embed the texts again; or add ?lossy=yes to the source to migrate the approximations"
        raise Refused(f"{plain(path)} no longer has the vectors that were added to it", why=why, fix=fix)
    return f"kept as approximations only ({kind}); these are migrated, as asked"


def _rounding(quantizer: Any) -> str:
    sq = faiss.ScalarQuantizer
    kind = int(quantizer.qtype)
    bits = {sq.QT_8bit: 8, sq.QT_8bit_uniform: 8, sq.QT_4bit: 4, sq.QT_4bit_uniform: 4, sq.QT_6bit: 6}.get(kind)
    if kind in {sq.QT_8bit_direct, getattr(sq, "QT_8bit_direct_signed", -1)}:
        return ""
    if bits is not None:
        trained = faiss.vector_to_array(quantizer.trained)
        ranges = trained[len(trained) // 2 :]  # as many lower ends before them
        error = float(ranges.max(initial=0)) / ((1 << bits) - 1) / 2
        return f"rounded to {bits} bits when they were put in: each component is off by up to {error:.2g}"
    halves = {sq.QT_fp16: "16-bit floats, by up to 0.05 %", getattr(sq, "QT_bf16", -1): "bfloat16, by up to 0.4 %"}
    return f"rounded when they were put in, to {halves.get(kind, 'few bits')}"


@contextlib.contextmanager
def _reconstructing(path: Path) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise _damaged(path, str(error).rpartition("Error: ")[2]) from error


def _check_end(path: Path, ids: _Ids) -> None:
    """FAISS maps a file whose last few bytes are missing, and sees zeros there: the file must end with its last id."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        end = file.read()
    if len(ids) and end != ids[-1:].tobytes():
        raise _damaged(path, "its last bytes are missing")


def _seen(pointer: object, count: int) -> Any:
    """Memory of FAISS as an array that does not own it."""
    return faiss.rev_swig_ptr(pointer, count)


def _damaged(path: Path, why: str) -> SourceUnreadable:
    return cannot_read(path, f"it is damaged, cut off, or of a newer FAISS ({plain(why)[:200]})")


@dataclass(frozen=True)
class _Sidecar:
    """The payloads of an index, by its rows."""

    words: str
    at: Callable[[int, int], tuple[int | str, Payload] | None]
    """Id and payload of a row, by its number and its id in FAISS. None: it was deleted, FAISS merely still has it.
    Raises ValueError when the payload of this one row cannot be read; its text says why."""
    deleted: int = 0
    """_Rows of the index that are no longer records."""
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


def _open_sidecar(path: Path | None, rows: _Rows) -> _Sidecar:
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


def _lines(path: Path, rows: _Rows) -> _Sidecar:
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
        why = f"it has {len(begins)} lines, the index {rows.count} vectors, and its lines name no ids of the index"
        raise _of_another(path, why)
    return _Sidecar(f"{plain(path.name)}, line n for row n", lambda row, own: (own, _line(path, int(begins[row]))))


def _scan(path: Path) -> tuple[_Ids, _Ids | None]:
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
    found = object_in(octets)
    identity = None if isinstance(found, Unfit) else found.get("id")
    return identity if type(identity) is int and -(1 << 63) <= identity < 1 << 63 else None


def _line(path: Path, begins: int) -> Payload:
    with path.open("rb") as file:
        file.seek(begins)
        found = object_in(file.readline())
    if not isinstance(found, Unfit):
        return found
    raise ValueError(f"its line in {path.name} (from byte {begins}) is not a JSON object")


def _strangers(known: _Ids, rows: _Rows) -> tuple[int, int]:
    """How many rows of an index are not among these ids, and how many of the ids are in no row."""
    there = rows.ids(0, rows.count)
    return int((~np.isin(there, known)).sum()), int((~np.isin(known, there)).sum())


def _stranger_words(path: Path, what: str, bare: int, spare: int) -> tuple[str, ...]:
    without = f"{counted(bare, 'vector')} without {what} in {plain(path.name)}: the payload is empty" if bare else ""
    unused = f"{counted(spare, what)} of {plain(path.name)} without vector in the index: not migrated" if spare else ""
    return tuple(filter(None, (without, unused)))


def _whole(path: Path, content: Any, rows: _Rows) -> _Sidecar:
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


def _langchain(path: Path, store: StandIn, keys: object, rows: _Rows) -> _Sidecar:
    """A pair of a document store, and row numbers to its keys."""
    documents = store.fields.get("_dict", {})

    def payload(key: str) -> Payload:
        fields = documents[key].fields
        metadata, text = said(fields.get("metadata") or {}), str(fields.get("page_content") or "")
        return layouts.lay_out("langchain", metadata, text)

    if isinstance(keys, Mapping) and len(keys) < rows.count:  # what it deletes leaves the index as well
        raise _of_another(path, f"it has {len(keys)} entries, the index {rows.count} vectors")
    return _by_row(path, documents, keys, payload, rows, "LangChain")


def _mem0(path: Path, store: Any, keys: object, rows: _Rows) -> _Sidecar:
    """A pair as well, of plain objects: a pickle of an older Mem0, JSON of a newer one."""
    return _by_row(path, store, keys, lambda key: dict(said(store[key])), rows, "Mem0")


def _llama(path: Path, nodes: Fields, rows: _Rows) -> _Sidecar:
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
    path: Path, store: object, keys: object, payload: Callable[[str], Payload], rows: _Rows, title: str
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


def _by_id(path: Path, content: dict[int, object], rows: _Rows) -> _Sidecar:
    bare, spare = _strangers(np.fromiter(content, dtype=np.int64, count=len(content)), rows)
    if bare == rows.count:
        raise _of_another(path, "none of its ids is in the index")
    words, warnings = f"{plain(path.name)}, by id", _stranger_words(path, "entry", bare, spare)
    return _Sidecar(words, lambda _, own: (own, _object(content.get(own, {}))), warnings=warnings)


def _of_another(path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(f"{plain(path)} does not belong to this index", why=why, fix=_ANOTHER)


def _object(value: object) -> Payload:
    if isinstance(value, dict):
        return value
    return {"value": value} if not isinstance(value, str) else {"document": value}


def _is_number(key: str) -> bool:
    return key.removeprefix("-").isascii() and key.removeprefix("-").isdigit()
