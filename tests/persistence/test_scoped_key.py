"""A key for some collections only: the verdict names them, and claims nothing of the others nor of who wrote."""

import base64
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrant_admin.collections.browse import show_collection
from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import AccessDenied, BadInput
from qdrant_admin.core.values import SecretStr
from qdrant_admin.database.gateway import Database
from qdrant_admin.database.scoped_keys import collections_opened
from qdrant_admin.lifecycle.accept import accept
from qdrant_admin.lifecycle.findings import MEMORY
from qdrant_admin.lifecycle.status import status
from qdrant_admin.persistence.writers import BLIND
from qdrant_admin.state import inventory
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace
from tests.persistence.conftest import begins, checked, drain, fill, prove
from tests.support.real import Server

KEY = "a key that is long enough"


def token(**claims: object) -> str:
    """Signed as the server wants it (HS256)."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(KEY.encode(), text, "sha256")).rstrip(b"=")
    return f"{text.decode()}.{signature.decode()}"


SOME = token(access=[{"collection": "memories", "access": "rw"}])


@pytest.mark.parametrize(
    ("key", "opened"),
    [
        (SOME, ("memories",)),
        (token(access=[{"collection": "b"}, {"collection": "a"}]), ("a", "b")),
        (token(access="m"), ()),
        (token(exp=3), ()),
        (token(access=[{}]), ()),
        ("a.b.c", ()),
        ("only-a-key", ()),
    ],
)
def test_a_token_says_which_collections_it_opens(key: str, opened: tuple[str, ...]) -> None:
    assert collections_opened(SecretStr(key)) == opened
    assert collections_opened(None) == ()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Server]:
    environment = {"QDRANT__SERVICE__API_KEY": KEY, "QDRANT__SERVICE__JWT_RBAC": "true"}
    server = Server(tmp_path / "server", environment=environment).start()
    yield server
    server.kill()


def workspace(server: Server, folder: Path, key: str) -> Workspace:
    profile = Profile(runtime="remote", url=server.url, grpc_port=server.grpc_port)
    settings = Settings(name="scoped", profile=profile, api_key=SecretStr(key))
    return Workspace(settings, StateStore(folder / "state.sqlite3"))


@pytest.mark.server
def test_the_verdict_names_what_the_key_opens(guarded: Server, tmp_path: Path) -> None:
    whole = workspace(guarded, tmp_path, KEY)
    fill(whole)
    fill(whole, "secret")
    ws = workspace(guarded, tmp_path, SOME)
    report = prove(ws)
    assert (report.verdict, report.scope) == ("unchanged", ("memories",))
    assert [check.name for check in report.collections] == ["memories"]
    assert prove(whole).verdict == "unchanged"
    assert prove(ws).verdict == "unchanged", "what is known to be here and out of sight is not gone"
    assert not [one for one in status(ws).findings if one.code in MEMORY]
    drain(accept(ws, cancel=CancelToken()))
    known = inventory.known(ws.store, "scoped", guarded.url)
    assert known is not None
    assert known.present.keys() == {"memories", "secret"}, "nor is it accepted as gone"
    for name in ("secret", "never"):  # the one is known to be here, and out of sight
        with pytest.raises(AccessDenied):
            show_collection(ws, name)
    with pytest.raises(BadInput):
        show_collection(whole, "never")
    with ws.database() as database:  # nor does anybody take its gRPC port for another server's
        assert "does not tell whether" in database.bulk.transport
        assert not database.bulk.leads_elsewhere
    assert "every point, setting and alias of memories is as it was" in report.reason
    assert "out of sight" in report.reason
    assert "The API key opens no other collection" in report.sentence()
    assert f"but {BLIND}" in report.checks

    def delete(_: Database) -> None:
        with whole.database() as database:
            database.delete_points("memories", [1])

    lost = checked(ws, "none", begins("fingerprint_after"), delete)
    assert (lost.verdict, lost.code) == ("inconclusive", "writers_unseen")
