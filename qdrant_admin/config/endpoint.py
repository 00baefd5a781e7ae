"""Where a Qdrant answers, and what it wants to hear before it does."""

from pydantic import SecretStr

from qdrant_admin.core.reports import Frozen


class Endpoint(Frozen):
    """The addresses of one server. The key never leaves this object except in a request's header."""

    url: str
    """REST base without a trailing slash: `http://127.0.0.1:6333`."""
    grpc_host: str = "127.0.0.1"
    grpc_port: int | None = None
    """None when nobody has said which one it is, or gRPC is known to be closed: everything then goes over REST. It is
    never guessed: whatever listens on 6334 may be another server with collections of the same names."""
    tls: bool = False
    api_key: SecretStr | None = None
    timeout: float = 10.0
    """Seconds for one ordinary request."""
