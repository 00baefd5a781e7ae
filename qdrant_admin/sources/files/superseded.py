"""Which of many entries are outdone by a later one of the same key: exactly, in 16 bytes an entry."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Entries = Callable[[], Iterator[tuple[Sequence[int | str], Numbers]]]
"""Walks over all entries, some at a time: their keys, and their ranks. Called twice; walks the same way both times."""


def superseded(entries: Entries) -> Numbers:
    """The numbers, in the order of the walk and ascending, of entries whose key another one of a higher rank has.

    Of those of the same rank the first one holds. Keys are hashed first; only what shares a hash is looked at itself.
    """
    hashes = [np.fromiter(map(hash, keys), dtype=np.int64, count=len(keys)) for keys, _ in entries()]
    hashed = np.concatenate(hashes) if hashes else np.empty(0, dtype=np.int64)
    del hashes
    ordered = np.sort(hashed)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    del ordered
    best: dict[int | str, tuple[int, int]] = {}
    outdone: list[int] = []
    place = 0
    for keys, ranks in entries() if len(shared) else ():
        for offset in np.flatnonzero(np.isin(hashed[place : place + len(keys)], shared)).tolist():
            rank, number = int(ranks[offset]), place + offset
            holder = best.get(keys[offset])
            if holder is None or rank > holder[0]:
                best[keys[offset]] = (rank, number)
            if holder is not None:
                outdone.append(holder[1] if rank > holder[0] else number)
        place += len(keys)
    return np.sort(np.array(outdone, dtype=np.int64))


def is_among(numbers: Numbers, number: int) -> bool:
    """Whether a number is one of these, which ascend."""
    at = bisect_left(numbers, number)
    return at < len(numbers) and int(numbers[at]) == number
