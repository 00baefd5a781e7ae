"""What a server's telemetry tells: how often it was written to, and whether it runs in recovery mode."""

from collections.abc import Mapping
from typing import Any

_READS = ("scroll", "search", "query", "count", "recommend", "discover", "facet", "matrix", "exists", "groups")
_GRPC_READS = (*_READS, "get", "list", "info", "health", "collectioninfo")


def write_counters(telemetry: Mapping[str, Any]) -> dict[str, int]:
    """Answered requests that may have changed something, by endpoint: `PUT /collections/{name}/points`.

    An endpoint that nobody knows counts as a write: a false alarm is harmless, a missed write is not.
    """
    requests = telemetry.get("requests") or {}
    counters = {}
    for name, answers in ((requests.get("rest") or {}).get("responses") or {}).items():
        if _rest_writes(name):
            counters[name] = _total(answers)
    for name, answers in ((requests.get("grpc") or {}).get("responses") or {}).items():
        if not any(word in name.rpartition("/")[2].lower() for word in _GRPC_READS):
            counters[f"gRPC {name}"] = _total(answers)
    return counters


def _rest_writes(name: str) -> bool:
    method, _, path = name.partition(" ")
    if method == "POST":
        return not path.endswith("/points") and not any(f"/{word}" in path for word in _READS)
    return method in {"PUT", "PATCH", "DELETE"}


def _total(answers: Mapping[str, Any]) -> int:
    """Requests counted; over gRPC the server has one entry without a status."""
    if isinstance(answers.get("count"), int):
        return int(answers["count"])
    return sum(entry.get("count") or 0 for entry in answers.values() if isinstance(entry, dict))


def recovery_mode(telemetry: Mapping[str, Any]) -> bool:
    """Whether the server was started in recovery mode."""
    return bool(((telemetry.get("app") or {}).get("features") or {}).get("recovery_mode"))
