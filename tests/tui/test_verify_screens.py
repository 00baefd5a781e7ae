"""Proof: each designed state as a picture, and what the keys do."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import DataTable

from qdrant_admin.collections.reports import ShownPoint
from qdrant_admin.core.reports import Report
from qdrant_admin.database.differences import Difference, PartDifference, PointDifference
from qdrant_admin.persistence import past_checks
from qdrant_admin.persistence.reports import (
    BaselineCheck,
    CollectionCheck,
    CrashOptions,
    VerifyOptions,
)
from qdrant_admin.server.runtime import Capabilities
from qdrant_admin.tui.screens.verify.differences import part_rows
from qdrant_admin.tui.screens.verify.screen import VerifyScreen
from qdrant_admin.tui.widgets.bars import Plain
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.tui.acting import pressing, scripted
from tests.tui.canned import NOW, STATUS
from tests.tui.canned_data import (
    CHECKS,
    CRASH_LOST,
    CRASHED,
    CRASHING,
    EVERY_WAY,
    LOST,
    PERSISTED,
    ROUNDS,
    VERIFYING,
    CannedData,
)
from tests.tui.conftest import make_app, running_text, settle, until

Snap = Callable[..., bool]
BOTH = pytest.mark.parametrize("size", ["80x24", "120x40"])
ALL = pytest.mark.parametrize("size", ["80x24", "120x40", "200x60"])
README = pytest.mark.parametrize("size", ["80x24", "110x28", "120x40", "200x60"])
"""The states that the README shows as well."""
TO_ALL = ("down",) * 4
TO_CRASH = ("down",) * 5


@pytest.fixture
def steady_durations(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it took."""
    monkeypatch.setattr("qdrant_admin.core.formatting.duration", lambda _: "1.2 s")


# pictures


@ALL
def test_verify_choose(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="verify"), size=size)


@pytest.mark.parametrize("report", [PERSISTED, LOST], ids=["persisted", "lost"])
@README
def test_verify_result(snap: Snap, size: str, report: Report) -> None:
    app = make_app(scripted(verify=report), start="verify")
    assert snap(app, size=size, before=pressing("s"))


UNCHANGED = PERSISTED.model_copy(
    update={
        "how": "none",
        "verdict": "unchanged",
        "reason": "every point, setting and alias is as it was; the server was not restarted",
        "phases": (),
        "rounds": (),
        "fresh": None,
        "ready_seconds": None,
    }
)
EMPTY = UNCHANGED.model_copy(
    update={
        "how": "kill",
        "verdict": "empty",
        "reason": "nothing is stored, so there was nothing to prove",
        "collections": (),
        "ready_seconds": 1.9,
    }
)


@pytest.mark.parametrize("report", [UNCHANGED, EMPTY], ids=["unchanged", "empty"])
@BOTH
def test_verify_proves_nothing(snap: Snap, size: str, report: Report) -> None:
    app = make_app(scripted(verify=report), start="verify")
    assert snap(app, size=size, before=pressing("s"))


def test_verify_lost_light(snap: Snap) -> None:
    app = make_app(scripted(verify=LOST), start="verify", theme="light")
    assert snap(app, size="120x40", before=pressing("s"))


@BOTH
def test_verify_running(snap: Snap, size: str, steady_durations: None) -> None:
    app = make_app(scripted(verify=VERIFYING), start="verify")
    assert snap(app, size=size, before=pressing("s"))


@BOTH
def test_verify_history(snap: Snap, size: str) -> None:
    assert snap(make_app(CannedData(), start="verify"), size=size, before=pressing("h"))


@BOTH
def test_verify_all_running(snap: Snap, size: str, steady_durations: None) -> None:
    app = make_app(scripted(verify=ROUNDS), start="verify")
    assert snap(app, size=size, before=pressing(*TO_ALL, "s"))


def test_verify_every_way(snap: Snap) -> None:
    app = make_app(scripted(verify=EVERY_WAY), start="verify")
    assert snap(app, size="120x40", before=pressing("s"))


