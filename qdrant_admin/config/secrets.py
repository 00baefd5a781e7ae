"""API keys: from the environment, the operating system's keyring, or a file that only its owner may read.

A key is looked for in the environment first, then where `store_key` put it. A small mark beside the file says that
a key lies in the keyring, so that a keyring is never opened (and never asks for a password) without need.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from qdrant_admin.config.places import APP, config_dir, home
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BadInput, StorageUnusable
from qdrant_admin.core.files import write_atomically
from qdrant_admin.core.values import SecretStr

VARIABLE = "QDRANT_API_KEY"
KEYRING_SECONDS = 5.0
"""A locked keyring without a desktop can wait for a password for ever; after this long it counts as none."""
_ROUNDS = 20_000
_T = TypeVar("_T")
_given_up = threading.Event()


class StoredKey(msgspec.Struct, frozen=True):
    """A key and where it was found, in words."""

    value: SecretStr
    where: str


def generate_key() -> SecretStr:
    """A new random key: 43 URL-safe characters, 256 bits."""
    import secrets

    return SecretStr(secrets.token_urlsafe(32))


def read_key(profile: str) -> StoredKey | None:
    """The key of a profile; None when there is none. An empty one is none."""
    if (given := given_key()) is not None:
        return given
    if _mark(profile).exists():
        kept = _ask_keyring(lambda keyring: keyring.get_password(_service(), profile))
        if kept:
            return StoredKey(SecretStr(kept), "the system's keyring")
    path = key_file(profile)
    try:
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageUnusable(f"the key file {path} cannot be read", why=str(error), fix=f'ls -l "{path}"') from error
    if not value:
        return None
    with contextlib.suppress(OSError):  # a copy or a restored backup may have opened it up
        path.chmod(0o600)
    return StoredKey(_checked(value, str(path)), f"file {path}")


def given_key() -> StoredKey | None:
    """The key in the environment, which goes to whatever server is meant."""
    value, where = os.environ.get(VARIABLE, "").strip(), f"environment {VARIABLE}"
    return StoredKey(_checked(value, where), where) if value else None


def keeps_key(profile: str) -> bool:
    """Whether a key is kept for a profile; it is not looked at."""
    return _mark(profile).exists() or key_file(profile).exists()


def store_key(profile: str, key: SecretStr) -> str:
    """Keep a key: in the keyring where one works, else in a file that only its owner may read. Returns where.

    Raises:
        BadInput: the key is empty or holds characters that no HTTP header can carry.
        StorageUnusable: it could be kept nowhere.
    """
    value = key.get_secret_value()
    _checked(value, "the key")
    mark, path = _mark(profile), key_file(profile)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _ask_keyring(lambda keyring: _kept(keyring, profile, value)):
            mark.touch(mode=0o600)
            path.unlink(missing_ok=True)
            return "the system's keyring"
        write_atomically(path, value + "\n", mode=0o600)
        mark.unlink(missing_ok=True)
    except OSError as error:
        raise StorageUnusable(
            f"the API key cannot be kept in {path}", why=str(error), fix=f'ls -ld "{path.parent}"'
        ) from error
    return f"file {path} (readable by its owner only)"


def key_digest(key: SecretStr) -> str:
    """A salted digest, to be kept where the key must not be: it only tells whether another key is the same."""
    import secrets

    salt = secrets.token_hex(8)
    return f"{salt}${_stretched(key, salt)}"


def is_key_of(digest: str, key: SecretStr) -> bool:
    """Whether a digest is that of this key."""
    import hmac

    salt, _, stretched = digest.partition("$")
    return hmac.compare_digest(stretched, _stretched(key, salt))


def _stretched(key: SecretStr, salt: str) -> str:
    """Slow enough that nobody tries a dictionary, quick enough for every status (about 5 ms)."""
    import hashlib

    return hashlib.pbkdf2_hmac("sha256", key.get_secret_value().encode(), salt.encode(), _ROUNDS).hex()


def forget_key(profile: str) -> None:
    """Remove the key that we keep; the environment is not ours to change."""
    if _mark(profile).exists():
        _ask_keyring(lambda keyring: keyring.delete_password(_service(), profile))
        _mark(profile).unlink(missing_ok=True)
    key_file(profile).unlink(missing_ok=True)


def key_file(profile: str) -> Path:
    """The file a key is kept in where there is no keyring."""
    return config_dir() / "keys" / f"{profile}.key"


def _mark(profile: str) -> Path:
    return config_dir() / "keys" / f"{profile}.keyring"


def _service() -> str:
    """Homes must not share entries: a test's `local` is not the developer's `local`."""
    import hashlib

    base = home()
    return APP if base is None else f"{APP}-{hashlib.sha256(str(base).encode()).hexdigest()[:12]}"


def _checked(value: str, where: str) -> SecretStr:
    if not value or any(not 33 <= ord(char) <= 126 for char in value):
        raise BadInput(
            f"the API key in {where} cannot be used",
            why="a key is sent in an HTTP header: it needs at least one character, "
            "and only printable ASCII without spaces",
            fix=Command("up", api_key="auto"),
        )
    return SecretStr(value)


def _kept(keyring: Any, profile: str, value: str) -> bool:
    """Write, then read back: some backends accept a password and forget it."""
    keyring.set_password(_service(), profile, value)
    return bool(keyring.get_password(_service(), profile) == value)


def _ask_keyring(question: Callable[[Any], _T]) -> _T | None:
    """The keyring's answer; None when no usable keyring gives one in time."""
    from importlib.util import find_spec

    if _given_up.is_set() or find_spec("keyring") is None:
        return None
    answers: list[_T] = []

    def ask() -> None:
        import keyring

        backend = keyring.get_keyring()
        if type(backend).__module__.rsplit(".", 1)[-1] in {"fail", "null"} or not getattr(backend, "backends", [0]):
            return
        with contextlib.suppress(Exception):  # a plugin of the user's desktop: whatever it raises means "no keyring"
            answers.append(question(keyring))

    worker = threading.Thread(target=ask, name="keyring", daemon=True)
    worker.start()
    worker.join(KEYRING_SECONDS)
    if worker.is_alive():
        _given_up.set()
        return None
    return answers[0] if answers else None
