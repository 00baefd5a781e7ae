"""The doctor's checks. Each looks at one thing and returns its evidence; none knows of another."""

import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from qdrant_admin.config import places
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.formatting import counted, number
from qdrant_admin.lifecycle.checks_data import leftovers, sharing
from qdrant_admin.lifecycle.checks_storage import disk, storage
from qdrant_admin.lifecycle.facts import Facts
from qdrant_admin.lifecycle.reports import Check, CheckStatus

_CLOUD = re.compile(r"onedrive|dropbox|icloud|google ?drive|mobile documents", re.IGNORECASE)


def python(facts: Facts) -> Check:  # noqa: ARG001 # one signature for all checks
    """Interpreter and machine: grpcio has no wheel for Windows on ARM."""
    detail = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.platform == "win32" and platform.machine().lower() == "arm64":
        return Check(
            name="python",
            status="warn",
            detail=f"{detail}: gRPC has no build for it",
            fix="uv python install cpython-3.12-windows-x86_64",
        )
    return Check(name="python", status="ok", detail=detail)


def packages(facts: Facts) -> Check:  # noqa: ARG001 # one signature for all checks
    """Versions of what decides how we talk to server and engine."""
    found = ", ".join(f"{name} {version(name)}" for name in ("qdrant-admin", "qdrant-client", "docker", "textual"))
    return Check(name="packages", status="ok", detail=found)


def folders(facts: Facts) -> Check:
    """Our own folders: writable, and not synchronised by a cloud service."""
    found = {places.config_dir(), places.state_dir(), places.data_dir(), places.cache_dir()}
    for folder in sorted(found):
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not os.access(existing, os.W_OK):
            return Check(
                name="folders", status="fail", detail=f"{existing} is not writable", fix=f'ls -ld "{existing}"'
            )
        if _CLOUD.search(str(folder)):
            detail = f"{folder} is synchronised by a cloud service, which breaks databases"
            return Check(name="folders", status="warn", detail=detail, fix=facts.fix("config show"))
    return Check(name="folders", status="ok", detail=", ".join(str(folder) for folder in sorted(found)))


def terminal(facts: Facts) -> Check:  # noqa: ARG001 # one signature for all checks
    """Size and encoding."""
    columns, rows = shutil.get_terminal_size()
    encoding = (getattr(sys.stdout, "encoding", "") or "unknown").lower()
    detail = f"{columns}x{rows}, {encoding}, TERM={os.environ.get('TERM', 'unset')}"
    fits = columns >= 60 and rows >= 15
    return Check(
        name="terminal", status="ok" if fits else "warn", detail=detail if fits else f"{detail}: 80x24 fits all"
    )


