"""A collection that is listed and cannot be read is named, in both looks; it is never left out of a verdict.

A proxy before the real server answers for it: a file that is damaged, a key that does not open it, a broken build.
"""

import json
from collections.abc import Iterator

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.blocks import Table
from qdrant_admin.core.errors import AccessDenied
from qdrant_admin.lifecycle.status import status
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill, prove
from tests.support.answering import Answered, Asked, in_front_of
from tests.support.real import Server

pytestmark = pytest.mark.server


class Proxy:
    """Changes what is answered to requests whose path ends like this."""

    def __init__(self) -> None:
        self.path, self.answer = "", Answered(b"")

    def said(self, asked: Asked, answered: Answered) -> Answered:
        return self.answer if self.path and asked.path.endswith(self.path) else answered


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Proxy]]:
    folder, proxy = tmp_path_factory.mktemp("behind"), Proxy()
    server = Server(folder / "server").start()
    with in_front_of(server.url, proxy.said) as address:
        profile = Profile(runtime="remote", url=f"http://{address}")
        ws = Workspace(Settings(name="proof", profile=profile), StateStore(folder / "state.sqlite3"))
        fill(ws)
        fill(ws, "other")
        yield ws, proxy
    server.kill()


@pytest.fixture
def proxied(behind: tuple[Workspace, Proxy], monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, Proxy]:
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    behind[1].path = ""
    return behind


def said(status: int) -> Answered:
    return Answered({"status": {"error": "no luck"}, "time": 0}, status)


ANSWERS = {
    "404": said(404),
    "403": said(403),
    "500": said(500),
    "nonsense": Answered({"result": {"config": 7, "status": []}}),
    "no JSON": Answered(b"<html>"),
}


@pytest.mark.parametrize("path", ["/collections/other", "/collections/other/points/count"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_it_is_named_and_makes_the_whole_inconclusive(proxied: tuple[Workspace, Proxy], answer: str, path: str) -> None:
    ws, proxy = proxied
    proxy.path, proxy.answer = path, ANSWERS[answer]
    report = prove(ws)
    assert (report.verdict, report.exit_code) == ("inconclusive", 1)
    assert {check.name: check.verdict for check in report.collections} == {"memories": "same", "other": "inconclusive"}
    assert [one.code for one in report.collections[1].settings] == ["unreadable_before"]
    assert "other" in report.reason
    (table,) = [one for one in report.blocks() if isinstance(one, Table)]
    assert [row[0] for row in table.rows] == ["memories", "other"]


@pytest.mark.parametrize("answer", ["404", "500", "nonsense", "no JSON"])
def test_a_status_lists_it_and_never_calls_it_gone(proxied: tuple[Workspace, Proxy], answer: str) -> None:
    ws, proxy = proxied
    assert status(ws).state == "healthy"
    proxy.path, proxy.answer = "/collections/other", ANSWERS[answer]
    report = status(ws)
    assert (report.collections, report.exit_code) == (2, 1)
    assert [(one.code, one.subject) for one in report.findings if one.level == "fail"] == [
        ("collection_unreadable", "other")
    ]


def test_it_is_named_when_it_is_so_in_the_second_look_alone(proxied: tuple[Workspace, Proxy]) -> None:
    ws, proxy = proxied
    proxy.answer = said(403)

    def shut(_: object) -> None:
        proxy.path = "/collections/other"

    report = prove(ws, mutate=shut)
    assert report.verdict == "inconclusive"
    assert report.collections[1].told[0].startswith("can no longer be read")


def test_a_key_that_opens_nothing_any_more_is_an_error_and_no_verdict(proxied: tuple[Workspace, Proxy]) -> None:
    ws, proxy = proxied
    proxy.path, proxy.answer = "/collections", said(403)
    with pytest.raises(AccessDenied):
        prove(ws)


def test_fewer_points_than_the_server_counts_prove_nothing(proxied: tuple[Workspace, Proxy]) -> None:
    """Also where it is so in both looks."""
    ws, proxy = proxied
    proxy.path = "/collections/other/points/count"
    proxy.answer = Answered(json.dumps({"result": {"count": 40}, "status": "ok", "time": 0}).encode())
    report = prove(ws)
    assert report.verdict == "inconclusive"
    assert "other: the server counts 40 points and gives 20" in report.reason
