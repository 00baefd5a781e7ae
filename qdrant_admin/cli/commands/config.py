"""`qdrant-admin config`."""

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import HelpfulGroup, common


@click.group(cls=HelpfulGroup)
def config() -> None:
    """Show where every setting comes from.

    Examples:
      qdrant-admin config show
      qdrant-admin config path
    """


@config.command("show")
@common
def config_show(invocation: Invocation) -> None:
    """Show every setting of the profile and where it comes from. The API key itself is never shown.

    Examples:
      qdrant-admin config show --profile work
    """
    from qdrant_admin.config.places import config_file, data_dir, state_file
    from qdrant_admin.core.blocks import Facts, Paragraph, Soft, Table

    settings = invocation.workspace().settings
    values = settings.profile.shown()
    places = {"configuration": config_file(), "state": state_file(), "data": data_dir()}
    document = {
        "profile": settings.name,
        "values": {key: {"value": value, "from": settings.origins[key]} for key, value in values.items()},
        "api_key": {"set": settings.api_key is not None, "from": settings.api_key_origin},
        "places": {key: str(path) for key, path in places.items()},
    }
    rows = []
    for key, value in values.items():
        style = Soft if settings.origins[key] == "default" else str
        rows.append((style(key), style("" if value is None else value), style(settings.origins[key])))
    rows.append(("api_key", "set" if settings.api_key else "none", settings.api_key_origin))
    invocation.show(
        document,
        Paragraph(f"profile {settings.name}", "strong"),
        Table(("setting", "value", "from"), tuple(rows)),
        Facts(tuple((key, str(path)) for key, path in places.items())),
    )


@config.command("path")
@common
def config_path(invocation: Invocation) -> None:
    """Print the path of the configuration file.

    Examples:
      "${EDITOR:-vi}" "$(qdrant-admin config path)"
    """
    from qdrant_admin.config.places import config_file

    path = str(config_file())
    invocation.show({"path": path}, path)