@BOTH
def test_crash_running(snap: Snap, size: str) -> None:
    app = make_app(scripted(crash=CRASHING), start="verify")
    assert snap(app, size=size, before=pressing(*TO_CRASH, "s"))


@BOTH
def test_crash_result(snap: Snap, size: str) -> None:
    app = make_app(scripted(crash=CRASHED), start="verify")
    assert snap(app, size=size, before=pressing(*TO_CRASH, "s"))


def test_crash_lost_light(snap: Snap) -> None:
    app = make_app(scripted(crash=CRASH_LOST), start="verify", theme="light")
    assert snap(app, size="120x40", before=pressing(*TO_CRASH, "s"))


@ALL
def test_differences(snap: Snap, size: str) -> None:
    app = make_app(scripted(verify=LOST), start="verify")
    assert snap(app, size=size, before=pressing("s", "enter", "down", "down", "down"))


def test_differences_light(snap: Snap) -> None:
    app = make_app(scripted(verify=LOST), start="verify", theme="light")
    assert snap(app, size="80x24", before=pressing("s", "enter"))


def test_nothing_was_ever_proven(snap: Snap) -> None:
    assert snap(make_app(CannedData(empty=True), start="verify"), size="80x24")


def test_verify_collections(snap: Snap) -> None:
    app = make_app(CannedData(), start="verify")
    assert snap(app, size="80x24", before=pressing("c", "down", "space", "down", "down", "space"))


def test_crash_options(snap: Snap) -> None:
    app = make_app(CannedData(), start="verify")
    assert snap(app, size="80x24", before=pressing(*TO_CRASH, "o"))


# what the keys do


