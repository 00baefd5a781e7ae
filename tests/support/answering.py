"""A small HTTP server whose answers a test writes: a stand-in for products that cannot be had here, and for proxies."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: Any
    """Case does not matter in its keys."""
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answered:
    """One answer; content that is not bytes is sent as JSON."""

    content: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def answering(answer: Callable[[Asked], Answered], *, port: int = 0) -> Iterator[str]:
    """`HOST:PORT` of a server that answers each request with what `answer` makes of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: the client would wait 40 ms for the second

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answered = answer(Asked(self.command, self.path, self.headers, body))
            raw = answered.content if isinstance(answered.content, bytes) else json.dumps(answered.content).encode()
            self.send_response(answered.status)
            for key, value in (("Content-Type", "application/json"), *answered.headers):
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else raw)

        do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = do_PATCH = _answer  # noqa: N815 # the names that http.server asks for

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def in_front_of(url: str, change: Callable[[Asked, Answered], Answered]) -> Iterator[str]:
    """`HOST:PORT` of a proxy before a real server, whose answers `change` may replace: a server that cannot be had."""
    with httpx.Client(base_url=url, timeout=60, verify=False, trust_env=False) as real:  # noqa: S501 # no TLS

        def passed_on(asked: Asked) -> Answered:
            kept = {key: value for key, value in asked.headers.items() if key.lower() in {"content-type", "api-key"}}
            said = real.request(asked.method, asked.target, content=asked.body, headers=kept)
            return change(asked, Answered(said.content, said.status_code))

        with answering(passed_on) as address:
            yield address
