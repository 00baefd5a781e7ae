"""`move-storage` on the command line: nothing without a yes, and pictures that say where everything is."""

from datetime import UTC, datetime

from rich.console import Console

from qdrant_admin.cli.render.blocks import Drawing
from qdrant_admin.database.differences import PointDifference
from qdrant_admin.persistence.reports import CollectionCheck, MovePlanReport, MoveReport, Side
from tests.cli.conftest import Run

MOVED = MoveReport(
    profile="local",
    verdict="persisted",
    reason="every point, setting and alias is as it was",
    moved=True,
    volume="vectors",
    collections=(
        CollectionCheck(
            name="[/oops]", verdict="same", before=Side(points=3, digest="a"), after=Side(points=3, digest="a")
        ),
    ),
    interrupted_seconds=8.9,
    left="folder /srv/qdrant",
    remove='sudo rm -r "/srv/qdrant"',
    at=datetime(2026, 11, 20, tzinfo=UTC),
    seconds=11.0,
)


def drawn(report: MoveReport | MovePlanReport) -> str:
    console = Console(width=80, record=True, file=None, force_terminal=False, quiet=True)
    with console.capture() as shown:
        console.quiet = False
        console.print(Drawing("local", ascii_only=True).picture(report.blocks()))
    return shown.get()


def test_nothing_is_moved_without_a_yes(run: Run) -> None:
    ran = run("move-storage", "--volume", "vectors")
    assert ran.code == 4
    assert "qdrant-admin move-storage --volume vectors --yes --profile local" in ran.err


def test_a_server_without_a_container_has_nothing_to_move(run: Run) -> None:
    assert run("profiles", "add", "far", "url=http://127.0.0.1:1").code == 0
    ran = run("move-storage", "--dry-run", "--profile", "far", "--json")
    assert (ran.code, ran.json["kind_of_error"]) == (3, "Unsupported")
    assert "only the data of a container" in ran.json["error"]["what"]


def test_the_picture_says_what_was_moved_and_where_the_old_data_is() -> None:
    shown = drawn(MOVED)
    assert "OK PERSISTED" in shown
    assert "1 collection, 3 points in volume vectors, away for 8.9 s" in shown
    assert "still there: folder /srv/qdrant" in shown
    assert 'sudo rm -r "/srv/qdrant"' in shown
    gone = PointDifference(id="7", what="missing")
    check = MOVED.collections[0].model_copy(update={"verdict": "lost", "points": (gone,)})
    changes = {"verdict": "lost", "moved": False, "collections": (check,), "left": "", "remove": ""}
    shown = drawn(MOVED.model_copy(update=changes))
    assert "X NOT MOVED" in shown
    assert "7      X missing" in shown
    assert "the server is on its old storage, as it was" in shown


def test_the_picture_of_a_plan_says_what_cannot_be_told() -> None:
    plan = MovePlanReport(
        profile="local",
        storage="folder /srv/qdrant",
        volume="vectors",
        needed_bytes=None,
        free_bytes=None,
        steps=("stop it", "copy it"),
        left="folder /srv/qdrant",
    )
    shown = drawn(plan)
    assert "of unknown size" in shown
    assert "2. copy it" in shown
