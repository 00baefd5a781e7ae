"""Vectors that a store keeps as bytes, of which nothing says what they are: a guess that is checked before it is made.

Embeddings have components of a few orders of magnitude. Bytes of another kind, read as floats of 32 bits, have
exponents from one end to the other, or look as much like that kind as like floats.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

BYTES = {
    "float32": "<f4",
    "float32be": ">f4",
    "float64": "<f8",
    "float16": "<f2",
    "int8": "|i1",
    "uint8": "|u1",
}
"""What the numbers of a vector may be that lies in a file as bytes: the words of the option, and NumPy's names."""
_LARGEST, _LEAST = 1e6, 1e-6
"""Between these lies the largest component of an embedding."""
_SPREAD, _OUTLIERS = 1e-7, 0.02
"""Of the largest component, and the share of components other than 0 that may be smaller than that."""
_ENOUGH = 64
"""Components that it takes to tell floats of 16 bits from the halves of those of 32."""
_HALF_BITS, _BRAIN_BITS = 0x1FFF, 0xFFFF
"""The bits of a float of 32 that are 0 where it was one of 16 (the IEEE kind, and bfloat16), or is a round number."""
_MOST = 0.5
_TEXT = re.compile(rb"[\t\n\r\x20-\x7e]+")


def doubt(values: Sequence[bytes]) -> str:
    """Why these may not be floats of 32 bits, little-endian, in words that go on after `they`; empty when they are.

    `values`: the bytes of some vectors, none of them empty.
    """
    joined = b"".join(values)
    odd = next((len(one) for one in values if len(one) % 4), 0)
    if odd:
        return f"have {odd} bytes, which is not a whole number of floats of 32 bits"
    if _TEXT.fullmatch(joined):
        return "are text"
    if not any(joined):
        return "are all zero, which is the same in every kind of number"
    if not plausible(joined, "<f4"):
        return "do not read like an embedding of floats of 32 bits"
    also = _rivals(joined)
    return f"read like {also} as well" if also else ""


def _rivals(octets: bytes) -> str:
    """As what else bytes may be read that look like floats of 32 bits; empty when as nothing."""
    words = np.frombuffer(octets, dtype="<u4")
    if len(words) > 2 and not words[0::2].any() and plausible(octets, "<f8"):
        return "floats of 64 bits"
    if len(words) < _ENOUGH:
        return ""
    if (words & _HALF_BITS > 0).mean() > _MOST and plausible(octets, "<f2"):
        return "floats of 16 bits"
    return "bfloat16" if (words & _BRAIN_BITS > 0).mean() > _MOST and _plausible(_brain(octets)) else ""


def fitting(values: Sequence[bytes]) -> list[str]:
    """What else they may be, by the words of `BYTES`, the likeliest first."""
    joined = b"".join(values)
    wide = [
        word
        for word in ("float32be", "float64", "float16")
        if not any(len(one) % np.dtype(BYTES[word]).itemsize for one in values) and plausible(joined, BYTES[word])
    ]
    return wide or ["int8", "uint8"]


def components(values: Sequence[bytes], word: str) -> int:
    """How many of them most of these vectors would have."""
    width = np.dtype(BYTES[word]).itemsize
    return Counter(len(one) // width for one in values).most_common(1)[0][0]


def plausible(octets: bytes, kind: str) -> bool:
    """Whether bytes, read as such numbers, are like the components of embeddings."""
    return not len(octets) % np.dtype(kind).itemsize and _plausible(np.frombuffer(octets, dtype=kind))


def _plausible(read: npt.NDArray[np.floating]) -> bool:
    with np.errstate(invalid="ignore"):
        numbers = np.abs(read.astype(np.float64))
    given = numbers[numbers > 0]
    if not np.isfinite(numbers).all() or not len(given) or not _LEAST <= given.max() <= _LARGEST:
        return False
    return bool((given < given.max() * _SPREAD).mean() <= _OUTLIERS)


def _brain(octets: bytes) -> npt.NDArray[np.float32]:
    """Bytes as bfloat16: each is the upper half of a float of 32 bits."""
    return (np.frombuffer(octets, dtype="<u2").astype("<u4") << 16).view("<f4")
