"""Flags over environment over file over defaults, and every value says where it came from."""

import pytest

from qdrant_admin.config.file import write_profile
from qdrant_admin.config.secrets import store_key
from qdrant_admin.config.settings import load_settings
from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.serialization import to_json
from qdrant_admin.core.values import SecretStr

Env = pytest.MonkeyPatch


def test_the_layers_and_their_origins(monkeypatch: Env) -> None:
    write_profile("local", {"port": 7001, "grpc_port": 7002, "timeout": 3.0, "image": "a:1"})
    monkeypatch.setenv("QDRANT_GRPC_PORT", "8002")
    monkeypatch.setenv("QDRANT_TIMEOUT", "5.5")
    settings = load_settings(flags={"timeout": 7.0, "image": None})
    profile = settings.profile
    assert (profile.port, profile.grpc_port, profile.timeout, profile.image) == (7001, 8002, 7.0, "a:1")
    assert settings.origins["port"].startswith("file ")
    assert settings.origins["grpc_port"] == "environment QDRANT_GRPC_PORT"
    assert settings.origins["timeout"] == "flag --timeout"
    assert settings.origins["host"] == "default"
    assert settings.endpoint.url == "http://127.0.0.1:7001"
    assert settings.endpoint.grpc_port == 8002


def test_the_whole_environment_contract(monkeypatch: Env) -> None:
    for name, value in {
        "QDRANT_PORT": "7001",
        "QDRANT_COLLECTION_PREFIX": "app_",
        "QDRANT_DEFAULT_VECTOR_SIZE": "384",
        "QDRANT_ADMIN_IMAGE": "other:1",
        "QDRANT_ADMIN_BINARY": "/opt/qdrant",
        "QDRANT_API_KEY": "secret-key",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    profile = settings.profile
    assert (profile.port, profile.collection_prefix, profile.default_vector_size) == (7001, "app_", 384)
    assert (profile.image, str(profile.binary)) == ("other:1", "/opt/qdrant")
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "secret-key"
    assert settings.api_key_origin == "environment QDRANT_API_KEY"
    assert "secret-key" not in repr(settings) + to_json(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QDRANT_PORT", "http"),
        ("QDRANT_PORT", "0"),
        ("QDRANT_PORT", "70000"),
        ("QDRANT_PORT", "٣"),
        ("QDRANT_GRPC_PORT", "-1"),
        ("QDRANT_TIMEOUT", "soon"),
        ("QDRANT_TIMEOUT", "0"),
        ("QDRANT_TIMEOUT", "nan"),
        ("QDRANT_DEFAULT_VECTOR_SIZE", "0"),
        ("QDRANT_SERVER_MODE", "perhaps"),
        ("QDRANT_URL", "localhost:6333"),
        ("QDRANT_URL", "ftp://a"),
        ("QDRANT_URL", "http://"),
        ("QDRANT_URL", "http://a:99999"),
        ("QDRANT_URL", "http://user:pass@a:6333"),
        ("QDRANT_HOST", "http://far.example"),
    ],
)
def test_a_malformed_variable_is_named(monkeypatch: Env, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as caught:
        load_settings()
    assert name in caught.value.what
    assert "pass" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("variables", "url", "tls"),
    [
        ({"QDRANT_URL": "https://far.example:6333/"}, "https://far.example:6333", True),
        ({"QDRANT_URL": "http://far.example"}, "http://far.example:6333", False),
        ({"QDRANT_URL": "http://far.example/qdrant/"}, "http://far.example:6333/qdrant", False),
        ({"QDRANT_URL": "http://127.0.0.1:9999"}, "http://127.0.0.1:9999", False),
        ({"QDRANT_URL": "https://127.0.0.1:6333"}, "https://127.0.0.1:6333", True),  # ours speaks no TLS
        ({"QDRANT_HOST": "10.1.2.3", "QDRANT_PORT": "7000"}, "http://10.1.2.3:7000", False),
        ({"QDRANT_HOST": "fd00::1"}, "http://[fd00::1]:6333", False),
    ],
)
def test_an_address_elsewhere_is_a_remote_server(
    monkeypatch: Env, variables: dict[str, str], url: str, tls: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.profile.runtime == "remote"
    assert settings.endpoint.url == url
    assert settings.endpoint.tls is tls
    assert not settings.published_openly


@pytest.mark.parametrize(
    "variables",
    [
        {"QDRANT_HOST": "localhost"},
        {"QDRANT_HOST": "127.0.0.1"},
        {"QDRANT_HOST": "0.0.0.0"},  # noqa: S104 # an address to call
        {"QDRANT_URL": "http://localhost:6333"},
        {"QDRANT_URL": "http://127.0.0.1:7000", "QDRANT_PORT": "7000"},
        {"QDRANT_URL": "", "QDRANT_HOST": " "},
    ],
)
def test_this_machine_is_no_remote_server(monkeypatch: Env, variables: dict[str, str]) -> None:
    """The lines of `qdrant-admin env`, loaded into the shell, must leave the server restartable."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.profile.runtime == "auto"
    assert settings.profile.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]"])
def test_another_address_of_this_machine_is_another_server(monkeypatch: Env, host: str) -> None:
    """Somebody else may listen at the same port there."""
    monkeypatch.setenv("QDRANT_URL", f"http://{host}:6333")
    assert load_settings().endpoint.url == f"http://{host}:6333"
    monkeypatch.delenv("QDRANT_URL")
    monkeypatch.setenv("QDRANT_HOST", host)
    assert load_settings().endpoint.url == f"http://{host}:6333"
    write_profile("local", {"host": host.strip("[]")})
    assert load_settings().profile.runtime == "auto", "that of the profile is its own"


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"QDRANT_URL": "http://127.0.0.1:6333"}, "http://127.0.0.1:6333"),
        ({"QDRANT_HOST": "localhost", "QDRANT_PORT": "7000"}, "http://localhost:7000"),
        ({}, "https://far.example:6333"),
    ],
)
def test_any_address_replaces_that_of_a_remote_profile(monkeypatch: Env, variables: dict[str, str], url: str) -> None:
    write_profile("local", {"runtime": "remote", "url": "https://far.example"})
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert (settings.profile.runtime, settings.endpoint.url) == ("remote", url)


def test_a_flag_wins_over_an_address(monkeypatch: Env) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://far.example:6333")
    settings = load_settings(flags={"runtime": "native"})
    assert settings.profile.runtime == "native"
    assert settings.endpoint.url == "http://127.0.0.1:6333"


def test_server_mode_false_is_native_even_with_an_address(monkeypatch: Env) -> None:
    monkeypatch.setenv("QDRANT_SERVER_MODE", "False")
    monkeypatch.setenv("QDRANT_URL", "http://far.example:6333")
    settings = load_settings()
    assert (settings.profile.runtime, settings.profile.url) == ("native", None)
    assert settings.origins["runtime"] == "environment QDRANT_SERVER_MODE"


def test_server_mode_true_lifts_a_native_file_only(monkeypatch: Env) -> None:
    monkeypatch.setenv("QDRANT_SERVER_MODE", "1")
    assert load_settings().profile.runtime == "auto"
    write_profile("local", {"runtime": "native"})
    assert load_settings().profile.runtime == "auto"
    assert load_settings(flags={"runtime": "native"}).profile.runtime == "native"
    write_profile("local", {"runtime": "docker"})
    assert load_settings().profile.runtime == "docker"


def test_an_upper_layer_of_volume_and_storage_wins() -> None:
    write_profile("local", {"storage": "/data"})
    settings = load_settings(flags={"volume": "v"})
    assert (settings.profile.volume, settings.profile.storage) == ("v", None)
    with pytest.raises(BadInput):
        load_settings(flags={"volume": "v", "storage": "/data"})


def test_a_flag_that_cannot_be_says_which() -> None:
    with pytest.raises(BadInput) as caught:
        load_settings(flags={"port": 99999})
    assert "flag --port" in caught.value.why
    with pytest.raises(BadInput):
        load_settings(flags={"port": "many"})


def test_an_empty_key_is_none_and_told(monkeypatch: Env) -> None:
    monkeypatch.setenv("QDRANT_API_KEY", "  ")
    settings = load_settings()
    assert settings.api_key is None
    assert any("QDRANT_API_KEY" in notice for notice in settings.notices)


def test_a_kept_key_is_for_the_profiles_own_server_alone(monkeypatch: Env) -> None:
    """The address of another project's server may be left in the environment."""
    write_profile("local", {"runtime": "native", "port": 7001})
    write_profile("cloud", {"runtime": "remote", "url": "https://cloud.example:6333"})
    for name in ("local", "cloud"):
        store_key(name, SecretStr("kept"))
    monkeypatch.setenv("QDRANT_URL", "http://10.0.0.5:6333")
    for name in ("local", "cloud"):
        settings = load_settings(name)
        assert settings.api_key is None
        assert [f"kept for profile {name}" in notice for notice in settings.notices] == [True, False]
    monkeypatch.setenv("QDRANT_API_KEY", "theirs")
    assert load_settings().api_key == SecretStr("theirs"), "what is given with the address goes there"
    monkeypatch.delenv("QDRANT_API_KEY")
    monkeypatch.setenv("QDRANT_URL", "https://cloud.example")
    assert load_settings("cloud").api_key == SecretStr("kept"), "as the env command prints it"
    monkeypatch.setenv("QDRANT_URL", "http://localhost:7001")
    assert load_settings().api_key == SecretStr("kept"), "its own"


def test_a_profile_that_is_not_there_lists_those_that_are() -> None:
    write_profile("work", {"port": 7000})
    with pytest.raises(BadInput) as caught:
        load_settings("wrk")
    assert "local, work" in caught.value.why
    assert "did you mean work?" in caught.value.why
    assert caught.value.fix == "qdrant-admin profiles add wrk"
    assert load_settings("local").name == "local"


def test_names_and_places_follow_the_profile() -> None:
    write_profile("work", {"host": "0.0.0.0"})  # noqa: S104 # written, not bound
    settings = load_settings("work")
    assert (settings.container_name, settings.volume_name) == ("qdrant-admin-work", "qdrant_admin_work")
    assert settings.native_storage == settings.native_folder / "storage"
    assert settings.endpoint.url == "http://127.0.0.1:6333"
    assert settings.published_openly


@pytest.mark.parametrize(
    ("file", "variables", "grpc_port"),
    [
        ({}, {"QDRANT_URL": "http://127.0.0.1:20100"}, None),
        ({}, {"QDRANT_HOST": "db.example.org"}, None),
        ({}, {"QDRANT_URL": "http://db.example.org:6333"}, None),
        ({}, {"QDRANT_URL": "http://127.0.0.1:20100", "QDRANT_GRPC_PORT": "20101"}, 20101),
        ({"grpc_port": 7334}, {"QDRANT_URL": "http://127.0.0.1:20100"}, None),
        ({"runtime": "remote", "url": "http://a.example.org:6333"}, {}, None),
        ({"runtime": "remote", "url": "http://a.example.org:6333", "grpc_port": 6334}, {}, 6334),
        (
            {"runtime": "remote", "url": "http://a.example.org:6333", "grpc_port": 6334},
            {"QDRANT_URL": "http://b.example.org:6333"},
            None,
        ),
        ({"runtime": "remote", "url": "http://a.example.org:6333"}, {"QDRANT_GRPC_PORT": "7"}, 7),
        ({"grpc_port": 7334}, {}, 7334),
        ({}, {}, 6334),  # the port on which we publish a server of our own
    ],
)
def test_the_grpc_port_of_a_server_elsewhere_is_given_or_not_used(
    file: dict[str, object], variables: dict[str, str], grpc_port: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if file:
        write_profile("local", file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.endpoint.grpc_port == grpc_port
    said = any("everything goes over REST" in notice for notice in settings.notices)
    assert said == (grpc_port is None)
