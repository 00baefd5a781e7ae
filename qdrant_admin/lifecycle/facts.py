"""What the doctor's checks may look at."""

from dataclasses import dataclass

from qdrant_admin.lifecycle.commands import command
from qdrant_admin.lifecycle.observation import Observation
from qdrant_admin.lifecycle.reports import StatusReport
from qdrant_admin.workspace import Workspace


@dataclass(frozen=True)
class Facts:
    """One look at everything, shared by all checks."""

    ws: Workspace
    seen: Observation
    status: StatusReport

    def fix(self, words: str) -> str:
        """A command for this profile."""
        return command(self.ws.settings, words)
