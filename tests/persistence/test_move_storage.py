"""Data that would die with its container, or lies in a folder, goes to a volume: proven, or everything is as it was."""

import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from qdrant_admin.config.file import read_profiles
from qdrant_admin.config.places import config_file
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, Cancelled, NotOurs, Refused, Unsupported
from qdrant_admin.core.events import Finished, StepFinished, StepStarted
from qdrant_admin.core.serialization import to_json
from qdrant_admin.lifecycle.findings import MEMORY
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.persistence.move_storage import move_storage, plan_move
from qdrant_admin.persistence.reports import MoveReport
from qdrant_admin.server.docker.container.ownership import remember_adoption
from qdrant_admin.server.docker.container.spec import LABEL_INSTALLATION, LABEL_MANAGED, LABEL_PROFILE
from qdrant_admin.server.docker.relocation import plan as relocation_plan
from qdrant_admin.state.installation import installation
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, free_port

pytestmark = [pytest.mark.docker, pytest.mark.slow]
POINTS = 40


@dataclass
class Bench:
    """A container that somebody made without care, and the profile that looks after it."""

    ws: Workspace
    api: docker.APIClient

    @property
    def name(self) -> str:
        return self.ws.settings.container_name

    def make(self, *, ours: bool = True, adopted: bool = False, **host: Any) -> None:
        """Make and start the container, on whatever storage, and fill it."""
        profile = self.ws.settings.profile
        ports = {"6333/tcp": profile.port, "6334/tcp": profile.grpc_port}
        bindings = {inside: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for inside, port in ports.items()}
        mine = {
            LABEL_MANAGED: "true",
            LABEL_PROFILE: self.ws.settings.name,
            LABEL_INSTALLATION: installation(),
        }
        labels = mine if ours and not adopted else {}
        body = {
            "Image": IMAGE,
            "Labels": labels,
            "ExposedPorts": {port: {} for port in ports},
            "HostConfig": {"PortBindings": bindings, **host},
        }
        self.api.create_container_from_config(body, self.name)
        self.api.start(self.name)
        if adopted:
            remember_adoption(self.api.inspect_container(self.name)["Id"], self.ws.settings.name)
        if ours:
            self.up()
            self.fill()

    def up(self) -> None:
        list(up(self.ws, cancel=CancelToken()))

    def fill(self) -> None:
        """A collection, small on the disk: named and sparse vectors, payload, an index, an alias."""
        small = {"wal_config": {"wal_capacity_mb": 1}, "optimizers_config": {"default_segment_number": 1}}
        vectors = {"vectors": {"title": {"size": 4, "distance": "Dot"}}, "sparse_vectors": {"text": {}}}
        points = [
            {
                "id": number,
                "vector": {"title": [number, 1, 2, 3], "text": {"indices": [number], "values": [0.5]}},
                "payload": {"n": number, "nested": {"deep": [number]}},
            }
            for number in range(POINTS)
        ]
        with httpx.Client(base_url=self.ws.settings.endpoint.url, timeout=60) as http:
            http.put("/collections/memories", json=small | vectors).raise_for_status()
            index = {"field_name": "n", "field_schema": "integer"}
            http.put("/collections/memories/index?wait=true", json=index).raise_for_status()
            http.put("/collections/memories/points?wait=true", json={"points": points}).raise_for_status()
            alias = {"create_alias": {"collection_name": "memories", "alias_name": "mind"}}
            http.post("/collections/aliases", json={"actions": [alias]}).raise_for_status()

    def move(self, volume: str | None = None) -> MoveReport:
        *_, last = move_storage(self.ws, volume, cancel=CancelToken())
        assert isinstance(last, Finished)
        assert isinstance(last.report, MoveReport)
        return last.report

    def mounts(self, name: str = "") -> dict[str, str]:
        """Path in the container to volume or folder."""
        found = self.api.inspect_container(name or self.name)["Mounts"]
        return {one["Destination"]: one.get("Name") or one["Source"] for one in found}

    def containers(self) -> set[str]:
        return {name.lstrip("/") for one in self.api.containers(all=True) for name in one["Names"] if self.name in name}

    def volumes(self) -> set[str]:
        mark = self.ws.settings.name
        return {one["Name"] for one in self.api.volumes()["Volumes"] or () if mark in one["Name"]}

    def holds(self) -> int:
        with self.ws.database() as database:
            assert database.aliases() == {"mind": "memories"}
            return database.count("memories")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    need_engine()
    profile = Profile(runtime="docker", image=IMAGE, port=free_port(), grpc_port=free_port(), restart_policy="no")
    settings = Settings(name=f"move-{uuid.uuid4().hex[:8]}", profile=profile)
    with docker.APIClient(version="auto") as api:
        try:
            yield Bench(Workspace(settings, StateStore(tmp_path / "state.sqlite3")), api)
        finally:
            sweep(settings.name)


