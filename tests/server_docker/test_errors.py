"""Every docker exception has its three parts."""

import inspect
from http.client import RemoteDisconnected

import docker.errors
import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    EngineUnavailable,
    ImageUnavailable,
    NotFound,
    NotOurs,
    PortTaken,
    Refused,
    StorageUnusable,
    Unfit,
    Unsupported,
)
from qdrant_admin.server.docker.engine.errors import by_class, translate, translated


def test_no_docker_exception_is_forgotten() -> None:
    classes = {
        kind for _, kind in inspect.getmembers(docker.errors, inspect.isclass) if kind.__module__ == "docker.errors"
    }
    assert classes == set(by_class())


@pytest.mark.parametrize("kind", list(by_class()))
def test_each_becomes_one_of_ours(kind: type[BaseException]) -> None:
    error = kind.__new__(kind)
    attributes = {"msg": "words", "name": "words", "param": "words", "response": None, "explanation": None}
    for name, value in attributes.items():
        setattr(error, name, value)
    told = translate(error, "do it")
    assert isinstance(told, AdminError)
    assert "do it" in told.what
    assert told.fix


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (404, "No such container: web", NotFound),
        (404, "No such image: a:b", ImageUnavailable),
        (409, 'The container name "/a" is already in use by container "b"', NotOurs),
        (409, "container is paused", Refused),
        (500, "driver failed: Bind for 127.0.0.1:6333 failed: port is already allocated", PortTaken),
        (500, "listen tcp4 127.0.0.1:6333: bind: address already in use", PortTaken),
        (400, 'invalid mount config for type "bind": bind source path does not exist: /x', StorageUnusable),
        (400, "unknown flag", Unsupported),
        (403, "no", AccessDenied),
        (500, "something broke", Unfit),
    ],
)
def test_answers_of_the_engine(status: int, said: str, kind: type[AdminError]) -> None:
    response = requests.Response()
    response.status_code = status
    wanted = docker.errors.ImageNotFound if "image" in said else docker.errors.APIError
    told = translate(wanted("x", response=response, explanation=said), "do it")
    assert type(told) is kind
    assert told.why == said
    assert told.fix


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (FileNotFoundError(2, "No such file"), "no such socket"),
        (PermissionError(13, "Permission denied"), "docker group"),
        (ConnectionRefusedError(111, "refused"), "connection refused"),
        (ConnectionResetError(104, "reset"), "in the middle"),
        (BrokenPipeError(32, "pipe"), "in the middle"),
    ],
)
def test_nested_causes_are_decoded(cause: OSError, words: str) -> None:
    nested = requests.ConnectionError("Connection aborted.", cause)
    told = translate(docker.errors.DockerException(f"Error while fetching server API version: {nested}", nested), "ask")
    assert isinstance(told, EngineUnavailable)
    assert words in told.why


def test_what_took_too_long_is_told_by_its_class_and_not_by_a_word() -> None:
    slow = requests.ConnectionError(ReadTimeoutError(HTTPConnectionPool("x"), "/", "while a stream was read"))
    assert "did not answer in time" in translate(slow, "read").what
    named = docker.errors.DockerException("there is no context called timed out")
    assert "did not answer in time" not in translate(named, "ask").what
    gone = requests.ConnectionError(ProtocolError("x", RemoteDisconnected("y")))
    assert "in the middle" in translate(gone, "ask").why


def test_timeouts_and_a_broken_stream() -> None:
    with pytest.raises(EngineUnavailable, match="in time"), translated("ask"):
        raise requests.ReadTimeout("Read timed out. (read timeout=4)")
    with pytest.raises(EngineUnavailable), translated("read"):
        raise BrokenPipeError
