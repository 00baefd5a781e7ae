"""`ServerRuntime` on a container engine."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AdminError, NotFound, NotOurs
from qdrant_admin.core.events import Events, Notice, StepFinished, StepStarted
from qdrant_admin.server.docker import storage
from qdrant_admin.server.docker.answers import Inspected, Request, name_of
from qdrant_admin.server.docker.container import inspection, lookup, ownership, published
from qdrant_admin.server.docker.container.inspection import moment, process_state, read_state
from qdrant_admin.server.docker.container.replace import left_by_replacement, replace, same_again
from qdrant_admin.server.docker.container.spec import (
    STOP_SECONDS,
    Spec,
    bindings,
    limit_notice,
    may_raise_limit,
)
from qdrant_admin.server.docker.container.start_and_stop import check_ports, create, ended, freeze, kill, start, stop
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.errors import OpenFilesRefused
from qdrant_admin.server.docker.engine.pull import has_image, image_id, pull
from qdrant_admin.server.docker.relocation.move import DockerRelocation, interrupted_move, left_by_move
from qdrant_admin.server.docker_mark import remember_docker
from qdrant_admin.server.listener import Owned
from qdrant_admin.server.runtime import (
    Capabilities,
    Change,
    Diagnosis,
    InterruptedRelocation,
    NextStorage,
    RestartMethod,
    RuntimeKind,
    RuntimeState,
    ServerRuntime,
    Sharer,
    Stats,
    refuse_losing,
)
from qdrant_admin.server.sockets import holder
from qdrant_admin.server.storage_mark import RAFT_STATE, peer_in_archive
from qdrant_admin.server.versions import refuse_leap, version_in
from qdrant_admin.state.installation import installation
from qdrant_admin.state.inventory import StorageIdentity

if TYPE_CHECKING:
    from docker import APIClient

_STOP_CALL_SECONDS = STOP_SECONDS + 60


class DockerRuntime(ServerRuntime):
    """The container of one profile. Touches nothing that has no ownership label and was not adopted."""

    kind: RuntimeKind = "docker"
    log_cut = timedelta(seconds=2)  # every look leaves lines of its own

    def __init__(self, settings: Settings, engine: Engine) -> None:
        super().__init__(settings)
        self.engine = engine
        self._spec = Spec(settings)
        self._name = settings.container_name
        self._first_lines: dict[tuple[str, str], list[str]] = {}
        self.capabilities = Capabilities(
            local=engine.local, engine=True, relocate=True, restart=frozenset(get_args(RestartMethod))
        )

    def inspect(self) -> RuntimeState:
        with self.engine.look(f"look at container {self._name}") as api:
            found = self._find(api)
            if found is None:
                absent = RuntimeState(runtime="docker", state="absent", name=self._name, container=self._name)
                return absent.model_copy(update={"engine": self.engine.words})
            state = read_state(
                found,
                engine=self.engine.words,
                profile=self.profile,
                ours=self._is_ours(found),
                first_lines=self._beginning(api, found),
                last_lines=() if process_state(found) == "running" else inspection.last_lines(api, found["Id"]),
            )
            if not state.ours:
                other = lookup.is_anothers(found, self.profile)
                return state.model_copy(update={"other_installation": other, "beside": self._is_beside(found)})
            if self.settings.profile.expect == "ephemeral":
                state = inspection.meant_to_vanish(state)
            elif gone := self._removed_below(api, found):
                state = inspection.with_fault(state, gone)
            left = left_by_move(self.profile) or left_by_replacement(found, self._name, self.profile)
            return state.model_copy(update={"diagnosis": left}) if left is not None else state

    def differences(self) -> list[Change]:
        with self.engine.look(f"compare container {self._name} with the profile") as api:
            found = self._find(api)
            return [] if found is None else self._changes(api, found)

    def start(self, cancel: CancelToken) -> Events:
        installation()  # what is made from here on is called and labelled by it
        with self.engine.client(f"start container {self._name}") as api:
            found = self._find(api)
            if found is not None and not self._is_beside(found):
                yield from self._start_existing(api, found)
                return
        yield from self._start_new(cancel)

    def _start_existing(self, api: "APIClient", found: Inspected) -> Events:
        self._own(api, found)
        remember_docker(self.profile, self.engine.address)
        state = process_state(found)
        if state == "running":
            published.refuse_unpublished(found)
            yield StepStarted(step="start", title=f"starting {self._name}")
            yield StepFinished(step="start", outcome="skipped", detail="it runs already")
            return
        if state == "restarting":
            yield Notice(level="warning", text=f"{self._name} restarts again and again", fix=self._fix("logs", tail=50))
            return
        yield StepStarted(step="start", title=f"starting {self._name}")
        if state == "paused":
            api.unpause(found["Id"])
            yield StepFinished(step="start", detail="it was paused, and runs again")
            return
        storage.refuse_sharing(api, storage.data_request(found), found["Id"], self._name)
        start(api, self.engine, found["Id"], self._name)
        yield StepFinished(step="start", detail="it was stopped")

    def _start_new(self, cancel: CancelToken) -> Events:
        spec = self._spec
        spec.check_published()
        name = self.settings.volume_name
        if (ours := str(spec.mounts[-1]["Source"]).removesuffix("_snapshots")) != name:
            yield Notice(text=f"volume {name} is that of another installation of qdrant-admin; {ours} is used instead")
        with self.engine.client(f"prepare container {self._name}") as api:
            lookup.refuse_volumes_of_others(api, spec.mounts, self.settings)
            storage.refuse_sharing(api, spec.mounts, "", self._name)
            check_ports(api, self.engine, spec.host, spec.ports.values())
        if (folder := self.settings.profile.storage) is not None:
            yield from storage.check_folder(self.engine, folder, self.profile)
        if not has_image(self.engine, spec.image):
            yield from pull(self.engine, spec.image, cancel)
        cancel.check()
        yield from create(self.engine, spec, self.profile)
        remember_docker(self.profile, self.engine.address)

    def apply(self, cancel: CancelToken) -> Events:
        installation()
        with self.engine.look(f"compare container {self._name} with the profile") as api:
            found = self._find(api)
            if found is not None and self._is_beside(found):
                found = None
            if found is not None:
                self._own(api, found)
                changes = self._changes(api, found, asked=True)
        if found is None:
            yield from self._start_new(cancel)
            return
        settings = [change.setting for change in changes]
        if settings == ["restart policy"]:
            policy = self.settings.profile.restart_policy
            yield StepStarted(step="apply", title=f"setting the restart policy of {self._name} to {policy}")
            with self.engine.client(f"change container {self._name}") as api:
                api.update_container(found["Id"], restart_policy={"Name": policy})  # type: ignore[arg-type] # the stubs know two of the four
            yield StepFinished(step="apply", detail="without a restart")
        if settings in ([], ["restart policy"]):
            yield from self.start(cancel)
            return
        self._spec.check_published()
        refuse_leap(version_in(str(found["Config"]["Image"])), version_in(self._spec.image), storage.in_words(found))
        ownership.require_applicable(found, changes, self._name, self.profile)
        yield from self._recreate_as_asked(found, cancel)

    def _recreate_as_asked(self, found: Inspected, cancel: CancelToken) -> Events:
        refuse_losing(self.inspect())
        if not has_image(self.engine, self._spec.image):
            yield from pull(self.engine, self._spec.image, cancel)
        with self.engine.client(f"prepare container {self._name}") as api:
            lookup.refuse_volumes_of_others(api, self._spec.mounts, self.settings)
            storage.refuse_sharing(api, self._spec.mounts, found["Id"], self._name)
            held = {f"{host}:{number}" for _, host, number in bindings(found)}  # free as soon as it stops
            ports = [port for port in self._spec.ports.values() if f"{self._spec.host}:{port}" not in held]
            check_ports(api, self.engine, self._spec.host, ports)
        cancel.check()
        raise_limit = may_raise_limit(found)
        try:
            yield from self._replace(found, self._spec.body(raise_limit=raise_limit, instead_of=found))
        except OpenFilesRefused:
            if not raise_limit:
                raise
            yield limit_notice(self.profile)
            body = self._spec.body(raise_limit=False, instead_of=found)
            yield from self._replace(found, body)

    def stop(self, cancel: CancelToken) -> Events:
        cancel.check()
        with self.engine.client(f"stop container {self._name}", _STOP_CALL_SECONDS) as api:
            found = self._find(api)
            yield StepStarted(step="stop", title=f"stopping {self._name}")
            if found is None or process_state(found) == "stopped":
                yield StepFinished(step="stop", outcome="skipped", detail="it does not run")
                return
            self._require_ours(found)
            stop(api, found)
            yield ended(api, found["Id"])

    def restart(self, how: RestartMethod, cancel: CancelToken) -> Events:
        cancel.check()
        if how != "pause":
            refuse_losing(self.inspect())
        with self.engine.client(f"restart container {self._name}", _STOP_CALL_SECONDS) as api:
            found = self._existing(api)
            if how == "pause":
                yield from freeze(api, found, self._name, cancel)
            elif how == "recreate":
                ownership.require_mount(found, self._name)
                body = same_again(api, found)
            elif how == "kill":
                yield from kill(api, found, self._name)
            elif how == "graceful" and process_state(found) != "stopped":
                yield StepStarted(step="stop", title=f"stopping {self._name}")
                stop(api, found)
                yield ended(api, found["Id"])
        # From here on it is down: a cancel is heard when it is up again.
        if how == "engine":
            from qdrant_admin.server.docker.engine.restart import commands_for, restart_engine

            yield from restart_engine(
                self.engine, commands_for(self.engine, self.settings), found, self._name, self.profile
            )
        elif how == "recreate":
            yield from self._replace(found, body)
        elif how != "pause":
            yield StepStarted(step="start", title=f"starting {self._name}")
            with self.engine.client(f"start container {self._name}", _STOP_CALL_SECONDS) as api:
                start(api, self.engine, found["Id"], self._name)
            yield StepFinished(step="start")

    def interrupts(self, how: RestartMethod) -> tuple[str, ...]:
        if how != "engine":
            return ()
        from qdrant_admin.server.docker.engine.restart import commands_for, others_running

        commands_for(self.engine, self.settings)  # refuses what cannot be restarted
        with self.engine.client(f"look at container {self._name}") as api:
            found = self._find(api)
        return others_running(self.engine, found["Id"] if found else "")

    def owned(self) -> Owned:
        with self.engine.look(f"look at container {self._name}") as api:
            found = self._find(api)
        if found is None or not self._is_ours(found) or process_state(found) not in {"running", "paused"}:
            return Owned(rest=False, grpc=False)
        profile, host, local = self.settings.profile, self.endpoint.grpc_host, self.engine.local
        return Owned(
            *(published.leads_to(found, host, port, local=local) for port in (profile.port, profile.grpc_port))
        )

    def stranger(self) -> str:
        if not self.engine.local or self.owned().rest:
            return ""
        profile, other = self.settings.profile, self.adoptable()
        return f"container {other}" if other else holder(self.endpoint.grpc_host, profile.port)

    def adoptable(self) -> str:
        port = self.settings.profile.port
        with self.engine.look(f"look who has port {port}") as api:
            return next((one for one in published.publishers(api, port) if one != self._name), "")

    def remove(self, cancel: CancelToken) -> Events:
        cancel.check()
        with self.engine.client(f"remove container {self._name}", _STOP_CALL_SECONDS) as api:
            found = self._find(api)
            yield StepStarted(step="remove", title=f"removing container {self._name}")
            if found is None:
                yield StepFinished(step="remove", outcome="skipped", detail="there is none")
                return
            self._require_ours(found)
            ownership.require_mount(found, self._name)
            if process_state(found) != "stopped":
                stop(api, found)
            api.remove_container(found["Id"], v=False)
            ownership.forget_adoption(found["Id"])
            where = storage.source_of(storage.data_mount(found) or {})
            yield StepFinished(step="remove", detail=f"the data stays in {where}")

    def adopt(self, cancel: CancelToken) -> Events:
        cancel.check()
        with self.engine.client(f"look at container {self._name}") as api:
            found = self._find(api)
            if found is None:
                raise NotFound(f"there is no container {self._name}", fix="docker ps -a")
            yield StepStarted(step="adopt", title=f"adopting container {self._name}")
            if self._is_ours(found):
                yield StepFinished(step="adopt", outcome="skipped", detail="it is managed already")
                return
            ownership.check_adoptable(found)
            ownership.remember_adoption_with_volumes(found, self.profile)
        yield StepFinished(step="adopt", detail=f"from now on {self._name} is started, stopped and restarted from here")

    def logs(self, *, tail: int, follow: bool, cancel: CancelToken) -> Iterator[list[str]]:
        with self.engine.client(f"read the log of {self._name}") as api:
            found = self._find(api)
            if found is None:
                raise NotFound(f"there is no container {self._name}", fix=Command("up"))
            if follow:
                yield from inspection.follow(api, found["Id"], tail=tail, cancel=cancel)
            elif lines := inspection.last_lines(api, found["Id"], tail):
                yield lines

    def stats(self) -> Stats:
        with self.engine.client(f"measure container {self._name}") as api:
            found = self._find(api)
            if found is None or process_state(found) != "running":
                return Stats()
            return inspection.read_stats(api, found, storage.storage_path(found), self._source(found))

    def disk_bytes(self) -> int | None:
        with self.engine.client(f"measure container {self._name}") as api:
            found = self._find(api)
            if found is None or process_state(found) != "running":
                return None
            return inspection.disk_use(api, found["Id"], storage.storage_path(found), self._source(found))[0]

    def storage_identity(self) -> StorageIdentity | None:
        with self.engine.look(f"look at the data of {self._name}") as api:
            found = self._find(api)
            if found is None:
                return None
            mark = storage.mark(api, found, local=self.engine.local)
        peer = ""
        with suppress(AdminError), self.engine.look(f"look at the data of {self._name}") as api:
            chunks, _ = api.get_archive(found["Id"], f"{storage.storage_path(found)}/{RAFT_STATE}")
            peer = peer_in_archive(b"".join(chunks))
        return StorageIdentity(place=storage.in_words(found), mark=mark, peer=peer)

    def next_storage(self) -> NextStorage:
        with self.engine.look(f"look at the data of {self._name}") as api:
            found = self._find(api)
            if found is None or not self._is_ours(found):
                made = storage.to_be_mounted(api, self._spec.mounts[0], self._spec.image, local=self.engine.local)
                return made.model_copy(update={"engine": self.engine.address})
        return NextStorage(
            place=storage.in_words(found),
            identity=self.storage_identity(),
            empty=storage.is_empty(storage.folder_of(found) if self.engine.local else None),
            opened_by=version_in(str(found["Config"]["Image"])),
            version=version_in(self._spec.image),
        )

    def log_since(self, moment: datetime) -> Iterable[str]:
        with self.engine.look(f"read the log of {self._name}") as api:
            found = self._find(api)
            return inspection.lines_since(api, found["Id"], moment) if found is not None else ()

    def sharers(self) -> tuple[Sharer, ...]:
        with self.engine.client("look who else uses the data") as api:
            found = self._find(api)
            return tuple(storage.other_users(api, storage.data_request(found), found["Id"])) if found else ()

    def relocation(self, volume: str | None) -> DockerRelocation:
        with self.engine.client(f"look at container {self._name}") as api:
            found = self._existing(api)
            settings = lookup.as_named(api, self.settings, found)
        return DockerRelocation(self.engine, settings, found, volume)

    def interrupted_relocation(self) -> InterruptedRelocation | None:
        return interrupted_move(self.engine, self.profile)

    def _source(self, found: Inspected) -> str:
        """Where the data lies on this machine; empty when that is out of sight."""
        return str((storage.data_mount(found) or {}).get("Source") or "") if self.engine.local else ""

    def _find(self, api: "APIClient") -> Inspected | None:
        """The profile's container, and with it what it is called on this engine and what it is to look like."""
        found = lookup.find(api, self.settings)
        settings = lookup.as_named(api, self.settings, found)
        self._spec, self._name = Spec(settings), settings.container_name
        return found

    def _own(self, api: "APIClient", found: Inspected) -> None:
        """Refuse what is not managed; give it back its own name, should recreating it have been interrupted."""
        self._require_ours(found)
        if lookup.is_set_aside(found):
            api.rename(found["Id"], self._name)

    def _existing(self, api: "APIClient") -> Inspected:
        found = self._find(api)
        if found is None:
            raise NotFound(f"there is no container {self._name}", fix=Command("up"))
        self._own(api, found)
        return found

    def _is_ours(self, found: Inspected) -> bool:
        return ownership.is_own(found, self.profile)

    def _changes(self, api: "APIClient", found: Inspected, *, asked: bool = False) -> list[Change]:
        """In what it differs from the profile and can follow it: of one that was adopted, all but the address and the
        restart policy is left as it is, and only told when a key of it was `asked` to be changed.
        """
        changes = self._spec.changes(found, image_id(api, self._spec.image))
        if not ownership.is_adopted(found["Id"], self.profile):
            return changes
        followed = [one for one in changes if one.moves or one.setting == "restart policy"]
        return changes if asked and any(one.setting == "API key" for one in changes) else followed

    def _is_beside(self, found: Inspected) -> bool:
        return not self._is_ours(found) and lookup.stands_beside(self.settings, found)

    def _require_ours(self, found: Inspected) -> None:
        if not self._is_ours(found):
            why = lookup.whose(found, self.profile)
            raise NotOurs(f"container {name_of(found)} is not managed by qdrant-admin", why=why, fix=Command("adopt"))

    def _beginning(self, api: "APIClient", found: Inspected) -> list[str] | None:
        """The first lines since its last start, kept: they do not change any more once they are said."""
        started = moment(found["State"].get("StartedAt"))
        if started is None:
            return None
        key = (str(found["Id"]), str(found["State"]["StartedAt"]))
        if key in self._first_lines:
            return self._first_lines[key] or None
        lines = inspection.first_lines(api, found["Id"], started.timestamp())
        if (datetime.now(UTC) - started).total_seconds() > 2 * inspection.FIRST_SECONDS:
            self._first_lines = {key: lines}
        return lines or None

    def _removed_below(self, api: "APIClient", found: Inspected) -> Diagnosis | None:
        first, local = self._beginning(api, found), self.engine.local
        return inspection.removed_below(api, found, first, local=local, profile=self.profile)

    def _replace(self, found: Inspected, body: Request) -> Events:
        yield StepStarted(step="recreate", title=f"recreating {self._name} on the same data")
        adopted = ownership.is_adopted(found["Id"], self.profile)
        with self.engine.client(f"recreate container {self._name}", _STOP_CALL_SECONDS) as api:
            new = replace(api, found, body, self._name)
        if adopted:
            ownership.remember_adoption(new, self.profile, instead_of=found["Id"])
        yield StepFinished(step="recreate", detail=f"container {new[:12]}")
