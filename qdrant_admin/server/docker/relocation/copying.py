"""Giving back the disk space that a copy through the engine takes for nothing.

Qdrant preallocates sparse files: an empty collection claims 161 MiB and takes less than one. An archive knows no holes,
so its copy takes what the files claim, until somebody digs them again. The published image has the tools for that;
where an image has none, the copy merely stays as large as it is.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient

_LARGE = "+1M"
"""Smaller files are not worth a look."""


def dig(api: "APIClient", name: str, image: str, mounts: Sequence[Mapping[str, Any]]) -> bool:
    """Dig holes where files hold nothing but zeros; what is read from them stays the same. Whether that was done.

    No server may run on these mounts: what it writes between the look and the dig would be gone.

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
