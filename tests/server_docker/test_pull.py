"""Pulling from a real registry."""

import contextlib
import io
import os
import tarfile
import uuid
from collections.abc import Iterator

import docker
import docker.errors
import pytest

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Cancelled, ImageUnavailable
from qdrant_admin.core.events import Progress, StepFinished
from qdrant_admin.server.docker.engine.discovery import Engine
from qdrant_admin.server.docker.engine.pull import Layers, has_image, pull, unavailable
from tests.server_docker.conftest import run
from tests.support.real import IMAGE


@pytest.fixture
def image(registry: str, api: docker.APIClient) -> Iterator[str]:
    """An image that lies in the registry and not in the engine."""
    name = f"{registry}/{IMAGE}"
    forget(api, name)
    yield name
    forget(api, name)


def forget(api: docker.APIClient, name: str) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        api.remove_image(name)


@pytest.fixture
def fresh_image(registry: str, api: docker.APIClient) -> Iterator[str]:
    """An image of 16 MiB of which the engine holds no layer."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("noise")
        entry.size = 16 * 2**20
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    name = f"{registry}/qa-test-{uuid.uuid4().hex[:10]}"
    api.import_image_from_data(packed.getvalue(), repository=name, tag="v1")
    pushed = [line for line in api.push(name, tag="v1", stream=True, decode=True) if "error" in line]
    assert pushed == []
    forget(api, f"{name}:v1")
    yield f"{name}:v1"
    forget(api, f"{name}:v1")


@pytest.mark.docker
def test_pull_tells_how_far_it_is(engine: Engine, fresh_image: str) -> None:
    assert not has_image(engine, fresh_image)
    events = run(pull(engine, fresh_image, CancelToken()))
    assert has_image(engine, fresh_image)
    assert isinstance(events[-1], StepFinished)
    assert events[-1].detail == "1 layer, 16 MiB"
    progress = [event for event in events if isinstance(event, Progress)]
    assert {event.unit for event in progress} == {"bytes"}
    assert all(event.total is None or event.done <= event.total for event in progress)
    layers = [event for event in progress if event.item]
    assert layers
    assert layers[-1].done == layers[-1].total
    assert layers[-1].total is not None
    assert layers[-1].total >= 16 * 2**20
    whole = [event.done for event in progress if not event.item]
    assert whole == sorted(whole)
    assert whole[-1] == layers[-1].done


def test_a_layer_that_came_at_once_is_told_to_its_end() -> None:
    layers = Layers()
    told: list[Progress] = []
    for status, current in (("Downloading", 10), ("Downloading", 500), ("Download complete", None)):
        detail = {} if current is None else {"current": current, "total": 500}
        told += layers.take({"id": "3c108cb35585", "status": status, "progressDetail": detail})
    assert [(one.done, one.total) for one in told[-2:]] == [(500, 500), (500, 500)]
    assert {one.item for one in told[-2:]} == {"3c108cb35585", ""}


@pytest.mark.docker
def test_layers_that_are_here_are_not_fetched_again(engine: Engine, image: str) -> None:
    assert not has_image(engine, image)
    events = run(pull(engine, image, CancelToken()))
    assert has_image(engine, image)
    assert events[-1].detail == "every layer was here already"


@pytest.mark.docker
def test_unknown_tag(engine: Engine, registry: str) -> None:
    with pytest.raises(ImageUnavailable) as missing:
        run(pull(engine, f"{registry}/qdrant/qdrant:v0.0.1", CancelToken()))
    assert "no such version" in missing.value.why


@pytest.mark.docker
def test_registry_gone(engine: Engine) -> None:
    with pytest.raises(ImageUnavailable) as missing:
        run(pull(engine, "127.0.0.1:1/qdrant/qdrant:v1.16.3", CancelToken()))
    assert "cannot be reached" in missing.value.why


@pytest.mark.docker
def test_cancel_before_anything_is_fetched(engine: Engine, fresh_image: str) -> None:
    token = CancelToken()
    events = pull(engine, fresh_image, token)
    next(events)
    token.cancel()
    with pytest.raises(Cancelled):
        run(events)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("pull access denied for x, repository does not exist or may require 'docker login'", "login"),
        ("toomanyrequests: You have reached your pull rate limit", "no more downloads"),
        ("no matching manifest for linux/arm/v7 in the manifest list entries", "processor"),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk is full"),
        ("Get https://r/v2/: dial tcp: lookup r: no such host", "offline"),
        ("failed to resolve reference r/x:v9: r/x:v9: not found", "no such version"),
        ("a riddle", "could not fetch"),
    ],
)
def test_reasons(said: str, words: str) -> None:
    told = unavailable("r/x:v9", said)
    assert words in told.why
    assert said in told.why
    assert "{" not in told.fix
