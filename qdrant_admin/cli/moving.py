"""Commands that move data."""

from typing import TYPE_CHECKING, Any, get_args

import rich_click as click

from qdrant_admin.cli.call import Call, common, confirm, write_json
from qdrant_admin.cli.source_help import SourcesCommand

if TYPE_CHECKING:
    from qdrant_admin.migration.checkpoint import UnfinishedRun
    from qdrant_admin.migration.reports import PlanReport
    from qdrant_admin.workspace import Workspace

LATEST = "latest"
COMMON = {"profile", "as_json", "events", "debug"}
"""What every command takes: the border adds a profile to a command by itself."""


@click.command(cls=SourcesCommand)
@click.argument("source", required=False)
@click.option("--to", metavar="NAME", help="Name of the target collection; the source's own by default.")
@click.option("--rename", "names", metavar="OLD=NEW", multiple=True, help="A target name of its own; may be repeated.")
@click.option("--collection", metavar="NAME", help="Only this collection of the source.")
@click.option(
    "--exclude", "skip_collections", metavar="NAME", multiple=True, help="Not this collection; may be repeated."
)
@click.option("--plan-only", is_flag=True, help="Show what would be made and stop.")
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST,
    metavar="[RUN]",
    help="Take up an unfinished run, the latest by default.",
)
@click.option(
    "--discard", metavar="RUN", help="Give up an unfinished run: what it has copied stays, and is indexed again."
)
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "overwrite", "rename"]),
    default="fail",
    show_default=True,
    help="When the target collection is there already.",
)
@click.option(
    "--on-conflict-of",
    "conflicts",
    metavar="NAME=POLICY",
    multiple=True,
    help="Another policy for this collection; may be repeated.",
)
@click.option(
    "--on-reject",
    type=click.Choice(["continue", "fail"]),
    default="continue",
    show_default=True,
    help="When a record cannot be stored as it is: go on without it, or stop. It is kept in a file either way.",
)
@click.option(
    "--replay-rejects",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE",
    help="Move the records of a reject file again, mended, to where they were going.",
)
@click.option("--batch-size", type=click.IntRange(1, 10000), default=256, show_default=True, help="Points a request.")
@click.option(
    "--verify",
    default="full",
    show_default=True,
    metavar="full|sample:N",
    help="Compare every point with the source, or every id and the content of N.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 32),
    default=0,
    metavar="N",
    help="Requests at the same time; 0: as many as help.",
)
@click.option(
    "--into-staging",
    is_flag=True,
    help="Fill a collection beside the one in use, and switch an alias of its name to it once it is verified.",
)
@click.option(
    "--catch-up",
    is_flag=True,
    help="For a source that goes on changing: copy what differs, again and again, until nothing does.",
)
@click.option(
    "--delete-gone",
    is_flag=True,
    help="With --catch-up: delete what came from this source and is there no more.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "stream", "snapshot"]),
    default="auto",
    show_default=True,
    help="From one Qdrant server to another: the server's own files, whole, or point by point.",
)
@click.option(
    "--what", metavar="PATH", help="Only tell what a file or folder is, who has it open, and what imports it."
)
@click.option("--yes", is_flag=True, help="Yes, write over what is there.")
@common
def migrate(call: Call, source: str | None, resume: str | None, yes: bool, plan_only: bool, **options: Any) -> None:
    """Move collections into the server, then compare every point with its source.

    SOURCE is the address of one of the sources below; ?collection=NAME at its end narrows it, https works where http
    does. The word `runs` lists unfinished runs instead.

    Examples:
      qdrant-admin migrate chroma:./chroma --plan-only
      qdrant-admin migrate chroma:./chroma --to memories
      qdrant-admin migrate --resume
      qdrant-admin migrate runs
      qdrant-admin migrate --discard RUN
      qdrant-admin migrate --what ~/unknown
    """
    place = options.pop("what")
    if place is not None:
        _what(call, place)
        return
    ws = call.workspace()
    if source == "runs":
        _runs(call, ws)
        return
    abandoned = options.pop("discard")
    if abandoned is not None:
        _discard(call, ws, source, abandoned)
        return
    if resume is not None and ":" in resume and source is None:  # `--resume SOURCE`
        source, resume = resume, LATEST
    if resume is not None:
        _resume(call, ws, source, resume)
        return
    replayed = options.pop("replay_rejects")
    if replayed is not None:
        source, yes = _rejects(source, replayed), True  # what was rejected is not there yet, so nothing is written over
        options["on_conflict"] = "overwrite"
    if source is None:
        raise click.UsageError("which SOURCE? For instance chroma:./chroma")
    source = _narrowed(source, options.pop("collection"))
    options["names"] = _pairs(options["names"], "--rename", "OLD=NEW")
    options["conflicts"] = _pairs(options["conflicts"], "--on-conflict-of", "NAME=POLICY")
    plan = _plan(call, ws, source, options)
    if plan_only or plan.exit_code:
        call.conclude(plan)
    from qdrant_admin.migration import messages

    if would := messages.destroys(plan):
        confirm(yes, would, _same_command("--yes"))
    from qdrant_admin.migration.run import migrate as operation

    call.conclude(call.run(lambda cancel: operation(ws, plan, cancel=cancel)))


