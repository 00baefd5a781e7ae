"""Restarting the engine itself, and looking what becomes of our container."""

import shlex
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError, EngineUnavailable, NotFound
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import duration
from qdrant_admin.server.docker.engine import PING_SECONDS, Engine
from qdrant_admin.server.docker.engine_command import Command, run
from qdrant_admin.server.docker.spec import restart_policy
from qdrant_admin.server.docker.state import process_state

if TYPE_CHECKING:
    from docker import APIClient

STEP = "engine"
ENGINE_SECONDS = 180
"""A virtual machine has to boot."""
COMES_BACK_SECONDS = 5.0
"""How much later than the engine a container may be back; the engine starts them before or just after it answers."""
_LOOK_SECONDS = 0.2
_COMES_BACK = {"always", "unless-stopped"}


def others_running(api: "APIClient", own: str) -> tuple[str, ...]:
    """Names of all running containers but our own."""
    return tuple(sorted(str(one["Names"][0]).lstrip("/") for one in api.containers() if one["Id"] != own))


def restart_engine(engine: Engine, commands: Sequence[Command], before: Mapping[str, Any], name: str) -> Events:
    """Restart the engine, wait until it answers, and wait until the container runs again: by its restart policy, or
    else because we start it. What belongs to others is only named when it did not come back.

    Args:
        engine: which one.
        commands: that restart it.
        before: what the engine said of our container.
        name: of our container.

    Raises:
        EngineUnavailable: it could not be restarted, or does not answer afterwards.
        NotFound: the container is gone.
    """
    yield StepStarted(step=STEP, title=f"restarting {engine.product} ({'; '.join(map(' '.join, commands))})")
    begun = time.monotonic()
    others = _others(engine, before)
    run(commands)
    yield from _wait_for(engine, begun)
    yield StepFinished(step=STEP, detail=f"it answers again after {duration(time.monotonic() - begun)}")
    yield StepStarted(step="start", title=f"waiting for {name} to come back")
    yield from _back_again(engine, before, _settled(engine, before, name), name)
    gone = sorted(others - _others(engine, before))
    if gone:
        text = f"did not come back with the engine, and were left alone: {', '.join(gone)}"
        yield Notice(level="warning", text=text, fix=f"docker start {shlex.join(gone)}")


def _others(engine: Engine, own: Mapping[str, Any]) -> set[str]:
    with engine.client("look at what else runs") as api:
        return set(others_running(api, own["Id"]))


def _back_again(engine: Engine, before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Events:
    if process_state(after) in {"running", "restarting"}:
        lived = after["State"].get("StartedAt") == before["State"].get("StartedAt")
        policy = restart_policy(after)
        told = "it went on all the while (live restore)" if lived else f"it came back by itself (policy {policy})"
        yield StepFinished(step="start", detail=told)
        return
    with engine.client(f"start container {name}") as api:
        api.start(after["Id"])
    yield StepFinished(step="start", detail="it stayed down, and was started")
    if _expected(before):
        yield Notice(
            level="warning",
            text=f"{name} did not come back with the engine, though its restart policy is {restart_policy(before)}: "
            "after an engine that was killed, Docker takes `unless-stopped` for stopped. Only `always` comes back then",
            fix="qdrant-admin up --restart-policy always --apply",
        )


def _wait_for(engine: Engine, begun: float) -> Events:
    patience = CancelToken()
    while True:
        try:
            with engine.client("wait for the engine", PING_SECONDS) as api:
                api.ping()
                return
        except AdminError as error:
            waited = time.monotonic() - begun
            if waited > ENGINE_SECONDS:
                raise EngineUnavailable(
                    f"the engine does not answer {duration(waited)} after it was restarted",
                    why=error.why,
                    fix=error.fix,
                ) from error
            yield Progress(step=STEP, done=int(waited), total=ENGINE_SECONDS, unit="seconds", note="it does not answer")
        patience.wait(_LOOK_SECONDS)


def _expected(before: Mapping[str, Any]) -> bool:
    """Whether its policy promises that it comes back."""
    return process_state(before) == "running" and restart_policy(before) in _COMES_BACK


def _settled(engine: Engine, before: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The container once it runs, or once it is clear that it will not by itself."""
    import docker.errors

    patience, begun = CancelToken(), time.monotonic()
    while True:
        with engine.client(f"look at container {name}") as api:
            try:
                found: dict[str, Any] = api.inspect_container(before["Id"])
            except docker.errors.NotFound as error:
                raise NotFound(
                    f"container {name} is gone since the engine was restarted", fix="docker ps -a"
                ) from error
        waited_enough = not _expected(before) or time.monotonic() - begun > COMES_BACK_SECONDS
        if process_state(found) in {"running", "restarting"} or waited_enough:
            return found
        patience.wait(_LOOK_SECONDS)
