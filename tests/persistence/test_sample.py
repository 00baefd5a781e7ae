"""A sample is quicker, and says that it is one."""

import pytest

from qdrant_admin.core.serialization import to_json
from qdrant_admin.database.fingerprint import Sample
from qdrant_admin.database.gateway import Database
from qdrant_admin.persistence.reports import VerifyReport
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, point, prove

POINTS = 200


def test_about_as_many_are_taken_as_were_asked_for_and_always_the_same() -> None:
    sample = Sample.of(500, 10_000)
    taken = [one for one in range(10_000) if sample.takes(one)]
    assert 400 < len(taken) < 600
    assert taken == [one for one in range(10_000) if Sample.of(500, 10_000).takes(one)]
    assert all(Sample.of(5, 5).takes(one) for one in range(100))


@pytest.mark.server
def test_the_verdict_says_that_it_rests_on_a_sample(ws: Workspace) -> None:
    fill(ws, count=POINTS)
    report = prove(ws, "kill", sample=20)
    assert (report.verdict, report.sample) == ("persisted", 20)
    (check,) = report.collections
    assert check.before is not None
    assert check.before.points == POINTS
    assert 0 < (check.before.sampled or 0) < POINTS
    for told in (report.summary(), report.sentence(), ", ".join(report.checks)):
        assert "sample" in told
    assert VerifyReport.model_validate_json(to_json(report)) == report


@pytest.mark.server
def test_every_lost_id_is_seen_and_changed_content_only_in_the_sample(ws: Workspace) -> None:
    fill(ws, count=POINTS)
    share = Sample.of(20, POINTS)
    within = next(one for one in range(POINTS) if share.takes(one))
    outside = next(one for one in range(POINTS) if not share.takes(one))

    def delete(database: Database) -> None:
        database.delete_points("memories", [outside])

    assert prove(ws, "none", delete, sample=20).verdict == "lost"
    with ws.database() as database:
        database.upsert("memories", [point(outside)])
    unseen = prove(ws, "none", lambda database: database.upsert("memories", [point(outside, n=-1)]), sample=20)
    assert unseen.verdict == "unchanged"
    found = prove(ws, "none", lambda database: database.upsert("memories", [point(within, n=-1)]), sample=20)
    assert found.verdict == "changed"
    assert [one.id for one in found.collections[0].points] == [str(within)]


@pytest.mark.server
def test_a_sample_and_a_whole_are_not_compared(ws: Workspace) -> None:
    fill(ws, count=POINTS)
    part = prove(ws, "none", sample=20)
    assert prove(ws, "none", baseline=part).verdict == "inconclusive"
    assert prove(ws, "none", baseline=part, sample=20).verdict == "unchanged"
