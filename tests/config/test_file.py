"""The file of profiles: strict to read, gentle to write."""

import multiprocessing
import os
from pathlib import Path

import pytest

from qdrant_admin.config import file
from qdrant_admin.config.places import config_file
from qdrant_admin.core.errors import BadInput


def put(text: str) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_no_file_is_fine() -> None:
    assert file.read_profiles() == {}
    assert file.default_profile() == "local"


def test_every_problem_is_named_with_its_line_at_once() -> None:
    path = put(
        """\
# my servers
default_profil = "local"

[profiles.local]
prot = 6333
port = "many"

[profiles.BIG]
grpc_port = 70000

[profiles.both]
volume = "a"
storage = "/b"

[profiles.far]
runtime = "remote"
"""
    )
    with pytest.raises(BadInput) as caught:
        file.read_profiles()
    assert str(path) in caught.value.what
    lines = caught.value.why.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"line {n}" for n in (2, 5, 6, 8, 9, 13, 16)]
    assert "did you mean port?" in lines[1]
    assert "profiles.local.port" in lines[2]


@pytest.mark.parametrize("text", ["[profiles.local\n", "port = = 3\n", 'a = "\n'])
def test_broken_toml_says_where(text: str) -> None:
    put(text)
    with pytest.raises(BadInput, match="TOML") as caught:
        file.read_profiles()
    assert "line 1" in caught.value.why


def test_a_file_that_is_no_text_is_refused() -> None:
    put("").write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(BadInput):
        file.read_profiles()


def test_a_byte_order_mark_of_a_windows_editor_is_no_problem() -> None:
    put("").write_bytes(b"\xef\xbb\xbf[profiles.local]\r\nport = 7000\r\n")
    assert file.read_profiles()["local"].port == 7000


def test_writing_keeps_comments_and_order() -> None:
    path = put("# first\n[profiles.local]  # mine\nport = 6400 # because\n\n# last\n")
    file.write_profile("local", {"grpc_port": 6401})
    file.write_profile("work", {"runtime": "remote", "url": "http://10.0.0.5:6333"})
    file.set_default_profile("work")
    text = path.read_text(encoding="utf-8")
    for comment in ("# first", "# mine", "# because", "# last"):
        assert comment in text
    profiles = file.read_profiles()
    assert (profiles["local"].port, profiles["local"].grpc_port) == (6400, 6401)
    assert file.default_profile() == "work"
    file.set_default_profile("local")
    assert file.default_profile() == "local"
    assert path.read_text(encoding="utf-8").count("default_profile") == 1


def test_none_takes_a_key_back_to_its_default() -> None:
    file.write_profile("local", {"port": 7000, "storage": Path("/data")})
    changed = file.write_profile("local", {"port": None})
    assert changed.port == 6333
    assert file.read_profiles()["local"].given == {"storage"}


def test_a_bad_value_leaves_the_file_as_it_was() -> None:
    path = put("[profiles.local]\nport = 6400\n")
    with pytest.raises(BadInput):
        file.write_profile("local", {"port": 0})
    assert path.read_text(encoding="utf-8") == "[profiles.local]\nport = 6400\n"
    assert [one.name for one in path.parent.iterdir() if one.suffix == ".tmp"] == []


@pytest.mark.parametrize("name", ["", "UP", "a/b", "..", "-a", "a b", "ä", "a" * 41, "[red]", "a\n"])
def test_a_name_that_no_container_could_have_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        file.write_profile(name, {})
    assert not config_file().exists()


def test_deleting_takes_the_default_with_it() -> None:
    file.write_profile("work", {"port": 7000})
    file.set_default_profile("work")
    file.delete_profile("work")
    assert file.read_profiles() == {}
    assert file.default_profile() == "local"
    with pytest.raises(BadInput) as caught:
        file.delete_profile("work")
    assert "local" in caught.value.why


def test_a_default_that_is_not_there_is_a_problem() -> None:
    put('default_profile = "gone"\n')
    with pytest.raises(BadInput, match="default_profile"):
        file.default_profile()


@pytest.mark.skipif(os.name == "nt", reason="needs the right to make symbolic links")
def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.toml"
    real.write_text("[profiles.local]\nport = 6400\n", encoding="utf-8")
    config_file().parent.mkdir(parents=True)
    config_file().symlink_to(real)
    file.write_profile("local", {"port": 6500})
    assert config_file().is_symlink()
    assert "6500" in real.read_text(encoding="utf-8")


def _write_many(number: int) -> None:
    for turn in range(10):
        file.write_profile(f"p{number}-{turn}", {"port": 7000 + turn})


def test_two_writers_lose_nothing() -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(number,)) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(file.read_profiles()) == 20


def test_a_command_with_a_quotation_that_has_no_end_is_told_with_its_line() -> None:
    config_file().parent.mkdir(parents=True, exist_ok=True)
    config_file().write_text('[profiles.local]\nengine_restart = "systemctl \'restart"\n')
    with pytest.raises(BadInput) as told:
        file.read_profiles()
    assert "line 2" in told.value.why
    assert "a list of words" in told.value.why
