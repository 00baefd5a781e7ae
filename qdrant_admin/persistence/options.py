"""What a restart-and-verify is asked to do."""

from pydantic import Field

from qdrant_admin.core.reports import Frozen
from qdrant_admin.persistence.reports import VerifyHow, VerifyReport


class VerifyOptions(Frozen):
    """How the server is restarted, and what is looked at."""

    how: VerifyHow
    """`none`: two fingerprints and nothing in between."""
    confirmed: bool = False
    """Whether somebody said yes to interrupting what else runs on the container engine, for `engine`."""
    collections: tuple[str, ...] = ()
    """Names; empty for all of them."""
    sample: int | None = Field(default=None, ge=1)
    """Of about how many points of each collection the content is read, besides every id; None: of all."""
    baseline: VerifyReport | None = None
    """An earlier report to compare with as well."""


class CrashOptions(Frozen):
    """How often the server is killed, and under what load."""

    cycles: int = Field(default=10, ge=1, le=1000)
    writers: int = Field(default=4, ge=1, le=32)
    """Writers of points; one more makes and deletes collections."""
    wait: bool = True
    """Whether a write is acknowledged once it is applied and logged, or (False) once it is taken."""
    seed: int = 0
    """Of the moments and the changes. The server's own pace is not seeded: two runs are alike, not the same."""
