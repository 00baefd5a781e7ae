"""What a person chose inside the TUI, kept between runs: the theme, and whether log lines wrap."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from qdrant_admin.tui.theme import CHOICES, ThemeChoice


@dataclass(frozen=True)
class Preferences:
    """Every preference, with its default."""

    theme: ThemeChoice = "auto"
    wrap_logs: bool = False


def preferences_file() -> Path:
    """Beside the state, not in the hand-edited configuration: it is written without being asked."""
    from qdrant_admin.config.places import state_dir

    return state_dir() / "tui.json"


def read_preferences() -> Preferences:
    """As last chosen. A file that is missing or damaged means the defaults: no preference is worth a failed start."""
    try:
        kept = Preferences(**json.loads(preferences_file().read_bytes()))
    except (OSError, ValueError, TypeError):
        return Preferences()
    return kept if kept.theme in CHOICES and isinstance(kept.wrap_logs, bool) else Preferences()


def write_preferences(preferences: Preferences) -> None:
    """Keep them, atomically.

    Raises:
        OSError: the state folder cannot be written.
    """
    from qdrant_admin.core.files import write_atomically

    path = preferences_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(asdict(preferences)))
