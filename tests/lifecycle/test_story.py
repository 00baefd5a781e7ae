"""Up, restart and down over a real server process, with a thin runtime of the tests' own around it."""

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from qdrant_admin.config.file import read_profiles
from qdrant_admin.config.profile import Profile
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotOurs, PortTaken, Refused, ServerNotReady
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.core.reports import Report
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.reports import DoctorReport, DownReport, UpReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.up import UpOptions, bring_up, up
from qdrant_admin.server import runtime_choice
from qdrant_admin.server.listener import Owned
from qdrant_admin.server.runtime import Capabilities, Change, RestartMethod, RuntimeState, ServerRuntime, Sharer, Stats
from qdrant_admin.server.runtime_choice import Choice
from qdrant_admin.state.inventory import StorageIdentity
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server


class Process:
    """The smallest honest runtime: one child process."""

    kind, profile = "native", "local"
    capabilities = Capabilities()

    def __init__(self, server: Server) -> None:
        self.server, self.endpoint = server, server.endpoint
        self.changes: list[Change] = []
        self.ours: bool | None = True

    def storage_identity(self) -> StorageIdentity:
        return StorageIdentity(place="here", mark="here")

    def next_storage(self) -> None:
        return None

    def log_since(self, moment: datetime) -> Iterable[str]:
        return self.server.folder.joinpath("log").read_text().splitlines()

    def inspect(self) -> RuntimeState:
        running = self.server.process is not None
        return RuntimeState(runtime="native", state="running" if running else "absent", ours=self.ours, name="child")

    def differences(self) -> list[Change]:
        return self.changes

    def start(self, cancel: CancelToken) -> Events:
        self.server.start()
        yield from ()

    def apply(self, cancel: CancelToken) -> Events:
        self.changes = []
        yield from self.restart("graceful", cancel)

    def stop(self, cancel: CancelToken) -> Events:
        self.server.stop()
        yield from ()

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        self.server.kill() if how == "kill" else self.server.stop()
        yield from self.start(cancel)

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        yield (self.server.folder / "log").read_text().splitlines()[-tail:]

    def owned(self) -> Owned:
        return Owned(rest=self.server.process is not None, grpc=self.server.process is not None)

    def stranger(self) -> str:
        return ""

    def adoptable(self) -> str:
        return ""

    def sharers(self) -> tuple[Sharer, ...]:
        return ()

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:
        return ()

    def stats(self) -> Stats:
        return Stats()

    def disk_bytes(self) -> int | None:
        return None


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    server = Server(tmp_path / "qdrant")
    yield Process(server)
    server.kill()


