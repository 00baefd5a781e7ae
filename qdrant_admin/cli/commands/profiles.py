"""`qdrant-admin profiles`."""

import json

import click

from qdrant_admin.cli.invocation import Invocation, confirm, write_json
from qdrant_admin.cli.options import HelpfulGroup, common

ASSIGNMENTS = click.argument("assignments", nargs=-1, metavar="[KEY=VALUE]...")


@click.group(cls=HelpfulGroup)
def profiles() -> None:
    """Manage several servers, each under a name.

    Examples:
      qdrant-admin profiles list
      qdrant-admin profiles add work url=http://10.0.0.5:6333
      qdrant-admin profiles use work
    """


@profiles.command("list")
@common
def profiles_list(invocation: Invocation) -> None:
    """List all profiles; the default one is marked.

    Examples:
      qdrant-admin profiles list
    """
    from qdrant_admin.config.file import default_profile, read_profiles
    from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile
    from qdrant_admin.core.blocks import Table

    known = {DEFAULT_PROFILE: Profile()} | read_profiles()
    chosen = default_profile()
    rows = [
        {"name": name, "default": name == chosen, "runtime": one.runtime, "url": one.url, "port": one.port}
        for name, one in sorted(known.items())
    ]
    lines = tuple(
        (name, one.runtime, one.url or f"port {one.port}", "default" if name == chosen else "")
        for name, one in sorted(known.items())
    )
    invocation.show({"profiles": rows}, Table(("profile", "runtime", "address", ""), lines))


@profiles.command("show")
@click.argument("name", required=False)
@common
def profiles_show(invocation: Invocation, name: str | None) -> None:
    """Show the settings of one profile, from the file and the defaults.

    Examples:
      qdrant-admin profiles show work
    """
    from qdrant_admin.config.file import default_profile, read_profiles, unknown_profile
    from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile

    known = {DEFAULT_PROFILE: Profile()} | read_profiles()
    wanted = name or invocation.profile or default_profile()
    if wanted not in known:
        raise unknown_profile(wanted, known)
    values = known[wanted].shown()
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())
    invocation.show({"name": wanted, **values}, *lines)


@profiles.command("add")
@click.argument("name")
@ASSIGNMENTS
@common
def profiles_add(invocation: Invocation, name: str, assignments: tuple[str, ...]) -> None:
    """Add a profile. With a url it is a remote server.

    Examples:
      qdrant-admin profiles add work url=http://10.0.0.5:6333
      qdrant-admin profiles add second runtime=native port=7333 grpc_port=7334
    """
    from qdrant_admin.config.profiles import add_profile
    from qdrant_admin.core.commands import Command

    add_profile(name, assignments)
    _done(invocation, name, f"profile {name} added; {Command('status').on(name)}")


@profiles.command("set")
@click.argument("name")
@ASSIGNMENTS
@common
def profiles_set(invocation: Invocation, name: str, assignments: tuple[str, ...]) -> None:
    """Change settings of a profile. `KEY=` resets one to its default.

    Examples:
      qdrant-admin profiles set local port=7333
      qdrant-admin profiles set local storage=
    """
    from qdrant_admin.config.profiles import change_profile
    from qdrant_admin.core.commands import Command

    change_profile(name, assignments)
    apply = Command("up", apply=True).on(name)
    _done(invocation, name, f"profile {name} changed; {apply} applies what concerns the server")


@profiles.command("use")
@click.argument("name")
@common
def profiles_use(invocation: Invocation, name: str) -> None:
    """Make a profile the default one.

    Examples:
      qdrant-admin profiles use work
    """
    from qdrant_admin.config.file import set_default_profile

    set_default_profile(name)
    _done(invocation, name, f"{name} is the default profile now")


@profiles.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Confirm.")
@common
def profiles_remove(invocation: Invocation, name: str, yes: bool) -> None:
    """Remove a profile and its stored API key. Its server and data are not touched.

    Examples:
      qdrant-admin profiles remove work --yes
    """
    from qdrant_admin.config.file import read_profiles, unknown_profile
    from qdrant_admin.config.places import state_file
    from qdrant_admin.config.profiles import remove_profile
    from qdrant_admin.core.commands import Command
    from qdrant_admin.state.inventory import forget
    from qdrant_admin.state.store import StateStore

    known = read_profiles()
    if name not in known:
        raise unknown_profile(name, known)
    again = str(Command("profiles", "remove", name, yes=True))
    confirm(yes, f"profile {name} and its API key would be removed", again)
    remove_profile(name)
    forget(StateStore(state_file()), name)
    _done(invocation, name, f"profile {name} removed; its server and its data are as they were")


def _done(invocation: Invocation, name: str, words: str) -> None:
    if invocation.as_json or invocation.events:
        write_json({"profile": name, "done": words})
    else:
        invocation.say(words)
