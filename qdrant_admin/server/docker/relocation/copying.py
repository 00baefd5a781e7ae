"""Copying a folder from one container to another through the engine, and giving back what that takes for nothing.

Qdrant preallocates sparse files: an empty collection claims 161 MiB and takes less than one. An archive knows no holes,
so its copy takes what the files claim, until the holes are punched again. The published image has the tools for that;
where an image has none, the copy merely stays as large as it is.
"""

import contextlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from qdrant_admin.server.docker.answers import Request

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 20
_READ_SECONDS = 3600
_LARGE = "+1M"
"""Smaller files are not worth a look."""


def punch_holes(api: "APIClient", name: str, image: str, mounts: Sequence[Request]) -> bool:
    """Punch holes where files hold nothing but zeros; what is read from them stays the same. Whether that was done.

    No server may run on these mounts: what it writes between the look and the punch would be gone.

    Args:
        api: the engine.
        name: of the container that does it; it is removed again.
        image: that of the server, so that nothing has to be fetched.
        mounts: in the form of a request.
    """
    import docker.errors

    paths = [str(mount["Target"]) for mount in mounts]
    body = {
        "Image": image,
        "User": "0",
        "Entrypoint": ["find"],
        "Cmd": [*paths, "-type", "f", "-size", _LARGE, "-exec", "fallocate", "--dig-holes", "{}", ";"],
        "NetworkDisabled": True,
        "HostConfig": {"Mounts": [dict(mount) for mount in mounts]},
    }
    try:
        container = api.create_container_from_config(body, name)["Id"]
    except docker.errors.APIError:
        return False
    try:
        api.start(container)
        return bool(api.wait(container)["StatusCode"] == 0)
    except docker.errors.APIError:
        return False  # the image has no such program
    finally:
        api.remove_container(container, force=True)


def counted(stream: Iterator[bytes], count: Callable[[int], None]) -> Iterator[bytes]:
    """The same pieces, with the size of each told before it is handed on."""
    for piece in stream:
        count(len(piece))
        yield piece


@contextlib.contextmanager
def content(api: "APIClient", container: str, path: str) -> Iterator[Iterator[bytes] | None]:
    """What lies in a folder, as a tar stream; None when there is no such folder.

    Not `api.get_archive`: the engine locks the container until the answer is read to its end or closed, and what that
    returns cannot be closed. A copy that fails half-way would hold up every later call about this container.
    """
    import docker.errors
    import requests

    url = f"{api.base_url}/v{api.api_version}/containers/{container}/archive"
    answer = api.get(
        url, params={"path": f"{path}/."}, headers={"Accept-Encoding": "identity"}, timeout=_READ_SECONDS, stream=True
    )
    with contextlib.closing(answer):
        if answer.status_code == requests.codes.not_found:
            yield None
            return
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            docker.errors.create_api_error_from_http_exception(error)
        yield answer.iter_content(_CHUNK)


def has_content(api: "APIClient", container: str, path: str) -> bool:
    """Whether anything lies there but what a new file system brings along."""
    beginning = b""
    with content(api, container, path) as stream:
        for piece in stream or ():
            beginning += piece
            if len(beginning) > _CHUNK:
                break
    with contextlib.suppress(tarfile.ReadError), tarfile.open(fileobj=io.BytesIO(beginning)) as archive:
        return any(entry.name not in {".", "./lost+found", "lost+found"} for entry in archive)
    return False
