"""Commands within words: what is offered has to run as it stands, so it names the profile that it was found on."""

import re
import shlex
from typing import TypeVar

_WORDS = (
    "up|down|restart|status|doctor|logs|stats|env|adopt|migrate|export|verify|crash-test|move-storage"
    "|collections|points"
)
_ON_A_PROFILE = re.compile(rf"(?<![\w-])qdrant-admin (?=(?:{_WORDS})\b)")
_ALONE = re.compile(rf"qdrant-admin (?:{_WORDS})\b[^&;|#,\n]*")
"""One command and nothing else, so that a profile can stand at its end."""
_FIELDS = {"fix", "note"}
"""Fields of events and reports that may hold a command."""
_T = TypeVar("_T")


def on_profile(words: str, profile: str | None) -> str:
    """The same words, with every command in them on this profile.

    Args:
        words: a command, or a sentence with commands in it.
        profile: its name; None leaves the words as they are.
    """
    if profile is None or "--profile" in words:
        return words
    named = f"--profile {shlex.quote(profile)}"
    if _ALONE.fullmatch(words):
        return f"{words} {named}"
    return _ON_A_PROFILE.sub(lambda _: f"qdrant-admin {named} ", words)


def naming(value: _T, profile: str | None) -> _T:
    """An event or a report, with every command that it offers on this profile."""
    from pydantic import BaseModel  # not above: an error's words must not cost a start of pydantic

    if profile is None:
        return value
    if isinstance(value, tuple):
        parts = tuple(naming(part, profile) for part in value)
        return value if parts == value else parts  # type: ignore[return-value] # a tuple of the same types
    if not isinstance(value, BaseModel):
        return value
    changes = {}
    for name in type(value).model_fields:
        before = getattr(value, name)
        after = on_profile(before, profile) if name in _FIELDS and isinstance(before, str) else naming(before, profile)
        if after is not before:
            changes[name] = after
    return value.model_copy(update=changes) if changes else value
