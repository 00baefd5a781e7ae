"""Where configuration, state and data lie on this machine.

Nothing here creates a folder: whoever writes makes its parent first.
"""

import os
from pathlib import Path

APP = "qdrant-admin"
HOME_VARIABLE = "QDRANT_ADMIN_HOME"


def home() -> Path | None:
    """The one folder that holds everything, when `QDRANT_ADMIN_HOME` names it; None for the platform's own places."""
    value = os.environ.get(HOME_VARIABLE, "").strip()
    return Path(value).expanduser().absolute() if value else None


def config_dir() -> Path:
    from platformdirs import user_config_path

    base = home()
    return base / "config" if base else user_config_path(APP, appauthor=False)


def config_file() -> Path:
    """The TOML file of profiles."""
    return config_dir() / "config.toml"


def state_dir() -> Path:
    """History, checkpoints and our own log."""
    from platformdirs import user_state_path

    base = home()
    return base / "state" if base else user_state_path(APP, appauthor=False)


def data_dir() -> Path:
    """Storage of native servers."""
    from platformdirs import user_data_path

    base = home()
    return base / "data" if base else user_data_path(APP, appauthor=False)


def cache_dir() -> Path:
    """What can be fetched again, such as server binaries."""
    from platformdirs import user_cache_path

    base = home()
    return base / "cache" if base else user_cache_path(APP, appauthor=False)


def state_file() -> Path:
    """The SQLite file of `core.store`."""
    return state_dir() / "state.sqlite3"
