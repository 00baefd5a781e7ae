"""Commands that prove something: that what is there survives, and the whole story on a sample."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from qdrant_admin.cli.call import Call, common
from qdrant_admin.cli.group import HelpfulCommand

if TYPE_CHECKING:
    from qdrant_admin.core.reports import Report

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(cls=HelpfulCommand)
@click.option(
    "--how",
    type=click.Choice(["graceful", "kill", "pause", "recreate", "engine", "all", "none"]),
    help="graceful is the default, none with --baseline. kill: as a crash would; pause: frozen and thawed; "
    "recreate: a new container on the same data; engine: the container engine itself, with --yes; all: each in turn, "
    "without engine; none: only read twice.",
)
@click.option(
    "--yes", "confirmed", is_flag=True, help="With --how engine: yes, interrupt whatever else runs on the engine."
)
@click.option(
    "--collection", "collections", multiple=True, metavar="NAME", help="Only this collection; may be repeated."
)
@click.option("--sample", type=click.IntRange(min=1), metavar="N",
              help="Read every id, and the content of only N points a collection; the verdict says so.")  # fmt: skip
@click.option(
    "--baseline", type=FILE, help="An earlier report of `verify --json`; whatever is not as it was then is told."
)
@click.option("--report", "files", type=FILE, multiple=True,
              help="Write the certificate here: .md, .html or .json by its name; may be repeated.")  # fmt: skip
@click.option("--finish", is_flag=True, help="Take the second look of a check that was cut off.")
@common
def verify(call: Call, files: tuple[Path, ...], finish: bool, baseline: Path | None, **chosen: Any) -> None:
    """Fingerprint every point, restart the server, fingerprint again, and compare.

    Exit code 0 means persisted: nothing is missing, nothing has changed.

    Examples:
      qdrant-admin verify --how kill
      qdrant-admin verify --collection memories --json
      qdrant-admin verify --how all --report proof.html
      qdrant-admin verify --how engine --yes
      qdrant-admin verify --baseline monday.json
    """
    from qdrant_admin.persistence.baseline import load
    from qdrant_admin.persistence.verify import VerifyOptions
    from qdrant_admin.persistence.verify import finish as second_look
    from qdrant_admin.persistence.verify import verify as operation

    writers = [(path, _form(path)) for path in files]
    ws = call.workspace()
    if finish:
        if baseline or any(chosen.values()):
            raise click.UsageError(
                "--finish takes what the first look took; --how, --collection and --baseline do not go"
            )
        report = call.run(lambda cancel: second_look(ws, cancel=cancel))
    else:
        chosen["how"] = chosen["how"] or ("none" if baseline else "graceful")
        options = VerifyOptions(**chosen, baseline=load(baseline) if baseline else None)
        report = call.run(lambda cancel: operation(ws, options, cancel=cancel))
    _write_all(call, writers, report)
    call.conclude(report)


def _write_all(call: Call, writers: "list[tuple[Path, Callable[[Report], str]]]", report: "Report") -> None:
    for path, write in writers:
        _write(path, write(report))
        call.say(f"written to {path}")


def _form(path: Path) -> "Callable[[Report], str]":
    from qdrant_admin.core.document import to_html, to_markdown
    from qdrant_admin.core.serialization import to_json
    from qdrant_admin.persistence.certificate import certificate

    forms: dict[str, Callable[[Any], str]] = {
        ".md": lambda report: to_markdown(certificate(report)),
        ".html": lambda report: to_html(certificate(report)),
        ".json": lambda report: to_json(report, indent=2) + "\n",
    }
    if path.suffix.lower() not in forms:
        raise click.BadParameter(f"{path.name} ends in none of {', '.join(forms)}", param_hint="--report")
    return forms[path.suffix.lower()]


def _write(path: Path, text: str) -> None:
    from qdrant_admin.core.errors import BadInput

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written", why=error.strerror or str(error), fix=f'ls -l "{path.parent}"'
        ) from error


@click.command("crash-test", cls=HelpfulCommand)
@click.option("--cycles", type=click.IntRange(1, 1000), default=10, show_default=True, help="How often it is killed.")
@click.option(
    "--writers", type=click.IntRange(1, 32), default=4, show_default=True, help="Programs that write at once."
)
@click.option("--no-wait", is_flag=True, help="Write without waiting, to see what that costs on your own disk.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the moments and the changes.")
@click.option("--report", "files", type=FILE, multiple=True,
              help="Write the certificate here: .md, .html or .json by its name; may be repeated.")  # fmt: skip
@common
def crash_test(call: Call, files: tuple[Path, ...], cycles: int, writers: int, no_wait: bool, seed: int) -> None:
    """Write into collections of its own, kill the server in the middle, and look for every acknowledged change.

    Your collections are not touched, but cannot be reached while the server starts again. Exit code 0: nothing that was
    acknowledged is lost.

    Examples:
      qdrant-admin crash-test
      qdrant-admin crash-test --cycles 100 --json
      qdrant-admin crash-test --report crashes.html
    """
    from qdrant_admin.persistence.crash import crash_test as operation
    from qdrant_admin.persistence.reports import CrashOptions

    forms = [(path, _form(path)) for path in files]
    ws = call.workspace()
    options = CrashOptions(cycles=cycles, writers=writers, wait=not no_wait, seed=seed)
    report = call.run(lambda cancel: operation(ws, options, cancel=cancel))
    _write_all(call, forms, report)
    call.conclude(report)


@click.command(cls=HelpfulCommand)
@click.option("--runtime", type=click.Choice(["auto", "docker", "native"]), default="auto", show_default=True,
              help="Where the demonstration's server runs.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep the demonstration's profile, server and data.")
@common
def demo(call: Call, runtime: Any, keep: bool) -> None:
    """Show the whole story on a small sample: up, migrate, crash, prove. Your own servers are not touched.

    Examples:
      qdrant-admin demo
      qdrant-admin demo --runtime native --keep
    """
    from qdrant_admin.demo.story import demo as operation

    call.conclude(call.run(lambda cancel: operation(runtime=runtime, keep=keep, cancel=cancel)))
