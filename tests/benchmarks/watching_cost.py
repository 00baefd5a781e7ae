"""What watching costs: the same migration with nobody looking, and in the terminal application on a pseudo-terminal.

    python -m tests.benchmarks.watching_cost [PAIRS] [POINTS]

From one collection of a Qdrant to another one of the same server, the fastest way there is, so that the share of the
screen is the largest there can be. Both are processes of their own, measured in turn; the seconds are those of the
report. Quote the median of the ratios; on a machine that does other things as well, so many pairs that it holds still.
"""

import fcntl
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from tests.support.real import Server

if TYPE_CHECKING:
    from qdrant_admin.migration.reports import PlanReport
    from qdrant_admin.tui.services import Services

SIZE = 384
SOURCE = "source"
UNINDEXED = {"hnsw_config": {"m": 0}}
"""Building an index takes the server longer than everything else, and nobody's screen has a part in it."""


def fill(server: Server, points: int) -> None:
    """Vectors as of texts, with a short payload."""
    chance = np.random.default_rng(1)
    with Database(server.endpoint) as database:
        database.create_collection(
            SOURCE, CollectionSpec(vectors=(VectorSpec(size=SIZE, distance="Cosine"),), params=UNINDEXED)
        )
        for first in range(0, points, 1000):
            vectors = chance.standard_normal((min(1000, points - first), SIZE)).astype(np.float32)
            text = {"text": "something to remember " * 8}
            page = [Point(first + at, text | {"n": first + at}, {"": vector}) for at, vector in enumerate(vectors)]
            database.upsert(SOURCE, page)


def child(face: str, source: str, target: str) -> None:
    """One migration in this process; writes the seconds of its report to the file named by `RESULT`."""
    from qdrant_admin.core.cancel import CancelToken
    from qdrant_admin.core.events import Finished
    from qdrant_admin.migration.plan import PlanOptions
    from qdrant_admin.migration.reports import MigrationReport, PlanReport
    from qdrant_admin.tui.services import Services

    services = Services()
    options = PlanOptions(to=target, method="stream")
    (plan,) = [one.report for one in services.plan(source, options, CancelToken()) if isinstance(one, Finished)]
    assert isinstance(plan, PlanReport)
    if face == "tui":
        report = watched(services, plan)
    else:
        (report,) = [one.report for one in services.migrate(plan, CancelToken()) if isinstance(one, Finished)]
    assert isinstance(report, MigrationReport)
    assert report.verdict == "verified"
    Path(os.environ["RESULT"]).write_text(str(report.seconds))


def watched(services: "Services", plan: "PlanReport") -> object:
    """The same in the application, from the key that starts it to its report."""
    from qdrant_admin.tui.app import AdminApp
    from qdrant_admin.tui.jobs import JobView
    from qdrant_admin.tui.screens.migrate.screen import MigrateScreen

    class Watching(AdminApp):
        def on_ready(self) -> None:
            self.set_timer(2.0, self.begin)  # as a person does: once it stands

        def begin(self) -> None:
            screen = self.screen
            if isinstance(screen, MigrateScreen) and self.jobs.latest("migrate") is None:
                screen.show_plan(plan)
                screen.action_start()

        def _ended(self, view: JobView) -> None:
            super()._ended(view)
            if view.kind == "migrate":
                self.exit(0)

    app = Watching(services, start="migrate")
    app.run()
    view = app.jobs.latest("migrate")
    assert view is not None
    return view.report


def seconds(face: str, server: Server, target: str) -> float:
    """Run one child to its end; the terminal, where there is one, is read as fast as it writes."""
    with tempfile.TemporaryDirectory() as home:
        result = Path(home) / "seconds"
        source = f"qdrant+{server.url}?collection={SOURCE}&grpc_port={server.grpc_port}"
        environment = os.environ | {
            "TERM": "xterm-256color",
            "QDRANT_ADMIN_HOME": home,
            "QDRANT_URL": server.url,
            "QDRANT_GRPC_PORT": str(server.grpc_port),
            "RESULT": str(result),
        }
        command = [sys.executable, "-m", "tests.benchmarks.watching_cost", "--child", face, source, target]
        if face == "tui":
            on_a_terminal(command, environment)
        else:
            subprocess.run(command, env=environment, check=True)
        if not result.exists():
            raise RuntimeError(f"the migration in the {face} came to nothing")
        taken = float(result.read_text())
    with Database(server.endpoint) as database:
        database.delete_collection(target)
    return taken


def on_a_terminal(command: list[str], environment: dict[str, str]) -> None:
    """Run on a pseudo-terminal of 120x40."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    try:
        while select.select([terminal], [], [], 120)[0] and os.read(terminal, 65536):
            pass
    except OSError:  # its end: a terminal nobody holds any more cannot be read
        pass
    finally:
        os.waitpid(pid, 0)
        os.close(terminal)


def main() -> None:
    """Print the median of both, and of their ratios."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:5])
        return
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    points = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder)).start()
        try:
            fill(server, points)
            seconds("nobody", server, "warm")
            taken = []
            for number in range(pairs):
                faces = ("tui", "nobody") if number % 2 else ("nobody", "tui")
                times = {face: seconds(face, server, f"target_{number}_{face}") for face in faces}
                taken.append((times["tui"], times["nobody"]))
        finally:
            server.stop()
    ratio = statistics.median(tui / nobody for tui, nobody in taken)
    tui, nobody = (statistics.median(side) for side in zip(*taken, strict=True))
    print(
        f"{points} x {SIZE}: watched {tui:.2f} s, nobody looking {nobody:.2f} s, ratio {ratio:.3f} (median of {pairs})"
    )


if __name__ == "__main__":
    main()
