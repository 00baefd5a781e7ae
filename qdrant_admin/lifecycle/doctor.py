"""The doctor: looks at everything a Qdrant depends on, one check after the other, each with its evidence and a way out.

No check knows of another. What nobody could look at is `unknown`, never `ok`.
"""

import functools
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from qdrant_admin.config import places
from qdrant_admin.config.file import read_profiles
from qdrant_admin.config.profile import TESTED_VERSION
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Option
from qdrant_admin.core.errors import AdminError, Refused
from qdrant_admin.core.events import Events, Finished, Outcome, StepFinished, StepStarted
from qdrant_admin.core.files import free_bytes
from qdrant_admin.core.formatting import counted, number, size
from qdrant_admin.core.reports import Finding
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.findings import (
    KEY_REFUSED,
    MEMORY,
    NEARLY_FULL_BELOW,
    WITHOUT_KEY,
    WRITES_REFUSED_BELOW,
    Code,
)
from qdrant_admin.lifecycle.observation import Observation, observe
from qdrant_admin.lifecycle.reports import Check, CheckStatus, DoctorReport, StatusReport
from qdrant_admin.lifecycle.status import report_of
from qdrant_admin.server.runtime import VANISHING
from qdrant_admin.workspace import Workspace, operation

if TYPE_CHECKING:
    from qdrant_admin.server.surroundings import EngineLook

_CLOUD = re.compile(r"onedrive|dropbox|icloud|google ?drive|mobile documents", re.IGNORECASE)
_STRANGER = "not asked: the server that answers is not managed by qdrant-admin"
_LISTED: tuple[Code, ...] = ("recovery_mode", "collections_not_listed")
_COLLECTIONS: tuple[Code, ...] = (*_LISTED, "collection_unreadable", "collection_red", "optimizer_failed")


@dataclass(frozen=True)
class Context:
    """One look at everything, shared by all checks."""

    ws: Workspace
    seen: Observation
    status: StatusReport

    def command(self, *words: str, **options: Option) -> str:
        """A command of ours for this profile, as it can be pasted."""
        return str(Command(*words, **options).on(self.ws.settings.name))

    def finding(self, *codes: Code) -> Finding | None:
        """The first finding of the status with one of these codes."""
        return next((one for one in self.status.findings if one.code in codes), None)

    @functools.cached_property
    def engine(self) -> "EngineLook":
        """The container engine of this machine."""
        from qdrant_admin.server.surroundings import look_for_engine

        return look_for_engine(self.ws.settings)

    @property
    def no_server(self) -> str:
        """Why there is no server that could be looked at from here, in words; empty where there is one."""
        state = self.seen.state
        if state is None:
            return "the server could not be looked at"
        if state.state == "absent":
            return "no server is set up"
        return "" if self.seen.capabilities.local else "the server runs on another machine, out of sight"


def _ok(detail: str) -> Check:
    return Check(status="ok", detail=detail)


def _unknown(detail: str, fix: str = "") -> Check:
    return Check(status="unknown", detail=detail, fix=fix)


def _warn(code: str, detail: str, fix: str = "") -> Check:
    return Check(code=code, status="warn", detail=detail, fix=fix)


def _fail(code: str, detail: str, fix: str = "") -> Check:
    return Check(code=code, status="fail", detail=detail, fix=fix)


def _told(finding: Finding) -> Check:
    """The check that a finding of the status answers."""
    return (_fail if finding.level == "fail" else _warn)(finding.code, text(finding), finding.command)


# the machine


def python(context: Context) -> Check:  # noqa: ARG001 # one signature for all checks
    """Interpreter and machine: grpcio has no wheel for Windows on ARM."""
    detail = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.platform == "win32" and platform.machine().lower() == "arm64":
        fix = "uv python install cpython-3.12-windows-x86_64"
        return _warn("grpc_not_built", f"{detail}: gRPC has no build for it", fix)
    return _ok(detail)


def packages(context: Context) -> Check:  # noqa: ARG001 # one signature for all checks
    """Versions of what decides how we talk to server and engine."""
    names = ("qdrant-admin", "grpcio", "docker", "textual")
    return _ok(", ".join(f"{name} {version(name)}" for name in names))


