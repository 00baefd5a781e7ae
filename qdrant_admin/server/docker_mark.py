"""Remembers of a profile that its data was seen in Docker: for the time when no engine answers."""

import contextlib
from pathlib import Path

from qdrant_admin.config.places import state_dir


def remember_docker(profile: str) -> None:
    """A state folder that cannot be written is no reason not to look or start."""
    with contextlib.suppress(OSError):
        mark = _mark(profile)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def forget_docker(profile: str) -> None:
    """It was removed there."""
    with contextlib.suppress(OSError):
        _mark(profile).unlink(missing_ok=True)


def seen_in_docker(profile: str) -> bool:
    return _mark(profile).exists()


def _mark(profile: str) -> Path:
    return state_dir() / "in-docker" / profile
