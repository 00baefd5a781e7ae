"""What a server can be put through, and what each of it interrupts, in the words of a person."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast

from qdrant_admin.config.profile import DEFAULT_PROFILE
from qdrant_admin.core import formatting
from qdrant_admin.persistence.reports import CrashOptions, VerifyHow, VerifyOptions
from qdrant_admin.persistence.reports import Way as Restarted
from qdrant_admin.server.runtime import Capabilities

CRASH = "crash-test"


@dataclass(frozen=True)
class Way:
    """One row of the choice."""

    key: str
    """A `VerifyHow`, or `crash-test`."""
    title: str
    says: str
    """In a few words, behind the title."""
    explains: str
    """What happens, and what it proves."""


WAYS: tuple[Way, ...] = (
    Way(
        "kill",
        "Kill it",
        "as a crash or a flat battery does",
        "The process ends without a chance to write anything down, and is started again. The hardest proof for what is "
        "stored.",
    ),
    Way(
        "graceful",
        "Restart it",
        "stopped in order and started again",
        "It is asked to stop, gets the time it needs, and is started again: what an orderly shutdown does.",
    ),
    Way(
        "recreate",
        "Make it anew",
        "a new one on the same data",
        "What runs is removed and made anew on the same data: what an upgrade does. Shows data that lies in the wrong "
        "place.",
    ),
    Way(
        "pause",
        "Freeze it",
        "frozen and thawed, as a laptop that sleeps",
        "It is frozen for two seconds and thawed. The process stays the same.",
    ),
    Way(
        "engine",
        "Restart Docker",
        "the engine itself, with all it runs",
        "The Docker engine is restarted, as an update of Docker or a reboot does. Every container on this computer "
        "goes down with it. You are asked once more.",
    ),
    Way("all", "All of it", "each of these in turn", "One restart after the other, until something is not as it was."),
    Way(
        CRASH,
        "Crash test",
        "killed again and again while it is written to",
        "Programs write into collections of their own while the server is killed at random moments. After each start "
        "every change that it had acknowledged must be there. Your collections are only made durable first.",
    ),
    Way(
        "none",
        "Look only",
        "no restart: read everything twice",
        "Everything is read twice and compared; the server runs on. Shows what changes by itself, and proves no "
        "restart.",
    ),
)


@dataclass(frozen=True)
class Asked:
    """What is to be looked at, and how hard."""

    collections: tuple[str, ...] = ()
    """Names; empty: all of them."""
    sample: int | None = None
    """Points of each collection whose content is read; None: all."""
    cycles: int = 10
    writers: int = 4
    wait: bool = True

    def check(self, how: VerifyHow, *, confirmed: bool = False) -> VerifyOptions:
        """As a restart-and-verify takes it."""
        return VerifyOptions(how=how, collections=self.collections, sample=self.sample, confirmed=confirmed)

    def crash(self) -> CrashOptions:
        """As the crash test takes it."""
        return CrashOptions(cycles=self.cycles, writers=self.writers, wait=self.wait)

    def with_values(self, values: Mapping[str, str]) -> "Asked":
        """What a form was left with."""
        if "cycles" in values:
            wait = values["acknowledged"] == "when kept"
            return replace(self, cycles=int(values["cycles"]), writers=int(values["writers"]), wait=wait)
        sample = int(values["points"]) if values["compare"] == "a sample" else None
        return replace(self, sample=sample)


def ways(capabilities: Capabilities | None) -> list[Way]:
    """Those that this server can be put through; while nobody knows, those that most can."""
    possible: set[str] = {"kill", "graceful", "recreate", "pause"}
    if capabilities is not None:
        possible = set(capabilities.restart)
    offered = possible | ({"all"} if possible else set()) | ({CRASH} if "kill" in possible else set()) | {"none"}
    return [way for way in WAYS if way.key in offered]


def in_turn(key: str, capabilities: Capabilities | None) -> list[Restarted]:
    """The restarts that a way makes, one after the other."""
    if key != "all":
        return [] if key in {"none", CRASH} else [cast("Restarted", key)]
    possible = {way.key for way in ways(capabilities)}
    return [one for one in ("graceful", "kill", "pause", "recreate") if one in possible]


def command(key: str, asked: Asked, profile: str) -> str:
    """The same on the command line."""
    on = "" if profile == DEFAULT_PROFILE else f" --profile {shlex.quote(profile)}"
    if key == CRASH:
        wait = "" if asked.wait else " --no-wait"
        return f"qdrant-admin crash-test --cycles {asked.cycles} --writers {asked.writers}{wait}{on}"
    chosen = "".join(f" --collection {shlex.quote(name)}" for name in asked.collections)
    sample = f" --sample {asked.sample}" if asked.sample else ""
    sure = " --yes" if key == "engine" else ""
    return f"qdrant-admin verify --how {key}{chosen}{sample}{sure}{on}"


def interrupts(key: str, name: str, asked: Asked, back: float | None) -> str:
    """What nobody can reach meanwhile, and for how long.

    Args:
        key: of the way.
        name: of the server.
        asked: how hard.
        back: seconds that it took to come back lately; None when that is not known.
    """
    once = f"about {formatting.duration(back)}" if back is not None else "a few seconds"
    match key:
        case "none":
            return "nothing: it runs on"
        case "pause":
            return f"{name}: who asks it waits for two seconds"
        case "all":
            return f"{name}: out of reach for {once}, each time"
        case "engine":
            return "every container on this computer, until the engine is back"
        case "crash-test":
            return f"{name}: out of reach {formatting.counted(asked.cycles, 'time')}, {once} each"
        case _:
            return f"{name}: out of reach for {once}"


def title(key: str, asked: Asked) -> str:
    """Of the job."""
    if key == CRASH:
        return f"crash test: {formatting.counted(asked.cycles, 'kill')}, {formatting.counted(asked.writers, 'writer')}"
    return f"verify: {next(way.title for way in WAYS if way.key == key).lower()}"
