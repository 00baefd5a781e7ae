"""Whether a Qdrant answers at an address, told by looking: identity, readiness, gRPC, key, recovery mode.

A liveness page says little: `/readyz` of a single node is 200 as soon as REST listens, and any program can answer
it. So identity comes from `GET /`, and gRPC counts as open only when HTTP/2 is spoken on its port.
"""

import contextlib
import json
import re
import socket
import time
from http.client import RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

from qdrant_admin.config import trust
from qdrant_admin.config.environment import is_loopback
from qdrant_admin.config.http import Answer, Http, HttpFault, NoAnswer, NoConnection, NotHttp
from qdrant_admin.config.profile import Endpoint
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, BadInput, NotQdrant, ServerNotReady
from qdrant_admin.core.events import Events, LogLines, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import duration, plain
from qdrant_admin.core.values import Frozen
from qdrant_admin.server.decode import explain_log, strip_colours
from qdrant_admin.server.listener import cautious
from qdrant_admin.server.ports import listener
from qdrant_admin.server.runtime import RuntimeState, ServerRuntime

STEP = "answer"
LOOK_EVERY_SECONDS = 0.2
INSPECT_EVERY_SECONDS = 1.0
GRPC_GRACE_SECONDS = 5.0
"""How much later than REST gRPC may come up; it is a matter of milliseconds on a sound server."""
LOG_LINES = 40
_REQUEST_SECONDS = 5.0
_MAX_UNASKED_RESTARTS = 2
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""What an HTTP/2 client says first: the preface and an empty SETTINGS frame (RFC 9113, section 3.4)."""
TAKES_AWAY = re.compile(
    r"^DELETE /collections/\{name\}$|/points/(delete|batch)$|/snapshots/(upload|recover)$|/shards/delete$"
    r"|/qdrant\.(Collections/(Delete|DeleteShardKey)|Points/(Delete|UpdateBatch))$"
)
"""Endpoints, as the telemetry names them, that can leave a collection gone or empty."""
_FRAME_HEADER_BYTES = 9
_SETTINGS_FRAME = 4


class Probe(Frozen):
    """What was seen at an address, at one moment."""

    url: str
    answers: bool = False
    """Whether anything there speaks HTTP."""
    is_qdrant: bool = False
    version: str | None = None
    ready: bool = False
    grpc_open: bool | None = None
    """Whether HTTP/2 is spoken on the gRPC port; None when there is no such port to ask."""
    key_wanted: bool | None = None
    """Whether the server refuses those who send no key; None when nobody could tell."""
    key_accepted: bool | None = None
    """Whether it takes the key we have; None without a key, or when it wants none."""
    recovery_mode: bool | None = None
    """None when nobody could tell, for want of a key."""
    process: str = ""
    """When the server's process began, as it says itself; empty when nobody could tell."""
    deletes: int | None = None
    """Requests to take something away that it has answered since then; None when nobody could tell."""
    grpc_deletes: int | None = None
    """Those of them that came over gRPC."""
    error: str = ""
    """Why it does not count as a Qdrant that is ready, in words."""


def probe(endpoint: Endpoint) -> Probe:
    """Look once. Never raises for a server that is down, slow, foreign or broken: the probe says so."""
    timeout = min(endpoint.timeout, _REQUEST_SECONDS)
    try:
        with Http(endpoint.url, timeout=timeout) as http:
            seen = _identity(http, endpoint)
            if seen["is_qdrant"]:
                seen |= _condition(http, endpoint)
    except HttpFault as error:
        return Probe(url=endpoint.url, error=_in_words(error))
    except BadInput as error:  # what is to be trusted cannot be read
        return Probe(url=endpoint.url, error=f"{error.what}: {error.why}")
    if seen["is_qdrant"]:
        seen["grpc_open"] = _speaks_http2(endpoint, timeout)
    return Probe(url=endpoint.url, **seen)


