"""What wants attention, worst first: each finding with its code, its facts and the command that mends it.

The codes and the names of the facts are a contract; the words are made of them in `finding_words`.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.commands import Command, Fix, written
from qdrant_admin.core.errors import AccessDenied, AdminError
from qdrant_admin.core.reports import Fact, Finding, FindingLevel
from qdrant_admin.lifecycle.finding_words import MISSING_CODES, MemoryCode, missing_facts, storage_facts
from qdrant_admin.lifecycle.observation import Observation, Part
from qdrant_admin.server.runtime import DELETED, RuntimeState

if TYPE_CHECKING:
    from qdrant_admin.database.models import CollectionInfo

WRITES_REFUSED_BELOW = 128 * 1024**2
"""Qdrant refuses writes and deletes when less than twice its WAL capacity (64 MiB by default) is free."""
NEARLY_FULL_BELOW = 1024**3

KeyCode = Literal["api_key_missing", "api_key_refused"]
AccessCode = Literal[KeyCode, "runtime_unavailable", "probe_failed", "collections_not_listed", "memory_unreadable"]
StateCode = Literal["server_absent", "server_stopped", "server_paused", "crash_loop", "unrequested_restarts"]
ProcessCode = Literal["foreign_server", "other_ports_needed", "server_diagnosis", StateCode]
AnswerCode = Literal["no_answer", "not_qdrant", "not_ready", "recovery_mode", "grpc_closed", "grpc_foreign"]
DataCode = Literal["collection_unreadable", "collection_red", "optimizer_failed", "writes_pending", "points_hidden"]
StorageCode = Literal[
    "storage_deleted", "data_elsewhere", "storage_in_container", "storage_unsound", "disk_full", "disk_low"
]
KeylessCode = Literal["no_api_key", "published_without_api_key"]
SafetyCode = Literal[KeylessCode, "settings_differ", "no_automatic_start", "key_in_clear"]
UnfinishedCode = Literal["check_interrupted", "indexing_held_back", "migration_interrupted"]
Code = Literal[AccessCode, ProcessCode, AnswerCode, DataCode, MemoryCode, StorageCode, SafetyCode, UnfinishedCode]
MEMORY: tuple[Code, ...] = get_args(MemoryCode)
KEY_REFUSED: tuple[Code, ...] = ("api_key_missing", "api_key_refused")
WITHOUT_KEY: tuple[Code, ...] = ("no_api_key", "published_without_api_key")
UNFINISHED: tuple[Code, ...] = ("check_interrupted", "indexing_held_back", "migration_interrupted")
_BESIDE: tuple[Code, ...] = ("data_elsewhere", "settings_differ", "no_automatic_start", "points_hidden", "key_in_clear")
HARMLESS: tuple[Code, ...] = (*WITHOUT_KEY, *UNFINISHED, *_BESIDE)
"""Findings that do not touch whether the server does its work now."""
_NOT_LOOKED_AT: dict[Part, Code] = {
    "runtime": "runtime_unavailable",
    "probe": "probe_failed",
    "collections": "collections_not_listed",
}


def findings(settings: Settings, seen: Observation) -> tuple[Finding, ...]:
    """Every finding, faults before warnings, otherwise in the order of how much depends on it."""
    finder = _Finder(settings, seen)
    found = [*finder.access(), *finder.process(), *finder.answers(), *finder.memory(), *finder.data()]
    found += [*finder.storage(), *finder.safety(), *finder.unfinished()]
    return tuple(sorted(found, key=lambda one: one.level != "fail"))


class _Finder:
    def __init__(self, settings: Settings, seen: Observation) -> None:
        self._settings, self._seen = settings, seen

    def _found(self, code: Code, level: FindingLevel, fix: Fix, subject: str = "", **facts: Fact) -> Finding:
        command = written(fix, self._settings.name)
        return Finding(code=code, level=level, subject=subject, facts=facts, command=command)

    def access(self) -> Iterator[Finding]:
        """What kept us from looking at all."""
        for part, code in _NOT_LOOKED_AT.items():
            error = self._seen.troubles.get(part)
            if isinstance(error, AccessDenied):
                yield self._denied(error)
            elif error is not None:
                fix = error.fix_on(self._settings.name)
                yield self._found(code, "fail", fix, what=error.what, why=error.why)

    def _denied(self, error: AdminError) -> Finding:
        fix: Fix = error.fix_on(self._settings.name) or "export QDRANT_API_KEY=THE_KEY_OF_THIS_SERVER"
        seen, origin = self._seen, self._settings.api_key_origin
        if any(change.setting == "API key" for change in seen.changes):
            another = any(change.locks_out for change in seen.changes)  # else it has it from a file of its own
            fix = Command("up", apply=True)
            return self._found("api_key_refused", "fail", fix, origin=origin, started_with_another=another)
        if self._settings.api_key is None:
            if seen.state is not None and seen.state.ours and not seen.foreign:
                fix = Command("up", api_key="auto", apply=True)
            return self._found("api_key_missing", "fail", fix)
        return self._found("api_key_refused", "fail", fix, origin=origin)

    def process(self) -> Iterator[Finding]:
        """The process or container, without asking the server."""
        state = self._seen.state
        if state is None:
            return
        if self._seen.foreign:
            yield from self._foreign(state)
        else:
            yield from self._not_running(state)
        if (found := state.diagnosis) is not None:
            level: FindingLevel = "fail" if found.severe else "warn"
            yield self._found("server_diagnosis", level, found.fix, what=found.what, why=found.why)
        if state.restarts and state.state == "running":
            yield self._found("unrequested_restarts", "warn", Command("logs", tail=200), restarts=state.restarts)

    def _foreign(self, state: RuntimeState) -> Iterator[Finding]:
        profile = self._settings.profile
        subject = state.name if state.ours is False else ""
        adoptable = bool(subject) and self._seen.capabilities.adopt
        way_on = Command("adopt") if adoptable else Command("up", use_existing=True)
        facts: dict[str, Fact] = {"url": self._settings.endpoint.url, "adoptable": adoptable}
        facts |= {"holder": self._seen.stranger} if self._seen.stranger else {}
        facts |= {"own": state.state} if state.ours else {}
        facts |= {"other_installation": True} if state.other_installation else {}
        yield self._found("foreign_server", "warn", way_on, subject, **facts)
        elsewhere = Command("up", port=profile.port + 10, grpc_port=profile.grpc_port + 10)
        yield self._found("other_ports_needed", "warn", elsewhere, port=profile.port, grpc_port=profile.grpc_port)

    def _not_running(self, state: RuntimeState) -> Iterator[Finding]:
        match state.state:
            case "absent":
                yield self._found("server_absent", "fail", Command("up"))
            case "stopped":
                yield self._found("server_stopped", "fail", Command("up"))
            case "paused":
                yield self._found("server_paused", "fail", Command("up"))
            case "restarting":
                yield self._found("crash_loop", "fail", Command("logs", tail=50), restarts=state.restarts)

    def answers(self) -> Iterator[Finding]:
        """What the server says of itself, beyond a 200 from /readyz."""
        seen, probe = self._seen, self._seen.probe
        running = seen.state is None or seen.state.state in {"running", "unknown"}
        if probe is None or not (running or probe.answers):
            return
        if not probe.answers:
            yield self._found("no_answer", "fail", Command("logs", tail=50), seen.endpoint.url, error=probe.error)
            return
        if not probe.is_qdrant:
            yield self._not_qdrant()
            return
        if not probe.ready:
            yield self._found("not_ready", "fail", Command("logs"))
        if probe.recovery_mode:
            yield self._found("recovery_mode", "fail", Command("logs", tail=200))
        if seen.endpoint.grpc_stranger:
            port, holder = seen.endpoint.grpc_port or 0, seen.endpoint.grpc_stranger
            free = Command("up", grpc_port=self._settings.profile.grpc_port + 10, apply=True)
            yield self._found("grpc_foreign", "warn", free, port=port, holder=holder)
        elif seen.endpoint.grpc_port is not None and probe.grpc_open is False:
            address = f"{seen.endpoint.grpc_host}:{seen.endpoint.grpc_port}"
            yield self._found("grpc_closed", "warn", Command("restart"), address)

    def _not_qdrant(self) -> Finding:
        from qdrant_admin.server.ports import listener

        profile = self._settings.profile
        holder = listener(profile.host, profile.port) if self._seen.capabilities.local else ""
        return self._found("not_qdrant", "fail", Command("doctor"), self._seen.endpoint.url, holder=holder)

    def data(self) -> Iterator[Finding]:
        """Collections that cannot be read, or in which Qdrant itself reports a fault."""
        for one in self._seen.collections or ():
            if (finding := self._collection(one)) is not None:
                yield finding
            show = Command("collections", "show", one.name)
            if queued := one.pending.queued:
                yield self._found("writes_pending", "warn", show, one.name, requests=queued)
            if deferred := one.pending.deferred:
                yield self._found("points_hidden", "warn", show, one.name, points=deferred)

    def _collection(self, one: "CollectionInfo") -> Finding | None:
        show = Command("collections", "show", one.name)
        if one.trouble:
            return self._found("collection_unreadable", "fail", show, one.name, error=one.trouble)
        if one.status == "red":
            return self._found("collection_red", "fail", show, one.name, error=one.optimizer_error)
        if one.optimizer_error:
            return self._found("optimizer_failed", "warn", show, one.name, status=one.status, error=one.optimizer_error)
        return None

    def memory(self) -> Iterator[Finding]:
        """What is missing of all that was known to be here, and was not taken away by a request."""
        if (error := self._seen.troubles.get("memory")) is not None:
            way_out = error.fix_on(self._settings.name)
            yield self._found("memory_unreadable", "warn", way_out, what=error.what, why=error.why)
        seen = self._seen.memory
        if seen is None:
            return
        fix = Command("verify", accept=True)
        if seen.earlier and seen.having("lost"):
            way = self._back() if any(change.wanted == seen.earlier for change in self._seen.changes) else fix
            yield self._found("other_storage", "fail", way, seen.today, **storage_facts(seen))
            return
        for one in (*seen.having("lost"), *seen.having("inconclusive")):
            level: FindingLevel = "fail" if one.word == "lost" else "warn"
            yield self._found(MISSING_CODES[one.kind], level, fix, one.name, **missing_facts(one))

    def _back(self) -> str:
        """To the storage that the profile names, from a server that somebody has put on another one."""
        profile = self._settings.name
        return f"{Command('down', remove=True).on(profile)} && {Command('up').on(profile)}"

    def storage(self) -> Iterator[Finding]:
        """Where the data lies, also that which is not shown, and how much room it has."""
        if (other := self._seen.elsewhere) is not None:
            fix = Command("up", runtime=other.runtime)
            facts: dict[str, Fact] = {"points_known": other.points, "at": other.at.isoformat()}
            yield self._found("data_elsewhere", "warn", fix, other.place, **facts)
        state = self._seen.state
        if state is None or state.state == "absent" or self._seen.foreign:
            return
        place = state.storage
        if (gone := next((fault for fault in place.faults if fault.code == DELETED), None)) is not None:
            yield self._found("storage_deleted", "fail", gone.fix, place.source, what=gone.what, why=gone.why)
        elif place.kind == "container" and not place.sound:
            yield self._found("storage_in_container", "warn", Command("doctor"))
        elif place.sound is False:
            yield self._found("storage_unsound", "warn", Command("doctor"), place.source, detail=place.detail)
        if (free := place.free_bytes) is None or free >= NEARLY_FULL_BELOW:
            return
        look = f'df -h "{place.source or "."}"'
        if free < WRITES_REFUSED_BELOW:
            yield self._found("disk_full", "fail", look, place.source, free_bytes=free)
        else:
            yield self._found("disk_low", "warn", look, place.source, free_bytes=free)

    def safety(self) -> Iterator[Finding]:
        """Settings of a server of ours that differ from the profile's, or leave it unprotected."""
        seen, state = self._seen, self._seen.state
        if seen.endpoint.key_in_clear:
            tunnel = "let the server speak https, or reach it through a tunnel (ssh -L)"
            yield self._found("key_in_clear", "warn", tunnel, seen.endpoint.url)
        if state is None or state.state == "absent" or seen.foreign or not seen.capabilities.start:
            return
        if seen.changes:
            changes = tuple(f"{change.setting} {change.current} → {change.wanted}" for change in seen.changes)
            yield self._found("settings_differ", "warn", Command("up", apply=True), changes=changes)
        if seen.probe is not None and seen.probe.key_wanted is False:
            yield self._no_key()
        if state.starts_with_machine is False:
            fix = Command("up", restart_policy="unless-stopped", apply=True)
            yield self._found("no_automatic_start", "warn", fix, policy=state.restart_policy)

    def _no_key(self) -> Finding:
        """Any web page can send requests to a port on loopback, and needs no permission for one that writes."""
        fix = Command("up", api_key="auto", apply=True)
        if self._settings.published_openly:
            return self._found("published_without_api_key", "fail", fix, self._settings.profile.host)
        return self._found("no_api_key", "warn", fix)

    def unfinished(self) -> Iterator[Finding]:
        """What was interrupted on the way, and can be resumed."""
        seen = self._seen
        if (began := seen.interrupted_check) is not None:
            yield self._found("check_interrupted", "warn", Command("verify", finish=True), at=began.isoformat())
        runs, names = seen.interrupted_migrations, {one.name for one in seen.collections or ()}
        for run in runs:
            if held := tuple(name for name in run.held if name in names):
                fix = Command("migrate", resume=run.run)
                yield self._found("indexing_held_back", "warn", fix, run.source, run=run.run, collections=held)
        if runs and not any(run.held for run in runs):
            latest, fix = runs[0], Command("migrate", resume=runs[0].run)
            yield self._found(
                "migration_interrupted", "warn", fix, latest.source, run=latest.run, interrupted=len(runs)
            )
