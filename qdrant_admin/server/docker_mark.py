"""Remembers of a profile that its data was seen in Docker: for the time when no engine answers."""

import contextlib
from pathlib import Path

from qdrant_admin.config.places import state_dir


def remember_docker(profile: str, engine: str) -> None:
    """On the engine at that address. A state folder that cannot be written is no reason not to look or start."""
    with contextlib.suppress(OSError):
        mark = _mark(profile)
        mark.parent.mkdir(parents=True, exist_ok=True)
        if not mark.exists() or mark.read_text(encoding="utf-8") != engine:
            mark.write_text(engine, encoding="utf-8")


def forget_docker(profile: str) -> None:
    """It was removed there."""
    with contextlib.suppress(OSError):
        _mark(profile).unlink(missing_ok=True)


def seen_in_docker(profile: str) -> bool:
    return _mark(profile).exists()


def engine_of(profile: str) -> str:
    """The address of the engine on which it was seen; empty where nothing is known of that."""
    try:
        return _mark(profile).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _mark(profile: str) -> Path:
    return state_dir() / "in-docker" / profile
