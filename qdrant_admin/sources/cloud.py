"""What the sources that are products of others, asked through their own clients, have in common."""

from qdrant_admin.core.errors import (
    AccessDenied,
    AdminError,
    RateLimited,
    ServerTrouble,
    ServerUnreachable,
    SourceUnreadable,
)
from qdrant_admin.core.text import plain
from qdrant_admin.sources import HELP
from qdrant_admin.sources.base import ServerUri
from qdrant_admin.sources.uri import KEY_VARIABLE, source_key


def fault(uri: ServerUri, title: str, error: Exception, *, status: int | None, wait: str | None = None) -> AdminError:
    """A client's exception in the user's terms, by the status of the HTTP answer; `wait` is its `Retry-After`."""
    why = plain(str(error))[:300] or type(error).__name__
    if status is None:
        return ServerUnreachable(f"no {title} answers at {uri.url}", why=why, fix=f"curl -sS {uri.url}")
    if status in {401, 403}:
        wants = "does not take the key" if source_key() else "wants a key"
        return AccessDenied(f"the {title} at {uri.url} {wants}", why=why, fix=f"export {KEY_VARIABLE}=...")
    if status == 429:
        seconds = float(wait) if wait is not None and wait.isdecimal() else None
        return RateLimited(f"the {title} at {uri.url} wants to be asked less often", why=why, seconds=seconds)
    if status >= 500:
        return ServerTrouble(f"the {title} at {uri.url} is in trouble", why=why, fix=f"curl -sS {uri.url}")
    return SourceUnreadable(f"the {title} at {uri.url} cannot be read", why=f"HTTP {status}: {why}", fix=HELP)


def gone(name: str, missing: list[str]) -> SourceUnreadable:
    """The error for records that were listed and are not there any more."""
    return SourceUnreadable(
        f"{plain(name)} changed while it was read",
        why=f"{len(missing)} records are gone, {plain(missing[0])} among them",
        fix="stop the program that writes to it, then begin anew",
    )
