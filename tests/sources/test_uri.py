from pathlib import Path

import pytest

from qdrant_admin.core.errors import BadInput, SourceUnreadable
from qdrant_admin.sources.chroma.directory import ChromaDirectory
from qdrant_admin.sources.detect import look
from qdrant_admin.sources.uri import parse
from tests.sources.support import detect_scheme, folder_uri, server_uri


def test_every_form_is_taken_apart_and_given_back(tmp_path: Path) -> None:
    odd = tmp_path / "what? 100% [mine]"
    odd.mkdir()
    for text in (
        f"chroma:{tmp_path}?collection=notes&database=other",
        f"qdrant-local:{tmp_path}",
        f"chroma:{odd}",
        "chroma+http://127.0.0.1:8000?tenant=t&database=d",
        "qdrant+https://example.org:6333?collection=a%26b",
    ):
        uri = parse(text)
        assert parse(str(uri)) == uri
    assert folder_uri(f"chroma:{odd}").path == odd
    assert parse("qdrant+https://example.org:6333?collection=a%26b").collection == "a&b"
    assert server_uri("qdrant+http://[::1]").url == "http://[::1]:6333"


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_uri("chroma:./memory").path == tmp_path / "memory"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://there",
        "chroma:",
        "chroma:/x?colection=y",
        "qdrant+http://",
        "qdrant+http://h:99999999",
        "qdrant+http://h?a=b",
    ],
)
def test_nonsense_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.fix


def test_a_secret_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadInput, match="secret") as caught:
        parse("qdrant+http://me:hunter2@127.0.0.1:6333")
    assert "hunter2" not in str(caught.value) + caught.value.fix
    assert "QDRANT_ADMIN_SOURCE_API_KEY" in caught.value.fix


def test_a_bare_path_is_looked_at_and_the_right_uri_named(chroma: Path, local: Path) -> None:
    for path, scheme, words in ((chroma, "chroma", "format of chromadb 1.x"), (local, "qdrant-local", "embedded mode")):
        with pytest.raises(BadInput) as caught:
            parse(str(path))
        assert caught.value.fix == f"qdrant-admin migrate {scheme}:{path}"
        assert words in caught.value.why


def test_a_path_one_level_too_high_or_too_low_is_put_right(chroma: Path) -> None:
    for path in (chroma.parent, chroma / "chroma.sqlite3"):
        with pytest.raises(BadInput) as caught:
            parse(str(path))
        assert caught.value.fix == f"qdrant-admin migrate chroma:{chroma}"
        with pytest.raises(SourceUnreadable) as unreadable:
            ChromaDirectory(folder_uri(f"chroma:{path}"))
        assert unreadable.value.fix == f"qdrant-admin migrate chroma:{chroma}"
        assert detect_scheme(path) is None


def test_what_lies_at_a_path_is_told(tmp_path: Path, chroma: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "server" / "storage" / "collections").mkdir(parents=True)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8b")
    (tmp_path / "c.snapshot").write_bytes(b"no tar")
    (tmp_path / "nothing").write_bytes(b"")
    expected = {
        "empty": "an empty folder",
        "server": "storage of a Qdrant server",
        "server/storage": "the storage of a Qdrant server",
        "a.parquet": "a Parquet file",
        "b.jsonl.gz": "JSON lines",
        "c.snapshot": "no snapshot",
        "nothing": "an empty file",
        "absent": "not there",
        "chroma-1.5/chroma.sqlite3": "name the folder",
        ".": "a folder with",
    }
    for name, words in expected.items():
        assert words in look(tmp_path / name).words, name
