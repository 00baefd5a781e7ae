"""Moving a container's data to a named volume, one verb at a time; the operation above decides and compares.

The old container is stopped and otherwise left as it is. Its files are copied through the engine, which can do that
for a volume, a folder and the inside of a container alike, and on any platform. The copy is tried in a container that
no application finds, so nothing can be written to it before it has been compared; only then is the old container set
aside and one on the volume takes its name. Whatever happens before, going back is to start the old one.
"""

import contextlib
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Failed, Refused, Unsupported
from qdrant_admin.server.docker.container.ownership import forget_adoption, is_adopted, remember_adoption
from qdrant_admin.server.docker.container.rename_aside import aside_name, named
from qdrant_admin.server.docker.container.replace import replace, roll_back
from qdrant_admin.server.docker.container.spec import GRPC, REST, Spec
from qdrant_admin.server.docker.container.state import moment
from qdrant_admin.server.docker.container.stop import check_stays_up, stop
from qdrant_admin.server.docker.relocation import record
from qdrant_admin.server.docker.relocation.copying import dig
from qdrant_admin.server.docker.relocation.plan import (
    Carried,
    Room,
    carried,
    free_name,
    moved_body,
    refuse_impossible,
    room,
    trial_body,
)
from qdrant_admin.server.docker.relocation.record import Move
from qdrant_admin.server.docker.runtime import DockerRuntime
from qdrant_admin.server.docker.storage import data_mount, storage_path
from qdrant_admin.server.ports import next_free
from qdrant_admin.server.runtime import ServerRuntime

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 20
_LOOK_SECONDS = 0.1
_CALL_SECONDS = 3600
"""The engine answers a copy when the last byte is written."""


class Old(NamedTuple):
    """Where the data still lies after a move."""

    words: str
    remove: str
    """The command that removes it."""


def relocation(runtime: ServerRuntime, volume: str | None) -> "Relocation":
    """What moving this server's data means.

    Raises:
        Unsupported: the server runs in no container.
        NotFound, NotOurs: there is no container of ours.
    """
    if not isinstance(runtime, DockerRuntime):
        raise _no_container(runtime)
    return Relocation(runtime, volume)


