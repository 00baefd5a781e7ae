"""What a check found, in words that the screen, the command line and the certificate share."""

from collections.abc import Mapping

from qdrant_admin.core import formatting
from qdrant_admin.persistence.reports import CrashReport, VerifyHow, VerifyReport

DONE: Mapping[VerifyHow, str] = {
    "kill": "killed",
    "graceful": "restarted",
    "recreate": "made anew",
    "pause": "frozen",
    "engine": "restarted together with the container engine",
    "all": "restarted in every way",
    "none": "left running",
}


def sentence(report: VerifyReport) -> str:
    """The verdict in one plain sentence."""
    if report.verdict != "persisted" or not report.collections:
        return report.reason or report.summary()
    points = sum(check.after.points for check in report.collections if check.after)
    held = f"{formatting.counted(len(report.collections), 'collection')} and {formatting.counted(points, 'point')}"
    if report.sample:
        held = f"{held}, as far as every id and a sample of {formatting.counted(report.sample, 'point')} each can tell,"
    if report.baseline is not None:
        held = f"{held} are exactly what they were at {report.baseline.at.astimezone():%Y-%m-%d %H:%M}, and"
    if report.how == "none":
        return f"{held} were read twice and are exactly the same. The server was not restarted."
    return f"{held} are exactly what they were before the server was {DONE[report.how]}."


def crash_sentence(report: CrashReport) -> str:
    """The verdict of a crash test in one plain sentence."""
    kills = formatting.counted(sum(one.how == "kill" for one in report.cycles), "kill")
    if report.verdict == "persisted":
        return f"Everything that was acknowledged was there after each of {kills}."
    if report.verdict == "lost":
        changes = formatting.counted(report.lost, "acknowledged change")
        return f"{changes} {'was' if report.lost == 1 else 'were'} gone after {kills}."
    return report.reason or "The test could not be finished, so nothing is claimed."
