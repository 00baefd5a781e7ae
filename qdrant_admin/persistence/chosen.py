"""The collections that a check was asked for by name: aliases are resolved, and what is gone is told from a typo."""

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput, NotFound
from qdrant_admin.core.formatting import counted, plain
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.state import inventory, records
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

_LOOKED_BACK = 200
"""Checks in which a name is looked for."""
_REMOVED = {
    "command": "a command of qdrant-admin removed it",
    "request": "a request removed it",
    "accepted": "that it is gone was accepted",
}


def resolved(
    ws: Workspace, database: Database, wanted: Collection[str], baseline: VerifyReport | None
) -> dict[str, str]:
    """Each name as it was asked for, and the collection that it means.

    One that `baseline` holds need not be there: that it is gone is for the comparison to say.

    Raises:
        NotFound: it was here once, and no longer is.
        BadInput: there is no such name, and there never was one that we know of.
    """
    if not wanted:
        return {}
    names, aliases = database.names(), database.aliases()
    then = {check.name for check in baseline.collections} if baseline else set()
    found = {}
    for one in wanted:
        if one in names or (one in then and one not in aliases):
            found[one] = one
        elif one in aliases:
            found[one] = aliases[one]
        else:
            raise _absent(ws, one, [*names, *aliases])
    return found


def _absent(ws: Workspace, name: str, names: list[str]) -> AdminError:
    shown = plain(name)
    if why := _why_gone(ws.store, ws.settings.name, name):
        fix = Command("logs", tail=1000) if ws.runtime.capabilities.logs else Command("history", "list")
        return NotFound(f"collection “{shown}” is gone", why=why, fix=fix.on(ws.settings.name))
    return BadInput(
        f"there is no collection “{shown}”",
        why=f"there are: {plain(', '.join(names))}" if names else "nothing is stored yet",
        fix=Command("collections", "list").on(ws.settings.name),
    )


def _why_gone(store: StateStore, profile: str, name: str) -> str:
    """What is known of a collection that was here at an earlier look; empty where nothing is."""
    with suppress(AdminError):  # a state that cannot be read knows nothing
        for storage in inventory.storages(store, profile):
            for one in storage.collections:
                if one.name == name:
                    gone = f"; {_REMOVED[one.gone]}{_on(one.gone_at)}" if one.gone else ""
                    return f"there were {counted(one.points, 'point')} in it{_on(one.at)}{gone}"
        for _, text in store.reports("verify", profile, _LOOKED_BACK):
            report = records.load(VerifyReport, text)
            if not isinstance(report, VerifyReport):
                continue
            for check in report.collections:
                if check.name == name and (side := check.after or check.before):
                    return f"there were {counted(side.points, 'point')} in it{_on(report.at)}"
    return ""


def _on(when: datetime | None) -> str:
    return f" on {when.astimezone():%Y-%m-%d %H:%M}" if when else ""
