"""The vectors of a FAISS index, row by row, whatever the index wraps them in. Mapped, not loaded, where FAISS can."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.errors import Refused, SourceUnreadable
from qdrant_admin.core.text import plain
from qdrant_admin.database.models import Distance, Floats
from qdrant_admin.sources.detect import wrong_kind

Ids = npt.NDArray[np.int64]
_DISTANCES: dict[int, Distance] = {0: "Dot", 1: "Euclid", 2: "Manhattan"}
"""FAISS's L2 is the square of Qdrant's Euclid: the order of the results is the same."""
_BINARY = b"IB"
"""What an index of binary vectors begins with."""


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
    """Open an index.

    Args:
        path: its file.
        lossy: whether vectors may be read that are not the ones that were put in.

    Raises:
        SourceUnreadable: damaged, of binary vectors, or no index at all.
        Refused: its vectors are only approximations, and nobody asked for these.
    """
    faiss = _faiss()

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
    if isinstance(inner, faiss.IndexIVF):
        return _lists(path, index, inner, own, metric=metric, lossy=lossy)
    loss = _loss(inner, path, lossy=lossy)
    if isinstance(inner, faiss.IndexFlat) and inner.codes.size() != inner.ntotal * inner.d * 4:
        raise _damaged(path, f"it has {inner.codes.size()} bytes for {inner.ntotal} vectors of {inner.d} components")
    count, width = int(inner.ntotal), int(index.d)

    def ids(start: int, stop: int) -> Ids:
        return np.arange(start, stop) if own is None else np.array(own[start:stop])

    def vectors(start: int, stop: int, _owner: Any = index) -> Floats:
        if isinstance(inner, faiss.IndexFlat):
            return np.array(_seen(inner.get_xb(), count * width).reshape(count, width)[start:stop])
        return _reconstructed(lambda: inner.reconstruct_n(start, stop - start), path)

    return Rows(count, width, _DISTANCES.get(metric), own is not None, loss, ids, vectors)


def _read(path: Path) -> Any:
    faiss = _faiss()

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


def _exact_storage(index: Any) -> Any:
    """The part of an index that holds its vectors best: graphs keep them in a store, refined indexes a second time."""
    faiss = _faiss()

    while True:
        if isinstance(index, faiss.IndexIDMap | faiss.IndexIDMap2):
            index = faiss.downcast_index(index.index)
        elif isinstance(index, faiss.IndexRefine):
            index = faiss.downcast_index(index.refine_index)
        elif isinstance(index, faiss.IndexHNSW | faiss.IndexNSG):
            index = faiss.downcast_index(index.storage)
        else:
            return index


def _lists(path: Path, owner: Any, index: Any, own: Ids | None, *, metric: int, lossy: bool) -> Rows:
    """The rows of inverted lists, one list after the other. Their numbers inside FAISS need not be 0, 1, 2, ..."""
    faiss = _faiss()

    exact = isinstance(index, faiss.IndexIVFFlat) and not isinstance(index, faiss.IndexIVFFlatDedup)
    loss = "" if exact else _loss(index, path, lossy=lossy)
    lists, lengths = index.invlists, _lengths(path, index, exact=exact)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    count, width = int(starts[-1]), int(index.d)
    if own is None and count:
        last = int(np.flatnonzero(lengths)[-1])
        _check_end(path, _seen(lists.get_ids(last), int(lengths[last])))

    def each(start: int, stop: int, take: Callable[[int, int, int], Any], kind: Any) -> Any:
        first, last = np.searchsorted(starts, [start, stop - 1], side="right") - 1
        parts = [
            take(number, int(max(start - starts[number], 0)), int(min(stop - starts[number], lengths[number])))
            for number in range(first, last + 1)
            if lengths[number]
        ]
        return np.concatenate(parts) if parts else np.empty(kind[0], dtype=kind[1])

    def some_ids(number: int, begin: int, end: int) -> Ids:
        inside = _seen(lists.get_ids(number), int(lengths[number]))[begin:end]
        return np.array(inside if own is None else own[inside])

    def some_vectors(number: int, begin: int, end: int) -> Floats:
        if exact:
            codes = _seen(lists.get_codes(number), int(lengths[number]) * width * 4)
            return np.array(codes.view(np.float32).reshape(-1, width)[begin:end])
        found = np.empty((end - begin, width), dtype=np.float32)
        for row in range(begin, end):
            index.reconstruct_from_offset(number, row, faiss.swig_ptr(found[row - begin]))
        return found

    def ids(start: int, stop: int) -> Ids:
        return np.asarray(each(start, stop, some_ids, (0, np.int64)))

    def vectors(start: int, stop: int, _owner: Any = owner) -> Floats:
        return _reconstructed(lambda: each(start, stop, some_vectors, ((0, width), np.float32)), path)

    numbers = own is None and np.array_equal(np.sort(ids(0, count)), np.arange(count))
    return Rows(count, width, _DISTANCES.get(metric), not numbers, loss, ids, vectors)


def _lengths(path: Path, index: Any, *, exact: bool) -> Ids:
    """How many rows each inverted list has.

    Raises:
        SourceUnreadable: they do not fit the rest of the index.
    """
    lists = index.invlists
    if exact and lists.code_size != index.d * 4:
        raise _damaged(path, f"its lists have {lists.code_size} bytes for {index.d} components")
    lengths = np.array([lists.list_size(number) for number in range(index.nlist)], dtype=np.int64)
    if lengths.sum() != index.ntotal:
        raise _damaged(path, f"its lists hold {lengths.sum()} of its {index.ntotal} vectors")
    return lengths


def _loss(index: Any, path: Path, *, lossy: bool) -> str:
    """What the vectors of this kind of index have lost.

    Raises:
        Refused: nearly everything, and nobody said that this is fine.
    """
    faiss = _faiss()

    if isinstance(index, faiss.IndexFlat):
        return ""
    if isinstance(index, faiss.IndexScalarQuantizer | faiss.IndexIVFScalarQuantizer):
        return _rounding(index.sq)
    kind = type(index).__name__
    if not lossy:
        raise Refused(
            f"{plain(path)} no longer has the vectors that were put into it",
            why=f"an index of the kind {kind} keeps an approximation of each, and search over copies of it is worse",
            fix="embed the texts again; or add ?lossy=yes to the source to migrate the approximations",
        )
    return f"kept as approximations only ({kind}); these are migrated, as asked"


def _rounding(quantizer: Any) -> str:
    """By how much a scalar quantizer has rounded."""
    faiss = _faiss()

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


def _reconstructed(read: Callable[[], Any], path: Path) -> Floats:
    try:
        vectors: Floats = read()
    except RuntimeError as error:
        raise _damaged(path, str(error).rpartition("Error: ")[2]) from error
    return vectors


def _check_end(path: Path, ids: Ids) -> None:
    """Whether the file ends with its last id: FAISS maps a file whose last few bytes are missing, and sees zeros there.

    Raises:
        SourceUnreadable: it does not.
    """
    with path.open("rb") as file:
        file.seek(-8, 2)
        end = file.read()
    if len(ids) and end != ids[-1:].tobytes():
        raise _damaged(path, "its last bytes are missing")


def _faiss() -> Any:
    """The module, without the stubs it brings: they know a part of it."""
    import faiss

    return faiss


def _seen(pointer: Any, count: int) -> Any:
    """Memory of FAISS as an array that does not own it."""
    faiss = _faiss()

    return faiss.rev_swig_ptr(pointer, count)


def _damaged(path: Path, why: str) -> SourceUnreadable:
    return SourceUnreadable(
        f"{plain(path)} cannot be read",
        why=f"it is damaged, cut off, or of a newer FAISS ({plain(why)[:200]})",
        fix=f'ls -l "{path}"',
    )
