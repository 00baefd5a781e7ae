"""Whether a point in the target is the record of the source, content and all."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.canonical import stored_float
from qdrant_admin.database.models import Floats, Point, Sparse, Vector, VectorSpec
from qdrant_admin.migration.reports import CollectionResult

COSINE_TOLERANCE = 1e-6
"""Per component of the unit vector: the server normalises in 32 bits, one ulp off NumPy's result."""
HALF_TOLERANCE = 1e-3
"""The same where the server stores 16 bits, with 11 bits of mantissa."""
_CONTENT = (
    "vectors bit for bit, "
    f"under Cosine (where the server normalises) as unit vectors within {COSINE_TOLERANCE:g}; "
    "payload exactly, floats of 16 digits and more as the server's number parser reads them"
)
WORDS = (
    "exact counts, and every id, vector and payload read again at the source and compared, ids both ways: " + _CONTENT
)


def sample_of(verify: str) -> int | None:
    """The number of points whose content is compared, None for all; `BadInput` for neither `full` nor `sample:N`."""
    if verify == "full":
        return None
    word, _, count = verify.partition(":")
    if word == "sample" and count.isascii() and count.isdigit() and int(count) > 0:
        return int(count)
    why = "full compares every point; sample:1000 the content of 1,000, and every id"
    raise BadInput(f"--verify {plain(verify)} is neither full nor a sample", why=why, fix=Command("migrate", help=True))


def words(results: Iterable[CollectionResult]) -> str:
    compared = [one for one in results if one.verdict != "skipped"]
    sampled = [one.sampled for one in compared if one.sampled is not None]
    if not compared:
        return ""
    if not sampled:
        return WORDS
    chosen = f"a sample of {counted(sum(sampled), 'point')}"
    return f"exact counts, every id both ways, and vectors and payload of {chosen} compared: {_CONTENT}"


def unlike(wanted: Sequence[Point], found: Sequence[Point], slots: Mapping[str, VectorSpec]) -> list[int]:
    """Indices at which `found` is not what the target must hold after `wanted` was written into it."""
    pairs = list(zip(wanted, found, strict=True))
    bad = {place for place, (one, two) in enumerate(pairs) if one.vectors.keys() != two.vectors.keys()}
    for name, slot in slots.items():
        places = [place for place, (one, _) in enumerate(pairs) if name in one.vectors and place not in bad]
        vectors = [(pairs[place][0].vectors[name], pairs[place][1].vectors[name]) for place in places]
        bad.update(places[row] for row in _unlike_vectors(vectors, slot))
    rest = [(place, *pair) for place, pair in enumerate(pairs) if place not in bad]
    return sorted(bad.union(place for place, one, two in rest if not same_payload(one.payload, two.payload)))


def same_payload(wanted: Mapping[str, object], found: Mapping[str, object]) -> bool:
    """Whether two payloads are equal: 1, 1.0 and true told apart, a float as the server's number parser reads it."""
    return _same_value(wanted, found) or _canonical(wanted) == _canonical(found)


def _canonical(payload: Mapping[str, object]) -> str:
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def _same_value(wanted: object, found: object) -> bool:
    if type(wanted) is not type(found):
        return False
    if isinstance(wanted, dict) and isinstance(found, dict):
        return len(wanted) == len(found) and all(
            key in found and _same_value(value, found[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_same_value, wanted, found))
    if isinstance(wanted, float) and isinstance(found, float):
        return _same_float(wanted, found)
    return wanted == found


def _same_float(wanted: float, found: float) -> bool:
    if wanted == found and math.copysign(1, wanted) == math.copysign(1, found):
        return True
    once = stored_float(wanted)
    return repr(found) in {repr(once), repr(stored_float(once))}


def unlike_rows(wanted: Floats, found: Floats, slot: VectorSpec) -> list[int]:
    rows = np.flatnonzero((wanted.view(np.uint32) != found.view(np.uint32)).any(axis=1))
    if rows.size:
        rows = rows[~_same_rows(wanted[rows], found[rows], slot)]
    return [int(row) for row in rows]


def _unlike_vectors(pairs: Sequence[tuple[Vector, Vector]], slot: VectorSpec) -> list[int]:
    """Indices of the pairs that differ; dense vectors are compared all at once."""
    plain = [
        row for row, (one, two) in enumerate(pairs) if _dense(one, slot) and _dense(two, slot) and slot.kind == "dense"
    ]
    bad = []
    if plain:
        wanted, found = (np.stack([np.asarray(pairs[row][side], np.float32) for row in plain]) for side in (0, 1))
        bad = [plain[row] for row in unlike_rows(wanted, found, slot)]
    seen = set(plain)
    return bad + [row for row, pair in enumerate(pairs) if row not in seen and not _same_vector(*pair, slot)]


def _dense(vector: Vector, slot: VectorSpec) -> bool:
    return not isinstance(vector, Sparse) and vector.shape == (slot.size,)


def _same_vector(wanted: Vector, found: Vector, slot: VectorSpec) -> bool:
    if isinstance(wanted, Sparse) or isinstance(found, Sparse):
        return isinstance(wanted, Sparse) and isinstance(found, Sparse) and _same_sparse(wanted, found, slot)
    if slot.kind == "multi":
        wanted, found = np.atleast_2d(wanted), np.atleast_2d(found)
    if wanted.shape != found.shape:
        return False
    return bool(np.all(_same_rows(np.asarray(wanted, np.float32), np.asarray(found, np.float32), slot)))


def _same_rows(wanted: Floats, found: Floats, slot: VectorSpec) -> npt.NDArray[np.bool_]:
    if slot.distance == "Cosine" and slot.datatype != "uint8":
        tolerance = HALF_TOLERANCE if slot.datatype == "float16" else COSINE_TOLERANCE
        furthest: npt.NDArray[np.float64] = np.abs(_unit(wanted) - _unit(found)).max(axis=-1, initial=0.0)
        return furthest <= tolerance
    kept = _stored(wanted, slot.datatype)
    alike: npt.NDArray[np.bool_] = (kept == found) & (np.signbit(kept) == np.signbit(found))
    return np.asarray(alike.all(axis=-1), np.bool_)


def _same_sparse(wanted: Sparse, found: Sparse, slot: VectorSpec) -> bool:
    order = np.argsort(wanted.indices, kind="stable")
    datatype = str((slot.params.get("index") or {}).get("datatype") or slot.datatype)
    values = wanted.values[order]
    return np.array_equal(wanted.indices[order], found.indices) and (
        np.array_equal(values, found.values) or np.array_equal(_stored(values, datatype), found.values)
    )


def _stored(vector: Floats, datatype: str) -> Floats:
    if datatype == "float16":
        return vector.astype(np.float16).astype(np.float32)
    if datatype == "uint8":
        return np.clip(vector, 0, 255).astype(np.uint8).astype(np.float32)
    return vector


def _unit(vector: Floats) -> npt.NDArray[np.float64]:
    wide = vector.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    np.divide(wide, length, out=wide, where=length != 0)
    return wide
