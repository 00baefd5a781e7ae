"""Which containers are the profile's own, and what is refused because it would cost data or is not ours to change.

A container is managed when it bears our labels, or was adopted in so many words. Docker cannot change the labels of an
existing container, so an adoption is remembered here, by the container's id: one that somebody else creates later
under the same name is not adopted.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotQdrant, Refused, Unfit
from qdrant_admin.server.docker.answers import Inspected, name_of
from qdrant_admin.server.docker.container.spec import REST
from qdrant_admin.server.docker.storage import data_mount, storage_path
from qdrant_admin.server.runtime import Change


def require_mount(found: Inspected, name: str) -> None:
    """Refuse what would take data along that lies inside the container."""
    if data_mount(found) is None:
        raise Refused(
            f"the data of {name} lies inside the container",
            why=f"nothing is mounted at {storage_path(found)}: whoever removes the container removes the data",
            fix=Command("move-storage"),
        )


def require_applicable(found: Inspected, changes: Sequence[Change], name: str, *, adopted: bool) -> None:
    """Refuse to recreate what would begin on an empty storage, or what was adopted."""
    require_mount(found, name)
    moved = next((change for change in changes if change.setting == "storage"), None)
    if moved is not None:
        raise Refused(
            f"the data of {name} lies in another place than the profile asks for",
            why=f"now: {moved.current}; asked for: {moved.wanted}. Recreated, the server would start empty there",
            fix=_as_it_is(found),
        )
    if adopted:
        raise Refused(
            f"{name} was adopted: its settings are left as they are",
            why="differs in " + ", ".join(change.setting for change in changes),
            fix=Command("restart", how="recreate"),
        )


_PROBE_SECONDS = 3.0


def _as_it_is(found: Inspected) -> Command:
    mount = data_mount(found) or {}
    if mount.get("Type") == "volume":
        return Command("up", volume=mount.get("Name"))
    return Command("up", storage=mount.get("Source"))


def check_adoptable(attributes: Inspected) -> None:
    """Refuse what is no Qdrant, and what removes itself when it is stopped."""
    name = name_of(attributes)
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
            fix=Command("migrate", "qdrant+http://127.0.0.1:6333"),
        )


def _runs_qdrant(attributes: Inspected) -> bool:
    words = [attributes.get("Path"), *(attributes.get("Args") or ()), attributes["Config"].get("Image")]
    return any("qdrant" in str(word).lower() for word in words)


def _title(attributes: Inspected) -> bool | None:
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


def is_adopted(container_id: str, profile: str) -> bool:
    """Whether this very container was adopted by the profile."""
    return _read().get(container_id) == profile


def remember_adoption(container_id: str, profile: str, *, instead_of: str = "") -> None:
    """Remember an adoption, in place of that of the container that this one has replaced."""
    known = _read()
    known.pop(instead_of, None)
    known[container_id] = profile
    _write(known)


def forget_adoption(container_id: str) -> None:
    """The container is gone."""
    known = _read()
    if known.pop(container_id, None) is not None:
        _write(known)


def _file() -> Path:
    return state_dir() / "adopted.json"


def _read() -> dict[str, str]:
    try:
        content: Any = json.loads(_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Unfit(f"{_file()} cannot be read", why=str(error), fix=f"rm {_file()}") from error
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _write(known: dict[str, str]) -> None:
    path = _file()
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known, indent=1), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise Unfit(f"{path} cannot be written", why=str(error), fix=f"ls -ld {path.parent}") from error