async def test_a_running_check_shows_its_steps_and_is_stopped_by_a_key() -> None:
    app = make_app(scripted(verify=VERIFYING), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("s")(pilot)
        screen = app.screen
        assert isinstance(screen, VerifyScreen)
        assert "making every acknowledged write durable" in running_text(screen)
        job = app.jobs.latest("verify")
        assert job is not None
        await pilot.press("x")
        while app.jobs.running():
            await pilot.pause()
        assert app.jobs.view(job.id).state == "cancelled"
        assert "Nothing was proven" in str(screen.query_one("#verify-verdict").render())


async def test_an_old_proof_is_reopened_from_the_history() -> None:
    app = make_app(CannedData(), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("h", "down", "down", "down", "enter")(pilot)
        assert isinstance(app.screen, VerifyScreen)
        assert app.screen.pane == "result"
        assert "LOST" in str(app.screen.query_one("#verify-verdict").render())
        await pressing("escape")(pilot)
        assert app.screen.pane == "history"


async def test_the_certificate_of_a_check_is_written_as_a_page_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(scripted(verify=PERSISTED), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("s")(pilot)
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result")
        await pressing("e")(pilot)
        await until(pilot, lambda: len(list(tmp_path.iterdir())) == 2)
    page, kept = sorted(tmp_path.iterdir())
    assert "persisted" in page.read_text(encoding="utf-8")
    assert past_checks.load(kept) == PERSISTED


async def test_what_is_asked_for_is_what_is_checked() -> None:
    services = scripted(verify=PERSISTED, crash=CRASHED)
    app = make_app(services, start="verify")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pressing("c", "down", "space", "enter", "o", "right", "enter", "s")(pilot)
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result")
        assert services.asked == [VerifyOptions(how="kill", collections=("[red]x[/red]",), sample=1000)]
        await pressing("a", *TO_CRASH, "o", "backspace", "backspace", "3", "enter", "enter")(pilot)
        await until(pilot, lambda: len(services.asked) == 2)
        assert services.asked[1] == CrashOptions(cycles=3)


async def test_the_engine_is_restarted_only_after_naming_what_goes_down_with_it() -> None:
    services = scripted(verify=PERSISTED)
    can = Capabilities(restart=frozenset({"graceful", "kill", "recreate", "pause", "engine"}))
    services._status = STATUS.model_copy(update={"capabilities": can})
    app = make_app(services, start="verify")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pressing("down", "down", "down", "down", "s")(pilot)
        assert isinstance(app.screen, ConfirmDialog)
        shown = "\n".join(str(one.render()) for one in app.screen.query(Plain))
        assert "postgres" in shown
        assert "[/oops]" in shown
        await pressing("escape")(pilot)
        assert services.asked == []
        await pressing("s", "right", "enter")(pilot)
        assert services.asked == [VerifyOptions(how="engine", confirmed=True)]


async def test_a_click_chooses_a_way_and_only_a_second_one_begins() -> None:
    services = scripted(verify=PERSISTED)
    app = make_app(services, start="verify")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.click("#verify-hows", offset=(4, 1))
        await settle(pilot)
        assert services.asked == []
        await pilot.click("#verify-hows", offset=(4, 1))
        await settle(pilot)
        assert services.asked == [VerifyOptions(how="graceful")]


async def test_the_certificate_of_a_crash_test_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app(scripted(crash=CRASH_LOST), start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing(*TO_CRASH, "s")(pilot)
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result")
        await pressing("e")(pilot)
        await until(pilot, lambda: len(list(tmp_path.iterdir())) == 2)
    page = next(tmp_path.glob("*.html")).read_text(encoding="utf-8")
    assert "2 acknowledged changes were gone after 10 kills." in page
    assert "[/oops]" in page


def test_before_beside_now_claims_no_more_than_was_seen() -> None:
    changed = PointDifference(
        id="1",
        what="changed",
        parts=(
            PartDifference(kind="field", name="a"),
            PartDifference(kind="field", name="b", change="gone"),
            PartDifference(kind="field", name="d", change="new"),
            PartDifference(kind="payload"),
        ),
        fields=("a", "b", "c"),
    )
    rows = {row.what: row for row in part_rows(changed, ShownPoint(id=1, payload={"a": 1, "c": 3, "d": 4}))}
    assert (rows["a"].before, rows["a"].now, rows["a"].state) == ("another value", "1", "changed")
    assert (rows["b"].before, rows["b"].now, rows["b"].state) == ("was there", "not there", "missing")
    assert (rows["c"].before, rows["c"].now, rows["c"].state) == ("the same", "3", "")
    assert (rows["d"].before, rows["d"].now, rows["d"].state) == ("not there", "4", "extra")
    assert rows["payload"].state == "changed"  # what cannot be told to belong to a field is not left out


def test_a_report_of_an_earlier_version_claims_nothing_to_be_the_same() -> None:
    earlier = PointDifference(id="1", what="changed")
    rows = part_rows(earlier, ShownPoint(id=1, payload={"a": 1}))
    assert [row.before for row in rows if row.what == "a"] == [""]


async def test_an_earlier_check_is_compared_with_what_is_there_now() -> None:
    since = PERSISTED.model_copy(
        update={
            "how": "none",
            "verdict": "changed",
            "reason": "since 2026-11-20 09:14: images: 12 points more than then",
            "baseline": BaselineCheck(
                at=NOW,
                verdict="changed",
                collections=(
                    CollectionCheck(
                        name="images",
                        verdict="changed",
                        settings=(Difference(code="since_more", facts={"points": 12}),),
                    ),
                ),
            ),
        }
    )
    services = scripted(verify=since)
    app = make_app(services, start="verify")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pressing("h", "b")(pilot)
        await until(pilot, lambda: isinstance(app.screen, VerifyScreen) and app.screen.pane == "result")
        [options] = services.asked
        assert isinstance(options, VerifyOptions)
        assert (options.how, options.baseline) == ("none", CHECKS[0].report)
        assert "12 points more than then" in str(app.screen.query_one("#verify-details").render())
        table = app.screen.query_one("#verify-table", DataTable)
        assert [str(column.label).strip() for column in table.columns.values()][1:3] == ["then", "now"]
        assert "changed" in "".join(str(cell) for cell in table.get_row_at(0)), "as the headline says"
