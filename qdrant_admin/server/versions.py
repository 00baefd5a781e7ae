"""Which server version may open data that another one has written: its own minor, and the one after it."""

import re

from qdrant_admin.core.commands import Command, Fix
from qdrant_admin.core.errors import Refused

LATEST_PATCHES = ("1.13.6", "1.14.1", "1.15.5", "1.16.3", "1.17.1", "1.18.3", "1.19.0", "1.20.0")
"""Of each minor version that an upgrade may have to go through."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def version_in(image: str) -> str:
    """The version that the tag of an image names; empty when it names none, as `latest` does."""
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    match = re.fullmatch(rf"v?({_VERSION.pattern})(-.*)?", tag)
    return match[1] if match else ""


def refuse_leap(last: str, wanted: str, where: str, *, binary: bool = False) -> None:
    """Refuse to open data with a version that goes back, or that skips a minor one.

    Args:
        last: the version that opened it last; nothing is refused where one of the two is unknown.
        wanted: the version that would open it now.
        where: the data lies, in words.
        binary: whether the server is a program that the profile names, not an image.
    """
    before, after = _numbers(last), _numbers(wanted)
    if not before or not after or before == after:
        return
    if after < before:
        raise Refused(
            f"{where} was last opened by Qdrant {last}, newer than {wanted}",
            why="a server cannot be trusted with data of a later version",
            fix=_fix(last, binary=binary, apply=False),
        )
    if after[:2] in {before[:2], (before[0], before[1] + 1)}:
        return
    step = next((one for one in LATEST_PATCHES if _numbers(one)[:2] == (before[0], before[1] + 1)), None)
    raise Refused(
        f"{where} was last opened by Qdrant {last}, and {wanted} would skip a version in between",
        why="Qdrant takes over data from the minor version before its own, and from no earlier one: go there one minor "
        "version at a time, each with a backup of the data first",
        fix=_fix(step, binary=binary, apply=True) if step else "https://github.com/qdrant/qdrant/releases",
    )


def _numbers(version: str) -> tuple[int, ...]:
    match = _VERSION.match(version)
    return tuple(map(int, match.groups())) if match else ()


def _fix(version: str, *, binary: bool, apply: bool) -> Fix:
    if binary:
        return f"let the profile's binary be Qdrant {version}"
    return Command("up", image=f"qdrant/qdrant:v{version}", apply=apply)
