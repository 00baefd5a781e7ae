"""Home, first run, Logs, Settings and the dialogs, in each designed state."""

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from qdrant_admin.core.errors import BadInput, PortTaken
from qdrant_admin.core.events import Finished, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.lifecycle.reports import Check, DoctorReport, StatusReport, UpReport
from qdrant_admin.tui.jobs import Unexpected
from qdrant_admin.tui.screens.dialogs import ErrorDialog
from qdrant_admin.tui.screens.logs import LogsScreen
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.tui.canned import (
    ABSENT,
    ATTENTION,
    FOREIGN,
    HOSTILE,
    LOSS,
    STATUS,
    STOPPED,
    SURVEY,
    UNREACHABLE,
    WRONG_KEY,
    Canned,
    held,
    told,
)
from tests.tui.conftest import Snap, make_app, press, settle

BROKEN = BadInput(
    "/home/you/.config/qdrant-admin/config.toml has a problem",
    why="line 3: unknown key “prot”; did you mean port?",
    fix="correct the file, then: qdrant-admin config show",
)
UP = UpReport(**STATUS.model_dump(), started=True, seconds=2.1, why="Docker Desktop answers")
STARTING = (
    StepStarted(step="choose", title="choosing how to run it"),
    StepFinished(step="choose", detail="Docker Desktop 4.43 answers"),
    StepStarted(step="pull", title="pulling qdrant/qdrant:v1.16.3"),
    Progress(step="pull", done=52 * 2**20, total=81 * 2**20, unit="bytes", rate=12.0 * 2**20, seconds_left=2.4),
)
STARTED = (
    *STARTING,
    StepFinished(step="pull", detail="6 layers, 81 MiB"),
    StepStarted(step="ready", title="waiting for every collection to be readable"),
    StepFinished(step="ready", detail="12 collections readable"),
)
FAULTS = DoctorReport(
    checks=(
        Check(name="python", status="ok", detail="Python 3.12.4 on Linux x86_64"),
        Check(name="engine", status="ok", detail="Docker Desktop 4.43"),
        Check(
            name="storage",
            status="fail",
            detail="/mnt/c/qdrant is a Windows folder shared into WSL2: a known cause of lost data",
            fix="qdrant-admin up --volume qdrant_admin_local --apply",
        ),
        Check(name="disk", status="warn", detail="3.1 GiB free of 512 GiB", fix="qdrant-admin doctor"),
    )
)


@pytest.mark.parametrize("size", ["80x24", "120x40", "200x60"])
def test_home_needs_attention(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned(ATTENTION)), size=size)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_home_of_a_loss(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned(LOSS)), size=size)


@pytest.mark.parametrize("size", ["80x24", "110x28", "120x40"])
def test_home_healthy(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned()), size=size)


def test_home_light(snap: Snap) -> None:
    assert snap(make_app(Canned(ATTENTION), theme="light"), size="110x28")


NOT_WELL = {"stopped": STOPPED, "unreachable": UNREACHABLE, "wrong_key": WRONG_KEY, "foreign": FOREIGN}


@pytest.mark.parametrize("status", NOT_WELL.values(), ids=NOT_WELL)
def test_home_not_well(snap: Snap, status: StatusReport) -> None:
    app = make_app(Canned(status, entries=[]))
    app.server.samples.clear()
    assert snap(app)


def test_home_loading(snap: Snap) -> None:
    app = make_app(Canned())

    async def nothing_known_yet(_: Pilot[int]) -> None:
        app.server.forget()
        app.server_changed()

    assert snap(app, before=nothing_known_yet)


def test_home_broken_configuration(snap: Snap) -> None:
    assert snap(make_app(Canned(BROKEN)))


def test_home_absent_after_leaving_the_first_run(snap: Snap) -> None:
    assert snap(make_app(Canned(ABSENT)), before=press("escape"))


def test_home_while_the_server_is_started(snap: Snap) -> None:
    services = Canned(STOPPED)
    services.scripts["up"] = held(*STARTING)
    assert snap(make_app(services), before=press("s"))


@pytest.mark.parametrize("size", ["80x24", "110x28"])
def test_first_run(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned(ABSENT)), size=size)


