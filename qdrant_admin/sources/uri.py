"""A migration source as people write it: `chroma:./memory`, `qdrant+http://127.0.0.1:6333?collection=notes`."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import url2pathname

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.formatting import plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import FolderUri, ServerUri, SourceUri
from qdrant_admin.sources.registry import SourceKind, kind_of, kinds, trouble

KEY_VARIABLE = "QDRANT_ADMIN_SOURCE_API_KEY"
"""The only place a source's secret comes from: a URI is shown, stored, and seen by everybody who lists processes."""
_ALIASES = {"postgres": "postgresql"}


def parse(text: str) -> SourceUri:
    """Take a source apart.

    Raises `BadInput` for an unknown scheme, a bare path (it says which URI to use), or a part that makes no sense.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = _ALIASES.get(scheme.lower(), scheme.lower())
    # On Windows a single letter is a drive; and a scheme never has a slash in it.
    kind = kind_of(scheme) if len(scheme) > 1 and colon else None
    if kind is None:
        if not colon or len(scheme) == 1 or "/" in scheme or "\\" in scheme or Path(text).exists():
            raise _bare_path(text)
        why = plain(trouble(scheme)) or f"known are {', '.join(kind.form for kind in kinds())}"
        raise BadInput(f"no source is called {plain(scheme)}:", why=why, fix=HELP)
    return _folder(kind, rest) if kind.address == "path" else _server(kind, f"{scheme}:{rest}")


def source_key() -> str | None:
    """The secret of a source that is a server, from the environment; None when there is none."""
    return os.environ.get(KEY_VARIABLE, "").strip() or None


def _folder(kind: SourceKind, rest: str) -> FolderUri:
    name, query = _split_query(rest)
    name = name.removeprefix("//")
    if not name:
        raise BadInput(f"{kind.scheme}: names no file or folder", fix=Command("migrate", kind.form))
    if "%" in name and not Path(name).expanduser().exists():
        name = url2pathname(name)
    return FolderUri(scheme=kind.scheme, path=Path(name).expanduser().absolute(), **_asked(kind, query))


def _server(kind: SourceKind, text: str) -> ServerUri:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(f"{plain(text)} is not an address", why=str(error), fix=HELP) from error
    scheme = parts.scheme.lower()
    if parts.password or (parts.username and kind.address == "server"):
        why = "it would be stored with the run and is seen by everybody who lists processes"
        raise BadInput("a source's address must not hold a secret", why=why, fix=f"export {KEY_VARIABLE}=...")
    asked = _asked(kind, dict(parse_qsl(parts.query, keep_blank_values=True)))
    if not host and not {"host", "service"} & asked["options"].keys():  # a database may have its place in an option
        raise BadInput(f"{plain(text)} names no host", fix=Command("migrate", kind.form))
    place = f"[{host}]" if host and ":" in host else host or ""
    port = port or (kind.port if host else None)
    place += f":{port}" if port else ""
    user = f"{parts.username}@" if parts.username else ""
    transport = scheme.partition("+")[2] or scheme
    return ServerUri(scheme=scheme, url=f"{transport}://{user}{place}{parts.path.rstrip('/')}", **asked)


def _split_query(rest: str) -> tuple[str, dict[str, str]]:
    """A `?` may be part of a folder's name: the query is what follows the last one, when it looks like one."""
    name, mark, query = rest.rpartition("?")
    if not mark or "=" not in query or Path(rest).exists():
        return rest, {}
    return name, dict(parse_qsl(query, keep_blank_values=True))


def _asked(kind: SourceKind, query: dict[str, str]) -> dict[str, Any]:
    """What a query says of a source of this kind."""
    known = {"collection", *kind.options}
    for name in query:
        if name not in known:
            why = f"it knows {', '.join(sorted(known))}"
            raise BadInput(f"{kind.scheme}: knows no option {plain(name)}", why=why, fix=HELP)
    return {"collection": query.pop("collection", None), "options": query}


def _bare_path(text: str) -> BadInput:
    from qdrant_admin.sources.detect import look

    found = look(Path(text).expanduser().absolute())
    place = text if found.place is None else str(found.place)
    fix = Command("migrate", f"{found.scheme}:{place}") if found.scheme else HELP
    return BadInput(f"{plain(text)} is not a source", why=f"it is {found.words}", fix=fix)
