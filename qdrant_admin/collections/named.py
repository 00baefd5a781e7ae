"""What a collection's name means today: an alias is resolved, and what is gone is told from what never was.

Every command that takes the name of a collection asks here, before it does anything else.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput, NotFound
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.lifecycle.noting import remembered

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database
    from qdrant_admin.workspace import Workspace

_LISTED = 10


class Named(NamedTuple):
    """A collection, and how it was asked for."""

    name: str
    alias: str = ""
    """Empty where it was asked for by its own name."""

    @property
    def words(self) -> str:
        """What is said of an alias; empty for a name of its own."""
        return is_alias(self.alias, self.name) if self.alias else ""


def is_alias(alias: str, name: str) -> str:
    return f"{plain(alias)} is an alias of collection {plain(name)}"


def named(ws: "Workspace", database: "Database", asked: str, *, known: Collection[str] = ()) -> Named:
    """The collection that is meant by a name; one that is in `known` need not be there any more.

    Raises:
        NotFound: it was here at an earlier look and no longer is.
        BadInput: there is none of that name, and never was one that we know of.
        AccessDenied: the API key does not open it, so nobody can tell.
    """
    names, aliases = database.names(), database.aliases()
    if asked in names:
        return Named(asked)
    if asked in aliases:
        return Named(aliases[asked], asked)
    if asked in known:
        return Named(asked)
    if _readable(asked) and database.exists(asked):  # with a key for some collections, others are not listed
        return Named(asked)
    raise _absent(ws, asked, [*names, *aliases])


def _readable(name: str) -> bool:
    """Whether it could be the name of a collection at all: no other is ever sent to a server."""
    from qdrant_admin.database.names import check_collection_name

    with suppress(BadInput):
        check_collection_name(name)
        return True
    return False


def _absent(ws: "Workspace", name: str, names: list[str]) -> AdminError:
    profile, past = ws.settings.name, None
    with suppress(AdminError):  # a state that cannot be read knows nothing
        past = remembered(ws.store, profile, name)
    if past is not None:
        log = ws.runtime.capabilities.logs and not past.in_history
        fix = Command("logs", tail=1000) if log else Command("history", "list")
        return NotFound(f"the collection “{plain(name)}” is gone", why=past.words, fix=fix.on(profile))
    return BadInput(
        f"there is no collection “{plain(name)}”", why=_there(names), fix=Command("collections", "list").on(profile)
    )


def _there(names: list[str]) -> str:
    if not names:
        return "nothing is stored yet"
    more = f", and {counted(len(names) - _LISTED, 'other')}" if len(names) > _LISTED else ""
    return f"there are: {plain(', '.join(names[:_LISTED]))}{more}"