def test_data_inside_a_container_goes_to_a_volume_and_survives_what_would_have_lost_it(bench: Bench) -> None:
    bench.make(adopted=True)
    plain = {"vectors": {"size": 4, "distance": "Dot"}}
    httpx.put(f"{bench.ws.settings.endpoint.url}/collections/empty", json=plain, timeout=60).raise_for_status()
    name, volume = bench.ws.settings.name, f"{bench.ws.settings.name}-kept"
    text = f'# mine\n[profiles.{name}]\nruntime = "docker" # as ever\nstorage = "/nowhere"\n'
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text(text, encoding="utf-8")
    assert status(bench.ws).collections == 2, "from here on they are known to be there"
    planned = plan_move(bench.ws, volume)
    assert (planned.storage, planned.volume) == (f"inside container {bench.name}", volume)
    assert bench.volumes() == set()
    old = bench.api.inspect_container(bench.name)["Id"]
    report = bench.move(volume)
    assert (report.verdict, report.moved, report.exit_code) == ("persisted", True, 0)
    assert {check.name: check.verdict for check in report.collections} == {"memories": "same", "empty": "same"}
    httpx.delete(f"{bench.ws.settings.endpoint.url}/collections/empty", timeout=60).raise_for_status()
    seen = status(bench.ws)
    assert not any(one.code in MEMORY for one in seen.findings), "the volume is the known storage from its first moment"
    assert [told.partition(" by ")[0] for told in seen.since] == ["empty was deleted"]
    assert bench.mounts() == {"/qdrant/storage": volume, "/qdrant/snapshots": f"{volume}_snapshots"}
    assert bench.holds() == POINTS
    kept = f"{bench.name}-moved-{old[:8]}"
    assert (report.left, report.remove) == (f"container {kept}", f"docker rm {kept}")
    assert bench.containers() == {bench.name, kept}
    assert read_profiles()[name].volume == volume
    assert {"# mine", "# as ever"} <= {line[line.find("#") :] for line in config_file().read_text().splitlines()}
    profile = bench.ws.settings.profile.model_copy(update={"volume": volume})
    moved = Workspace(bench.ws.settings.model_copy(update={"profile": profile}), bench.ws.store)
    assert "storage" not in {change.setting for change in moved.runtime.differences()}
    list(restart(moved, "recreate", cancel=CancelToken()))
    assert bench.holds() == POINTS
    with pytest.raises(Refused, match="already"):
        plan_move(moved, volume)


def started_behind_its_back(bench: Bench) -> None:
    for event in move_storage(bench.ws, cancel=CancelToken()):
        if isinstance(event, StepStarted) and event.step == "trial":
            bench.api.start(bench.name)


def test_a_copy_that_differs_is_thrown_away_and_the_old_server_is_back(bench: Bench) -> None:
    bench.make()
    before = bench.api.inspect_container(bench.name)["Id"]
    with pytest.raises(Refused, match="was started while its data was copied"):
        started_behind_its_back(bench)
    url, report = "", None
    for event in move_storage(bench.ws, cancel=CancelToken()):
        if isinstance(event, StepFinished) and event.step == "trial":
            url = event.detail
        if isinstance(event, StepStarted) and event.step == "fingerprint_after":
            gone = f"{url}/collections/memories/points/delete?wait=true"
            httpx.post(gone, json={"points": [7]}, timeout=60).raise_for_status()
        if isinstance(event, Finished):
            report = event.report
    assert isinstance(report, MoveReport)
    assert (report.verdict, report.moved, report.exit_code) == ("lost", False, 1)
    assert report.reason == "the copy is not the same: memories: 1 point missing"
    assert bench.api.inspect_container(bench.name)["Id"] == before
    assert (bench.containers(), bench.volumes()) == ({bench.name}, set())
    assert bench.holds() == POINTS


