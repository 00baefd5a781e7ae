"""Whether a container is a Qdrant that can be put into our care."""

from collections.abc import Mapping
from typing import Any

from qdrant_admin.core.errors import NotQdrant, Refused
from qdrant_admin.server.docker.spec import REST

_PROBE_SECONDS = 3.0


def check_adoptable(attributes: Mapping[str, Any]) -> None:
    """Look before adopting.

    Raises:
        NotQdrant: neither its program nor its answer says that it is one.
        Refused: it removes itself when it is stopped.
    """
    name = str(attributes["Name"]).lstrip("/")
    answer = _title(attributes)
    if answer is False or (answer is None and not _runs_qdrant(attributes)):
        raise NotQdrant(
            f"container {name} is no Qdrant",
            why=f"it is made from {attributes['Config']['Image']}"
            + (" and answers otherwise" if answer is False else ""),
            fix="docker ps -a",
        )
    if attributes["HostConfig"].get("AutoRemove"):
        raise Refused(
            f"container {name} removes itself when it is stopped",
            why="it was started with --rm: a restart would remove it, and its anonymous volumes with it",
            fix="qdrant-admin migrate qdrant+http://127.0.0.1:6333",
        )


def _runs_qdrant(attributes: Mapping[str, Any]) -> bool:
    words = [attributes.get("Path"), *(attributes.get("Args") or ()), attributes["Config"].get("Image")]
    return any("qdrant" in str(word).lower() for word in words)


def _title(attributes: Mapping[str, Any]) -> bool | None:
    """Whether what answers at its published port says that it is a Qdrant; None when nothing answers."""
    import httpx

    ports = (attributes["NetworkSettings"].get("Ports") or {}).get(REST) or ()
    for entry in ports:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(entry["HostIp"], entry["HostIp"])  # noqa: S104 # called, not bound
        try:
            answer = httpx.get(f"http://{host}:{entry['HostPort']}/", timeout=_PROBE_SECONDS, trust_env=False)
            return "qdrant" in str(answer.json().get("title", "")).lower()
        except (httpx.HTTPError, ValueError, AttributeError):
            continue
    return None
