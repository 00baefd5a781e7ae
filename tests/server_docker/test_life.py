"""Start, stop, restart, remove: on the real engine, with the data looked at each time."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused
from qdrant_admin.core.events import Events
from qdrant_admin.server.docker.container.spec import LABEL_MANAGED, LABEL_PROFILE
from qdrant_admin.server.runtime import RestartMethod
from tests.server_docker.conftest import Bench, run

pytestmark = pytest.mark.docker


def test_nothing_there_is_said_as_absent(bench: Bench) -> None:
    runtime = bench.runtime()
    state = runtime.inspect()
    assert (state.state, state.ours, state.name) == ("absent", None, bench.mark)
    assert runtime.differences() == []
    assert run(runtime.stop(CancelToken()))[-1].outcome == "skipped"
    assert run(runtime.remove(CancelToken()))[-1].outcome == "skipped"


def test_start_makes_a_container_that_protects_its_data(bench: Bench) -> None:
    runtime = bench.started()
    found = bench.attributes()
    assert found["Config"]["Labels"] | {LABEL_MANAGED: "true", LABEL_PROFILE: bench.mark} == found["Config"]["Labels"]
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert found["Config"]["StopTimeout"] >= 30
    published = [entry for entries in found["NetworkSettings"]["Ports"].values() for entry in entries]
    assert {(entry["HostIp"], int(entry["HostPort"])) for entry in published} == {
        ("127.0.0.1", port) for port in bench.ports
    }
    assert {(mount["Destination"], mount["Name"]) for mount in found["Mounts"]} == {
        ("/qdrant/storage", bench.mark),
        ("/qdrant/snapshots", f"{bench.mark}_snapshots"),
    }
    assert not any("API_KEY" in entry for entry in found["Config"]["Env"])
    assert bench.api.inspect_volume(bench.mark)["Labels"][LABEL_PROFILE] == bench.mark
    assert "access-control-allow-origin" not in bench.get("/").headers

    state = runtime.inspect()
    assert (state.state, state.ours, state.restarts, state.exit_code) == ("running", True, 0, None)
    assert (state.storage.kind, state.storage.source, state.storage.sound) == ("volume", bench.mark, True)
    assert state.started_at is not None
    assert state.diagnosis is None
    assert runtime.differences() == []


def test_start_again_changes_nothing(bench: Bench) -> None:
    runtime = bench.started()
    before = bench.attributes()
    assert run(runtime.start(CancelToken()))[-1].outcome == "skipped"
    run(runtime.apply(CancelToken()))
    after = bench.attributes()
    assert (before["Id"], before["State"]["StartedAt"]) == (after["Id"], after["State"]["StartedAt"])


def test_stop_is_clean_and_start_goes_on(bench: Bench) -> None:
    runtime = bench.started()
    bench.remember()
    assert run(runtime.stop(CancelToken()))[-1].outcome == "ok"
    state = runtime.inspect()
    assert (state.state, state.diagnosis) == ("stopped", None)
    run(runtime.start(CancelToken()))
    assert bench.names() == ["proof"]


def test_a_paused_server_goes_on_and_can_be_stopped(bench: Bench) -> None:
    runtime = bench.started()
    bench.api.pause(bench.mark)
    assert runtime.inspect().state == "paused"
    run(runtime.start(CancelToken()))
    assert runtime.inspect().state == "running"
    bench.api.pause(bench.mark)
    run(runtime.stop(CancelToken()))
    assert runtime.inspect().state == "stopped"


@pytest.mark.parametrize("how", ["graceful", "kill", "recreate"])
def test_data_survives_every_restart(bench: Bench, how: RestartMethod) -> None:
    runtime = bench.started()
    bench.remember()
    before = bench.attributes()
    run(runtime.restart(how, CancelToken()))
    assert bench.names() == ["proof"]
    after = bench.attributes()
    assert before["State"]["StartedAt"] != after["State"]["StartedAt"]
    assert (before["Id"] == after["Id"]) is (how != "recreate")
    assert runtime.inspect().ours is True
    assert runtime.differences() == []
    assert [c["Names"] for c in bench.api.containers(all=True) if bench.mark in c["Names"][0]] == [[f"/{bench.mark}"]]


def test_a_new_container_is_in_every_network_of_the_old_one(bench: Bench) -> None:
    """Applications in other containers find it there; and nobody finds one that was taken off the engine's own."""
    runtime = bench.started()
    network = f"{bench.mark}-net"
    bench.api.create_network(network)
    try:
        bench.api.connect_container_to_network(bench.mark, network, aliases=["memory"])
        run(bench.runtime(key="new").apply(CancelToken()))
        joined = bench.attributes()["NetworkSettings"]["Networks"]
        assert set(joined) == {"bridge", network}
        assert "memory" in joined[network]["Aliases"]
        for one in joined:
            bench.api.disconnect_container_from_network(bench.mark, one)
        with pytest.raises(Refused, match="none of its ports is published") as refused:
            run(runtime.start(CancelToken()))
        assert refused.value.fix_on("p") == "qdrant-admin restart --how recreate --profile p"
        bench.api.connect_container_to_network(bench.mark, network)
        run(runtime.restart("recreate", CancelToken()))
        assert set(bench.attributes()["NetworkSettings"]["Networks"]) == {"bridge", network}
        bench.wait_ready("new")
    finally:
        bench.clean()
        bench.api.remove_network(network)


