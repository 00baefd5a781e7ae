"""A server that loads cannot be asked: its log tells at which collection it is, earlier starts how long it takes."""

from datetime import UTC, datetime

import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import ServerNotReady
from qdrant_admin.core.events import Event, Events, Progress, StepFinished, StepStarted
from qdrant_admin.lifecycle import ready
from qdrant_admin.lifecycle.ready import LoadWatch, wait_ready
from qdrant_admin.server.health import wait_answering
from qdrant_admin.server.loading import loads
from qdrant_admin.server.native.runtime import NativeRuntime
from qdrant_admin.state import history
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import drain, fill

LOG = """
Version: 1.16.3, build: bd49f45a
2026-11-21T13:40:17.861824Z  INFO storage::content_manager::consensus::persistent: Loading raft state from /q/raft.json
2026-11-21T13:40:17.863332Z  INFO storage::content_manager::toc: Loading collection: beta
2026-11-21T13:40:17.974150Z  INFO collection::shards::local_shard: Recovering shard /q/collections/beta/0: 0/11 (0%)
2026-11-21T13:40:18.171403Z  INFO collection::shards::local_shard: Recovered collection beta: 11/11 (100%)
\x1b[2m2026-11-21T13:40:18.171555Z\x1b[0m \x1b[32m INFO\x1b[0m storage::content_manager::toc: Loading collection: [/oo]
2026-11-21T13:40:18.296071Z  INFO collection::shards::local_shard: Recovering shard /q/collections/x/0: 4/20 (20%)
""".strip().splitlines()
SERVES = "2026-11-21T13:40:18.653793Z  INFO qdrant: Distributed mode disabled"


def test_the_log_tells_what_is_loaded_and_what_is_being_loaded() -> None:
    beta, other = loads(LOG, None)
    assert (beta.collection, beta.done, beta.total) == ("beta", 11, 11)
    assert beta.seconds == pytest.approx(0.308, abs=0.001)
    assert (other.collection, other.done, other.total, other.seconds) == ("[/oo]", 4, 20, None)
    assert loads([*LOG, SERVES], None)[1].seconds == pytest.approx(0.482, abs=0.001)
    assert loads([*LOG, SERVES, *LOG[:3]], None) == (beta.model_copy(update={"ended": None, "done": 0, "total": None}),)
    assert loads(LOG, datetime(2026, 11, 21, 13, 40, 18, tzinfo=UTC)) == (other,), (
        "those of an earlier start are not told"
    )


def too_early(ws: Workspace) -> Events:
    """Of a server that answers at the first look nothing is told."""
    yield Progress(step="answer", done=0, total=120, unit="seconds", note="REST does not answer yet")
    yield from wait_answering(ws.runtime, CancelToken(), 120)


def watched_restart(ws: Workspace) -> tuple[list[Event], LoadWatch]:
    drain(ws.runtime.restart("kill", CancelToken()))
    watch = LoadWatch(ws)
    return list(watch.over(too_early(ws))), watch


@pytest.mark.server
def test_every_collection_is_told_with_its_time_and_from_the_second_start_on_with_a_forecast(ws: Workspace) -> None:
    fill(ws, "memories")
    fill(ws, "other")
    events, watch = watched_restart(ws)
    told = {
        event.item: event for event in events if isinstance(event, Progress) and event.step == "load" and event.item
    }
    assert set(told) == {"memories", "other"}
    assert all(event.done == event.total and event.note.startswith("loaded in") for event in told.values())
    assert [event.step for event in events if isinstance(event, StepStarted)].count("load") == 1
    watch.remember()
    usual = history.usual_start_seconds(ws.store, ws.settings.name)
    assert set(usual) == {"", "memories", "other"}
    assert all(seconds > 0 for seconds in usual.values())
    again, _ = watched_restart(ws)
    assert any("usually ready after" in event.note for event in again if isinstance(event, Progress))
    ready = drain(wait_ready(ws, cancel=CancelToken()))
    ended = next(event for event in ready if isinstance(event, StepFinished) and event.step == "load")
    assert ended.detail.startswith("2 collections readable")


@pytest.mark.server
def test_a_long_wait_names_the_collection_that_it_is_for(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in log: no collection of a test takes that long."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
    log = [
        f"{now}  INFO storage::content_manager::toc: Loading collection: large",
        f"{now}  INFO collection::shards::local_shard: Recovering shard /q/collections/large/0: 3/10 (30%)",
    ]
    monkeypatch.setattr(NativeRuntime, "logs", lambda *_, **__: iter([log]))
    monkeypatch.setattr(ready, "LOOK_EVERY_SECONDS", 0.0)
    history.remember_start(ws.store, ws.settings.name, {"large": 60.0, history.WHOLE_SERVER: 90.0})

    def wait() -> Events:
        yield Progress(step="answer", done=9, total=120, unit="seconds", note="REST does not answer yet")
        raise ServerNotReady("the server was not ready within 120 s", why="REST does not answer yet", fix="look")

    events: list[Event] = []
    with pytest.raises(ServerNotReady, match="it was loading collection large"):
        events.extend(LoadWatch(ws).over(wait()))
    large = next(event for event in events if isinstance(event, Progress) and event.item == "large")
    assert (large.done, large.total, large.note) == (3, 10, "usually loaded after 1 min 00 s")
    assert large.seconds_left is not None
    assert 0 < large.seconds_left <= 60
    whole = next(event for event in events if isinstance(event, Progress) and event.step == "answer")
    assert whole.note.startswith("loading collection large, usually ready after ")


def test_the_forecast_forgets_what_is_long_ago_and_collections_that_are_gone(shared_workspace: Workspace) -> None:
    for seconds in (100.0, *[1.0] * 10):
        history.remember_start(shared_workspace.store, "elsewhere", {"memories": seconds})
    assert history.usual_start_seconds(shared_workspace.store, "elsewhere") == {"memories": 1.0}
    assert history.usual_start_seconds(shared_workspace.store, "nowhere") == {}
    history.remember_start(shared_workspace.store, "elsewhere", {"notes": 2.0})
    assert history.usual_start_seconds(shared_workspace.store, "elsewhere") == {"notes": 2.0}
