"""Where the native Qdrant binary comes from: the profile, PATH, our cache, or a download that is checked."""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from qdrant_admin.config.places import cache_dir
from qdrant_admin.config.profile import DEFAULT_IMAGE
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BinaryUnavailable
from qdrant_admin.core.events import Event, Notice, StepFinished, StepStarted
from qdrant_admin.server.native.download import Origins, fetch

_VERSION = re.compile(r"(\d+\.\d+\.\d+)")
_VERSION_SECONDS = 20.0
STEP = "binary"


@dataclass(frozen=True)
class Binary:
    """A server binary that has told its version."""

    path: Path
    version: str
    where: str
    """How it was found, in words: `on PATH`, `our cache`."""


def wanted_version(settings: Settings) -> str:
    """The version of the profile's image, so that both runtimes run the same; our default for another image."""
    for image in (settings.profile.image, DEFAULT_IMAGE):
        tag = image.rpartition("/")[2].partition(":")[2].partition("@")[0]
        match = re.fullmatch(r"v?(\d+\.\d+\.\d+)", tag)
        if match:
            return match[1]
    raise AssertionError(DEFAULT_IMAGE)


def find_local(settings: Settings) -> tuple[Binary | None, tuple[str, ...]]:
    """A binary that is here already, and why others that are here were passed over. Downloads nothing."""
    wanted = wanted_version(settings)
    if settings.profile.binary is not None:
        path = settings.profile.binary.expanduser().absolute()
        version = version_of(path)
        if version is None:
            raise BinaryUnavailable(
                f"{path} is not a Qdrant server that runs here",
                why=f"`--version` did not work; it was named by {settings.origins.get('binary', 'the profile')}",
                fix=f'"{path}" --version',
            )
        return Binary(path, version, f"named by {settings.origins.get('binary', 'the profile')}"), ()
    passed_over: tuple[str, ...] = ()
    on_path = shutil.which("qdrant")
    if on_path:
        version = version_of(Path(on_path))
        if version == wanted:
            return Binary(Path(on_path).absolute(), version, "on PATH"), ()
        # Another version could raise the data to a form that the wanted one cannot read any more.
        passed_over = (f"{on_path} is {version or 'no Qdrant'}, and the profile asks for {wanted}",)
    cached = cached_path(wanted)
    if _is_intact(cached):
        return Binary(cached, wanted, "from our cache"), passed_over
    return None, passed_over


def local_binary(settings: Settings) -> Path | None:
    """The binary that a start would take without fetching anything; None when there is none."""
    try:
        found, _ = find_local(settings)
    except BinaryUnavailable:
        return None
    return found.path if found else None


def find_binary(
    settings: Settings, cancel: CancelToken, origins: Origins | None = None
) -> Generator[Event, None, Binary]:
    """The binary to run, downloaded when there is none here."""
    found, passed_over = find_local(settings)
    for text in passed_over:
        yield Notice(text=text)
    wanted = wanted_version(settings)
    if found is not None:
        if found.version != wanted:
            yield Notice(
                level="warning", text=f"{found.path} is Qdrant {found.version}, and the profile asks for {wanted}"
            )
        return found
    yield StepStarted(step=STEP, title=f"fetching the server binary of Qdrant {wanted}")
    target = cached_path(wanted)
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched = yield from fetch(wanted, target.parent, cancel, origins or Origins())
    try:
        version = version_of(fetched.path)
        if version != wanted:
            raise BinaryUnavailable(
                "the downloaded binary was refused",
                why=f"its `--version` says {version or 'nothing'}, expected {wanted}",
                fix=Command("up", runtime="docker"),
            )
        _seal(fetched.path, target, fetched.origin)
    finally:
        fetched.path.unlink(missing_ok=True)
    yield StepFinished(step=STEP, detail=f"Qdrant {wanted} from {fetched.origin}")
    return Binary(target, wanted, f"from {fetched.origin}")


def version_of(path: Path) -> str | None:
    """What a binary says of itself; None when it does not run here, or is no Qdrant."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QDRANT_")}
    try:
        answer = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return match[1] if match and answer.returncode == 0 and answer.stdout.lower().startswith("qdrant") else None


def cached_path(version: str) -> Path:
    """Where a downloaded binary of that version lies."""
    name = "qdrant.exe" if sys.platform == "win32" else "qdrant"
    return cache_dir() / "qdrant" / f"v{version}-{platform.machine().lower()}" / name


def _seal(fetched: Path, target: Path, origin: str) -> None:
    """Put the binary in place as a whole, with its digest beside it."""
    seal = target.with_suffix(".json")
    seal.write_text(json.dumps({"sha256": digest_of(fetched), "origin": origin}), encoding="utf-8")
    fetched.replace(target)


def _is_intact(path: Path) -> bool:
    try:
        sealed = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
        return bool(digest_of(path) == sealed)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
