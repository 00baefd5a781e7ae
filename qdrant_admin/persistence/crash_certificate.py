"""The report of a crash test as a document to keep or to hand on."""

from qdrant_admin.core import formatting
from qdrant_admin.core.document import Block, Code, Document, Facts, Heading, Items, Paragraph, Table, Words
from qdrant_admin.persistence.reports import CrashReport
from qdrant_admin.persistence.tell import DONE, crash_sentence

_FIGURES = frozenset({"acknowledged", "unanswered", "lost", "ready after"})


def crash_certificate(report: CrashReport) -> Document:
    """Everything that a report says, for people."""
    verdict = formatting.state(report.verdict)
    blocks: list[Block] = [Paragraph(crash_sentence(report)), _facts(report)]
    blocks += [Heading("Lost"), _losses(report)] if report.losses else []
    blocks += [Heading("Crash by crash"), _cycles(report)] if report.cycles else []
    blocks += [Heading("Canary collections that are left"), Items(report.left)] if report.left else []
    subject = f"crash test, profile {report.profile}"
    return Document(subject=subject, title=f"{verdict.symbol} {verdict.word}", tone=verdict.tone, blocks=tuple(blocks))


def _facts(report: CrashReport) -> Facts:
    median, most = report.recovery_median_seconds, report.recovery_max_seconds
    back = f"{formatting.duration(median)} as a rule, {formatting.duration(most)} at most" if median and most else ""
    rows: dict[str, Words] = {
        "when": report.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        "server": f"Qdrant {report.server_version}" if report.server_version else "",
        "profile": report.profile,
        "storage": report.storage,
        "acknowledged": formatting.counted(report.acknowledged, "change"),
        "unanswered": formatting.counted(report.unanswered, "change")
        + " under way at a crash, which may be there or not",
        "lost": formatting.counted(report.lost, "acknowledged change"),
        "counted": "once applied and logged" if report.wait else "once taken (wait=false)",
        "ready again after": back,
        "reason": report.reason,
        "do now": Code(report.fix),
        "took": formatting.duration(report.seconds),
        "seed": str(report.seed),
    }
    return Facts(tuple((label, value) for label, value in rows.items() if value))


def _losses(report: CrashReport) -> Table:
    return Table(
        ("what", "acknowledged", "found"), tuple((one.what, one.acknowledged, one.found) for one in report.losses)
    )


def _cycles(report: CrashReport) -> Table:
    rows = tuple(
        (
            formatting.number(number),
            DONE[one.how],
            formatting.number(one.acknowledged),
            formatting.number(one.unanswered),
            formatting.number(one.lost),
            formatting.duration(one.recovery_seconds),
        )
        for number, one in enumerate(report.cycles, 1)
    )
    return Table(("", "the server was", "acknowledged", "unanswered", "lost", "ready after"), rows, _FIGURES)
