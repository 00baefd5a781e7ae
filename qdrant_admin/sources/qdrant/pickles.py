"""The components of many points at once, out of the pickles that qdrant-client's embedded mode writes.

Such a pickle is a dozen short fields and one long run of components, nine bytes each. The run is cut out and read as an
array; what is left is a pickle like the first, of a point whose vector is empty, and goes through the restricted reader
like any other. A pickle that does not begin exactly like one of the client's is not touched.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from qdrant_admin.database.models import Floats

_FRAME = slice(3, 11)
"""Where the length of the rest is, in a pickle that is all one frame."""
_BATCH = 1000
"""Components between two marks: pickles of a longer list have several runs."""
_BETWEEN = b"e("
_COMPONENT = np.dtype([("sign", "S1"), ("value", ">f8")])
_HEAD = (
    rb"\x80[\x04\x05]\x95.{8}\x8c\x20qdrant_client\.http\.models\.models\x94\x8c\x0bPointStruct\x94\x93\x94\)\x81\x94"
    rb"\}\x94\(\x8c\x08__dict__\x94\}\x94\(\x8c\x02id\x94"
    rb"(?:K.|M..|J.{4}|\x8a\x05.{5}|\x8a\x06.{6}|\x8a\x07.{7}|\x8a\x08.{8}|\x8a\x09.{9}|\x8c\x24.{36}\x94)"
    rb"\x8c\x06vector\x94"
)


class PointPickles:
    """Pickles of points with one dense vector.

    Args:
        slot: its name.
        size: its components.
    """

    def __init__(self, slot: str, size: int) -> None:
        self.slot = slot
        name = slot.encode()
        named = b"\x8c" + bytes([len(name)]) + name if len(name) < 1 << 8 else b""
        self._head = re.compile(_HEAD + (rb"\}\x94" + re.escape(named) + rb"\x94" if slot else b"") + rb"\]\x94\(",
                                re.DOTALL)  # fmt: skip
        self.empty = {slot: []} if slot else []
        """What is left of the vector."""
        edges = [*range(0, size, _BATCH), size]
        self._runs = [last - first for first, last in pairwise(edges)]
        self._octets = size * _COMPONENT.itemsize + (len(self._runs) - 1) * len(_BETWEEN)

    def split(self, pickles: Sequence[bytes]) -> tuple[list[bytes], Floats] | None:
        """The pickles without their components, and the components, a row a point; None when one has another form."""
        rests, runs = [], []
        for one in pickles:
            found = self._head.match(one) if isinstance(one, bytes) else None
            if found is None:
                return None
            start, end = found.end(), found.end() + self._octets
            framed = len(one) - _FRAME.stop
            if int.from_bytes(one[_FRAME], "little") != framed or one[end : end + 1] != b"e":
                return None
            length = (framed - self._octets).to_bytes(8, "little")
            rests.append(b"".join((one[: _FRAME.start], length, one[_FRAME.stop : start], one[end:])))
            runs.append(one[start:end])
        vectors = self._read(b"".join(runs), len(pickles))
        return None if vectors is None else (rests, vectors)

    def _read(self, octets: bytes, count: int) -> Floats | None:
        rows = np.frombuffer(octets, dtype=np.uint8).reshape(count, self._octets)
        parts, at = [], 0
        for run in self._runs:
            if at and (rows[:, at - len(_BETWEEN) : at] != list(_BETWEEN)).any():
                return None
            width = run * _COMPONENT.itemsize
            components = np.ascontiguousarray(rows[:, at : at + width]).view(_COMPONENT)
            if (components["sign"] != b"G").any():
                return None  # a whole number, say
            parts.append(components["value"])
            at += width + len(_BETWEEN)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
