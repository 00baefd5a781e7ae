"""From what was seen to the word, the attention items and the exit code. The probe is of a real server."""

from typing import Literal

import pytest

from qdrant_admin.core.errors import AccessDenied, Failed
from qdrant_admin.database.models import CollectionInfo
from qdrant_admin.lifecycle.doctor import _isolated
from qdrant_admin.lifecycle.facts import Facts
from qdrant_admin.lifecycle.observation import Observation
from qdrant_admin.lifecycle.reports import Check, StatusReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.server.health import Probe, probe
from qdrant_admin.server.runtime import ProcessState, RuntimeState, Storage
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens
from tests.support.real import Server, free_port

pytestmark = pytest.mark.server
Color = Literal["green", "yellow", "grey", "red"]


def workspace_at(opens: Opens, server: Server) -> Workspace:
    return opens(runtime="native", port=server.port, grpc_port=server.grpc_port)


def look(ws: Workspace, state: ProcessState = "running", *, color: Color = "green", **more: object) -> StatusReport:
    """A native server of ours in this state, with one collection of 3 points, seen through a real probe."""
    endpoint = ws.settings.endpoint
    seen = Observation("native", endpoint)
    ours = None if state == "absent" else True
    seen.state = RuntimeState(runtime="native", state=state, ours=ours, name="pid 1").model_copy(update=more)
    seen.probe = probe(endpoint)
    if seen.answers_as_qdrant:
        seen.collections = (CollectionInfo(name="memories", status=color, points=3),)
    return report_of(ws.settings, seen)


def test_a_good_server_is_healthy_and_warned_of_its_missing_key(opens: Opens, server: Server) -> None:
    report = look(workspace_at(opens, server))
    assert (report.state, report.healthy, report.ready, report.exit_code) == ("healthy", True, True, 0)
    assert (report.version, report.collections, report.points, report.statuses) == ("1.16.3", 1, 3, {"green": 1})
    assert [(item.level, item.action) for item in report.attention] == [("warn", "add_key")]
    assert report.attention[0].fix == "qdrant-admin up --api-key auto --apply"


def test_a_red_collection_makes_it_unhealthy_whatever_readyz_says(opens: Opens, server: Server) -> None:
    report = look(workspace_at(opens, server), color="red")
    assert (report.state, report.exit_code) == ("unhealthy", 1)
    assert "memories" in report.attention[0].text


def test_a_full_disk_makes_it_unhealthy(opens: Opens, server: Server) -> None:
    report = look(workspace_at(opens, server), storage=Storage(kind="directory", free_bytes=64 * 1024**2))
    assert report.state == "unhealthy"
    assert "refuses writes" in report.attention[0].text


def test_a_dead_grpc_port_is_seen(opens: Opens, server: Server) -> None:
    report = look(opens(runtime="native", port=server.port, grpc_port=free_port()))
    assert report.state == "degraded"
    assert report.grpc.endswith(" closed")


@pytest.mark.parametrize("state", ["absent", "stopped"])
def test_a_qdrant_on_our_port_that_is_not_ours_is_foreign(opens: Opens, server: Server, state: ProcessState) -> None:
    report = look(workspace_at(opens, server), state)
    assert (report.state, report.ours, report.healthy) == ("foreign", False, False)
    assert {"qdrant-admin adopt"} <= {item.fix for item in report.attention}


@pytest.mark.parametrize("state", ["absent", "stopped", "restarting", "paused"])
def test_a_server_that_is_down_is_a_state_with_a_way_out(opens: Opens, state: ProcessState) -> None:
    report = look(opens(runtime="native", port=free_port(), grpc_port=free_port()), state)
    assert (report.state, report.healthy, report.points) == (state, False, None)
    assert report.attention[0].level == "fail"
    assert report.attention[0].fix.startswith("qdrant-admin ")


def test_a_wrong_key_is_said_as_such(opens: Opens, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "wrong")
    ws = workspace_at(opens, server)
    seen = Observation("native", ws.settings.endpoint, state=RuntimeState(runtime="native", state="running", ours=True))
    seen.probe = Probe(url=seen.endpoint.url, answers=True, is_qdrant=True, ready=True, grpc_open=True, key_wanted=True)
    seen.troubles["collections"] = AccessDenied("refused")
    report = report_of(ws.settings, seen)
    assert (report.state, report.healthy, report.api_key) == ("unknown", False, True)
    assert "does not take the API key from environment QDRANT_API_KEY" in report.attention[0].text


def test_recovery_mode_is_a_state_of_its_own(opens: Opens, server: Server) -> None:
    ws = workspace_at(opens, server)
    seen = Observation("native", ws.settings.endpoint, state=RuntimeState(runtime="native", state="running", ours=True))
    seen.probe = probe(seen.endpoint).model_copy(update={"recovery_mode": True})
    assert report_of(ws.settings, seen).state == "recovery"


@pytest.mark.parametrize("fault", [Failed("broken"), ValueError("surprise"), OSError("gone")])
def test_a_check_that_cannot_be_made_says_so_and_costs_no_other(opens: Opens, fault: Exception) -> None:
    ws = opens(runtime="native", port=free_port(), grpc_port=free_port())
    seen = Observation("native", ws.settings.endpoint)

    def check(_: Facts) -> Check:
        raise fault

    made = _isolated("disk", check, Facts(ws, seen, report_of(ws.settings, seen)))
    assert (made.name, made.status) == ("disk", "warn")
    assert str(fault) in made.detail
