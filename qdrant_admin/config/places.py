"""Where configuration, state and data lie on this machine.

Nothing here creates a folder: whoever writes makes its parent first.
"""

import os
from pathlib import Path
from typing import Literal

APP = "qdrant-admin"
HOME_VARIABLE = "QDRANT_ADMIN_HOME"


def home() -> Path | None:
    """The one folder that holds everything, when `QDRANT_ADMIN_HOME` names it; None for the platform's own places."""
    value = os.environ.get(HOME_VARIABLE, "").strip()
    return Path(value).expanduser().absolute() if value else None


def _place(kind: Literal["config", "state", "data", "cache"]) -> Path:
    base = home()
    if base:
        return base / kind
    import platformdirs

    known = {
        "config": platformdirs.user_config_path,
        "state": platformdirs.user_state_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
    }
    return known[kind](APP, appauthor=False)


def config_file() -> Path:
    return config_dir() / "config.toml"


def config_dir() -> Path:
    return _place("config")


def state_dir() -> Path:
    return _place("state")


def data_dir() -> Path:
    return _place("data")


def cache_dir() -> Path:
    """What can be fetched again, such as server binaries."""
    return _place("cache")


def state_file() -> Path:
    """The SQLite file of `state.store`."""
    return state_dir() / "state.sqlite3"
