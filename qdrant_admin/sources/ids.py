"""How ids of a source become ids that Qdrant takes: integers and canonical UUIDs stay, everything else is hashed."""

import re
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha1

import numpy as np
import numpy.typing as npt

from qdrant_admin.database.models import PointId
from qdrant_admin.sources.base import Payload, free_name

NAMESPACE = uuid.UUID("7f1d2a53-64c8-5d0b-9d5e-2f7c1b0f4a11")
"""Of our UUIDv5. Never changes: a second migration of the same source has to find the same points."""
SOURCE_ID = "source_id"
WORDS_MIXED = f"integers and UUIDs kept; anything else: UUIDv5 of it, the original in payload field {SOURCE_ID}"
WORDS_FOLDING = "kept"
_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SPELLINGS = re.compile(
    r"(?:urn:uuid:)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}|[0-9a-f]{32}",
    re.IGNORECASE,
)


def canonical_uuid(text: str) -> str | None:
    """The lower-case form with hyphens of any spelling of a UUID that a server takes; None for other text."""
    return str(uuid.UUID(text)) if _SPELLINGS.fullmatch(text) else None


def map_id(record: int | str, *, folds_uuids: bool) -> PointId:
    """The id in the target. `folds_uuids`: every spelling of a UUID is one point at the source, as it is in Qdrant.

    Raises `UnicodeEncodeError` when the id holds half of a surrogate pair.
    """
    if isinstance(record, int):
        return record if 0 <= record < 1 << 64 else hashed(str(record))
    if _CANONICAL.fullmatch(record):
        return record
    return (canonical_uuid(record) if folds_uuids else None) or hashed(record)


def kept(record: int | str, identity: PointId, *, folds_uuids: bool) -> bool:
    """Whether an id still says in the target what it was at the source."""
    return identity == record or (folds_uuids and isinstance(record, str) and identity == canonical_uuid(record))


def keep_original(payload: Payload, record: int | str) -> Payload:
    """The payload with the source's own id in it, under a name that the payload does not use yet."""
    return {**payload, free_name(SOURCE_ID, payload): record}


def hashed(text: str) -> str:
    """What a text becomes: `uuid.uuid5` of our namespace, without the object in between: half of the time."""
    octets = bytearray(sha1(NAMESPACE.bytes + text.encode(), usedforsecurity=False).digest()[:16])
    octets[6], octets[8] = octets[6] & 0x0F | 0x50, octets[8] & 0x3F | 0x80
    digits = octets.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


Numbers = npt.NDArray[np.int64]
Entries = Callable[[], Iterator[tuple[Sequence[int | str], Numbers]]]
"""Walks over all entries, some at a time: their keys, and their ranks. Called twice; walks the same way both times."""


def repeated_hashes(hashes: Numbers) -> Numbers:
    """Those that come more than once. Sorts them in place: at a million rows every copy counts."""
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def superseded(entries: Entries) -> Numbers:
    """The numbers, in the order of the walk and ascending, of entries whose key another one of a higher rank has.

    Of those of the same rank the first one holds. Keys are hashed first; only what shares a hash is looked at itself.
    """
    hashes = [np.fromiter(map(hash, keys), dtype=np.int64, count=len(keys)) for keys, _ in entries()]
    hashed = np.concatenate(hashes) if hashes else np.empty(0, dtype=np.int64)
    del hashes
    shared = repeated_hashes(hashed.copy())
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
    at = bisect_left(numbers, number)
    return at < len(numbers) and int(numbers[at]) == number
