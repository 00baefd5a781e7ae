"""Real containers for these tests, removed whatever happens."""

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import docker
import docker.errors
import httpx
import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AdminError
from qdrant_admin.core.events import Events
from qdrant_admin.core.values import SecretStr
from qdrant_admin.server.docker.container.spec import LABEL_INSTALLATION, LABEL_MANAGED, LABEL_PROFILE
from qdrant_admin.server.docker.engine.discovery import Engine, find_engine
from qdrant_admin.server.docker.runtime import DockerRuntime
from qdrant_admin.state.installation import installation
from tests.support.real import IMAGE, free_port, missing


@pytest.fixture(scope="session")
def engine_found() -> Engine:
    """The engine of this machine."""
    try:
        return find_engine()
    except AdminError as error:
        missing(f"no Docker engine: {error.why}")
        raise


@pytest.fixture
def engine(engine_found: Engine, isolated_home: object) -> Engine:
    """The engine, in an isolated home."""
    return engine_found


@pytest.fixture
def api(engine: Engine) -> Iterator[docker.APIClient]:
    """The engine itself, with nothing of the product in between."""
    with docker.APIClient(engine.address, version="auto") as client:
        yield client


def run(events: Events) -> list[Any]:
    """All events of an operation."""
    return list(events)


@dataclass
class Bench:
    """One profile of its own, with names that nobody else uses."""

    engine: Engine
    api: docker.APIClient
    mark: str = field(default_factory=lambda: f"qa-test-{uuid.uuid4().hex[:10]}")
    anonymous: list[str] = field(default_factory=list)
    """Volumes without our name that have to go as well."""
    ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))

    def settings(self, *, key: str | None = None, **profile: Any) -> Settings:
        """Settings of this profile, changed as asked."""
        rest, grpc = self.ports
        values = {"image": IMAGE, "port": rest, "grpc_port": grpc, "container": self.mark} | profile
        if "storage" not in values:
            values.setdefault("volume", self.mark)
        return Settings(
            name=self.mark, profile=Profile.model_validate(values), api_key=SecretStr(key) if key is not None else None
        )

    @property
    def labels(self) -> dict[str, str]:
        """Of a container of ours."""
        return {LABEL_MANAGED: "true", LABEL_PROFILE: self.mark, LABEL_INSTALLATION: installation()}

    def runtime(self, **profile: Any) -> DockerRuntime:
        """The runtime of this profile."""
        return DockerRuntime(self.settings(**profile), self.engine)

    def started(self, **profile: Any) -> DockerRuntime:
        """The same, started and ready."""
        runtime = self.runtime(**profile)
        run(runtime.start(CancelToken()))
        self.wait_ready(profile.get("key"))
        return runtime

    def wait_ready(self, key: str | None = None) -> None:
        """Wait until the server answers."""
        self.until(lambda: self.get("/readyz", key).status_code == 200)

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it is so."""
        token = CancelToken()
        for _ in range(round(seconds / 0.05)):
            try:
                if true():
                    return
            except httpx.HTTPError:
                pass
            token.wait(0.05)
        pytest.fail("it did not become so in time")

    def get(self, path: str, key: str | None = None) -> httpx.Response:
        """Ask the server."""
        return httpx.get(f"http://127.0.0.1:{self.ports[0]}{path}", headers={"api-key": key} if key else {})

    def remember(self, name: str = "proof") -> None:
        """Make a collection, to be found again."""
        self.wait_ready()
        url = f"http://127.0.0.1:{self.ports[0]}/collections/{name}"
        httpx.put(url, json={"vectors": {"size": 2, "distance": "Dot"}}, timeout=30).raise_for_status()

    def names(self) -> list[str]:
        """The collections that are there."""
        self.wait_ready()
        return [entry["name"] for entry in self.get("/collections").json()["result"]["collections"]]

    def foreign(self, suffix: str = "", *, start: bool = False, **body: Any) -> str:
        """A container that somebody else has made."""
        name = self.mark + suffix
        self.api.create_container_from_config({"Image": IMAGE, **body}, name)
        if start:
            self.api.start(name)
        return name

    def until_it_listens(self, *, starts: int = 1) -> None:
        """Wait until a container without a port of ours serves: before that it hears no SIGTERM, and stops late."""
        self.until(lambda: self.api.logs(self.mark).count(b"Qdrant HTTP listening") == starts)

    def attributes(self) -> dict[str, Any]:
        """What the engine says of the profile's container."""
        found: dict[str, Any] = self.api.inspect_container(self.mark)
        return found

    def clean(self) -> None:
        """Remove all that bears our name."""
        for container in self.api.containers(all=True):
            if any(self.mark in name for name in container["Names"]):
                self.api.remove_container(container["Id"], force=True, v=True)
        for volume in self.api.volumes()["Volumes"] or ():
            if self.mark in volume["Name"] or volume["Name"] in self.anonymous:
                self.api.remove_volume(volume["Name"], force=True)


@pytest.fixture
def bench(engine: Engine, api: docker.APIClient) -> Iterator[Bench]:
    """A profile of this test alone."""
    made = Bench(engine, api)
    yield made
    made.clean()


@pytest.fixture(scope="session")
def registry() -> str:
    """Address of a real registry that holds the image."""
    address = os.environ.get("QDRANT_ADMIN_TEST_REGISTRY", "127.0.0.1:5055")
    try:
        httpx.get(f"http://{address}/v2/", timeout=3).raise_for_status()
    except httpx.HTTPError:
        missing(f"no registry at {address}")
    return address
