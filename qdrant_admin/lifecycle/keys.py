"""An API key for a server that has none: made, kept, and handed to the next `up`. Never an empty one."""

import dataclasses
import os

from qdrant_admin.config.secrets import VARIABLE, generate_key, store_key
from qdrant_admin.core.errors import Refused, Unsupported
from qdrant_admin.lifecycle.commands import command
from qdrant_admin.workspace import Workspace


def ensure(ws: Workspace) -> Workspace:
    """The workspace with the key it has, or with a new one."""
    return ws if ws.settings.api_key is not None else add_key(ws)


def add_key(ws: Workspace) -> Workspace:
    """Generate a key, keep it, and return the workspace that uses it. The server takes it at the next `up --apply`.

    Raises:
        Unsupported: the server runs somewhere else; its key is set there.
        Refused: the environment names a key, which would win over the new one.
        StorageUnusable: the key could be kept nowhere.
    """
    settings = ws.settings
    if settings.profile.runtime == "remote":
        raise Unsupported(
            f"the API key of {settings.endpoint.url} cannot be set from here",
            why="the server runs somewhere else, and so does its configuration",
            fix=f"export {VARIABLE}=THE_KEY_SET_THERE",
        )
    if os.environ.get(VARIABLE, "").strip():
        raise Refused(
            "no new API key was made",
            why=f"{VARIABLE} in the environment wins over any key kept for the profile",
            fix=f"unset {VARIABLE} && {command(settings, 'up --api-key auto')}",
        )
    key = generate_key()
    where = store_key(settings.name, key)
    return dataclasses.replace(ws, settings=settings.model_copy(update={"api_key": key, "api_key_origin": where}))
