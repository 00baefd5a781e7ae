"""Foreign faults become the project's own errors here: REST answers, HTTP and gRPC.

The same fault comes out as the same class, whichever way the request went.
"""

import re

from qdrant_admin.config import trust
from qdrant_admin.config.http import HttpFault, NoAddress, NotHttp
from qdrant_admin.core.commands import Command, Fix
from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    BadInput,
    DiskFull,
    NotFound,
    NotQdrant,
    OutcomeUnknown,
    QuotaReached,
    RateLimited,
    RequestRejected,
    ServerTrouble,
    ServerUnreachable,
    Unsupported,
)
from qdrant_admin.core.formatting import plain

_LONGEST = 600
_TROUBLES: tuple[tuple[re.Pattern[str], type[ServerTrouble], str, Fix], ...] = (
    (
        re.compile(r"no space left|not enough space|disk (is )?full|exceeds available disk|out of disk", re.IGNORECASE),
        DiskFull,
        "the server's disk is full",
        "free some disk space: the server refuses writes and deletes while less than about 64 MB is left",
    ),
    (re.compile("(?i)recovery mode"), ServerTrouble, "the server runs in recovery mode", Command("logs", tail=200)),
    (re.compile("(?i)panic"), ServerTrouble, "the server panicked", Command("logs", tail=100)),
)
_GONE = re.compile(
    r"connect|socket|reset|closed|recvmsg|goaway|ping timeout|dns|resolution|handshak|end of tcp|broken pipe|http2",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient storage", re.IGNORECASE)
_QUOTA_MARK = "qdrant-insufficient-storage"
"""Metadata of gRPC that tells a quota from a rate limit, which have the same code (since 1.19)."""
_TOO_MUCH = re.compile(r"larger than rate limiter capacity", re.IGNORECASE)
"""Waiting does not help: the request alone is more than the limit allows."""
_RATE = re.compile(r"rate limit", re.IGNORECASE)

BY_GRPC_CODE: dict[str, type[AdminError]] = {
    "CANCELLED": ServerUnreachable,
    "UNKNOWN": ServerTrouble,
    "INVALID_ARGUMENT": RequestRejected,
    "DEADLINE_EXCEEDED": ServerUnreachable,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": RequestRejected,
    "PERMISSION_DENIED": AccessDenied,
    "UNAUTHENTICATED": AccessDenied,
    "RESOURCE_EXHAUSTED": RequestRejected,
    "FAILED_PRECONDITION": ServerTrouble,
    "ABORTED": ServerTrouble,
    "OUT_OF_RANGE": RequestRejected,
    "UNIMPLEMENTED": Unsupported,
    "INTERNAL": ServerTrouble,
    "UNAVAILABLE": ServerUnreachable,
    "DATA_LOSS": ServerTrouble,
}


def from_answer(
    status: int,
    text: str,
    json_error: str | None,
    *,
    where: str,
    retry_after: str | None = None,
    changes: bool = False,
) -> AdminError:
    """The error for a REST answer that is not a success.

    `json_error` is what Qdrant's own error body says; None when the body, `text`, has another form. `changes`: whether
    the request changes something, so that a server that took too long may have done it all the same.
    """
    if (status == 429 and not _TOO_MUCH.search(json_error or text)) or (status == 503 and retry_after):
        return _limited(json_error or text, where, retry_after)
    if status in {401, 403}:
        return make(AccessDenied, json_error or text, where)
    if json_error is None:
        if status == 404 and not text.strip():
            return make(Unsupported, "the server does not know this request", where)
        if status not in {408, 413, 429, 500, 502, 503, 504, 507}:
            return make(NotQdrant, f"HTTP {status}: {text}", where)
    return make(_class_of_status(status, changes), json_error or text or f"HTTP {status}", where)


def _limited(said: str, where: str, retry_after: str | None) -> RateLimited:
    seconds = float(retry_after) if retry_after and re.fullmatch(r"\d+(\.\d+)?", retry_after) else None
    return RateLimited(
        f"{where} wants to be asked less often", why=plain(said.strip())[:_LONGEST], fix="try again", seconds=seconds
    )


def _class_of_status(status: int, changes: bool) -> type[AdminError]:
    named: dict[int, type[AdminError]] = {
        404: NotFound,
        408: OutcomeUnknown if changes else ServerUnreachable,
        501: Unsupported,
        504: ServerUnreachable,
        507: QuotaReached,
    }
    return named.get(status, RequestRejected if status < 500 else ServerTrouble)


def from_http(error: HttpFault, where: str) -> AdminError:
    if isinstance(error, NoAddress):
        return BadInput(f"{where} is not an address", why=plain(error), fix="write it as http://127.0.0.1:6333")
    if isinstance(error, NotHttp):
        return make(NotQdrant, str(error), where)
    words = str(error)
    if error.untrusted:
        return ServerUnreachable(
            f"the certificate of {where} is not trusted",
            why=plain(words),
            fix=f"let {trust.VARIABLE} name the file with its root certificate, if you trust it",
        )
    if error.timed_out:
        words = "it did not answer in time"
    return make(ServerUnreachable, words, where)


def from_grpc(error: object, where: str, *, changes: bool = False) -> AdminError:
    """The error for a status of gRPC; `changes` as for `from_answer`."""
    code = getattr(error, "code", lambda: None)()
    details = str(getattr(error, "details", lambda: "")() or "")
    name = getattr(code, "name", "UNKNOWN")
    kind = BY_GRPC_CODE.get(name, ServerTrouble)
    if name == "UNAVAILABLE" and details and not _GONE.search(details):
        kind = ServerTrouble  # the server itself said so; over REST it would be a 503
    if name == "RESOURCE_EXHAUSTED" and not _TOO_MUCH.search(details):
        told = dict(getattr(error, "trailing_metadata", lambda: None)() or ())
        if _QUOTA_MARK in told or _QUOTA.search(details):
            return make(QuotaReached, details, where)
        if "retry-after" in told or _RATE.search(details):
            return _limited(details, where, told.get("retry-after"))
    if name == "DEADLINE_EXCEEDED":
        kind, details = OutcomeUnknown if changes else kind, "it did not answer in time"
    return make(kind, details or name, where)


def make(kind: type[AdminError], detail: str, where: str) -> AdminError:
    """The error of that class in words; a full disk, a panic and recovery mode are named as such."""
    said = plain(detail.strip())
    said = said if len(said) <= _LONGEST else said[: _LONGEST - 1] + "…"
    if kind in {ServerTrouble, RequestRejected}:
        for pattern, trouble, what, fix in _TROUBLES:
            if pattern.search(detail):
                return trouble(what, why=said, fix=fix)
    if kind is NotFound:
        return _not_found(said)
    words: dict[type[AdminError], tuple[str, Fix]] = {
        AccessDenied: (f"{where} wants another API key", "put the server's key into QDRANT_API_KEY"),
        OutcomeUnknown: ("the server took a change and did not say in time whether it is applied", "make it again"),
        QuotaReached: (
            f"a quota of the server at {where} is reached, and it refuses every write",
            "free what the quota limits, or raise it (PUT /quotas)",
        ),
        NotQdrant: (f"what answers at {where} is not a Qdrant server", Command("doctor")),
        RequestRejected: ("the server refused the request", ""),
        ServerTrouble: (f"the server at {where} has a fault", Command("logs", tail=100)),
        ServerUnreachable: (f"no answer from {where}", Command("status")),
        Unsupported: (f"the server at {where} cannot do that", Command("status")),
    }
    what, fix = words[kind]
    return kind(what, why=said, fix=fix)


def _not_found(said: str) -> NotFound:
    fix = Command("collections", "list")
    if match := re.search(r"Collection `(.*)` doesn't exist", said):
        return NotFound(f"there is no collection “{match[1]}”", fix=fix)
    return NotFound(said.removeprefix("Not found: ") or "not found", fix=fix)
