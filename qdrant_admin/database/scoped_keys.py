"""API keys that open some collections only: tokens that say so themselves."""

import base64
import json

from qdrant_admin.core.values import SecretStr


def collections_opened(key: SecretStr | None) -> tuple[str, ...]:
    """The only collections that a key opens, as the token tells (`access: [{"collection": …}]`); empty: it opens all.

    The server checks the signature; here it is only read.
    """
    parts = key.get_secret_value().split(".") if key is not None else []
    if len(parts) != 3:
        return ()
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        access = claims.get("access")
        return tuple(sorted(str(one["collection"]) for one in access)) if isinstance(access, list) else ()
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()  # no such token
