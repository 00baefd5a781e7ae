"""Ways in which a container's processes are halted, apart from an orderly stop."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Refused
from qdrant_admin.core.events import Events, StepFinished, StepStarted
from qdrant_admin.core.formatting import duration
from qdrant_admin.server.decode import decode_exit
from qdrant_admin.server.docker import watch
from qdrant_admin.server.docker.state import CLEAN, process_state
from qdrant_admin.server.runtime import FROZEN_SECONDS

if TYPE_CHECKING:
    from docker import APIClient


def kill(api: "APIClient", found: Mapping[str, Any], name: str) -> Events:
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


def freeze(api: "APIClient", found: Mapping[str, Any], name: str, cancel: CancelToken) -> Events:
    """Freeze all processes and thaw them again, whatever happens in between.

    Raises:
        Refused: it does not run.
    """
    if process_state(found) != "running":
        raise Refused(f"{name} does not run, so it cannot be frozen", fix="qdrant-admin up")
    yield StepStarted(step="restart", title=f"freezing {name} for {duration(FROZEN_SECONDS)}")
    api.pause(found["Id"])
    try:
        cancel.wait(FROZEN_SECONDS)
    finally:
        api.unpause(found["Id"])
    yield StepFinished(step="restart", detail="it goes on")


def ended(api: "APIClient", container: str) -> StepFinished:
    """How a stop went, told by the exit code."""
    code = api.inspect_container(container)["State"].get("ExitCode")
    if code in CLEAN:
        return StepFinished(step="stop", detail=f"ended in order (code {code})")
    cause = decode_exit(code, log=watch.last_lines(api, container))
    return StepFinished(step="stop", outcome="warning", detail=cause.what if cause else f"ended with code {code}")
