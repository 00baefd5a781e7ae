"""Fetching an image, layer by layer, with the errors that docker hides in the stream."""

import itertools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from qdrant_admin.config.profile import DEFAULT_IMAGE
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command, Fix
from qdrant_admin.core.errors import AdminError, Cancelled, EngineUnavailable, ImageUnavailable
from qdrant_admin.core.events import Events, Progress, StepFinished, StepStarted
from qdrant_admin.core.formatting import counted, plain, size
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.server.docker.engine.errors import existing
from qdrant_admin.server.docker.engine.stream import batches, each

if TYPE_CHECKING:
    from docker import APIClient

    from qdrant_admin.server.docker.engine.discovery import Engine

STEP = "pull"


def image_id(api: "APIClient", image: str) -> str | None:
    """The id of the image that the engine holds under this name; None when it holds none."""
    found = existing(lambda: api.inspect_image(image))
    return str(found["Id"]) if found else None


def has_image(engine: "Engine", image: str) -> bool:
    """Whether the engine holds the image already."""
    with engine.client(f"look for image {image}") as api:
        return image_id(api, image) is not None


def pull(engine: "Engine", image: str, cancel: CancelToken) -> Events:
    """Fetch the image.

    Raises:
        ImageUnavailable: offline, an unknown tag, no access, no build for this processor.
    """
    from docker.utils import parse_repository_tag

    yield StepStarted(step=STEP, title=f"pulling {image}")
    repository, tag = parse_repository_tag(image)
    layers = Layers()
    try:
        # `images.pull()` of docker-py drops every event of the stream, errors included: hence the low-level call.
        with engine.client(f"pull {image}") as api:
            stream: Iterator[dict[str, Any]] = api.pull(repository, tag=tag or "latest", stream=True, decode=True)
            for event in itertools.chain.from_iterable(batches(each(stream), cancel)):
                if "error" in event:
                    raise unavailable(image, str(event["error"]))
                yield from layers.take(event)
    except ImageUnavailable:
        raise
    except AdminError as error:
        # The engine answers at once, before any stream, when it cannot even ask the registry.
        if _reason(error.why) is None or isinstance(error, EngineUnavailable | Cancelled):
            raise
        raise unavailable(image, error.why) from error
    yield StepFinished(step=STEP, detail=layers.summary())


class Layers:
    """What is known of each layer, and how far the whole has come."""

    def __init__(self) -> None:
        self._whole = ProgressMeter(STEP, None, unit="bytes")
        self._paces: dict[str, ProgressMeter] = {}
        self._kept = 0

    def take(self, event: dict[str, Any]) -> Iterator[Progress]:
        """Count one event of the stream; gives progress when it is worth telling."""
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if not re.fullmatch(r"[0-9a-f]{12}", layer):
            return
        if status == "Already exists":
            self._kept += 1
            return
        pace = self._paces.setdefault(layer, ProgressMeter(STEP, None, item=layer, unit="bytes"))
        detail = event.get("progressDetail") or {}
        if status == "Downloading" and "current" in detail:
            pace.total = detail.get("total") or pace.total
            yield from self._advance(pace, int(detail["current"]) - pace.done)
        elif status in {"Download complete", "Pull complete"} and pace.total is not None:
            # The last piece may have come too soon after another one to be told by itself.
            yield from self._advance(pace, pace.total - pace.done)
            yield pace.event()
            yield self._whole.event()

    def _advance(self, pace: ProgressMeter, by: int) -> Iterator[Progress]:
        totals = [layer.total for layer in self._paces.values()]
        known = [total for total in totals if total is not None]
        self._whole.total = sum(known) if len(known) == len(totals) else None
        for told in (pace.advance(by), self._whole.advance(by)):
            if told is not None:
                yield told

    def summary(self) -> str:
        """`6 layers, 81 MiB`."""
        if not self._paces:
            return "every layer was here already"
        kept = f", {counted(self._kept, 'layer')} here already" if self._kept else ""
        return f"{counted(len(self._paces), 'layer')}, {size(self._whole.done)}{kept}"


class _Reason(NamedTuple):
    pattern: str
    meaning: str
    fix: Fix


_REASONS = (
    _Reason(
        r"manifest unknown|manifest for .* not found|not found: manifest|failed to resolve reference.*not found",
        "there is no such version in the registry",
        Command("up", image=DEFAULT_IMAGE),
    ),
    _Reason(
        r"unauthorized|authentication required|denied|no basic auth",
        "the registry does not let us read it: a wrong name, or it wants a login",
        "docker login",
    ),
    _Reason(r"toomanyrequests|rate limit", "the registry allows no more downloads for now", "docker login"),
    _Reason(r"no matching manifest", "there is no build of it for this processor", Command("up", image=DEFAULT_IMAGE)),
    _Reason(r"no space left", "the engine's disk is full", "docker system df"),
    _Reason(
        r"no such host|connection refused|timeout|timed out|temporary failure|network is unreachable|TLS handshake|"
        r"server misbehaving|connection reset|dial tcp|\bEOF\b",
        "the registry cannot be reached: this machine or the engine is offline, or a proxy is in the way",
        "docker pull {image}",
    ),
)
_UNKNOWN = _Reason("", "the engine could not fetch it", "docker pull {image}")


def _reason(said: str) -> _Reason | None:
    return next((reason for reason in _REASONS if re.search(reason.pattern, said, re.IGNORECASE)), None)


def unavailable(image: str, said: str) -> ImageUnavailable:
    """The registry's or the engine's own words, with what they mean."""
    reason = _reason(said) or _UNKNOWN
    return ImageUnavailable(
        f"image {image} cannot be had",
        why=f"{reason.meaning} ({plain(said.strip())})",
        fix=reason.fix.format(image=image) if isinstance(reason.fix, str) else reason.fix,
    )
