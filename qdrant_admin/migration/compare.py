"""Whether a point in the target is the record of the source, content and all."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from qdrant_admin.database.decimals import stored_float
from qdrant_admin.database.models import Floats, Point, Sparse, Vector, VectorSpec

COSINE_TOLERANCE = 1e-6
"""Of a component of the unit vector: the server normalises in 32 bits, one ulp off NumPy's result."""
HALF_TOLERANCE = 1e-3
"""The same where the server stores 16 bits: 11 bits of mantissa."""
WORDS = (
    "exact counts, and every id, vector and payload read again at the source and compared: vectors bit for bit, "
    f"under Cosine (where the server normalises) as unit vectors within {COSINE_TOLERANCE:g}; "
    "payload exactly, floats of 16 digits and more as the server's number parser reads them"
)


def same(wanted: Point, found: Point, slots: Mapping[str, VectorSpec]) -> bool:
    """Whether `found` is what the target must hold after `wanted` was written into it."""
    if wanted.vectors.keys() != found.vectors.keys():
        return False
    if not all(_same_vector(vector, found.vectors[name], slots[name]) for name, vector in wanted.vectors.items()):
        return False
    return canonical(wanted.payload) == canonical(found.payload) or _same_value(wanted.payload, found.payload)


def canonical(payload: Mapping[str, Any]) -> str:
    """A payload as text: keys sorted at every level, 1 and 1.0 and true told apart."""
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def _same_value(wanted: Any, found: Any) -> bool:
    """As `canonical` compares, save that a float of many digits is what the server's number parser makes of it."""
    if isinstance(wanted, float) and isinstance(found, float):
        once = stored_float(wanted)
        return repr(found) in {repr(wanted), repr(once), repr(stored_float(once))}
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(_same_value(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_same_value, wanted, found))
    return type(wanted) is type(found) and bool(wanted == found)


def _same_vector(wanted: Vector, found: Vector, slot: VectorSpec) -> bool:
    if isinstance(wanted, Sparse) or isinstance(found, Sparse):
        return isinstance(wanted, Sparse) and isinstance(found, Sparse) and _same_sparse(wanted, found, slot)
    if slot.kind == "multi":
        wanted, found = np.atleast_2d(wanted), np.atleast_2d(found)
    if wanted.shape != found.shape:
        return False
    if slot.distance == "Cosine" and slot.datatype != "uint8":
        tolerance = HALF_TOLERANCE if slot.datatype == "float16" else COSINE_TOLERANCE
        return bool(np.abs(_unit(wanted) - _unit(found)).max(initial=0.0) <= tolerance)
    return np.array_equal(_stored(wanted, slot.datatype), found)


def _same_sparse(wanted: Sparse, found: Sparse, slot: VectorSpec) -> bool:
    order = np.argsort(wanted.indices, kind="stable")
    datatype = str((slot.params.get("index") or {}).get("datatype") or slot.datatype)
    values = wanted.values[order]
    return np.array_equal(wanted.indices[order], found.indices) and (
        np.array_equal(values, found.values) or np.array_equal(_stored(values, datatype), found.values)
    )


def _stored(vector: Floats, datatype: str) -> Floats:
    """What the server keeps of a vector in that datatype."""
    if datatype == "float16":
        return vector.astype(np.float16).astype(np.float32)
    if datatype == "uint8":
        return np.clip(vector, 0, 255).astype(np.uint8).astype(np.float32)
    return vector


def _unit(vector: Floats) -> Any:
    wide = vector.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.divide(wide, length, out=wide, where=length != 0)
