"""A server with a certificate of one's own: trusted when it is named, over REST and gRPC, and never otherwise."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trustme

from qdrant_admin.config.trust import VARIABLE
from qdrant_admin.core.errors import BadInput, ServerUnreachable
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.models import CollectionSpec, Point, VectorSpec
from qdrant_admin.server.health import probe
from tests.migration.support import moved, workspace
from tests.support.real import Server

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its certificate is signed by nobody whom a system knows."""
    folder = tmp_path_factory.mktemp("sealed")
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    roots, key, certificate = (folder / name for name in ("roots.pem", "key.pem", "certificate.pem"))
    authority.cert_pem.write_to_path(roots)
    own.private_key_pem.write_to_path(key)
    for part in own.cert_chain_pems:
        part.write_to_path(certificate, append=True)
    environment = {
        "QDRANT__SERVICE__ENABLE_TLS": "true",
        "QDRANT__TLS__CERT": str(certificate),
        "QDRANT__TLS__KEY": str(key),
    }
    server = Server(folder / "server", environment=environment, roots=roots).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(roots))
        with Database(server.endpoint) as database:
            database.create_collection("notes", CollectionSpec(vectors=(VectorSpec(size=4, distance="Dot"),)))
            vectors = np.random.default_rng(5).normal(size=(300, 4)).astype(np.float32)
            database.upsert("notes", [Point(one, {"n": one}, {"": row}) for one, row in enumerate(vectors)])
    yield server
    server.kill()


def test_a_root_that_is_named_is_trusted_over_both_ways(sealed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(sealed.roots))
    with Database(sealed.endpoint) as database:
        assert database.bulk.transport == f"gRPC (port {sealed.grpc_port})"
        assert sum(len(page) for page in database.scan("notes")) == 300
    seen = probe(sealed.endpoint)
    assert (seen.ready, seen.grpc_open) == (True, True)


def test_what_nobody_vouches_for_is_not_talked_to_and_the_way_out_is_told(
    sealed: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with Database(sealed.endpoint) as database, pytest.raises(ServerUnreachable, match="is not trusted") as refused:
        database.names()
    assert VARIABLE in refused.value.fix
    seen = probe(sealed.endpoint)
    assert not seen.answers
    assert VARIABLE in seen.error


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_that_holds_no_root_is_told(
    sealed: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "roots.pem").write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "roots.pem"))
    with pytest.raises(BadInput, match=r"roots\.pem, which is not a file of certificates"):
        Database(sealed.endpoint).names()
    assert "roots.pem" in probe(sealed.endpoint).error


@pytest.mark.parametrize("method", ["snapshot", "stream"])
def test_a_migration_from_it_is_verified(
    sealed: Server, server: Server, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv(VARIABLE, str(sealed.roots))
    report = moved(workspace(server), f"qdrant+{sealed.url}?grpc_port={sealed.grpc_port}", method=method)
    assert (report.verdict, report.collections[0].method) == ("verified", method)