def folders(context: Context) -> Check:
    """Our own folders: writable, and not synchronised by a cloud service."""
    found = sorted({places.config_dir(), places.state_dir(), places.data_dir(), places.cache_dir()})
    for folder in found:
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        if not os.access(existing, os.W_OK):
            detail, fix = f"{existing} is not writable", f'ls -ld "{existing}"'
            return _fail("folder_not_writable", detail, fix)
        if _CLOUD.search(str(folder)):
            detail = f"{folder} is synchronised by a cloud service, which breaks databases"
            fix = context.command("config", "show")
            return _warn("folder_synchronised", detail, fix)
    return _ok(", ".join(str(folder) for folder in found))


def terminal(context: Context) -> Check:  # noqa: ARG001 # one signature for all checks
    """Size and encoding."""
    columns, rows = shutil.get_terminal_size()
    encoding = (getattr(sys.stdout, "encoding", "") or "unknown").lower()
    detail = f"{columns}x{rows}, {encoding}, TERM={os.environ.get('TERM', 'unset')}"
    if columns >= 60 and rows >= 15:
        return _ok(detail)
    return _warn("terminal_small", f"{detail}: 80x24 fits all")


def docker_context(context: Context) -> Check:
    """A current Docker context that does not exist is passed over by the client without a word."""
    look = context.engine
    if not look.context_trouble:
        return _ok(look.context)
    detail, fix = f"{look.context_trouble}; the default socket is used instead", "docker context use default"
    return _warn("docker_context_unusable", detail, fix)


def engine(context: Context) -> Check:
    """Which container engine answers."""
    error, kind = context.engine.error, context.seen.kind
    if error is None:
        return _ok(context.engine.words)
    if context.seen.state is not None and not context.seen.capabilities.engine:
        return _ok(f"none answers, and this profile runs {kind}")
    return _fail("engine_unavailable", str(error), error.fix_on(context.ws.settings.name))


# the server


def server(context: Context) -> Check:
    """Process or container."""
    state = context.seen.state
    found = context.finding("server_absent", "server_stopped", "server_paused", "crash_loop", "runtime_unavailable")
    if state is None:
        return _told(found) if found else _unknown("it could not be looked at")
    detail = f"{state.name or 'server'} {state.state}" + (f", {state.image}" if state.image else "")
    if (foreign := context.finding("foreign_server")) is not None:
        return _told(foreign)
    if state.state == "unknown":
        return _unknown(context.no_server or detail)
    if found is None:
        return _ok(detail)
    why = f": {state.diagnosis.what}" if state.diagnosis else ""
    fix = (state.diagnosis.fix if state.diagnosis else "") or context.command("up")
    return _fail(found.code, detail + why, fix)


def ports(context: Context) -> Check:
    """Who listens on our ports."""
    from qdrant_admin.server.ports import is_free, listener

    if not context.seen.capabilities.local:
        return _ok("none of this machine's is needed: the server runs elsewhere")
    profile, state = context.ws.settings.profile, context.seen.state
    held = {
        port: listener(profile.host, port) or "unknown"
        for port in (profile.port, profile.grpc_port)
        if not is_free(profile.host, port)
    }
    if not held:
        return _ok(f"{profile.port} and {profile.grpc_port} are free")
    detail = ", ".join(f"{port}: {who}" for port, who in held.items())
    if state is not None and state.state in {"running", "paused"} and not context.seen.stranger:
        return _ok(detail)
    fix = context.command("up", port=profile.port + 10, grpc_port=profile.grpc_port + 10)
    return _fail("port_taken", f"taken by others: {detail}", fix)


def image(context: Context) -> Check:
    """A tag that says which version it is."""
    name = context.ws.settings.profile.image
    tagged = ":" in name.rpartition("/")[2] and not name.endswith(":latest")
    if tagged or "@" in name:
        return _ok(name)
    detail = f"{name} is a moving tag: the image may change on the next pull"
    fix = context.command("up", image=f"qdrant/qdrant:v{TESTED_VERSION}")
    return _warn("image_not_pinned", detail, fix)


