"""What a probe sees of real servers, of servers that are none, and of nothing at all."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, NotQdrant, ServerNotReady
from qdrant_admin.core.events import LogLines, Notice, Progress
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server.health import probe, wait_answering
from qdrant_admin.server.listener import Owned
from qdrant_admin.server.runtime import Diagnosis, RuntimeState, ServerRuntime
from tests.support.real import Server, free_port

KEY = "a-key-of-this-test"


class _Impostor(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def impostor() -> Iterator[str]:
    """A web server that says 200 to everything, `/readyz` too."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Impostor) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


class _Runtime:
    """The part of a runtime that waiting needs, in front of any address."""

    def __init__(self, endpoint: Endpoint, state: RuntimeState | None = None, log: tuple[str, ...] = ()) -> None:
        self.endpoint, self.log = endpoint, log
        self.state = state or RuntimeState(runtime="native", state="running")

    def inspect(self) -> RuntimeState:
        return self.state

    profile = "work"

    def owned(self) -> Owned:
        return Owned()

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        yield list(self.log)


def _nowhere() -> Endpoint:
    return Endpoint(url=f"http://127.0.0.1:{free_port()}", grpc_port=free_port())


@pytest.mark.server
def test_a_sound_server(server: Server) -> None:
    seen = probe(server.endpoint)
    assert (seen.answers, seen.is_qdrant, seen.ready, seen.grpc_open) == (True,) * 4
    assert (seen.key_wanted, seen.recovery_mode, seen.error) == (False, False, "")
    assert seen.version


def test_nothing_is_there() -> None:
    seen = probe(_nowhere())
    assert not seen.answers
    assert seen.error == "nothing listens there"


def test_a_port_that_is_open_and_silent_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        seen = probe(Endpoint(url=f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2))
    assert not seen.answers
    assert "no answer" in seen.error


def test_who_says_ready_to_everything_is_no_qdrant(impostor: str) -> None:
    seen = probe(Endpoint(url=impostor))
    assert seen.answers
    assert not seen.is_qdrant
    assert not seen.ready
    _, error = _drain(Endpoint(url=impostor), 5)
    assert isinstance(error, NotQdrant)
    assert "pid" in error.why


@pytest.mark.server
def test_grpc_counts_only_when_http2_is_spoken(server: Server, impostor: str) -> None:
    dead = server.endpoint.model_copy(update={"grpc_port": free_port()})
    foreign = server.endpoint.model_copy(update={"grpc_port": int(impostor.rpartition(":")[2])})
    assert probe(dead).grpc_open is False
    assert probe(foreign).grpc_open is False
    assert probe(server.endpoint.model_copy(update={"grpc_port": None})).grpc_open is None


@pytest.mark.server
def test_a_real_server_without_its_grpc_port_is_noticed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = Server(tmp_path / "q", grpc_port=holder.getsockname()[1]).start()
        seen = probe(server.endpoint.model_copy(update={"timeout": 0.3}))
        server.stop()
    assert seen.ready
    assert seen.grpc_open is False


@pytest.mark.server
def test_key_and_recovery_mode(tmp_path: Path) -> None:
    server = Server(
        tmp_path / "q",
        environment={"QDRANT__SERVICE__API_KEY": KEY, "QDRANT__STORAGE__RECOVERY_MODE": "by this test"},
    ).start()
    with_key = server.endpoint.model_copy(update={"api_key": SecretStr(KEY)})
    wrong = server.endpoint.model_copy(update={"api_key": SecretStr("another")})
    none, right, bad = probe(server.endpoint), probe(with_key), probe(wrong)
    server.stop()
    assert (none.key_wanted, none.key_accepted, none.recovery_mode) == (True, None, None)
    assert (right.key_wanted, right.key_accepted, right.recovery_mode) == (True, True, True)
    assert (bad.key_wanted, bad.key_accepted, bad.recovery_mode) == (True, False, None)
    assert KEY not in repr(right)


def _drain(endpoint: Endpoint, seconds: float, **known: Any) -> tuple[list[object], AdminError | None]:
    """All events of a wait, and the error that ended it."""
    events: list[object] = []
    try:
        for event in wait_answering(cast("ServerRuntime", _Runtime(endpoint, **known)), CancelToken(), seconds):
            events.append(event)  # noqa: PERF402 # kept although the end may be an error
    except AdminError as error:
        return events, error
    return events, None


@pytest.mark.server
def test_waiting_ends_when_the_server_answers(server: Server) -> None:
    events, error = _drain(server.endpoint, 10)
    assert error is None
    assert not [event for event in events if isinstance(event, Notice)]


def test_waiting_ends_at_once_when_the_process_has_ended() -> None:
    why = Diagnosis(what="another Qdrant runs on the same data", fix="qdrant-admin doctor")
    ended = RuntimeState(runtime="native", state="stopped", exit_code=101, diagnosis=why)
    events, error = _drain(_nowhere(), 600, state=ended, log=("\x1b[31mPanic occurred\x1b[0m",))
    assert isinstance(error, ServerNotReady)
    assert "another Qdrant" in error.why
    assert error.fix == "qdrant-admin doctor"
    assert LogLines(lines=("Panic occurred",)) in events


def test_waiting_in_vain_says_for_what_and_shows_the_log() -> None:
    events, error = _drain(_nowhere(), 0.3, log=("loading collection a",))
    assert isinstance(error, ServerNotReady)
    assert "not ready within" in error.what
    assert LogLines(lines=("loading collection a",)) in events
    assert any(isinstance(event, Progress) and "REST does not answer" in event.note for event in events)


@pytest.mark.server
@pytest.mark.slow
def test_a_server_without_grpc_is_let_through_with_a_warning(server: Server) -> None:
    events, error = _drain(server.endpoint.model_copy(update={"grpc_port": free_port()}), 30)
    assert error is None
    assert [event.level for event in events if isinstance(event, Notice)] == ["warning"]
