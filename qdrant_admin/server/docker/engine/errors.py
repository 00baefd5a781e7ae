"""What docker-py and requests raise, as the errors of this product."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from qdrant_admin.core.commands import Command, Fix
from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    BadInput,
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
from qdrant_admin.core.formatting import plain

T = TypeVar("T")
CHECK_ENGINE = Command("doctor")
GONE = "the engine closed the connection in the middle of the answer: it is stopping or has crashed"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Whatever docker raises inside becomes an `AdminError`; `doing` is an infinitive: `start container web`."""
    try:
        yield
    except OSError as error:  # the engine's socket itself, in the middle of a stream; also whatever requests raises
        raise translate(error, doing) from error
    except Exception as error:
        import docker.errors

        if isinstance(error, docker.errors.DockerException | docker.errors.StreamParseError):
            raise translate(error, doing) from error
        raise


def existing(ask: Callable[[], T]) -> T | None:
    """What the engine answers; None when it has no such thing."""
    try:
        return ask()
    except Exception as error:
        import docker.errors

        if isinstance(error, docker.errors.NotFound):
            return None
        raise


def translate(error: BaseException, doing: str) -> AdminError:
    """The one place where a docker exception gets its three parts."""
    import docker.errors
    import requests

    if isinstance(error, docker.errors.APIError) and error.response is not None:
        return _from_api(error, doing)
    import urllib3.exceptions

    slow = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
    if any(isinstance(cause, slow) for cause in _causes(error)):
        return EngineUnavailable(
            f"the container engine did not answer in time: could not {doing}",
            why="it is overloaded, hung, or just starting",
            fix=CHECK_ENGINE,
        )
    table = by_class()
    for kind in type(error).__mro__:
        if kind in table and kind is not docker.errors.DockerException:
            ours, fix = table[kind]
            return ours(f"could not {doing}", why=str(error), fix=fix)
    return EngineUnavailable(
        f"the container engine cannot be reached: could not {doing}", why=root_cause(error), fix=CHECK_ENGINE
    )


def by_class() -> dict[type[BaseException], tuple[type[AdminError], Fix]]:
    """Every class of `docker.errors`, with our error and the way out when it carries no answer of the engine."""
    import docker.errors as docker

    return {
        docker.DockerException: (EngineUnavailable, CHECK_ENGINE),
        docker.StreamParseError: (EngineUnavailable, CHECK_ENGINE),
        docker.APIError: (Unfit, CHECK_ENGINE),
        docker.ContainerError: (Unfit, CHECK_ENGINE),
        docker.NotFound: (NotFound, Command("up")),
        docker.ImageNotFound: (ImageUnavailable, CHECK_ENGINE),
        docker.BuildError: (ImageUnavailable, CHECK_ENGINE),
        docker.ImageLoadError: (ImageUnavailable, CHECK_ENGINE),
        docker.InvalidVersion: (Unsupported, CHECK_ENGINE),
        docker.DeprecatedMethod: (Unsupported, CHECK_ENGINE),
        docker.InvalidRepository: (BadInput, CHECK_ENGINE),
        docker.InvalidArgument: (BadInput, CHECK_ENGINE),
        docker.NullResource: (BadInput, CHECK_ENGINE),
        docker.InvalidConfigFile: (BadInput, "docker info"),
        docker.TLSParameterError: (BadInput, "docker context ls"),
        docker.MissingContextParameter: (BadInput, "docker context ls"),
        docker.ContextAlreadyExists: (BadInput, "docker context ls"),
        docker.ContextException: (BadInput, "docker context ls"),
        docker.ContextNotFound: (BadInput, "docker context ls"),
    }


class OpenFilesRefused(Unfit):
    """The engine may not raise the limit of open files, as rootless and confined ones may not."""


class _Answer(NamedTuple):
    """What an answer of the engine means, recognised by its status, its words or both; the first that fits counts."""

    kind: type[AdminError]
    what: str
    fix: Fix
    status: tuple[int, ...] = ()
    words: tuple[str, ...] = ()


_ANSWERS = (
    _Answer(NotFound, "could not {doing}: it is not there", Command("up"), status=(404,)),
    _Answer(OpenFilesRefused, "the engine could not {doing}", CHECK_ENGINE, words=("rlimit",)),
    _Answer(
        PortTaken,
        "could not {doing}: a port is taken",
        Command("up", port=16333, grpc_port=16334),
        words=("port is already allocated", "address already in use", "ports are not available"),
    ),
    _Answer(
        StorageUnusable,
        "could not {doing}: its storage cannot be mounted",
        CHECK_ENGINE,
        words=(
            "bind source path does not exist",
            "invalid mount config",
            "no space left on device",
            "read-only file system",
            "error while mounting",
            "mounts denied",
            "not shared from the host",
        ),
    ),
    _Answer(
        NotOurs,
        "could not {doing}: another container has this name",
        Command("adopt"),
        status=(409,),
        words=("already in use by container",),
    ),
    _Answer(Refused, "the engine refused to {doing}", Command("status"), status=(409,)),
    _Answer(AccessDenied, "the engine refused to {doing}", "docker login", status=(401, 403)),
    _Answer(Unsupported, "the engine could not {doing}", CHECK_ENGINE, status=(400,)),
    _Answer(Unfit, "the engine could not {doing}", CHECK_ENGINE),
)


def _from_api(error: Any, doing: str) -> AdminError:
    """An answer of the engine that is an error. Its explanation is evidence, and it never contains environment."""
    import docker.errors

    said = plain(str(error.explanation or error.response.reason or "").strip())
    if isinstance(error, docker.errors.ImageNotFound):
        return ImageUnavailable(f"could not {doing}: the image is not there", why=said, fix=Command("up"))
    meant = next(
        answer
        for answer in _ANSWERS
        if (not answer.status or error.status_code in answer.status)
        and (not answer.words or any(text in said.lower() for text in answer.words))
    )
    return meant.kind(meant.what.format(doing=doing), why=said, fix=meant.fix)


_DENIED = "permission denied: your user may not use this engine (it is not in the docker group)"
_REFUSED = "connection refused: nobody listens there, the engine has stopped"
_CAUSES: tuple[tuple[tuple[type[BaseException], ...], set[int], str], ...] = (
    ((FileNotFoundError,), {errno.ENOENT}, "there is no such socket: no engine is running here"),
    ((PermissionError,), {errno.EACCES, errno.EPERM}, _DENIED),
    ((ConnectionRefusedError,), {errno.ECONNREFUSED}, _REFUSED),
    ((ConnectionResetError, BrokenPipeError), {errno.ECONNRESET, errno.EPIPE}, GONE),
    ((TimeoutError,), {errno.ETIMEDOUT}, "no answer in time"),
)


def root_cause(error: BaseException) -> str:
    """Why an engine cannot be reached, in the user's terms, from the bottom of the nested exceptions."""
    for cause in _causes(error):
        for kinds, numbers, words in _CAUSES:
            if isinstance(cause, kinds) or (isinstance(cause, OSError) and cause.errno in numbers):
                return words
    return plain(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """All exceptions within this one, deepest first: chained by `raise from`, in `args` and in urllib3's `reason`."""
    seen: list[BaseException] = []
    pending: list[object] = [error]
    while pending:
        item = pending.pop()
        if not isinstance(item, BaseException) or any(item is known for known in seen):
            continue
        seen.append(item)
        pending += [item.__context__, item.__cause__, getattr(item, "reason", None), *item.args]
    yield from reversed(seen)
