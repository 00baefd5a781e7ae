"""The key: made, kept, shown only on request, and quoted so that a shell gives it back unchanged."""

import dataclasses
import subprocess

import pytest

from qdrant_admin.config.profiles import add_key
from qdrant_admin.config.secrets import read_key
from qdrant_admin.core.errors import Refused, Unsupported
from qdrant_admin.core.values import SecretStr
from qdrant_admin.lifecycle.env import Shell, lines
from qdrant_admin.workspace import Workspace
from tests.lifecycle.conftest import Opens

NASTY = """a'b"c$d\\e`f!#%&"""


def with_key(ws: Workspace, key: str) -> Workspace:
    return dataclasses.replace(ws, settings=ws.settings.model_copy(update={"api_key": SecretStr(key)}))


def pasted(ws: Workspace, syntax: Shell, *, reveal: bool = True) -> list[str]:
    return lines(ws, shell=syntax, reveal=reveal)


def test_a_posix_shell_gives_every_value_back(opens: Opens) -> None:
    ws = with_key(opens(port=7001, grpc_port=7002), NASTY)
    script = "\n".join([*pasted(ws, "posix"), 'printf %s "$QDRANT_API_KEY|$QDRANT_URL|$QDRANT_GRPC_PORT"'])
    result = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == f"{NASTY}|http://127.0.0.1:7001|7002"


@pytest.mark.parametrize("shell", ["posix", "fish", "powershell", "dotenv"])
def test_a_key_is_masked_in_a_comment_unless_asked_for(opens: Opens, shell: Shell) -> None:
    ws = with_key(opens(), "very-secret-key")
    masked = pasted(ws, shell, reveal=False)
    assert not any("very-secret-key" in line for line in masked)
    assert next(line for line in masked if "QDRANT_API_KEY" in line).startswith("#")
    assert any("very-secret-key" in line for line in pasted(ws, shell))


def test_powershell_doubles_and_fish_escapes_a_quote(opens: Opens) -> None:
    ws = with_key(opens(), "a'b\\c")
    assert pasted(ws, "powershell")[-1] == "$env:QDRANT_API_KEY = 'a''b\\c'"
    assert pasted(ws, "fish")[-1] == r"set -gx QDRANT_API_KEY 'a\'b\\c'"


def test_a_new_key_is_kept(opens: Opens) -> None:
    settings = add_key(opens().settings)
    kept = read_key("local")
    assert kept is not None
    assert settings.api_key == kept.value
    assert settings.api_key_origin.startswith(kept.where)
    assert len(kept.value.get_secret_value()) >= 32


def test_a_key_that_the_environment_would_shadow_is_refused(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "from-outside")
    with pytest.raises(Refused):
        add_key(opens().settings)


def test_a_remote_servers_key_cannot_be_set_from_here(opens: Opens) -> None:
    with pytest.raises(Unsupported):
        add_key(opens(runtime="remote", url="http://127.0.0.1:9").settings)
