"""One error tree: no foreign exception goes unmapped, and a fault is the same by REST and by gRPC."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from qdrant_admin.config.http import HttpFault, NoAddress, NoAnswer, NoConnection, NotHttp
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core import errors
from qdrant_admin.core.errors import RateLimited, RequestRejected
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database import encoding, faults
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.grpc_points import GrpcPoints
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from tests.support.answering import Answered
from tests.support.answering import answering as stand_in
from tests.support.real import Server, free_port

WHERE = "http://127.0.0.1:6333"
SPEC = CollectionSpec(vectors=(VectorSpec(size=2, distance="Dot"),))


class GrpcFault(grpc.RpcError):
    """A fault as the channel raises it."""

    def __init__(self, status: grpc.StatusCode, words: str) -> None:
        self.status, self.words = status, words

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return self.words


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (NoAddress("no"), errors.BadInput),
        (NotHttp("220 mail"), errors.NotQdrant),
        (NoConnection("refused"), errors.ServerUnreachable),
        (NoAnswer("reset"), errors.ServerUnreachable),
    ],
)
def test_every_fault_of_the_http_client_has_a_class(fault: HttpFault, kind: type[errors.AdminError]) -> None:
    assert {type(fault)} <= set(HttpFault.__subclasses__())
    assert type(faults.from_http(fault, WHERE)) is kind


@pytest.mark.parametrize("status", list(grpc.StatusCode), ids=lambda status: status.name)
def test_every_status_of_grpc_has_a_class(status: grpc.StatusCode) -> None:
    if status is grpc.StatusCode.OK:
        return  # no fault
    expected = faults.BY_GRPC_CODE[status.name]
    if status is grpc.StatusCode.UNAVAILABLE:
        expected = errors.ServerTrouble  # "words" say nothing of a lost connection: the server itself said so
    assert type(faults.from_grpc(GrpcFault(status, "words"), WHERE)) is expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Service internal error: No space left on device: WAL buffer size exceeds available disk space",
            "disk is full",
        ),
        ("Not enough space available for optimization, needed 12", "disk is full"),
        ("Service internal error: task 12 panicked with message", "panicked"),
        ("Qdrant is running in recovery mode", "recovery mode"),
    ],
)
def test_a_known_trouble_has_its_name_on_both_transports(text: str, words: str) -> None:
    by_rest = faults.from_answer(500, "{}", text, where=WHERE)
    by_grpc = faults.from_grpc(GrpcFault(grpc.StatusCode.INTERNAL, text), WHERE)
    assert type(by_rest) is type(by_grpc) is (errors.DiskFull if "full" in words else errors.ServerTrouble)
    assert words in by_rest.what
    assert by_rest.what == by_grpc.what
    fixes = {
        "panicked": "qdrant-admin logs --tail 100 --profile p",
        "recovery mode": "qdrant-admin logs --tail 200 --profile p",
    }
    assert by_rest.fix_on("p") == by_grpc.fix_on("p")
    assert by_rest.fix_on("p").startswith(fixes.get(words, "free some disk space"))


@pytest.mark.server
def test_a_refusal_is_the_same_by_rest_and_by_grpc(database: Database) -> None:
    database.create_collection("c", SPEC)
    with pytest.raises(errors.NotFound, match="none"):
        database.upsert("none", [Point(1, {}, {"": np.ones(2, np.float32)})])
    with pytest.raises(errors.NotFound):
        list(database.scan("none"))
    with pytest.raises(errors.NotFound, match="99"):
        database.point("c", 99)
    with pytest.raises(errors.RequestRejected, match="expected dim: 2, got 3"):
        database.upsert("c", [Point(1, {}, {"": np.ones(3, np.float32)})])
    with pytest.raises(errors.RequestRejected, match="vector name"):
        database.upsert("c", [Point(1, {}, {"other": np.ones(2, np.float32)})])


@pytest.mark.server
@pytest.mark.parametrize("grpc_open", [True, False])
def test_a_server_that_went_away_is_unreachable(own_server: Server, grpc_open: bool) -> None:
    endpoint = own_server.endpoint if grpc_open else own_server.endpoint.model_copy(update={"grpc_port": None})
    with Database(endpoint) as database:
        database.create_collection("c", SPEC)
        database.upsert("c", [Point(one, {}, {"": np.ones(2, np.float32)}) for one in range(4)])
        pages = database.scan("c", page_size=1)
        next(pages)
        own_server.kill()
        with pytest.raises(errors.ServerUnreachable):
            list(pages)
        with pytest.raises(errors.ServerUnreachable):
            database.upsert("c", [Point(9, {}, {"": np.ones(2, np.float32)})])
        with pytest.raises(errors.ServerUnreachable):
            database.collections()
        own_server.start()
        assert database.count("c") == 4
        assert sum(len(page) for page in database.scan("c")) == 4


@pytest.mark.server
def test_a_key_is_asked_for_and_never_shown(own_server: Server) -> None:
    own_server.stop()
    own_server.environment = {"QDRANT__SERVICE__API_KEY": "right-key"}
    own_server.start()
    for key in (None, SecretStr("wrong-key")):
        with Database(own_server.endpoint.model_copy(update={"api_key": key})) as database:
            with pytest.raises(errors.AccessDenied) as caught:
                database.names()
            with pytest.raises(errors.AccessDenied):
                _ = database.bulk.transport
        assert "wrong-key" not in repr(vars(caught.value))
    for changes in ({}, {"grpc_port": None}):
        endpoint = own_server.endpoint.model_copy(update={"api_key": SecretStr("right-key"), **changes})
        with Database(endpoint) as database:
            database.create_collection("c", SPEC)
            database.upsert("c", [Point(1, {}, {"": np.ones(2, np.float32)})])
            assert [point.id for page in database.scan("c") for point in page] == [1]
            database.delete_collection("c")


@contextmanager
def answering(answer: bytes) -> Iterator[Endpoint]:
    """Something that gives every connection the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Endpoint(url=f"http://127.0.0.1:{listener.getsockname()[1]}", grpc_port=None, timeout=2)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>",
        b"220 mail is ready\r\n\r\n",
    ],
)
def test_something_else_on_the_port_is_no_qdrant(answer: bytes) -> None:
    with answering(answer) as endpoint, Database(endpoint) as database:
        with pytest.raises(errors.NotQdrant):
            database.server()
        with pytest.raises(errors.NotQdrant):
            database.names()


