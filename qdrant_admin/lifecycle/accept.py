"""Take what is there today for known: whoever accepts it is shown what is missing, and it stands in the history."""

from qdrant_admin.core.blocks import Block, Blocks, Headline, Paragraph, Soft
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import ServerUnreachable
from qdrant_admin.core.events import Events, Finished, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted
from qdrant_admin.core.reports import Report
from qdrant_admin.lifecycle import noting
from qdrant_admin.lifecycle.finding_words import text
from qdrant_admin.lifecycle.findings import MEMORY
from qdrant_admin.lifecycle.findings import findings as found_in
from qdrant_admin.lifecycle.observation import observe
from qdrant_admin.server.listener import refuse_stranger
from qdrant_admin.workspace import Workspace, operation


class AcceptReport(Report):
    """What is known from now on, and what was accepted as missing."""

    profile: str
    accepted: tuple[str, ...] = ()
    """What was missing, a sentence each; empty when nothing was."""
    collections: int
    points: int
    storage: str
    """Where, in words."""

    def summary(self) -> str:
        losses = f"{counted(len(self.accepted), 'loss', 'losses')} accepted" if self.accepted else "nothing was missing"
        held = f"{counted(self.collections, 'collection')}, {counted(self.points, 'point')} in {self.storage}"
        return f"{losses}; expected from now on: {held}"

    def blocks(self) -> Blocks:
        blocks: list[Block] = [Headline("done", Soft(self.summary()))]
        return *blocks, *(Paragraph(f"accepted: {sentence}", "warn") for sentence in self.accepted)


@operation("accept")
def accept(ws: Workspace, *, cancel: CancelToken) -> Events:
    """Look, without a restart, and take what is there for what there has to be. Ends with an `AcceptReport`.

    Raises:
        NotOurs: another server answers at the profile's address.
        ServerUnreachable: not every collection could be seen, so nothing is accepted.
        StorageUnusable, Unsupported: the state cannot be written.
    """
    yield StepStarted(step="look", title="looking at what is there")
    seen = observe(ws)
    cancel.check()
    found = found_in(ws.settings, seen)
    if seen.today is None:
        if seen.stranger:
            refuse_stranger(ws.runtime)
        why = next((text(one) for one in found if one.level == "fail"), "the server is not ready")
        raise ServerUnreachable("what is there cannot be seen as a whole", why=why, fix=Command("status"))
    missing = tuple(text(one) for one in found if one.code in MEMORY)
    noting.accept(ws, seen.today)
    storage = seen.today.storage
    yield StepFinished(step="look", detail=counted(len(storage.collections), "collection"))
    report = AcceptReport(
        profile=ws.settings.name,
        accepted=missing,
        collections=len(storage.collections),
        points=sum(one.points for one in storage.collections),
        storage=storage.place,
    )
    yield Finished(report=report)
