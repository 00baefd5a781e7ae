"""What a file of text is written in, and what it is packed with: only UTF-8 and gzip are taken without being asked."""

import codecs
import json
from collections.abc import Iterable
from pathlib import Path

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import SourceUnreadable
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources.base import FolderUri

_PACKED = (
    (b"PK\x03\x04", "a ZIP archive", "unzip"),
    (b"\x28\xb5\x2f\xfd", "packed with Zstandard", "unzstd"),
    (b"\xfd7zXZ\x00", "packed with XZ", "unxz"),
    (b"BZh91AY&SY", "packed with bzip2", "bunzip2"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x"),
    (b"\x04\x22\x4d\x18", "packed with LZ4", "unlz4"),
)
"""How such files begin, what they are, and what unpacks them. Some rows of an archive may well be readable."""
LONGEST = max(len(magic) for magic, *_ in _PACKED)
_LATIN, _WINDOWS = "iso8859", "cp1252"
_CONTROLS = frozenset(range(0x80, 0xA0))
"""Control characters in ISO 8859, which no text has; Windows has letters there, the euro sign and quotes."""


def check_unpacked(path: Path, head: bytes) -> None:
    """Raise `SourceUnreadable` for a file that begins like one packed by something that is not unpacked here."""
    for magic, what, command in _PACKED:
        if head.startswith(magic):
            fix = f'{command} "{path}"'
            raise SourceUnreadable(f"{plain(path)} is {what}", why="only gzip is unpacked on the way", fix=fix)


def check_utf8(path: Path, head: bytes) -> None:
    """Raise `SourceUnreadable` for text that begins like UTF-16 or UTF-32, with their mark or without."""
    kind = json.detect_encoding(head)
    if not kind.startswith("utf-8"):
        fix = f'iconv -f {kind} -t utf-8 "{path}" > utf8.txt'
        raise SourceUnreadable(f"{plain(path)} is not UTF-8", why=f"it begins like {kind.upper()}", fix=fix)


def likely(octets: bytes) -> str:
    """What text of Western Europe that is no UTF-8 is most likely written in."""
    return _WINDOWS if _CONTROLS.intersection(octets) else "latin-1"


def check_asked(uri: FolderUri, path: Path, encoding: str, lines: Iterable[bytes]) -> None:
    """Raise `SourceUnreadable` where text is hardly in the encoding that a URI asks for."""
    why, other = _doubt(encoding, lines)
    if why:
        what = f"{plain(path)} does not look like {plain(encoding)}"
        raise SourceUnreadable(what, why=why, fix=Command("migrate", uri.asking(encoding=other)))


def _doubt(encoding: str, lines: Iterable[bytes]) -> tuple[str, str]:
    """Why text may not be in an encoding, and in which it is instead; both empty when it may."""
    asked = codecs.lookup(encoding).name
    if asked.startswith("utf"):
        return "", ""
    controls, others, utf8 = False, False, True
    for octets in lines:
        if octets.isascii():
            continue
        others, controls = True, controls or not _CONTROLS.isdisjoint(octets)
        utf8 = utf8 and _is_utf8(octets)
    if others and utf8:
        return "all of it reads as UTF-8, as which text in another encoding hardly ever does", "utf-8"
    if controls and asked.startswith(_LATIN):
        return "it has bytes from 0x80 to 0x9f, which are no characters there; in cp1252 they are", _WINDOWS
    return "", ""


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