def _rejects(source: str | None, file: str) -> str:
    from pathlib import Path

    from qdrant_admin.sources.base import FolderUri

    if source is not None:
        raise click.UsageError("--replay-rejects FILE is a source of its own")
    return str(FolderUri(scheme="rejects", path=Path(file).absolute()))


def _what(call: Call, place: str) -> None:
    from pathlib import Path

    from qdrant_admin.migration.inspect import inspect

    call.conclude(call.run(lambda cancel: inspect(Path(place), cancel=cancel), brief=True))


def _narrowed(source: str, collection: str | None) -> str:
    if collection is None:
        return source
    from urllib.parse import quote

    return f"{source}{'&' if '?' in source else '?'}collection={quote(collection, safe='')}"


def _plan(call: Call, ws: "Workspace", source: str, options: dict[str, Any]) -> "PlanReport":
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.plan import plan as operation
    from qdrant_admin.migration.reports import ConflictPolicy, PlanReport

    try:
        chosen = PlanOptions(**options)
    except ValueError as error:  # pydantic's own: only the policies of single collections are not checked before
        raise click.UsageError(f"--on-conflict-of knows {', '.join(get_args(ConflictPolicy))}") from error
    plan = call.run(lambda cancel: operation(ws, source, chosen, cancel=cancel))
    if not isinstance(plan, PlanReport):
        raise TypeError(f"a plan ends with a PlanReport, not {type(plan).__name__}")
    return plan


def _pairs(given: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    """`OLD=NEW` as a mapping; a name may hold equals signs of its own, a new one or a policy does not."""
    pairs = [one.rpartition("=") for one in given]
    if not all(left and right for left, _, right in pairs):
        raise click.UsageError(f"{option} takes {form}")
    return {left: right for left, _, right in pairs}


def _same_command(*more: str) -> str:
    """The command as it was given, with something added."""
    import shlex

    from click import get_current_context
    from click.core import ParameterSource

    context = get_current_context()
    words = []
    for parameter in context.command.params:
        name, value = parameter.name or "", context.params.get(parameter.name or "")
        if name in COMMON or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        option = [] if isinstance(parameter, click.Argument) else [parameter.opts[-1]]
        for one in value if isinstance(value, tuple) else (value,):
            words += option if one is True else [*option, str(one)]
    return shlex.join(["qdrant-admin", "migrate", *words, *more])


def _runs(call: Call, ws: "Workspace") -> None:
    from qdrant_admin.migration.checkpoint import unfinished

    found = unfinished(ws.store)
    if call.as_json or call.events:
        rows = [run.model_dump(mode="json") for run in found]
        write_json({"runs": rows})
        return
    from qdrant_admin.cli.console import put
    from qdrant_admin.cli.drawing import advice
    from qdrant_admin.cli.moves import runs
    from qdrant_admin.core.commands import on_profile

    put(lambda ascii_only: runs(found, ascii_only=ascii_only))
    if found:
        again = on_profile("qdrant-admin migrate --resume", call.profile)
        put(lambda ascii_only: advice("next", again, ascii_only=ascii_only))
        away = on_profile(f"qdrant-admin migrate --discard {found[0].run}", call.profile)
        put(lambda ascii_only: advice("give it up", away, ascii_only=ascii_only))


def _resume(call: Call, ws: "Workspace", source: str | None, run: str) -> None:
    from qdrant_admin.migration.run import resume as operation

    chosen = _unfinished(ws, source, run)
    call.conclude(call.run(lambda cancel: operation(ws, chosen, cancel=cancel)))


def _discard(call: Call, ws: "Workspace", source: str | None, run: str) -> None:
    from qdrant_admin.migration.runs import discard as operation

    chosen = _unfinished(ws, source, run)
    call.conclude(call.run(lambda cancel: operation(ws, chosen, cancel=cancel)))


def _unfinished(ws: "Workspace", source: str | None, run: str) -> "UnfinishedRun":
    from qdrant_admin.core.errors import NotFound
    from qdrant_admin.migration.checkpoint import unfinished

    found = unfinished(ws.store)
    fitting = [one for one in found if (source is None or one.source == source) and run in {LATEST, one.run}]
    if not fitting:
        raise NotFound(
            "there is no unfinished run to resume" if run == LATEST else f"there is no unfinished run {run}",
            why=f"unfinished runs: {', '.join(one.run for one in found) or 'none'}",
            fix="qdrant-admin migrate runs",
        )
    return max(fitting, key=lambda one: one.updated_at)
