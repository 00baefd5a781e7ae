"""Up, restart and down over a real server process, with a thin runtime of the tests' own around it."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotOurs, PortTaken, Refused
from qdrant_admin.core.events import Events, Finished, Notice
from qdrant_admin.core.reports import Report
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.reports import DoctorReport, DownReport, UpReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.up import up
from qdrant_admin.server.runtime import Capabilities, Change, RestartMethod, RuntimeState, Stats
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens
from tests.support.real import Server

pytestmark = pytest.mark.server


class Process:
    """The smallest honest runtime: one child process."""

    kind = "native"
    capabilities = Capabilities()

    def __init__(self, server: Server) -> None:
        self.server, self.endpoint = server, server.endpoint
        self.changes: list[Change] = []
        self.ours: bool | None = True

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

    def stranger(self) -> str:
        return ""

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
    assert "qdrant-admin up --apply" in {notice.fix for notice in notices}
    assert process.changes
    ended(up(ws, apply=True, cancel=CancelToken()))
    assert not process.changes


def test_a_server_at_another_address_is_not_waited_for(ws: Workspace, process: Process) -> None:
    process.server.start()
    process.changes = [Change(setting="port", current="6333", wanted="6343", moves=True)]
    with pytest.raises(Refused) as refused:
        ended(up(ws, cancel=CancelToken()))
    assert "port is 6333, not 6343" in refused.value.why
    assert refused.value.fix.endswith("--apply")


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
    assert "qdrant-admin adopt" in caught.value.why
    assert "--port" in caught.value.fix


def test_the_doctor_finds_nothing_wrong_with_a_good_server(ws: Workspace, process: Process) -> None:
    process.server.start()
    report, _ = ended(doctor(ws, cancel=CancelToken()))
    assert isinstance(report, DoctorReport)
    assert [check for check in report.checks if check.status == "fail"] == []
    assert not [check for check in report.checks if "could not be looked at" in check.detail]
