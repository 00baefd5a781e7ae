"""The demo tells the whole story, and leaves the machine as it was."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.places import config_dir, data_dir, state_file
from qdrant_admin.config.secrets import read_key
from qdrant_admin.config.settings import load_settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled, Refused, SourceUnreadable
from qdrant_admin.core.events import Event, Events, Finished, Notice, StepStarted
from qdrant_admin.demo import story
from qdrant_admin.demo.reports import DemoReport
from qdrant_admin.demo.story import COLLECTION, POINTS, demo
from qdrant_admin.server.health import wait_answering
from qdrant_admin.server.native.runtime import NativeRuntime
from qdrant_admin.server.remove import discard
from qdrant_admin.state import run_locks
from qdrant_admin.state.store import StateStore
from tests.support.real import binary

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def with_binary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_ADMIN_BINARY", str(binary()))


def outcome(events: Events) -> tuple[list[Event], DemoReport]:
    seen = list(events)
    assert isinstance(seen[-1], Finished)
    assert isinstance(seen[-1].report, DemoReport)
    return seen, seen[-1].report


def assert_nothing_left(report: DemoReport | None = None) -> None:
    assert read_profiles() == {}
    assert list((data_dir() / "native").glob("*")) == []
    assert list((config_dir() / "keys").glob("*")) == []
    if report is not None:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{report.up.url}/", timeout=2)


def test_it_moves_the_sample_in_kills_the_server_and_proves_it_and_nothing_is_left() -> None:
    seen, report = outcome(demo(runtime="native", cancel=CancelToken()))
    assert report.exit_code == 0
    assert report.verdict_word == "persisted"
    assert [(one.read, one.verified) for one in report.migration.collections] == [(POINTS, POINTS)]
    assert (report.verify.how, report.verify.collections[0].verdict) == ("kill", "same")
    assert report.up.api_key, "a demo's server is not open to every web page"
    assert report.left == ()
    steps = [event.step for event in seen if isinstance(event, StepStarted)]
    assert len(steps) == len(set(steps)), "an id of a step stands for one step"
    assert [entry.operation for entry in StateStore(state_file()).history()] == ["demo"]
    assert_nothing_left(report)


def test_no_variable_of_the_environment_leads_it_to_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("QDRANT_URL", "http://qdrant.example:6333")
        monkeypatch.setenv("QDRANT_API_KEY", "somebody-elses")
        monkeypatch.setenv("QDRANT_COLLECTION_PREFIX", "mine_")
        monkeypatch.setattr(story, "_FIRST_PORT", port - 1)
        monkeypatch.setattr("os.getpid", lambda: 4000)  # the first port it looks at is the taken one
        settings = story.make_profile("native")
    assert settings.endpoint.url.startswith("http://127.0.0.1:")
    assert port not in {settings.profile.port, settings.profile.grpc_port}
    assert settings.profile.runtime == "native"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() != "somebody-elses"
    assert settings.profile.collection_prefix == ""


def test_cancelled_in_the_middle_it_cleans_up_all_the_same() -> None:
    cancel = CancelToken()

    def until_cancelled() -> None:
        for event in demo(runtime="native", cancel=cancel):
            if isinstance(event, StepStarted) and event.step == "plan.source":
                cancel.cancel()

    with pytest.raises(Cancelled):
        until_cancelled()
    assert_nothing_left()


def test_a_listener_that_goes_away_leaves_nothing_behind() -> None:
    events = demo(runtime="native", cancel=CancelToken())
    for event in events:
        if isinstance(event, StepStarted) and event.step == "verify.fingerprint_before":
            break
    close = getattr(events, "close", None)
    assert close is not None
    close()
    assert_nothing_left()


def test_what_fails_is_told_after_the_cleaning_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(folder: Path) -> Path:
        return folder / "nothing"

    monkeypatch.setattr(story, "unpack_sample", empty)
    with pytest.raises(SourceUnreadable):
        list(demo(runtime="native", cancel=CancelToken()))
    assert_nothing_left()


def test_kept_it_is_a_profile_like_any_other() -> None:
    _, report = outcome(demo(runtime="native", keep=True, cancel=CancelToken()))
    assert report.kept
    settings = load_settings(report.profile)
    runtime = NativeRuntime(settings)
    try:
        key = read_key(report.profile)
        assert key is not None
        headers = {"api-key": key.value.get_secret_value()}
        count = httpx.post(f"{report.up.url}/collections/{COLLECTION}/points/count", headers=headers, json={})
        assert count.json()["result"]["count"] == POINTS
        assert not read_profiles()[report.profile].ephemeral
        with pytest.raises(Refused):
            list(discard(settings, runtime, CancelToken()))
        assert runtime.inspect().state == "running"
        assert story.leftovers() == []
    finally:
        list(runtime.remove(CancelToken()))


@pytest.fixture
def killed_demo() -> Iterator[str]:
    """What a demo leaves behind that was killed in the middle."""
    settings = story.make_profile("native")
    runtime = NativeRuntime(settings)
    list(runtime.start(CancelToken()))
    list(wait_answering(runtime, CancelToken(), 60))
    yield settings.name
    with contextlib.suppress(Exception):
        list(runtime.remove(CancelToken()))


def test_what_a_killed_demo_left_is_removed_by_the_next(killed_demo: str) -> None:
    seen, report = outcome(demo(runtime="native", cancel=CancelToken()))
    assert any(isinstance(event, Notice) and killed_demo in event.text for event in seen)
    assert report.profile != killed_demo
    assert_nothing_left(report)


def test_two_demos_do_not_clean_up_each_other() -> None:
    with run_locks.demo().held(), pytest.raises(Refused):
        list(demo(runtime="native", cancel=CancelToken()))
    assert_nothing_left()


def test_only_what_a_demo_made_is_ever_thrown_away() -> None:
    write_profile("local", {"runtime": "native"})
    settings = load_settings("local")
    data = settings.native_storage / "collections"
    data.mkdir(parents=True)
    with pytest.raises(Refused):
        list(discard(settings, NativeRuntime(settings), CancelToken()))
    elsewhere = settings.profile.model_copy(update={"ephemeral": True, "storage": data.parent})
    moved = settings.model_copy(update={"profile": elsewhere})
    with pytest.raises(Refused):
        list(discard(moved, NativeRuntime(moved), CancelToken()))
    assert data.exists()


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.docker
def test_with_docker_container_and_volumes_are_gone_afterwards() -> None:
    _, report = outcome(demo(runtime="docker", cancel=CancelToken()))
    assert report.exit_code == 0
    assert report.up.runtime == "docker"
    assert report.profile not in docker("ps", "-a", "--format", "{{.Names}}")
    assert report.profile not in docker("volume", "ls", "-q")
    assert_nothing_left(report)


@pytest.mark.docker
def test_a_volume_without_our_mark_is_not_removed() -> None:
    from qdrant_admin.server.docker.engine.discovery import find_engine
    from qdrant_admin.server.docker.runtime import DockerRuntime

    settings = story.make_profile("docker")
    docker("volume", "create", settings.volume_name)
    try:
        with pytest.raises(Refused):
            list(discard(settings, DockerRuntime(settings, find_engine()), CancelToken()))
        assert settings.volume_name in docker("volume", "ls", "-q")
    finally:
        docker("volume", "rm", settings.volume_name)