def open_files(context: Context) -> Check:
    """The limit on open files, where this account may read it: every segment holds several."""
    state = context.seen.state
    if state is None or state.pid is None or not sys.platform.startswith("linux"):
        return _unknown("the limit cannot be read from here")
    limits = Path(f"/proc/{state.pid}/limits").read_text(encoding="ascii")
    found = re.search(r"Max open files\s+(\d+)", limits)
    if found is None:
        return _ok("no limit")
    limit, detail = int(found[1]), f"limit {number(int(found[1]))}"
    if limit >= 10_000:
        return _ok(detail)
    return _warn("open_files_limit", detail, context.command("up", apply=True))


def log(context: Context) -> Check:
    """The log is the only place where Qdrant says that its file system is not fit."""
    from qdrant_admin.server.decode import decode_log

    if context.no_server or not context.seen.capabilities.logs:
        return _unknown(context.no_server or "it cannot be read from here")
    batches = context.ws.runtime.logs(tail=1000, follow=False, cancel=CancelToken())
    lines = [line for batch in batches for line in batch]
    settings = context.ws.settings
    vanishing = VANISHING if settings.profile.expect == "ephemeral" else ()
    found = [one for one in decode_log(lines, settings.name) if one.code not in vanishing]
    if not found:
        return _ok(f"nothing against it in {counted(len(lines), 'line')}")
    worst = next((one for one in found if one.severe), found[0])
    return (_fail if worst.severe else _warn)("server_diagnosis", f"{worst.what}: {worst.why}", worst.fix)


def reachable(context: Context) -> Check:
    """A Qdrant at the address, ready, in a version we speak with."""
    probe, url = context.seen.probe, context.seen.endpoint.url
    if probe is None or not probe.is_qdrant or not probe.ready:
        detail = probe.error if probe is not None and probe.error else "it does not answer"
        code: Code = "not_qdrant" if probe and probe.answers and not probe.is_qdrant else "no_answer"
        fix = context.command("up") if context.seen.capabilities.start else ""
        return _fail(code, f"{url}: {detail}", fix)
    detail = f"Qdrant {probe.version} at {url}"
    tested, theirs = (re.findall(r"\d+", text)[:2] for text in (TESTED_VERSION, probe.version or ""))
    if theirs != tested:
        return _warn("version_not_tested", f"{detail}; the version that we are tested with is {'.'.join(tested)}")
    return _ok(detail)


def grpc(context: Context) -> Check:
    """The port that bulk reads and writes use."""
    if (found := context.finding("grpc_closed", "grpc_foreign")) is not None:
        return _told(found)
    if context.seen.foreign:
        return _unknown(_STRANGER)
    probe = context.seen.probe
    if probe is None or not probe.is_qdrant:
        return _unknown("the server does not answer")
    if probe.grpc_open is None:
        return _unknown("no gRPC port is known: only REST is used")
    return _ok(f"answers at {context.status.grpc}") if context.seen.capabilities.local else _grpc_elsewhere(context)


def _grpc_elsewhere(context: Context) -> Check:
    """Of a server known by its address alone, whose processes are out of sight: its ports have to show it."""
    settings = context.ws.settings
    with context.ws.database() as database:
        if database.bulk.carries_wire:
            return _ok(f"answers at {context.status.grpc}")
        if not database.bulk.leads_elsewhere:
            return _unknown(f"not used: everything goes over {database.bulk.transport}")
    finding = Finding(code="grpc_foreign", level="warn", subject="", facts={"port": settings.endpoint.grpc_port or 0})
    place, _, variable = settings.origins["grpc_port"].partition(" ")
    given = place == "environment"
    fix = f"unset {variable}" if given else context.command("profiles", "set", settings.name, "grpc-port=")
    return _warn("grpc_foreign", text(finding), fix)


