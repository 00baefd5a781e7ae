"""What people do with profiles: give them values as typed text, an API key, and remove them with what is kept."""

import difflib
import os
from collections.abc import Iterable, Sequence

from qdrant_admin.config.file import check_profile_name, delete_profile, read_profiles, unknown_profile, write_profile
from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile, ProfileInvalid
from qdrant_admin.config.secrets import VARIABLE, forget_key, generate_key, store_key
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, Refused, Unsupported
from qdrant_admin.core.formatting import plain


def add_profile(name: str, assignments: Iterable[str]) -> None:
    """Add a profile from `KEY=VALUE`s; one with a url is that of a remote server.

    Raises:
        BadInput: there is one of this name, the name cannot be one, or a value cannot be taken.
    """
    check_profile_name(name)
    if name in read_profiles():
        raise BadInput(f"profile {name} exists already", fix=Command("profiles", "set", name, help=True))
    changes = typed_values(assignments)
    if "url" in changes:
        changes.setdefault("runtime", "remote")
    write_profile(name, changes)


def change_profile(name: str, assignments: Sequence[str]) -> None:
    """Change settings of a profile by `KEY=VALUE`s; `KEY=` resets one to its default.

    Raises:
        BadInput: there is no such profile, nothing to change, or a value cannot be taken.
    """
    known = read_profiles()
    if name not in known and name != DEFAULT_PROFILE:
        raise unknown_profile(name, known)
    if not assignments:
        raise BadInput("nothing was given to change", fix=Command("profiles", "set", name, "port=7333"))
    write_profile(name, typed_values(assignments))


def remove_profile(name: str) -> None:
    """Remove a profile from the file, and the API key that is kept for it: a later profile of that name gets neither.

    Its server and its data are not touched.

    Raises:
        BadInput: the file has no such profile.
        StorageUnusable: the file cannot be written.
    """
    known = read_profiles()
    if name not in known:
        raise unknown_profile(name, known)
    forget_key(name)
    delete_profile(name)


def typed_value(key: str, text: str) -> object:
    """A value of a profile as its key has it; None for empty text, which means the default.

    Raises:
        BadInput: there is no such key, or it cannot take the value.
    """
    if key not in Profile.KEYS:
        near = difflib.get_close_matches(key, Profile.KEYS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise BadInput(
            f"a profile has no key “{plain(key)}”",
            why=f"the keys are: {', '.join(Profile.KEYS)}{hint}",
            fix=str(Command("profiles", "show")),
        )
    if not text:
        return None
    try:
        value: object = getattr(Profile.model_validate({key: text}), key)
    except ProfileInvalid as error:
        why = error.problems[0].why
        raise BadInput(f"{key} cannot be “{plain(text)}”", why=why, fix=str(Command("profiles", "show"))) from error
    return value


def typed_values(assignments: Iterable[str]) -> dict[str, object]:
    """`KEY=VALUE`, several, as typed values by key; an empty value means the default.

    Raises:
        BadInput: one is not an assignment, its key is unknown, or its key cannot take the value.
    """
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(f"“{plain(assignment)}” is not KEY=VALUE", fix=str(Command("profiles", "show")))
        key = key.replace("-", "_")
        values[key] = typed_value(key, text)
    return values


def add_key(settings: Settings) -> Settings:
    """Generate an API key, keep it, and return the settings with it. The server takes it at the next `up --apply`.

    Raises:
        Unsupported: the server runs somewhere else; its key is set there.
        Refused: the environment names a key, which would win over the new one.
        StorageUnusable: the key could be kept nowhere.
    """
    if settings.profile.runtime == "remote":
        raise Unsupported(
            f"the API key of {settings.endpoint.url} cannot be set from here",
            why="the server runs somewhere else, and so does its configuration",
            fix=f"export {VARIABLE}=THE_KEY_SET_THERE",
        )
    if os.environ.get(VARIABLE, "").strip():
        raise Refused(
            "no new API key was made",
            why=f"{VARIABLE} in the environment wins over any key kept for the profile",
            fix=f"unset {VARIABLE} && {Command('up', api_key='auto').on(settings.name)}",
        )
    key = generate_key()
    where = store_key(settings.name, key)
    return settings.model_copy(update={"api_key": key, "api_key_origin": where})
