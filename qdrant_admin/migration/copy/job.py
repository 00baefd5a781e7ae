"""One collection on its way: all that a way of copying is given, and what it gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.progress import ProgressMeter
from qdrant_admin.database.models import VectorSpec
from qdrant_admin.migration.checkpoint import Checkpoint
from qdrant_admin.migration.copy.retry import RetryPolicy
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, Method
from qdrant_admin.sources.base import Source
from qdrant_admin.state.store import StateStore

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database


@dataclass
class CopyJob:
    """A collection to be copied, from its checkpoints on."""

    plan: CollectionPlan
    source: Source
    database: "Database"
    slots: Mapping[str, VectorSpec]
    """The vectors of the target, by name."""
    batch_size: int
    """Points a request, at most."""
    workers: int
    """Requests under way at the same time, at most."""
    rejects: RejectFile
    save: Callable[[Sequence[Checkpoint]], None]
    """Keeps checkpoints, all of them or none."""
    retry: RetryPolicy
    whole: ProgressMeter
    """Of all collections together."""
    cancel: CancelToken
    checkpoints: list[Checkpoint]
    """One a span, in the order of the plan."""
    store: StateStore
    run: str
    """Id of the run."""
    insists: bool
    """Whether the way of copying was asked for, so that no other will do."""
    method: Method = field(init=False)
    """How it was copied in the end."""
    retries: int = field(default=0, init=False)
    octets: int = field(default=0, init=False)
    """Bytes sent."""

    def __post_init__(self) -> None:
        self.method = self.plan.method