class Relocation:
    """One move of one container's data."""

    def __init__(self, runtime: DockerRuntime, volume: str | None) -> None:
        self._engine, self._settings = runtime.engine, runtime.settings
        self._name, self._spec = self._settings.container_name, Spec(self._settings)
        with self._client("look at") as api:
            self._old: dict[str, Any] = runtime.existing(api)
            self.volume = volume or free_name(api, self._settings, self._old)
        self.parts: list[Carried] = carried(self._old, self.volume)
        self._trial = f"{self._name}-trial-{self._old['Id'][:8]}"
        self._stopped_at = ""
        self.copied = 0
        """Bytes so far."""

    # -- before anything is touched --------------------------------------------------------------------------------

    def check(self) -> Room:
        """Look whether it can be done; returns what it takes.

        Raises:
            Refused: it cannot, or not without a risk.
        """
        with self._client("look at") as api:
            refuse_impossible(api, self._old, self.parts, self._name)
            return room(api, self._engine, self._old, self.parts)

    @property
    def old(self) -> Old:
        """Where the old data will be found."""
        mount, path = data_mount(self._old), storage_path(self._old)
        if mount is None:
            kept = f"{self._name}-moved-{self._old['Id'][:8]}"
            return Old(f"container {kept}", f"docker rm {kept}")
        inner = str(PurePosixPath(path).relative_to(str(mount["Destination"])))
        if mount.get("Type") == "volume":
            name = str(mount.get("Name"))
            whole = inner == "."
            return Old(f"volume {name}", f"docker volume rm {name}" if whole else f"docker volume inspect {name}")
        folder = str(mount.get("Source")) + ("" if inner == "." else f"/{inner}")
        return Old(f"folder {folder}", f'sudo rm -r "{folder}"')

    # -- making, copying, trying -------------------------------------------------------------------------------------

    def prepare(self, *, running: bool) -> Settings:
        """Make the volumes and the container of the trial, not started. Returns the settings of the trial's server.

        Args:
            running: whether the server ran when it was found.

        Raises:
            Refused: a volume that was there before holds something.
        """
        with self._client("prepare the move of") as api:
            present = {str(one["Name"]) for one in api.volumes()["Volumes"] or ()}
            made = tuple(part.volume for part in self.parts if part.volume not in present)
            record.remember(
                self._settings.name,
                Move(
                    container=self._name,
                    old=self._old["Id"],
                    running=running,
                    keep=data_mount(self._old) is None,
                    volume=self.volume,
                    made=made,
                ),
            )
            for volume in made:
                api.create_volume(volume, labels=self._spec.labels)
            host = "127.0.0.1" if self._engine.local else self._spec.host
            rest = next_free(host, max(self._settings.profile.port, self._settings.profile.grpc_port))
            ports = {REST: rest, GRPC: next_free(host, rest)}
            body = trial_body(moved_body(api, self._old, self.parts, self._spec), host, ports)
            api.create_container_from_config(body, self._trial)
            for part in self.parts:
                if part.volume not in made and _has_content(api, self._trial, part.path):
                    raise Refused(
                        f"volume {part.volume} is not empty",
                        why="what lies in it and what is moved there would be mixed up",
                        fix="qdrant-admin move-storage --volume ANOTHER_NAME",
                    )
        changes = {"container": self._trial, "host": host, "port": ports[REST], "grpc_port": ports[GRPC]}
        profile = self._settings.profile.model_copy(update={"runtime": "docker", "volume": self.volume, **changes})
        return self._settings.model_copy(update={"profile": profile.model_copy(update={"storage": None})})

    def stop_old(self) -> None:
        """Stop the old server in order. From here on nobody can write."""
        with self._client("stop") as api:
            stop(api, self._old)
            self._stopped_at = _finished(api, self._old["Id"])

    def copy(self, cancel: CancelToken) -> Iterator[int]:
        """Copy every file, owners, rights and times included. Yields the bytes so far, a few times a second.

        Raises:
            AdminError: the engine could not, most often for want of room.
            Cancelled: somebody asked to stop.
        """
        for part in self.parts:
            yield from self._copy_one(part.path, cancel)
        with self._client("dig holes in the copy of") as api:
            mounts = [self._spec.volume(part.volume, part.path) for part in self.parts]
            dig(api, f"{self._trial}-holes", str(self._old["Image"]), mounts)

    def _copy_one(self, path: str, cancel: CancelToken) -> Iterator[int]:
        failed: list[BaseException] = []
        given_up = threading.Event()

        def pieces(stream: Iterator[bytes]) -> Iterator[bytes]:
            for piece in stream:
                if given_up.is_set():
                    raise OSError("the copy was given up")
                self.copied += len(piece)
                yield piece

        def work() -> None:
            try:
                with (
                    self._client("copy the data of") as source,
                    self._client("copy the data of") as target,
                    _content(source, self._old["Id"], path) as stream,
                ):
                    if stream is not None:
                        target.put_archive(self._trial, path, pieces(stream))
            except BaseException as error:  # noqa: BLE001 # handed to the thread that asked for it
                failed.append(error)

        thread = threading.Thread(target=work, name="copy", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_LOOK_SECONDS)
                yield self.copied
                cancel.check()
        finally:
            given_up.set()
            thread.join()
        if failed:
            raise failed[0]

    def start_trial(self) -> None:
        """Start a server on the copy. Does not wait for readiness."""
        with self._client("try the copy of") as api:
            api.start(self._trial)

    def end_trial(self) -> None:
        """Stop that server in order and remove its container; the volume stays."""
        with self._client("end the trial of") as api:
            found = api.inspect_container(self._trial)
            stop(api, found)
            api.remove_container(found["Id"])

    # -- taking over, or going back --------------------------------------------------------------------------------

    def take_over(self, proof: str) -> None:
        """Set the old container aside and start one on the volume under its name.

        Args:
            proof: the report that both are equal; from here on a move that is killed goes forward, not back.

        Raises:
            Refused: the old server was started meanwhile, so it may hold what the copy lacks.
            AdminError: the new one does not stay up; the old one is as it was.
        """
        with self._client("take over the data of") as api:
            if _finished(api, self._old["Id"]) != self._stopped_at:
                raise Refused(
                    f"{self._name} was started while its data was copied",
                    why="what was written to it since is not in the copy, which was thrown away",
                    fix="qdrant-admin move-storage",
                )
            move = record.read(self._settings.name)
            if move is None:
                raise Refused("another move of this server has ended meanwhile", fix="qdrant-admin status")
            record.remember(self._settings.name, move.model_copy(update={"proof": proof}))
            body = moved_body(api, self._old, self.parts, self._spec)
            new = replace(api, api.inspect_container(self._old["Id"]), body, self._name, same_networks=True, keep=True)
            _hand_on(self._old["Id"], new, self._settings)

    def back(self) -> None:
        """Everything as it was found: remove what was made here, and start the old server if it ran."""
        move = record.read(self._settings.name)
        if move is not None:
            with self._client("go back to the old data of") as api:
                go_back(api, move, self._settings)

    def settle(self) -> None:
        """Let go of the old container; where it holds the old data itself, keep it under a name that says so."""
        move = record.read(self._settings.name)
        if move is not None:
            with self._client("tidy up after the move of") as api:
                let_go(api, move, self._settings)

    def _client(self, doing: str) -> Any:
        return self._engine.client(f"{doing} {self._name}", _CALL_SECONDS)


