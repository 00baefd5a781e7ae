"""What people do with profiles: typed values, and a removal that leaves no key behind."""

from pathlib import Path

import pytest

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.profiles import remove_profile, typed_value, typed_values
from qdrant_admin.config.secrets import read_key, store_key
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.values import SecretStr


def test_a_removed_profile_leaves_no_key_to_a_later_one_of_its_name() -> None:
    write_profile("stage", {"port": 7333})
    store_key("stage", SecretStr("a-key-that-is-secret"))
    assert read_key("stage") is not None
    remove_profile("stage")
    assert "stage" not in read_profiles()
    assert read_key("stage") is None


def test_a_profile_that_is_not_there_is_no_reason_to_forget_a_key() -> None:
    store_key("stage", SecretStr("a-key-that-is-secret"))
    with pytest.raises(BadInput, match="stage"):
        remove_profile("stage")
    assert read_key("stage") is not None


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("port", "7333", 7333),
        ("timeout", "2.5", 2.5),
        ("runtime", "native", "native"),
        ("storage", "/srv/qdrant", Path("/srv/qdrant")),
        ("engine_restart", "systemctl restart 'my docker'", ("systemctl", "restart", "my docker")),
        ("volume", "12", "12"),
        ("image", "", None),
    ],
)
def test_typed_text_becomes_what_its_key_holds(key: str, text: str, value: object) -> None:
    assert typed_value(key, text) == value


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("port", "KEY=VALUE"),
        ("prot=7333", "did you mean port"),
        ("port=x", "port cannot be “x”"),
        ("port=0", "port cannot be “0”"),
        ("runtime=podman", "runtime cannot be “podman”"),
        ("engine-restart=systemctl 'restart", "engine_restart cannot be “systemctl 'restart”"),
    ],
)
def test_what_cannot_be_a_value_is_refused(assignment: str, told: str) -> None:
    with pytest.raises(BadInput) as refused:
        typed_values([assignment])
    assert told in f"{refused.value}"


def test_dashes_mean_underscores() -> None:
    assert typed_values(["grpc-port=7334", "volume="]) == {"grpc_port": 7334, "volume": None}
