"""Containers that the user put into our care in so many words.

Docker cannot change the labels of an existing container, and making it anew behind the user's back is no adoption. So
the adoption is remembered on our side, by the container's id: a container that is made anew under the same name by
somebody else is not adopted.
"""

import json
import os
from pathlib import Path
from typing import Any

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.errors import Unfit


def is_adopted(container_id: str, profile: str) -> bool:
    """Whether this very container was adopted by the profile."""
    return _read().get(container_id) == profile


def remember(container_id: str, profile: str, *, instead_of: str = "") -> None:
    """Remember an adoption.

    Args:
        container_id: the full id.
        profile: who adopts.
        instead_of: id of the container that this one has replaced.
    """
    known = _read()
    known.pop(instead_of, None)
    known[container_id] = profile
    _write(known)


def forget(container_id: str) -> None:
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
