"""Where a Qdrant answers, and what it wants to hear before it does."""

from pydantic import SecretStr

from qdrant_admin.core.reports import Frozen


class Endpoint(Frozen):
    """The addresses of one server. The key never leaves this object except in a request's header."""

    url: str
    """REST base without a trailing slash: `http://127.0.0.1:6333`."""
    grpc_host: str = "127.0.0.1"
    grpc_port: int | None = 6334
    """None when gRPC is known to be closed: everything then goes over REST."""
    tls: bool = False
    api_key: SecretStr | None = None
    timeout: float = 10.0
    """Seconds for one ordinary request."""
