"""The commands that a report offers, so that each can be run as it stands."""

from qdrant_admin.config.profile import DEFAULT_PROFILE
from qdrant_admin.config.settings import Settings


def command(settings: Settings, words: str) -> str:
    """`qdrant-admin up --apply`, with `--profile NAME` where it is not the default one."""
    profile = "" if settings.name == DEFAULT_PROFILE else f" --profile {settings.name}"
    return f"qdrant-admin {words}{profile}"