def test_nobody_on_the_port_is_unreachable() -> None:
    with Database(Endpoint(url=f"http://127.0.0.1:{free_port()}")) as database:
        with pytest.raises(errors.ServerUnreachable) as caught:
            database.server()
        assert caught.value.fix_on("p") == "qdrant-admin status --profile p"


@pytest.mark.parametrize("url", ["http://[", "ftp://127.0.0.1", "127.0.0.1:6333"])
def test_an_address_that_is_none_is_bad_input(url: str) -> None:
    with pytest.raises(errors.BadInput), Database(Endpoint(url=url, grpc_port=None)) as database:
        database.server()


@pytest.mark.server
def test_being_asked_less_often_is_told_apart_from_a_refusal(server: Server) -> None:
    limit = {"enabled": True, "write_rate_limit": 20}
    with httpx.Client(base_url=server.url) as http:
        body = {"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": limit}
        http.put("/collections/c", json=body).raise_for_status()
    points = [Point(one, {}, {"": np.ones(2, np.float32)}) for one in range(30)]
    for endpoint in (server.endpoint, server.endpoint.model_copy(update={"grpc_port": None})):
        with Database(endpoint) as database:
            with pytest.raises(RequestRejected, match="larger than"):
                database.upsert("c", points)  # no waiting would help
            with suppress(RateLimited):
                database.upsert("c", points[:15])
            with pytest.raises(RateLimited) as caught:
                database.upsert("c", points[:15])
        assert caught.value.seconds
        assert 0 < caught.value.seconds <= 60


