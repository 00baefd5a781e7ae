"""What is not ours is not touched, and what would lose data is not started."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ImageUnavailable, NotFound, NotOurs, NotQdrant, PortTaken, Refused, StorageUnusable
from qdrant_admin.core.events import Events
from qdrant_admin.server.docker.container.spec import LABEL_MANAGED, LABEL_PROFILE
from tests.server_docker.conftest import Bench, run

pytestmark = pytest.mark.docker


Attempt = Callable[[], Events]


def leftovers(bench: Bench) -> list[str]:
    containers = [c["Names"][0] for c in bench.api.containers(all=True) if bench.mark in c["Names"][0]]
    return containers + [v["Name"] for v in bench.api.volumes()["Volumes"] or () if bench.mark in v["Name"]]


@pytest.mark.parametrize("labels", [{}, {LABEL_MANAGED: "true", LABEL_PROFILE: "another"}])
def test_a_container_without_our_mark_is_never_touched(bench: Bench, labels: dict[str, str]) -> None:
    bench.foreign(
        start=True,
        Labels=labels,
        HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage"}]},
    )
    runtime = bench.runtime()
    before = bench.attributes()
    token = CancelToken()
    attempts: tuple[Attempt, ...] = (
        lambda: runtime.start(token),
        lambda: runtime.stop(token),
        lambda: runtime.apply(token),
        lambda: runtime.restart("kill", token),
        lambda: runtime.restart("recreate", token),
        lambda: runtime.remove(token),
    )
    for operation in attempts:
        with pytest.raises(NotOurs) as refused:
            run(operation())
        assert refused.value.fix == "qdrant-admin adopt"
    after = bench.attributes()
    assert (before["Id"], before["State"]) == (after["Id"], after["State"])
    assert runtime.inspect().ours is False


def test_an_adopted_container_is_run_as_it_is(bench: Bench) -> None:
    bench.foreign(
        start=True, HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage"}]}
    )
    runtime = bench.runtime()
    before = bench.attributes()
    bench.until_it_listens()
    run(runtime.adopt(CancelToken()))
    assert bench.attributes()["State"]["StartedAt"] == before["State"]["StartedAt"]
    assert runtime.inspect().ours is True
    assert run(runtime.adopt(CancelToken()))[-1].outcome == "skipped"
    run(runtime.restart("graceful", CancelToken()))
    bench.until_it_listens(starts=2)
    assert bench.attributes()["HostConfig"]["RestartPolicy"] == before["HostConfig"]["RestartPolicy"]
    with pytest.raises(Refused, match="adopted"):
        run(runtime.apply(CancelToken()))
    run(runtime.stop(CancelToken()))
    assert runtime.inspect().state == "stopped"
    # Somebody makes another container of that name: the adoption was not of the name.
    bench.api.remove_container(bench.mark)
    bench.foreign()
    assert runtime.inspect().ours is False


def test_only_a_qdrant_is_adopted(bench: Bench, registry: str) -> None:
    runtime = bench.runtime()
    with pytest.raises(NotFound):
        run(runtime.adopt(CancelToken()))
    bench.api.import_image_from_data(b"\0" * 10240, repository=bench.mark, tag="other", changes=["CMD /none"])
    try:
        bench.foreign(Image=f"{bench.mark}:other")
        with pytest.raises(NotQdrant):
            run(runtime.adopt(CancelToken()))
        assert runtime.inspect().ours is False
    finally:
        bench.clean()
        bench.api.remove_image(f"{bench.mark}:other", force=True)


def test_a_container_that_removes_itself_is_not_adopted(bench: Bench) -> None:
    bench.foreign(HostConfig={"AutoRemove": True})
    with pytest.raises(Refused, match="removes itself"):
        run(bench.runtime().adopt(CancelToken()))


@pytest.mark.parametrize("start", [True, False])
def test_a_volume_is_never_shared(bench: Bench, start: bool) -> None:
    other = bench.foreign(
        "-other",
        start=start,
        HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage"}]},
    )
    with pytest.raises(Refused) as refused:
        run(bench.runtime().start(CancelToken()))
    assert other in refused.value.what
    assert f"/{bench.mark}" not in leftovers(bench)


def test_a_folder_is_never_shared(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    other = bench.foreign("-other", HostConfig={"Binds": [f"{tmp_path}/data:/qdrant/storage"]})
    with pytest.raises(Refused, match=other):
        run(bench.runtime(storage=tmp_path / "data").start(CancelToken()))


def test_a_stopped_server_does_not_start_beside_another(bench: Bench) -> None:
    runtime = bench.started()
    run(runtime.stop(CancelToken()))
    other = bench.foreign(
        "-other", HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage"}]}
    )
    with pytest.raises(Refused, match=other):
        run(runtime.start(CancelToken()))
    assert runtime.inspect().state == "stopped"


def test_a_port_held_by_a_program(bench: Bench) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", bench.ports[1]))
        holder.listen()
        with pytest.raises(PortTaken) as taken:
            run(bench.runtime().start(CancelToken()))
    assert str(bench.ports[1]) in taken.value.what
    assert "pid" in taken.value.why
    assert leftovers(bench) == []


def test_a_port_held_by_a_container(bench: Bench) -> None:
    held = {"PortBindings": {"6333/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(bench.ports[0])}]}}
    other = bench.foreign("-web", start=True, HostConfig=held)
    with pytest.raises(PortTaken) as taken:
        run(bench.runtime().start(CancelToken()))
    assert f"container {other}" in taken.value.why


def test_a_port_taken_in_the_last_moment_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race between looking and starting: Docker leaves a container in state `created`."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", bench.ports[0]))
        holder.listen()
        monkeypatch.setattr("qdrant_admin.server.docker.runtime.check_ports", lambda *_: None)
        with pytest.raises(PortTaken) as taken:
            run(bench.runtime().start(CancelToken()))
    assert str(bench.ports[0]) in taken.value.what
    assert leftovers(bench) == []


def test_open_to_others_only_with_a_key(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        run(bench.runtime(host="0.0.0.0").start(CancelToken()))  # noqa: S104 # refused before anything is bound
    assert refused.value.fix
    assert leftovers(bench) == []


def test_a_folder_that_is_a_file(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnusable):
        run(bench.runtime(storage=tmp_path / "file").start(CancelToken()))
    assert leftovers(bench) == []


def test_a_folder_works(bench: Bench, tmp_path: Path) -> None:
    runtime = bench.started(storage=tmp_path / "data")
    bench.remember()
    state = runtime.inspect()
    assert (state.storage.kind, state.storage.source) == ("bind", str(tmp_path / "data"))
    run(runtime.restart("recreate", CancelToken()))
    assert bench.names() == ["proof"]
    assert (tmp_path / "data" / "collections" / "proof").is_dir()


def test_an_unknown_image_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(ImageUnavailable):
        run(bench.runtime(image="127.0.0.1:1/nobody/nothing:v1").start(CancelToken()))
    assert leftovers(bench) == []