@pytest.fixture
def chosen(process: Process, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The runtime of whatever workspace is opened."""
    choice = Choice(cast("ServerRuntime", process), "the test says so")
    monkeypatch.setattr(runtime_choice, "choose_runtime", lambda _: choice)
    return process


@pytest.fixture
def ws(opens: Opens, process: Process) -> Workspace:
    workspace = opens(runtime="native", port=process.server.port, grpc_port=process.server.grpc_port)
    workspace.__dict__["choice"] = SimpleNamespace(runtime=process, why="the test says so", notes=())
    return workspace


def ended(events: Events) -> tuple[Report, list[Notice]]:
    seen = list(events)
    assert isinstance(seen[-1], Finished)
    return seen[-1].report, [event for event in seen if isinstance(event, Notice)]


def test_up_twice_starts_once_and_warns_of_the_missing_key(ws: Workspace) -> None:
    first, notices = ended(up(ws, cancel=CancelToken()))
    second, _ = ended(up(ws, cancel=CancelToken()))
    assert isinstance(first, UpReport)
    assert isinstance(second, UpReport)
    assert (first.started, second.started) == (True, False)
    assert (first.state, first.points, first.healthy) == ("healthy", 0, True)
    assert [notice.fix for notice in notices if notice.level == "warning"] == [
        "qdrant-admin up --api-key auto --apply --profile local"
    ]
    assert [entry.operation for entry in ws.store.history()] == ["up", "up"]


@pytest.mark.parametrize("how", ["graceful", "kill"])
def test_a_restart_brings_every_point_back(ws: Workspace, process: Process, how: RestartMethod) -> None:
    process.server.start()
    with httpx.Client(base_url=process.server.url) as http:
        http.put("/collections/m", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
        point = {"id": 1, "vector": [1, 2]}
        http.put("/collections/m/points?wait=true", json={"points": [point]}).raise_for_status()
    report, _ = ended(restart(ws, how, cancel=CancelToken()))
    assert isinstance(report, UpReport)
    assert (report.collections, report.points) == (1, 1)


def test_differences_are_shown_and_applied_only_on_request(ws: Workspace, process: Process) -> None:
    process.server.start()
    process.changes = [Change(setting="image", current="a", wanted="b")]
    _, notices = ended(up(ws, cancel=CancelToken()))
    assert "qdrant-admin up --apply --profile local" in {notice.fix for notice in notices}
    assert process.changes
    ended(up(ws, apply=True, cancel=CancelToken()))
    assert not process.changes


def test_a_server_at_another_address_is_not_waited_for(ws: Workspace, process: Process) -> None:
    process.server.start()
    process.changes = [Change(setting="port", current="6333", wanted="6343", moves=True)]
    with pytest.raises(Refused) as refused:
        ended(up(ws, cancel=CancelToken()))
    assert "port is 6333, not 6343" in refused.value.why
    ports = ws.settings.profile
    assert refused.value.fix_on("local") == (
        f"qdrant-admin up --port {ports.port} --grpc-port {ports.grpc_port} --apply --profile local"
    )


def test_down_stops_it_and_says_so(ws: Workspace, process: Process) -> None:
    process.server.start()
    report, _ = ended(down(ws, cancel=CancelToken()))
    assert isinstance(report, DownReport)
    assert report.stopped
    assert process.server.process is None


def test_what_is_not_ours_is_not_touched(ws: Workspace, process: Process) -> None:
    process.server.start()
    process.ours = False
    for operation in (up(ws, cancel=CancelToken()), down(ws, cancel=CancelToken()), restart(ws, cancel=CancelToken())):
        with pytest.raises(NotOurs):
            list(operation)
    assert process.server.process is not None


def test_a_foreign_qdrant_on_the_port_is_named_with_both_ways_out(
    opens: Opens, process: Process, server: Server
) -> None:
    ws = opens(runtime="native", port=server.port, grpc_port=server.grpc_port)
    ws.__dict__["choice"] = SimpleNamespace(runtime=process, why="", notes=())
    process.endpoint = server.endpoint
    with pytest.raises(PortTaken) as caught:
        list(up(ws, cancel=CancelToken()))
    assert "a server of your own beside it: qdrant-admin up --port " in caught.value.why
    assert caught.value.fix == "qdrant-admin up --use-existing --profile local"


def test_the_doctor_finds_nothing_wrong_with_a_good_server(ws: Workspace, process: Process) -> None:
    process.server.start()
    report, _ = ended(doctor(ws, cancel=CancelToken()))
    assert isinstance(report, DoctorReport)
    assert [check for check in report.checks if check.status == "fail"] == []
    assert not [check for check in report.checks if "could not be looked at" in check.detail]


def test_what_up_was_given_is_kept_in_the_profile_and_a_key_is_made_once(opens: Opens, chosen: Process) -> None:
    server = chosen.server
    options = UpOptions(
        runtime="native", port=server.port, grpc_port=server.grpc_port, api_key="auto", ready_timeout=90
    )
    first = brought_up(opens(**options.over()), options)
    assert first[0].startswith(f"a new API key is kept in {opens().settings.api_key_origin}")
    assert first[-1] == f"kept in profile local: runtime = native, port = {server.port}, grpc_port = {server.grpc_port}"
    profile = read_profiles()["local"]
    assert (profile.runtime, profile.port, profile.ready_timeout) == ("native", server.port, Profile().ready_timeout)
    key = opens().settings.api_key
    again = brought_up(opens(**options.over()), options)
    assert not [text for text in again if text.startswith(("a new API key", "kept in profile"))]
    assert opens().settings.api_key == key


def brought_up(ws: Workspace, options: UpOptions) -> list[str]:
    report, notices = ended(bring_up(ws, options, cancel=CancelToken()))
    assert isinstance(report, UpReport)
    return [notice.text for notice in notices]


def test_a_folder_takes_the_place_of_a_volume_and_the_other_way_round(opens: Opens, chosen: Process) -> None:
    for given, volume, storage in (
        (UpOptions(volume="data"), "data", None),
        (UpOptions(storage=Path("there")), None, Path("there").absolute()),
        (UpOptions(volume="other"), "other", None),
    ):
        options = dataclasses.replace(given, port=chosen.server.port, grpc_port=chosen.server.grpc_port)
        brought_up(opens(**options.over()), options)
        assert (read_profiles()["local"].volume, read_profiles()["local"].storage) == (volume, storage)


def test_a_server_that_did_not_get_ready_is_found_again(opens: Opens, chosen: Process) -> None:
    options = UpOptions(port=chosen.server.port, grpc_port=free_port(), ready_timeout=0.01)
    ws = opens(**options.over())
    chosen.endpoint = ws.settings.endpoint
    with pytest.raises(ServerNotReady):
        list(bring_up(ws, options, cancel=CancelToken()))
    assert read_profiles()["local"].grpc_port == options.grpc_port


def test_what_was_refused_is_not_kept(opens: Opens, chosen: Process) -> None:
    chosen.server.start()
    chosen.ours = False
    options = UpOptions(port=chosen.server.port, grpc_port=chosen.server.grpc_port)
    with pytest.raises(NotOurs):
        brought_up(opens(**options.over()), options)
    assert read_profiles() == {}
