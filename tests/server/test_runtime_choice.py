"""Which runtime a profile gets: data that exists decides, then what can be had."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import EngineUnavailable
from qdrant_admin.server.health import wait_answering
from qdrant_admin.server.native.record import Files, Launch, Process, Record, write
from qdrant_admin.server.runtime_choice import Choice, choose_runtime
from tests.support.real import IMAGE, REQUIRED, free_port, missing

NO_ENGINE = "unix:///nonexistent/qdrant-admin-test.sock"


@pytest.fixture
def engine() -> None:
    """A Docker engine that answers."""
    from qdrant_admin.server.docker.engine.discovery import find_engine

    try:
        find_engine()
    except EngineUnavailable:
        missing("no Docker engine answers")


@pytest.fixture
def profile_name() -> str:
    return f"choose-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def in_docker(engine: None, profile_name: str) -> Iterator[Settings]:
    """A profile whose container of ours exists."""
    settings = make(profile_name, port=free_port(), grpc_port=free_port(), image=IMAGE)
    runtime = choose_runtime(make(profile_name, runtime="docker", image=IMAGE, **_ports(settings))).runtime
    try:
        list(runtime.start(CancelToken()))
        # As process 1 it ignores a stop until it has come up, and the stop would take its whole time.
        list(wait_answering(runtime, CancelToken(), 60))
        yield settings
    finally:
        if runtime.inspect().state != "absent":
            list(runtime.stop(CancelToken()))
            list(runtime.remove(CancelToken()))
        _remove_volume(settings)


def _ports(settings: Settings) -> dict[str, object]:
    return {"port": settings.profile.port, "grpc_port": settings.profile.grpc_port}


def _remove_volume(settings: Settings) -> None:
    from qdrant_admin.server.docker.engine.discovery import find_engine

    with find_engine().client() as client:
        for name in (settings.volume_name, f"{settings.volume_name}_snapshots"):
            client.remove_volume(name)


def make(name: str = "p", **profile: object) -> Settings:
    return Settings(name=name, profile=Profile.model_validate(profile))


def leave_native_record(settings: Settings) -> None:
    files = Files(settings.native_folder)
    files.folder.mkdir(parents=True)
    launch = Launch(
        binary=Path("/nowhere/qdrant"),
        version="1.16.3",
        host="127.0.0.1",
        port=1,
        grpc_port=2,
        storage=settings.native_storage,
        api_key=False,
    )
    gone = Process(pid=2**22 + 1, created=0, executable="/nowhere/python")
    write(files.record, Record(launch=launch, phase="stopped", supervisor=gone))


def kind(choice: Choice) -> str:
    return choice.runtime.kind


def test_what_is_asked_for_holds() -> None:
    native = choose_runtime(make(runtime="native"))
    remote = choose_runtime(make(runtime="remote", url="https://qdrant.example"))
    assert (kind(native), kind(remote)) == ("native", "remote")
    assert "asked for" in native.why
    with pytest.raises(EngineUnavailable):
        choose_runtime(make(runtime="docker", docker_host=NO_ENGINE))


def test_without_an_engine_it_runs_natively_and_says_why() -> None:
    choice = choose_runtime(make(docker_host=NO_ENGINE))
    assert kind(choice) == "native"
    assert "no container engine answers" in choice.why
    assert "natively" in choice.why


@pytest.mark.docker
def test_an_engine_with_the_image_comes_before_native(engine: None, profile_name: str) -> None:
    choice = choose_runtime(make(profile_name, image=IMAGE))
    assert kind(choice) == "docker"
    assert IMAGE in choice.why


@pytest.mark.docker
def test_an_image_that_can_be_pulled_counts(engine: None, profile_name: str) -> None:
    registry = os.environ.get("QDRANT_ADMIN_TEST_REGISTRY", "127.0.0.1:5055")
    image = f"{registry}/qdrant/qdrant:v1.16.3"
    choice = choose_runtime(make(profile_name, image=image))
    if kind(choice) == "native" and not REQUIRED:
        pytest.skip(f"no local registry: {choice.why}")
    assert kind(choice) == "docker"


@pytest.mark.docker
def test_an_image_that_cannot_be_had_means_native(engine: None, profile_name: str) -> None:
    choice = choose_runtime(make(profile_name, image=f"127.0.0.1:{free_port()}/no/such:v1.16.3"))
    assert kind(choice) == "native"
    assert "cannot be had" in choice.why


@pytest.mark.docker
def test_a_native_server_that_exists_wins_over_an_engine(engine: None, profile_name: str) -> None:
    settings = make(profile_name, image=IMAGE)
    leave_native_record(settings)
    choice = choose_runtime(settings)
    assert kind(choice) == "native"
    assert "already" in choice.why


@pytest.mark.docker
def test_native_data_wins_after_its_record_was_removed(engine: None, profile_name: str) -> None:
    settings = make(profile_name, image=IMAGE)
    (settings.native_folder / "storage" / "collections" / "a").mkdir(parents=True)
    assert kind(choose_runtime(settings)) == "native"


@pytest.mark.docker
def test_a_container_that_exists_wins_and_is_not_forgotten(in_docker: Settings) -> None:
    first = choose_runtime(in_docker)
    assert kind(first) == "docker"
    assert "already" in first.why
    leave_native_record(in_docker)
    both = choose_runtime(in_docker)
    assert kind(both) == "docker"
    assert any("native server" in note for note in both.notes)
    # The engine goes away: an empty native server in place of the data would look like its loss.
    without = in_docker.model_copy(update={"profile": in_docker.profile.model_copy(update={"docker_host": NO_ENGINE})})
    with pytest.raises(EngineUnavailable) as caught:
        choose_runtime(without)
    assert "Docker volume" in caught.value.why


@pytest.mark.docker
def test_a_volume_that_is_left_wins(in_docker: Settings) -> None:
    runtime = choose_runtime(in_docker).runtime
    list(runtime.stop(CancelToken()))
    list(runtime.remove(CancelToken()))
    choice = choose_runtime(
        in_docker.model_copy(
            update={"profile": in_docker.profile.model_copy(update={"image": f"127.0.0.1:{free_port()}/no/such:v1"})}
        )
    )
    assert kind(choice) == "docker"
    assert in_docker.volume_name in choice.why
