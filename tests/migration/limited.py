"""A proxy in front of a real server that turns requests away now and then: HTTP 429 with Retry-After, or another."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from qdrant_admin.config.profile import Endpoint


class Limited:
    """What was let through and what was not.

    Args:
        url: of the real server.
        turns_away: of the number of a request, counted from 1, and its path: whether it is turned away.
        words: what is said then.
        status: of that answer.
    """

    def __init__(self, url: str, turns_away: Callable[[int, str, bytes], bool], words: str, status: int) -> None:
        self.url, self.turns_away, self.words, self.status = url, turns_away, words, status
        self.requests = self.turned_away = 0
        self.lock = threading.Lock()
        self.http = httpx.Client(base_url=url, timeout=30)

    def answer(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            self.requests += 1
            turned_away = self.turns_away(self.requests, path, body)
            self.turned_away += turned_away
        if turned_away:
            told = '{"status":{"error":"' + self.words + '"},"time":0}'
            header = {} if "larger than" in self.words or self.status != 429 else {"Retry-After": "0.02"}
            return self.status, {"Content-Type": "application/json", **header}, told.encode()
        reply = self.http.request(method, path, content=body, headers={"Content-Type": kind} if kind else {})
        kept = {name: reply.headers[name] for name in ("content-type", "retry-after") if name in reply.headers}
        return reply.status_code, kept, reply.content


@contextmanager
def limited(
    url: str,
    turns_away: Callable[[int, str, bytes], bool],
    words: str = "Rate limiting exceeded: try again",
    status: int = 429,
) -> Iterator[tuple[Endpoint, Limited]]:
    """Run the proxy; where it answers (REST alone), and what it has seen."""
    state = Limited(url, turns_away, words, status)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one piece: in two, each answer waits 40 ms for an acknowledgement

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = state.answer(
                self.command, self.path, body, self.headers.get("Content-Type") or ""
            )
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 # the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # the base class's name
            """Quiet."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Endpoint(url=f"http://127.0.0.1:{proxy.server_port}", grpc_port=None), state
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
        state.http.close()
