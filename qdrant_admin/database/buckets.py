"""Which ids a collection held, in a few numbers that a report can carry: they show old points missing beneath new ones.

Every id falls into one of 64 buckets. A bucket holds how many points are in it, the sum of a number of 64 bits for
each id, and the same of the content. Fewer points in a bucket, or as many with another sum, mean that points of then
are missing, whatever came to the others. Where a bucket has more points than then nothing is known of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qdrant_admin.database.canonical import PointHash

BUCKETS = 64
_SHIFT = np.uint64(58)
_KEY_BYTES, _WHOLE_BYTES = 17, 32
_Numbers = npt.NDArray[np.uint64]


class BucketDifference(NamedTuple):
    """What two sets of buckets tell."""

    missing: int
    """At least so many points of then are gone."""
    content: bool
    """Whether points that are surely the same ones hold something else."""


class Buckets:
    """Filled page by page."""

    def __init__(self) -> None:
        self._counts, self._ids, self._contents = (np.zeros(BUCKETS, np.uint64) for _ in range(3))

    def add(self, hashes: Sequence[PointHash]) -> None:
        if not hashes:
            return
        keys = np.frombuffer(b"".join([one.key for one in hashes]), np.uint8).reshape(-1, _KEY_BYTES)
        halves = np.ascontiguousarray(keys[:, 1:]).view("<u8")
        numbers = _mixed(halves[:, 0] ^ _mixed(halves[:, 1] + keys[:, 0].astype(np.uint64)))
        wholes = np.frombuffer(b"".join([one.whole for one in hashes]), "<u8").reshape(-1, _WHOLE_BYTES // 8)
        at = (numbers >> _SHIFT).astype(np.intp)
        np.add.at(self._counts, at, np.uint64(1))
        np.add.at(self._ids, at, numbers)
        np.add.at(self._contents, at, wholes[:, 0])

    def told(self) -> tuple[str, ...]:
        """Each as `COUNT.IDS.CONTENT` in hex, empty for none; nothing at all for no point."""
        rows = zip(self._counts.tolist(), self._ids.tolist(), self._contents.tolist(), strict=True)
        told = tuple(f"{count:x}.{ids:016x}.{content:016x}" if count else "" for count, ids, content in rows)
        return told if any(told) else ()


def _mixed(numbers: _Numbers) -> _Numbers:
    """Numbers of 64 bits, each far from its neighbours (the finalizer of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def compared(then: Sequence[str], now: Sequence[str]) -> BucketDifference | None:
    """What the buckets of two moments tell; None where one of them has none or others."""
    if not {len(then), len(now)} <= {0, BUCKETS} or not (then or now):
        return None
    missing, content = 0, False
    for old, new in zip(then or [""] * BUCKETS, now or [""] * BUCKETS, strict=True):
        (count, ids, held), (count_now, ids_now, held_now) = _parts(old), _parts(new)
        if count_now < count:
            missing += count - count_now
        elif count_now == count:
            missing += ids != ids_now
            content = content or (ids == ids_now and held != held_now)
    return BucketDifference(missing, content)


def _parts(bucket: str) -> tuple[int, str, str]:
    count, ids, content = bucket.split(".") if bucket else ("0", "", "")
    return int(count, 16), ids, content
