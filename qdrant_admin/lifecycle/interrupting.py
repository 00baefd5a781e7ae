"""A restart that reaches beyond our own server is made only when somebody has said yes to just that."""

from qdrant_admin.core.errors import ConfirmationMissing
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.server.runtime import RestartMethod
from qdrant_admin.workspace import Workspace


def others_interrupted(ws: Workspace, how: RestartMethod, *, confirmed: bool, doing: str) -> tuple[str, ...]:
    """Names of what else will be interrupted.

    Args:
        ws: the profile.
        how: of the restart.
        confirmed: whether somebody said yes.
        doing: the command that was given: `restart`, `verify`.

    Raises:
        ConfirmationMissing: the engine itself would be restarted, and nobody said yes.
        Unsupported: it cannot be done from here.
    """
    others = ws.runtime.interrupts(how)
    if how == "engine" and not confirmed:
        also = f"that would interrupt {', '.join(others)} as well" if others else "nothing else runs on it now"
        raise ConfirmationMissing(
            f"the container engine itself would be restarted: {ws.runtime.inspect().engine}",
            why=f"{also}; this needs a clear yes",
            fix=command(ws.settings, f"{doing} --how engine --yes"),
        )
    return others


def others_words(others: tuple[str, ...]) -> str:
    """`; interrupted as well: web, db`; empty for none."""
    return f"; interrupted as well: {', '.join(others)}" if others else ""
