"""From the doctor to a volume with one key: the question, the run, the verdict."""

import threading

import pytest
from textual.pilot import Pilot

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, Finished, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.database.differences import PointDifference
from qdrant_admin.lifecycle.reports import Check, DoctorReport
from qdrant_admin.persistence.reports import CollectionCheck, MovePlanReport, MoveReport, Side
from qdrant_admin.tui.screens.home.dialogs import DoctorDialog, MoveDialog
from qdrant_admin.tui.theme import ThemeChoice
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.tui.canned import ATTENTION, NOW, Canned, held, told
from tests.tui.canned_data import check
from tests.tui.conftest import Before, Snap, make_app, press, settle, until

INSIDE = Check(
    name="storage",
    code="storage_in_container",
    status="fail",
    detail="volume vectors is mounted at /data, where the server writes nothing; nothing is mounted at /qdrant/storage",
    fix="qdrant-admin move-storage --profile local",
)
FULL = Check(name="disk", status="warn", detail="3.1 GiB free of 512 GiB", fix="df -h")
PLAN = MovePlanReport(
    profile="local",
    storage="inside container qdrant-admin-local",
    volume="qdrant_admin_local",
    needed_bytes=412 * 2**20,
    free_bytes=71 * 2**30,
    steps=(),
    left="container qdrant-admin-local-moved-78eb5a52",
)
MOVED = MoveReport(
    profile="local",
    verdict="persisted",
    reason="every point, setting and alias is as it was",
    moved=True,
    volume="qdrant_admin_local",
    collections=(check("debian_memories", 3_763), check("[/oops]", 12)),
    copied_bytes=412 * 2**20,
    interrupted_seconds=8.9,
    left="container qdrant-admin-local-moved-78eb5a52",
    remove="docker rm qdrant-admin-local-moved-78eb5a52",
    at=NOW,
    seconds=11.0,
)
DIFFERENT = MOVED.model_copy(
    update={
        "verdict": "lost",
        "moved": False,
        "reason": "the copy is not the same: debian_memories: 1 point missing",
        "collections": (
            CollectionCheck(
                name="debian_memories",
                verdict="lost",
                before=Side(points=3_763, digest="03aa" * 16),
                after=Side(points=3_762, digest="7f12" * 16),
                missing=1,
                points=(PointDifference(id="7", what="missing"),),
            ),
        ),
        "left": "",
        "remove": "",
        "fix": "qdrant-admin move-storage --profile local",
    }
)
RUNNING = (
    StepStarted(step="check", title="looking at the server and its storage"),
    StepFinished(step="check", detail="inside container qdrant-admin-local to volume qdrant_admin_local, 412 MiB"),
    Notice(level="warning", text="qdrant-admin-local is stopped while its data is copied and compared"),
    StepStarted(step="fingerprint_before", title="taking the fingerprint of every point"),
    StepFinished(step="fingerprint_before", detail="3 775 points in 2 collections"),
    StepStarted(step="stop", title="stopping qdrant-admin-local"),
    StepFinished(step="stop", detail="from here on nobody can write"),
    StepStarted(step="copy", title="copying every file to volume qdrant_admin_local"),
    Progress(step="copy", done=230 * 2**20, total=412 * 2**20, unit="bytes", rate=131.0 * 2**20, seconds_left=1.4),
)


class Movable(Canned):
    """A server whose data lies inside its container."""

    def __init__(self, *checks: Check) -> None:
        super().__init__(ATTENTION)
        self.scripts["doctor"] = told(Finished(report=DoctorReport(checks=checks)))
        self.scripts["move"] = told(Finished(report=MOVED))

    def plan_move(self) -> MovePlanReport:
        return PLAN

    def move_storage(self, cancel: CancelToken) -> Events:
        return self.scripts["move"](cancel)


def asked(*keys: str) -> Before:
    """From Home to the question, and further keys."""

    async def act(pilot: Pilot[int]) -> None:
        await press("d")(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, DoctorDialog))
        await press("m")(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmDialog))
        await press(*keys)(pilot)
        await settle(pilot)

    return act


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_the_doctor_offers_the_move(snap: Snap, size: str) -> None:
    assert snap(make_app(Movable(INSIDE, FULL)), size=size, before=press("d"))


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_the_question(snap: Snap, size: str) -> None:
    assert snap(make_app(Movable(INSIDE)), size=size, before=asked())


@pytest.mark.parametrize("size", ["80x24", "120x40"])
def test_the_run(snap: Snap, size: str) -> None:
    services = Movable(INSIDE)
    services.scripts["move"] = held(*RUNNING)
    assert snap(make_app(services), size=size, before=asked("right", "enter"))


@pytest.mark.parametrize(
    ("size", "report", "theme"),
    [
        ("80x24", MOVED, "dark"),
        ("120x40", MOVED, "light"),
        ("80x24", DIFFERENT, "dark"),
        ("120x40", DIFFERENT, "dark"),
    ],
    ids=["moved-small", "moved-light", "different-small", "different"],
)
def test_the_verdict(snap: Snap, size: str, report: MoveReport, theme: ThemeChoice) -> None:
    services = Movable(INSIDE)
    services.scripts["move"] = told(*RUNNING, Finished(report=report))
    assert snap(make_app(services, theme=theme), size=size, before=asked("right", "enter"))


async def test_the_key_is_there_only_where_it_helps_and_no_moves_nothing() -> None:
    moves: list[str] = []
    services = Movable(FULL)

    def moving(cancel: CancelToken) -> Events:
        moves.append("moved")
        return told()(cancel)

    services.scripts["move"] = moving
    async with make_app(services).run_test() as pilot:
        await press("d")(pilot)
        await until(pilot, lambda: isinstance(pilot.app.screen, DoctorDialog))
        await press("m")(pilot)
        assert isinstance(pilot.app.screen, DoctorDialog)
        await press("escape")(pilot)
        services.scripts["doctor"] = told(Finished(report=DoctorReport(checks=(INSIDE,))))
        await asked("escape")(pilot)
        assert not isinstance(pilot.app.screen, ConfirmDialog | MoveDialog)
    assert moves == []


async def test_the_verdict_is_shown_even_when_the_run_was_closed() -> None:
    services = Movable(INSIDE)
    goes_on = threading.Event()

    def moving(cancel: CancelToken) -> Events:
        yield from RUNNING
        goes_on.wait(30)
        yield Finished(report=MOVED)

    services.scripts["move"] = moving
    async with make_app(services).run_test() as pilot:
        await asked("right", "enter", "escape")(pilot)
        assert not isinstance(pilot.app.screen, MoveDialog)
        goes_on.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, MoveDialog))
