"""`qdrant-admin migrate`."""

import textwrap
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NoReturn, get_args

import click

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import HelpfulCommand, common, given_options

if TYPE_CHECKING:
    from qdrant_admin.migration.reports import ConflictPolicy, MethodChoice, RejectPolicy
    from qdrant_admin.sources.registry import SourceKind

LATEST = "latest"
_COLUMNS = 76
_EXAMPLES = "\n\n\b\nExamples:\n"
DRY_RUN = click.option("--dry-run", "--plan-only", "dry_run", is_flag=True, help="Only show what would be done.")
ON_REJECT = click.option(
    "--on-reject",
    type=click.Choice(["continue", "fail"]),
    default="continue",
    show_default=True,
    help="When a record cannot be stored as it is: continue, or stop. Either way it goes to a reject file.",
)
BATCH_SIZE = click.option(
    "--batch-size", type=click.IntRange(1, 10000), default=256, show_default=True, help="Points per request."
)
VERIFY = click.option(
    "--verify",
    default="full",
    show_default=True,
    metavar="full|sample:N",
    help="Compare every point with the source, or every id and the content of N points.",
)
WORKERS = click.option(
    "--workers", type=click.IntRange(0, 32), default=0, metavar="N", help="Parallel requests; 0: automatic."
)


class SourcesCommand(HelpfulCommand):
    """A command whose help lists the kinds of sources, those of installed packages as well."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does, with the kinds before the examples; only here are the packages of others asked."""
        from qdrant_admin.sources.registry import kinds

        own = self.help
        before, mark, examples = (own or "").partition(_EXAMPLES)
        self.help = before + "\n".join(["\n\n\b\nSources:", *_forms(kinds())]) + mark + examples
        try:
            super().format_help(ctx, formatter)
        finally:
            self.help = own


@click.command(cls=SourcesCommand)
@click.argument("source", required=False)
@click.option("--to", metavar="NAME", help="Name of the target collection; the source's own by default.")
@click.option(
    "--rename", "names", metavar="OLD=NEW", multiple=True, help="Another name for one collection; may be repeated."
)
@click.option("--collection", metavar="NAME", help="Only this collection of the source.")
@click.option("--exclude", metavar="NAME", multiple=True, help="Skip this collection; may be repeated.")
@DRY_RUN
@click.option(
    "--resume",
    is_flag=False,
    flag_value=LATEST,
    metavar="[RUN]",
    help="Resume an unfinished run, the latest by default.",
)
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "overwrite", "rename"]),
    default="fail",
    show_default=True,
    help="If the target collection already holds points.",
)
@click.option(
    "--on-conflict-of",
    "conflicts",
    metavar="NAME=POLICY",
    multiple=True,
    help="Another policy for one collection; may be repeated.",
)
@ON_REJECT
@BATCH_SIZE
@VERIFY
@WORKERS
@click.option(
    "--into-staging", is_flag=True, help="Fill a staging collection, and switch an alias to it once it is verified."
)
@click.option(
    "--catch-up",
    is_flag=True,
    help="For a source that is still written to: copy changes repeatedly until none are left.",
)
@click.option(
    "--delete-gone",
    is_flag=True,
    help="With --catch-up: delete points that came from this source and no longer exist there.",
)
@click.option(
    "--method",
    type=click.Choice(["auto", "stream", "snapshot"]),
    default="auto",
    show_default=True,
    help="Between two Qdrant servers: transfer a snapshot, or stream point by point.",
)
@click.option("--yes", is_flag=True, help="Confirm that existing points are overwritten or deleted.")
@common
def migrate(
    invocation: Invocation,
    *,
    source: str | None,
    to: str | None,
    names: tuple[str, ...],
    collection: str | None,
    exclude: tuple[str, ...],
    dry_run: bool,
    resume: str | None,
    on_conflict: "ConflictPolicy",
    conflicts: tuple[str, ...],
    on_reject: "RejectPolicy",
    batch_size: int,
    verify: str,
    workers: int,
    into_staging: bool,
    catch_up: bool,
    delete_gone: bool,
    method: "MethodChoice",
    yes: bool,
) -> None:
    """Move collections into the server, then compare every point with its source.

    SOURCE is the address of one of the sources below. ?collection=NAME at its end selects one collection; https works
    wherever http does.

    Examples:
      qdrant-admin migrate chroma:./chroma --dry-run
      qdrant-admin migrate chroma:./chroma --to memories
      qdrant-admin migrate --resume
      qdrant-admin migrations list
    """
    if resume is not None and ":" in resume and source is None:  # `--resume SOURCE`
        source, resume = resume, LATEST
    _refuse_contradictions(source, resume)
    if resume is not None:
        _resume(invocation, source, resume)
    from qdrant_admin.migration.plan import PlanOptions

    options = PlanOptions(
        to=to,
        names=_pairs(names, "--rename", "OLD=NEW"),
        skip_collections=exclude,
        on_conflict=on_conflict,
        conflicts=_policies(conflicts),
        on_reject=on_reject,
        batch_size=batch_size,
        verify=verify,
        workers=workers,
        into_staging=into_staging,
        catch_up=catch_up,
        delete_gone=delete_gone,
        method=method,
    )
    from qdrant_admin.migration.runs import start

    ws, given = invocation.workspace(), source or ""
    events = partial(start, ws, given, options, collection=collection, confirmed=yes, dry_run=dry_run)
    invocation.conclude(invocation.run(lambda cancel: events(cancel=cancel)))


