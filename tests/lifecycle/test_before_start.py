"""A start on anything but the known data is refused until it is accepted, and so is a version that may not open it."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import EngineUnavailable, PortTaken, Refused
from qdrant_admin.database.models import CollectionSpec, VectorSpec
from qdrant_admin.lifecycle.before_start import refuse_beginning_empty
from qdrant_admin.lifecycle.doctor import CHECKS, Context, _made
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.observation import observe
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import report_of, status
from qdrant_admin.lifecycle.up import UpOptions, bring_up
from qdrant_admin.server.docker_mark import engine_of, remember_docker, seen_in_docker
from qdrant_admin.server.native.binary import cached_path, digest_of, version_of
from qdrant_admin.server.runtime import NextStorage, RuntimeKind
from qdrant_admin.server.runtime_choice import choose_runtime
from qdrant_admin.state import inventory
from qdrant_admin.state.inventory import KnownCollection, KnownStorage, SeenStorage, StorageIdentity
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.support.containers import need_engine, sweep
from tests.support.real import IMAGE, binary, free_port

NOW = datetime(2026, 11, 30, 9, 14, tzinfo=UTC)
NOTHING = "unix:///nonexistent/qdrant-admin-test.sock"


class Home:
    """One profile, as several commands after one another open it."""

    def __init__(self, folder: Path, **profile: object) -> None:
        self.name = f"begin-{os.getpid()}-{free_port()}"
        self._folder = folder
        ports = {"port": free_port(), "grpc_port": free_port()}
        self._given = ports | {"binary": binary(), "image": IMAGE, "ready_timeout": 60.0} | profile

    def open(self, **profile: object) -> Workspace:
        given = {key: value for key, value in (self._given | profile).items() if value is not None}
        settings = Settings(name=self.name, profile=Profile.model_validate(given))
        return Workspace(settings, StateStore(self._folder / "state.sqlite3"))

    def up(self, *, accept: bool = False, apply: bool = False, **profile: Any) -> UpReport:
        options = UpOptions(accept=accept, apply=apply)
        report = list(bring_up(self.open(**profile), options, cancel=CancelToken()))[-1].report  # type: ignore[union-attr] # the last event is its report
        assert isinstance(report, UpReport)
        return report

    def down(self, *, remove: bool = False, **profile: object) -> None:
        list(down(self.open(**profile), remove=remove, cancel=CancelToken()))

    def fill(self, **profile: object) -> None:
        """Make a collection, and know of it."""
        ws = self.open(**profile)
        with ws.database() as database:
            database.create_collection("memories", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
        identity = ws.runtime.storage_identity()
        assert identity is not None
        seen = KnownCollection(name="memories", points=3763, exact=True, at=NOW)
        inventory.note(
            ws.store,
            self.name,
            SeenStorage(
                runtime=ws.runtime.kind, identity=identity, place=identity.place, version="1.16.3", collections=(seen,)
            ),
        )

    def was_opened_by(self, version: str) -> None:
        with self.open().store.writing() as connection:
            connection.execute("UPDATE storages SET version = ?", (version,))


@pytest.fixture
def native(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path, runtime="native")
    yield home
    home.down()


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[Home]:
    need_engine()
    home = Home(tmp_path, runtime="docker", container=None)
    yield home
    sweep(home.name)


@pytest.mark.parametrize("what", ["folder", "content", "another", "moved"])
def test_a_native_storage_that_is_gone_is_not_replaced_by_an_empty_one(native: Home, what: str, tmp_path: Path) -> None:
    native.up()
    native.fill()
    native.down()
    storage = native.open().settings.native_storage
    if what == "content":
        for entry in storage.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    elif what == "moved":
        storage.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(storage)
    if what == "another":
        (storage / "collections" / "other").mkdir(parents=True)
        (storage / "raft_state.json").write_text('{"this_peer_id": 5}')
    with pytest.raises(Refused, match="beside known data") as refused:
        native.up()
    assert refused.value.exit_code == 4
    assert "3 763 points in 1 collection" in refused.value.why
    today = "other data is there today" if what == "another" else "nothing"
    assert today in refused.value.why, "the same folder is not named as a second one"
    ws = native.open()
    found = _made("memory", CHECKS["memory"], Context(ws, seen := observe(ws), report_of(ws.settings, seen)))
    assert (found.status, found.code) == ("fail", "known_data_missing"), "and the doctor, which is asked next, knows"
    assert found.detail == str(refused.value)
    assert found.fix == f"qdrant-admin up --accept --profile {native.name}"
    with pytest.raises(Refused, match="beside known data"):
        list(restart(native.open(), "recreate", cancel=CancelToken()))
    if what == "another":
        shutil.rmtree(storage)
    assert native.up(accept=True).collections == 0


def test_what_was_seen_by_the_way_is_known_until_it_is_accepted(native: Home) -> None:
    native.up()
    with native.open().database() as database:
        database.create_collection("memories", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
    assert status(native.open()).collections == 1
    native.down()
    shutil.rmtree(native.open().settings.native_storage)
    with pytest.raises(Refused, match="beside known data"):
        native.up()
    assert not [one for one in native.up(accept=True).findings if one.level == "fail"]
    native.down()
    assert native.up().collections == 0, "accepted once is accepted"


def test_a_storage_that_is_meant_to_vanish_may(native: Home) -> None:
    native.up()
    native.fill()
    native.down()
    shutil.rmtree(native.open().settings.native_storage)
    report = native.up(expect="ephemeral")
    assert report.collections == 0
    assert [one.partition(";")[0] for one in report.since] == ["memories is gone, as this profile expects"]


def test_what_is_there_is_started_as_ever(native: Home) -> None:
    native.up()
    native.fill()
    native.down()
    native.down(remove=True)
    assert native.up().collections == 1


@pytest.mark.docker
def test_what_came_into_docker_since_it_was_seen_empty_is_thought_of(contained: Home) -> None:
    contained.up()
    ws = contained.open()
    identity = ws.runtime.storage_identity()
    assert identity is not None
    seen = SeenStorage(runtime="docker", identity=identity, place=identity.place, collections=())
    inventory.note(ws.store, contained.name, seen)
    contained.down()
    with pytest.raises(Refused, match="begin empty beside known data"):
        contained.up(runtime="native", docker_host=NOTHING)
    if os.geteuid() == 0:  # who may look into the volume finds nothing there
        contained.up(runtime="native")
        contained.down(runtime="native")


def test_what_an_earlier_version_has_put_into_docker_is_thought_of(native: Home) -> None:
    remember_docker(native.name, NOTHING)
    with pytest.raises(Refused, match="Docker volume"):
        native.up(docker_host=NOTHING)
    native.up(docker_host=NOTHING, accept=True)


@pytest.mark.docker
def test_what_was_put_into_docker_and_is_gone_is_no_reason(native: Home) -> None:
    need_engine()
    remember_docker(native.name, "")
    assert native.up().collections == 0


@pytest.mark.docker
def test_data_of_the_other_runtime_that_is_gone_is_told_once(contained: Home) -> None:
    contained.up()
    contained.fill()
    with pytest.raises(PortTaken, match="is taken") as taken:
        contained.up(runtime="native")
    assert "this profile's own server answers there" in taken.value.why
    assert taken.value.fix == f"qdrant-admin up --runtime docker --profile {contained.name}"
    contained.down(remove=True)
    contained.up(runtime="native", accept=True)
    ws, engine = contained.open(runtime="native"), engine_of(contained.name)
    volume = ws.settings.volume_name
    with docker.APIClient(version="auto") as api:
        api.remove_volume(volume)
        api.create_volume(volume)  # of the same name, and another one all the same
    remember_docker(contained.name, "tcp://192.0.2.1:2375")
    seen = status(ws)
    assert any(one.code == "data_elsewhere" for one in seen.findings), "another engine's volumes are out of sight"
    assert seen.since == ()
    remember_docker(contained.name, engine)
    first, second = status(ws), status(ws)
    assert not any(one.code == "data_elsewhere" for one in (*first.findings, *second.findings))
    (told,) = first.since
    assert "3 763 points in 1 collection" in told
    assert f"volume {volume}; it is gone" in told
    assert second.since == ()
    contained.down(runtime="native")


@pytest.mark.docker
def test_data_of_the_other_runtime_is_named(contained: Home) -> None:
    contained.up(runtime="native")
    contained.fill(runtime="native")
    contained.down(runtime="native")
    with pytest.raises(Refused, match="begin empty beside known data"):
        contained.up()
    (told,) = (one for one in contained.up(accept=True).findings if one.code == "data_elsewhere")
    assert "3 763 points" in text(told)
    assert told.subject == f"directory {contained.open().settings.native_storage}"


def test_an_application_that_drops_all_it_made_is_no_reason(native: Home) -> None:
    native.up()
    native.fill()
    with native.open().database() as database:
        database.delete_collection("memories")
    server = psutil.Process(native.open().runtime.inspect().pid)
    processes = [*server.parents()[:1], server]  # the supervisor first: it would start the server again
    for process in processes:
        process.kill()  # as a machine that goes down: nobody looks once more
    psutil.wait_procs(processes, timeout=10)
    assert native.up().collections == 0


@pytest.mark.docker
def test_a_volume_that_was_emptied_is_told_from_one_that_holds_nothing(contained: Home) -> None:
    if os.geteuid():
        pytest.skip("only root may look into a volume")
    contained.up()
    contained.fill()
    contained.down()
    with docker.APIClient(version="auto") as api:
        volume = Path(api.inspect_volume(contained.open().settings.volume_name)["Mountpoint"])
    for entry in volume.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with pytest.raises(Refused, match="beside known data"):
        contained.up()


def test_another_folder_is_a_decision(native: Home, tmp_path: Path) -> None:
    native.up()
    native.fill()
    with pytest.raises(Refused, match="begin empty"):
        native.up(apply=True, storage=tmp_path / "second")
    assert native.up().collections == 1, "left running"


@pytest.mark.docker
@pytest.mark.parametrize("again", [False, True])
def test_a_volume_that_was_removed_is_not_replaced_by_an_empty_one(contained: Home, again: bool) -> None:
    contained.up()
    contained.fill()
    contained.down(remove=True)
    volume = contained.open().settings.volume_name
    with docker.APIClient(version="auto") as api:
        api.remove_volume(volume)
        if again:
            api.create_volume(volume)
    with pytest.raises(Refused, match="beside known data") as refused:
        contained.up()
    assert f"volume {volume}" in refused.value.why
    assert contained.up(accept=True).collections == 0


@pytest.mark.docker
def test_without_an_engine_no_empty_server_takes_the_place_of_data_in_docker(contained: Home) -> None:
    contained.up()
    contained.fill()
    contained.down()
    assert seen_in_docker(contained.name), "also where Docker was asked for in words"
    with pytest.raises(EngineUnavailable) as unavailable:
        choose_runtime(contained.open(docker_host=NOTHING).settings)
    assert "native" not in f"{unavailable.value.why} {unavailable.value.fix}"
    with pytest.raises(Refused, match="begin empty beside known data"):
        contained.up(runtime="native", docker_host=NOTHING)
    report = contained.up(runtime="native", docker_host=NOTHING, accept=True)
    assert (report.runtime, report.collections) == ("native", 0)
    (told,) = (one for one in report.findings if one.code == "data_elsewhere")
    assert told.subject == f"volume {contained.open().settings.volume_name}"
    contained.down(runtime="native")


@pytest.fixture
def other_binary(tmp_path: Path) -> Path:
    """A server that calls itself another version, and is the real one otherwise."""
    made = tmp_path / "qdrant-other"
    made.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "qdrant $(cat {made}.version)" && exit\nexec {binary()} "$@"\n'
    )
    made.chmod(0o755)
    return made


@pytest.mark.parametrize(("version", "said"), [("1.18.3", "skip"), ("1.15.5", "newer")])
def test_a_native_server_of_a_version_too_far_away_is_not_started(
    native: Home, other_binary: Path, version: str, said: str
) -> None:
    native.up()
    native.fill()
    Path(f"{other_binary}.version").write_text(version)
    assert version_of(other_binary) == version
    with pytest.raises(Refused, match=said):
        list(restart(native.open(binary=other_binary), "recreate", cancel=CancelToken()))
    record = native.open().settings.native_folder / "process.json"
    record.write_text(record.read_text().replace(str(binary()), str(other_binary), 1))  # the program was replaced
    with pytest.raises(Refused, match=said):
        list(restart(native.open(), "kill", cancel=CancelToken()))
    assert native.up().collections == 1, "it was not even stopped"
    native.down(remove=True)  # and with it what the process record tells of the version
    with pytest.raises(Refused, match=said) as refused:
        native.up(binary=other_binary)
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("recorded", [True, False])
def test_a_default_version_is_for_new_storage_only(native: Home, recorded: bool) -> None:
    """The product's own version went up since: what is there keeps the server that it has."""
    native.up()
    native.fill()
    native.down(remove=not recorded)
    native.was_opened_by("1.15.5")
    if recorded:
        record = native.open().settings.native_folder / "process.json"
        record.write_text(record.read_text().replace('1.16.3"', '1.15.5"'))
    kept = cached_path("1.15.5")
    kept.parent.mkdir(parents=True)
    kept.symlink_to(binary())
    kept.with_suffix(".json").write_text(f'{{"sha256": "{digest_of(kept)}"}}')
    report = native.up(binary=None, image=None)
    assert (report.image, report.collections, report.changes) == ("qdrant 1.15.5", 1, ())
    native.was_opened_by("1.15.5")  # of which the binary in its place knows nothing
    with pytest.raises(Refused, match="skip"):
        native.up(binary=None, image="qdrant/qdrant:v1.17.1", apply=True)


