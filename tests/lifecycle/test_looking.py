"""Recovery mode, a first look at a machine, a log that is followed, and a server nobody can put a mark on."""

import os
import socket
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Finished, Notice
from qdrant_admin.lifecycle.adopt import adopt
from qdrant_admin.lifecycle.doctor import doctor
from qdrant_admin.lifecycle.first_run import survey
from qdrant_admin.lifecycle.logs import logs
from qdrant_admin.lifecycle.ready import wait_ready
from qdrant_admin.lifecycle.reports import DoctorReport
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import up
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens
from tests.support.real import Server, binary, free_port

pytestmark = pytest.mark.server


def remote(opens: Opens, server: Server) -> Workspace:
    return opens(runtime="remote", url=server.url, grpc_port=server.grpc_port)


def native(opens: Opens) -> Workspace:
    return opens(runtime="native", port=free_port(), grpc_port=free_port(), binary=binary())


def test_recovery_mode_is_a_state_of_its_own(opens: Opens, own_server: Server) -> None:
    body = {"vectors": {"size": 2, "distance": "Dot"}}
    httpx.put(f"{own_server.url}/collections/m", json=body, timeout=30).raise_for_status()
    own_server.stop()
    own_server.environment = {"QDRANT__STORAGE__RECOVERY_MODE": "out of memory"}
    own_server.start()
    ws = remote(opens, own_server)
    told = [event for event in wait_ready(ws, cancel=CancelToken()) if isinstance(event, Notice)]
    assert [notice.level for notice in told if "recovery mode" in notice.text] == ["error"]
    found = status(ws)
    assert (found.state, found.healthy, found.exit_code) == ("recovery", False, 1)
    assert found.points is None
    *_, last = doctor(ws, cancel=CancelToken())
    assert isinstance(last, Finished)
    assert isinstance(last.report, DoctorReport)
    assert "collections" in [check.name for check in last.report.checks if check.status == "fail"]


def test_a_survey_says_what_is_in_the_way_and_makes_nothing(opens: Opens, isolated_home: Path) -> None:
    ws = native(opens)
    profile = ws.settings.profile
    with closing(socket.create_server(("127.0.0.1", profile.port))):
        taken = survey(ws.settings)
    free = survey(ws.settings)
    assert (taken.port_free, taken.grpc_port_free, free.port_free) == (False, True, True)
    assert f"pid {os.getpid()}" in taken.port_holder
    assert taken.next_port != profile.port
    assert free.next_port == profile.port
    assert (free.recommended, free.server, free.storage_kind) == ("native", "absent", "directory")
    assert free.free_bytes
    assert [path for path in isolated_home.rglob("*") if path.is_file()] == []


def test_a_followed_log_ends_when_it_is_asked_to(opens: Opens) -> None:
    ws = native(opens)
    list(up(ws, cancel=CancelToken()))
    try:
        cancel, seen = CancelToken(), []
        for batch in logs(ws, tail=5, follow=True, cancel=cancel):
            seen += batch
            if any("/marked" in line for line in seen):
                cancel.cancel()
            else:
                httpx.get(f"{ws.settings.endpoint.url}/collections/marked")
        assert cancel.cancelled
    finally:
        list(ws.runtime.stop(CancelToken()))


def test_a_process_of_somebody_else_is_not_adopted(opens: Opens, server: Server) -> None:
    ws = opens(runtime="native", port=server.port, grpc_port=server.grpc_port, binary=binary())
    assert status(ws).state == "foreign"
    with pytest.raises(AdminError) as caught:
        list(adopt(ws, cancel=CancelToken()))
    assert caught.value.fix
    assert httpx.get(f"{server.url}/readyz").status_code == 200
