"""The vectors of a FAISS index, row by row, whatever the index wraps them in. Mapped, not loaded, where FAISS can."""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import Refused, SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.database.models import Distance, Floats
from qdrant_admin.sources.detect import wrong_kind
from qdrant_admin.sources.read_only import cannot_read

faiss: Any = importlib.import_module("faiss")
"""Without the stubs that it brings: they know a part of it."""
Ids = npt.NDArray[np.int64]
_DISTANCES: dict[int, Distance] = {0: "Dot", 1: "Euclid", 2: "Manhattan"}
"""FAISS's L2 is the square of Qdrant's Euclid: the order of the results is the same."""
_BINARY = b"IB"


@dataclass(frozen=True)
class Rows:
    """All vectors of an index, in an order that only another index changes."""

    count: int
    size: int
    distance: Distance | None
    """None: FAISS compares by something that Qdrant does not have."""
    own_ids: bool
    """Whether the index holds ids of its own; otherwise FAISS answers with row numbers, and these are the ids."""
    loss: str
    """What its vectors have lost when they were put into the index, in words; empty when they are exact."""
    ids: Callable[[int, int], Ids]
    vectors: Callable[[int, int], Floats]
    """Both from a row up to, but without, another; copies, which stay when the index is closed."""


def open_rows(path: Path, *, lossy: bool) -> Rows:
    """Open an index. `lossy`: also when it keeps approximations of its vectors only, which is `Refused` otherwise."""
    index = _read(path)
    metric = int(index.metric_type)
    own: Ids | None = None
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
        return Rows(lists.count, width, distance, not numbered, loss, lists.ids, lists.vectors)
    loss = _loss(inner, path, lossy=lossy)
    if isinstance(inner, faiss.IndexFlat) and inner.codes.size() != inner.ntotal * inner.d * 4:
        raise _damaged(path, f"it has {inner.codes.size()} bytes for {inner.ntotal} vectors of {inner.d} components")

    def ids(start: int, stop: int) -> Ids:
        return np.arange(start, stop) if own is None else np.array(own[start:stop])

    def vectors(start: int, stop: int, _owner: object = index) -> Floats:
        if isinstance(inner, faiss.IndexFlat):
            return np.array(_seen(inner.get_xb(), count * width).reshape(count, width)[start:stop])
        with _reconstructing(path):
            found: Floats = inner.reconstruct_n(start, stop - start)
        return found

    return Rows(count, width, distance, own is not None, loss, ids, vectors)


def _read(path: Path) -> Any:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == _BINARY:
        raise SourceUnreadable(
            f"{plain(path)} holds binary vectors",
            why="Qdrant has no binary vectors, and as numbers they would be compared in another way",
            fix="make an index of float vectors from the same data",
        )
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

    def __init__(self, path: Path, owner: object, index: Any, own: Ids | None) -> None:
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

    def ids(self, start: int, stop: int) -> Ids:
        parts = [self._list_ids(number)[begin:end] for number, begin, end in self._pieces(start, stop)]
        inside: Ids = np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
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

    def _list_ids(self, number: int) -> Ids:
        ids: Ids = _seen(self._index.invlists.get_ids(number), int(self._lengths[number]))
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
        raise Refused(
            f"{plain(path)} no longer has the vectors that were added to it",
            why=f"an index of the kind {kind} keeps an approximation of each, and search over copies of it is worse",
            fix="embed the texts again; or add ?lossy=yes to the source to migrate the approximations",
        )
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


def _check_end(path: Path, ids: Ids) -> None:
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
