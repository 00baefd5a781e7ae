"""The report of the demo. Field names are a contract with scripts."""

from typing import ClassVar

from qdrant_admin.core.blocks import Blocks, Heading, Headline, Paragraph
from qdrant_admin.core.formatting import counted, duration
from qdrant_admin.core.reports import Report
from qdrant_admin.core.values import JsonValue
from qdrant_admin.lifecycle.reports import UpReport
from qdrant_admin.migration.reports import MigrationReport
from qdrant_admin.persistence.reports import VerifyReport


class DemoReport(Report):
    """The whole story, a report of each part."""

    SCHEMA: ClassVar[int] = 2

    profile: str
    up: UpReport
    migration: MigrationReport
    verify: VerifyReport
    kept: bool
    """Whether the server and its data are still there."""
    removed: tuple[str, ...] = ()
    """What was made for the demo and is gone again, in words."""
    left: tuple[str, ...] = ()
    """What could not be removed, and why."""
    seconds: float

    @classmethod
    def upgraded(cls, values: dict[str, JsonValue], schema: int) -> dict[str, JsonValue]:
        """Schema 1 held a check of schema 1."""
        if isinstance(verify := values.get("verify"), dict):
            values["verify"] = VerifyReport.upgraded(verify, schema)
        return values

    @property
    def exit_code(self) -> int:
        worst = max(self.up.exit_code, self.migration.exit_code, self.verify.exit_code)
        return worst or (1 if self.left else 0)

    @property
    def verdict_word(self) -> str:
        if self.migration.exit_code:
            return self.migration.verdict_word
        if self.verify.exit_code:
            return self.verify.verdict_word
        return "warning" if self.exit_code else self.verify.verdict_word

    def summary(self) -> str:
        verified = sum(result.verified for result in self.migration.collections)
        text = f"{counted(verified, 'point')} moved in and proved in {duration(self.seconds)}"
        return f"{text}; kept as profile {self.profile}" if self.kept else text

    def blocks(self) -> Blocks:
        """The chapters, each as its own report says it, and what is left of it."""
        return (
            Heading("the server"),
            *self.up.blocks(),
            Heading("the migration"),
            *self.migration.blocks(),
            Heading("the proof"),
            *self.verify.blocks(),
            Headline(self.verdict_word, self.summary()),
            *(Paragraph(f"removed again: {thing}", "soft") for thing in self.removed),
            *(Paragraph(f"still there: {thing}", "warn") for thing in self.left),
        )