@pytest.mark.docker
def test_a_default_image_is_for_new_storage_only(contained: Home) -> None:
    older = f"{contained.name}/qdrant:v1.15.5"
    with docker.APIClient(version="auto") as api:
        api.tag(IMAGE, older)
        try:
            contained.up(image=older)
            contained.fill()
            contained.down()
            report = contained.up(image=None, apply=True)
            assert (report.image, report.collections, report.changes) == (older, 1, ())
        finally:
            sweep(contained.name)
            api.remove_image(older)


@pytest.mark.docker
def test_an_image_of_a_version_too_far_away_is_not_put_over_the_data(contained: Home) -> None:
    contained.up()
    contained.fill()
    newer = "qdrant/qdrant:v1.18.3"
    with pytest.raises(Refused, match=r"skip") as refused:
        contained.up(image=newer, apply=True)
    assert refused.value.fix == "qdrant-admin up --image qdrant/qdrant:v1.17.1 --apply"
    contained.down(remove=True)
    with pytest.raises(Refused, match=r"skip"):
        contained.up(image=newer)


def known(runtime: str, place: str, mark: str, *, present: bool = True) -> KnownStorage:
    there = KnownCollection(name="a", points=1, exact=True, at=NOW)
    identity = StorageIdentity(place=place, mark=mark)
    held = (there,) if present else ()
    return KnownStorage(
        id=1, profile="p", runtime=runtime, place=place, identity=identity, version="", collections=held, at=NOW
    )


