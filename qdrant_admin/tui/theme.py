"""The house's two themes, and what a person chose inside the TUI: one of them, and whether log lines wrap.

TCSS and spans use semantic variables only (`$accent`, `$text-success`, `$text-muted`, ...). The text colours are set
here by hand: each has a contrast of at least 4.5 on its background, which `tests/tui/test_look.py` measures.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from textual.theme import Theme

ThemeChoice = Literal["dark", "light", "auto"]
CHOICES: tuple[ThemeChoice, ...] = ("dark", "light", "auto")
DARK_NAME, LIGHT_NAME = "qdrant-admin-dark", "qdrant-admin-light"

_COLOURS: dict[str, tuple[str, str]] = {
    "primary": ("#9d8cff", "#5b45d6"),
    "secondary": ("#7f8fb8", "#56618a"),
    "accent": ("#9d8cff", "#5b45d6"),
    "success": ("#4fd1a1", "#0d7a50"),
    "warning": ("#f0bf63", "#8f5c00"),
    "error": ("#ff7482", "#bd2438"),
    "foreground": ("#dde1ec", "#1d2030"),
    "background": ("#10121a", "#fbfaf7"),
    "surface": ("#161925", "#f3f1ec"),
    "panel": ("#1d2130", "#e9e6df"),
}
_VARIABLES: dict[str, tuple[str, str]] = {
    "text-muted": ("#8b93aa", "#5f667b"),
    "text-disabled": ("#666e85", "#8a8fa0"),
    "text-accent": ("#b3a6ff", "#4b36c4"),
    "text-secondary": ("#9aa8cc", "#4b5680"),
    "text-success": ("#5fd9ac", "#0b6b46"),
    "text-warning": ("#f0c674", "#7d5000"),
    "text-error": ("#ff8793", "#ad1f32"),
    "line": ("#2a2f42", "#d8d4ca"),
    "block-cursor-foreground": ("#ffffff", "#1d2030"),
    "block-cursor-background": ("#3b3566", "#dcd6fb"),
    "block-cursor-blurred-background": ("#232739", "#e9e6df"),
    "block-hover-background": ("#1d2130", "#efece6"),
    "input-selection-background": ("#9d8cff 35%", "#5b45d6 25%"),
    "scrollbar": ("#2f3550", "#cfcabf"),
    "scrollbar-hover": ("#454d70", "#b5afa2"),
}
"""Each colour on dark and on light."""


def _theme(name: str, *, dark: bool) -> Theme:
    chosen: list[dict[str, Any]] = [{key: pair[not dark] for key, pair in of.items()} for of in (_COLOURS, _VARIABLES)]
    colours, own = chosen
    own |= {"text-primary": own["text-accent"], "border-blurred": own["line"], "block-cursor-text-style": "none"}
    own |= dict.fromkeys(("text", "block-cursor-blurred-foreground"), colours["foreground"])
    own |= dict.fromkeys(("border", "scrollbar-active"), colours["primary"])
    behind = ("background", "background-hover", "background-active", "corner-color")
    own |= dict.fromkeys((f"scrollbar-{part}" for part in behind), colours["background"])
    return Theme(name=name, dark=dark, variables=own, **colours)


DARK, LIGHT = _theme(DARK_NAME, dark=True), _theme(LIGHT_NAME, dark=False)
_LIGHT_BACKGROUNDS = {"7", "15"}


def theme_name(choice: ThemeChoice) -> str:
    light = terminal_is_light() if choice == "auto" else choice == "light"
    return LIGHT_NAME if light else DARK_NAME


def terminal_is_light() -> bool:
    """Whether the terminal says that its background is light.

    `COLORFGBG` is `foreground;background` in palette numbers (rxvt, Konsole, iTerm2 and others set it); a terminal that
    says nothing is taken for dark, as most are.
    """
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_BACKGROUNDS


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
