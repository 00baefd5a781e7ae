"""The house's two themes, and which of them a person wants.

TCSS and spans use semantic variables only (`$accent`, `$text-success`, `$text-muted`, ...). The text colours are set
here by hand: each has a contrast of at least 4.5 on its background, which `tests/tui/test_look.py` measures.
"""

import os
from typing import Literal

from textual.theme import Theme

ThemeChoice = Literal["dark", "light", "auto"]
CHOICES: tuple[ThemeChoice, ...] = ("dark", "light", "auto")
DARK_NAME, LIGHT_NAME = "qdrant-admin-dark", "qdrant-admin-light"

DARK = Theme(
    name=DARK_NAME,
    dark=True,
    primary="#9d8cff",
    secondary="#7f8fb8",
    accent="#9d8cff",
    success="#4fd1a1",
    warning="#f0bf63",
    error="#ff7482",
    foreground="#dde1ec",
    background="#10121a",
    surface="#161925",
    panel="#1d2130",
    variables={
        "text-muted": "#8b93aa",
        "text-disabled": "#666e85",
        "text-accent": "#b3a6ff",
        "text-secondary": "#9aa8cc",
        "text-success": "#5fd9ac",
        "text-warning": "#f0c674",
        "text-error": "#ff8793",
        "line": "#2a2f42",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-background": "#3b3566",
        "block-cursor-blurred-background": "#232739",
        "block-hover-background": "#1d2130",
        "input-selection-background": "#9d8cff 35%",
        "scrollbar": "#2f3550",
        "scrollbar-hover": "#454d70",
    },
)

LIGHT = Theme(
    name=LIGHT_NAME,
    dark=False,
    primary="#5b45d6",
    secondary="#56618a",
    accent="#5b45d6",
    success="#0d7a50",
    warning="#8f5c00",
    error="#bd2438",
    foreground="#1d2030",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e9e6df",
    variables={
        "text-muted": "#5f667b",
        "text-disabled": "#8a8fa0",
        "text-accent": "#4b36c4",
        "text-secondary": "#4b5680",
        "text-success": "#0b6b46",
        "text-warning": "#7d5000",
        "text-error": "#ad1f32",
        "line": "#d8d4ca",
        "block-cursor-foreground": "#1d2030",
        "block-cursor-background": "#dcd6fb",
        "block-cursor-blurred-background": "#e9e6df",
        "block-hover-background": "#efece6",
        "input-selection-background": "#5b45d6 25%",
        "scrollbar": "#cfcabf",
        "scrollbar-hover": "#b5afa2",
    },
)


def _complete(theme: Theme) -> None:
    own = theme.variables
    own |= {"text-primary": own["text-accent"], "border-blurred": own["line"], "block-cursor-text-style": "none"}
    own |= dict.fromkeys(("text", "block-cursor-blurred-foreground"), theme.foreground or "")
    own |= dict.fromkeys(("border", "scrollbar-active"), theme.primary)
    behind = ("background", "background-hover", "background-active", "corner-color")
    own |= dict.fromkeys((f"scrollbar-{part}" for part in behind), theme.background or "")


_complete(DARK)
_complete(LIGHT)
_LIGHT_BACKGROUNDS = {"7", "15"}


def theme_name(choice: ThemeChoice) -> str:
    if choice == "auto":
        return LIGHT_NAME if terminal_is_light() else DARK_NAME
    return LIGHT_NAME if choice == "light" else DARK_NAME


def terminal_is_light() -> bool:
    """Whether the terminal says that its background is light.

    `COLORFGBG` is `foreground;background` in palette numbers (rxvt, Konsole, iTerm2 and others set it); a terminal that
    says nothing is taken for dark, as most are.
    """
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in _LIGHT_BACKGROUNDS
