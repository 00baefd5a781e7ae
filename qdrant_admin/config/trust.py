"""Whom an encrypted connection trusts: the roots that come with its library, or those that `SSL_CERT_FILE` names.

The variable is OpenSSL's own, and the way to a certificate authority of one's own.
"""

import os
import ssl
from pathlib import Path

from qdrant_admin.core.errors import BadInput

VARIABLE = "SSL_CERT_FILE"


def context() -> ssl.SSLContext:
    """For a connection by Python's own TLS.

    Raises:
        BadInput: what the variable names cannot be read, or is no file of certificates.
    """
    import httpx

    path = os.environ.get(VARIABLE)
    if not path:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise BadInput(
            f"{VARIABLE} names {path}, which is no file of certificates",
            why=str(error),
            fix=f"let it name a PEM file with the root certificate, or unset {VARIABLE}",
        ) from error


def own_roots() -> bytes | None:
    """For a connection by gRPC: the certificates in that file; None where none is named.

    Raises:
        BadInput: as `context`.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    context()
    return Path(path).read_bytes()
