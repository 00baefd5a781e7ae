"""How an extra is added to the very Python that runs now, which is seldom the one that a bare `pip` would mean."""

import shlex
import sys
from importlib.util import find_spec


def command(*requirements: str) -> str:
    """The command that installs them beside this qdrant-admin.

    Args:
        requirements: `qdrant-admin[files]`, or packages.
    """
    python = sys.executable or "python"
    if find_spec("pip") is None:  # an environment that uv has made
        return shlex.join(["uv", "pip", "install", "--python", python, *requirements])
    return shlex.join([python, "-m", "pip", "install", *requirements])
