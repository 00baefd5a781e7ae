"""One form of a point, whatever transport, key order or segment it came from, and its digest.

Two readings of a stored point give the same bytes, and any difference in it gives other ones: payload keys are sorted
at every level (their order over gRPC differs from read to read), integers and floats are kept apart, vectors are the
little-endian float32 that the server stores, bit by bit.
"""

import json
import math
import uuid
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from qdrant_admin.database.models import Floats, Point, PointId, Sparse, Vector, VectorKind

SUM_MODULUS = 1 << 256
_FLOAT = np.dtype("<f4")
_NAN = np.float32(np.nan)
_SCALARS = (int, float, bool, type(None))
_encode_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
Kinds = Mapping[str, VectorKind]


class PointHash(NamedTuple):
    """The digest of a point, and short ones of its parts that can say what of it changed."""

    whole: bytes
    """blake2b-256; decides."""
    payload: int
    """CRC-32 of the canonical payload."""
    vectors: tuple[tuple[str, int], ...]
    """Name and CRC-32 of every vector, by name. A CRC-32 finds every change of up to 32 bits in a row."""
    non_finite: bool
    """Whether a vector holds NaN or an infinity."""


def hash_point(point: Point, kinds: Kinds) -> PointHash:
    """The digest of everything that a point holds.

    Args:
        point: as read from a server.
        kinds: kind of each vector name from the collection's configuration: over gRPC a multivector of one row looks
            like a dense one (seen on 1.16.3).
    """
    payload = payload_bytes(point.payload)
    hasher = blake2b(b"P1" + _id_bytes(point.id) + len(payload).to_bytes(8, "little") + payload, digest_size=32)
    parts: list[tuple[str, int]] = []
    finite = True
    vectors = point.vectors
    for name in sorted(vectors) if len(vectors) > 1 else vectors:
        head, floats, is_finite = vector_parts(vectors[name], kinds.get(name))
        label = name.encode("utf-8", "surrogatepass")
        octets = len(head) + len(floats)
        hasher.update(len(label).to_bytes(4, "little") + label + octets.to_bytes(8, "little") + head)
        hasher.update(floats)
        parts.append((name, zlib.crc32(floats, zlib.crc32(head))))
        finite = finite and is_finite
    return PointHash(hasher.digest(), zlib.crc32(payload), tuple(parts), not finite)


def payload_bytes(payload: Mapping[str, Any]) -> bytes:
    """Canonical JSON of a payload."""
    return _encode_json(payload).encode("utf-8", "surrogatepass")


def vector_parts(vector: Vector, kind: VectorKind | None) -> tuple[bytes, bytes, bool]:
    """Kind and shape of a vector, its components, and whether all of them are finite."""
    if isinstance(vector, Sparse):
        order = np.argsort(vector.indices, kind="stable")
        floats, finite = _plain(np.asarray(vector.values)[order])
        indices = np.asarray(vector.indices)[order].astype("<u4").tobytes()
        return b"S" + len(order).to_bytes(4, "little") + indices, floats, finite
    floats, finite = _plain(vector)
    if kind == "multi" or (kind is None and vector.ndim == 2):
        rows, size = vector.shape if vector.ndim == 2 else (1, vector.shape[0])
        return b"M" + rows.to_bytes(4, "little") + size.to_bytes(4, "little"), floats, finite
    return b"D" + vector.size.to_bytes(4, "little"), floats, finite


def field_digest(value: Any) -> int:
    """16 bits of one payload value: enough to name the field, once the whole is known to differ."""
    if isinstance(value, str):
        return zlib.crc32(value.encode("utf-8", "surrogatepass"), 1) & 0xFFFF
    text = f"{type(value).__name__}:{value}" if isinstance(value, _SCALARS) else _encode_json(value)
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) & 0xFFFF


def id_key(point_id: PointId) -> bytes:
    """17 bytes in the server's own order: integers ascending, then UUIDs."""
    if isinstance(point_id, int):
        return b"\0" + point_id.to_bytes(16, "big")
    digits = point_id.replace("-", "")
    return b"\1" + (bytes.fromhex(digits) if len(digits) == 32 else uuid.UUID(point_id).bytes)


def id_of_key(key: bytes) -> PointId:
    """The id that `id_key` was made from."""
    return int.from_bytes(key[1:], "big") if key[0] == 0 else str(uuid.UUID(bytes=key[1:]))


def _id_bytes(point_id: PointId) -> bytes:
    return b"n%d" % point_id if isinstance(point_id, int) else b"u" + point_id.lower().encode()


def _plain(values: Floats) -> tuple[bytes, bool]:
    """Little-endian float32; every NaN has the same bits, since REST can only say `null`."""
    array = np.ascontiguousarray(values, _FLOAT)
    # A sum of squares is finite only when everything in it is; should it overflow, the slower way is right as well.
    if math.isfinite(np.vdot(array, array)):
        return array.tobytes(), True
    return np.where(np.isnan(array), _NAN, array).astype(_FLOAT).tobytes(), bool(np.isfinite(array).all())
