"""A success whose answer has another form than expected is a fault of the server, never one of ours and no verdict."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Finished
from qdrant_admin.persistence import verify as verify_module
from qdrant_admin.persistence.reports import VerifyOptions
from qdrant_admin.persistence.verify import verify
from qdrant_admin.persistence.writers import read_counters
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import fill
from tests.support.answering import Answered, Asked, in_front_of
from tests.support.real import Server

pytestmark = pytest.mark.server

COLLECTION = "/collections/memories"
PATHS = ("/collections", "/aliases", "/telemetry", "/cluster", COLLECTION)
POSTED = (
    f"{COLLECTION}/points/scroll",
    f"{COLLECTION}/points/count",
    f"{COLLECTION}/points/query/batch",
    f"{COLLECTION}/facet",
)
FORMS: tuple[object, ...] = (None, [{}], {"collections": [{}], "points": [{}], "aliases": [{}]})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("forms")).start()
    yield server
    server.kill()


@contextmanager
def behind(real: Server, folder: Path, broken: dict[str, object]) -> Iterator[Workspace]:
    """A profile of that server; what it answers to the paths that are `broken` is replaced."""

    def answer(asked: Asked, answered: Answered) -> Answered:
        if asked.path not in broken or not 200 <= answered.status < 300:
            return answered
        return Answered(json.loads(answered.content) | {"result": broken[asked.path]})

    with in_front_of(real.url, answer) as address:
        profile = Profile(runtime="remote", url=f"http://{address}")
        yield Workspace(Settings(name="forms", profile=profile), StateStore(folder / "state.sqlite3"))


def word(ws: Workspace) -> str:
    """The verdict of a look; for an error its exit code."""
    try:
        *_, last = verify(ws, VerifyOptions(how="none"), cancel=CancelToken())
    except AdminError as error:
        return error.exit_code.name
    assert isinstance(last, Finished)
    return last.report.verdict_word


def test_no_form_of_an_answer_ends_in_a_fault_of_ours_or_in_a_verdict(
    real: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_module, "WATCH_SECONDS", 0.0)
    broken: dict[str, object] = {}
    with behind(real, tmp_path, broken) as ws:
        fill(ws)
        assert word(ws) == "unchanged"
        for path in (*PATHS, *POSTED):
            for form in FORMS:
                broken.clear()
                broken[path] = form
                found = word(ws)
                harmless = path in {"/telemetry", "/cluster"} or path.endswith(("query/batch", "facet"))
                allowed = {"UNFIT", "inconclusive"} | ({"unchanged"} if harmless else set())
                assert found in allowed, (path, form, found)


def test_counters_that_are_not_told_are_not_counters_of_nothing(real: Server, tmp_path: Path) -> None:
    nothing: dict[str, object] = {"responses": {}}
    uncounted = {"responses": {"PUT /collections/{name}/points": {"200": {"count": None}}}}
    telemetry: dict[str, object] = {}
    with behind(real, tmp_path, {"/telemetry": telemetry}) as ws, ws.database() as database:
        for rest, grpc in ((None, nothing), ({}, nothing), (nothing, None), (nothing, {}), (uncounted, nothing)):
            telemetry["requests"] = {"rest": rest, "grpc": grpc}
            assert read_counters(database) is None, telemetry
        telemetry["requests"] = {}
        assert read_counters(database) is None
        telemetry["requests"] = {"rest": nothing, "grpc": nothing}
        assert read_counters(database) == {}
