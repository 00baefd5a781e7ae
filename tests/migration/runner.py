"""A migration in a process of its own, to be killed: `python -m tests.migration.runner URL GRPC_PORT SOURCE`.

Goes on with an unfinished run when there is one. Prints how many records it has handled after every event of progress.
"""

import sys

from qdrant_admin.config.places import state_file
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Progress
from qdrant_admin.migration.checkpoint import unfinished
from qdrant_admin.migration.plan import PlanOptions, plan
from qdrant_admin.migration.run import migrate
from qdrant_admin.migration.runs import resume
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.migration.support import last


def main(url: str, grpc_port: str, source: str) -> None:
    profile = Profile(runtime="remote", url=url, grpc_port=int(grpc_port))
    ws = Workspace(Settings(name="test", profile=profile), StateStore(state_file()))
    cancel = CancelToken()
    runs = unfinished(ws.store)
    if runs:
        events = resume(ws, runs[0], cancel=cancel)
    else:
        report = last(plan(ws, source, PlanOptions(batch_size=1), cancel=cancel))
        events = migrate(ws, report, cancel=cancel)
    for event in events:
        if isinstance(event, Progress):
            sys.stdout.write(f"{event.done}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