def emptied(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def replaced(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.mkdir()


@pytest.mark.parametrize("removes", [emptied, replaced])
def test_data_that_is_removed_below_a_running_server_is_told_and_not_lost_by_a_restart(
    bench: Bench, tmp_path: Path, removes: Callable[[Path], None]
) -> None:
    if os.geteuid():
        pytest.skip("only root may empty what the server in the container has written")
    folder = tmp_path / "data"
    runtime = bench.started(storage=folder)
    bench.remember()
    assert runtime.inspect().storage.faults == ()
    removes(folder)
    (fault,) = runtime.inspect().storage.faults
    assert (fault.code, fault.severe) == ("storage_deleted", True)
    assert str(folder) in fault.what
    before = bench.attributes()["State"]["StartedAt"]
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: runtime.restart("kill", CancelToken()),
        lambda: runtime.restart("recreate", CancelToken()),
        lambda: bench.runtime(storage=folder, key="new").apply(CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(Refused, match="under the running server"):
            run(attempt())
    assert bench.attributes()["State"]["StartedAt"] == before
    if removes is replaced:
        folder.rmdir()
        folder.with_name("elsewhere").rename(folder)
        run(runtime.restart("kill", CancelToken()))
        assert bench.names() == ["proof"], "put back, it is sound again"


def test_remove_keeps_the_data(bench: Bench) -> None:
    runtime = bench.started()
    bench.remember()
    run(runtime.remove(CancelToken()))
    assert runtime.inspect().state == "absent"
    run(runtime.start(CancelToken()))
    assert bench.names() == ["proof"]


def test_recreate_keeps_an_anonymous_volume(bench: Bench) -> None:
    """A second container from the same request would get a new, empty one."""
    bench.foreign(
        start=True,
        Volumes={"/qdrant/storage": {}},
        HostConfig={"PortBindings": {"6333/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(bench.ports[0])}]}},
    )
    bench.wait_ready()
    bench.remember()
    volume = bench.attributes()["Mounts"][0]["Name"]
    bench.anonymous.append(volume)
    runtime = bench.runtime()
    run(runtime.adopt(CancelToken()))
    run(runtime.restart("recreate", CancelToken()))
    assert bench.names() == ["proof"]
    assert bench.attributes()["Mounts"][0]["Name"] == volume
    assert runtime.inspect().ours is True


def test_data_inside_the_container_is_never_thrown_away(bench: Bench) -> None:
    bench.foreign(start=True, HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/data"}]})
    runtime = bench.runtime()
    run(runtime.adopt(CancelToken()))
    bench.until(lambda: runtime.inspect().diagnosis is not None)
    state = runtime.inspect()
    assert (state.storage.kind, state.storage.sound) == ("container", False)
    before = bench.attributes()["Id"]
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: runtime.restart("recreate", CancelToken()),
        lambda: runtime.remove(CancelToken()),
        lambda: runtime.apply(CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(Refused) as refused:
            run(attempt())
        assert "inside the container" in refused.value.what
    assert bench.attributes()["Id"] == before
    assert bench.attributes()["State"]["Running"]


def test_a_crash_at_start_is_explained(bench: Bench, tmp_path: object) -> None:
    bench.foreign(
        Labels=bench.labels,
        HostConfig={
            "Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage", "ReadOnly": True}],
            "RestartPolicy": {"Name": "no"},
        },
    )
    runtime = bench.runtime()
    run(runtime.start(CancelToken()))
    bench.until(lambda: runtime.inspect().state == "stopped")
    state = runtime.inspect()
    assert state.exit_code in {1, 101}
    assert state.diagnosis is not None
    assert "read-only" in state.diagnosis.what


def test_a_volume_is_told_from_another_of_its_name(bench: Bench) -> None:
    runtime = bench.started()
    first = runtime.storage_identity()
    assert first is not None
    assert first.place == f"volume {bench.mark}"
    assert first.peer.isdigit()
    run(runtime.restart("recreate", CancelToken()))
    bench.wait_ready()
    assert runtime.storage_identity() == first
    bench.remember()
    httpx.delete(f"http://127.0.0.1:{bench.ports[0]}/collections/proof", timeout=30).raise_for_status()
    assert runtime.storage_identity() == first, "the first collection that goes makes a folder beside the others"
    run(runtime.remove(CancelToken()))
    assert runtime.storage_identity() is None
    bench.api.remove_volume(bench.mark)
    bench.started()
    second = runtime.storage_identity()
    assert second is not None
    assert second.place == first.place
    assert not second.same(first)


def test_a_folder_is_known_by_its_inode_and_its_peer(bench: Bench, tmp_path: Path) -> None:
    runtime = bench.started(storage=tmp_path / "data")
    found = runtime.storage_identity()
    assert found is not None
    assert found.place == f"folder {tmp_path / 'data'}"
    assert found.mark == f"{tmp_path.stat().st_dev}:{(tmp_path / 'data').stat().st_ino}"
    assert found.peer.isdigit()
