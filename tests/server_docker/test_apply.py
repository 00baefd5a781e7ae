"""Differences in words, and making the container as the profile asks without losing anything."""

import socket
from collections.abc import Callable
from typing import Any

import docker
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Failed, ImageUnavailable, PortTaken, Refused
from qdrant_admin.core.events import Events
from qdrant_admin.server.docker.engine.look import Look
from tests.server_docker.conftest import Bench, run
from tests.support.real import free_port

pytestmark = pytest.mark.docker
SECRET = "s3cret-of-this-test"


def test_restart_policy_alone_is_changed_in_place(bench: Bench) -> None:
    bench.started()
    before = bench.attributes()
    other = bench.runtime(restart_policy="on-failure")
    assert [(c.setting, c.current, c.wanted) for c in other.differences()] == [
        ("restart policy", "unless-stopped", "on-failure")
    ]
    run(other.apply(CancelToken()))
    after = bench.attributes()
    assert (before["Id"], before["State"]["StartedAt"]) == (after["Id"], after["State"]["StartedAt"])
    assert after["HostConfig"]["RestartPolicy"]["Name"] == "on-failure"
    assert other.differences() == []


def test_apply_keeps_the_data_and_never_shows_the_key(bench: Bench) -> None:
    bench.started()
    bench.remember()
    old_grpc = bench.ports[1]
    bench.ports = (bench.ports[0], free_port())
    runtime = bench.runtime(key=SECRET)
    changes = runtime.differences()
    assert {c.setting for c in changes} == {"API key", "gRPC address"}
    assert any(str(old_grpc) in c.current for c in changes)
    events = run(runtime.apply(CancelToken()))
    bench.wait_ready(SECRET)
    assert runtime.differences() == []
    assert bench.get("/collections").status_code == 401
    assert [c["name"] for c in bench.get("/collections", SECRET).json()["result"]["collections"]] == ["proof"]
    another = bench.runtime(key="another")
    assert [(c.setting, c.current) for c in another.differences()] == [("API key", "another")]
    shown = f"{events}{changes}{another.differences()}{runtime.inspect()}{runtime.__dict__}{bench.settings(key=SECRET)}"
    assert SECRET not in shown


def hide_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an engine behind a proxy answers that keeps what may be secret to itself."""
    for asked in (Look, docker.APIClient):
        inspect: Callable[..., Any] = asked.inspect_container

        def hidden(self: object, container: str, inspect: Callable[..., Any] = inspect) -> Any:
            found = inspect(self, container)
            return {**found, "Config": {**found["Config"], "Env": None}}

        monkeypatch.setattr(asked, "inspect_container", hidden)


def test_a_key_is_compared_by_its_digest_where_the_environment_is_not_shown(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.started(key=SECRET)
    hide_environments(monkeypatch)
    assert bench.runtime(key=SECRET).differences() == []
    another = bench.runtime(key="another")
    assert [(c.setting, c.locks_out) for c in another.differences()] == [("API key", True)]
    keyless, before = bench.runtime(restart_policy="no", grpc_port=free_port()), bench.attributes()["Id"]
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: another.restart("recreate", CancelToken()),
        lambda: keyless.apply(CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(Refused, match="was not recreated"):
            run(attempt())
    assert bench.attributes()["Id"] == before, "it may have a key that nobody could give to the next one"
    run(another.apply(CancelToken()))
    bench.wait_ready("another")
    assert another.differences() == []


def test_an_empty_key_is_no_key(bench: Bench) -> None:
    bench.started(key="")
    assert not any("API_KEY" in entry for entry in bench.attributes()["Config"]["Env"])
    assert bench.get("/collections").status_code == 200


def test_another_volume_is_refused(bench: Bench) -> None:
    bench.started()
    other = bench.runtime(volume=f"{bench.mark}_other")
    with pytest.raises(Refused) as refused:
        run(other.apply(CancelToken()))
    assert f"--volume {bench.mark}" in refused.value.fix
    assert bench.attributes()["State"]["Running"]


def test_a_new_server_that_cannot_start_leaves_the_old_one(bench: Bench) -> None:
    bench.started()
    bench.remember()
    before = bench.attributes()["Id"]
    broken = f"{bench.mark}:broken"
    # The same image with a command line that the server refuses.
    bench.api.import_image_from_data(b"\0" * 10240, repository=bench.mark, tag="broken", changes=["CMD /none"])
    try:
        with pytest.raises(AdminError) as failed:
            run(bench.runtime(image=broken).apply(CancelToken()))
        assert "is back as it was" in failed.value.why
        assert bench.attributes()["Id"] == before
        assert bench.names() == ["proof"]
        assert len([c for c in bench.api.containers(all=True) if bench.mark in c["Names"][0]]) == 1
    finally:
        bench.api.remove_image(broken, force=True)


def test_a_server_that_ends_at_once_leaves_the_old_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.started()
    bench.remember()
    before = bench.attributes()["Id"]
    runtime = bench.runtime(restart_policy="no", key=SECRET)
    monkeypatch.setattr(
        "qdrant_admin.server.docker.container.spec._PLAIN", {"QDRANT__SERVICE__HTTP_PORT": "not-a-number"}
    )
    with pytest.raises(Failed) as failed:
        run(runtime.apply(CancelToken()))
    assert "ended as soon as it was started" in failed.value.what
    assert SECRET not in f"{failed.value.what}{failed.value.why}{failed.value.fix}"
    assert bench.attributes()["Id"] == before
    assert bench.names() == ["proof"]


def test_an_image_that_cannot_be_had_stops_nothing(bench: Bench) -> None:
    bench.started()
    before = bench.attributes()["State"]["StartedAt"]
    with pytest.raises(ImageUnavailable):
        run(bench.runtime(image="127.0.0.1:1/nobody/nothing:v1").apply(CancelToken()))
    assert bench.attributes()["State"]["StartedAt"] == before


def test_a_taken_port_stops_nothing(bench: Bench) -> None:
    bench.started()
    before = bench.attributes()["State"]["StartedAt"]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(PortTaken):
            run(bench.runtime(grpc_port=holder.getsockname()[1]).apply(CancelToken()))
    assert bench.attributes()["State"]["StartedAt"] == before


def test_apply_without_a_container_makes_one(bench: Bench) -> None:
    runtime = bench.runtime()
    run(runtime.apply(CancelToken()))
    assert runtime.inspect().state == "running"
