"""Where the data really lies: every fault is named, with its evidence and a way out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused, StorageUnusable
from qdrant_admin.core.events import Finished
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.reports import Check, DoctorReport
from qdrant_admin.server.docker.storage import check_folder, shared_folder
from qdrant_admin.server.runtime import Diagnosis, Storage
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.server_docker.conftest import Bench, run
from tests.support.disk import Disk
from tests.support.real import missing

pytestmark = pytest.mark.docker
MOVE = "qdrant-admin move-storage --profile "
WHERE = "/qdrant/storage"


def seen(bench: Bench, **body: Any) -> Storage:
    """What is said of a container that was never started."""
    bench.foreign(**body)
    return bench.runtime().inspect().storage


def bound(folder: Path, **more: Any) -> dict[str, Any]:
    return {"HostConfig": {"Mounts": [{"Type": "bind", "Source": str(folder), "Target": WHERE, **more}]}}


def only(storage: Storage) -> Diagnosis:
    assert len(storage.faults) == 1, storage.faults
    assert storage.sound is False
    return storage.faults[0]


def test_no_mount_and_one_at_the_wrong_path(bench: Bench) -> None:
    inside = seen(bench)
    assert (inside.kind, only(inside).fix) == ("container", MOVE + bench.settings().name)
    assert only(inside).what == f"nothing is mounted at {WHERE}: the data dies with the container"
    bench.clean()
    wrong = seen(bench, HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/data"}]})
    assert wrong.kind == "container"
    assert only(wrong).what.startswith(f"volume {bench.mark} is mounted at /data, where the server writes nothing; ")
    bench.clean()
    beside = {"Type": "volume", "Source": bench.mark, "Target": "/qdrant/snapshots"}
    assert "is mounted at" not in only(seen(bench, HostConfig={"Mounts": [beside]})).what.replace("nothing is", "")


def test_memory_and_volumes_without_a_name(bench: Bench) -> None:
    fleeting = only(seen(bench, HostConfig={"Tmpfs": {WHERE: ""}}))
    assert fleeting.what == f"{WHERE} lies in memory (tmpfs)"
    assert not fleeting.fix.startswith(MOVE)
    bench.clean()
    nameless = seen(bench, Volumes={WHERE: {}})
    bench.anonymous.append(nameless.source)
    assert (nameless.kind, only(nameless).what, only(nameless).fix) == (
        "volume",
        "the volume has no name",
        MOVE + bench.settings().name,
    )


def test_read_only_and_foreign_folders(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    assert seen(bench, **bound(folder)).faults == ()
    bench.clean()
    locked = only(seen(bench, **bound(folder, ReadOnly=True)))
    assert (locked.what, locked.severe) == (f"{folder} is mounted read-only", True)
    bench.clean()
    other = os.getuid() + 4321
    foreign = only(seen(bench, User=f"{other}:{other}", **bound(folder)))
    assert foreign.what == f"{folder} belongs to user {os.getuid()}, and the server runs as user {other}"
    assert foreign.fix == f'sudo chown -R {other} "{folder}"'


@pytest.mark.parametrize(("files", "whose", "scheme"), [
    (("chroma.sqlite3",), "Chroma", "chroma"),
    (("meta.json", "collection/x"), "the embedded mode of qdrant-client", "qdrant-local"),
])  # fmt: skip
def test_a_folder_of_another_kind(
    bench: Bench, tmp_path: Path, files: tuple[str, ...], whose: str, scheme: str
) -> None:
    folder = tmp_path / "data"
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = only(seen(bench, **bound(folder)))
    assert found.what == f"{folder} belongs to {whose}"
    assert found.fix == f"qdrant-admin migrate {scheme}:{folder} --profile {bench.settings().name}"
    with pytest.raises(StorageUnusable, match="belongs to"):
        list(check_folder(bench.engine, folder, "work"))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("/host_mnt/Users/you/qdrant", "virtual machine"),
        ("/run/desktop/mnt/host/c/Users/you/qdrant", "Windows drive"),
        ("/mnt/c/Users/you/qdrant", "seen from WSL"),
        ("C:\\Users\\you\\qdrant", "Windows drive"),
        ("//server/share", "another computer"),
        ("/run/desktop/mnt/host/wsl/docker-desktop-bind-mounts/Ubuntu/1", ""),
        ("/mnt/data/qdrant", ""),
        ("/home/you/qdrant", ""),
    ],
)
def test_shared_folders_are_known_by_what_the_engine_calls_them(source: str, told: str) -> None:
    assert told in shared_folder(source)
    assert bool(told) == bool(shared_folder(source))


def diagnosed(bench: Bench, folder: Path) -> dict[str, Check]:
    """The doctor's checks of the profile."""
    *_, last = doctor(Workspace(bench.settings(), StateStore(folder / "state.sqlite3")), cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, DoctorReport)
    return {check.name: check for check in last.report.checks}


