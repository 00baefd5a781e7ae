"""What docker-py and requests raise, as the errors of this product."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

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

CHECK_ENGINE = Command("doctor")
GONE = "the engine closed the connection in the middle of the answer: it is stopping or has crashed"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Whatever docker raises inside becomes an `AdminError`.

    Args:
        doing: what was being done, in the infinitive: `start container web`.
    """
    import docker.errors
    import requests

    try:
        yield
    except (docker.errors.DockerException, docker.errors.StreamParseError, requests.RequestException) as error:
        raise translate(error, doing) from error
    except OSError as error:
        # The engine's socket itself, in the middle of a stream: a broken pipe, a reset, a file that is gone.
        raise translate(error, doing) from error


def translate(error: BaseException, doing: str) -> AdminError:
    """The one place where a docker exception gets its three parts."""
    import docker.errors
    import requests

    if isinstance(error, docker.errors.APIError) and error.response is not None:
        return _from_api(error, doing)
    if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
        return EngineUnavailable(
            f"the container engine did not answer in time: could not {doing}",
            why="it is overloaded, hung, or just starting",
            fix=CHECK_ENGINE,
        )
    table = by_class()
    for kind in type(error).__mro__:
        if kind in table and kind is not docker.errors.DockerException:
            return table[kind](error, doing)
    return EngineUnavailable(
        f"the container engine cannot be reached: could not {doing}", why=root_cause(error), fix=CHECK_ENGINE
    )


def by_class() -> dict[type[BaseException], Callable[[BaseException, str], AdminError]]:
    """Every class of `docker.errors` and what becomes of it when it carries no answer of the engine."""
    import docker.errors as docker

    def as_kind(kind: type[AdminError], fix: Fix = CHECK_ENGINE) -> Callable[[BaseException, str], AdminError]:
        return lambda error, doing: kind(f"could not {doing}", why=str(error), fix=fix)

    contexts = as_kind(BadInput, "docker context ls")
    return {
        docker.DockerException: as_kind(EngineUnavailable),
        docker.APIError: as_kind(Unfit),
        docker.NotFound: as_kind(NotFound, Command("up")),
        docker.ImageNotFound: as_kind(ImageUnavailable),
        docker.InvalidVersion: as_kind(Unsupported),
        docker.InvalidRepository: as_kind(BadInput),
        docker.InvalidConfigFile: as_kind(BadInput, "docker info"),
        docker.InvalidArgument: as_kind(BadInput),
        docker.DeprecatedMethod: as_kind(Unsupported),
        docker.TLSParameterError: as_kind(BadInput, "docker context ls"),
        docker.NullResource: as_kind(BadInput),
        docker.ContainerError: as_kind(Unfit),
        docker.StreamParseError: as_kind(EngineUnavailable),
        docker.BuildError: as_kind(ImageUnavailable),
        docker.ImageLoadError: as_kind(ImageUnavailable),
        docker.MissingContextParameter: contexts,
        docker.ContextAlreadyExists: contexts,
        docker.ContextException: contexts,
        docker.ContextNotFound: contexts,
    }


class OpenFilesRefused(Unfit):
    """The engine may not raise the limit of open files, as rootless and confined ones may not."""


class _Answer(NamedTuple):
    """What an answer of the engine means, recognised by its status, its words or both; the first that fits counts."""

    status: frozenset[int]
    words: tuple[str, ...]
    kind: type[AdminError]
    what: str
    fix: Fix


def _answer(
    kind: type[AdminError], what: str, fix: Fix, *, status: tuple[int, ...] = (), words: tuple[str, ...] = ()
) -> _Answer:
    return _Answer(frozenset(status), words, kind, what, fix)


_ANSWERS = (
    _answer(NotFound, "could not {doing}: it is not there", Command("up"), status=(404,)),
    _answer(OpenFilesRefused, "the engine could not {doing}", CHECK_ENGINE, words=("rlimit",)),
    _answer(
        PortTaken,
        "could not {doing}: a port is taken",
        Command("up", port=16333, grpc_port=16334),
        words=("port is already allocated", "address already in use", "ports are not available"),
    ),
    _answer(
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
    _answer(
        NotOurs,
        "could not {doing}: another container has this name",
        Command("adopt"),
        status=(409,),
        words=("already in use by container",),
    ),
    _answer(Refused, "the engine refused to {doing}", Command("status"), status=(409,)),
    _answer(AccessDenied, "the engine refused to {doing}", "docker login", status=(401, 403)),
    _answer(Unsupported, "the engine could not {doing}", CHECK_ENGINE, status=(400,)),
    _answer(Unfit, "the engine could not {doing}", CHECK_ENGINE),
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


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], frozenset[int], str], ...] = (
    ((FileNotFoundError,), frozenset({errno.ENOENT}), "there is no such socket: no engine is running here"),
    (
        (PermissionError,),
        frozenset({errno.EACCES, errno.EPERM}),
        "permission denied: your user may not use this engine (it is not in the docker group)",
    ),
    (
        (ConnectionRefusedError,),
        frozenset({errno.ECONNREFUSED}),
        "connection refused: nobody listens there, the engine has stopped",
    ),
    ((ConnectionResetError, BrokenPipeError), frozenset({errno.ECONNRESET, errno.EPIPE}), GONE),
    ((TimeoutError,), frozenset({errno.ETIMEDOUT}), "no answer in time"),
)


def root_cause(error: BaseException) -> str:
    """Why an engine cannot be reached, in the user's terms, from the bottom of the nested exceptions."""
    for cause in _causes(error):
        for kinds, numbers, words in _CAUSES:
            if isinstance(cause, kinds) or (isinstance(cause, OSError) and cause.errno in numbers):
                return words
    text = str(error)
    return GONE if "Remote end closed connection" in text or "Connection aborted" in text else plain(text)


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
