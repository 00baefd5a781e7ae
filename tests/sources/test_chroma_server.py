"""A real Chroma server: keys, its older interface, and records that go while they are read."""

import base64
import json
from contextlib import closing
from typing import Any

import httpx
import pytest

from qdrant_admin.core.errors import AccessDenied, BadInput, SourceUnreadable
from qdrant_admin.core.serialization import to_json
from qdrant_admin.sources.chroma.server import ChromaServer
from qdrant_admin.sources.uri import KEY_VARIABLE
from tests.migration.support import moved, planned, workspace
from tests.sources.support import server_uri
from tests.support.answering import Answered, Asked, answering
from tests.support.real import Server

pytestmark = pytest.mark.server

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def forwarded(url: str, asked: Asked, target: str = "") -> Answered:
    """What the real server answers."""
    answer = httpx.request(
        asked.method,
        url.removeprefix("chroma+") + (target or asked.target),
        content=asked.body,
        headers={"Content-Type": "application/json"},
    )
    return Answered(answer.content, answer.status_code)


def test_a_key_opens_it_and_is_shown_nowhere(server: Server, chroma_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    basic = f"Basic {base64.b64encode(b'me:secret').decode()}"
    for option, key, header, value in (
        ("", "a-token", "X-Chroma-Token", "a-token"),
        ("", "a-token", "Authorization", "Bearer a-token"),
        ("?auth=basic", "me:secret", "Authorization", basic),
    ):

        def guarded(asked: Asked, header: str = header, value: str = value) -> Answered:
            return forwarded(chroma_url, asked) if asked.headers.get(header) == value else Answered({}, 401)

        monkeypatch.delenv(KEY_VARIABLE, raising=False)
        with answering(guarded) as place:
            url = f"chroma+http://{place}"
            with pytest.raises(AccessDenied, match="asks for a key") as caught:
                ChromaServer(server_uri(url + option))
            assert KEY_VARIABLE in caught.value.fix
            monkeypatch.setenv(KEY_VARIABLE, "wrong:key")
            with pytest.raises(AccessDenied, match="does not take the key") as caught:
                ChromaServer(server_uri(url + option))
            assert ("auth=basic" in caught.value.why) is not bool(option)
            monkeypatch.setenv(KEY_VARIABLE, key)
            plan = planned(workspace(server), f"{url}{option or '?auth=token'}&collection=typed")
            assert plan.collections[0].count == 4
            assert key not in to_json(plan)


def test_an_unknown_way_of_showing_a_key_is_told() -> None:
    with pytest.raises(BadInput, match="auth=kerberos"):
        ChromaServer(server_uri("chroma+http://127.0.0.1:8000?auth=kerberos"))


def test_the_interface_of_older_servers_is_spoken(server: Server, chroma_url: str) -> None:
    """As chromadb 0.4.24 answers: no /api/v2, no dimension, no configuration."""

    def older(asked: Asked) -> Answered:
        if not asked.path.startswith("/api/v1/"):
            return Answered({"detail": "Not Found"}, 404)
        rest = asked.target.removeprefix("/api/v1/")
        if not rest.startswith("collections"):
            return forwarded(chroma_url, asked, f"/api/v2/{rest}")
        answer = forwarded(chroma_url, asked, COLLECTIONS + rest.removeprefix("collections"))
        if asked.method == "POST" or asked.path.endswith("/count"):
            return answer
        kept = ("id", "name", "metadata", "tenant", "database")
        return Answered([{key: one[key] for key in kept} for one in json.loads(answer.content)])

    with answering(older) as place:
        url = f"chroma+http://{place}"
        report = moved(workspace(server), f"{url}?collection=debian_memories")
        assert (report.verdict, report.collections[0].verified) == ("verified", 149)
        with closing(ChromaServer(server_uri(url))) as source:
            found = {one.name: one.spec.vectors[0] for one in source.collections() if one.spec}
        assert {name: (slot.size, slot.distance) for name, slot in found.items()} == {
            "debian_memories": (384, "Cosine"),
            "typed": (4, "Euclid"),
            "dotted.name-1": (2, "Euclid"),  # Dot, set by a configuration, which this interface does not tell
        }


def test_a_proxy_of_the_house_does_not_stand_between_us_and_this_machine(
    chroma_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with closing(ChromaServer(server_uri(chroma_url))) as source:
        assert source.kind.startswith("Chroma server")


def test_what_is_deleted_meanwhile_makes_nothing_else_be_skipped(chroma_url: str) -> None:
    with closing(ChromaServer(server_uri(chroma_url))) as source:
        whole = [record.id for batch in source.batches("debian_memories", size=1000) for record in batch.records]
        batches = source.batches("debian_memories", size=40)
        read = [record.id for record in next(batches).records]
        delete(chroma_url, "debian_memories", read[:30])
        read += [record.id for batch in batches for record in batch.records]
        assert read == whole

        batches = source.batches("debian_memories", size=40, after=str(whole[39]))
        next(batches)
        delete(chroma_url, "debian_memories", whole[100:102])
        with pytest.raises(SourceUnreadable, match="changed while it was read") as caught:
            list(batches)
        assert "2 records are gone" in caught.value.why
    with closing(ChromaServer(server_uri(chroma_url))) as source:
        assert {one.name: one.count for one in source.collections()}["debian_memories"] == len(whole) - 32


def test_the_server_counts_for_itself(server: Server, chroma_url: str) -> None:
    def cut(asked: Asked) -> Answered:
        answer = forwarded(chroma_url, asked)
        if asked.method == "POST" and asked.json == {"include": []}:
            found = json.loads(answer.content)
            return Answered(found | {"ids": found["ids"][:-9]})
        return answer

    with answering(cut) as place:
        report = moved(workspace(server), f"chroma+http://{place}?collection=debian_memories")
    (result,) = report.collections
    assert (report.verdict, result.seen, result.accounted) == ("differs", 149, 140)


def delete(url: str, name: str, ids: list[Any]) -> None:
    base = url.removeprefix("chroma+") + COLLECTIONS
    with httpx.Client() as http:
        identity = next(one["id"] for one in http.get(base).json() if one["name"] == name)
        http.post(f"{base}/{identity}/delete", json={"ids": ids}).raise_for_status()
