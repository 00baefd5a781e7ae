"""Whether records can be stored unchanged, and whether a target takes the vectors of a source.

Records are checked before they are sent: a batch is not atomic, and gRPC stores NaN. Records that the server would
change silently are rejected with a reason; all-zero vectors are kept and counted.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from qdrant_admin.core.formatting import plain
from qdrant_admin.database import encoding
from qdrant_admin.database.models import Floats, Point, PointId, Sparse, Vector, VectorSpec
from qdrant_admin.sources.base import Batch, Columns, Payload, Record, WireBatch
from qdrant_admin.sources.ids import keep_original, kept, map_id

MAX_PAYLOAD_BYTES = 30 * 1024 * 1024
"""Below the server's limit of 32 MiB a REST request, with room for the vector."""
MAX_DEPTH = 50
"""A gRPC message nests no deeper than some 60 levels of payload."""
_INT64 = range(-(1 << 63), 1 << 63)
_FEW, _MODERATE = 32, 100_000
_SURELY_SMALL = 1 << 20
"""Bytes of a point whose payload cannot be too large for a request, however its size is counted."""
_TOO_DEEP = f"its payload nests deeper than {MAX_DEPTH} levels"
_SURROGATE = "its payload holds half of a surrogate pair, which is not valid text"


def target_ids(batch: Batch | WireBatch, *, folds_uuids: bool) -> list[PointId]:
    """The ids that the records of a batch get in the target, without those that cannot be stored."""
    if not isinstance(batch, Batch):
        return batch.page.ids()
    ids = []
    for record in batch.records:
        with suppress(UnicodeEncodeError):  # `Checker` refuses that record, with this as its reason
            ids.append(map_id(record.id, folds_uuids=folds_uuids))
    return ids


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is not sent, and why."""

    record: Record
    reason: str


@dataclass(slots=True)
class Checked:
    """What became of a batch: points to send, and what is left out."""

    points: list[Point] = field(default_factory=list)
    originals: dict[int | str, Record] = field(default_factory=dict)
    """The record by its id in the target."""
    refusals: list[Refusal] = field(default_factory=list)
    zero_vectors: int = 0


class Checker:
    """Turns the records of one collection into points.

    `check` decides record by record. `pack` and `entries` take the short way for whole columns: checked together and
    made into bytes at once. Where that check finds anything odd they make nothing, and `check` has to decide.

    Args:
        slots: the vectors of the target.
        vectorless: whether a record without any vector becomes a point.
        folds_uuids: see `ids.map_id`.
    """

    def __init__(self, slots: Mapping[str, VectorSpec], *, vectorless: bool, folds_uuids: bool) -> None:
        self._slots, self._vectorless, self._folds = slots, vectorless, folds_uuids

    def check(self, records: list[Record]) -> Checked:
        checked = Checked()
        sound = self._all_sound(records)
        for record in records:
            reason = record.trouble or ("" if sound else self._vectors_reason(record.vectors, checked))
            point = None
            if not reason:
                try:
                    point = self._point(record)
                except UnicodeEncodeError:
                    reason = "its id holds half of a surrogate pair, which is not valid text"
            reason = reason or (payload_reason(point.payload) if point else "")
            if reason or point is None:
                checked.refusals.append(Refusal(record, reason))
            else:
                checked.points.append(point)
                checked.originals[point.id] = record
        return checked

    def _all_sound(self, records: list[Record]) -> bool:
        """Whether each has exactly one dense vector, of the right size and fit to be stored: checked all at once."""
        name, slot = next(iter(self._slots.items()), ("", None))
        if slot is None or slot.kind != "dense":
            return False
        vectors = [record.vectors.get(name) for record in records if len(record.vectors) == 1]
        dense = [one for one in vectors if isinstance(one, np.ndarray) and one.shape == (slot.size,)]
        if not dense or len(dense) < len(records):
            return False
        return sound(np.stack(dense), slot)

    def _point(self, record: Record) -> Point:
        identity = map_id(record.id, folds_uuids=self._folds)
        same = kept(record.id, identity, folds_uuids=self._folds)
        return Point(identity, record.payload if same else keep_original(record.payload, record.id), record.vectors)

    def _vectors_reason(self, vectors: Mapping[str, Vector], checked: Checked) -> str:
        if not vectors and not self._vectorless:
            return "it has no vector"
        for name, vector in vectors.items():
            slot = self._slots.get(name)
            words = f"vector {name}" if name else "its vector"
            if slot is None:
                return f"the target has no vector called {name!r}"
            reason = _sparse_reason(vector) if isinstance(vector, Sparse) else _dense_reason(vector, slot)
            if reason:
                return f"{words} {reason}"
            if slot.distance == "Cosine" and not isinstance(vector, Sparse) and not np.any(vector):
                checked.zero_vectors += 1
        return ""

    def pack(self, columns: Columns) -> list[bytes] | None:
        """The encoded points; None where a record may have to be rejected or counted."""
        if not self._fit(columns):
            return None
        try:
            ids, payloads = self._mapped(columns)
            made = encoding.matrix_bytes(ids, payloads, columns.vectors, columns.slot)
        except (encoding.NotEncodable, UnicodeEncodeError):
            return None
        return made if max(map(len, made), default=0) < _SURELY_SMALL else None

    def entries(self, columns: Columns) -> tuple[list[PointId], list[list[bytes]]] | None:
        """The ids and the encoded payload entries of these points; None as in `pack`."""
        if not self._fit(columns):
            return None
        try:
            ids, payloads = self._mapped(columns)
            made = encoding.entries_of_all(payloads)
        except (encoding.NotEncodable, UnicodeEncodeError):
            return None
        if sum(map(len, chain.from_iterable(made))) < _SURELY_SMALL // 2:  # all of them together: nearly always
            return ids, made
        return (ids, made) if max(sum(map(len, one)) for one in made) < _SURELY_SMALL // 2 else None

    def _fit(self, columns: Columns) -> bool:
        slot = self._slots.get(columns.slot)
        if slot is None or slot.kind != "dense" or columns.vectors.shape[1] != slot.size:
            return False
        return sound(columns.vectors, slot)

    def _mapped(self, columns: Columns) -> tuple[list[PointId], list[Payload]]:
        ids = [map_id(one, folds_uuids=self._folds) for one in columns.ids]
        return ids, [
            payload if kept(one, identity, folds_uuids=self._folds) else keep_original(payload, one)
            for one, identity, payload in zip(columns.ids, ids, columns.payloads, strict=True)
        ]


def sound(rows: Floats, slot: VectorSpec) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows)
    return bool(np.isfinite(squares).all() and (slot.distance != "Cosine" or squares.min(initial=np.inf) > 0))


def _dense_reason(vector: Floats, slot: VectorSpec) -> str:
    if slot.kind == "sparse":
        return "is dense, and the target wants it sparse"
    if vector.ndim != (2 if slot.kind == "multi" else 1):
        return f"has the wrong shape {vector.shape}"
    if vector.shape[-1] != slot.size:
        return f"has {vector.shape[-1]} components, the collection takes {slot.size}"
    if not np.isfinite(vector).all():
        return "holds NaN or infinity"
    return _length_reason(vector) if slot.distance == "Cosine" else ""


def _length_reason(vector: Floats) -> str:
    with np.errstate(over="ignore", under="ignore"):
        squares = np.square(vector).sum(axis=-1, dtype=np.float32)
    if not np.isfinite(squares).all():
        return "is too long to be normalised: its length is infinite in 32 bits"
    too_short = bool(((squares == 0) & np.any(vector, axis=-1)).any())
    return "is too short to be normalised: the server would make it zero" if too_short else ""


def _sparse_reason(vector: Sparse) -> str:
    if len(vector.indices) != len(vector.values):
        return "has different numbers of indices and values"
    if not np.isfinite(vector.values).all():
        return "holds NaN or infinity"
    return "names an index twice" if len(np.unique(vector.indices)) != len(vector.indices) else ""


def payload_reason(payload: Mapping[str, object]) -> str:
    """Why this payload would not come back as it is; empty when it would."""
    reason = _value_reason(payload, 0)
    if reason or _surely_small(payload):
        return reason
    octets = len(json.dumps(payload, ensure_ascii=False).encode())
    return f"its payload has {octets} bytes, more than a request may carry" if octets > MAX_PAYLOAD_BYTES else ""


def _surely_small(payload: Mapping[str, object]) -> bool:
    """Whether it has only a few fields, each a number or a text of moderate length."""
    for value in payload.values():
        if isinstance(value, list | Mapping) or (isinstance(value, str) and len(value) > _MODERATE):
            return False
    return len(payload) < _FEW


def _value_reason(value: object, depth: int) -> str:
    if isinstance(value, str):
        return "" if value.isascii() or _encodable(value) else _SURROGATE
    if value is None or value is True or value is False:
        return ""
    if isinstance(value, int | float):
        return _number_reason(value)
    return _inner_reason(value, depth) if depth < MAX_DEPTH else _TOO_DEEP


def _inner_reason(value: object, depth: int) -> str:
    items: Iterable[object]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                return "its payload has a key that is not text"
            if not (key.isascii() or _encodable(key)):
                return _SURROGATE
        items = value.values()
    elif isinstance(value, list):
        items = value
    else:
        return f"its payload holds a {type(value).__name__}, which JSON cannot represent"
    for item in items:
        reason = _value_reason(item, depth + 1)
        if reason:
            return reason
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number_reason(value: float) -> str:
    if isinstance(value, int):
        return "" if value in _INT64 else f"its payload holds {value}, which would lose digits"
    return "" if math.isfinite(value) else f"its payload holds {value}, which JSON cannot represent"


def incompatibilities(wanted: tuple[VectorSpec, ...], there: tuple[VectorSpec, ...]) -> Iterator[str]:
    slots = {slot.name: slot for slot in there}
    for slot in wanted:
        own = slots.get(slot.name)
        words = f"vector {plain(slot.name)}" if slot.name else "the vector"
        if own is None:
            names = ", ".join(plain(name) or "the unnamed one" for name in slots)
            yield f"it has no {words.removeprefix('the ')} (it has {names or 'none'})"
        elif own.kind != slot.kind:
            yield f"{words} is {own.kind} there, {slot.kind} at the source"
        elif own.size != slot.size:
            yield f"{words} has {own.size} components there, {slot.size} at the source"
        elif own.distance != slot.distance:
            yield f"{words} is compared by {own.distance} there, by {slot.distance} at the source"
