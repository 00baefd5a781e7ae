"""One engine, several homes: what another installation has made is not ours, whatever it is called."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.config.places import state_file
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import NotOurs
from qdrant_admin.core.events import Events, Notice
from qdrant_admin.lifecycle.down import down
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.lifecycle.restart import restart
from qdrant_admin.lifecycle.status import status
from qdrant_admin.lifecycle.up import UpOptions, bring_up
from qdrant_admin.server.docker.container.spec import LABEL_INSTALLATION, LABEL_MANAGED, LABEL_PROFILE
from qdrant_admin.server.docker.runtime import DockerRuntime
from qdrant_admin.server.runtime import Storage
from qdrant_admin.server.runtime_choice import choose_runtime
from qdrant_admin.server.surroundings import leftovers
from qdrant_admin.state.installation import installation, known_installation
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.server_docker.conftest import Bench, run
from tests.support.real import IMAGE, free_port

Moves = Callable[[str], None]
pytestmark = pytest.mark.docker


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Moves:
    """Makes this process one of another home."""
    return lambda name: monkeypatch.setenv("QDRANT_ADMIN_HOME", str(tmp_path / name))


def settings(bench: Bench, **profile: Any) -> Settings:
    """The profile as everybody has it: neither container nor volume is named."""
    return bench.settings(runtime="docker", container=None, volume=None, **profile)


def workspace(bench: Bench, folder: Path, **profile: Any) -> Workspace:
    return Workspace(settings(bench, **profile), StateStore(folder / "state.sqlite3"))


def test_another_homes_server_is_left_alone(bench: Bench, at_home: Moves, tmp_path: Path) -> None:
    at_home("a")
    theirs = DockerRuntime(settings(bench, key="a-key-of-a"), bench.engine)
    run(theirs.start(CancelToken()))
    bench.wait_ready("a-key-of-a")
    name = f"qdrant-admin-{bench.mark}"
    before = bench.api.inspect_container(name)
    at_home("b")
    ws = workspace(bench, tmp_path, restart_policy="no")
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: restart(ws, cancel=CancelToken()),
        lambda: bring_up(ws, UpOptions(), cancel=CancelToken()),
        lambda: bring_up(ws, UpOptions(apply=True, restart_policy="no"), cancel=CancelToken()),
        lambda: down(ws, remove=True, cancel=CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(NotOurs, match="another installation") as refused:
            run(attempt())
        assert refused.value.exit_code == 4
    after = bench.api.inspect_container(name)
    assert (after["Id"], after["State"], after["HostConfig"]) == (before["Id"], before["State"], before["HostConfig"])
    assert known_installation() == "", "a look has made something"
    (told,) = (text(one) for one in status(ws).findings if one.code == "foreign_server")
    assert told == f"{name} was not set up by this installation of qdrant-admin and is left alone"
    run(ws.runtime.adopt(CancelToken()))
    assert ws.runtime.inspect().ours is True, "an adoption is what makes it ours"


def test_a_name_that_another_home_holds_gets_a_suffix(bench: Bench, at_home: Moves, tmp_path: Path) -> None:
    at_home("a")
    run(DockerRuntime(settings(bench), bench.engine).start(CancelToken()))
    bench.remember("of-a")
    at_home("b")
    port, grpc = free_port(), free_port()
    ws = workspace(bench, tmp_path, port=port, grpc_port=grpc)
    *events, last = run(bring_up(ws, UpOptions(), cancel=CancelToken()))
    made = last.report
    assert any("is that of another installation" in one.text for one in events if isinstance(one, Notice))
    suffix = installation()[:6]
    assert (made.container, made.collections) == (f"qdrant-admin-{bench.mark}-{suffix}", 0)
    assert made.storage.source == f"qdrant_admin_{bench.mark}_{suffix}"
    assert ws.runtime.differences() == []
    # The name gets free: ours keeps what it has, and its data is found again by the next container.
    bench.api.remove_container(f"qdrant-admin-{bench.mark}", force=True)
    bench.api.remove_volume(f"qdrant_admin_{bench.mark}")
    bench.api.kill(made.container)
    run(ws.runtime.remove(CancelToken()))
    assert ws.runtime.inspect().state == "absent"
    run(ws.runtime.start(CancelToken()))
    assert ws.runtime.inspect().storage.source == made.storage.source
    at_home("a")
    volumes = [name for one in leftovers(ws.settings.model_copy(update={"name": "other"}), {}) for name in one.names]
    assert not any(bench.mark in name and suffix in name for name in volumes), "of another home: nothing left of ours"


def test_a_volume_of_another_home_is_not_mounted(bench: Bench, at_home: Moves) -> None:
    at_home("a")
    theirs = DockerRuntime(bench.settings(), bench.engine)
    run(theirs.start(CancelToken()))
    bench.wait_ready()
    run(theirs.remove(CancelToken()))
    at_home("b")
    with pytest.raises(NotOurs, match=bench.mark):
        run(DockerRuntime(bench.settings(), bench.engine).start(CancelToken()))
    own = settings(bench).model_copy(update={"name": bench.mark})
    assert choose_runtime(own).runtime.inspect().state == "absent"


def of_before(bench: Bench) -> dict[str, Any]:
    """What is asked of the engine for a container as versions of before there were numbers made it."""
    return {
        "Labels": {LABEL_MANAGED: "true", LABEL_PROFILE: bench.mark},
        "HostConfig": {
            "Mounts": [{"Type": "volume", "Source": f"qdrant_admin_{bench.mark}", "Target": "/qdrant/storage"}],
            "PortBindings": {"6333/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(bench.ports[0])}]},
        },
    }


def was_up(bench: Bench, *, container: str = "", volume: str = "") -> None:
    """Such a version has left this in the history."""
    report = UpReport(
        profile=bench.mark,
        runtime="docker",
        state="healthy",
        url="http://127.0.0.1",
        container=container,
        storage=Storage(kind="volume", source=volume),
        started=True,
        seconds=1.0,
        checked_at=datetime.now(UTC),
    )
    now = datetime.now(UTC)
    StateStore(state_file()).record(operation="up", profile=bench.mark, report=report, started_at=now, seconds=1.0)


@pytest.mark.parametrize("by", ["container", "volume"])
def test_one_of_before_there_were_numbers_is_ours_where_this_home_remembers_it(
    bench: Bench, at_home: Moves, by: str
) -> None:
    at_home("a")
    bench.foreign(start=True, **of_before(bench))
    bench.wait_ready()
    bench.remember()
    runtime = bench.runtime(volume=None)
    assert runtime.inspect().ours is False, "the profile has its name in every home"
    was_up(bench, **{by: bench.mark if by == "container" else f"qdrant_admin_{bench.mark}"})
    assert runtime.inspect().ours is True
    run(runtime.restart("recreate", CancelToken()))
    assert bench.attributes()["Config"]["Labels"][LABEL_INSTALLATION] == installation()
    assert bench.names() == ["proof"]
    # Its volume keeps the labels it was made with: the container tells whose it is now.
    at_home("b")
    was_up(bench, **{by: "of another"})
    assert bench.runtime().inspect().ours is False
    ports = {"port": free_port(), "grpc_port": free_port()}
    with pytest.raises(NotOurs, match=f"volume qdrant_admin_{bench.mark}"):
        run(
            bench.runtime(container=f"{bench.mark}-b", volume=f"qdrant_admin_{bench.mark}", **ports).start(
                CancelToken()
            )
        )


def test_one_of_before_of_which_nothing_is_remembered_is_left_alone(
    bench: Bench, at_home: Moves, tmp_path: Path
) -> None:
    at_home("a")
    made = of_before(bench)
    bench.api.create_container_from_config({"Image": IMAGE, **made}, f"qdrant-admin-{bench.mark}")
    bench.api.start(f"qdrant-admin-{bench.mark}")
    bench.wait_ready()
    bench.remember()
    ws = workspace(bench, tmp_path)
    attempts: tuple[Callable[[], Events], ...] = (
        lambda: bring_up(ws, UpOptions(apply=True), cancel=CancelToken()),
        lambda: restart(ws, "recreate", cancel=CancelToken()),
        lambda: down(ws, remove=True, cancel=CancelToken()),
    )
    for attempt in attempts:
        with pytest.raises(NotOurs) as refused:
            run(attempt())
        assert refused.value.exit_code == 4
    (told,) = (text(one) for one in status(ws).findings if one.code == "foreign_server")
    assert "was not set up by this installation of qdrant-admin" in told
    # On other ports one of ours stands beside it, on a volume of its own.
    beside = workspace(bench, tmp_path, port=free_port(), grpc_port=free_port())
    report = run(bring_up(beside, UpOptions(), cancel=CancelToken()))[-1].report
    assert (report.collections, report.storage.source) == (0, f"qdrant_admin_{bench.mark}_{installation()[:6]}")
    assert bench.names() == ["proof"]


def test_a_volume_of_before_is_neither_taken_nor_passed_by_in_silence(bench: Bench, at_home: Moves) -> None:
    volume = f"qdrant_admin_{bench.mark}"
    bench.api.create_volume(volume, labels=of_before(bench)["Labels"])
    at_home("a")
    runtime = DockerRuntime(settings(bench), bench.engine)
    with pytest.raises(NotOurs, match=volume) as refused:
        run(runtime.start(CancelToken()))
    assert "an earlier version" in refused.value.why
    assert refused.value.fix_on(bench.mark) == f"qdrant-admin up --volume {volume} --profile {bench.mark}"
    named = settings(bench).profile.model_copy(update={"volume": volume})
    run(DockerRuntime(settings(bench).model_copy(update={"profile": named}), bench.engine).start(CancelToken()))
    assert runtime.inspect().storage.source == volume, "whoever names it claims it"


@pytest.mark.parametrize("adopted", [False, True])
def test_a_renamed_container_is_found(bench: Bench, adopted: bool) -> None:
    runtime = bench.runtime()
    if adopted:
        bench.foreign(HostConfig={"Mounts": [{"Type": "volume", "Source": bench.mark, "Target": "/qdrant/storage"}]})
        run(runtime.adopt(CancelToken()))
    run(runtime.start(CancelToken()))
    before = bench.attributes()
    renamed = f"{bench.mark}-by-hand"
    bench.api.rename(bench.mark, renamed)
    seen = bench.runtime().inspect()
    assert (seen.name, seen.ours, seen.state, seen.diagnosis) == (renamed, True, "running", None)
    bench.until(lambda: b"HTTP listening" in bench.api.logs(renamed))
    run(runtime.restart("recreate", CancelToken()))
    after = bench.api.inspect_container(renamed)
    assert after["Id"] != before["Id"], "recreated, under the name that it was given"
    assert {mount["Name"] for mount in after["Mounts"]} == {mount["Name"] for mount in before["Mounts"]}
    assert runtime.inspect().ours is True
