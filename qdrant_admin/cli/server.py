"""Commands for the life of a server."""

from pathlib import Path
from typing import Any

import rich_click as click

from qdrant_admin.cli.call import Call, common, confirm, interruptible, write, write_json, write_line
from qdrant_admin.cli.group import HelpfulCommand

RUNTIMES = click.Choice(["auto", "docker", "native", "remote"])
_KEPT = ("runtime", "port", "grpc_port", "image", "volume", "storage", "restart_policy")
POLICIES = click.Choice(["no", "on-failure", "always", "unless-stopped"])


@click.command(cls=HelpfulCommand)
@click.option("--runtime", type=RUNTIMES, help="Where it runs; auto takes Docker when an engine answers.")
@click.option("--port", type=click.IntRange(1, 65535), help="REST port.")
@click.option("--grpc-port", type=click.IntRange(1, 65535), help="gRPC port.")
@click.option("--image", metavar="IMAGE", help="Container image.")
@click.option("--volume", metavar="NAME", help="Named volume that holds the data.")
@click.option("--storage", metavar="DIR", type=click.Path(path_type=Path), help="Folder that holds the data instead.")
@click.option("--restart-policy", type=POLICIES, help="When the engine starts it again.")
@click.option(
    "--api-key",
    type=click.Choice(["auto", "none"]),
    help="auto: make and keep a key when there is none; none: without, this time.",
)
@click.option("--apply", is_flag=True, help="Apply settings that need the container made anew; the data stays.")
@click.option(
    "--ready-timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS", help="How long to wait."
)
@common
def up(call: Call, apply: bool, api_key: str | None, **flags: Any) -> None:
    """Set up the server, start it, and wait until it is ready. Running it again is harmless.

    Examples:
      qdrant-admin up
      qdrant-admin up --runtime native --port 7333 --grpc-port 7334
      qdrant-admin up --api-key auto --apply
    """
    import dataclasses

    from qdrant_admin.core.errors import Cancelled, ServerNotReady
    from qdrant_admin.lifecycle.keys import ensure
    from qdrant_admin.lifecycle.up import up as operation

    if flags["storage"] is not None:
        flags["storage"] = flags["storage"].expanduser().absolute()
    ws = call.workspace(flags, silent=True)
    if api_key == "auto":
        ws = ensure(ws)
    elif api_key == "none":
        without = {"api_key": None, "api_key_origin": "flag --api-key"}
        ws = dataclasses.replace(ws, settings=ws.settings.model_copy(update=without))
    try:
        report = call.run(lambda cancel: operation(ws, apply=apply, cancel=cancel))
    except (ServerNotReady, Cancelled):
        _keep(call, ws.settings.name, flags)  # it may run by now, and must be found again
        raise
    _keep(call, ws.settings.name, flags)
    call.conclude(report)


def _keep(call: Call, name: str, flags: dict[str, Any]) -> None:
    """Write what was given to `up` into the profile: the next `status` must look for this server, not for another."""
    from qdrant_admin.config.file import read_profiles, write_profile
    from qdrant_admin.config.profile import Profile

    given = {key: flags[key] for key in _KEPT if flags[key] is not None}
    now = read_profiles().get(name, Profile())
    new = {key: value for key, value in given.items() if getattr(now, key) != value}
    if not new:
        return
    for key, other in (("volume", "storage"), ("storage", "volume")):
        if key in new:
            new.setdefault(other, None)
    write_profile(name, new)
    words = ", ".join(f"{key} = {value}" for key, value in new.items() if value is not None)
    call.say(f"kept in profile {name}: {words}")


@click.command(cls=HelpfulCommand)
@click.option("--remove", is_flag=True, help="Remove the container as well. Data is never removed.")
@common
def down(call: Call, remove: bool) -> None:
    """Stop the server. The data stays where it is.

    Examples:
      qdrant-admin down
      qdrant-admin down --remove
    """
    from qdrant_admin.lifecycle.down import down as operation

    ws = call.workspace()
    call.conclude(call.run(lambda cancel: operation(ws, remove=remove, cancel=cancel)))