def _refuse_contradictions(source: str | None, resume: str | None) -> None:
    given = given_options({"resume"})
    if resume is not None and given:
        raise click.UsageError(f"--resume follows the plan of its run: {', '.join(given)} cannot change it")
    if source is None and resume is None:
        raise click.UsageError("which SOURCE? For instance chroma:./chroma")
    if "--delete-gone" in given and "--catch-up" not in given:
        raise click.UsageError("--delete-gone needs --catch-up")
    if {"--to", "--rename"} <= set(given):
        raise click.UsageError("give either --to, for a single collection, or --rename")


def _resume(invocation: Invocation, source: str | None, run: str) -> NoReturn:
    from qdrant_admin.migration.runs import find_run
    from qdrant_admin.migration.runs import resume as operation

    ws = invocation.workspace()
    chosen = find_run(ws, None if run == LATEST else run, source)
    invocation.conclude(invocation.run(lambda cancel: operation(ws, chosen, cancel=cancel)))


def _pairs(given: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    """`OLD=NEW` as a mapping; a name may hold equals signs of its own, a new one or a policy does not."""
    pairs = [one.rpartition("=") for one in given]
    if not all(left and right for left, _, right in pairs):
        raise click.UsageError(f"{option} takes {form}")
    return {left: right for left, _, right in pairs}


def _policies(given: tuple[str, ...]) -> "dict[str, ConflictPolicy]":
    from qdrant_admin.migration.reports import ConflictPolicy

    known: dict[str, ConflictPolicy] = {policy: policy for policy in get_args(ConflictPolicy)}
    pairs = _pairs(given, "--on-conflict-of", "NAME=POLICY")
    if not set(pairs.values()) <= set(known):
        raise click.UsageError(f"--on-conflict-of knows {', '.join(known)}")
    return {name: known[policy] for name, policy in pairs.items()}


def _forms(found: "tuple[SourceKind, ...]") -> Iterator[str]:
    from qdrant_admin.sources.registry import UNTESTED

    width = 2 + max(len(kind.form) for kind in found)
    for kind in found:
        first, *more = textwrap.wrap(kind.title + ("" if kind.tested else " *"), _COLUMNS - width)
        yield f"  {kind.form.ljust(width)}{first}"
        yield from (f"  {' ' * width}{line}" for line in more)
    if not all(kind.tested for kind in found):
        yield f"* {UNTESTED}"
