"""A claim on a collection: whoever fills it says so in its metadata, for other homes and machines to see.

Servers keep metadata from 1.16 on: a key that is written is merged with the others, and null takes it away. The key is
bookkeeping of ours: what is told of a collection, its digests, differences, baselines and copies are made without it.
"""

from datetime import UTC, datetime, timedelta

from qdrant_admin.core.values import Frozen
from qdrant_admin.database.models import CollectionSpec, Fields

KEY = "qdrant-admin:claim"
LONGEST = timedelta(days=7)
"""A claim for longer was made by a clock that was wrong: a run renews its own every few minutes."""


class Claim(Frozen):
    """Who is filling a collection, and until when that holds unless it is renewed."""

    owner: str
    """The installation; see `state.installation`."""
    run: str
    until: datetime
    """By the server's own clock: those of two machines may differ by more than a lease."""

    def ran_out(self, now: datetime) -> bool:
        """Whether it no longer holds, or never can have."""
        return not now < self.until <= now + LONGEST


def as_metadata(claim: Claim | None) -> Fields:
    """What is merged into a collection's metadata; None takes the claim away."""
    return {KEY: None if claim is None else {**claim.model_dump(), "until": claim.until.isoformat()}}


def claimed(spec: CollectionSpec, claim: Claim | None) -> CollectionSpec:
    """What a collection is made with that is claimed from its first moment on."""
    if claim is None:
        return spec
    metadata = {**spec.params.get("metadata", {}), **as_metadata(claim)}
    return spec.model_copy(update={"params": spec.params | {"metadata": metadata}})


def claim_of(config: Fields) -> Claim | None:
    """The claim in the server's `config` of a collection; None where there is none that can be read."""
    told = (config.get("metadata") or {}).get(KEY)
    try:
        found = Claim.model_validate(told) if told else None
        return found and found.model_copy(update={"until": _in_utc(found.until)})
    except (ValueError, TypeError, OverflowError):
        return None


def _in_utc(when: datetime) -> datetime:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)


def without_claim(config: Fields) -> Fields:
    """The server's `config` as it was before anybody claimed the collection; the same where nobody has."""
    if "metadata" not in config:
        return config
    metadata = {key: value for key, value in (config["metadata"] or {}).items() if key != KEY}
    rest = {key: value for key, value in config.items() if key != "metadata"}
    return rest | ({"metadata": metadata} if metadata else {})
