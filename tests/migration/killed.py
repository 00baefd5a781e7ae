"""A process that forks migrations, to be killed: `python -m tests.migration.killed`.

Everything is imported once, so that a fresh process costs no second. Reads a JSON line for each migration: the
keywords of `migration`. Answers with its process id, tells how many records are copied as it goes, and then each
further step as one more, and says how it ended once it has.
"""

import importlib
import json
import os
import sys
import traceback
from typing import Any

from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events, Finished, Progress, StepStarted
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.migration.support import last

_WANTED = (
    "qdrant_admin.database.grpc_points",
    "qdrant_admin.sources.chroma.directory",
    "qdrant_admin.sources.qdrant.local",
    "qdrant_admin.sources.qdrant.server",
)


def migration(*, home: str, url: str, grpc_port: int, source: str, workers: int, **options: Any) -> bool:
    """Go on with an unfinished run, or begin one with these options; whether it ended well."""
    os.environ["QDRANT_ADMIN_HOME"] = home
    profile = Profile(runtime="remote", url=url, grpc_port=grpc_port)
    ws = Workspace(Settings(name="test", profile=profile), StateStore(state_file()))
    cancel = CancelToken()
    runs = unfinished(ws.store)
    if runs:
        return followed(resume(ws, runs[0], cancel=cancel))
    chosen = PlanOptions(batch_size=3, workers=workers, method="stream", **options)
    return followed(migrate(ws, last(plan(ws, source, chosen, cancel=cancel)), cancel=cancel))


def followed(events: Events) -> bool:
    """Tell how far it is."""
    done, verdict = 0, ""
    for event in events:
        if isinstance(event, Progress) and event.step == "copy" and not event.item:
            done = event.done
            say(f"at {done}")
        if isinstance(event, StepStarted) and event.step.startswith(("indexing", "catch-up", "verify")):
            done += 1
            say(f"at {done}")
        if isinstance(event, Finished):
            verdict = event.report.verdict_word
    return verdict == "verified"


def main() -> None:
    for module in _WANTED:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if migration(**json.loads(line)) else 3
            except BaseException:  # noqa: BLE001 # whatever it is, the parent is told
                traceback.print_exc()
            finally:
                os._exit(code)
        say(str(child))
        say(f"end {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}")


def say(line: str) -> None:
    """At once, and whole: the parent and the child share the pipe."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    main()