def api_key(context: Context) -> Check:
    """Who may reach the server."""
    if (found := context.finding(*WITHOUT_KEY, *KEY_REFUSED, "key_in_clear")) is not None:
        return _told(found)
    probe = context.seen.probe
    if probe is None or probe.key_wanted is None:
        return _unknown("no server could be asked whether it wants one")
    if probe.key_wanted:
        return _ok("the server asks for a key")
    detail = f"the server asks for no key: whoever reaches {context.seen.endpoint.url} owns its data"
    fix = "start it with QDRANT__SERVICE__API_KEY, and put that key into QDRANT_API_KEY"
    return _warn("no_api_key", detail, "" if context.seen.foreign else fix)


def collections(context: Context) -> Check:
    """Every collection readable, none red, no optimizer stopped by an error, no recovery mode."""
    if (found := context.finding(*_COLLECTIONS, *KEY_REFUSED)) is not None:
        return _told(found)
    known = context.status.collections
    if known is None and context.seen.foreign:
        return _unknown(_STRANGER)
    if known is None:
        return _unknown("could not be listed", context.command("status"))
    return _ok(f"{counted(known, 'collection')}, all readable")


def memory(context: Context) -> Check:
    """What is there against what was known to be here."""
    if (found := context.finding(*MEMORY)) is not None:
        return _told(found)
    if (error := context.seen.troubles.get("memory")) is not None:
        return _unknown(str(error), error.fix_on(context.ws.settings.name))
    seen = context.seen.memory
    if seen is None:
        if context.seen.foreign:
            return _unknown(_STRANGER)
        return _before_start(context) or _unknown(context.no_server or "it was not compared with what was known")
    return _ok("; ".join(context.status.since) or "nothing is missing that was known to be here")


def _before_start(context: Context) -> Check | None:
    """Of a server that does not run: whether it would start without the data that is known."""
    from qdrant_admin.lifecycle.before_start import WithoutKnownData, checked

    state = context.seen.state
    if state is None or state.state not in {"absent", "stopped"} or not context.seen.capabilities.start:
        return None
    try:
        checked(context.ws, accept=False, apply=False)
    except WithoutKnownData as error:
        return _fail("known_data_missing", str(error), context.command("up", accept=True))
    except Refused as error:
        return _fail("version_not_fit", str(error), error.fix_on(context.ws.settings.name))
    return None


def migrations(context: Context) -> Check:
    """Whether one was interrupted, and what it has left."""
    if (found := context.finding("indexing_held_back", "migration_interrupted")) is not None:
        return _told(found)
    if (error := context.seen.troubles.get("history")) is not None:
        return _unknown(str(error), error.fix_on(context.ws.settings.name))
    return _ok("none was interrupted")


def settings(context: Context) -> Check:
    """Running server against profile, and what happens when the machine restarts."""
    if (found := context.finding("settings_differ", "no_automatic_start")) is not None:
        return _told(found)
    if context.no_server:
        return _unknown(context.no_server)
    if context.seen.foreign:
        return _unknown(_STRANGER)
    if (error := context.seen.troubles.get("changes")) is not None:
        return _unknown(str(error), error.fix_on(context.ws.settings.name))
    return _ok("as the profile asks")


# where the data lies


def storage(context: Context) -> Check:
    """Where the data lies, and whether it can stay there."""
    state = context.seen.state
    if (found := context.finding("storage_deleted", "data_elsewhere")) is not None:
        return _told(found)
    if context.no_server or state is None:
        return _unknown(context.no_server)
    place = state.storage
    where = f"{place.kind} {place.source}".strip()
    if place.faults:
        worst = next((fault for fault in place.faults if fault.severe), place.faults[0])
        told = "; ".join(f"{fault.what} ({fault.why})" if fault.why else fault.what for fault in place.faults)
        code: Code = "storage_in_container" if place.kind == "container" else "storage_unsound"
        detail = told if place.kind == "container" else f"{where}: {told}"
        return (_fail if worst.severe else _warn)(code, detail, worst.fix)
    detail = where + (f": {place.detail}" if place.detail else "")
    if place.sound is False:
        return _warn("storage_unsound", detail, context.command("verify", how="kill"))
    return _ok(detail) if place.sound else _unknown(f"{detail}, and nobody could look whether it is sound")


