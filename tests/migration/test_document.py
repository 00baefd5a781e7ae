"""The written report of a migration."""

from datetime import UTC, datetime

import pytest

from qdrant_admin.core.document import to_html, to_markdown
from qdrant_admin.migration import messages
from qdrant_admin.migration.messages import document
from qdrant_admin.migration.reports import MigrationReport
from tests.tui.canned_data import DIFFERS, VERIFIED

WHEN = datetime(2026, 11, 20, 9, 2, tzinfo=UTC)


def markdown(report: MigrationReport, when: datetime | None = None) -> str:
    return to_markdown(document(report, when=when))


def test_the_verdict_comes_first_and_every_figure_is_there() -> None:
    written = markdown(VERIFIED, when=WHEN)
    head, *rest = written.splitlines()
    assert head == "# ● verified"
    assert "- **from**: `chroma:~/memories/chroma` (Chroma directory, format of chromadb 1.5)" in rest
    assert "| debian\\_memories | 3 763 | 3 763 | 0 | 0 | 3 763 | 0 | ● verified |" in rest
    assert "- prove that it survives a crash: `qdrant-admin verify --how kill`" in rest
    assert written.endswith("\n")


def test_rejects_and_differences_are_named_and_nothing_of_them_is_markup() -> None:
    written = markdown(DIFFERS)
    assert "- different: `8f14e45f-ceea-467e-a1b2-0c9d7e3f5a11`" in written
    assert "| debian\\_memories | `deb:[/oops]` | component 17 is not a finite number |" in written
    hostile = DIFFERS.rejects[0].model_copy(update={"id": "a`|b", "reason": "<script>|*x*\n\n# no"})
    written = markdown(DIFFERS.model_copy(update={"rejects": (hostile,)}))
    (row,) = [line for line in written.splitlines() if "script" in line]
    assert row.startswith("| debian\\_memories | ``a`\\|b`` | \\<script\\>\\|\\*x\\*")
    assert "\n# no" not in written
    page = to_html(document(DIFFERS.model_copy(update={"rejects": (hostile,)})))
    assert "<script>" not in page
    assert "<code>a`|b</code>" in page


@pytest.mark.parametrize(
    ("verdict", "command"),
    [("cancelled", "qdrant-admin migrate --resume a1b2c3d4e5f6"), ("verified", "qdrant-admin verify --how kill")],
)
def test_the_first_thing_to_do_can_be_run(verdict: str, command: str) -> None:
    assert str(messages.next_steps(VERIFIED.model_copy(update={"verdict": verdict}))[0].command) == command


def test_rejects_are_mended_and_sent_again() -> None:
    step = messages.next_steps(DIFFERS)[0]
    assert str(step.command).startswith("qdrant-admin migrations replay ")
    assert str(step.command).endswith("a1b2c3d4e5f6.jsonl")


def test_what_differs_is_copied_again_into_the_same_collections() -> None:
    command = str(messages.next_steps(DIFFERS)[1].command)
    assert command.endswith("--on-conflict overwrite --rename 'project notes=project_notes'")
