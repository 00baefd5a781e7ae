"""`qdrant-admin up`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import click

from qdrant_admin.cli.invocation import Invocation, command


@command()
@click.option(
    "--runtime",
    type=click.Choice(["auto", "docker", "native", "remote"]),
    help="Where it runs; auto takes Docker when an engine answers.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="REST port.")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="gRPC port.")
@click.option("--image", metavar="IMAGE", help="Container image.")
@click.option("--volume", metavar="NAME", help="Named volume that holds the data.")
@click.option("--storage", metavar="DIR", type=click.Path(path_type=Path), help="Folder that holds the data instead.")
@click.option(
    "--restart-policy",
    type=click.Choice(["no", "on-failure", "always", "unless-stopped"]),
    help="When the engine starts it again.",
)
@click.option(
    "--api-key",
    type=click.Choice(["auto", "none"]),
    help="auto: make and keep a key when there is none; none: without, this time.",
)
@click.option("--apply", is_flag=True, help="Apply settings that need the container to be recreated; the data stays.")
@click.option(
    "--ready-timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="How long to wait."
)
def up(
    invocation: Invocation,
    runtime: str | None,
    port: int | None,
    grpc_port: int | None,
    image: str | None,
    volume: str | None,
    storage: Path | None,
    restart_policy: str | None,
    api_key: str | None,
    apply: bool,
    ready_timeout: float | None,
) -> None:
    """Set up the server, start it, and wait until it is ready. Running it again is harmless.

    Examples:
      qdrant-admin up
      qdrant-admin up --runtime native --port 7333 --grpc-port 7334
      qdrant-admin up --api-key auto --apply
    """
    from qdrant_admin.core.errors import Cancelled, ServerNotReady
    from qdrant_admin.lifecycle.keys import ensure
    from qdrant_admin.lifecycle.up import up as operation

    kept: dict[str, object] = {
        "runtime": runtime,
        "port": port,
        "grpc_port": grpc_port,
        "image": image,
        "volume": volume,
        "storage": storage.expanduser().absolute() if storage else None,
        "restart_policy": restart_policy,
    }
    ws = invocation.workspace({**kept, "ready_timeout": ready_timeout}, silent=True)
    if api_key == "auto":
        ws = ensure(ws)
    elif api_key == "none":
        without = {"api_key": None, "api_key_origin": "flag --api-key"}
        ws = dataclasses.replace(ws, settings=ws.settings.model_copy(update=without))
    try:
        report = invocation.run(lambda cancel: operation(ws, apply=apply, cancel=cancel))
    except (ServerNotReady, Cancelled):
        _keep(invocation, ws.settings.name, kept)  # it may run by now, and must be found again
        raise
    _keep(invocation, ws.settings.name, kept)
    invocation.conclude(report)


def _keep(invocation: Invocation, name: str, kept: Mapping[str, object]) -> None:
    """Write what was given to `up` into the profile: the next `status` must look for this server, not for another."""
    from qdrant_admin.config.file import read_profiles, write_profile
    from qdrant_admin.config.profile import Profile

    now = read_profiles().get(name, Profile())
    new = {key: value for key, value in kept.items() if value is not None and getattr(now, key) != value}
    if not new:
        return
    for key, other in (("volume", "storage"), ("storage", "volume")):
        if key in new:
            new.setdefault(other, None)
    write_profile(name, new)
    words = ", ".join(f"{key} = {value}" for key, value in new.items() if value is not None)
    invocation.say(f"kept in profile {name}: {words}")
