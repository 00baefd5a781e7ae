"""Which command restarts a container engine: decided by what engine it is, or said by the profile."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AccessDenied, EngineUnavailable, Unsupported
from qdrant_admin.core.text import plain
from qdrant_admin.server.docker.engine import Engine

Command = tuple[str, ...]
RUN_SECONDS = 300
"""A virtual machine that is stopped and started takes a minute or two."""
_SYSTEM_SOCKETS = {"/var/run/docker.sock", "/run/docker.sock"}
_SYSTEMD = Path("/run/systemd/system")
"""Is there where systemd runs."""


def commands_for(engine: Engine, settings: Settings) -> tuple[Command, ...]:
    """The commands that restart this engine, one after the other. None of them ever asks for a password.

    Args:
        engine: the one that is to be restarted.
        settings: of the profile, whose own `engine_restart` wins over everything.

    Raises:
        Unsupported: nobody knows how, or it cannot be done from here.
    """
    asked = settings.profile.engine_restart
    if asked:
        return (asked,)
    try:
        return _known(engine)
    except Unsupported as error:
        told = f'qdrant-admin profiles set {settings.name} engine_restart="sudo -n systemctl restart docker"'
        raise Unsupported(error.what, why=error.why, fix=told) from error


def _known(engine: Engine) -> tuple[Command, ...]:
    if not engine.local:
        raise _unsupported(engine, f"it runs on another machine ({engine.address})")
    path = engine.address.removeprefix("unix://")
    if engine.product.startswith("Docker Desktop"):
        return (("docker", "desktop", "restart"),)
    if engine.product.startswith("Colima"):
        return (("colima", "restart", "--profile", _colima_profile(path)),)
    if engine.product.startswith("Podman"):
        return _podman(engine)
    if engine.product.startswith("Docker Engine") and sys.platform == "linux":
        return (_service(engine, path),)
    raise _unsupported(engine, "no command is known that restarts this kind of engine")


def run(commands: Sequence[Command]) -> None:
    """Run them; nothing is ever asked on the terminal.

    Raises:
        Unsupported: a program is missing.
        AccessDenied: it takes rights that we do not have.
        EngineUnavailable: it failed, or takes too long.
    """
    for command in commands:
        words = " ".join(command)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=RUN_SECONDS
            )
        except FileNotFoundError as error:
            what = f"the engine cannot be restarted: there is no program {command[0]}"
            raise Unsupported(
                what, why=f"it was to be restarted by `{words}`", fix="qdrant-admin config show"
            ) from error
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineUnavailable(f"the engine could not be restarted by `{words}`", why=str(error)) from error
        if done.returncode:
            said = plain((done.stderr or done.stdout).decode("utf-8", "replace").strip()) or f"code {done.returncode}"
            if command[:2] == ("sudo", "-n"):
                by_hand = " ".join(command).replace("sudo -n", "sudo")
                raise AccessDenied("restarting the engine takes the rights of root", why=said, fix=by_hand)
            raise EngineUnavailable(f"the engine could not be restarted by `{words}`", why=said, fix=words)


def _service(engine: Engine, path: str) -> Command:
    """Docker as a service of systemd, of the system or of one user."""
    if not _SYSTEMD.is_dir() or shutil.which("systemctl") is None:
        raise _unsupported(engine, "it is no service of systemd here, so nobody is known who would start it again")
    rootless = os.environ.get("XDG_RUNTIME_DIR", "")
    if path.startswith("/run/user/") or (rootless and path == f"{rootless}/docker.sock"):
        return ("systemctl", "--user", "restart", "docker")
    if path not in _SYSTEM_SOCKETS:
        raise _unsupported(engine, f"its socket is not the one of the system's service ({path})")
    restart = ("systemctl", "restart", "docker")
    return restart if os.geteuid() == 0 else ("sudo", "-n", *restart)


def _podman(engine: Engine) -> tuple[Command, ...]:
    """Only its virtual machine can be restarted: on Linux it has no daemon on which containers depend."""
    if sys.platform == "linux" and "machine" not in engine.address:
        raise _unsupported(engine, "Podman has no daemon here: its containers run on whatever becomes of its service")
    return (("podman", "machine", "stop"), ("podman", "machine", "start"))


def _colima_profile(path: str) -> str:
    """`.colima/NAME/docker.sock`."""
    folder = Path(path).parent
    return folder.name if folder.parent.name == ".colima" else "default"


def _unsupported(engine: Engine, why: str) -> Unsupported:
    return Unsupported(f"{engine.product} cannot be restarted from here", why=why)
