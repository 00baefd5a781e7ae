"""The key that is kept and the key in force: made once, told apart, and never dropped by the way."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.secrets import is_key_of, key_digest, read_key, store_key
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AccessDenied, Cancelled, Refused
from qdrant_admin.core.events import Notice
from qdrant_admin.core.values import SecretStr
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import UpOptions, bring_up
from qdrant_admin.state import run_locks
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, binary, free_port

FIRST, SECOND = "the-first-key", "the-second-key"


@pytest.fixture(params=["native", pytest.param("docker", marks=pytest.mark.docker)])
def profile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Profile]:
    """Of a server of this test alone, on each runtime."""
    if request.param == "docker":
        need_engine()
    made = Profile(
        runtime=request.param, port=free_port(), grpc_port=free_port(), binary=binary(), image=IMAGE, ready_timeout=60.0
    )
    yield made
    if request.param == "docker":
        sweep(name(made))
    else:
        list(down(opened(made, tmp_path, FIRST), cancel=CancelToken()))


def name(profile: Profile) -> str:
    return f"keys-{os.getpid()}-{profile.port}"


def opened(profile: Profile, folder: Path, key: str | None = None, *, declined: bool = False) -> Workspace:
    secret = SecretStr(key) if key else None
    settings = Settings(
        name=name(profile), profile=profile, api_key=secret, api_key_origin="a test", key_declined=declined
    )
    return Workspace(settings, StateStore(folder / "state.sqlite3"))


def up(ws: Workspace, *, apply: bool = False) -> None:
    list(bring_up(ws, UpOptions(apply=apply), cancel=CancelToken()))


def answers_to(ws: Workspace) -> bool:
    return not any(one.level == "fail" for one in status(ws).findings)


def test_a_key_that_is_not_the_one_in_force_is_named_and_its_fix_heals(profile: Profile, tmp_path: Path) -> None:
    up(opened(profile, tmp_path, FIRST))
    rotated = opened(profile, tmp_path, SECOND)
    (told,) = (one for one in status(rotated).findings if one.code == "api_key_refused")
    assert (told.command, told.facts["started_with_another"]) == (
        f"qdrant-admin up --apply --profile {name(profile)}",
        True,
    )
    with pytest.raises(AccessDenied, match="another API key") as refused:
        up(rotated)
    assert "--apply" in refused.value.fix
    up(rotated, apply=True)
    assert answers_to(rotated)
    assert not answers_to(opened(profile, tmp_path, FIRST))
    kept = b"".join(path.read_bytes() for path in rotated.settings.native_folder.rglob("*.json"))
    assert SECOND.encode() not in kept


def test_a_key_that_is_not_known_here_is_never_dropped(profile: Profile, tmp_path: Path) -> None:
    up(opened(profile, tmp_path, FIRST))
    unknown = opened(profile.model_copy(update={"restart_policy": "no"}), tmp_path)
    assert "API key" not in [one.setting for one in status(unknown).changes]
    for attempt in (lambda: up(unknown, apply=True), lambda: list(restart(unknown, "recreate", cancel=CancelToken()))):
        with pytest.raises((Refused, AccessDenied)):
            attempt()
    assert answers_to(opened(profile, tmp_path, FIRST)), "the key is as it was"
    assert not answers_to(unknown)
    up(opened(profile, tmp_path, declined=True), apply=True)
    assert answers_to(opened(profile, tmp_path)), "asked for in words"


def test_two_at_once_end_with_one_key_that_works(profile: Profile, tmp_path: Path) -> None:
    options = ["--runtime", profile.runtime, "--port", str(profile.port), "--grpc-port", str(profile.grpc_port)]
    command = [sys.executable, "-m", "qdrant_admin"]
    adding = [*command, "profiles", "add", name(profile), f"binary={profile.binary}", f"image={profile.image}"]
    subprocess.run(adding, check=True, capture_output=True)
    both = [
        subprocess.Popen(
            [*command, "up", "--profile", name(profile), "--api-key", "auto", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [one.communicate()[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], "\n".join(said)
    kept = read_key(name(profile))
    assert kept is not None
    assert answers_to(opened(profile, tmp_path, kept.value.get_secret_value()))
    assert sum("a new API key" in one for one in said) == 1


def test_who_comes_second_is_told_and_can_go(tmp_path: Path) -> None:
    made = Profile(runtime="native", port=free_port(), grpc_port=free_port(), binary=binary())
    ws, token = opened(made, tmp_path), CancelToken()
    with run_locks.server_of(name(made)).held():
        events = bring_up(ws, UpOptions(), cancel=token)
        told = next(one for one in events if isinstance(one, Notice))
        assert "waiting" in told.text
        token.cancel()
        with pytest.raises(Cancelled):
            list(events)
    assert ws.runtime.inspect().state == "absent"


def test_a_key_made_since_the_settings_were_read_is_taken(tmp_path: Path) -> None:
    """A start without a key beside one that makes a key: the server would be open, and everybody locked out."""
    made = Profile(runtime="native", port=free_port(), grpc_port=free_port(), binary=binary())
    ws = opened(made, tmp_path)
    store_key(name(made), SecretStr(FIRST))
    try:
        up(ws)
        assert answers_to(opened(made, tmp_path, FIRST))
        assert status(ws).api_key
    finally:
        list(down(opened(made, tmp_path, FIRST), cancel=CancelToken()))


def test_a_digest_tells_of_no_key_but_its_own() -> None:
    key = SecretStr(FIRST)
    assert is_key_of(key_digest(key), key)
    assert not is_key_of(key_digest(key), SecretStr(SECOND))
    assert key_digest(key) != key_digest(key), "salted"
    assert not is_key_of("", key)
