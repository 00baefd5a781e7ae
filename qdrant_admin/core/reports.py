"""What an operation has to say when it is over.

A report is frozen, JSON-able and complete: `--json` prints it, the history keeps it, the TUI draws it.
"""

from typing import TYPE_CHECKING, Literal

from qdrant_admin.core.values import Frozen

if TYPE_CHECKING:
    from datetime import datetime

    from qdrant_admin.core.blocks import Blocks, Step
    from qdrant_admin.core.document import Document


class Report(Frozen):
    """Base of every report. What an operation's last event carries."""

    @property
    def exit_code(self) -> int:
        """0 when all is well, 1 when the operation ran and found something wrong (see `core.errors.ExitCode`)."""
        return 0

    @property
    def verdict_word(self) -> str:
        """The key of `core.formatting.STATES` that sums this report up, such as `healthy` or `persisted`."""
        return "done"

    def summary(self) -> str:
        """One line for the history and for a toast, without the verdict itself."""
        return ""

    def blocks(self) -> "Blocks":
        """What people are shown of it, the answer first; by default every field on a line."""
        from qdrant_admin.core.blocks import fields
        from qdrant_admin.core.serialization import jsonable

        return fields(jsonable(self))

    def next_step(self) -> "Step | None":
        """What most people want to do next; None where there is nothing to suggest."""
        return None

    def document(self, when: "datetime | None" = None) -> "Document | None":  # noqa: ARG002 # for those that need it
        """It as something to keep or to hand on, a certificate; None where there is no such form.

        Args:
            when: its beginning, for a report that does not say it itself.
        """
        return None


FindingLevel = Literal["info", "warn", "fail"]
Fact = str | int | float | bool | None | tuple[str, ...]


class Finding(Frozen):
    """One finding. Its code and the names of its facts are a contract; the words are not, and are made elsewhere."""

    code: str
    """What kind of finding: `api_key_missing`, `collection_unreadable`. In snake case, and never changed."""
    level: FindingLevel
    subject: str = ""
    """What it is about: a collection, a volume, an address; empty for the server as a whole."""
    facts: dict[str, Fact] = {}
    """What the words are made of, by name: `{"free_bytes": 1024}`."""
    command: str = ""
    """The one thing to do about it, as it can be pasted; empty when there is nothing to do."""
