"""The error tree: what happened, why, and what to do now.

    AdminError                      exit 1
    ├── Failed                      exit 1  the operation ran and found something wrong
    │   ├── NotFound                        collection, point, run or container that is gone, or is not there
    │   └── RequestRejected                 the server understood and said no
    ├── BadInput                    exit 2  the command line or a file is wrong, or a name that was never known
    ├── Unfit                       exit 3  the environment is not fit
    │   ├── EngineUnavailable               no container engine answers
    │   ├── ImageUnavailable                the image cannot be had
    │   ├── BinaryUnavailable               no native Qdrant binary can be had
    │   ├── PortTaken                       somebody else listens there
    │   ├── StorageUnusable                 volume or directory cannot hold a Qdrant
    │   ├── ServerUnreachable               nothing answers at the address
    │   ├── ServerNotReady                  it runs, and did not come up in time
    │   ├── ServerTrouble                   it answers with a fault of its own: panic, recovery mode
    │   │   ├── DiskFull                    it has no room left
    │   │   ├── QuotaReached                a limit that somebody set for it refuses writes
    │   │   ├── OutcomeUnknown              it took a change, and did not say in time whether it is applied
    │   │   └── RateLimited                 it wants to be asked less often
    │   ├── AccessDenied                    API key missing or wrong
    │   ├── NotQdrant                       something answers, and it is not a Qdrant server
    │   ├── SourceUnreadable                a migration source is missing, locked, damaged or of another kind
    │   └── Unsupported                     this runtime or this server version cannot do that
    ├── Refused                     exit 4  refused for safety
    │   ├── NotOurs                         it is not managed by qdrant-admin
    │   └── ConfirmationMissing             it would destroy something and nobody said yes
    └── Cancelled                   exit 130

Foreign exceptions become these at the border that knows them: `server` for docker, `database` for grpc and
httpx, each source for its own format.
"""

from copy import copy
from enum import IntEnum
from typing import Self

from qdrant_admin.core.commands import Fix, written


class ExitCode(IntEnum):
    """What a script may rely on. The numbers are a contract and never change."""

    OK = 0
    FOUND_WRONG = 1
    USAGE = 2
    UNFIT = 3
    REFUSED = 4
    CANCELLED = 130


class AdminError(Exception):
    """Base of every error a user may see.

    Args:
        what: what happened, naming the object: `port 6333 is taken`.
        why: the cause in the user's terms, with evidence; may be empty when `what` says it all.
        fix: what to do now: a command of ours (put on its profile where the error is shown), or words that are final.
    """

    exit_code: ExitCode = ExitCode.FOUND_WRONG

    def __init__(self, what: str, *, why: str = "", fix: Fix = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self._fix = fix

    @property
    def fix(self) -> str:
        """What to do now, as text that names no profile by itself. Reports and screens show `fix_on(profile)`."""
        return written(self._fix, None)

    @property
    def way_out(self) -> Fix:
        """The fix as it was given: for an error that is made of this one, and is shown by somebody else."""
        return self._fix

    def fix_on(self, profile: str | None) -> str:
        """What to do now, as text that can be pasted, on the profile at hand."""
        return written(self._fix, profile)

    def with_fix(self, fix: Fix) -> Self:
        """The same error with this way out; the error itself stays as it is, for whoever has logged it."""
        told = copy(self)
        told._fix = fix  # noqa: SLF001 # a copy of our own
        return told.with_traceback(self.__traceback__)

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


class Failed(AdminError):
    """The operation ran and found something wrong."""


class NotFound(Failed):
    """Something is not there: it was and is gone, or nobody can know all that there ever was, such as points."""


class RequestRejected(Failed):
    """The server understood the request and refused it."""


class BadInput(AdminError):
    """The command line or a file is wrong, or it names what is not there and was never known to be."""

    exit_code = ExitCode.USAGE


class Unfit(AdminError):
    """The environment cannot carry the operation."""

    exit_code = ExitCode.UNFIT


class EngineUnavailable(Unfit):
    """No container engine answers."""


class ImageUnavailable(Unfit):
    """The container image is not here and cannot be pulled."""


class BinaryUnavailable(Unfit):
    """No native Qdrant binary can be had on this machine."""


class PortTaken(Unfit):
    """Somebody else listens on a port that the server needs."""


class StorageUnusable(Unfit):
    """A volume or directory cannot hold a Qdrant's storage."""


class ServerUnreachable(Unfit):
    """Nothing answers at the server's address."""


class ServerNotReady(Unfit):
    """The server runs and did not become ready in time."""


class ServerTrouble(Unfit):
    """The server answers with a fault of its own, such as a full disk."""


class DiskFull(ServerTrouble):
    """The server has no room left. Waiting does not help: somebody has to make some."""


class QuotaReached(ServerTrouble):
    """A limit for memory or disk that somebody set refuses writes, whatever they hold. Waiting does not help."""


class OutcomeUnknown(ServerTrouble):
    """The server took a change and did not say in time whether it is applied. Making the same change again is safe."""


class RateLimited(ServerTrouble):
    """The server wants to be asked less often."""

    def __init__(self, what: str, *, why: str = "", fix: Fix = "", seconds: float | None = None) -> None:
        super().__init__(what, why=why, fix=fix)
        self.seconds = seconds
        """How long it wants to be left alone; None when it does not say."""


class AccessDenied(Unfit):
    """The API key is missing, wrong, or may not do this."""


class NotQdrant(Unfit):
    """Something answers at the address, and it is not a Qdrant server."""


class SourceUnreadable(Unfit):
    """A migration source is missing, locked, damaged or of another kind."""


class Unsupported(Unfit):
    """The runtime or the server version at hand cannot do what was asked."""


class Refused(AdminError):
    """Refused for safety."""

    exit_code = ExitCode.REFUSED


class NotOurs(Refused):
    """The container, process or volume is not managed by qdrant-admin."""


class ConfirmationMissing(Refused):
    """The step would destroy something, and nobody confirmed it."""


class Cancelled(AdminError):
    """The user asked to stop. What was acknowledged stays."""

    exit_code = ExitCode.CANCELLED

    def __init__(self, what: str = "cancelled", *, why: str = "", fix: Fix = "") -> None:
        super().__init__(what, why=why, fix=fix)
