"""What a check found, in words that the screen, the command line and the certificate share."""

from collections.abc import Mapping

from qdrant_admin.core import words
from qdrant_admin.persistence.reports import VerifyHow, VerifyReport

DONE: Mapping[VerifyHow, str] = {
    "kill": "killed",
    "graceful": "restarted",
    "recreate": "made anew",
    "pause": "frozen",
    "all": "restarted in every way",
    "none": "left running",
}


def sentence(report: VerifyReport) -> str:
    """The verdict in one plain sentence."""
    if report.verdict != "persisted" or not report.collections:
        return report.reason or report.summary()
    points = sum(check.after.points for check in report.collections if check.after)
    held = f"{words.counted(len(report.collections), 'collection')} and {words.counted(points, 'point')}"
    if report.sample:
        held = f"{held}, as far as every id and a sample of {words.counted(report.sample, 'point')} each can tell,"
    if report.baseline is not None:
        held = f"{held} are exactly what they were at {report.baseline.at.astimezone():%Y-%m-%d %H:%M}, and"
    if report.how == "none":
        return f"{held} were read twice and are exactly the same. The server was not restarted."
    return f"{held} are exactly what they were before the server was {DONE[report.how]}."