FOLDER, VOLUME = known("native", "directory /d", "1:2"), known("docker", "volume v", "v 2026")
CASES: list[tuple[KnownStorage | None, RuntimeKind, str, str, bool | None, bool]] = [
    (FOLDER, "native", "directory /d", "1:2", False, True),
    (FOLDER, "native", "directory /d", "1:2", True, True),
    (FOLDER, "native", "directory /d", "", True, False),
    (FOLDER, "native", "directory /d", "1:3", False, False),
    (FOLDER, "native", "directory /e", "1:3", True, False),
    (FOLDER, "native", "directory /e", "1:3", False, True),
    (FOLDER, "native", "directory /e", "1:2", False, True),
    (FOLDER, "docker", "volume v", "v 2026", None, False),
    (VOLUME, "docker", "volume v", "v 2026", None, True),
    (VOLUME, "docker", "volume v", "v 2027", None, False),
    (VOLUME, "docker", "volume w", "w 2026", None, True),
    (VOLUME, "docker", "volume w", "", True, False),
    (VOLUME, "native", "directory /d", "1:2", False, False),
    (known("native", "directory /d", "1:2", present=False), "native", "directory /d", "", True, True),
    (None, "native", "directory /d", "", True, True),
]


def test_data_on_another_engine_is_said_to_be_there() -> None:
    """The context was switched: nothing is gone, and another engine is asked."""
    remember_docker("p", NOTHING)
    found = NextStorage(place="volume v", identity=None, empty=True, engine="tcp://192.0.2.1:2375")
    with pytest.raises(Refused, match="beside known data") as refused:
        refuse_beginning_empty("p", "docker", (VOLUME,), found)
    assert f"on the engine at {NOTHING}, and tcp://192.0.2.1:2375 is the one asked now" in refused.value.why
    assert refused.value.fix == "docker context ls"


@pytest.mark.parametrize(("was", "kind", "place", "mark", "empty", "starts"), CASES)
def test_what_may_be_started(
    was: KnownStorage | None, kind: RuntimeKind, place: str, mark: str, empty: bool | None, starts: bool
) -> None:
    identity = StorageIdentity(place=place, mark=mark) if mark else None
    found = NextStorage(place=place, identity=identity, empty=empty)
    refused = False
    try:
        refuse_beginning_empty("p", kind, (was,) if was else (), found)
    except Refused:
        refused = True
    assert refused is not starts