def wait_answering(runtime: ServerRuntime, cancel: CancelToken, timeout: float) -> Events:
    """Wait until the server answers as a ready Qdrant, over REST and gRPC.

    A server that answers REST and not gRPC is let through with a warning: it can be used. The runtime is looked at all
    the while, so that a server that ended is noticed at once. The timeout is in seconds.

    Raises:
        ServerNotReady: it ended, or did not answer in time; the last lines of its log come before.
        NotQdrant: another program answers there.
    """
    yield StepStarted(step=STEP, title=f"waiting for {runtime.endpoint.url}")
    started = time.monotonic()
    state = runtime.inspect()
    restarts, inspected, rest_since = state.restarts, started, None
    while True:
        cancel.check()
        seen, now = probe(cautious(runtime)), time.monotonic()
        if seen.answers and not seen.is_qdrant:
            raise _foreign(runtime.endpoint, seen)
        if seen.ready:
            rest_since = rest_since if rest_since is not None else now
            if seen.grpc_open is not False or now - rest_since > GRPC_GRACE_SECONDS:
                break
        if now - inspected >= INSPECT_EVERY_SECONDS or state.state != "running":
            state, inspected = runtime.inspect(), now
            again_and_again = state.restarts - restarts >= _MAX_UNASKED_RESTARTS
            if again_and_again or state.state in {"stopped", "absent"}:
                yield from _give_up(runtime, state, f"the server ended before it was ready ({state.state})")
        if now - started > timeout:
            yield from _give_up(runtime, state, f"the server was not ready within {duration(timeout)}", seen)
        yield Progress(
            step=STEP, done=int(now - started), total=max(1, round(timeout)), unit="seconds", note=_waits_for(seen)
        )
        cancel.wait(LOOK_EVERY_SECONDS)
    yield from _arrived(runtime, seen, time.monotonic() - started)


def _arrived(runtime: ServerRuntime, seen: Probe, seconds: float) -> Events:
    if seen.grpc_open is False:
        yield Notice(
            level="warning",
            text=f"nothing speaks gRPC on port {runtime.endpoint.grpc_port}: bulk work over REST will be slower",
            fix=str(Command("doctor").on(runtime.profile)),
        )
    yield StepFinished(
        step=STEP,
        outcome="warning" if seen.grpc_open is False else "ok",
        detail=f"Qdrant {plain(seen.version)} after {duration(seconds)}",
    )


def _give_up(runtime: ServerRuntime, state: RuntimeState, what: str, seen: Probe | None = None) -> Events:
    lines: list[str] = []
    with contextlib.suppress(AdminError):
        for batch in runtime.logs(tail=LOG_LINES, follow=False, cancel=CancelToken()):
            lines.extend(strip_colours(line) for line in batch)
    if lines:
        yield LogLines(lines=tuple(lines))
    found = state.diagnosis or next((item for item in explain_log(lines) if item.severe), None)
    waited = (seen.error or _waits_for(seen)) if seen else ""
    yield StepFinished(step=STEP, outcome="failed", detail=found.what if found else what)
    fix = (found.fix if found else "") or Command("logs", tail=100)
    raise ServerNotReady(what, why=f"{found.what}: {found.why}" if found else waited, fix=fix)


def _foreign(endpoint: Endpoint, seen: Probe) -> NotQdrant:
    parts = urlsplit(endpoint.url)
    host = parts.hostname or ""
    owner = listener(host, parts.port or 0) if is_loopback(host) else ""
    return NotQdrant(
        f"what answers at {endpoint.url} is not a Qdrant server",
        why=f"{seen.error}; {owner} listens there" if owner else seen.error,
        fix=Command("up", port=16333, grpc_port=16334),
    )


def _waits_for(seen: Probe) -> str:
    if not seen.answers:
        return f"REST does not answer yet ({seen.error})" if seen.error else "REST does not answer yet"
    if not seen.ready:
        return "it answers, and is not ready yet"
    return "REST is ready, gRPC does not answer yet"


def _identity(http: Http, endpoint: Endpoint) -> dict[str, Any]:
    """`GET /`, which a Qdrant answers without a key."""
    answer = http.request("GET", "/")
    body = _json_object(answer)
    if "qdrant" in str(body.get("title", "")).lower() and isinstance(body.get("version"), str):
        return {"answers": True, "is_qdrant": True, "version": body["version"]}
    server = answer.headers.get("server", "")
    said = f"GET {endpoint.url}/ gave HTTP {answer.status}" + (f" from {plain(server)}" if server else "")
    return {"answers": True, "is_qdrant": False, "error": f"{said} without Qdrant's title and version"}


