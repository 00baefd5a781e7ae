"""The engine itself, with nothing of the product in between: to look at what was made, and to clean up."""

import docker
import docker.errors

from tests.support.real import missing


def need_engine() -> None:
    """Skip without an engine; where nothing may be missing, fail."""
    try:
        with docker.APIClient(version="auto", timeout=5) as api:
            api.ping()
    except docker.errors.DockerException as error:
        missing(f"no Docker engine: {error}")


def sweep(mark: str) -> None:
    """Remove every container and volume whose name holds this mark, which must be one of the test's own."""
    with docker.APIClient(version="auto") as api:
        for container in api.containers(all=True):
            if any(mark in name for name in container["Names"]):
                api.remove_container(container["Id"], force=True, v=True)
        for volume in api.volumes()["Volumes"] or ():
            if mark in volume["Name"]:
                api.remove_volume(volume["Name"], force=True)