QUOTA = "Insufficient storage: disk usage is at 74% of 70%. Help: free space, or raise `max_disk_usage_percent`"


class MarkedFault(GrpcFault):
    """A fault with metadata."""

    def trailing_metadata(self) -> Any:
        return (("qdrant-insufficient-storage", "1"),)


@pytest.mark.parametrize(
    "error",
    [
        faults.from_answer(507, "{}", QUOTA, where=WHERE),
        faults.from_answer(507, QUOTA, None, where=WHERE),
        faults.from_grpc(GrpcFault(grpc.StatusCode.RESOURCE_EXHAUSTED, QUOTA), WHERE),
        faults.from_grpc(MarkedFault(grpc.StatusCode.RESOURCE_EXHAUSTED, QUOTA[22:]), WHERE),
    ],
)
def test_a_quota_is_neither_a_refused_row_nor_a_rate_and_says_what_it_limits(error: errors.AdminError) -> None:
    assert type(error) is errors.QuotaReached
    assert "max_disk_usage_percent" in error.why
    assert "raise it" in error.fix


@pytest.mark.parametrize("changes", [True, False])
def test_only_a_change_that_was_not_answered_in_time_may_have_happened(changes: bool) -> None:
    expected = errors.OutcomeUnknown if changes else errors.ServerUnreachable
    assert type(faults.from_answer(408, "", "Timeout", where=WHERE, changes=changes)) is expected
    late = GrpcFault(grpc.StatusCode.DEADLINE_EXCEEDED, "late")
    assert type(faults.from_grpc(late, WHERE, changes=changes)) is expected


def test_a_write_that_the_server_stopped_waiting_for_is_not_done() -> None:
    said = {"result": {"operation_id": 3, "status": "wait_timeout", "new": 1}, "status": "ok", "usage": {"a": None}}
    with (
        stand_in(lambda _: Answered(said)) as address,
        Database(Endpoint(url=f"http://{address}", grpc_port=None)) as database,
    ):
        changes: tuple[Callable[[], None], ...] = (
            lambda: database.upsert("c", [Point(1, {}, {"": np.ones(2, np.float32)})]),
            lambda: database.delete_points("c", [1]),
            lambda: database.barrier("c"),
        )
        for change in changes:
            with pytest.raises(errors.OutcomeUnknown):
                change()


def test_the_same_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    way = GrpcPoints(Endpoint(url=WHERE), 1)

    def answer(status: int) -> bytes:
        return b"\x0a\x04\x08\x07\x10" + bytes([status]) + b"\x11" + bytes(8) + b"\x1a\x02\x08\x01"

    for status, unknown in ((2, False), (1, False), (4, True)):
        monkeypatch.setattr(GrpcPoints, "_ask", lambda *_, now=status: answer(now))
        with pytest.raises(errors.OutcomeUnknown) if unknown else nullcontext():
            way.upsert("c", [encoding.point_bytes(1, {}, {"": np.ones(2, np.float32)})], wait=True)
    way.close()


FORMS: tuple[object, ...] = (
    [],
    {},
    None,
    "x",
    3,
    {"collections": None},
    {"collections": [{}]},
    {"aliases": [{"alias_name": 1}]},
)


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_of_another_form_is_a_fault_of_the_server_and_not_of_ours(form: object) -> None:
    with (
        stand_in(lambda _: Answered({"result": form})) as address,
        Database(Endpoint(url=f"http://{address}", grpc_port=None)) as database,
    ):
        for ask in (
            database.names,
            database.aliases,
            database.collections,
            lambda: database.count("c"),
            lambda: database.sample_ids("c", 1),
            lambda: list(database.scan("c")),
            lambda: database.retrieve("c", [1], kinds={}),
            lambda: database.search("c", id=1),
            lambda: database.nearest("c", [np.ones(2, np.float32)], limit=1, exact=True),
        ):
            with suppress(errors.Unfit, errors.NotFound):  # or it makes sense of it
                ask()
        with pytest.raises(errors.Unfit):
            database.count("c")
