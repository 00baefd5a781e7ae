"""What this product never does to a server, and tests do: take an index or an alias away."""

from qdrant_admin.database.gateway import Database
from qdrant_admin.database.names import quoted


def drop_index(database: Database, collection: str, field: str) -> None:
    path = f"/collections/{quoted(collection)}/index/{quoted(field)}"
    database._rest.call("DELETE", path, params={"wait": "true"})


def drop_alias(database: Database, alias: str) -> None:
    database._rest.call("POST", "/collections/aliases", {"actions": [{"delete_alias": {"alias_name": alias}}]})