def go_back(api: "APIClient", move: Move, settings: Settings) -> None:
    """Undo a move that has not taken over: whatever was made for it is removed, the old container is as it was."""
    trial = f"{move.container}-trial-{move.old[:8]}"
    for name in (trial, f"{trial}-holes"):
        if (made := named(api, name)) is not None:
            api.remove_container(made["Id"], force=True)
    if not api.containers(all=True, filters={"id": move.old}):
        record.forget(settings.name)  # somebody removed it: the volumes may be all that is left, so they stay
        return
    current, used = named(api, move.container), False
    if current is not None and current["Id"] != move.old and _is_on(current, move.volume):
        used = moment(current["State"].get("StartedAt")) is not None
        api.remove_container(current["Id"], force=True)
    if not roll_back(api, move.old, "", move.container, start=move.running):
        raise Failed(
            f"{move.container} could not be brought back",
            why=f"its data is untouched, in container {move.old[:12]}",
            fix="docker ps -a",
        )
    if not move.running:
        stop(api, api.inspect_container(move.old))
    present = {str(one["Name"]) for one in api.volumes()["Volumes"] or ()}
    for volume in () if used else move.made:  # applications may have written to one that was in use
        if volume in present:
            api.remove_volume(volume)
    record.forget(settings.name)


def let_go(api: "APIClient", move: Move, settings: Settings) -> None:
    """End a move that has taken over."""
    old = named(api, aside_name(move.container, move.old))
    if old is not None and move.keep:
        api.update_container(old["Id"], restart_policy={"Name": "no"})  # type: ignore[arg-type] # the stubs know two of the four
        api.rename(old["Id"], f"{move.container}-moved-{move.old[:8]}")
    elif old is not None:
        api.remove_container(old["Id"], v=False)
    if (current := named(api, move.container)) is not None:
        _hand_on(move.old, str(current["Id"]), settings)
    forget_adoption(move.old)
    record.forget(settings.name)


def _hand_on(old: str, new: str, settings: Settings) -> None:
    """Who was adopted has a successor that is."""
    if is_adopted(old, settings.name):
        remember_adoption(new, settings.name)


def go_on(runtime: ServerRuntime, move: Move) -> bool:
    """End a move that was cut off. True: it had been compared and had taken over, so the server is on the volume and
    started again; False: everything is as it was before it.

    Raises:
        Unsupported: the profile runs its server elsewhere by now.
        Failed: the old container could not be brought back.
    """
    if not isinstance(runtime, DockerRuntime):
        raise _no_container(runtime)
    with runtime.engine.client(f"end the move of {move.container}") as api:
        current = named(api, move.container)
        if not (move.proof and current and current["Id"] != move.old and _is_on(current, move.volume)):
            go_back(api, move, runtime.settings)
            return False
        if not current["State"].get("Running"):
            api.start(current["Id"])
        check_stays_up(api, current["Id"])
        let_go(api, move, runtime.settings)
    return True


def _no_container(runtime: ServerRuntime) -> Unsupported:
    return Unsupported(
        "only the data of a container can be moved to a volume",
        why=f"this server is {runtime.kind}: volumes belong to a container engine",
        fix="qdrant-admin doctor",
    )


def _is_on(attributes: dict[str, Any], volume: str) -> bool:
    mount = data_mount(attributes)
    return mount is not None and mount.get("Name") == volume


def _finished(api: "APIClient", container: str) -> str:
    """When it ended; empty while it runs. A server that was started and stopped again has another moment."""
    state = api.inspect_container(container)["State"]
    return "" if state.get("Running") else str(state.get("FinishedAt"))


@contextlib.contextmanager
def _content(api: "APIClient", container: str, path: str) -> Iterator[Iterator[bytes] | None]:
    """What lies in a folder, as a tar stream; None when there is no such folder.

    Not `api.get_archive`: the engine locks the container until the answer is read to its end or closed, and what that
    returns cannot be closed. A copy that fails half-way would hold up every later call about this container.
    """
    import docker.errors
    import requests

    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    answer = api.get(
        url,
        params={"path": f"{path}/."},
        headers={"Accept-Encoding": "identity"},
        timeout=_CALL_SECONDS,
        stream=True,
    )
    with contextlib.closing(answer):
        if answer.status_code == requests.codes.not_found:
            yield None
            return
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)
        yield answer.iter_content(_CHUNK)


def _has_content(api: "APIClient", container: str, path: str) -> bool:
    """Whether anything lies there but what a new file system brings along."""
    beginning = b""
    with _content(api, container, path) as stream:
        for piece in stream or ():
            beginning += piece
            if len(beginning) > _CHUNK:
                break
    with contextlib.suppress(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(beginning)) as archive:
        return any(entry.name not in {".", "./lost+found", "lost+found"} for entry in archive)
    return False
