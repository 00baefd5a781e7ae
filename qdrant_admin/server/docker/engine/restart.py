"""Restarting the engine itself: by which command, and what becomes of our container."""

import functools
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AccessDenied, AdminError, EngineUnavailable, NotFound, Unsupported
from qdrant_admin.core.events import Events, Notice, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import duration, plain
from qdrant_admin.server.docker.answers import Inspected
from qdrant_admin.server.docker.container.inspection import process_state
from qdrant_admin.server.docker.container.spec import restart_policy
from qdrant_admin.server.docker.engine.discovery import PING_SECONDS, Engine
from qdrant_admin.server.docker.engine.errors import existing

Argv = tuple[str, ...]
STEP = "engine"
ENGINE_SECONDS = 180
"""A virtual machine has to boot."""
COMES_BACK_SECONDS = 5.0
"""How much later than the engine a container may be back; the engine starts them before or just after it answers."""
_LOOK_SECONDS = 0.2
_COMES_BACK = {"always", "unless-stopped"}
RUN_SECONDS = 300
"""A virtual machine that is stopped and started takes a minute or two."""
_SYSTEM_SOCKETS = {"/var/run/docker.sock", "/run/docker.sock"}
_SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd runs."""


def commands_for(engine: Engine, settings: Settings) -> tuple[Argv, ...]:
    """The commands that restart this engine, one after the other. None of them ever asks for a password.

    The profile's own `engine_restart` wins over everything. `Unsupported` when it cannot be done from here.
    """
    if asked := settings.profile.engine_restart:
        return (asked,)
    if not engine.local:
        raise _unsupported(engine, settings, f"it runs on another machine ({engine.address})")
    path = engine.address.removeprefix("unix://")
    if engine.product.startswith("Docker Desktop"):
        return (("docker", "desktop", "restart"),)
    if engine.product.startswith("Colima"):
        folder = Path(path).parent
        profile = folder.name if folder.parent.name == ".colima" else "default"
        return (("colima", "restart", "--profile", profile),)
    if engine.product.startswith("Podman"):  # only its virtual machine can be restarted
        if sys.platform == "linux" and "machine" not in engine.address:
            why = "Podman has no daemon here: its containers run on whatever becomes of its service"
            raise _unsupported(engine, settings, why)
        return (("podman", "machine", "stop"), ("podman", "machine", "start"))
    if engine.product.startswith("Docker Engine") and sys.platform == "linux":
        return (_service(engine, settings, path),)
    raise _unsupported(engine, settings, "no command is known that restarts this kind of engine")


def run(commands: Sequence[Argv]) -> None:
    """Run them; nothing is ever asked on the terminal."""
    for command in commands:
        words = " ".join(command)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=RUN_SECONDS
            )
        except FileNotFoundError as error:
            raise Unsupported(
                f"the engine cannot be restarted: there is no program {command[0]}",
                why=f"it was to be restarted by `{words}`",
                fix=Command("config", "show"),
            ) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnavailable(f"the engine could not be restarted by `{words}`", why=str(error)) from error
        if done.returncode:
            said = plain((done.stderr or done.stdout).decode("utf-8", "replace").strip()) or f"code {done.returncode}"
            if command[:2] == ("sudo", "-n"):
                by_hand = " ".join(command).replace("sudo -n", "sudo")
                raise AccessDenied("restarting the engine takes the rights of root", why=said, fix=by_hand)
            raise EngineUnavailable(f"the engine could not be restarted by `{words}`", why=said, fix=words)


def _service(engine: Engine, settings: Settings, path: str) -> Argv:
    if not _SYSTEMD.is_dir() or shutil.which("systemctl") is None:
        why = "it is not a service of systemd here, so nobody is known who would start it again"
        raise _unsupported(engine, settings, why)
    rootless = os.environ.get("XDG_RUNTIME_DIR", "")
    if path.startswith("/run/user/") or (rootless and path == f"{rootless}/docker.sock"):
        return ("systemctl", "--user", "restart", "docker")
    if path not in _SYSTEM_SOCKETS:
        raise _unsupported(engine, settings, f"its socket is not the one of the system's service ({path})")
    restart = ("systemctl", "restart", "docker")
    return restart if os.geteuid() == 0 else ("sudo", "-n", *restart)


def _unsupported(engine: Engine, settings: Settings, why: str) -> Unsupported:
    told = Command("profiles", "set", settings.name, "engine_restart=sudo -n systemctl restart docker")
    return Unsupported(f"{engine.product} cannot be restarted from here", why=why, fix=str(told))


def others_running(engine: Engine, own: str) -> tuple[str, ...]:
    """Names of all running containers but our own."""
    with engine.client("look at what else runs") as api:
        return tuple(sorted(str(one["Names"][0]).lstrip("/") for one in api.containers() if one["Id"] != own))


def restart_engine(engine: Engine, commands: Sequence[Argv], before: Inspected, name: str, profile: str) -> Events:
    """Restart the engine, wait until it answers, and wait until the profile's container runs again: by its restart
    policy, or else because we start it. What belongs to others is only named when it did not come back.

    `EngineUnavailable` when it does not answer afterwards, `NotFound` when the container is gone.
    """
    yield StepStarted(step=STEP, title=f"restarting {engine.product} ({'; '.join(map(' '.join, commands))})")
    begun = time.monotonic()
    others = others_running(engine, before["Id"])
    run(commands)
    yield from _wait_for(engine, begun)
    yield StepFinished(step=STEP, detail=f"it answers again after {duration(time.monotonic() - begun)}")
    yield StepStarted(step="start", title=f"waiting for {name} to come back")
    yield from _back_again(engine, before, _settled(engine, before, name), name, profile)
    if gone := sorted({*others}.difference(others_running(engine, before["Id"]))):
        text = f"did not come back with the engine, and were left alone: {', '.join(gone)}"
        yield Notice(level="warning", text=text, fix=f"docker start {shlex.join(gone)}")


def _back_again(engine: Engine, before: Inspected, after: Inspected, name: str, profile: str) -> Events:
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
            fix=str(Command("up", restart_policy="always", apply=True).on(profile)),
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
                    fix=error.way_out,
                ) from error
            yield Progress(step=STEP, done=int(waited), total=ENGINE_SECONDS, unit="seconds", note="it does not answer")
        patience.wait(_LOOK_SECONDS)


def _expected(before: Inspected) -> bool:
    return process_state(before) == "running" and restart_policy(before) in _COMES_BACK


def _settled(engine: Engine, before: Inspected, name: str) -> Inspected:
    """The container once it runs, or once it is clear that it will not by itself."""
    patience, begun = CancelToken(), time.monotonic()
    while True:
        with engine.client(f"look at container {name}") as api:
            found: Inspected | None = existing(functools.partial(api.inspect_container, before["Id"]))
        if found is None:
            raise NotFound(f"container {name} is gone since the engine was restarted", fix="docker ps -a")
        waited_enough = not _expected(before) or time.monotonic() - begun > COMES_BACK_SECONDS
        if process_state(found) in {"running", "restarting"} or waited_enough:
            return found
        patience.wait(_LOOK_SECONDS)