def test_the_doctor_tells_of_a_full_disk_a_second_server_and_a_read_only_storage(bench: Bench, tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("not root on Linux, so no file system can be mounted")
    disk = Disk(tmp_path, 96 << 20)
    try:
        bench.foreign("-second", start=True, **bound(disk.mount))
        bench.foreign(**bound(disk.mount))
        checks = diagnosed(bench, tmp_path)
        assert (checks["storage"].status, checks["disk"].status) == ("unknown", "fail")  # it has never run
        assert "MiB free" in checks["disk"].detail
        assert checks["sharing"].status == "fail"
        assert checks["sharing"].fix == f"docker stop {bench.mark}-second"
        bench.clean()
        subprocess.run(["mount", "-o", "remount,ro", str(disk.mount)], check=True)
        bench.foreign(**bound(disk.mount))
        checks = diagnosed(bench, tmp_path)
        assert "is read-only" in checks["storage"].detail
        assert checks["storage"].status == "fail"
        assert checks["storage"].fix == f'findmnt -T "{disk.mount}"'
    finally:
        bench.clean()
        disk.detach()


def test_a_container_that_was_set_aside_and_never_replaced_is_brought_back(bench: Bench, tmp_path: Path) -> None:
    runtime = bench.started()
    bench.remember()
    old = bench.attributes()["Id"]
    bench.api.stop(bench.mark)
    bench.api.rename(bench.mark, f"{bench.mark}-old-{old[:8]}")
    state = runtime.inspect()
    assert (state.state, state.ours) == ("stopped", True)
    assert state.diagnosis is not None
    assert "was interrupted" in state.diagnosis.what
    run(runtime.start(CancelToken()))
    assert bench.attributes()["Id"] == old
    assert bench.names() == ["proof"]

    bench.api.create_container_from_config(
        {"Image": bench.attributes()["Image"], "HostConfig": bench.attributes()["HostConfig"]}, f"{bench.mark}-new"
    )
    left = bench.api.inspect_container(f"{bench.mark}-new")["Id"]
    bench.api.rename(left, f"{bench.mark}-old-{left[:8]}")
    assert diagnosed(bench, tmp_path)["leftovers"].fix == f"docker rm {bench.mark}-old-{left[:8]}"


def refused(bench: Bench, volume: str | None = None, **host: Any) -> str:
    """Why the data of a container of ours, made like this, is not moved."""
    labels = bench.labels
    bench.foreign(Labels=labels, HostConfig=host)
    try:
        with pytest.raises(Refused) as caught:
            bench.runtime().relocation(volume).check()
        assert caught.value.fix
        return caught.value.what
    finally:
        bench.api.remove_container(bench.mark, force=True)


def test_what_would_cost_data_or_is_in_use_is_not_moved(bench: Bench, tmp_path: Path) -> None:
    assert "in memory" in refused(bench, Tmpfs={WHERE: ""})
    assert "removes itself" in refused(bench, AutoRemove=True)
    there = [{"Type": "volume", "Source": bench.mark, "Target": WHERE}]
    assert refused(bench, bench.mark, Mounts=there) == f"the data of {bench.mark} lies in volume {bench.mark} already"
    bench.foreign("-second", HostConfig={"Mounts": there})
    assert refused(bench, bench.mark) == f"volume {bench.mark} is used by container {bench.mark}-second (created)"
    shared = [{"Type": "bind", "Source": str(tmp_path), "Target": WHERE}]
    bench.foreign("-third", start=True, HostConfig={"Mounts": shared})
    assert f"container {bench.mark}-third as well, which runs" in refused(bench, Mounts=shared)
