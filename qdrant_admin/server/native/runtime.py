"""The native runtime: a Qdrant binary under our supervisor, behind the protocol of `server.runtime`."""

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from qdrant_admin.config.secrets import is_key_of, key_digest
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import NotFound, PortTaken, Refused, Unsupported
from qdrant_admin.core.events import Event, Events, Notice, StepFinished, StepStarted
from qdrant_admin.core.files import file_system_of, free_bytes, occupied_bytes
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server import ports, storage_probe
from qdrant_admin.server.decode import decode_exit, decode_log, latest_start
from qdrant_admin.server.listener import Owned
from qdrant_admin.server.native.open_files import diagnosed, vanished
from qdrant_admin.server.native.record import (
    Files,
    Launch,
    Record,
    all_lines,
    end_of,
    find_server,
    find_supervisor,
    last_lines,
    new_lines,
    send_kill,
)
from qdrant_admin.server.runtime import (
    ANOTHER_KEY,
    THE_PROFILES_KEY,
    Capabilities,
    Change,
    Diagnosis,
    NextStorage,
    ProcessState,
    RestartMethod,
    RuntimeKind,
    RuntimeState,
    ServerRuntime,
    Stats,
    Storage,
    changed,
    freeze_briefly,
    refuse_losing,
)
from qdrant_admin.server.sockets import holder, leads_to
from qdrant_admin.server.storage_mark import folder_mark, last_delete_in, peer_in
from qdrant_admin.server.versions import refuse_leap
from qdrant_admin.state.inventory import StorageIdentity

if TYPE_CHECKING:
    from qdrant_admin.server.native.binary import Binary

_ADOPT = "adopt a native process: it keeps running on its own terms, and cannot be labelled"
_HARD_STOP = "ask the server to end on Windows: it is terminated, which acknowledged writes survive"
_SAMPLE_SECONDS = 0.5
_LOG_LOOK_LINES = 2000
_FIRST_LINES = 60


