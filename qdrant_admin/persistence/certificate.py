"""The report of a check as a document to keep or to hand on: the verdict first, then what it rests on."""

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import Block, Code, Facts, Heading, Items, Paragraph, Table, Words
from qdrant_admin.core.document import Document
from qdrant_admin.persistence.reports import DONE, CollectionCheck, CrashReport, Side, VerifyReport


def certificate(report: VerifyReport | CrashReport) -> Document:
    """Everything that a report says, for people."""
    if isinstance(report, CrashReport):
        return _of_crash_test(report)
    blocks: list[Block] = [Paragraph(report.sentence()), _facts(report)]
    blocks += _rounds(report)
    blocks += [Heading("Collections"), _collections(report.collections)] if report.collections else []
    for check in report.collections:
        blocks += _differences(check)
    blocks += _baseline(report)
    blocks += [Heading("Aliases"), Items(tuple(alias.words for alias in report.aliases))] if report.aliases else []
    blocks += _phases(report)
    subject = f"restart and verify, profile {report.profile}"
    return Document(subject=subject, state=report.verdict, blocks=tuple(blocks))


def _facts(report: VerifyReport) -> Facts:
    back = formatting.duration(report.ready_seconds) if report.ready_seconds is not None else ""
    rows: dict[str, Words] = {
        "when": report.at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
        "server": f"Qdrant {report.server_version}" if report.server_version else "",
        "profile": report.profile,
        "storage": report.storage,
        "on disk": "" if report.storage_bytes is None else formatting.size(report.storage_bytes),
        "server was": DONE[report.how],
        "ready again after": back,
        "checked": ", ".join(report.checks),
        "likely cause": report.cause,
        "do now": Code(report.fix),
        "took": formatting.duration(report.seconds),
    }
    return Facts(tuple((label, value) for label, value in rows.items() if value))


def _rounds(report: VerifyReport) -> list[Block]:
    if report.how != "all":
        return []
    rows = tuple(
        (
            DONE[one.how],
            "" if one.ready_seconds is None else formatting.duration(one.ready_seconds),
            formatting.state(one.verdict).text(),
        )
        for one in report.rounds
    )
    return [Heading("Restarts"), Table(("the server was", "ready after", "verdict"), rows, frozenset({"ready after"}))]


def _baseline(report: VerifyReport) -> list[Block]:
    found = report.baseline
    if found is None:
        return []
    when = f"{found.at.astimezone():%Y-%m-%d %H:%M}"
    told = f"{formatting.state(found.verdict).text()}: {found.reason or 'everything is as it was then'}"
    return [Heading(f"Since {when}"), Paragraph(told), _collections(found.collections, "then", "now")]


def _collections(checks: tuple[CollectionCheck, ...], before: str = "before", after: str = "after") -> Table:
    rows = tuple(
        (
            check.name,
            _points(check.before),
            _points(check.after),
            formatting.state(check.verdict).text().replace(" ", "\u00a0"),
            " → ".join(dict.fromkeys(side.digest for side in (check.before, check.after) if side)),
        )
        for check in checks
    )
    return Table(("collection", before, after, "verdict", "content"), rows, frozenset({before, after}))


def _differences(check: CollectionCheck) -> list[Block]:
    if not (check.settings or check.points):
        return []
    rows = tuple((one.id, formatting.state(one.what).text(), one.detail) for one in check.points)
    blocks: list[Block] = [Heading(check.name)]
    blocks += [Items(check.told)] if check.settings else []
    blocks += [Table(("point", "state", "details"), rows)] if rows else []
    left = check.missing + check.changed + check.extra - len(rows)
    return [*blocks, Paragraph(f"{formatting.counted(left, 'point')} more differ.")] if rows and left > 0 else blocks


def _phases(report: VerifyReport) -> list[Block]:
    if not report.phases:
        return []
    rows = tuple(
        (one.name.replace("_", " "), one.at.astimezone().strftime("%H:%M:%S"), formatting.duration(one.seconds))
        for one in report.phases
    )
    return [Heading("How it went"), Table(("step", "began", "took"), rows, frozenset({"took"}))]


def _points(side: Side | None) -> str:
    return "absent" if side is None else formatting.number(side.points)


_FIGURES = frozenset({"acknowledged", "unanswered", "lost", "ready after"})


def _of_crash_test(report: CrashReport) -> Document:
    blocks: list[Block] = [Paragraph(report.sentence()), _crash_facts(report)]
    blocks += [Heading("Lost"), _losses(report)] if report.losses else []
    blocks += [Heading("Writers that failed"), Items(report.failed_writers)] if report.failed_writers else []
    blocks += [Heading("Crash by crash"), _cycles(report)] if report.cycles else []
    blocks += [Heading("Canary collections that are left"), Items(report.left)] if report.left else []
    subject = f"crash test, profile {report.profile}"
    return Document(subject=subject, state=report.verdict, blocks=tuple(blocks))


def _crash_facts(report: CrashReport) -> Facts:
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