def test_first_run_without_an_engine_and_with_a_taken_port(snap: Snap) -> None:
    found = SURVEY.model_copy(
        update={
            "engine": "",
            "engine_trouble": "no container engine answers: docker is not installed, or not running",
            "engine_fix": "sudo systemctl start docker",
            "recommended": "native",
            "storage_kind": "directory",
            "storage": "/home/you/.local/share/qdrant-admin/native/local/storage",
            "free_bytes": 80 * 2**30,
            "port_free": False,
            "port_holder": "nginx (pid 812)",
            "next_port": 6343,
            "next_grpc_port": 6344,
        }
    )
    assert snap(make_app(Canned(ABSENT, survey=found)), before=press("down", "down", "down", "space"))


def test_first_run_starting(snap: Snap) -> None:
    services = Canned(ABSENT)
    services.scripts["up"] = held(*STARTING)
    assert snap(make_app(services), before=press("enter"))


def test_first_run_ready(snap: Snap) -> None:
    services = Canned(ABSENT)
    kept = Notice(text="a new API key is kept in the system's keyring")
    services.scripts["up"] = told(kept, *STARTED, Finished(report=UP))
    assert snap(make_app(services), before=press("enter"))


def test_first_run_port_taken(snap: Snap) -> None:
    services = Canned(ABSENT)
    taken = PortTaken("port 6333 is taken", why="nginx (pid 812) listens there", fix="qdrant-admin up --port 6343")
    services.scripts["up"] = told(*STARTING[:2], Notice(level="warning", text="no [/oops] here"), then=taken)
    assert snap(make_app(services), before=press("enter"))


async def read_log(pilot: Pilot[int]) -> None:
    """Draw what the tap has read, without waiting for its timer."""
    screen = pilot.app.screen
    assert isinstance(screen, LogsScreen)
    screen._drain()
    await pilot.pause()


@pytest.mark.parametrize("size", ["80x24", "110x28"])
def test_logs(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned(), start="logs"), size=size, before=read_log)


def test_logs_empty(snap: Snap) -> None:
    assert snap(make_app(Canned(log=[]), start="logs"), before=read_log)


def test_logs_filtered(snap: Snap) -> None:
    async def filtered(pilot: Pilot[int]) -> None:
        await read_log(pilot)
        await pilot.press("v", "slash", *"oops", "enter")

    assert snap(make_app(Canned(log=[*HOSTILE, *Canned()._log]), start="logs"), before=filtered)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_settings(snap: Snap, size: str) -> None:
    assert snap(make_app(Canned(), start="settings"), size=size)


def test_settings_edit_a_value(snap: Snap) -> None:
    assert snap(make_app(Canned(), start="settings"), before=press("tab", "down", "down", "down", "e"))


def test_help(snap: Snap) -> None:
    assert snap(make_app(Canned(ATTENTION)), before=press("question_mark"))


def test_palette(snap: Snap) -> None:
    async def typed(pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+p")
        await settle(pilot)
        await pilot.press(*"theme")

    assert snap(make_app(Canned()), before=typed)


def test_confirm_by_name(snap: Snap) -> None:
    async def asked(pilot: Pilot[int]) -> None:
        body = "12 collections and 48 211 points are deleted. Snapshots elsewhere are not touched."
        pilot.app.push_screen(ConfirmDialog("Delete the volume?", body, yes="Delete", typed=HOSTILE[0]))
        await pilot.pause()
        pilot.app.screen.query_one(Input).value = "[/oo"

    assert snap(make_app(Canned()), before=asked)


def test_unexpected_fault(snap: Snap) -> None:
    async def failed(pilot: Pilot[int]) -> None:
        fault = Unexpected.of(KeyError("[/oops]"))
        fault.details = "Traceback (most recent call last):\n  File \"run.py\", line 1\nKeyError: '[/oops]'"
        pilot.app.push_screen(ErrorDialog("restart the server", fault))

    assert snap(make_app(Canned()), before=failed)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_doctor(snap: Snap, size: str) -> None:
    services = Canned(ATTENTION)
    services.scripts["doctor"] = told(Finished(report=FAULTS))
    assert snap(make_app(services), size=size, before=press("d"))


def test_jobs_on_every_screen_and_their_list(snap: Snap) -> None:
    services = Canned(STOPPED)
    services.scripts["up"] = held(*STARTING)
    assert snap(make_app(services), before=press("s", "6", "w"))


def test_quit_with_running_jobs(snap: Snap) -> None:
    services = Canned(STOPPED)
    services.scripts["up"] = held(*STARTING)
    assert snap(make_app(services), before=press("s", "6", "q"))


def test_too_small(snap: Snap) -> None:
    assert snap(make_app(Canned()), size="50x12")


def test_ascii(snap: Snap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_ADMIN_ASCII", "1")
    assert snap(make_app(Canned(ATTENTION)))
