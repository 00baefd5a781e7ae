"""What a person chose inside the TUI, kept between runs: the theme, and whether log lines wrap."""

import json
import os
import tempfile
from pathlib import Path

from pydantic import ValidationError

from qdrant_admin.config.places import state_dir
from qdrant_admin.core.reports import Frozen
from qdrant_admin.tui.theme import ThemeChoice


class Preferences(Frozen):
    """Every preference, with its default."""

    theme: ThemeChoice = "auto"
    wrap_logs: bool = False


def preferences_file() -> Path:
    """Beside the state, not in the hand-edited configuration: it is written without being asked."""
    return state_dir() / "tui.json"


def read_preferences() -> Preferences:
    """As last chosen. A file that is missing or damaged means the defaults: no preference is worth a failed start."""
    try:
        return Preferences.model_validate(json.loads(preferences_file().read_bytes()))
    except (OSError, ValueError, ValidationError):
        return Preferences()


def write_preferences(preferences: Preferences) -> None:
    """Keep them, atomically.

    Raises:
        OSError: the state folder cannot be written.
    """
    path = preferences_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(preferences.model_dump_json())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
