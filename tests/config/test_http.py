"""The HTTP client: connections are kept while they live, a body is whole or a fault, no proxy is for this machine."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from qdrant_admin.config import http as own
from qdrant_admin.config.http import Http, HttpFault, NoAddress, NoAnswer, NoConnection, NotHttp
from tests.support.real import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Listener:
    """Gives the answers in turn, one a request, and closes each connection after so many of them."""

    answers: list[bytes]
    per_connection: int = 100
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listening(*answers: bytes, per_connection: int = 100) -> Iterator[Listener]:
    told = Listener(list(answers), per_connection)
    with socket.create_server(("127.0.0.1", 0)) as server:
        told.port = server.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                told.connections += 1
                with connection:
                    for _ in range(told.per_connection):
                        request = _request(connection)
                        if not request or not told.answers:
                            break
                        told.requests.append(request)
                        connection.sendall(told.answers.pop(0))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield told
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def whole_stream(client: Http) -> bytes:
    with client.stream("/", timeout=5) as (answer, pieces):
        assert answer.ok
        return b"".join(pieces)


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65536)
        if not part:
            return b""
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    wanted = next((int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def test_a_connection_is_kept_for_the_next_request() -> None:
    with listening(OK, OK, OK) as told, Http(told.url, timeout=5) as client:
        assert [client.request("GET", "/").body for _ in range(3)] == [b"{}"] * 3
        assert told.connections == 1


def test_a_connection_that_the_server_has_closed_is_made_anew() -> None:
    with listening(OK, OK, per_connection=1) as told, Http(told.url, timeout=5) as client:
        client.request("GET", "/")
        (kept,) = client._idle
        kept.sock.recv(1, socket.MSG_PEEK)  # its end has arrived
        assert client.request("PUT", "/").ok
        assert told.connections == 2


def test_base_path_query_headers_body_and_the_name_in_an_address_are_sent() -> None:
    with listening(OK) as told:
        url = f"http://me:p%40ss@127.0.0.1:{told.port}/base/"
        with Http(url, headers={"api-key": "k"}, timeout=5) as client:
            client.request("POST", "/c", b"[1]", params={"wait": "true"}, headers={"Content-Type": "application/json"})
    head, _, body = told.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /base/c?wait=true HTTP/1.1"
    assert {"api-key: k", "Content-Type: application/json", "Authorization: Basic bWU6cEBzcw=="} <= set(lines)
    assert body == b"[1]"


def test_pieces_are_sent_as_one_body_and_what_they_raise_comes_out() -> None:
    with listening(OK) as told, Http(told.url, timeout=5) as client:
        assert client.request("POST", "/", iter([b"ab", b"cd"]), headers={"Content-Length": "4"}).ok
        assert told.requests[0].endswith(b"\r\n\r\nabcd")

        def broken() -> Iterator[bytes]:
            yield b"ab"
            raise FileNotFoundError("gone")

        with pytest.raises(FileNotFoundError):
            client.request("POST", "/", broken(), headers={"Content-Length": "4"})


def test_a_refusal_in_the_middle_of_a_body_is_heard() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(refusal)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 20):
                    pass

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with Http(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=5) as client:
            assert client.request("POST", "/", b"x" * (8 << 20)).status == 413
        thread.join(5)


@pytest.mark.parametrize("ended", ["Content-Length: 5\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"])
def test_a_body_that_ends_early_is_a_fault_however_it_is_read(ended: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + ended.encode()
    with listening(answer, per_connection=1) as told, Http(told.url, timeout=5) as client, pytest.raises(NoAnswer):
        client.request("GET", "/")
    with listening(answer, per_connection=1) as told, Http(told.url, timeout=5) as client, pytest.raises(NoAnswer):
        whole_stream(client)


def test_a_stream_comes_in_pieces_and_its_connection_is_kept() -> None:
    body = bytes(3 * own.PIECE_BYTES)
    with listening(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, OK) as told:
        with Http(told.url, timeout=5) as client:
            assert whole_stream(client) == body
            client.request("GET", "/")
        assert told.connections == 1


def test_who_does_not_answer_is_told_from_who_is_not_there() -> None:
    with Http(f"http://127.0.0.1:{free_port()}", timeout=5) as client, pytest.raises(NoConnection) as nobody:
        client.request("GET", "/")
    assert not nobody.value.timed_out
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Http(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        with client, pytest.raises(NoAnswer) as late:
            client.request("GET", "/")
    assert late.value.timed_out
    with listening(b"220 mail is ready\r\n\r\n") as told, Http(told.url, timeout=5) as client, pytest.raises(NotHttp):
        client.request("GET", "/")


FOREIGN = [kind for kind in vars(http.client).values() if isinstance(kind, type) and issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", [*FOREIGN, TimeoutError, ConnectionResetError, socket.gaierror])
def test_no_exception_of_the_library_comes_out_unmapped(kind: type[Exception]) -> None:
    with pytest.raises(HttpFault), own._own_faults():
        raise kind(b"") if kind is http.client.IncompleteRead else kind("words")


@pytest.mark.parametrize("url", ["http://[", "ftp://127.0.0.1:21", "127.0.0.1:6333", "http://", "http://h:99999"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(NoAddress):
        Http(url, timeout=1)


def test_a_proxy_is_asked_for_what_lies_elsewhere_and_never_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(OK, b"HTTP/1.1 200 Connection established\r\n\r\n") as told:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://who:word@127.0.0.1:{told.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with Http("http://qdrant.example:6333/base", timeout=5) as client:
            assert client.request("GET", "/c").ok
        head = told.requests[0].decode()
        assert head.startswith("GET http://qdrant.example:6333/base/c HTTP/1.1\r\nHost: qdrant.example:6333\r\n")
        assert "Proxy-Authorization: Basic d2hvOndvcmQ=\r\n" in head
        with Http("https://qdrant.example", timeout=5) as client, pytest.raises(NoConnection):
            client.request("GET", "/")  # the tunnel is there, and nobody speaks TLS at its end
        assert told.requests[1].startswith(b"CONNECT qdrant.example:443 HTTP/1.")
        assert b"Proxy-Authorization: Basic d2hvOndvcmQ=\r\n" in told.requests[1]
    with listening(OK) as told, Http(told.url, timeout=5) as client:
        assert client.request("GET", "/").ok


def test_hosts_that_no_proxy_names_are_asked_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    with Http("http://nowhere.invalid", timeout=5) as client, pytest.raises(NoConnection, match=r"(?i)name|known"):
        client.request("GET", "/")


def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(NoAddress, match="socks5"):
        Http("http://qdrant.example", timeout=1)
