"""Collection names: which of them may be sent to a server, which may be created, and how text becomes one.

Qdrant 1.16.3 lets `.` and `..` through and deletes its own storage folder (GHSA-jwrp-6pff-wg9c); on Windows names
made of dots, names that end in a dot or a space, and device names end up in other folders than their own
(https://github.com/qdrant/qdrant/issues/10418). The limits below were found by trying every code point from 0 to 127.
"""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import quote

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain

MAX_LENGTH = 255
"""Characters, and bytes of UTF-8 as well: the server makes a folder of that name."""
MAX_NEW_LENGTH = 200

_FORBIDDEN = frozenset('\x00\x1f"*/:<>?\\|')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?", re.IGNORECASE | re.DOTALL)
_HOW_TO_NAME = "use letters, digits, _ and -, such as my_memories"


def check_collection_name(name: str) -> None:
    """Before every request: `BadInput` for a name that would destroy a server's storage or that no server can hold."""
    reason = _unsendable(name)
    if reason:
        raise _refusal(name, reason)


def check_stored_name(name: str) -> None:
    """Before creating and deleting: `BadInput` also for a name that is another folder than its own on Windows.

    Such a collection may exist on a Linux server and can be read.
    """
    check_collection_name(name)
    if name[-1] in ". ":
        raise _refusal(name, "a name that ends in a dot or a space is another folder on Windows")
    if _DEVICE.fullmatch(name.rstrip()):
        raise _refusal(name, "it is the name of a device on Windows")


def safe_name(text: str) -> str:
    """The nearest name of up to 200 letters, digits, `_`, `.` and `-` that is its own folder everywhere.

    A name that is one already stays as it is.
    """
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", folded)
    name = name.lstrip("_.-")[:MAX_NEW_LENGTH].rstrip(".")
    if name != text:
        name = name.rstrip("_-.")
    if not name:
        return "collection"
    return f"c_{name}"[:MAX_NEW_LENGTH].rstrip(".") if _DEVICE.fullmatch(name) else name


def unique_name(name: str, taken: Iterable[str]) -> str:
    """The name itself, or with the first free number: `notes`, `notes_2`, `notes_3`."""
    folded = {_folded(other) for other in taken}
    candidate, number = name, 1
    while _folded(candidate) in folded:
        number += 1
        ending = f"_{number}"
        candidate = name[: MAX_NEW_LENGTH - len(ending)] + ending
    return candidate


def quoted(name: str) -> str:
    """The name as a segment of a REST path: `a#b` becomes `a%23b`."""
    return quote(name, safe="")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _unsendable(name: str) -> str:
    if not name:
        return "it is empty"
    if name in {".", ".."}:
        return "a request about it would destroy the server's storage folder"
    found = sorted(_FORBIDDEN.intersection(name))
    if found:
        return f"the server takes no {plain(found[0])!r} in a name"
    if len(name) > MAX_LENGTH:
        return f"it has {len(name)} characters, and a server takes {MAX_LENGTH}"
    try:
        octets = len(name.encode())
    except UnicodeEncodeError:
        return "it is not valid Unicode text (a lone surrogate)"
    return f"it has {octets} bytes, and a server takes {MAX_LENGTH}" if octets > MAX_LENGTH else ""


def _refusal(name: str, reason: str) -> BadInput:
    shown = plain(name if len(name) <= 60 else name[:59] + "…")
    return BadInput(f"the collection name “{shown}” is refused", why=reason, fix=_HOW_TO_NAME)
