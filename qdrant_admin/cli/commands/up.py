"""`qdrant-admin up`."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command

if TYPE_CHECKING:
    from qdrant_admin.config.profile import RestartPolicy, RuntimeChoice


@command()
@click.option(
    "--runtime",
    type=click.Choice(["auto", "docker", "native", "remote"]),
    help="Where it runs; auto: Docker if an engine answers, else native.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="REST port.")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="gRPC port.")
@click.option("--image", metavar="IMAGE", help="Container image.")
@click.option("--volume", metavar="NAME", help="Named volume for the data.")
@click.option(
    "--storage", metavar="DIR", type=click.Path(path_type=Path), help="Host folder for the data instead of a volume."
)
@click.option(
    "--restart-policy",
    type=click.Choice(["no", "on-failure", "always", "unless-stopped"]),
    help="When the container engine restarts it.",
)
@click.option(
    "--api-key",
    type=click.Choice(["auto", "none"]),
    help="auto: generate and keep a key if there is none; none: start without a key this time.",
)
@click.option("--apply", is_flag=True, help="Apply settings that require recreating the container; the data is kept.")
@click.option("--accept", is_flag=True, help="Start although known data is missing, and accept that it is.")
@click.option(
    "--use-existing",
    is_flag=True,
    help="Use the Qdrant of somebody else that answers at this address, in a profile of its own.",
)
@click.option(
    "--ready-timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long to wait until it is ready.",
)
def up(
    invocation: Invocation,
    runtime: "RuntimeChoice | None",
    port: int | None,
    grpc_port: int | None,
    image: str | None,
    volume: str | None,
    storage: Path | None,
    restart_policy: "RestartPolicy | None",
    api_key: Literal["auto", "none"] | None,
    apply: bool,
    accept: bool,
    use_existing: bool,
    ready_timeout: float | None,
) -> None:
    """Set up the server, start it, and wait until it is ready. Running it again is harmless.

    Examples:
      qdrant-admin up
      qdrant-admin up --runtime native --port 7333 --grpc-port 7334
      qdrant-admin up --api-key auto --apply
      qdrant-admin up --use-existing
    """
    from qdrant_admin.lifecycle.up import UpOptions, bring_up

    options = UpOptions(
        runtime=runtime,
        port=port,
        grpc_port=grpc_port,
        image=image,
        volume=volume,
        storage=storage,
        restart_policy=restart_policy,
        ready_timeout=ready_timeout,
        api_key=api_key,
        apply=apply,
        accept=accept,
        use_existing=use_existing,
    )
    ws = invocation.workspace(options.over(), silent=True)
    invocation.conclude(invocation.run(lambda cancel: bring_up(ws, options, cancel=cancel)))