def context(facts: Facts) -> Check:
    """A current Docker context that does not exist is passed over by the client without a word."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    if os.environ.get("DOCKER_HOST") or facts.ws.settings.profile.docker_host:
        return Check(name="context", status="ok", detail="the engine is named by DOCKER_HOST or the profile")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        name = os.environ.get("DOCKER_CONTEXT") or str(config.get("currentContext") or "default")
    except FileNotFoundError:
        name = os.environ.get("DOCKER_CONTEXT") or "default"
    except (OSError, ValueError, AttributeError) as error:
        detail = f"{folder / 'config.json'} cannot be read: {error}"
        return Check(name="context", status="warn", detail=detail, fix="docker context use default")
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    if name != "default" and not meta.exists():
        detail = f"the current Docker context {name} does not exist; the default socket is used instead"
        return Check(name="context", status="warn", detail=detail, fix="docker context use default")
    return Check(name="context", status="ok", detail=f"context {name}")


def engine(facts: Facts) -> Check:
    """Which container engine answers."""
    from qdrant_admin.core.errors import EngineUnavailable
    from qdrant_admin.server.docker.engine.discovery import find_engine

    needed = facts.seen.kind == "docker"
    try:
        found = find_engine(facts.ws.settings.profile.docker_host)
    except EngineUnavailable as error:
        status: CheckStatus = "fail" if needed else "ok"
        detail = str(error) if needed else f"none answers, and this profile runs {facts.seen.kind}"
        return Check(name="engine", status=status, detail=detail, fix=error.fix if needed else "")
    where = "" if found.why in found.words else f": {found.why}"
    return Check(name="engine", status="ok", detail=found.words + where)


def server(facts: Facts) -> Check:
    """Process or container."""
    state = facts.seen.state
    if state is None:
        error = facts.seen.troubles.get("runtime")
        return Check(
            name="server", status="fail", detail=str(error or "cannot be looked at"), fix=error.fix if error else ""
        )
    detail = f"{state.name or 'server'} {state.state}" + (f", {state.image}" if state.image else "")
    if facts.seen.foreign:
        return Check(name="server", status="warn", detail=f"{detail}, not ours", fix=facts.fix("adopt"))
    if state.state in {"running", "unknown"}:
        return Check(name="server", status="ok", detail=detail)
    why = f": {state.diagnosis.what}" if state.diagnosis else ""
    fix = (state.diagnosis.fix if state.diagnosis else "") or facts.fix("up")
    if fix == "qdrant-admin doctor":  # it is here already, and another check tells what to do
        fix = facts.fix("logs --tail 50")
    return Check(name="server", status="fail", detail=detail + why, fix=fix)


def ports(facts: Facts) -> Check:
    """Who listens on our ports."""
    from qdrant_admin.server.ports import is_free, listener

    profile = facts.ws.settings.profile
    held = {
        port: listener(profile.host, port) or "unknown"
        for port in (profile.port, profile.grpc_port)
        if not is_free(profile.host, port)
    }
    detail = (
        ", ".join(f"{port}: {who}" for port, who in held.items()) or f"{profile.port} and {profile.grpc_port} are free"
    )
    ours = facts.seen.state is not None and facts.seen.state.state == "running"
    if held and not ours and facts.seen.kind != "remote":
        fix = facts.fix(f"up --port {profile.port + 10} --grpc-port {profile.grpc_port + 10}")
        return Check(name="ports", status="fail", detail=f"taken by others: {detail}", fix=fix)
    return Check(name="ports", status="ok", detail=detail)


def image(facts: Facts) -> Check:
    """A tag that says which version it is."""
    name = facts.ws.settings.profile.image
    tagged = "@" in name or (":" in name.rsplit("/", 1)[-1] and not name.endswith(":latest"))
    if tagged:
        return Check(name="image", status="ok", detail=name)
    return Check(
        name="image",
        status="warn",
        detail=f"{name} is another server tomorrow",
        fix=facts.fix("up --image qdrant/qdrant:v1.16.3"),
    )


def open_files(facts: Facts) -> Check:
    """The limit on open files, where this account may read it: every segment holds several."""
    state = facts.seen.state
    if state is None or state.pid is None or not sys.platform.startswith("linux"):
        return Check(name="open files", status="ok", detail="not readable from here")
    text = Path(f"/proc/{state.pid}/limits").read_text(encoding="ascii")
    found = re.search(r"Max open files\s+(\d+)", text)
    limit = int(found[1]) if found else 0
    enough = limit >= 10_000 or not found
    return Check(
        name="open files",
        status="ok" if enough else "warn",
        detail=f"limit {number(limit)}" if found else "no limit",
        fix="" if enough else facts.fix("up --apply"),
    )


def log(facts: Facts) -> Check:
    """The log is the only place where Qdrant says that its file system is not fit."""
    from qdrant_admin.server.decode import decode_log

    runtime_state = facts.seen.state
    if runtime_state is None or runtime_state.state == "absent" or not facts.seen.capabilities.logs:
        return Check(name="log", status="ok", detail="no log to read")
    lines = [line for batch in facts.ws.runtime.logs(tail=1000, follow=False, cancel=CancelToken()) for line in batch]
    found = decode_log(lines)
    if not found:
        return Check(name="log", status="ok", detail=f"nothing against it in {counted(len(lines), 'line')}")
    worst = next((one for one in found if one.severe), found[0])
    return Check(
        name="log", status="fail" if worst.severe else "warn", detail=f"{worst.what}: {worst.why}", fix=worst.fix
    )


def reachable(facts: Facts) -> Check:
    """A Qdrant at the address, ready, in a version we speak with."""
    probe = facts.seen.probe
    if probe is None or not probe.is_qdrant or not probe.ready:
        detail = probe.error if probe is not None and probe.error else "it does not answer"
        return Check(
            name="reachable", status="fail", detail=f"{facts.seen.endpoint.url}: {detail}", fix=facts.fix("up")
        )
    detail = f"Qdrant {probe.version} at {facts.seen.endpoint.url}"
    ours, theirs = (tuple(map(int, re.findall(r"\d+", text)[:2])) for text in ("1.16", probe.version or ""))
    if theirs != ours:
        return Check(name="reachable", status="warn", detail=f"{detail}; the version that we are tested with is 1.16")
    return Check(name="reachable", status="ok", detail=detail)


def _matching(facts: Facts, name: str, pattern: str, fine: str) -> Check:
    """The first item of the status that speaks of this."""
    for item in facts.status.attention:
        if re.search(pattern, item.text):
            return Check(name=name, status=item.level, detail=item.text, fix=item.fix)
    answers = facts.seen.answers_as_qdrant
    return Check(
        name=name, status="ok" if answers else "warn", detail=fine if answers else "the server does not answer"
    )


def grpc(facts: Facts) -> Check:
    """The port that bulk reads and writes use."""
    return _matching(facts, "grpc", r"^gRPC ", f"answers at {facts.status.grpc}")


def api_key(facts: Facts) -> Check:
    """Who may reach the server."""
    return _matching(facts, "api key", r"API key", "the server asks for a key")


def collections(facts: Facts) -> Check:
    """Every collection readable, none red, no optimizer stopped by an error, no recovery mode."""
    known = facts.status.collections is not None
    fine = f"{counted(facts.status.collections or 0, 'collection')}, all readable" if known else "could not be listed"
    found = _matching(facts, "collections", r"^collection |recovery mode|does not take the API key", fine)
    return (
        found
        if known or found.status == "fail"
        else Check(name="collections", status="warn", detail=fine, fix=facts.fix("status"))
    )


def migrations(facts: Facts) -> Check:
    """Whether one was stopped or killed, and what it has left."""
    for item in facts.status.attention:
        if item.action == "migrate":
            return Check(name="migrations", status=item.level, detail=item.text, fix=item.fix)
    return Check(name="migrations", status="ok", detail="none was cut off")


def settings(facts: Facts) -> Check:
    """Running server against profile, and what happens when the machine restarts."""
    found = _matching(facts, "settings", r"other settings than|^restart policy", "as the profile asks")
    return found if found.fix else Check(name="settings", status="ok", detail=found.detail)


CHECKS: dict[str, Callable[[Facts], Check]] = {
    "python": python,
    "packages": packages,
    "folders": folders,
    "terminal": terminal,
    "context": context,
    "engine": engine,
    "server": server,
    "ports": ports,
    "image": image,
    "open files": open_files,
    "storage": storage,
    "sharing": sharing,
    "leftovers": leftovers,
    "disk": disk,
    "log": log,
    "reachable": reachable,
    "grpc": grpc,
    "api key": api_key,
    "collections": collections,
    "migrations": migrations,
    "settings": settings,
}