def _condition(http: Http, endpoint: Endpoint) -> dict[str, Any]:
    ready = http.request("GET", "/readyz")
    seen: dict[str, Any] = {"ready": ready.status == 200}
    if not seen["ready"]:
        seen["error"] = f"/readyz gave HTTP {ready.status}"
    seen["key_wanted"] = {200: False, 401: True, 403: True}.get(http.request("GET", "/collections").status)
    headers = {"api-key": endpoint.api_key.get_secret_value()} if endpoint.api_key else {}
    if seen["key_wanted"] and headers:
        seen["key_accepted"] = http.request("GET", "/collections", headers=headers).status == 200
    if seen["key_wanted"] is False or seen.get("key_accepted"):
        seen |= _telemetry(http, headers)
    return seen


def _telemetry(http: Http, headers: dict[str, str]) -> dict[str, Any]:
    """`app.features` is left out of the telemetry below level 1; a read-only key is enough."""
    answer = http.request("GET", "/telemetry", params={"details_level": 1}, headers=headers)
    told = _json_object(answer).get("result")
    recovery, startup = _within(told, "app", "features", "recovery_mode"), _within(told, "app", "startup")
    grpc = _deletes(_within(told, "requests", "grpc", "responses"))
    rest = _deletes(_within(told, "requests", "rest", "responses"))
    return {
        "recovery_mode": recovery if isinstance(recovery, bool) else None,
        "process": startup if isinstance(startup, str) else "",
        "deletes": None if rest is None or grpc is None else rest + grpc,
        "grpc_deletes": grpc,
    }


def _within(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _deletes(responses: object) -> int | None:
    """How many answered requests may have taken points or collections away; None when it is not told."""
    if not isinstance(responses, dict):
        return None
    return sum(_count(answers) for name, answers in responses.items() if TAKES_AWAY.search(str(name)))


def _count(answers: object) -> int:
    """Of one endpoint: over REST a count for each status, over gRPC one in all (1.16.3)."""
    if not isinstance(answers, dict):
        return 0
    if isinstance(count := answers.get("count"), int):
        return count
    return sum(_count(one) for one in answers.values())


def _json_object(answer: Answer) -> dict[str, Any]:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _speaks_http2(endpoint: Endpoint, timeout: float) -> bool | None:
    """Whether the first thing that comes back is a SETTINGS frame, as HTTP/2 demands of a server."""
    if endpoint.grpc_port is None:
        return None
    try:
        with contextlib.ExitStack() as stack:
            plain_socket = socket.create_connection((endpoint.grpc_host, endpoint.grpc_port), timeout=timeout)
            channel: socket.socket = stack.enter_context(plain_socket)
            if endpoint.tls:
                context = trust.context()
                context.set_alpn_protocols(["h2"])
                channel = stack.enter_context(context.wrap_socket(channel, server_hostname=endpoint.grpc_host))
            channel.sendall(_PREFACE)
            header = stack.enter_context(channel.makefile("rb")).read(_FRAME_HEADER_BYTES)
    except (OSError, ValueError):
        return False
    return len(header) == _FRAME_HEADER_BYTES and header[3] == _SETTINGS_FRAME


def _in_words(error: HttpFault) -> str:
    if isinstance(error, NoConnection):
        if error.timed_out:
            return "nobody takes the connection"
        if error.untrusted:
            return f"its certificate is not trusted; let {trust.VARIABLE} name the file with its root certificate"
        return "nothing listens there" if isinstance(error.__cause__, ConnectionRefusedError) else plain(error)
    if isinstance(error, NoAnswer) and error.timed_out:
        return "the connection is taken, and no answer comes"
    if isinstance(error, NotHttp) or isinstance(error.__cause__, RemoteDisconnected):
        return "what listens there does not speak HTTP, or not yet"
    return plain(error)
