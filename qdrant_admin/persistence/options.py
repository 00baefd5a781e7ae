"""What a restart-and-verify is asked to do."""

from qdrant_admin.core.reports import Frozen
from qdrant_admin.persistence.reports import VerifyHow, VerifyReport


class VerifyOptions(Frozen):
    """How the server is restarted, and what is looked at."""

    how: VerifyHow
    """`none`: two fingerprints and nothing in between."""
    collections: tuple[str, ...] = ()
    """Names; empty for all of them."""
    baseline: VerifyReport | None = None
    """An earlier report to compare with as well."""
