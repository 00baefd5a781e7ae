"""Lines to paste into an application's environment, quoted for the shell that will read them."""

import re
import shlex
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit

from qdrant_admin.core.commands import Command
from qdrant_admin.workspace import Workspace

Shell = Literal["posix", "fish", "powershell", "dotenv"]
MASK = "********"
_DOTENV_BARE = re.compile(r"[A-Za-z0-9_./:@%+,-]*\Z")


def lines(ws: Workspace, *, shell: Shell = "posix", reveal: bool = False) -> list[str]:
    """QDRANT_URL, _HOST, _PORT, _GRPC_PORT and _API_KEY of this profile, one assignment per line.

    Without `reveal` the line of the API key is a comment, so that pasting it sets no wrong key.
    """
    endpoint = ws.settings.endpoint
    parts = urlsplit(endpoint.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    values = {"QDRANT_URL": endpoint.url, "QDRANT_HOST": parts.hostname or "127.0.0.1", "QDRANT_PORT": str(port)}
    if endpoint.grpc_port is not None:
        values["QDRANT_GRPC_PORT"] = str(endpoint.grpc_port)
    assign = _ASSIGN[shell]
    result = [assign(name, value) for name, value in values.items()]
    if endpoint.api_key is None:
        return result
    if reveal:
        return [*result, assign("QDRANT_API_KEY", endpoint.api_key.get_secret_value())]
    return [*result, f"# {assign('QDRANT_API_KEY', MASK)}  # {Command('env', reveal=True).on(ws.settings.name)}"]


def _posix(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{escaped}'"


def _powershell(name: str, value: str) -> str:
    escaped = value.replace("'", "''")
    return f"$env:{name} = '{escaped}'"


def _dotenv(name: str, value: str) -> str:
    if _DOTENV_BARE.match(value):
        return f"{name}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{name}='{escaped}'"


_ASSIGN: dict[Shell, Callable[[str, str], str]]
_ASSIGN = {"posix": _posix, "fish": _fish, "powershell": _powershell, "dotenv": _dotenv}
