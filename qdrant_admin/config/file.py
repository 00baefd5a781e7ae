"""The TOML file of profiles: read strictly, written with its comments kept, replaced atomically under a lock."""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qdrant_admin.config.places import config_file
from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile, ProfileInvalid
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, StorageUnusable
from qdrant_admin.core.files import write_atomically
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.locks import Held, holding

LOCK_SECONDS = 10.0
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_HEADER = re.compile(r"^\s*\[+\s*(?P<path>[^\]]+?)\s*\]")
_TOP_KEYS = ("default_profile", "profiles")


def check_profile_name(name: str) -> str:
    """The name itself, when it can become part of container, volume and folder names.

    Raises:
        BadInput: it cannot.
    """
    if _NAME.fullmatch(name):
        return name
    raise BadInput(
        f"“{plain(name)}” cannot be the name of a profile",
        why="a name has 1 to 40 lower-case letters, digits, - and _, and starts with a letter or a digit, "
        "because containers and volumes are named after it",
        fix=str(Command("profiles", "add", "my-qdrant")),
    )


def read_profiles() -> dict[str, Profile]:
    """Every profile of the file, by name; what the file sets is in each one's `given`. Raises as `read`."""
    return read()[1]


def default_profile() -> str:
    """The profile that is meant when none is named. Raises as `read`."""
    return read()[0]


def write_profile(name: str, changes: Mapping[str, object]) -> Profile:
    """Create or change a profile; None removes a key. Returns it as it is now.

    Raises:
        BadInput: the name or a value is not allowed; the file stays as it was.
    """
    check_profile_name(name)
    with _locked() as path:
        before = read()[1].get(name)
        wanted = before.values_given() if before else {}
        wanted.update(changes)
        kept = {key: value for key, value in wanted.items() if value is not None}
        problems = list(_profile_problems(name, kept, ""))
        if problems:
            raise BadInput(
                f"profile {name} cannot be written",
                why="; ".join(text for _, text in problems),
                fix=str(Command("profiles", "show", name) if before else Command("profiles", "add", help=True)),
            )
        document = _document(path)
        table = _table(document, name)
        for key, value in changes.items():
            if value is None:
                table.pop(key, None)
            else:
                table[key] = str(value) if isinstance(value, Path) else value
        _replace(path, document.as_string())
    return Profile.model_validate(kept)


def delete_profile(name: str) -> None:
    """Remove a profile from the file. Its server and its data are not touched.

    Raises:
        BadInput: the file has no such profile.
    """
    with _locked() as path:
        chosen, profiles = read()
        if name not in profiles:
            raise unknown_profile(name, profiles)
        document = _document(path)
        del document["profiles"][name]
        if chosen == name and "default_profile" in document:
            del document["default_profile"]
        _replace(path, document.as_string())


def set_default_profile(name: str) -> None:
    """Make a profile the one that is meant when none is named.

    Raises:
        BadInput: there is no such profile.
    """
    with _locked() as path:
        profiles = read()[1]
        if name not in profiles and name != DEFAULT_PROFILE:
            raise unknown_profile(name, profiles)
        import tomlkit

        document = _document(path)
        if "default_profile" in document or not document.body:
            document["default_profile"] = name
        else:  # a key must stand above the first table, or it would belong to it
            fresh = tomlkit.document()
            fresh["default_profile"] = name
            document = tomlkit.parse(fresh.as_string() + "\n" + document.as_string())
        _replace(path, document.as_string())


def unknown_profile(name: str, profiles: Mapping[str, Profile]) -> BadInput:
    """The error that lists the profiles there are and says how to make one."""
    known = sorted({DEFAULT_PROFILE, *profiles})
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    valid = _NAME.fullmatch(name)
    return BadInput(
        f"there is no profile “{plain(name)}”",
        why=f"the profiles are: {', '.join(known)}{hint}",
        fix=str(Command("profiles", "add", name) if valid else Command("profiles", "list")),
    )