def test_no_room_no_mark_and_no_container_are_refused_before_anything_is_touched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.make(ours=False)
    started = bench.api.inspect_container(bench.name)["State"]["StartedAt"]
    with pytest.raises(NotOurs):
        bench.move()
    bench.api.remove_container(bench.name, force=True)
    bench.make()
    started = bench.api.inspect_container(bench.name)["State"]["StartedAt"]
    with monkeypatch.context() as patch:
        patch.setattr(relocation_plan, "_free", lambda *_: 1 << 20)
        with pytest.raises(Refused, match=r"no room .* 1\.0 MiB is free"):
            bench.move()
    assert bench.api.inspect_container(bench.name)["State"]["StartedAt"] == started
    assert bench.volumes() == set()
    native = Settings(name="native", profile=Profile(runtime="native"))
    with pytest.raises(Unsupported, match="only the data of a container"):
        plan_move(Workspace(native, bench.ws.store))


def cancelled_in_the_copy(ws: Workspace) -> None:
    cancel = CancelToken()
    for event in move_storage(ws, cancel=cancel):
        if isinstance(event, StepStarted) and event.step == "copy":
            cancel.cancel()


def test_a_volume_that_fills_up_and_a_cancel_leave_the_server_as_it_was(bench: Bench) -> None:
    bench.make()
    tight = f"{bench.ws.settings.name}-tight"
    bench.api.create_volume(tight, driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=8m"})
    with pytest.raises(AdminError) as full:
        bench.move(tight)
    assert "no space left" in f"{full.value.why}"
    assert bench.containers() == {bench.name}
    assert bench.holds() == POINTS
    with pytest.raises(Cancelled):
        cancelled_in_the_copy(bench.ws)
    assert (bench.containers(), bench.volumes()) == ({bench.name}, {tight})
    assert bench.holds() == POINTS


KILLED = """
import os, signal, sys
import docker
from pathlib import Path
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.server.docker.relocation import plan as relocation_plan
from qdrant_admin.state.installation import installation
from qdrant_admin.state.store import StateStore
from qdrant_admin.persistence.move_storage import move_storage
from qdrant_admin.server.docker.container import replace
from qdrant_admin.workspace import Workspace
settings, state, where = Settings.model_validate_json(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "set aside":
    docker.APIClient.rename = lambda *given, rename=docker.APIClient.rename: die(rename(*given))
if where == "taken over":
    replace.check_stays_up = die
for event in move_storage(Workspace(settings, StateStore(state)), cancel=CancelToken()):
    if f"{event.kind} {getattr(event, 'step', '')}" == where:
        die()
"""


def killed(bench: Bench, where: str) -> None:
    """A program of its own moves, and is killed there."""
    command = [sys.executable, "-c", KILLED, to_json(bench.ws.settings), str(bench.ws.store.path), where]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_move_that_is_killed_anywhere_loses_nothing_and_can_be_ended(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    bench.make(Mounts=[{"Type": "bind", "Source": str(folder), "Target": "/qdrant/storage"}])
    old = bench.api.inspect_container(bench.name)["Id"]
    for where in ("step_started fingerprint_after", "set aside"):
        killed(bench, where)
        found = status(bench.ws)
        assert found.diagnosis is not None, where
        assert "was interrupted" in found.diagnosis.what
        assert found.diagnosis.fix == f"qdrant-admin move-storage --profile {bench.ws.settings.name}"
        assert plan_move(bench.ws).steps[0].startswith("finish the interrupted move")
        bench.up()
        assert bench.api.inspect_container(bench.name)["Id"] == old, where
        assert bench.holds() == POINTS
    killed(bench, "taken over")
    report = bench.move()
    assert (report.verdict, report.moved, report.left) == ("persisted", True, f"folder {folder}")
    assert bench.mounts()["/qdrant/storage"] == bench.ws.settings.volume_name
    assert bench.holds() == POINTS
    assert (bench.containers(), (folder / "collections/memories").is_dir()) == ({bench.name}, True)
    assert "was interrupted" not in str(status(bench.ws).diagnosis)
