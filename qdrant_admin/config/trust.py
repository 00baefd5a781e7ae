"""Whom a connection trusts: its library's roots, or those that `SSL_CERT_FILE` names; and no proxy for this machine.

The variable is OpenSSL's own, and the way to a certificate authority of one's own.
"""

import os
import ssl
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from qdrant_admin.config.environment import is_loopback
from qdrant_admin.core.errors import BadInput

VARIABLE = "SSL_CERT_FILE"


class HttpOptions(TypedDict):
    """What an HTTPX client is made with."""

    verify: ssl.SSLContext | bool
    trust_env: bool


def context() -> ssl.SSLContext:
    """For a connection by Python's own TLS.

    Raises:
        BadInput: what the variable names cannot be read, or is not a file of certificates.
    """
    import httpx

    path = os.environ.get(VARIABLE)
    if not path:
        return httpx.create_ssl_context()  # which goes by SSL_CERT_DIR, where that is set
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise BadInput(
            f"{VARIABLE} names {path}, which is not a file of certificates",
            why=str(error),
            fix=f"let it name a PEM file with the root certificate, or unset {VARIABLE}",
        ) from error


def http_options(url: str) -> HttpOptions:
    """For an HTTPX client of that address.

    Raises:
        BadInput: as `context`.
        ValueError: it is not an address.
    """
    address = urlsplit(url)
    return {
        "verify": context() if address.scheme == "https" else False,
        "trust_env": not is_loopback(address.hostname or ""),  # a proxy has no business with this machine
    }


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
