"""Moving a container's data to a named volume, one verb at a time; the operation above decides and compares.

The old container is stopped and otherwise left as it is. Its files are copied through the engine, which can do that
for a volume, a folder and the inside of a container alike, and on any platform. The copy is tried in a container that
no application finds, so nothing can be written to it before it has been compared; only then is the old container set
aside and one on the volume takes its name. Whatever happens before, going back is to start the old one. What was made
for the move is known from a record on the disk, so that one that was killed can be ended.
"""

import contextlib
import functools
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from qdrant_admin.config.places import state_dir
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Failed, Refused, Unfit
from qdrant_admin.core.values import Frozen
from qdrant_admin.server.docker.answers import Inspected, Request
from qdrant_admin.server.docker.container.inspection import moment
from qdrant_admin.server.docker.container.ownership import forget_adoption, is_adopted, keep, remember_adoption
from qdrant_admin.server.docker.container.replace import aside_name, named, replace, roll_back
from qdrant_admin.server.docker.container.spec import GRPC, REST, Spec
from qdrant_admin.server.docker.container.start_and_stop import check_stays_up, stop
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.stream import batches
from qdrant_admin.server.docker.relocation import plan
from qdrant_admin.server.docker.storage import data_mount, storage_path, volume_names
from qdrant_admin.server.ports import next_free
from qdrant_admin.server.runtime import Diagnosis, InterruptedRelocation, OldStorage, Room
from qdrant_admin.state import records, run_locks

if TYPE_CHECKING:
    from docker import APIClient

_CALL_SECONDS = 3600
"""The engine answers a copy when the last byte is written."""
_CHUNK = 1 << 20
_LARGE = "+1M"
"""Smaller files are not worth a look for holes."""


class Move(Frozen):
    """One move under way."""

    container: str
    old: str
    """Id of the container whose data is moved."""
    running: bool
    """Whether it ran when it was found."""
    keep: bool
    """Whether the old container holds the only other copy of the data."""
    volume: str
    made: tuple[str, ...] = ()
    """Volumes that did not exist before."""
    proof: str = ""
    """The report that both are equal, as JSON; empty until that has been seen."""


def _remember(profile: str, move: Move) -> None:
    keep(_file(profile), records.dump(move))