def line_of(text: str, *keys: str) -> int | None:
    """Line (from 1) on which a key stands, or its nearest table when the key itself cannot be found."""
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _parts(header["path"])
            here = table
        elif "=" in line and not line.lstrip().startswith("#"):
            here = (*table, *_parts(line.split("=", 1)[0]))
        else:
            continue
        if keys[: len(here)] == here and (best is None or len(here) > best[0]):
            best = (len(here), number)
        elif here[: len(keys)] == keys and best is None:
            best = (len(keys), number)
    return best[1] if best else None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def read() -> tuple[str, dict[str, Profile]]:
    """The default profile's name, and every profile by name.

    Raises:
        BadInput: the file has problems; all of them are listed with their lines.
        StorageUnusable: it cannot be read.
    """
    path = config_file()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return DEFAULT_PROFILE, {}
    except OSError as error:
        raise StorageUnusable(f"{path} cannot be read", why=str(error), fix=f'ls -l "{path}"') from error
    import tomllib

    try:
        text = raw.decode("utf-8-sig")
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not valid TOML", why=str(error), fix=_EDIT) from error
    problems = list(_problems(data, text))
    if problems:
        lines = [f"line {line}: {text}" if line else text for line, text in sorted(problems, key=lambda p: p[0] or 0)]
        what = f"{path} has a problem" if len(lines) == 1 else f"{path} has {len(lines)} problems"
        raise BadInput(what, why="\n".join(lines), fix=_EDIT)
    profiles = {name: Profile.model_validate(values) for name, values in data.get("profiles", {}).items()}
    return data.get("default_profile", DEFAULT_PROFILE), profiles


_EDIT = f"correct the file, then: {Command('config', 'show')}"


def _problems(data: Mapping[str, object], text: str) -> Iterator[tuple[int | None, str]]:
    for key in data:
        if key not in _TOP_KEYS:
            yield line_of(text, key), f"unknown key “{plain(key)}”{_nearest(key, _TOP_KEYS)}"
    chosen = data.get("default_profile", DEFAULT_PROFILE)
    profiles = data.get("profiles", {})
    if not isinstance(profiles, dict):
        yield line_of(text, "profiles"), "profiles is not a table; write [profiles.local]"
        return
    if not isinstance(chosen, str) or (chosen not in profiles and chosen != DEFAULT_PROFILE):
        known = ", ".join(sorted({DEFAULT_PROFILE, *profiles}))
        yield line_of(text, "default_profile"), f"default_profile names no profile; there are: {plain(known)}"
    for name, values in profiles.items():
        if not _NAME.fullmatch(name):
            yield line_of(text, "profiles", name), f"“{plain(name)}” cannot be the name of a profile"
        if isinstance(values, dict):
            yield from _profile_problems(name, values, text)
        else:
            yield line_of(text, "profiles", name), f"profiles.{plain(name)} is not a table"


def _profile_problems(name: str, values: Mapping[str, object], text: str) -> Iterator[tuple[int | None, str]]:
    try:
        Profile.model_validate(values)
    except ProfileInvalid as error:
        for key, why in error.problems:
            where = plain(f"profiles.{name}.{key}")
            line = line_of(text, "profiles", name, key) if text else None
            if why:
                yield line, f"{where} = {plain(repr(values[key]))}: {why}"
            else:
                yield line, f"unknown key {where}{_nearest(key, Profile.KEYS)}"
    if values.get("volume") and values.get("storage"):
        line = line_of(text, "profiles", name, "storage") if text else None
        yield line, f"profiles.{plain(name)} has both volume and storage; data can only lie in one of them"
    if values.get("runtime") == "remote" and not values.get("url"):
        line = line_of(text, "profiles", name, "runtime") if text else None
        yield line, f"profiles.{plain(name)} is remote and has no url"


def _nearest(key: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key, list(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def _document(path: Path) -> Any:
    import tomlkit

    if not path.exists():
        return tomlkit.document()
    return tomlkit.parse(path.read_bytes().decode("utf-8-sig"))


def _table(document: Any, name: str) -> Any:
    import tomlkit

    if "profiles" not in document:
        document["profiles"] = tomlkit.table(is_super_table=True)
    if name not in document["profiles"]:
        document["profiles"][name] = tomlkit.table()
    return document["profiles"][name]


@contextlib.contextmanager
def _locked() -> Iterator[Path]:
    """The file's real path (through a symbolic link), while no other process of ours writes it."""
    path = config_file().resolve()
    try:
        with holding(path.with_name(path.name + ".lock"), patience=LOCK_SECONDS):
            yield path
    except Held as error:
        raise StorageUnusable(
            f"{path} is being written by another qdrant-admin",
            why=f"it did not finish within {LOCK_SECONDS:.0f} seconds",
            fix=str(Command("config", "show")),
        ) from error
    except OSError as error:
        raise StorageUnusable(f"{path} cannot be written", why=str(error), fix=f'ls -ld "{path.parent}"') from error


def _replace(path: Path, text: str) -> None:
    write_atomically(path, text, mode=None if path.exists() else 0o644)