def sharing(context: Context) -> Check:
    """Two servers on the same data: both start, and the last one to write wins."""
    if context.no_server:
        return _unknown(context.no_server)
    users = context.ws.runtime.sharers()
    if not users:
        return _ok("no other container uses the data")
    user = next((one for one in users if one.running), users[0])
    detail = f"container {user.name} ({user.state}) uses {user.source} as well: two servers on the same data lose it"
    if user.running:
        return _fail("storage_shared", detail, f"docker stop {user.name}")
    return _warn("storage_shared", detail, f"docker inspect {user.name}")


def leftovers(context: Context) -> Check:
    """What interrupted operations left, and volumes of profiles that are gone. Never called useless: they hold data."""
    from qdrant_admin.server.surroundings import leftovers as look

    if context.engine.error is not None:
        return _ok("no engine to look on")
    found = look(context.ws.settings, read_profiles())
    if not found:
        return _ok("every volume of ours belongs to a profile")
    first = found[0]
    if first.kind == "move":
        return _warn("move_interrupted", f"{first.what}; {first.why}", context.command("move-storage"))
    if first.kind == "container":
        detail = f"{first.what}: container {', '.join(first.names)}"
        return _warn("container_left", detail, f"docker rm {first.names[0]}")
    names = [name for one in found for name in one.names]
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    detail = f"{counted(len(names), 'volume')} of profiles that are not known here: {shown}"
    fix = str(Command("profiles", "add", first.profile)) if first.profile else "docker volume ls"
    return _warn("volume_left", detail, fix)


def disk(context: Context) -> Check:
    """Qdrant refuses writes below 128 MiB, and dies without a word on a full disk."""
    if not context.seen.capabilities.local:
        return _unknown(context.no_server)
    free = context.status.storage.free_bytes
    if free is None and context.seen.capabilities.stats:
        free = context.ws.runtime.stats().disk_free_bytes  # a virtual machine's own disk, which only it can measure
    free = free_bytes(places.data_dir()) if free is None else free
    if free is None:
        return _unknown("free space is unknown")
    detail = f"{size(free)} free"
    if free < WRITES_REFUSED_BELOW:
        return _fail("disk_full", detail, "df -h")
    if free < NEARLY_FULL_BELOW:
        return _warn("disk_low", detail, "df -h")
    return _ok(detail)


CHECKS: dict[str, Callable[[Context], Check]] = {
    "python": python,
    "packages": packages,
    "folders": folders,
    "terminal": terminal,
    "context": docker_context,
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
    "memory": memory,
    "migrations": migrations,
    "settings": settings,
}
_OUTCOMES: dict[CheckStatus, Outcome] = {"ok": "ok", "warn": "warning", "fail": "failed", "unknown": "skipped"}


@operation("doctor")
def doctor(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Run every check. Never raises for what it finds; ends with a `DoctorReport`."""
    seen = observe(ws)
    context = Context(ws, seen, report_of(ws.settings, seen))
    made: list[Check] = []
    for name, check in CHECKS.items():
        cancel.check()
        yield StepStarted(step=name, title=f"checking {name}")
        made.append(_made(name, check, context))
        yield StepFinished(step=name, outcome=_OUTCOMES[made[-1].status], detail=made[-1].detail)
    yield Finished(report=DoctorReport(checks=tuple(made)))


def _made(name: str, check: Callable[[Context], Check], context: Context) -> Check:
    """One check's result; one that cannot be made says so and costs no other."""
    try:
        made = check(context)
    except AdminError as error:
        made = _unknown(f"could not be looked at: {error}", error.fix_on(context.ws.settings.name))
    except Exception as error:  # noqa: BLE001 # a doctor is called when things are broken in ways nobody foresaw
        made = _unknown(f"could not be looked at: {type(error).__name__}: {error}")
    itself = made.fix == context.command("doctor")  # it is running, and another check tells what to do
    return made.model_copy(update={"name": name, "fix": context.command("logs", tail=50) if itself else made.fix})
