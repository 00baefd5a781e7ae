"""Commands about profiles: several servers, one name each."""

import json
from typing import Any

import rich_click as click

from qdrant_admin.cli.call import Call, common, confirm, write, write_json
from qdrant_admin.cli.group import HelpfulGroup
from qdrant_admin.core.text import plain

ASSIGNMENTS = click.argument("assignments", nargs=-1, metavar="[KEY=VALUE]...")


@click.group(cls=HelpfulGroup)
def profiles() -> None:
    """Several servers, one name each.

    Examples:
      qdrant-admin profiles list
      qdrant-admin profiles add work url=http://10.0.0.5:6333
      qdrant-admin profiles use work
    """


@profiles.command("list")
@common
def profiles_list(call: Call) -> None:
    """List all profiles; the default one is marked.

    Examples:
      qdrant-admin profiles list
    """
    from qdrant_admin.config.file import default_profile, read_profiles
    from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile

    known = {DEFAULT_PROFILE: Profile()} | read_profiles()
    chosen = default_profile()
    rows = [
        {"name": name, "default": name == chosen, "runtime": one.runtime, "url": one.url, "port": one.port}
        for name, one in sorted(known.items())
    ]
    if call.as_json or call.events:
        write_json({"profiles": rows})
        return
    from qdrant_admin.cli.console import put
    from qdrant_admin.cli.tables import profiles as picture

    put(lambda ascii_only: picture(rows, ascii_only=ascii_only))


@profiles.command("show")
@click.argument("name", required=False)
@common
def profiles_show(call: Call, name: str | None) -> None:
    """Show the keys of one profile, as the file and the defaults have them.

    Examples:
      qdrant-admin profiles show work
    """
    from qdrant_admin.config.file import default_profile, read_profiles, unknown_profile
    from qdrant_admin.config.profile import DEFAULT_PROFILE, Profile

    known = {DEFAULT_PROFILE: Profile()} | read_profiles()
    wanted = name or call.profile or default_profile()
    if wanted not in known:
        raise unknown_profile(wanted, known)
    values = known[wanted].model_dump(mode="json")
    if call.as_json or call.events:
        write_json({"name": wanted, **values})
    else:
        write("\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()))


@profiles.command("add")
@click.argument("name")
@ASSIGNMENTS
@common
def profiles_add(call: Call, name: str, assignments: tuple[str, ...]) -> None:
    """Add a profile. With a url it is a remote server.

    Examples:
      qdrant-admin profiles add work url=http://10.0.0.5:6333
      qdrant-admin profiles add second runtime=native port=7333 grpc_port=7334
    """
    from qdrant_admin.config.file import check_profile_name, read_profiles, write_profile
    from qdrant_admin.core.errors import BadInput

    check_profile_name(name)
    if name in read_profiles():
        raise BadInput(f"profile {name} exists already", fix=f"qdrant-admin profiles set {name} --help")
    changes = _changes(assignments)
    if "url" in changes:
        changes.setdefault("runtime", "remote")
    write_profile(name, changes)
    _done(call, name, f"profile {name} added; qdrant-admin status --profile {name}")


@profiles.command("set")
@click.argument("name")
@ASSIGNMENTS
@common
def profiles_set(call: Call, name: str, assignments: tuple[str, ...]) -> None:
    """Change keys of a profile. `KEY=` takes a key back to its default.

    Examples:
      qdrant-admin profiles set local port=7333
      qdrant-admin profiles set local storage=
    """
    from qdrant_admin.config.file import read_profiles, unknown_profile, write_profile
    from qdrant_admin.config.profile import DEFAULT_PROFILE

    known = read_profiles()
    if name not in known and name != DEFAULT_PROFILE:
        raise unknown_profile(name, known)
    if not assignments:
        raise click.UsageError("which KEY=VALUE? For instance port=7333")
    write_profile(name, _changes(assignments))
    _done(call, name, f"profile {name} changed; qdrant-admin up --apply --profile {name} brings its server in line")


@profiles.command("use")
@click.argument("name")
@common
def profiles_use(call: Call, name: str) -> None:
    """Make a profile the one that is meant when none is named.

    Examples:
      qdrant-admin profiles use work
    """
    from qdrant_admin.config.file import set_default_profile

    set_default_profile(name)
    _done(call, name, f"{name} is the default profile now")


@profiles.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Yes, remove it.")
@common
def profiles_remove(call: Call, name: str, yes: bool) -> None:
    """Remove a profile and the API key kept for it. Its server and its data are not touched.

    Examples:
      qdrant-admin profiles remove work --yes
    """
    from qdrant_admin.config.file import delete_profile, read_profiles, unknown_profile
    from qdrant_admin.config.secrets import forget_key

    known = read_profiles()
    if name not in known:
        raise unknown_profile(name, known)
    confirm(yes, f"profile {name} and its API key would be removed", f"qdrant-admin profiles remove {name} --yes")
    delete_profile(name)
    forget_key(name)
    _done(call, name, f"profile {name} removed; its server and its data are as they were")


def _done(call: Call, name: str, words: str) -> None:
    if call.as_json or call.events:
        write_json({"profile": name, "done": words})
    else:
        call.say(words)


def _changes(assignments: tuple[str, ...]) -> dict[str, Any]:
    """`KEY=VALUE` as typed values.

    Raises:
        BadInput: an unknown key, or a value that its key cannot take.
    """
    from difflib import get_close_matches

    from pydantic import ValidationError

    from qdrant_admin.config.profile import Profile
    from qdrant_admin.core.errors import BadInput

    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        key = key.replace("-", "_")
        if not equals or key not in Profile.model_fields:
            near = get_close_matches(key, list(Profile.model_fields), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise BadInput(
                f"“{plain(assignment)}” is not KEY=VALUE with a known key",
                why=f"the keys are: {', '.join(Profile.model_fields)}{hint}",
                fix="qdrant-admin profiles show",
            )
        if not value:
            changes[key] = None
            continue
        try:
            changes[key] = getattr(Profile.model_validate({key: value}), key)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise BadInput(f"{key} cannot be “{plain(value)}”", why=why, fix="qdrant-admin profiles show") from error
    return changes
