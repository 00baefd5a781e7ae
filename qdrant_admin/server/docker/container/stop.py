"""Stopping a container: in order, killed or frozen, and whether one that was started stays up."""

from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import Failed, Refused
from qdrant_admin.core.events import Events, StepFinished, StepStarted
from qdrant_admin.server.decode import explain_exit
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.container.logs_and_stats import last_lines
from qdrant_admin.server.docker.container.spec import STOP_SECONDS
from qdrant_admin.server.docker.container.state import CLEAN, process_state
from qdrant_admin.server.runtime import frozen_for_a_while

if TYPE_CHECKING:
    from docker import APIClient

_PROBATION_SECONDS = 1.5
"""A server that cannot load its data, or write its folder, is gone within a second (measured: 0.1 to 0.4 s)."""
_LOOK_SECONDS = 0.15


def stop(api: "APIClient", attributes: Inspected) -> None:
    """Stop it with the time that Qdrant needs; a paused container would not hear the signal."""
    if attributes["State"].get("Paused"):
        api.unpause(attributes["Id"])
    seconds = max(STOP_SECONDS, int(attributes["Config"].get("StopTimeout") or 0))
    api.stop(attributes["Id"], timeout=seconds)


def check_stays_up(api: "APIClient", container: str) -> None:
    """Refuse a container that ends within the first moments after its start."""
    patience = CancelToken()
    for _ in range(round(_PROBATION_SECONDS / _LOOK_SECONDS)):
        patience.wait(_LOOK_SECONDS)
        seen = api.inspect_container(container)
        if seen["State"].get("Running") and not seen["State"].get("Restarting") and not seen.get("RestartCount"):
            continue
        cause = explain_exit(seen["State"].get("ExitCode"), log=last_lines(api, container))
        raise Failed(
            "the server ended as soon as it was started",
            why=f"{cause.what}: {cause.why}" if cause else "it exited cleanly, without a stop request",
            fix=(cause.fix if cause else "") or Command("logs", tail=50),
        )


def kill(api: "APIClient", found: Inspected, name: str) -> Events:
    """SIGKILL. Docker takes that for the user's wish and starts nothing again: whoever kills, starts."""
    state = process_state(found)
    if state == "stopped":
        return
    yield StepStarted(step="stop", title=f"killing {name}")
    if state == "paused":
        api.unpause(found["Id"])
    api.kill(found["Id"], "SIGKILL")
    code = api.wait(found["Id"], timeout=30)["StatusCode"]
    yield StepFinished(step="stop", detail=f"killed (code {code})")


def freeze(api: "APIClient", found: Inspected, name: str, cancel: CancelToken) -> Events:
    if process_state(found) != "running":
        raise Refused(f"{name} does not run, so it cannot be frozen", fix=Command("up"))
    container = found["Id"]
    yield from frozen_for_a_while(name, lambda: api.pause(container), lambda: api.unpause(container), cancel)


def ended(api: "APIClient", container: str) -> StepFinished:
    """How a stop went, told by the exit code."""
    code = api.inspect_container(container)["State"].get("ExitCode")
    if code in CLEAN:
        return StepFinished(step="stop", detail=f"ended in order (code {code})")
    cause = explain_exit(code, log=last_lines(api, container))
    return StepFinished(step="stop", outcome="warning", detail=cause.what if cause else f"ended with code {code}")