class NativeRuntime(ServerRuntime):
    """One native server of one profile. See `server.runtime.ServerRuntime`."""

    kind: RuntimeKind = "native"
    capabilities = Capabilities(adopt=False, cannot=(_ADOPT, _HARD_STOP) if sys.platform == "win32" else (_ADOPT,))

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.files = Files(settings.native_folder)

    def inspect(self) -> RuntimeState:
        record = self.files.read_record()
        if record is None:
            return RuntimeState(runtime="native", state="absent", storage=self._storage(self.settings.native_storage))
        launch, server = record.launch, find_server(record, self.files.folder)
        supervised = find_supervisor(record, self.files.folder) is not None
        state = _state(server, supervised=supervised)
        return RuntimeState(
            runtime="native",
            state=state,
            name=f"pid {server.pid}" if server else "native server",
            ours=True,
            engine="native process",
            image=f"qdrant {launch.version}",
            pid=server.pid if server else None,
            started_at=record.started_at if server else None,
            restarts=record.restarts,
            restart_policy="restarted after a crash" if supervised else "not restarted: its supervisor is gone",
            exit_code=None if server else record.exit_code,
            diagnosis=self._diagnose(record, state),
            storage=self._storage(launch.storage, server.pid if server else None),
        )

    def differences(self) -> list[Change]:
        record = self.files.read_record()
        if record is None:
            return []
        now, profile = record.launch, self.settings.profile
        rows = (
            ("version", now.version, now.version if profile.binary else self._with_version_kept().profile.version),
            ("host", now.host, self._host()),
            ("port", str(now.port), str(profile.port)),
            ("gRPC port", str(now.grpc_port), str(profile.grpc_port)),
            ("storage", str(now.storage), str(self._storage_path())),
        )
        key = self._key_rows(now) if find_server(record, self.files.folder) else ()
        return changed((*rows, *key), {"host", "port", "gRPC port"})

    def start(self, cancel: CancelToken) -> Events:
        self._refuse_dropping_key()
        if self.settings.published_openly and not self._has_key():
            raise Refused(
                f"{self.settings.profile.host} is open to other machines, and there is no API key",
                why="anybody in the network could read and delete everything",
                fix=str(Command("profiles", "set", self.settings.name, "host=127.0.0.1")),
            )
        state = self.inspect()
        if state.state in {"running", "restarting", "paused"}:
            if state.state == "paused":
                yield from self._thaw(state.name)
            else:
                yield Notice(text=f"the native server runs already ({state.name})")
            if state.diagnosis is not None and state.diagnosis.code == "unsupervised":
                yield Notice(level="warning", text=state.diagnosis.what, fix=state.diagnosis.fix)
            return
        binary = yield from self._binary(cancel)
        yield from self._launch(binary, cancel)

    def _thaw(self, name: str) -> Events:
        """What was frozen and not thawed, such as by a check that was killed meanwhile, goes on."""
        record = self.files.read_record()
        if record is not None and (server := find_server(record, self.files.folder)) is not None:
            server.resume()
            yield Notice(text=f"the native server was frozen and goes on ({name})")

    def _binary(self, cancel: CancelToken) -> Generator[Event, None, "Binary"]:
        """The program to start, of a version that may open the data. Nothing was stopped for it yet."""
        from qdrant_admin.server.native.binary import find_binary

        binary = yield from find_binary(self._with_version_kept(), cancel)
        named = self.settings.profile.binary is not None
        refuse_leap(self._last_version(), binary.version, f"the data in {self._storage_path()}", binary=named)
        return binary

    def _launch(self, binary: "Binary", cancel: CancelToken) -> Events:
        from qdrant_admin.server.native.supervisor import launch

        yield StepStarted(step="start", title=f"starting Qdrant {binary.version} ({binary.where})")
        self.files.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_taken_ports()
        yield from storage_probe.prepare(self._storage_path(), self.profile)
        profile = self.settings.profile
        order = Launch(
            binary=binary.path,
            version=binary.version,
            host=self._host(),
            port=profile.port,
            grpc_port=profile.grpc_port,
            storage=self._storage_path(),
            api_key=self._has_key(),
            key_digest=key_digest(key) if (key := self._key()) else "",
        )
        record = launch(self.files, order, self.settings.api_key, cancel)
        yield StepFinished(step="start", detail=f"pid {record.server.pid}" if record.server else "")

    def apply(self, cancel: CancelToken) -> Events:
        yield from self.restart("recreate", cancel)

    def stop(self, cancel: CancelToken) -> Events:
        from qdrant_admin.server.native.supervisor import end

        record, state = self.files.read_record(), self.inspect().state
        if record is None or state in {"absent", "stopped"}:
            yield Notice(text="the native server is not running")
            return
        yield StepStarted(step="stop", title="stopping the native server")
        end(self.files, record, cancel)
        last = self.files.read_record()
        in_order = last is not None and last.phase == "stopped" and last.exit_code == 0
        yield StepFinished(step="stop", detail="it ended in order" if in_order else "")

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        from qdrant_admin.server.native.supervisor import cycle

        record = self.files.read_record()
        if record is None:
            raise NotFound(f"there is no native server of profile {self.profile}", fix=Command("up", runtime="native"))
        server = find_server(record, self.files.folder)
        if how == "pause":
            if server is None:
                raise Refused("the native server does not run, so it cannot be frozen", fix=Command("up"))
            yield from freeze_briefly("the server", server.suspend, server.resume, cancel)
            return
        if how == "recreate" or find_supervisor(record, self.files.folder) is None:
            self._refuse_dropping_key()
        if how == "recreate":
            refuse_losing(self.inspect())
            yield from self._stop_and_start(None, cancel)
            return
        if how == "engine":
            raise Unsupported(
                "a native server has no engine that could be restarted", fix=Command("restart", how="kill")
            )
        refuse_losing(self.inspect())
        self._refuse_another_program(record.launch)
        titles: dict[RestartMethod, str] = {"kill": "killing the server (SIGKILL)", "graceful": "restarting the server"}
        yield StepStarted(step="restart", title=titles[how])
        renewed = cycle(self.files, record, kill=how == "kill", cancel=cancel)
        if renewed is not None and renewed.server is not None:
            yield StepFinished(step="restart", detail=f"pid {renewed.server.pid}")
            return
        yield StepFinished(step="restart", outcome="skipped", detail="nobody supervises it: it is stopped and started")
        yield from self._stop_and_start(server if how == "kill" else None, cancel)

    def _refuse_another_program(self, now: Launch) -> None:
        """The file that is started again may have become another version since."""
        from qdrant_admin.server.native.binary import version_of

        refuse_leap(now.version, version_of(now.binary) or "", f"the data in {now.storage}", binary=True)

    def _stop_and_start(self, to_kill: psutil.Process | None, cancel: CancelToken) -> Events:
        """What would keep it from being started is found out before it is stopped."""
        binary = yield from self._binary(cancel)
        if to_kill is not None:
            send_kill(to_kill)
        yield from self.stop(cancel)
        yield from self._launch(binary, cancel)

    def owned(self) -> Owned:
        record = self.files.read_record()
        server = find_server(record, self.files.folder) if record else None
        if server is None:
            return Owned(rest=False, grpc=False)
        host, profile = self.endpoint.grpc_host, self.settings.profile
        return Owned(*leads_to(server.pid, host, profile.port, profile.grpc_port))

    def stranger(self) -> str:
        return "" if self.owned().rest else holder(self.endpoint.grpc_host, self.settings.profile.port)

    def remove(self, cancel: CancelToken) -> Events:
        yield from self.stop(cancel)
        yield StepStarted(step="remove", title="forgetting the native process")
        for path in (self.files.record, self.files.launch, self.files.stop, self.files.again):
            path.unlink(missing_ok=True)
        yield StepFinished(step="remove", detail=f"its data stays in {self._storage_path()}")

    def adopt(self, cancel: CancelToken) -> Events:  # noqa: ARG002 # the protocol's form
        owner = ports.listener(self._host(), self.settings.profile.port)
        raise Unsupported(
            "a native process cannot be adopted",
            why=f"{owner or 'it'} was started by somebody else, who alone can restart it with its settings",
            fix=Command("up", use_existing=True),
        )

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        end = end_of(self.files.log) if follow else None
        lines = last_lines(self.files.log, tail, end)
        if len(lines) < tail:
            lines = last_lines(self.files.older_log, tail - len(lines)) + lines
        if lines:
            yield lines
        if end is not None:
            yield from new_lines(self.files.log, end, cancel)

    def stats(self) -> Stats:
        storage, record = self._recorded_storage(), self.files.read_record()
        server = find_server(record, self.files.folder) if record else None
        cpu = memory = None
        with contextlib.suppress(psutil.Error):  # it may end while it is looked at
            if server is not None:
                cpu, memory = server.cpu_percent(interval=_SAMPLE_SECONDS), server.memory_info().rss
        disk, free = occupied_bytes(storage), free_bytes(storage)
        return Stats(cpu_percent=cpu, memory_bytes=memory, disk_bytes=disk, disk_free_bytes=free)

    def disk_bytes(self) -> int | None:
        return occupied_bytes(self._recorded_storage())

    def storage_identity(self) -> StorageIdentity | None:
        path = self._recorded_storage()
        return StorageIdentity(place=f"directory {path}", mark=folder_mark(path), peer=peer_in(path))

    def next_storage(self) -> NextStorage:
        path, profile = self._storage_path(), self.settings.profile
        mark, version = folder_mark(path), self._with_version_kept().profile.version
        if profile.binary is not None:
            from qdrant_admin.server.native.binary import version_of

            version = version_of(profile.binary.expanduser().absolute()) or ""
        place = f"directory {path}"
        return NextStorage(
            place=place,
            identity=StorageIdentity(place=place, mark=mark, peer=peer_in(path)) if mark else None,
            empty=not storage_probe.holds_data(path),
            opened_by=self._last_version(),
            version=version,
        )

    def log_since(self, moment: datetime) -> Iterable[str]:  # noqa: ARG002 # the files are short enough
        for path in (self.files.older_log, self.files.log):
            yield from all_lines(path)

    def last_delete(self) -> datetime | None:
        return last_delete_in(self._recorded_storage())

    def _diagnose(self, record: Record, state: ProcessState) -> Diagnosis | None:
        since = latest_start(last_lines(self.files.log, _LOG_LOOK_LINES)) or ()
        if state in {"running", "paused"}:
            if find_supervisor(record, self.files.folder) is None:
                return Diagnosis(
                    code="unsupervised",
                    what="nobody restarts the server after a crash",
                    why="its supervisor is gone",
                    fix=self._fix("restart", how="recreate"),
                )
            return next(iter(decode_log(since[:_FIRST_LINES], self.profile)), None)
        if record.phase == "stopped":
            return None
        found = decode_exit(record.exit_code, self.profile, log=since)
        if record.phase == "crashed":
            found = found or Diagnosis(code="ended", what="the server ends by itself", fix=self._fix("up"), severe=True)
            tries = f"it was given up after {counted(record.restarts + 1, 'start')}"
            return found.model_copy(update={"why": "; ".join(filter(None, (found.why, tries)))})
        if state == "restarting":
            return found
        return Diagnosis(
            code="ended_with_supervisor",
            what="the server ended together with its supervisor",
            why="the machine was restarted, or both were killed; acknowledged data survives that",
            fix=self._fix("up"),
        )

    def _refuse_taken_ports(self) -> None:
        host, profile = self._host(), self.settings.profile
        if profile.port == profile.grpc_port:
            raise PortTaken(
                f"port {profile.port} is asked for twice",
                why="REST and gRPC need a port each",
                fix=Command("up", grpc_port=profile.port + 1),
            )
        wanted = {"port": profile.port, "grpc_port": profile.grpc_port}
        taken = {option: port for option, port in wanted.items() if not ports.is_free(host, port)}
        if not taken:
            return
        free = dict(wanted)
        for option in taken:
            candidate = ports.next_free(host, wanted[option])
            while candidate in free.values():
                candidate = ports.next_free(host, candidate)
            free[option] = candidate
        raise PortTaken(
            " and ".join(f"port {port} is taken" for port in taken.values()),
            why="; ".join(
                f"{ports.listener(host, port) or 'another program'} listens on {port}" for port in taken.values()
            ),
            fix=Command("up", **free),
        )

    def _last_version(self) -> str:
        """Of the server that wrote to the storage last, as the record tells; empty for a storage that holds nothing."""
        record = self.files.read_record()
        last = record.launch if record else None
        if last is None or last.storage != self._storage_path() or not storage_probe.holds_data(last.storage):
            return ""
        return last.version

    def _with_version_kept(self) -> Settings:
        """A default version is for new storage only: data that is there keeps the one that opened it last."""
        last, profile = self._last_version(), self.settings.profile
        if not last or "image" in profile.given or profile.version == last:
            return self.settings
        kept = profile.model_copy(update={"image": f"qdrant/qdrant:v{last}"})
        return self.settings.model_copy(update={"profile": kept})

    def _storage(self, path: Path, pid: int | None = None) -> Storage:
        """Where the data lies, and of a running server whether it still does."""
        kind, suspect = file_system_of(path), storage_probe.native_suspicion(path)
        gone = vanished(pid, path) if pid is not None else None
        faults = (diagnosed(gone, path, self.profile),) if gone is not None else ()
        return Storage(
            kind="directory",
            source=str(path),
            sound=False if suspect or faults else (True if kind else None),
            detail=faults[0].what if faults else suspect or kind,
            free_bytes=free_bytes(path),
            faults=faults,
        )

    def _storage_path(self) -> Path:
        return self.settings.native_storage.expanduser().absolute()

    def _recorded_storage(self) -> Path:
        record = self.files.read_record()
        return record.launch.storage if record else self._storage_path()

    def _host(self) -> str:
        return ports.numeric(self.settings.profile.host)

    def _key(self) -> SecretStr | None:
        """None for an empty one: Qdrant takes it for authentication with an empty key."""
        key = self.settings.api_key
        return key if key is not None and key.get_secret_value() else None

    def _has_key(self) -> bool:
        return self._key() is not None

    def _key_rows(self, now: Launch) -> tuple[tuple[str, str, str], ...]:
        """The key in force and the profile's, as far as anybody may know; one that is not known here is kept."""
        key, current = self._key(), "none"
        if now.api_key and key is None:
            return (("API key", "set", "none"),) if self.settings.key_declined else ()
        if now.api_key and key is not None:
            same = not now.key_digest or is_key_of(now.key_digest, key)
            current = THE_PROFILES_KEY if same else ANOTHER_KEY
        return (("API key", current, THE_PROFILES_KEY if key else "none"),)

    def _refuse_dropping_key(self) -> None:
        """A native server has its key from whoever starts it: without one it would be open from now on."""
        record = self.files.read_record()
        if record is None or not record.launch.api_key or self._has_key() or self.settings.key_declined:
            return
        without = Command("up", api_key="none", apply=True).on(self.profile)
        raise Refused(
            "the server has an API key that is not known here, and would be started without one",
            why=f"whoever reaches it could then read and delete everything; if that is meant: {without}",
            fix="export QDRANT_API_KEY=THE_KEY_OF_THIS_SERVER",
        )


def _state(server: psutil.Process | None, *, supervised: bool) -> ProcessState:
    with contextlib.suppress(psutil.Error):
        if server is not None:
            return "paused" if server.status() == psutil.STATUS_STOPPED else "running"
    return "restarting" if supervised else "stopped"
