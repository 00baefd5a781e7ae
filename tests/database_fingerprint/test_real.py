"""The fingerprint of real collections: the same over both transports, through merges, and a difference named."""

import pytest

from qdrant_admin.database.fingerprint import compare
from qdrant_admin.database.gateway import Database
from tests.database.conftest import rest_only
from tests.database_fingerprint.conftest import odd_points
from tests.support.fingerprints import fingerprint
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.mark.parametrize("name", ["odd", "plain"])
def test_both_transports_give_the_same_digest_and_ledger(filled: Server, name: str) -> None:
    with Database(filled.endpoint) as over_grpc, Database(rest_only(filled.endpoint)) as over_rest:
        assert over_grpc.bulk.transport.startswith("gRPC")
        with fingerprint(over_grpc, name) as one, fingerprint(over_rest, name) as other:
            assert one.digest == other.digest
            assert list(one.digests) == list(other.digests)
            assert compare(one, other).same
            assert one.filtered == other.filtered


def test_what_is_read_is_what_a_scan_reads(filled: Server) -> None:
    """Every point, once, and every value that an index can be asked for."""
    with Database(filled.endpoint) as database, fingerprint(database, "odd") as one:
        assert one.points == one.counted == len(odd_points())
        assert one.filtered.words().keys() == {f"kind = {word}" for word in ("no vector", "one row", "a", "b")} | {
            "kind is empty",
            "kind is null",
        }