def read_move(profile: str) -> Move | None:
    """The move of this profile that has not ended; `Unfit` when its record cannot be read."""
    path = _file(profile)
    try:
        found = records.load(Move, path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        found = records.Unreadable(str(error))
    if isinstance(found, records.Unreadable):
        raise Unfit(f"{path} cannot be read", why=found.why, fix=f'rm "{path}"')
    return found


def left_by_move(profile: str) -> Diagnosis | None:
    """The finding about a move that was interrupted."""
    move = read_move(profile)
    if move is None or run_locks.storage_move(profile).busy:
        return None
    return Diagnosis(
        code="move_interrupted",
        what=f"moving the data to volume {move.volume} was interrupted",
        why="all of it has arrived and was compared" if move.proof else "nothing is lost: the data is where it was",
        fix=str(Command("move-storage").on(profile)),
    )


def _file(profile: str) -> Path:
    return state_dir() / "moves" / f"{profile}.json"


class DockerRelocation:
    """One move of one container's data. See `server.runtime.Relocation`."""

    def __init__(self, engine: Engine, settings: Settings, old: Inspected, volume: str | None) -> None:
        self._engine, self._settings, self._old = engine, settings, old
        self._name, self._spec = settings.container_name, Spec(settings)
        with self._client("look at") as api:
            self.volume = volume or plan.free_name(api, settings, old)
        self.parts: list[plan.Carried] = plan.carried(self._old, self.volume)
        self._trial = f"{self._name}-trial-{self._old['Id'][:8]}"
        self._stopped_at = ""
        self.copied = 0

    def check(self) -> Room:
        with self._client("look at") as api:
            plan.refuse_impossible(api, self._old, self.parts, self._name)
            return plan.room(api, self._engine, self._old, self.parts)

    @property
    def old(self) -> OldStorage:
        mount, path = data_mount(self._old), storage_path(self._old)
        if mount is None:
            kept = f"{self._name}-moved-{self._old['Id'][:8]}"
            return OldStorage(f"container {kept}", f"docker rm {kept}")
        inner = str(PurePosixPath(path).relative_to(str(mount["Destination"])))
        if mount.get("Type") == "volume":
            name = str(mount.get("Name"))
            verb = "rm" if inner == "." else "inspect"
            return OldStorage(f"volume {name}", f"docker volume {verb} {name}")
        folder = str(mount.get("Source")) + ("" if inner == "." else f"/{inner}")
        return OldStorage(f"folder {folder}", f'sudo rm -r "{folder}"')

    def prepare(self, *, running: bool) -> Settings:
        with self._client("prepare the move of") as api:
            present, keep = volume_names(api), data_mount(self._old) is None
            made = tuple(part.volume for part in self.parts if part.volume not in present)
            move = Move(
                container=self._name, old=self._old["Id"], running=running, keep=keep, volume=self.volume, made=made
            )
            _remember(self._settings.name, move)
            for volume in made:
                self._spec.make_volume(api, volume)
            host = "127.0.0.1" if self._engine.local else self._spec.host
            rest = next_free(host, max(self._settings.profile.port, self._settings.profile.grpc_port))
            ports = {REST: rest, GRPC: next_free(host, rest)}
            body = plan.trial_body(plan.moved_body(api, self._old, self.parts, self._spec), host, ports)
            body["Labels"] = {**(body.get("Labels") or {}), **self._spec.labels}  # an adopted server has none of ours
            api.create_container_from_config(body, self._trial)
            for part in self.parts:
                if part.volume not in made and _has_content(api, self._trial, part.path):
                    raise Refused(
                        f"volume {part.volume} is not empty",
                        why="what lies in it and what is moved there would be mixed up",
                        fix=Command("move-storage", volume="ANOTHER_NAME"),
                    )
        changes = {"container": self._trial, "host": host, "port": ports[REST], "grpc_port": ports[GRPC]}
        profile = self._settings.profile.model_copy(update={"runtime": "docker", "volume": self.volume, **changes})
        return self._settings.model_copy(update={"profile": profile.model_copy(update={"storage": None})})

    def stop_old(self) -> None:
        with self._client("stop") as api:
            stop(api, self._old)
            self._stopped_at = _finished(api, self._old["Id"])

    def copy(self, cancel: CancelToken) -> Iterator[int]:
        for part in self.parts:
            for sizes in batches(functools.partial(self._copy_folder, part.path), cancel, wait=True):
                self.copied += sum(sizes)
                yield self.copied
        with self._client("punch holes in the copy of") as api:
            mounts = [self._spec.volume(part.volume, part.path) for part in self.parts]
            _punch_holes(api, f"{self._trial}-holes", str(self._old["Image"]), mounts)

    def _copy_folder(self, path: str, emit: Callable[[int], None]) -> None:
        with (
            self._client("copy the data of") as source,
            self._client("copy the data of") as target,
            _content(source, self._old["Id"], path) as stream,
        ):
            if stream is not None:
                target.put_archive(self._trial, path, _counted(stream, emit))

    def start_trial(self) -> None:
        with self._client("try the copy of") as api:
            api.start(self._trial)

    def end_trial(self) -> None:
        with self._client("end the trial of") as api:
            found = api.inspect_container(self._trial)
            stop(api, found)
            api.remove_container(found["Id"])

    def take_over(self, proof: str) -> None:
        with self._client("take over the data of") as api:
            if _finished(api, self._old["Id"]) != self._stopped_at:
                raise Refused(
                    f"{self._name} was started while its data was copied",
                    why="what was written to it since is not in the copy, which was thrown away",
                    fix=Command("move-storage"),
                )
            move = read_move(self._settings.name)
            if move is None:
                raise Refused("another move of this server has ended meanwhile", fix=Command("status"))
            _remember(self._settings.name, move.model_copy(update={"proof": proof}))
            body = plan.moved_body(api, self._old, self.parts, self._spec)
            new = replace(api, api.inspect_container(self._old["Id"]), body, self._name, keep=True)
            _hand_on(self._old["Id"], new, self._settings.name)

    def back(self) -> None:
        move = read_move(self._settings.name)
        if move is not None:
            with self._client("go back to the old data of") as api:
                _go_back(api, move, self._settings.name)

    def settle(self) -> None:
        move = read_move(self._settings.name)
        if move is not None:
            with self._client("tidy up after the move of") as api:
                _let_go(api, move, self._settings.name)

    def _client(self, doing: str) -> Any:
        return self._engine.client(f"{doing} {self._name}", _CALL_SECONDS)


def _go_back(api: "APIClient", move: Move, profile: str) -> None:
    """Undo a move that has not taken over: whatever was made for it is removed, the old container is as it was."""
    trial = f"{move.container}-trial-{move.old[:8]}"
    for name in (trial, f"{trial}-holes"):
        if (made := named(api, name)) is not None:
            api.remove_container(made["Id"], force=True)
    if api.containers(all=True, filters={"id": move.old}):
        used = _remove_successor(api, move)
        if not roll_back(api, move.old, "", move.container, start=move.running):
            raise Failed(
                f"{move.container} could not be brought back",
                why=f"its data is untouched, in container {move.old[:12]}",
                fix="docker ps -a",
            )
        if not move.running:
            stop(api, api.inspect_container(move.old))
        if not used:  # applications may have written to a volume that was in use
            for volume in volume_names(api).intersection(move.made):
                api.remove_volume(volume)
    # else somebody removed it: the volumes may be all that is left, so they stay
    _file(profile).unlink(missing_ok=True)


def _remove_successor(api: "APIClient", move: Move) -> bool:
    """Remove the container that was to take over. Whether a server has ever run in it."""
    current = named(api, move.container)
    if current is None or current["Id"] == move.old or not _is_on(current, move.volume):
        return False
    api.remove_container(current["Id"], force=True)
    return moment(current["State"].get("StartedAt")) is not None


def _let_go(api: "APIClient", move: Move, profile: str) -> None:
    old = named(api, aside_name(move.container, move.old))
    if old is not None and move.keep:
        api.update_container(old["Id"], restart_policy={"Name": "no"})  # type: ignore[arg-type] # the stubs know two of the four
        api.rename(old["Id"], f"{move.container}-moved-{move.old[:8]}")
    elif old is not None:
        api.remove_container(old["Id"], v=False)
    if (current := named(api, move.container)) is not None:
        _hand_on(move.old, current["Id"], profile)
    forget_adoption(move.old)
    _file(profile).unlink(missing_ok=True)


def _hand_on(old: str, new: str, profile: str) -> None:
    if is_adopted(old, profile):
        remember_adoption(new, profile)


def interrupted_move(engine: Engine, profile: str) -> InterruptedRelocation | None:
    move = read_move(profile)
    if move is None:
        return None
    left = f"container {move.container}" if move.keep else "where it lies"
    return InterruptedRelocation(move.volume, left, functools.partial(_resume, engine, move, profile))


def _resume(engine: Engine, move: Move, profile: str) -> str | None:
    with engine.client(f"end the move of {move.container}", _CALL_SECONDS) as api:
        current = named(api, move.container)
        if not (move.proof and current and current["Id"] != move.old and _is_on(current, move.volume)):
            _go_back(api, move, profile)
            return None
        if not current["State"].get("Running"):
            api.start(current["Id"])
        check_stays_up(api, current["Id"])
        _let_go(api, move, profile)
    return move.proof


def _is_on(attributes: Inspected, volume: str) -> bool:
    mount = data_mount(attributes)
    return mount is not None and mount.get("Name") == volume


def _finished(api: "APIClient", container: str) -> str:
    """When it ended; empty while it runs. A server that was started and stopped again has another moment."""
    state = api.inspect_container(container)["State"]
    return "" if state.get("Running") else str(state.get("FinishedAt"))


def _punch_holes(api: "APIClient", name: str, image: str, mounts: Sequence[Request]) -> None:
    """Punch holes where files hold nothing but zeros; what is read from them stays the same.

    Qdrant preallocates sparse files: an empty collection claims 161 MiB and takes less than one. An archive knows no
    holes, so its copy takes what the files claim until then. The published image has the tools; where an image has
    none, the copy merely stays as large as it is. No server may run on these mounts: what it writes between the look
    and the punch would be gone.

    `name` is that of a container that does it and is removed again; its image is the server's, which is here already.
    """
    import docker.errors

    paths = [str(mount["Target"]) for mount in mounts]
    body = {
        "Image": image,
        "User": "0",
        "Entrypoint": ["find"],
        "Cmd": [*paths, "-type", "f", "-size", _LARGE, "-exec", "fallocate", "--dig-holes", "{}", ";"],
        "NetworkDisabled": True,
        "HostConfig": {"Mounts": [dict(mount) for mount in mounts]},
    }
    try:
        container = api.create_container_from_config(body, name)["Id"]
    except docker.errors.APIError:
        return
    try:
        with contextlib.suppress(docker.errors.APIError):  # the image has no such program
            api.start(container)
            api.wait(container)
    finally:
        api.remove_container(container, force=True)


def _counted(stream: Iterator[bytes], count: Callable[[int], None]) -> Iterator[bytes]:
    """The same pieces, with the size of each told before it is handed on."""
    for piece in stream:
        count(len(piece))
        yield piece


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
        url, params={"path": f"{path}/."}, headers={"Accept-Encoding": "identity"}, timeout=_CALL_SECONDS, stream=True
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