@click.command(cls=HelpfulCommand)
@click.option("--how", type=click.Choice(["graceful", "kill", "recreate", "pause", "engine"]), default="graceful",
              show_default=True, help="kill: as a crash would; recreate: a new container on the same data; pause: "
              "frozen and thawed; engine: the container engine itself.")  # fmt: skip
@click.option("--yes", is_flag=True, help="With engine: yes, interrupt whatever else runs on it.")
@common
def restart(call: Call, how: Any, yes: bool) -> None:
    """Stop the server, start it again, and wait until it is ready.

    Examples:
      qdrant-admin restart
      qdrant-admin restart --how recreate
      qdrant-admin restart --how engine --yes
    """
    from qdrant_admin.lifecycle.restart import restart as operation

    ws = call.workspace()
    call.conclude(call.run(lambda cancel: operation(ws, how, cancel=cancel, confirmed=yes)))


@click.command(cls=HelpfulCommand)
@common
def status(call: Call) -> None:
    """Show what runs, where, and whether it is well.

    Examples:
      qdrant-admin status
      qdrant-admin status --json
    """
    from qdrant_admin.lifecycle.status import status as operation

    call.finish(operation(call.workspace()))


@click.command(cls=HelpfulCommand)
@common
def doctor(call: Call) -> None:
    """Look for faults. Every check shows its evidence and a fix.

    Examples:
      qdrant-admin doctor
      qdrant-admin doctor --json
    """
    from qdrant_admin.lifecycle.doctor import doctor as operation

    ws = call.workspace()
    call.conclude(call.run(lambda cancel: operation(ws, cancel=cancel), brief=True))


@click.command(cls=HelpfulCommand)
@click.option("--yes", is_flag=True, help="Yes, take it over.")
@common
def adopt(call: Call, yes: bool) -> None:
    """Take over a server of this profile's name that was not made by qdrant-admin.

    Examples:
      qdrant-admin adopt --yes
    """
    from qdrant_admin.lifecycle.adopt import adopt as operation

    ws = call.workspace()
    confirm(
        yes,
        f"{ws.settings.container_name} would become ours to stop, change and remove",
        f"qdrant-admin adopt --yes --profile {ws.settings.name}",
    )
    call.conclude(call.run(lambda cancel: operation(ws, cancel=cancel)))


@click.command(cls=HelpfulCommand)
@click.option("--follow", "-f", is_flag=True, help="Go on showing new lines until Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), default=100, show_default=True, help="How many lines back.")
@common
def logs(call: Call, follow: bool, tail: int) -> None:
    """Show the server's own log.

    Examples:
      qdrant-admin logs --tail 50
      qdrant-admin logs -f
    """
    from qdrant_admin.core.text import plain
    from qdrant_admin.lifecycle.logs import logs as operation

    ws = call.workspace()
    kept: list[str] = []
    with interruptible(call.say) as cancel:
        for batch in operation(ws, tail=tail, follow=follow, cancel=cancel):
            for line in batch:
                if call.events:
                    write_line({"kind": "log_lines", "lines": [line]})
                elif call.as_json:
                    kept.append(line)
                else:
                    write(plain(line))
    if call.as_json:
        write_json({"lines": kept})


@click.command(cls=HelpfulCommand)
@common
def stats(call: Call) -> None:
    """Show processor, memory and disk that the server uses.

    Examples:
      qdrant-admin stats
    """
    from qdrant_admin.lifecycle.logs import stats as operation

    call.finish(operation(call.workspace()))


@click.command(cls=HelpfulCommand)
@click.option("--shell", type=click.Choice(["posix", "fish", "powershell", "dotenv"]), default="posix",
              show_default=True, help="Whose quoting to use.")  # fmt: skip
@click.option("--reveal", is_flag=True, help="Print the API key itself.")
@common
def env(call: Call, shell: Any, reveal: bool) -> None:
    """Print lines to paste into an application's environment.

    Examples:
      eval "$(qdrant-admin env --reveal)"
      qdrant-admin env --shell dotenv >> .env
    """
    from qdrant_admin.lifecycle.env import lines

    result = lines(call.workspace(), shell=shell, reveal=reveal)
    if call.as_json:
        write_json({"lines": result})
    else:
        write("\n".join(result))
