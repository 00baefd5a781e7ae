"""Keys: never empty, never readable by others, never asked of a keyring that cannot answer."""

import os
import stat
import subprocess
import sys
import types

import pytest

from qdrant_admin.config import secrets
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.values import SecretStr


class Memory:
    """A keyring backend that works."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_keyring(self) -> "Memory":
        return self

    def set_password(self, service: str, name: str, value: str) -> None:
        self.kept[service, name] = value

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Memory:
    backend = Memory()
    module = types.ModuleType("keyring")
    for name in ("get_keyring", "set_password", "get_password", "delete_password"):
        setattr(module, name, getattr(backend, name))
    module.__spec__ = types.SimpleNamespace(name="keyring")  # type: ignore[assignment]  # find_spec only asks for one
    monkeypatch.setitem(sys.modules, "keyring", module)
    return backend


def test_a_generated_key_is_long_and_safe_in_a_header() -> None:
    keys = {secrets.generate_key().get_secret_value() for _ in range(20)}
    assert len(keys) == 20
    assert all(len(key) >= 32 and key.replace("-", "").replace("_", "").isalnum() for key in keys)


def test_without_a_keyring_a_private_file_is_used_and_named() -> None:
    where = secrets.store_key("local", SecretStr("k1"))
    path = secrets.key_file("local")
    assert str(path) in where
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = secrets.read_key("local")
    assert found is not None
    assert found.value.get_secret_value() == "k1"
    assert "k1" not in repr(found)
    assert secrets.read_key("other") is None
    secrets.forget_key("local")
    assert secrets.read_key("local") is None
    secrets.forget_key("local")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_key_file_that_was_opened_up_is_closed_again() -> None:
    secrets.store_key("local", SecretStr("k1"))
    secrets.key_file("local").chmod(0o644)
    secrets.read_key("local")
    assert stat.S_IMODE(secrets.key_file("local").stat().st_mode) == 0o600


def test_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.store_key("local", SecretStr("k1"))
    monkeypatch.setenv("QDRANT_API_KEY", "from-env")
    found = secrets.read_key("local")
    assert found is not None
    assert (found.value.get_secret_value(), found.where) == ("from-env", "environment QDRANT_API_KEY")
    monkeypatch.setenv("QDRANT_API_KEY", "")
    found = secrets.read_key("local")
    assert found is not None
    assert found.value.get_secret_value() == "k1"


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "schlüssel"])
def test_a_key_that_no_header_carries_is_refused(value: str) -> None:
    with pytest.raises(BadInput) as caught:
        secrets.store_key("local", SecretStr(value))
    assert not value or value not in str(caught.value)
    assert not secrets.key_file("local").exists()


def test_a_working_keyring_is_used_and_leaves_no_file(keyring: Memory) -> None:
    secrets.store_key("local", SecretStr("in-file"))
    assert secrets.store_key("local", SecretStr("k2")) == "the system's keyring"
    assert not secrets.key_file("local").exists()
    found = secrets.read_key("local")
    assert found is not None
    assert (found.value.get_secret_value(), found.where) == ("k2", "the system's keyring")
    secrets.forget_key("local")
    assert keyring.kept == {}
    assert secrets.read_key("local") is None


def test_a_keyring_that_never_answers_counts_as_none(keyring: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    released = threading.Event()
    monkeypatch.setattr(secrets, "KEYRING_SECONDS", 0.05)
    monkeypatch.setattr(secrets, "_given_up", threading.Event())
    monkeypatch.setattr(sys.modules["keyring"], "set_password", lambda *_: released.wait(30))
    try:
        assert "file" in secrets.store_key("local", SecretStr("k3"))
        assert "file" in secrets.store_key("local", SecretStr("k4"))
    finally:
        released.set()


def test_a_keyring_that_forgets_counts_as_none(keyring: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["keyring"], "set_password", lambda *_: None)
    assert "file" in secrets.store_key("local", SecretStr("k5"))


@pytest.mark.parametrize("backend", ["keyring.backends.null.Keyring", "keyring.backends.fail.Keyring"])
def test_a_backend_that_keeps_nothing_counts_as_none(backend: str) -> None:
    """The real package, in a process of its own, because it chooses its backend once."""
    pytest.importorskip("keyring")
    script = (
        "from qdrant_admin.core.values import SecretStr\n"
        "from qdrant_admin.config import secrets\n"
        "print(secrets.store_key('local', SecretStr('k6')))\n"
        "print(secrets.read_key('local').where)\n"
    )
    environment = {**os.environ, "PYTHON_KEYRING_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert all("file " in line for line in done.stdout.splitlines())
